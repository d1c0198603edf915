/* gui-gallery.c: the page of the pictures that were made
 *
 * Emits “changed” when what it answers may have changed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-gallery.h"

#include "gui-thumb.h"
#include "gui-viewer.h"

struct _GuiGallery
{
  AdwBin             parent_instance;

  GtkStack          *stack;
  GtkGridView       *grid;
  GuiViewer         *viewer;
  GtkActionBar      *bar;

  GListModel        *pictures;  /* of GuiPicture */
  GtkSelectionModel *selection;
};

G_DEFINE_FINAL_TYPE (GuiGallery, gui_gallery, ADW_TYPE_BIN)

static guint changed_signal;

static void
emit_changed (GuiGallery *self)
{
  g_autoptr(GPtrArray) pictures = gui_gallery_get_pictures (self);

  gtk_action_bar_set_revealed (self->bar, pictures->len > 0);
  g_signal_emit (self, changed_signal, 0);
}

static void
show_page (GuiGallery *self,
           const char *name)
{
  gtk_stack_set_visible_child_name (self->stack, name);
  emit_changed (self);
}

gboolean
gui_gallery_is_open (GuiGallery *self)
{
  return gtk_stack_get_visible_child (self->stack) == GTK_WIDGET (self->viewer);
}

GuiCanvas *
gui_gallery_get_canvas (GuiGallery *self)
{
  return gui_gallery_is_open (self) ? gui_viewer_get_canvas (self->viewer) : NULL;
}

GPtrArray *
gui_gallery_get_pictures (GuiGallery *self)
{
  GPtrArray *pictures = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr(GtkBitset) selected = NULL;

  if (gui_gallery_is_open (self))
    {
      if (!gui_viewer_is_comparing (self->viewer))
        g_ptr_array_add (pictures, g_object_ref (gui_viewer_get_picture (self->viewer)));
      return pictures;
    }
  selected = gtk_selection_model_get_selection (self->selection);
  for (guint i = 0; i < gtk_bitset_get_size (selected); i++)
    g_ptr_array_add (pictures, g_list_model_get_item (self->pictures, gtk_bitset_get_nth (selected, i)));
  return pictures;
}

void
gui_gallery_focus (GuiGallery *self)
{
  gtk_widget_grab_focus (gui_gallery_is_open (self) ? GTK_WIDGET (gui_viewer_get_canvas (self->viewer))
                                                    : GTK_WIDGET (self->grid));
}

void
gui_gallery_open (GuiGallery *self,
                  GuiPicture *picture,
                  GuiPicture *other)
{
  gui_viewer_show (self->viewer, picture, other);
  show_page (self, "viewer");
  gui_gallery_focus (self);
}

static guint
find (GuiGallery *self,
      GuiPicture *picture)
{
  for (guint i = 0; i < g_list_model_get_n_items (self->pictures); i++)
    {
      g_autoptr(GuiPicture) item = g_list_model_get_item (self->pictures, i);

      if (item == picture)
        return i;
    }
  return GTK_INVALID_LIST_POSITION;
}

void
gui_gallery_move (GuiGallery *self,
                  int         by)
{
  guint position = gui_gallery_is_open (self) ? find (self, gui_viewer_get_picture (self->viewer)) : 0;
  g_autoptr(GuiPicture) picture = NULL;

  if (!gui_gallery_is_open (self) || position == GTK_INVALID_LIST_POSITION || (by < 0 && position == 0))
    return;
  picture = g_list_model_get_item (self->pictures, position + by);
  if (picture != NULL)
    gui_gallery_open (self, picture, NULL);
}

void
gui_gallery_close (GuiGallery *self)
{
  show_page (self, g_list_model_get_n_items (self->pictures) > 0 ? "grid" : "empty");
  gui_gallery_focus (self);
}

/* A picture that is open and taken away makes room for the list. */
static void
pictures_changed_cb (GuiGallery *self)
{
  gboolean is_empty = g_list_model_get_n_items (self->pictures) == 0;

  if (gui_gallery_is_open (self) && find (self, gui_viewer_get_picture (self->viewer)) != GTK_INVALID_LIST_POSITION)
    return;
  show_page (self, is_empty ? "empty" : "grid");
}

static void
activate_cb (GtkGridView *grid,
             guint        position,
             GuiGallery  *self)
{
  g_autoptr(GuiPicture) picture = g_list_model_get_item (self->pictures, position);

  gui_gallery_open (self, picture, NULL);
}

/* Cells */

static void
setup_cb (GtkListItemFactory *factory,
          GtkListItem        *item)
{
  gtk_list_item_set_child (item, gui_thumb_new ());
}

static void
bind_cb (GtkListItemFactory *factory,
         GtkListItem        *item)
{
  GuiThumb *thumb = GUI_THUMB (gtk_list_item_get_child (item));

  gui_thumb_set_picture (thumb, gtk_list_item_get_item (item));
  /* The cell is what has the focus, and GTK 4.8 gives it no name. */
  gtk_accessible_update_property (GTK_ACCESSIBLE (gtk_widget_get_parent (GTK_WIDGET (thumb))),
                                  GTK_ACCESSIBLE_PROPERTY_LABEL, gui_thumb_get_name (thumb), -1);
}

static void
unbind_cb (GtkListItemFactory *factory,
           GtkListItem        *item)
{
  gui_thumb_set_picture (GUI_THUMB (gtk_list_item_get_child (item)), NULL);
}

static GtkListItemFactory *
create_factory (void)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();

  g_signal_connect (factory, "setup", G_CALLBACK (setup_cb), NULL);
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cb), NULL);
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cb), NULL);
  return factory;
}

/* Several pictures are chosen with Ctrl, Shift and Ctrl+A. The grid’s rubber band stays off: whoever drags over a
 * picture drags it out, and there is no room beside the pictures for a band to begin in. GTK 4.8 begins one all the
 * same, and leaves its rectangle where the picture was taken up.
 */
void
gui_gallery_set_session (GuiGallery *self,
                         GuiSession *session)
{
  g_autoptr(GtkListItemFactory) factory = create_factory ();

  self->pictures = g_object_ref (gui_history_get_list (gui_session_get_history (session)));
  self->selection = GTK_SELECTION_MODEL (gtk_multi_selection_new (g_object_ref (self->pictures)));
  gtk_grid_view_set_factory (self->grid, factory);
  gtk_grid_view_set_model (self->grid, self->selection);
  g_signal_connect (self->grid, "activate", G_CALLBACK (activate_cb), self);
  g_signal_connect_object (self->selection, "selection-changed", G_CALLBACK (emit_changed), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->selection, "items-changed", G_CALLBACK (pictures_changed_cb), self,
                           G_CONNECT_SWAPPED);
  pictures_changed_cb (self);
}

static void
gui_gallery_dispose (GObject *object)
{
  GuiGallery *self = GUI_GALLERY (object);

  g_clear_object (&self->pictures);
  g_clear_object (&self->selection);
  G_OBJECT_CLASS (gui_gallery_parent_class)->dispose (object);
}

static void
gui_gallery_class_init (GuiGalleryClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_gallery_dispose;

  changed_signal = g_signal_new ("changed", GUI_TYPE_GALLERY, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);

  g_type_ensure (GUI_TYPE_VIEWER);
  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-gallery.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiGallery, stack);
  gtk_widget_class_bind_template_child (widget_class, GuiGallery, grid);
  gtk_widget_class_bind_template_child (widget_class, GuiGallery, viewer);
  gtk_widget_class_bind_template_child (widget_class, GuiGallery, bar);

  /* Keys that mean something else where text is edited */
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Delete, 0, "win.trash", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Escape, 0, "win.back", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Page_Up, 0, "win.previous", NULL);
  gtk_widget_class_add_binding_action (widget_class, GDK_KEY_Page_Down, 0, "win.next", NULL);
}

static void
gui_gallery_init (GuiGallery *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
