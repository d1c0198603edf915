/* gui-test.h: runs the application for a test
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "gui-application.h"
#include "gui-window.h"

G_BEGIN_DECLS

typedef void     (*GuiScript)    (GuiApplication *application,
                                  gpointer        data);
typedef gboolean (*GuiCondition) (gpointer        data);

/* Makes folders of the test’s own for all that the application keeps, with the demo model in them, and fails on every
 * warning from now on. */
void       gui_test_init         (int            *argc,
                                  char         ***argv);
/* Forgets settings and pictures. */
void       gui_test_reset        (void);
void       gui_test_choose_demo  (void);
const char *gui_test_get_folder  (void); /* of the pictures */
const char *gui_test_get_model   (void); /* the folder of the demo model */
/* Makes another one, with other weights for another seed. (transfer full) */
char      *gui_test_make_model   (const char     *name,
                                  const char     *seed,
                                  const char     *variant);
/* Puts one into the store, as another program does it, without a word to the application. */
void       gui_test_put_in_store (const char     *name,
                                  const char     *path);
/* The pixels that the library makes by itself, without the application. (transfer full) */
GBytes    *gui_test_make_pixels  (const char     *name,
                                  ZimParams      *params);
/* Starts the application with a command line, ended by NULL, runs the script in its main loop and ends it. */
void       gui_test_run          (GuiScript       script,
                                  gpointer        data,
                                  ...) G_GNUC_NULL_TERMINATED;

/* Lets the main loop run until something is so; fails the test if it takes too long. */
void       gui_test_wait         (GuiCondition    condition,
                                  gpointer        data);
/* … until nothing is left to do, and the window has been drawn. */
void       gui_test_settle       (void);
GuiWindow *gui_test_get_window   (GuiApplication *application);
/* One that is shown, of a class. (nullable) */
gpointer   gui_test_find_window  (GType           type);
/* The first widget in another with a name in its .ui file. */
gpointer   gui_test_find         (gpointer        root,
                                  const char     *name);
GuiHistory *gui_test_get_history (GuiApplication *application);
GuiQueue  *gui_test_get_queue    (GuiApplication *application);
/* Conditions, of an application: its task has made two steps or more; there is no task. */
gboolean   gui_test_is_midway    (gpointer        application);
gboolean   gui_test_is_idle      (gpointer        application);
/* … until all tasks are over and so many pictures are in the history. */
void       gui_test_wait_for_pictures (GuiApplication *application,
                                       guint           n_pictures);
gboolean   gui_test_is_enabled   (GuiWindow      *window,
                                  const char     *action);
void       gui_test_activate     (GuiWindow      *window,
                                  const char     *action,
                                  const char     *target);
/* The window’s frame is pulled. */
void       gui_test_resize       (GtkWindow      *window,
                                  int             width,
                                  int             height);
void       gui_test_move         (GtkWindow      *window,
                                  int             x,
                                  int             y);
/* The pointer goes to a place in a widget, and its buttons “mousedown”, “mouseup” or “click”; 4 and 5 are the wheel. */
void       gui_test_point        (GtkWidget      *widget,
                                  double          x,
                                  double          y);
void       gui_test_button       (const char     *verb,
                                  const char     *button);
/* Keys of a real keyboard go to a window: “ctrl+Return”, or text. */
void       gui_test_focus        (GtkWindow      *window);
void       gui_test_press        (const char     *key);
void       gui_test_type         (const char     *text);
/* The longest that the main loop was busy in one go in between, in milliseconds of its thread’s processor time. */
void       gui_test_probe_begin  (void);
double     gui_test_probe_end    (void);
/* What the window looks like. */
GdkTexture *gui_test_draw        (GtkWindow      *window);
/* Writes a picture with parameters into the folder of the history. (transfer full) */
char      *gui_test_write        (const char     *name,
                                  const char     *prompt,
                                  GdkPixbuf      *pixbuf,
                                  gint64          seed);

G_END_DECLS
