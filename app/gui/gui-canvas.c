/* gui-canvas.c: shows a picture, large or small
 *
 * The wheel and two fingers zoom about the pointer, dragging and the arrow keys move the picture.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-canvas.h"

#include <math.h>

#define ZOOM_STEP 1.25
#define ZOOM_MIN 0.05
#define ZOOM_MAX 32.0
#define PAN_STEP 48.0 /* pixels to an arrow key */

struct _GuiCanvas
{
  GtkWidget     parent_instance;

  GdkPaintable *picture;
  GdkPaintable *other;
  GdkContentProvider *content;
  double        split;
  double        zoom;     /* 0: fits */
  double        x;        /* where the picture's centre is, from that of the widget */
  double        y;
  double        start_x;  /* of a drag */
  double        start_y;
  double        start_zoom;
  double        pointer_x;
  double        pointer_y;
};

G_DEFINE_FINAL_TYPE (GuiCanvas, gui_canvas, GTK_TYPE_WIDGET)

static guint zoom_changed_signal;

/* Geometry */

static double
fit (GuiCanvas *self)
{
  double width = self->picture != NULL ? gdk_paintable_get_intrinsic_width (self->picture) : 0;
  double height = self->picture != NULL ? gdk_paintable_get_intrinsic_height (self->picture) : 0;

  if (width <= 0 || height <= 0)
    return 1;
  return MAX (MIN (gtk_widget_get_width (GTK_WIDGET (self)) / width,
                   gtk_widget_get_height (GTK_WIDGET (self)) / height), 1e-3);
}

double
gui_canvas_get_zoom (GuiCanvas *self)
{
  return self->zoom > 0 ? self->zoom : fit (self);
}

gboolean
gui_canvas_is_fitting (GuiCanvas *self)
{
  return self->zoom <= 0;
}

/* No farther than to the picture's edge. */
static double
clamp_offset (double offset,
              double picture,
              double widget)
{
  double room = MAX (0, (picture - widget) / 2);

  return CLAMP (offset, -room, room);
}

static void
move_to (GuiCanvas *self,
         double     x,
         double     y)
{
  double zoom = gui_canvas_get_zoom (self);

  if (self->picture == NULL)
    return;
  self->x = clamp_offset (x, zoom * gdk_paintable_get_intrinsic_width (self->picture),
                          gtk_widget_get_width (GTK_WIDGET (self)));
  self->y = clamp_offset (y, zoom * gdk_paintable_get_intrinsic_height (self->picture),
                          gtk_widget_get_height (GTK_WIDGET (self)));
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

/* What is at a place of the widget stays there. */
static void
zoom_about (GuiCanvas *self,
            double     zoom,
            double     place_x,
            double     place_y)
{
  double old = gui_canvas_get_zoom (self);
  double from_x = place_x - gtk_widget_get_width (GTK_WIDGET (self)) / 2.0;
  double from_y = place_y - gtk_widget_get_height (GTK_WIDGET (self)) / 2.0;

  self->zoom = CLAMP (zoom, ZOOM_MIN, ZOOM_MAX);
  move_to (self, from_x - (from_x - self->x) * self->zoom / old, from_y - (from_y - self->y) * self->zoom / old);
  g_signal_emit (self, zoom_changed_signal, 0);
}

void
gui_canvas_set_zoom (GuiCanvas *self,
                     double     zoom)
{
  if (zoom > 0)
    zoom_about (self, zoom, gtk_widget_get_width (GTK_WIDGET (self)) / 2.0,
                gtk_widget_get_height (GTK_WIDGET (self)) / 2.0);
  else
    {
      self->zoom = self->x = self->y = 0;
      gtk_widget_queue_draw (GTK_WIDGET (self));
      g_signal_emit (self, zoom_changed_signal, 0);
    }
}

void
gui_canvas_zoom_by (GuiCanvas *self,
                    int        steps)
{
  gui_canvas_set_zoom (self, gui_canvas_get_zoom (self) * pow (ZOOM_STEP, steps));
}

/* Drawing */

static void
snapshot_part (GuiCanvas    *self,
               GtkSnapshot  *snapshot,
               GdkPaintable *picture,
               double        from,
               double        to)
{
  double zoom = gui_canvas_get_zoom (self);
  double width = zoom * gdk_paintable_get_intrinsic_width (self->picture);
  double height = zoom * gdk_paintable_get_intrinsic_height (self->picture);
  float left = (float) round ((gtk_widget_get_width (GTK_WIDGET (self)) - width) / 2 + self->x);
  float top = (float) round ((gtk_widget_get_height (GTK_WIDGET (self)) - height) / 2 + self->y);
  graphene_rect_t clip = GRAPHENE_RECT_INIT (left + (float) (from * width), top, (float) ((to - from) * width),
                                             (float) height);

  if (clip.size.width <= 0)
    return; /* of a part that is not there, GTK 4.8 loses the picture */
  gtk_snapshot_push_clip (snapshot, &clip);
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (left, top));
  gdk_paintable_snapshot (picture, snapshot, width, height);
  gtk_snapshot_restore (snapshot);
  gtk_snapshot_pop (snapshot);
}

static void
gui_canvas_snapshot (GtkWidget   *widget,
                     GtkSnapshot *snapshot)
{
  GuiCanvas *self = GUI_CANVAS (widget);

  if (self->picture == NULL || gdk_paintable_get_intrinsic_width (self->picture) <= 0)
    return;
  snapshot_part (self, snapshot, self->picture, 0, self->other != NULL ? self->split : 1);
  if (self->other != NULL)
    snapshot_part (self, snapshot, self->other, self->split, 1);
}

static void
gui_canvas_measure (GtkWidget      *widget,
                    GtkOrientation  orientation,
                    int             for_size,
                    int            *minimum,
                    int            *natural,
                    int            *minimum_baseline,
                    int            *natural_baseline)
{
  *minimum = 120;
  *natural = 320;
}

static void
gui_canvas_size_allocate (GtkWidget *widget,
                          int        width,
                          int        height,
                          int        baseline)
{
  GuiCanvas *self = GUI_CANVAS (widget);

  move_to (self, self->x, self->y);
}

/* Pointer and keys */

static void
motion_cb (GtkEventControllerMotion *motion,
           double                    x,
           double                    y,
           GuiCanvas                *self)
{
  self->pointer_x = x;
  self->pointer_y = y;
}

static gboolean
scroll_cb (GtkEventControllerScroll *scroll,
           double                    dx,
           double                    dy,
           GuiCanvas                *self)
{
  zoom_about (self, gui_canvas_get_zoom (self) * pow (ZOOM_STEP, -dy), self->pointer_x, self->pointer_y);
  return TRUE;
}

static void
drag_begin_cb (GtkGestureDrag *drag,
               double          x,
               double          y,
               GuiCanvas      *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self));
  /* A picture that is seen whole is dragged out of the window instead. */
  if (self->zoom <= fit (self))
    gtk_gesture_set_state (GTK_GESTURE (drag), GTK_EVENT_SEQUENCE_DENIED);
  self->start_x = self->x;
  self->start_y = self->y;
}

static void
drag_update_cb (GtkGestureDrag *drag,
                double          x,
                double          y,
                GuiCanvas      *self)
{
  gtk_gesture_set_state (GTK_GESTURE (drag), GTK_EVENT_SEQUENCE_CLAIMED);
  move_to (self, self->start_x + x, self->start_y + y);
}

static void
pinch_begin_cb (GtkGesture       *pinch,
                GdkEventSequence *sequence,
                GuiCanvas        *self)
{
  self->start_zoom = gui_canvas_get_zoom (self);
}

static void
pinch_cb (GtkGestureZoom *pinch,
          double          scale,
          GuiCanvas      *self)
{
  double x, y;

  gtk_gesture_get_bounding_box_center (GTK_GESTURE (pinch), &x, &y);
  zoom_about (self, self->start_zoom * scale, x, y);
}

static GdkContentProvider *
prepare_cb (GtkDragSource *source,
            double         x,
            double         y,
            GuiCanvas     *self)
{
  if (self->content == NULL || self->zoom > fit (self))
    return NULL;
  gtk_drag_source_set_icon (source, self->picture, 0, 0);
  return g_object_ref (self->content);
}

static gboolean
pan (GtkWidget *widget,
     GVariant  *args,
     gpointer   user_data)
{
  GuiCanvas *self = GUI_CANVAS (widget);
  int dx, dy;

  g_variant_get (args, "(ii)", &dx, &dy);
  move_to (self, self->x + dx * PAN_STEP, self->y + dy * PAN_STEP);
  return TRUE;
}

static void
gui_canvas_dispose (GObject *object)
{
  GuiCanvas *self = GUI_CANVAS (object);

  g_clear_object (&self->picture);
  g_clear_object (&self->other);
  g_clear_object (&self->content);
  G_OBJECT_CLASS (gui_canvas_parent_class)->dispose (object);
}

static void
gui_canvas_class_init (GuiCanvasClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_canvas_dispose;
  widget_class->snapshot = gui_canvas_snapshot;
  widget_class->measure = gui_canvas_measure;
  widget_class->size_allocate = gui_canvas_size_allocate;

  gtk_widget_class_set_css_name (widget_class, "canvas");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
  gtk_widget_class_add_binding (widget_class, GDK_KEY_Left, 0, pan, "(ii)", 1, 0);
  gtk_widget_class_add_binding (widget_class, GDK_KEY_Right, 0, pan, "(ii)", -1, 0);
  gtk_widget_class_add_binding (widget_class, GDK_KEY_Up, 0, pan, "(ii)", 0, 1);
  gtk_widget_class_add_binding (widget_class, GDK_KEY_Down, 0, pan, "(ii)", 0, -1);

  zoom_changed_signal =
    g_signal_new ("zoom-changed", GUI_TYPE_CANVAS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
add_controller (GuiCanvas  *self,
                gpointer    controller,
                const char *signal,
                GCallback   callback)
{
  g_signal_connect (controller, signal, callback, self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (controller));
}

static void
gui_canvas_init (GuiCanvas *self)
{
  GtkGesture *drag = gtk_gesture_drag_new ();
  GtkGesture *pinch = gtk_gesture_zoom_new ();

  self->split = 0.5;
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  gtk_widget_set_focusable (GTK_WIDGET (self), TRUE);
  add_controller (self, gtk_event_controller_motion_new (), "motion", G_CALLBACK (motion_cb));
  add_controller (self, gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_VERTICAL), "scroll",
                  G_CALLBACK (scroll_cb));
  g_signal_connect (drag, "drag-begin", G_CALLBACK (drag_begin_cb), self);
  add_controller (self, drag, "drag-update", G_CALLBACK (drag_update_cb));
  g_signal_connect (pinch, "begin", G_CALLBACK (pinch_begin_cb), self);
  add_controller (self, pinch, "scale-changed", G_CALLBACK (pinch_cb));
  add_controller (self, gtk_drag_source_new (), "prepare", G_CALLBACK (prepare_cb));
}

void
gui_canvas_set_picture (GuiCanvas    *self,
                        GdkPaintable *picture,
                        const char   *description)
{
  double zoom = gui_canvas_get_zoom (self);
  double old = self->picture != NULL ? gdk_paintable_get_intrinsic_width (self->picture) : 0;

  g_set_object (&self->picture, picture);
  /* A preview has fewer pixels than its picture: both are seen at the same size. */
  if (self->zoom > 0 && picture != NULL && old > 0)
    self->zoom = CLAMP (zoom * old / gdk_paintable_get_intrinsic_width (picture), ZOOM_MIN, ZOOM_MAX);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, description, -1);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

GdkPaintable *
gui_canvas_get_picture (GuiCanvas *self)
{
  return self->picture;
}

void
gui_canvas_set_other (GuiCanvas    *self,
                      GdkPaintable *other)
{
  g_set_object (&self->other, other);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
gui_canvas_set_split (GuiCanvas *self,
                      double     split)
{
  self->split = CLAMP (split, 0, 1);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
gui_canvas_set_content (GuiCanvas          *self,
                        GdkContentProvider *content)
{
  g_set_object (&self->content, content);
}

void
gui_canvas_set_busy (GuiCanvas *self,
                     gboolean   busy)
{
  gtk_accessible_update_state (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_STATE_BUSY, busy, -1);
}
