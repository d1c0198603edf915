/* server-listen.c: where the server listens
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-listen.h"

#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gi18n.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3 /* systemd's convention */
#define BACKLOG 512

/* --- systemd --------------------------------------------------------------------------------------- */

static guint
get_number (const char *variable,
            guint       max)
{
  const char *text = g_getenv (variable);
  guint64 number = 0;

  if (text != NULL)
    g_ascii_string_to_unsigned (text, 10, 0, max, &number, NULL);
  return (guint) number;
}

GPtrArray *
server_listen_inherit (GError **error)
{
  g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);
  guint n = get_number ("LISTEN_FDS", 64);

  if (get_number ("LISTEN_PID", G_MAXINT) != (guint) getpid ())
    return g_steal_pointer (&sockets);

  /* They are none of the programs' that this one may start. */
  g_unsetenv ("LISTEN_PID");
  g_unsetenv ("LISTEN_FDS");
  for (guint i = 0; i < n; i++)
    {
      int fd = FIRST_FD + (int) i;
      GSocket *socket;

      fcntl (fd, F_SETFD, FD_CLOEXEC);
      socket = g_socket_new_from_fd (fd, error);
      if (socket == NULL)
        {
          g_prefix_error (error, _("File descriptor %d, which LISTEN_FDS passes, is no socket: "), fd);
          return NULL;
        }
      g_ptr_array_add (sockets, socket);
    }

  return g_steal_pointer (&sockets);
}

/* A datagram to a socket whose name begins with “@” if it is none of a file. */
void
server_listen_notify (const char *state)
{
  const char *path = g_getenv ("NOTIFY_SOCKET");
  g_autoptr(GSocketAddress) address = NULL;
  g_autoptr(GSocket) socket = NULL;

  if (path == NULL || *path == '\0')
    return;
  if (*path == '@')
    address = g_unix_socket_address_new_with_type (path + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
  else
    address = g_unix_socket_address_new (path);
  socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  if (socket != NULL)
    g_socket_send_to (socket, address, state, strlen (state), NULL, NULL);
}

/* --- Addresses ------------------------------------------------------------------------------------- */

static GSocket *
open_one (GInetAddress  *address,
          guint16        port,
          GError       **error)
{
  g_autoptr(GSocketAddress) target = g_inet_socket_address_new (address, port);
  g_autoptr(GSocket) socket = g_socket_new (g_inet_address_get_family (address), G_SOCKET_TYPE_STREAM,
                                            G_SOCKET_PROTOCOL_TCP, error);
  int only = 1;

  if (socket == NULL)
    return NULL;
  /* “::” is that alone, “0.0.0.0” the other one. */
  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6)
    setsockopt (g_socket_get_fd (socket), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  g_socket_set_listen_backlog (socket, BACKLOG);
  if (!g_socket_bind (socket, target, TRUE, error) || !g_socket_listen (socket, error))
    return NULL;

  return g_steal_pointer (&socket);
}

static guint16
get_port (GSocket *socket)
{
  g_autoptr(GSocketAddress) address = g_socket_get_local_address (socket, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

GPtrArray *
server_listen_open (const char  *host,
                    guint16      port,
                    GError     **error)
{
  g_autoptr(GResolver) resolver = g_resolver_get_default ();
  g_autolist(GInetAddress) addresses = g_resolver_lookup_by_name (resolver, host, NULL, error);
  g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func (g_object_unref);

  for (GList *l = addresses; l != NULL; l = l->next)
    {
      g_autoptr(GError) reason = NULL;
      GSocket *socket = open_one (l->data, port, &reason);

      if (socket != NULL)
        {
          g_ptr_array_add (sockets, socket);
          /* A free port that was found is that of all. */
          port = get_port (socket);
        }
      else if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                       _("Port %u of %s is taken, perhaps by Ollama or another server; --port chooses another"),
                       port, host);
          return NULL;
        }
      /* Many a machine knows IPv6 by name only: the other address will do. */
      else if (l->next == NULL && sockets->len == 0)
        {
          g_propagate_prefixed_error (error, g_steal_pointer (&reason), _("Failed to listen on %s port %u: "),
                                      host, port);
          return NULL;
        }
    }

  return addresses != NULL ? g_steal_pointer (&sockets) : NULL;
}

static gboolean
is_exposed (GSocket *socket)
{
  g_autoptr(GSocketAddress) address = g_socket_get_local_address (socket, NULL);

  if (G_IS_INET_SOCKET_ADDRESS (address))
    return !g_inet_address_get_is_loopback (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  /* Who may open the file of a local socket is the file system's to say. */
  return address == NULL;
}

gboolean
server_listen_is_exposed (GPtrArray *sockets)
{
  for (guint i = 0; i < sockets->len; i++)
    if (is_exposed (sockets->pdata[i]))
      return TRUE;

  return FALSE;
}

char *
server_listen_describe (GSocket *socket)
{
  g_autoptr(GSocketAddress) address = g_socket_get_local_address (socket, NULL);

  return address != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)) : g_strdup ("?");
}
