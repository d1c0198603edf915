/* gui-options.c: with which model and parameters the next picture is made
 *
 * The settings are the state; the rows show it, and 0 or −1 as what the model suggests.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-options.h"

#include <glib/gi18n.h>
#include <math.h>

#include "gui-shape.h"

struct _GuiOptions
{
  AdwBin         parent_instance;

  AdwComboRow   *model_row;
  AdwComboRow   *device_row;
  AdwComboRow   *shape_row;
  AdwComboRow   *size_row;
  GtkWidget     *width_row;
  GtkWidget     *height_row;
  GtkSpinButton *width_spin;
  GtkSpinButton *height_spin;
  GtkSpinButton *count_spin;
  GtkSpinButton *steps_spin;
  GtkWidget     *guidance_row;
  GtkSpinButton *guidance_spin;
  GtkEditable   *negative_row;
  GtkEditable   *seed_row;
  GtkButton     *lock_button;

  GuiSession    *session;
  GSettings     *settings;
  GPtrArray     *device_ids; /* of those that the row shows */
  gboolean       updating;   /* the rows follow, and shall not change the settings */
};

G_DEFINE_FINAL_TYPE (GuiOptions, gui_options, ADW_TYPE_BIN)

static ZimModel *
get_model (GuiOptions *self)
{
  return gui_generator_get_model (gui_session_get_generator (self->session));
}

/* The side of the square that the model suggests. */
static double
model_side (GuiOptions *self)
{
  ZimModel *model = get_model (self);

  return model != NULL ? sqrt ((double) zim_model_get_default_width (model) * zim_model_get_default_height (model))
                       : 1024;
}

static void
measure (GuiOptions *self,
         int        *width,
         int        *height)
{
  g_autofree char *name = g_settings_get_string (self->settings, "shape");
  int size = g_settings_get_int (self->settings, "size");

  *width = g_settings_get_int (self->settings, "width") / 16 * 16;
  *height = g_settings_get_int (self->settings, "height") / 16 * 16;
  if (gui_shape_find (name) != gui_shape_custom ())
    gui_shape_measure (gui_shape_find (name), size > 0 ? size : model_side (self), width, height);
}

/* Whether the model, which may not be open yet, has to say how large its pictures are. */
static gboolean
is_models_own (GuiOptions *self)
{
  g_autofree char *name = g_settings_get_string (self->settings, "shape");

  return g_settings_get_int (self->settings, "size") == 0 && gui_shape_find (name) != gui_shape_custom ();
}

/* Choices */

static guint
find_string (GListModel *list,
             const char *text)
{
  for (guint i = 0; i < g_list_model_get_n_items (list); i++)
    {
      g_autoptr(GtkStringObject) item = g_list_model_get_item (list, i);

      if (g_str_equal (gtk_string_object_get_string (item), text))
        return i;
    }
  return GTK_INVALID_LIST_POSITION;
}

/* What a model calls itself, and so its pictures, may have capitals. (nullable) (transfer full) */
static char *
find_model (GListModel *models,
            const char *name)
{
  for (guint i = 0; i < g_list_model_get_n_items (models); i++)
    {
      g_autoptr(GtkStringObject) item = g_list_model_get_item (models, i);

      if (g_ascii_strcasecmp (gtk_string_object_get_string (item), name) == 0)
        return g_strdup (gtk_string_object_get_string (item));
    }
  return NULL;
}

static void
show_model (GuiOptions *self)
{
  GListModel *models = gui_session_get_models (self->session);
  g_autofree char *name = g_settings_get_string (self->settings, "model");

  self->updating = TRUE;
  adw_combo_row_set_selected (self->model_row, find_string (models, name));
  gtk_widget_set_sensitive (GTK_WIDGET (self->model_row), g_list_model_get_n_items (models) > 0);
  self->updating = FALSE;
}

/* The row has a list of its own: it chooses another item when its list changes. */
static void
list_models (GuiOptions *self)
{
  GListModel *models = gui_session_get_models (self->session);
  g_autoptr(GtkStringList) names = gtk_string_list_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (models); i++)
    {
      g_autoptr(GtkStringObject) item = g_list_model_get_item (models, i);

      gtk_string_list_append (names, gtk_string_object_get_string (item));
    }
  self->updating = TRUE;
  adw_combo_row_set_model (self->model_row, G_LIST_MODEL (names));
  self->updating = FALSE;
  show_model (self);
}

static void
show_device (GuiOptions *self)
{
  g_autofree char *id = g_settings_get_string (self->settings, "device");
  guint position = 0;

  self->updating = TRUE;
  g_ptr_array_find_with_equal_func (self->device_ids, id, g_str_equal, &position);
  adw_combo_row_set_selected (self->device_row, position);
  self->updating = FALSE;
}

static void
list_devices (GuiOptions *self)
{
  GListModel *devices = gui_session_get_devices (self->session);
  g_autoptr(GtkStringList) names = gtk_string_list_new (NULL);

  g_ptr_array_set_size (self->device_ids, 0);
  g_ptr_array_add (self->device_ids, g_strdup ("auto"));
  gtk_string_list_append (names, _("Automatic"));
  for (guint i = 0; i < g_list_model_get_n_items (devices); i++)
    {
      g_autoptr(ZimDevice) device = g_list_model_get_item (devices, i);

      g_ptr_array_add (self->device_ids, g_strdup (zim_device_get_id (device)));
      gtk_string_list_append (names, zim_device_get_name (device));
    }
  self->updating = TRUE;
  adw_combo_row_set_model (self->device_row, G_LIST_MODEL (names));
  self->updating = FALSE;
  show_device (self);
}

static void
model_selected_cb (GuiOptions *self)
{
  GtkStringObject *item = adw_combo_row_get_selected_item (self->model_row);

  if (self->updating || item == NULL)
    return;
  g_settings_reset (self->settings, "steps");
  g_settings_reset (self->settings, "guidance");
  g_settings_set_string (self->settings, "model", gtk_string_object_get_string (item));
}

static void
device_selected_cb (GuiOptions *self)
{
  guint position = adw_combo_row_get_selected (self->device_row);

  if (!self->updating && position < self->device_ids->len)
    g_settings_set_string (self->settings, "device", g_ptr_array_index (self->device_ids, position));
}

/* Sizes */

static void
show_size (GuiOptions *self)
{
  g_autofree char *name = g_settings_get_string (self->settings, "shape");
  gboolean is_custom = gui_shape_find (name) == gui_shape_custom ();
  g_autofree char *pixels = NULL;
  int width, height;

  measure (self, &width, &height);
  /* Translators: width and height of a picture in pixels */
  pixels = g_strdup_printf (_("%d × %d"), width, height);
  adw_action_row_set_subtitle (ADW_ACTION_ROW (self->shape_row), pixels);
  gtk_widget_set_visible (GTK_WIDGET (self->size_row), !is_custom);
  gtk_widget_set_visible (self->width_row, is_custom);
  gtk_widget_set_visible (self->height_row, is_custom);
}

static void
list_sizes (GuiOptions *self)
{
  g_autoptr(GtkStringList) names = gtk_string_list_new (NULL);
  guint n;
  const int *sizes = gui_sizes (&n);

  gtk_string_list_append (names, _("Automatic"));
  for (guint i = 1; i < n; i++)
    {
      g_autofree char *name = g_strdup_printf ("%d", sizes[i]);

      gtk_string_list_append (names, name);
    }
  adw_combo_row_set_model (self->size_row, G_LIST_MODEL (names));
}

static gboolean
shape_to_position (GValue   *value,
                   GVariant *variant,
                   gpointer  user_data)
{
  g_value_set_uint (value, gui_shape_find (g_variant_get_string (variant, NULL)));
  return TRUE;
}

static GVariant *
shape_from_position (const GValue       *value,
                     const GVariantType *type,
                     gpointer            user_data)
{
  const char *name = gui_shape_get_name (g_value_get_uint (value));

  return name != NULL ? g_variant_new_string (name) : NULL;
}

static gboolean
size_to_position (GValue   *value,
                  GVariant *variant,
                  gpointer  user_data)
{
  guint n;
  const int *sizes = gui_sizes (&n);

  g_value_set_uint (value, 0);
  for (guint i = 0; i < n; i++)
    if (sizes[i] == g_variant_get_int32 (variant))
      g_value_set_uint (value, i);
  return TRUE;
}

static GVariant *
size_from_position (const GValue       *value,
                    const GVariantType *type,
                    gpointer            user_data)
{
  guint n, position = g_value_get_uint (value);
  const int *sizes = gui_sizes (&n);

  return position < n ? g_variant_new_int32 (sizes[position]) : NULL;
}

/* Numbers that the model suggests */

static void
show_defaults (GuiOptions *self)
{
  ZimModel *model = get_model (self);
  int steps = g_settings_get_int (self->settings, "steps");
  double guidance = g_settings_get_double (self->settings, "guidance");
  gboolean is_guided = model != NULL && zim_model_get_variant (model) == ZIM_VARIANT_BASE;

  self->updating = TRUE;
  if (steps <= 0)
    steps = model != NULL ? zim_model_get_default_steps (model) : 8;
  if (guidance < 0)
    guidance = model != NULL ? zim_model_get_default_guidance (model) : 0;
  gtk_spin_button_set_value (self->steps_spin, steps);
  gtk_spin_button_set_value (self->guidance_spin, guidance);
  gtk_widget_set_visible (self->guidance_row, is_guided);
  gtk_widget_set_visible (GTK_WIDGET (self->negative_row), is_guided);
  self->updating = FALSE;
  show_size (self);
}

static void
steps_changed_cb (GuiOptions *self)
{
  ZimModel *model = get_model (self);
  int steps = gtk_spin_button_get_value_as_int (self->steps_spin);

  if (!self->updating)
    g_settings_set_int (self->settings, "steps",
                        model != NULL && steps == zim_model_get_default_steps (model) ? 0 : steps);
}

static void
guidance_changed_cb (GuiOptions *self)
{
  if (!self->updating)
    g_settings_set_double (self->settings, "guidance", gtk_spin_button_get_value (self->guidance_spin));
}

/* Seed */

static gboolean
seed_to_text (GValue   *value,
              GVariant *variant,
              gpointer  user_data)
{
  g_value_take_string (value, g_strdup_printf ("%" G_GINT64_FORMAT, g_variant_get_int64 (variant)));
  return TRUE;
}

static GVariant *
seed_from_text (const GValue       *value,
                const GVariantType *type,
                gpointer            user_data)
{
  const char *text = g_value_get_string (value);
  gint64 seed;
  GtkWidget *row = user_data;
  gboolean is_good = g_ascii_string_to_signed (text, 10, 0, ZIM_SEED_MAX, &seed, NULL);

  (is_good ? gtk_widget_remove_css_class : gtk_widget_add_css_class) (row, "error");
  return is_good ? g_variant_new_int64 (seed) : NULL;
}

void
gui_options_draw_seed (GuiOptions *self)
{
  g_settings_set_int64 (self->settings, "seed", g_random_int ());
}

static void
show_lock (GuiOptions *self)
{
  gboolean is_locked = g_settings_get_boolean (self->settings, "seed-locked");

  gtk_button_set_icon_name (self->lock_button, is_locked ? "changes-prevent-symbolic" : "changes-allow-symbolic");
}

/* In and out */

ZimParams *
gui_options_create_params (GuiOptions *self,
                           const char *prompt)
{
  ZimParams *params = zim_params_new (prompt);
  g_autofree char *negative = g_settings_get_string (self->settings, "negative-prompt");
  double guidance = g_settings_get_double (self->settings, "guidance");
  int steps = g_settings_get_int (self->settings, "steps");
  int width, height;

  if (!g_settings_get_boolean (self->settings, "seed-locked"))
    gui_options_draw_seed (self);
  if (!is_models_own (self))
    {
      measure (self, &width, &height);
      zim_params_set_size (params, width, height);
    }
  zim_params_set_seed (params, g_settings_get_int64 (self->settings, "seed"));
  zim_params_set_n_images (params, g_settings_get_int (self->settings, "count"));
  if (steps > 0)
    zim_params_set_steps (params, steps);
  /* Of a model that is still being opened it is not known. */
  if (get_model (self) == NULL || gtk_widget_get_visible (self->guidance_row))
    {
      if (guidance >= 0)
        zim_params_set_guidance (params, guidance);
      if (*negative != '\0')
        zim_params_set_negative_prompt (params, negative);
    }
  return params;
}

static void
reuse_size (GuiOptions *self,
            int         width,
            int         height)
{
  guint shape;
  int size;

  if (gui_shape_guess (width, height, model_side (self), &shape, &size))
    {
      g_settings_set_string (self->settings, "shape", gui_shape_get_name (shape));
      g_settings_set_int (self->settings, "size", size);
    }
  else
    {
      g_settings_set_string (self->settings, "shape", "custom");
      g_settings_set_int (self->settings, "width", CLAMP (width, 16, ZIM_SIZE_MAX));
      g_settings_set_int (self->settings, "height", CLAMP (height, 16, ZIM_SIZE_MAX));
    }
}

void
gui_options_reuse (GuiOptions *self,
                   ZimParams  *params,
                   const char *model)
{
  const char *negative = zim_params_get_negative_prompt (params);
  g_autofree char *known = model != NULL ? find_model (gui_session_get_models (self->session), model) : NULL;
  int steps = zim_params_get_steps (params);
  double guidance = zim_params_get_guidance (params);

  if (known != NULL)
    g_settings_set_string (self->settings, "model", known);
  if (zim_params_get_width (params) > 0 && zim_params_get_height (params) > 0)
    reuse_size (self, zim_params_get_width (params), zim_params_get_height (params));
  g_settings_set_int (self->settings, "steps", CLAMP (steps, 0, ZIM_STEPS_MAX));
  g_settings_set_double (self->settings, "guidance", CLAMP (guidance, -1, 100));
  g_settings_set_string (self->settings, "negative-prompt", negative != NULL ? negative : "");
  g_settings_reset (self->settings, "count");
  if (zim_params_get_seed (params) >= 0)
    {
      g_settings_set_int64 (self->settings, "seed", MIN (zim_params_get_seed (params), ZIM_SEED_MAX));
      g_settings_set_boolean (self->settings, "seed-locked", TRUE);
    }
}

static void
setting_changed_cb (GuiOptions *self,
                    const char *key)
{
  if (g_str_equal (key, "model"))
    show_model (self);
  else if (g_str_equal (key, "device"))
    show_device (self);
  else if (g_str_equal (key, "seed-locked"))
    show_lock (self);
  else
    show_defaults (self);
}

static void
bind (GuiOptions *self)
{
  g_settings_bind_with_mapping (self->settings, "shape", self->shape_row, "selected", G_SETTINGS_BIND_DEFAULT,
                                shape_to_position, shape_from_position, NULL, NULL);
  g_settings_bind_with_mapping (self->settings, "size", self->size_row, "selected", G_SETTINGS_BIND_DEFAULT,
                                size_to_position, size_from_position, NULL, NULL);
  g_settings_bind_with_mapping (self->settings, "seed", self->seed_row, "text", G_SETTINGS_BIND_DEFAULT,
                                seed_to_text, seed_from_text, self->seed_row, NULL);
  /* The generator of the session chooses for itself. */
  g_settings_bind (self->settings, "use-service", self->device_row, "visible",
                   G_SETTINGS_BIND_GET | G_SETTINGS_BIND_INVERT_BOOLEAN);
  g_settings_bind (self->settings, "width", self->width_spin, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (self->settings, "height", self->height_spin, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (self->settings, "count", self->count_spin, "value", G_SETTINGS_BIND_DEFAULT);
  g_settings_bind (self->settings, "negative-prompt", self->negative_row, "text", G_SETTINGS_BIND_DEFAULT);
}

void
gui_options_set_session (GuiOptions *self,
                         GuiSession *session)
{
  self->session = g_object_ref (session);
  self->settings = g_object_ref (gui_session_get_settings (session));
  list_sizes (self);
  bind (self);
  g_signal_connect_object (gui_session_get_models (session), "items-changed", G_CALLBACK (list_models), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_devices (session), "items-changed", G_CALLBACK (list_devices), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (gui_session_get_generator (session), "notify::model", G_CALLBACK (show_defaults), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (self->settings, "changed", G_CALLBACK (setting_changed_cb), self, G_CONNECT_SWAPPED);
  list_devices (self);
  list_models (self);
  show_lock (self);
  show_defaults (self);
}

static void
gui_options_dispose (GObject *object)
{
  GuiOptions *self = GUI_OPTIONS (object);

  g_clear_object (&self->session);
  g_clear_object (&self->settings);
  g_clear_pointer (&self->device_ids, g_ptr_array_unref);
  G_OBJECT_CLASS (gui_options_parent_class)->dispose (object);
}

static void
gui_options_class_init (GuiOptionsClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_options_dispose;

  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-options.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, model_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, device_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, shape_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, size_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, width_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, height_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, width_spin);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, height_spin);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, count_spin);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, steps_spin);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, guidance_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, guidance_spin);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, negative_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, seed_row);
  gtk_widget_class_bind_template_child (widget_class, GuiOptions, lock_button);
}

static void
gui_options_init (GuiOptions *self)
{
  self->device_ids = g_ptr_array_new_with_free_func (g_free);
  gtk_widget_init_template (GTK_WIDGET (self));
  g_signal_connect_swapped (self->model_row, "notify::selected", G_CALLBACK (model_selected_cb), self);
  g_signal_connect_swapped (self->device_row, "notify::selected", G_CALLBACK (device_selected_cb), self);
  g_signal_connect_swapped (self->steps_spin, "value-changed", G_CALLBACK (steps_changed_cb), self);
  g_signal_connect_swapped (self->guidance_spin, "value-changed", G_CALLBACK (guidance_changed_cb), self);
}
