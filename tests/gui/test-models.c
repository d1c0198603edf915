/* test-models.c: the first run, and models that come and go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <libsoup/soup.h>
#include <string.h>

#include "gui-models.h"
#include "gui-studio.h"
#include "gui-test.h"

static GSettings *settings;

static GListModel *
get_models (GuiApplication *application)
{
  return gui_session_get_models (gui_application_get_session (application));
}

static gboolean
has_one_model (gpointer data)
{
  return g_list_model_get_n_items (data) == 1;
}

static gboolean
has_two_models (gpointer data)
{
  return g_list_model_get_n_items (data) == 2;
}

/* First run */

static const char *
get_page (GuiWindow *window)
{
  return gtk_stack_get_visible_child_name (gui_test_find (window, "pages"));
}

static void
first_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  GtkWidget *demo = gui_test_find (window, "demo_button");
  const char *needs = adw_action_row_get_subtitle (gui_test_find (window, "turbo_row"));

  g_assert_cmpstr (get_page (window), ==, "welcome");
  g_assert_true (gtk_widget_get_mapped (demo));
  g_assert_false (gtk_widget_get_mapped (gui_test_find (window, "stored_row")));
  g_assert_nonnull (strstr (needs, "GiB"));
  g_assert_false (gui_test_is_enabled (window, "win.generate"));
  g_signal_emit_by_name (demo, "clicked");
  g_assert_cmpstr (get_page (window), ==, "views");
  gui_studio_set_prompt (gui_test_find (window, "studio"), "at once");
  gui_test_activate (window, "win.generate", NULL);
  gui_test_wait_for_pictures (application, 1);
}

static void
second_script (GuiApplication *application,
               gpointer        data)
{
  g_assert_cmpstr (get_page (gui_test_get_window (application)), ==, "views");
}

static void
test_first_run (void)
{
  gui_test_reset ();
  gui_test_run (first_script, NULL, NULL);
  gui_test_run (second_script, NULL, NULL);
}

/* Adding and removing */

/* (nullable) */
static AdwMessageDialog *
find_dialog (void)
{
  GListModel *windows = gtk_window_get_toplevels ();

  for (guint i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr(GtkWindow) window = g_list_model_get_item (windows, i);

      if (ADW_IS_MESSAGE_DIALOG (window) && gtk_widget_get_visible (GTK_WIDGET (window)))
        return ADW_MESSAGE_DIALOG (window);
    }
  return NULL;
}

static gboolean
has_dialog (gpointer data)
{
  return find_dialog () != NULL;
}

static AdwMessageDialog *
wait_for_dialog (void)
{
  gui_test_wait (has_dialog, NULL);
  return find_dialog ();
}

static void
answer (const char *response)
{
  AdwMessageDialog *dialog = wait_for_dialog ();

  adw_message_dialog_response (dialog, response);
  gtk_window_destroy (GTK_WINDOW (dialog));
}

static void
add_script (GuiApplication *application,
            gpointer        data)
{
  const char *const paths[] = { gui_test_get_model (), NULL };
  GuiWindow *window = gui_test_get_window (application);
  GListModel *models = get_models (application);
  g_autofree char *chosen = NULL;
  g_autofree char *left = NULL;
  g_autoptr(GtkStringObject) first = NULL;

  gui_test_activate (window, "win.view", "models");
  gui_models_create (gui_test_find (window, "models"), "mine", paths);
  g_assert_true (gtk_widget_get_visible (gui_test_find (window, "transfers_group")));
  gui_test_wait (has_two_models, models);
  first = g_list_model_get_item (models, 0);
  g_assert_cmpstr (gtk_string_object_get_string (first), ==, "mine");
  gui_test_settle ();

  gtk_widget_activate_action (GTK_WIDGET (window), "settings.model", "s", "mine");
  chosen = g_settings_get_string (settings, "model");
  g_assert_cmpstr (chosen, ==, "mine");
  gui_window_generate (window, "with the new one");
  gui_test_wait_for_pictures (application, 1);

  gui_test_activate (window, "win.remove-model", "mine");
  answer ("cancel");
  gui_test_settle ();
  g_assert_true (has_two_models (models));
  gui_test_activate (window, "win.remove-model", "mine");
  answer ("remove");
  gui_test_wait (has_one_model, models);
  gui_test_settle ();
  left = g_settings_get_string (settings, "model");
  g_assert_cmpstr (left, ==, "");
  g_assert_cmpstr (get_page (window), ==, "welcome");
}

static void
test_add (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
  gui_test_run (add_script, NULL, NULL);
}

/* Another model under the same name */

static GBytes *
get_newest_pixels (GuiApplication *application)
{
  GListModel *list = gui_history_get_list (gui_test_get_history (application));
  g_autoptr(GuiPicture) picture = g_list_model_get_item (list, 0);
  g_autoptr(ZimImage) image = zim_image_load (gui_picture_get_path (picture), NULL);

  g_assert_cmpint (zim_image_get_seed (image), ==, 7);
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (image));
}

static GBytes *
make_picture (GuiApplication *application,
              guint           number)
{
  gui_window_generate (gui_test_get_window (application), "by whoever has the name");
  gui_test_wait_for_pictures (application, number);
  return get_newest_pixels (application);
}

static gboolean
is_guided (gpointer data)
{
  ZimModel *model = gui_generator_get_model (gui_session_get_generator (gui_application_get_session (data)));

  return model != NULL && zim_model_get_variant (model) == ZIM_VARIANT_BASE;
}

static void
remove_from_store (const char *name)
{
  g_autoptr(ZimStore) store = zim_store_new (NULL);
  g_autoptr(GError) error = NULL;

  zim_store_remove (store, name, NULL, &error);
  g_assert_no_error (error);
}

static void
again_script (GuiApplication *application,
              gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *guided = gui_test_make_model ("guided", "2", "base");
  g_autofree char *other = gui_test_make_model ("other", "3", "turbo");
  const char *const paths[] = { guided, NULL };
  g_autoptr(GBytes) first = make_picture (application, 1);
  g_autoptr(GBytes) same = make_picture (application, 2);
  g_autoptr(GBytes) second = NULL;
  g_autoptr(GBytes) third = NULL;

  g_assert_true (g_bytes_equal (first, same));
  g_assert_false (is_guided (application));
  gui_models_create (gui_test_find (window, "models"), "mine", paths);
  gui_test_wait (is_guided, application);
  g_assert_true (gtk_widget_get_visible (gui_test_find (window, "guidance_row")));
  second = make_picture (application, 3);
  g_assert_false (g_bytes_equal (first, second));

  gui_test_put_in_store ("mine", other);
  third = make_picture (application, 4);
  g_assert_false (is_guided (application));
  g_assert_false (g_bytes_equal (third, second));
  g_assert_false (g_bytes_equal (third, first));
}

static void
test_again (void)
{
  gui_test_reset ();
  gui_test_put_in_store ("mine", gui_test_get_model ());
  g_settings_set_string (settings, "model", "mine");
  g_settings_set_int (settings, "steps", 2);
  g_settings_set_int64 (settings, "seed", 7);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
  gui_test_run (again_script, NULL, NULL);
  remove_from_store ("mine");
}

/* Pulling, from a server in this process that speaks the hub’s protocol */

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static char *
list_files (void)
{
  return g_strdup ("{\"sha\":\"" COMMIT "\",\"siblings\":["
                   "{\"rfilename\":\"model_index.json\"},{\"rfilename\":\"zimage.json\"},"
                   "{\"rfilename\":\"scheduler/scheduler_config.json\"},{\"rfilename\":\"tokenizer/tokenizer.json\"},"
                   "{\"rfilename\":\"text_encoder/config.json\"},{\"rfilename\":\"text_encoder/model.safetensors\"},"
                   "{\"rfilename\":\"transformer/config.json\"},"
                   "{\"rfilename\":\"transformer/diffusion_pytorch_model.safetensors\"},"
                   "{\"rfilename\":\"vae/config.json\"},{\"rfilename\":\"vae/diffusion_pytorch_model.safetensors\"}]}");
}

static void
request_cb (SoupServer        *server,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           data)
{
  const char *resolve = strstr (path, "/resolve/" COMMIT "/");
  g_autofree char *file = NULL;
  char *contents = NULL;
  gsize size = 0;

  if (g_str_has_prefix (path, "/api/models/Tongyi-MAI/Z-Image-Turbo"))
    {
      contents = list_files ();
      size = strlen (contents);
    }
  else if (resolve != NULL)
    {
      file = g_build_filename (gui_test_get_model (), resolve + strlen ("/resolve/" COMMIT "/"), NULL);
      g_file_get_contents (file, &contents, &size, NULL);
    }
  soup_server_message_set_status (message, contents != NULL ? 200 : 404, NULL);
  if (contents != NULL)
    soup_server_message_set_response (message, "application/octet-stream", SOUP_MEMORY_TAKE, contents, size);
}

static SoupServer *
start_hub (void)
{
  SoupServer *server = soup_server_new (NULL, NULL);
  g_autofree char *base = NULL;
  GSList *uris;

  soup_server_add_handler (server, NULL, request_cb, NULL, NULL);
  g_assert_true (soup_server_listen_local (server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (server);
  base = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_setenv ("HF_ENDPOINT", base, TRUE);
  return server;
}

typedef struct
{
  char *message;
} Heard;

static void
message_cb (GuiSession *session,
            const char *message,
            Heard      *heard)
{
  g_free (heard->message);
  heard->message = g_strdup (message);
}

static gboolean
has_heard (gpointer data)
{
  return ((Heard *) data)->message != NULL;
}

static void
pull_script (GuiApplication *application,
             gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  AdwMessageDialog *dialog;
  g_autofree char *chosen = NULL;

  g_assert_cmpstr (get_page (window), ==, "welcome");
  g_signal_emit_by_name (gui_test_find (gui_test_find (window, "welcome"), "turbo_button"), "clicked");
  g_assert_cmpstr (get_page (window), ==, "views");
  dialog = wait_for_dialog ();
  g_assert_nonnull (strstr (adw_message_dialog_get_body (dialog), "to fetch"));
  g_assert_true (adw_message_dialog_get_response_enabled (dialog, "get"));
  answer ("get");
  gui_test_wait (has_two_models, get_models (application));
  gui_test_settle ();
  chosen = g_settings_get_string (settings, "model");
  g_assert_cmpstr (chosen, ==, "z-image-turbo");
  gui_window_generate (window, "from afar");
  gui_test_wait_for_pictures (application, 1);
}

static void
refused_script (GuiApplication *application,
                gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  Heard heard = { NULL };

  g_signal_connect (gui_application_get_session (application), "message", G_CALLBACK (message_cb), &heard);
  gui_test_activate (window, "win.pull", "not a name");
  g_assert_nonnull (heard.message);
  g_clear_pointer (&heard.message, g_free);
  gui_test_activate (window, "win.pull", "z-image-base");
  gui_test_wait (has_heard, &heard);
  g_signal_handlers_disconnect_by_data (gui_application_get_session (application), &heard);
  g_free (heard.message);
}

static void
test_pull (void)
{
  g_autoptr(SoupServer) server = start_hub ();

  gui_test_reset ();
  gui_test_run (pull_script, NULL, NULL);
  gui_test_run (refused_script, NULL, NULL);
  g_unsetenv ("HF_ENDPOINT");
}

/* Models that do not open */

static gboolean
has_error_page (gpointer data)
{
  return g_strcmp0 (gtk_stack_get_visible_child_name (gui_test_find (gui_test_find (data, "studio"), "stack")),
                    "error") == 0;
}

static void
absent_script (GuiApplication *application,
               gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);
  AdwStatusPage *page = gui_test_find (window, "error_page");

  gui_window_generate (window, "with nothing");
  gui_test_wait (has_error_page, window);
  g_assert_nonnull (strstr (adw_status_page_get_description (page), "no-such-model"));
  g_settings_set_string (settings, "model", GUI_DEMO_MODEL);
  gui_window_generate (window, "with something");
  gui_test_wait_for_pictures (application, 1);
  g_assert_false (has_error_page (window));
}

static void
test_absent (void)
{
  gui_test_reset ();
  g_settings_set_string (settings, "model", "no-such-model");
  gui_test_run (absent_script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  settings = g_settings_new (GUI_APPLICATION_ID);
  g_test_add_func ("/gui/models/first-run", test_first_run);
  g_test_add_func ("/gui/models/add", test_add);
  g_test_add_func ("/gui/models/again", test_again);
  g_test_add_func ("/gui/models/absent", test_absent);
  g_test_add_func ("/gui/models/pull", test_pull);
  return g_test_run ();
}
