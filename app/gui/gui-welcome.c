/* gui-welcome.c: what is seen as long as no model is chosen
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-welcome.h"

#include <glib/gi18n.h>

#include "app-format.h"
#include "gui-machine.h"

/* What Z-Image-Turbo’s files take, as they are published, and the memory that holds its weights. */
#define TURBO_DISK (G_GUINT64_CONSTANT (33) * 1000 * 1000 * 1000)
#define TURBO_MEMORY (G_GUINT64_CONSTANT (24) << 30)

struct _GuiWelcome
{
  AdwBin        parent_instance;

  GtkWidget    *demo_row;
  AdwActionRow *stored_row;
  GtkWidget    *stored_button;
  AdwActionRow *turbo_row;

  GuiSession   *session;
};

G_DEFINE_FINAL_TYPE (GuiWelcome, gui_welcome, ADW_TYPE_BIN)

/* What it needs, what is there, and what that means. */
static char *
describe_turbo (GuiWelcome *self)
{
  guint64 space = gui_machine_get_space (zim_store_get_path (gui_session_get_store (self->session)));
  guint64 memory = gui_machine_get_memory ();
  g_autofree char *disk_needed = app_format_memory (TURBO_DISK);
  g_autofree char *disk_there = app_format_memory (space);
  g_autofree char *memory_needed = app_format_memory (TURBO_MEMORY);
  g_autofree char *memory_there = app_format_memory (memory);
  const char *verdict = space < TURBO_DISK      ? _("There is not enough space.")
                        : memory < TURBO_MEMORY ? _("It will be slow without a graphics card.")
                                                : _("This machine can run it.");

  return g_strdup_printf (_("%s on disk (%s are free) and about %s of memory (%s are there). %s"), disk_needed,
                          disk_there, memory_needed, memory_there, verdict);
}

static void
models_changed_cb (GuiWelcome *self)
{
  GListModel *models = gui_session_get_models (self->session);
  g_autoptr(GtkStringObject) first = g_list_model_get_item (models, 0);
  const char *name = first != NULL ? gtk_string_object_get_string (first) : NULL;
  gboolean is_stored = name != NULL && !g_str_equal (name, GUI_DEMO_MODEL);

  gtk_widget_set_visible (self->demo_row, gui_session_has_demo (self->session));
  gtk_widget_set_visible (GTK_WIDGET (self->stored_row), is_stored);
  if (!is_stored)
    return;
  adw_action_row_set_subtitle (self->stored_row, name);
  gtk_actionable_set_action_target (GTK_ACTIONABLE (self->stored_button), "s", name);
}

void
gui_welcome_set_session (GuiWelcome *self,
                         GuiSession *session)
{
  g_autofree char *text = NULL;

  self->session = g_object_ref (session);
  text = describe_turbo (self);
  adw_action_row_set_subtitle (self->turbo_row, text);
  g_signal_connect_object (gui_session_get_models (session), "items-changed", G_CALLBACK (models_changed_cb), self,
                           G_CONNECT_SWAPPED);
  models_changed_cb (self);
}

static void
gui_welcome_dispose (GObject *object)
{
  g_clear_object (&GUI_WELCOME (object)->session);
  G_OBJECT_CLASS (gui_welcome_parent_class)->dispose (object);
}

static void
gui_welcome_class_init (GuiWelcomeClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = gui_welcome_dispose;

  gtk_widget_class_set_template_from_resource (widget_class, "/io/github/zimage/Zimage/gui-welcome.ui");
  gtk_widget_class_bind_template_child (widget_class, GuiWelcome, demo_row);
  gtk_widget_class_bind_template_child (widget_class, GuiWelcome, stored_row);
  gtk_widget_class_bind_template_child (widget_class, GuiWelcome, stored_button);
  gtk_widget_class_bind_template_child (widget_class, GuiWelcome, turbo_row);
}

static void
gui_welcome_init (GuiWelcome *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}
