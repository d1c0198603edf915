/* test-access.c: what a screen reader meets
 *
 * The tree is asked for as a screen reader asks, over its bus: every control has a role and a name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "gui-preferences.h"
#include "gui-test.h"

#define ACCESSIBLE "org.a11y.atspi.Accessible"
#define ROOT "/org/a11y/atspi/accessible/root"

static GDBusConnection *bus; /* of accessibility */

/* Calls without blocking: who answers is this process. */

static void
keep_result_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static gboolean
is_set (gpointer data)
{
  return *(gpointer *) data != NULL;
}

static GVariant *
call (GDBusConnection    *connection,
      const char         *name,
      const char         *path,
      const char         *interface,
      const char         *method,
      GVariant           *arguments,
      const GVariantType *type)
{
  g_autoptr(GAsyncResult) result = NULL;
  g_autoptr(GError) error = NULL;
  GVariant *answer;

  g_dbus_connection_call (connection, name, path, interface, method, arguments, type, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          keep_result_cb, &result);
  gui_test_wait (is_set, &result);
  answer = g_dbus_connection_call_finish (connection, result, &error);
  g_assert_no_error (error);
  return answer;
}

static void
connect_bus (void)
{
  g_autoptr(GDBusConnection) session = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr(GVariant) answer = call (session, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", NULL,
                                     G_VARIANT_TYPE ("(s)"));
  g_autoptr(GError) error = NULL;
  const char *address;

  g_variant_get (answer, "(&s)", &address);
  bus = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                         G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                NULL, NULL, &error);
  g_assert_no_error (error);
}

typedef struct
{
  char *name; /* on the bus */
  char *path;
} Node;

static void
node_free (Node *node)
{
  g_free (node->name);
  g_free (node->path);
  g_free (node);
}

static GPtrArray *
get_children (const char *name,
              const char *path)
{
  g_autoptr(GVariant) answer = call (bus, name, path, ACCESSIBLE, "GetChildren", NULL, G_VARIANT_TYPE ("(a(so))"));
  g_autoptr(GVariantIter) iter = NULL;
  GPtrArray *children = g_ptr_array_new_with_free_func ((GDestroyNotify) node_free);
  const char *child_name, *child_path;

  g_variant_get (answer, "(a(so))", &iter);
  while (g_variant_iter_next (iter, "(&s&o)", &child_name, &child_path))
    {
      Node *node = g_new0 (Node, 1);

      node->name = g_strdup (child_name);
      node->path = g_strdup (child_path);
      g_ptr_array_add (children, node);
    }
  return children;
}

static char *
get_role (const Node *node)
{
  g_autoptr(GVariant) answer = call (bus, node->name, node->path, ACCESSIBLE, "GetRoleName", NULL,
                                     G_VARIANT_TYPE ("(s)"));
  char *role;

  g_variant_get (answer, "(s)", &role);
  return role;
}

static char *
get_name (const Node *node)
{
  g_autoptr(GVariant) answer =
    call (bus, node->name, node->path, "org.freedesktop.DBus.Properties", "Get",
          g_variant_new ("(ss)", ACCESSIBLE, "Name"), G_VARIANT_TYPE ("(v)"));
  g_autoptr(GVariant) value = NULL;

  g_variant_get (answer, "(v)", &value);
  return g_variant_dup_string (value, NULL);
}

/* Bits of the states of AT-SPI */
#define FOCUSABLE 11
#define PRESSED 20

static gboolean
has_state (const Node *node,
           guint       state)
{
  g_autoptr(GVariant) answer = call (bus, node->name, node->path, ACCESSIBLE, "GetState", NULL,
                                     G_VARIANT_TYPE ("(au)"));
  g_autoptr(GVariant) words = g_variant_get_child_value (answer, 0);
  guint32 word;

  g_variant_get_child (words, state / 32, "u", &word);
  return (word & (1u << state % 32)) != 0;
}

/* GTK calls what has no name by its class. */
static gboolean
is_nameless (const char *name)
{
  static const char *const prefixes[] = { "Gtk", "Adw", "Gui" };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    if (g_str_has_prefix (name, prefixes[i]) && g_ascii_isupper (name[strlen (prefixes[i])]))
      return TRUE;
  return *name == '\0';
}

/* Roles that a person acts on, or hears of. */
static gboolean
is_control (const char *role)
{
  static const char *const roles[] = {
    "button", "toggle button", "checkbox", "radio button", "combo box", "spin button", "text box", "slider",
    "progress bar", "switch", "menu item", "tab", "grid", "grid cell", NULL
  };

  return g_strv_contains (roles, role);
}

/* What else the keyboard reaches: pictures, rows, texts that can be selected, what it scrolls. */
static gboolean
can_have_focus (const char *role)
{
  static const char *const roles[] = { "image", "label", "list", "list item", "group", "search box", "window", NULL };

  return is_control (role) || g_strv_contains (roles, role);
}

typedef struct
{
  GHashTable *controls; /* “role name” → Node */
  GPtrArray  *faults;   /* what is wrong, with the way there */
  GPtrArray  *nodes;    /* all there are */
} Found;

static void
walk (Node       *node,
      const char *trail,
      Found      *found)
{
  g_autofree char *role = get_role (node);
  g_autofree char *name = get_name (node);
  g_autofree char *here = g_strdup_printf ("%s/%s “%s”", trail, role, name);
  g_autoptr(GPtrArray) children = NULL;

  if (is_control (role) || g_str_equal (role, "image"))
    g_hash_table_insert (found->controls, g_strdup_printf ("%s %s", role, name), node);
  if (is_control (role) && (is_nameless (name) || strchr (name, '_') != NULL))
    g_ptr_array_add (found->faults, g_strconcat ("no good name: ", here, NULL));
  if (!can_have_focus (role) && has_state (node, FOCUSABLE))
    g_ptr_array_add (found->faults, g_strconcat ("no role for what has the focus: ", here, NULL));
  children = get_children (node->name, node->path);
  for (guint i = 0; i < children->len; i++)
    walk (g_ptr_array_index (children, i), here, found);
  g_ptr_array_extend_and_steal (found->nodes, g_steal_pointer (&children));
}

static void
find_all (Found *found)
{
  found->controls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  found->faults = g_ptr_array_new_with_free_func (g_free);
  found->nodes = get_children ("org.a11y.atspi.Registry", ROOT);
  g_assert_cmpuint (found->nodes->len, ==, 1);
  walk (g_ptr_array_index (found->nodes, 0), "", found);
}

static void
found_clear (Found *found)
{
  g_hash_table_unref (found->controls);
  g_ptr_array_unref (found->faults);
  g_ptr_array_unref (found->nodes);
}

/* All controls are those that are expected, and the other way round. */
static void
check (const char *const *expected)
{
  Found found = { NULL };
  GHashTableIter iter;
  gpointer key;

  gui_test_settle ();
  find_all (&found);
  for (guint i = 0; expected[i] != NULL; i++)
    if (!g_hash_table_contains (found.controls, expected[i]))
      g_ptr_array_add (found.faults, g_strconcat ("missing: ", expected[i], NULL));
  g_hash_table_iter_init (&iter, found.controls);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_strv_contains (expected, key) && !g_str_has_prefix (key, "image "))
      g_ptr_array_add (found.faults, g_strconcat ("unexpected: ", key, NULL));
  for (guint i = 0; i < found.faults->len; i++)
    g_test_message ("%s", (char *) g_ptr_array_index (found.faults, i));
  g_assert_cmpuint (found.faults->len, ==, 0);
  found_clear (&found);
}

/* All controls of the window, whichever page is seen. A toggle button is a button with a state here. */

#define ALWAYS                                                                                                   \
  "tab Create", "tab History", "tab Models", "button New Image", "button Main Menu",                             \
  "button Minimize", "button Maximize", "button Close",                                                          \
  "text box Prompt", "button Generate", "button Picture", "button Cancel", "progress bar Progress",              \
  "button Models", "combo box Model", "combo box Device", "combo box Shape",                                    \
  "spin button Pictures", "spin button Steps", "text box Seed", "button Another Seed", "button Keep the Seed",   \
  "grid Pictures", "button Use Its Prompt and Parameters", "button Compare Two", "button Copy",                  \
  "button Save As…", "button Set as Wallpaper", "button Move to Trash",                                          \
  "checkbox demo", "button Get… Z-Image-Turbo", "button Get… Z-Image",                                           \
  "text box Another: hf.co/owner/model",                                                                         \
  "button Begin with the Demo", "button Get Z-Image-Turbo", "button Add What You Have"

static const char *const at_first[] = { ALWAYS, "button Options", "combo box Size", NULL };
static const char *const preferences[] = {
  ALWAYS, "button Options", "combo box Size", "tab Pictures", "button Folder", "switch Show Previews",
  "switch Notify", "switch Keep Awake", "switch Use the Shared Generator", NULL
};

static char *
get_cell (GuiApplication *application)
{
  GListModel *list = gui_history_get_list (gui_test_get_history (application));
  g_autoptr(GuiPicture) picture = g_list_model_get_item (list, 0);
  g_autofree char *name = g_path_get_basename (gui_picture_get_path (picture));

  return g_strconcat ("grid cell ", name, NULL);
}

static void
check_history (GuiWindow  *window,
               const char *cell)
{
  gui_test_activate (window, "win.view", "history");
  check ((const char *const[]) { ALWAYS, "combo box Size", "image a red fox in the snow", cell, NULL });
  g_signal_emit_by_name (gui_test_find (window, "grid"), "activate", 0);
  check ((const char *const[]) { ALWAYS, "combo box Size", "image a red fox in the snow", cell, "button Back", NULL });
}

static void
check_lock (gboolean is_expected)
{
  Found found = { NULL };

  gui_test_settle ();
  find_all (&found);
  g_assert_cmpint (has_state (g_hash_table_lookup (found.controls, "button Keep the Seed"), PRESSED), ==, is_expected);
  found_clear (&found);
}

static void
script (GuiApplication *application,
        gpointer        data)
{
  g_autoptr(GSettings) settings = g_settings_new (GUI_APPLICATION_ID);
  GuiWindow *window = gui_test_get_window (application);
  g_autofree char *cell = NULL;

  connect_bus ();
  check (at_first);
  check_lock (FALSE);
  g_settings_set_boolean (settings, "seed-locked", TRUE);
  check_lock (TRUE);
  g_action_group_activate_action (G_ACTION_GROUP (application), "preferences", NULL);
  check (preferences);
  gtk_window_destroy (gui_test_find_window (GUI_TYPE_PREFERENCES));

  gui_window_generate (window, "a red fox in the snow");
  gui_test_wait_for_pictures (application, 1);
  cell = get_cell (application);
  check_history (window, cell);
  gui_test_activate (window, "win.view", "studio");
  g_settings_set_string (settings, "shape", "custom");
  check ((const char *const[]) { ALWAYS, "button Options", "image a red fox in the snow", cell, "spin button Width",
                                 "spin button Height", NULL });
  g_clear_object (&bus);
}

static void
test_controls (void)
{
  gui_test_reset ();
  gui_test_choose_demo ();
  gui_test_run (script, NULL, NULL);
}

int
main (int    argc,
      char **argv)
{
  gui_test_init (&argc, &argv);
  g_test_add_func ("/gui/access/controls", test_controls);
  return g_test_run ();
}
