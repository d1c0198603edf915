/* server-connections.c: how many connections there are, and how long they may say nothing
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

/* A connection costs next to nothing, but there are only so many, and when there is none left libsoup never listens
 * again. So there is a limit below that of the process, and a client that sends its request a byte at a time, or none,
 * loses its place. */

#include "config.h"

#include "server-connections.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define REQUEST_TIME 20  /* seconds from the connection, or the first byte, to the last byte of a request */
#define IDLE_TIME 60     /* seconds between two requests */
#define WRITE_TIME 30    /* seconds in which a client takes nothing of its answer */
#define SILENCE 60       /* seconds of silence after which the system asks whether the other end is still there */
#define CONNECTIONS_MAX 1024       /* connections */
#define RESERVE 128      /* files that are needed for others: weights, blobs, downloads */
#define NOTE "zimage-connection"

struct _ServerConnections
{
  SoupServer *soup;
  GHashTable *open; /* of Connection, a set */
  guint       max;
};

typedef struct
{
  ServerConnections *connections; /* NULL when they are gone */
  GSocket           *socket;      /* no reference: it holds this */
  guint              timeout_id;
} Connection;

static void
connection_free (gpointer data)
{
  Connection *connection = data;

  g_clear_handle_id (&connection->timeout_id, g_source_remove);
  if (connection->connections != NULL)
    g_hash_table_remove (connection->connections->open, connection);
  g_free (connection);
}

/* libsoup reads the end of it and lets go. */
static gboolean
timeout_cb (gpointer data)
{
  Connection *connection = data;

  connection->timeout_id = 0;
  g_socket_shutdown (connection->socket, TRUE, TRUE, NULL);
  return G_SOURCE_REMOVE;
}

static void
set_timeout (Connection *connection,
             guint       seconds)
{
  g_clear_handle_id (&connection->timeout_id, g_source_remove);
  if (seconds > 0)
    connection->timeout_id = g_timeout_add_seconds (seconds, timeout_cb, connection);
}

static Connection *
find_connection (SoupServerMessage *message)
{
  GSocket *socket = soup_server_message_get_socket (message);

  return socket != NULL ? g_object_get_data (G_OBJECT (socket), NOTE) : NULL;
}

static void
set_option (GSocket *socket,
            int      option,
            int      value)
{
  /* A local socket has none of them, and needs none. */
  setsockopt (g_socket_get_fd (socket), IPPROTO_TCP, option, &value, sizeof value);
}

/* An end that has vanished without a word, or that takes nothing, is as good as closed. */
static void
watch_other_end (GSocket *socket)
{
  g_socket_set_keepalive (socket, TRUE);
  set_option (socket, TCP_KEEPIDLE, SILENCE);
  set_option (socket, TCP_KEEPINTVL, WRITE_TIME / 6);
  set_option (socket, TCP_USER_TIMEOUT, WRITE_TIME * 1000);
}

static Connection *
add_connection (ServerConnections *self,
                GSocket           *socket)
{
  Connection *connection = g_new0 (Connection, 1);

  connection->connections = self;
  connection->socket = socket;
  g_hash_table_add (self->open, connection);
  g_object_set_data_full (G_OBJECT (socket), NOTE, connection, connection_free);
  watch_other_end (socket);
  return connection;
}

/* HACK: libsoup before 3.3.0 never lets go of a connection that the client closes between two requests. So there is one
 * request to each, those among them that libsoup refuses before anybody else hears of them. */
static void
end_after_answer (SoupServerMessage *message)
{
  if (!soup_check_version (3, 3, 0))
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Connection", "close");
}

/* HACK: libsoup before 3.3.0 keeps the socket of a connection that was closed, and so its note, for ever. */
static void
disconnected_cb (SoupServerMessage *message,
                 GSocket           *socket)
{
  g_object_set_data (G_OBJECT (socket), NOTE, NULL);
}

static void
unref_data (gpointer  data,
            GClosure *closure)
{
  g_object_unref (data);
}

static void
started_cb (SoupServer        *soup,
            SoupServerMessage *message,
            ServerConnections *self)
{
  Connection *connection = find_connection (message);
  GSocket *socket = soup_server_message_get_socket (message);

  end_after_answer (message);
  if (socket == NULL)
    return;
  if (connection == NULL)
    {
      connection = add_connection (self, socket);
      if (g_hash_table_size (self->open) > self->max)
        g_socket_shutdown (socket, TRUE, TRUE, NULL);
    }
  set_timeout (connection, REQUEST_TIME);
  g_signal_connect_data (message, "disconnected", G_CALLBACK (disconnected_cb), g_object_ref (socket), unref_data, 0);
}

static void
read_cb (SoupServer        *soup,
         SoupServerMessage *message,
         ServerConnections *self)
{
  Connection *connection = find_connection (message);

  if (connection != NULL)
    set_timeout (connection, 0);
}

static void
finished_cb (SoupServer        *soup,
             SoupServerMessage *message,
             ServerConnections *self)
{
  Connection *connection = find_connection (message);

  if (connection != NULL)
    set_timeout (connection, IDLE_TIME);
}

/* As many files as the system lets us have; libraries that use select () are none of ours. */
static guint
get_max (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return CONNECTIONS_MAX / 2;
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
  getrlimit (RLIMIT_NOFILE, &limit);
  return (guint) CLAMP ((gint64) MIN (limit.rlim_cur, (rlim_t) G_MAXINT) - RESERVE, 8, CONNECTIONS_MAX);
}

ServerConnections *
server_connections_new (SoupServer *soup)
{
  ServerConnections *self = g_new0 (ServerConnections, 1);

  self->soup = g_object_ref (soup);
  self->open = g_hash_table_new (NULL, NULL);
  self->max = get_max ();
  g_signal_connect (soup, "request-started", G_CALLBACK (started_cb), self);
  g_signal_connect (soup, "request-read", G_CALLBACK (read_cb), self);
  g_signal_connect (soup, "request-finished", G_CALLBACK (finished_cb), self);
  return self;
}

void
server_connections_free (ServerConnections *self)
{
  GHashTableIter iter;
  gpointer connection;

  g_signal_handlers_disconnect_by_data (self->soup, self);
  g_hash_table_iter_init (&iter, self->open);
  while (g_hash_table_iter_next (&iter, &connection, NULL))
    ((Connection *) connection)->connections = NULL;
  g_hash_table_unref (self->open);
  g_object_unref (self->soup);
  g_free (self);
}

guint
server_connections_get_n (ServerConnections *self)
{
  return g_hash_table_size (self->open);
}
