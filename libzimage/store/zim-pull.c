/* zim-pull.c: getting models from the network into a store
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "store/zim-blobs-private.h"
#include "store/zim-known-private.h"
#include "store/zim-lock-private.h"
#include "store/zim-pull-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#define INTERVAL (50 * G_TIME_SPAN_MILLISECOND)

static gboolean
lock (ZimPartial    *self,
      GCancellable  *cancellable,
      GError       **error)
{
  while (flock (self->fd, LOCK_EX | LOCK_NB) != 0)
    {
      if (errno != EWOULDBLOCK && errno != EINTR)
        return zim_blobs_fail (self->path, errno, error);
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_usleep (INTERVAL);
    }
  return TRUE;
}

/* Whether the file still has its name. Whoever had it before may have finished, and removed or renamed it. */
static gboolean
is_current (ZimPartial *self)
{
  struct stat opened, named;

  return fstat (self->fd, &opened) == 0 && stat (self->path, &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

gboolean
zim_partial_open (ZimPartial    *self,
                  const char    *root,
                  const char    *name,
                  GCancellable  *cancellable,
                  GError       **error)
{
  g_autofree char *folder = zim_blobs_get_partial (root, "");
  g_autofree char *blobs = g_build_filename (root, "blobs", NULL);

  self->path = zim_blobs_get_partial (root, name);
  self->fd = -1;
  if (!zim_blobs_make_folder (folder, error) || !zim_blobs_make_folder (blobs, error))
    return FALSE;
  do
    {
      if (self->fd >= 0)
        g_close (self->fd, NULL);
      self->fd = g_open (self->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
      if (self->fd < 0)
        return zim_blobs_fail (self->path, errno, error);
      if (!lock (self, cancellable, error))
        return FALSE;
    }
  while (!is_current (self));
  return TRUE;
}

void
zim_partial_clear (ZimPartial *self)
{
  if (self->fd >= 0)
    g_close (self->fd, NULL);
  g_clear_pointer (&self->path, g_free);
  self->fd = -1;
}

guint64
zim_pull_get_space (const char *root)
{
  g_autofree char *path = g_strdup (root);
  struct statvfs info;

  /* The folder may still have to be made. */
  while (statvfs (path, &info) != 0)
    {
      g_autofree char *parent = g_path_get_dirname (path);

      if (errno != ENOENT || strcmp (parent, path) == 0)
        return G_MAXUINT64;
      g_free (path);
      path = g_steal_pointer (&parent);
    }
  return (guint64) info.f_bavail * info.f_frsize;
}

gboolean
zim_pull_check_space (const char  *root,
                      guint64      size,
                      GError     **error)
{
  guint64 space = zim_pull_get_space (root);
  g_autofree char *needed = g_format_size_full (size, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *there = g_format_size_full (space, G_FORMAT_SIZE_IEC_UNITS);

  if (size <= space)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, _("The model needs %s more, and “%s” has %s left"),
               needed, root, there);
  return FALSE;
}

/* Where a name leads. */
typedef struct {
  ZimServer  *server;
  gboolean    is_hub;
  char       *repository; /* of the hub */
  const char *revision;   /* likewise */
} Place;

static void
place_clear (Place *self)
{
  g_clear_pointer (&self->server, zim_server_free);
  g_free (self->repository);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Place, place_clear)

static ZimServer *
make_server (const char *url,
             const char *host,
             gboolean    is_hub)
{
  const char *endpoint = is_hub ? g_getenv ("HF_ENDPOINT") : NULL;
  g_autofree char *base = NULL;

  if (url != NULL)
    base = g_strdup (url);
  else if (is_hub)
    base = g_strdup (endpoint != NULL && *endpoint != '\0' ? endpoint : "https://huggingface.co");
  else
    base = g_strconcat ("https://", strcmp (host, ZIM_STORE_HOST) == 0 ? "registry.ollama.ai" : host, NULL);
  return zim_server_new (base, g_getenv (is_hub ? "HF_TOKEN" : "ZIMAGE_TOKEN"));
}

static Place
find_place (const ZimStoreName *name,
            const char         *url)
{
  const ZimKnown *known = zim_known_find_for (name);
  gboolean is_hub = known != NULL || strcmp (name->host, ZIM_STORE_HUB) == 0;

  return (Place) {
    .server = make_server (url, name->host, is_hub),
    .is_hub = is_hub,
    .repository = known != NULL ? g_strdup (known->repository) : g_strconcat (name->name_space, "/", name->model, NULL),
    .revision = strcmp (name->tag, "latest") == 0 ? "main" : name->tag,
  };
}

gboolean
zim_pull_is_possible (const ZimStoreName *name)
{
  return zim_known_find_for (name) != NULL || strcmp (name->host, ZIM_STORE_HOST) != 0 ||
         strcmp (name->name_space, "library") != 0;
}

gboolean
zim_pull_measure (const char          *root,
                  const ZimStoreName  *name,
                  const char          *url,
                  guint64             *size,
                  GCancellable        *cancellable,
                  GError             **error)
{
  g_auto(Place) place = find_place (name, url);

  if (!place.is_hub)
    return zim_pull_registry_measure (root, name, place.server, size, cancellable, error);
  return zim_pull_hub_measure (place.repository, place.revision, place.server, size, cancellable, error);
}

gboolean
zim_pull (const char          *root,
          const ZimStoreName  *name,
          const char          *url,
          const ZimReport     *report,
          ZimOpenCheck         check,
          GCancellable        *cancellable,
          GError             **error)
{
  g_auto(Place) place = find_place (name, url);
  g_auto(ZimLock) lock = { -1 };

  if (!zim_lock_share (&lock, root, cancellable, error))
    return FALSE;
  if (!place.is_hub)
    return zim_pull_registry (root, name, place.server, report, check, cancellable, error);
  return zim_pull_hub (root, name, place.repository, place.revision, place.server, report, check, cancellable, error);
}
