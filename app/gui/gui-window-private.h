/* gui-window-private.h: what the window and its actions share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "gui-gallery.h"
#include "gui-models.h"
#include "gui-studio.h"
#include "gui-welcome.h"
#include "gui-window.h"

G_BEGIN_DECLS

struct _GuiWindow
{
  AdwApplicationWindow  parent_instance;

  AdwToastOverlay      *toasts;
  GtkStack             *pages;
  AdwViewStack         *views;
  AdwViewSwitcherTitle *title;
  GtkWidget            *new_button;
  GtkWidget            *options_button;
  GuiStudio            *studio;
  GuiGallery           *gallery;
  GuiModels            *models;
  GuiWelcome           *welcome;

  GuiSession           *session;
  AdwToast             *toast;      /* (nullable) the last message, as long as it is there */
  AdwToast             *undo_toast; /* (nullable) the one with which pictures come back, */
  GPtrArray            *removed;    /* those */
};

void       _gui_window_class_install_actions (GtkWidgetClass *class);
void       _gui_window_actions_update        (GuiWindow      *self);
AdwToast  *_gui_window_create_toast          (const char     *message);
void       _gui_window_toast                 (GuiWindow      *self,
                                              const char     *message);
/* The pictures that actions are about. (transfer container) */
GPtrArray *_gui_window_get_pictures          (GuiWindow      *self);
/* The one that can be zoomed. (nullable) */
GuiCanvas *_gui_window_get_canvas            (GuiWindow      *self);

/* Actions on pictures */
void       _gui_window_reuse                 (GuiWindow      *self);
void       _gui_window_copy                  (GuiWindow      *self);
void       _gui_window_save_as               (GuiWindow      *self);
void       _gui_window_set_wallpaper         (GuiWindow      *self);
void       _gui_window_trash                 (GuiWindow      *self);
void       _gui_window_undo                  (GuiWindow      *self);
void       _gui_window_choose_import         (GuiWindow      *self);

G_END_DECLS
