/* gui-transfer-row.c: a model that is on its way
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "gui-transfer-row.h"

#include <glib/gi18n.h>

#include "app-format.h"

#define INTERVAL 250 /* milliseconds between looks at how far it is */

struct _GuiTransferRow
{
  AdwActionRow    parent_instance;

  GtkProgressBar *bar;
  ZimTransfer    *transfer;
  GCancellable   *cancellable;
  guint           timer;
};

G_DEFINE_FINAL_TYPE (GuiTransferRow, gui_transfer_row, ADW_TYPE_ACTION_ROW)

/* “1.5 GiB of 20.1 GiB, 3 min 5 s left” */
static char *
describe (ZimTransfer *transfer)
{
  g_autofree char *completed = app_format_memory (zim_transfer_get_completed (transfer));
  g_autofree char *total = app_format_memory (zim_transfer_get_total (transfer));
  double remaining = zim_transfer_get_remaining (transfer);
  g_autofree char *time = remaining >= 1 ? app_format_remaining (remaining) : NULL;

  if (time == NULL)
    return g_strdup_printf (_("%s of %s"), completed, total);
  return g_strdup_printf (_("%s of %s, %s left"), completed, total, time);
}

static gboolean
tick_cb (gpointer data)
{
  GuiTransferRow *self = data;
  guint64 total = zim_transfer_get_total (self->transfer);
  g_autofree char *text = total > 0 ? describe (self->transfer) : g_strdup (_("Finding out what there is to do"));

  adw_action_row_set_subtitle (ADW_ACTION_ROW (self), text);
  if (total > 0)
    gtk_progress_bar_set_fraction (self->bar,
                                   (double) zim_transfer_get_completed (self->transfer) / (double) total);
  return G_SOURCE_CONTINUE;
}

static void
cancel_cb (GtkButton      *button,
           GuiTransferRow *self)
{
  gtk_widget_set_sensitive (GTK_WIDGET (button), FALSE);
  g_cancellable_cancel (self->cancellable);
}

static void
gui_transfer_row_dispose (GObject *object)
{
  GuiTransferRow *self = GUI_TRANSFER_ROW (object);

  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_object (&self->transfer);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (gui_transfer_row_parent_class)->dispose (object);
}

static void
gui_transfer_row_class_init (GuiTransferRowClass *class)
{
  G_OBJECT_CLASS (class)->dispose = gui_transfer_row_dispose;
}

static void
gui_transfer_row_init (GuiTransferRow *self)
{
  GtkWidget *button = gtk_button_new_from_icon_name ("process-stop-symbolic");

  self->transfer = zim_transfer_new ();
  self->cancellable = g_cancellable_new ();
  self->bar = GTK_PROGRESS_BAR (gtk_progress_bar_new ());
  gtk_widget_set_valign (GTK_WIDGET (self->bar), GTK_ALIGN_CENTER);
  gtk_widget_set_size_request (GTK_WIDGET (self->bar), 80, -1);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->bar), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Progress"), -1);
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, _("Cancel"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Cancel"), -1);
  g_signal_connect (button, "clicked", G_CALLBACK (cancel_cb), self);
  adw_action_row_add_suffix (ADW_ACTION_ROW (self), GTK_WIDGET (self->bar));
  adw_action_row_add_suffix (ADW_ACTION_ROW (self), button);
  self->timer = g_timeout_add (INTERVAL, tick_cb, self);
}

GtkWidget *
gui_transfer_row_new (const char *title)
{
  GuiTransferRow *self = g_object_new (GUI_TYPE_TRANSFER_ROW, "title", title, NULL);

  tick_cb (self);
  return GTK_WIDGET (self);
}

ZimTransfer *
gui_transfer_row_get_transfer (GuiTransferRow *self)
{
  return self->transfer;
}

GCancellable *
gui_transfer_row_get_cancellable (GuiTransferRow *self)
{
  return self->cancellable;
}
