/* test-access.c: what a screen reader meets
 *
 * The tree is asked for as a screen reader asks, over its bus: every control has a role and a name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <string.h>

#include "gui-studio.h"
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

static gboolean
is_showing (const Node *node)
{
  g_autoptr(GVariant) answer = call (bus, node->name, node->path, ACCESSIBLE, "GetState", NULL,
                                     G_VARIANT_TYPE ("(au)"));
  g_autoptr(GVariant) words = g_variant_get_child_value (answer, 0);
  guint32 first;

  g_variant_get_child (words, 0, "u", &first);
  return (first & (1u << 25)) != 0 || (first & (1u << 30)) != 0; /* showing or visible */
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

/* Roles that a person acts on. */
static gboolean
is_control (const char *role)
{
  static const char *const roles[] = {
    "push button", "button", "toggle button", "check box", "radio button", "combo box", "spin button", "entry", "text",
    "slider", "progress bar", "switch", "menu item",
  };

  for (guint i = 0; i < G_N_ELEMENTS (roles); i++)
    if (g_str_equal (roles[i], role))
      return TRUE;
  return FALSE;
}

typedef struct
{
  GHashTable *names;    /* of controls */
  GPtrArray  *nameless; /* descriptions of controls */
  guint       n_controls;
} Found;

static void
walk (const Node *node,
      const char *trail,
      Found      *found)
{
  g_autofree char *role = get_role (node);
  g_autofree char *name = get_name (node);
  g_autofree char *here = g_strdup_printf ("%s/%s “%s”", trail, role, name);
  g_autoptr(GPtrArray) children = NULL;

  g_hash_table_insert (found->names, g_strdup (name), GUINT_TO_POINTER (1));
  found->n_controls += is_control (role) && is_showing (node);
  if (is_control (role) && is_nameless (name) && is_showing (node))
    g_ptr_array_add (found->nameless, g_strdup (here));
  children = get_children (node->name, node->path);
  for (guint i = 0; i < children->len; i++)
    walk (g_ptr_array_index (children, i), here, found);
}

static void
find_all (Found *found)
{
  const char *own = NULL;
  g_autoptr(GPtrArray) applications = get_children ("org.a11y.atspi.Registry", ROOT);

  found->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  found->nameless = g_ptr_array_new_with_free_func (g_free);
  g_assert_cmpuint (applications->len, ==, 1);
  own = ((Node *) g_ptr_array_index (applications, 0))->name;
  g_assert_nonnull (own);
  walk (g_ptr_array_index (applications, 0), "", found);
}

static void
found_clear (Found *found)
{
  g_hash_table_unref (found->names);
  g_ptr_array_unref (found->nameless);
}

static gboolean
has_name (const Found *found,
          const char  *text)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, found->names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (strstr (name, text) != NULL)
      return TRUE;
  return FALSE;
}

static void
check (const char *const *names)
{
  Found found = { NULL };

  gui_test_settle ();
  find_all (&found);
  for (guint i = 0; i < found.nameless->len; i++)
    g_test_message ("no name: %s", (char *) g_ptr_array_index (found.nameless, i));
  g_assert_cmpuint (found.nameless->len, ==, 0);
  g_assert_cmpuint (found.n_controls, >=, 10);
  for (guint i = 0; names[i] != NULL; i++)
    if (!has_name (&found, names[i]))
      g_error ("nothing has the name “%s”", names[i]);
  found_clear (&found);
}

static void
script (GuiApplication *application,
        gpointer        data)
{
  GuiWindow *window = gui_test_get_window (application);

  connect_bus ();
  check ((const char *const[]) { "Prompt", "Generate", "Main Menu", "Options", "New Image", "Steps", "Pictures",
                                 "Seed", "Another Seed", "Keep the Seed", NULL });
  gui_window_generate (window, "a red fox in the snow");
  gui_test_wait_for_pictures (application, 1);
  check ((const char *const[]) { "a red fox in the snow", "Picture", NULL });
  gui_test_activate (window, "win.view", "history");
  check ((const char *const[]) { "Move to Trash", "Copy", "Use Its Prompt and Parameters", NULL });
  gui_test_activate (window, "win.view", "models");
  check ((const char *const[]) { "demo", "Z-Image-Turbo", "From a", NULL });
  g_clear_object (&bus);
}

static void
test_names (void)
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
  g_test_add_func ("/gui/access/names", test_names);
  return g_test_run ();
}
