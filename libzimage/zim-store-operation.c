/* zim-store-operation.c: what a store can be asked for, in whatever thread
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-store-operation-private.h"

#include "store/zim-create-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "zim-model-private.h"
#include "zim-stored-model-private.h"
#include "zim-transfer-private.h"

typedef gboolean (*Func) (ZimStoreOperation  *self,
                          const char         *root,
                          GCancellable       *cancellable,
                          GError            **error);

struct _ZimStoreOperation
{
  Func          func;
  char         *name;
  char         *destination;
  char         *server;
  ZimModel     *model;
  char         *quantize;
  char        **keep;
  ZimTransfer  *transfer;
  gboolean      repair;

  GPtrArray    *models; /* what the store has now; NULL if it could not be read */
  char        **faults;
  guint64       freed;
  guint64       size;
  guint64       space;
};

static ZimStoreOperation *
operation_new (Func         func,
               const char  *name,
               ZimTransfer *transfer)
{
  ZimStoreOperation *self = g_new0 (ZimStoreOperation, 1);

  self->func = func;
  self->name = g_strdup (name);
  g_set_object (&self->transfer, transfer);
  return self;
}

void
_zim_store_operation_free (ZimStoreOperation *self)
{
  g_free (self->name);
  g_free (self->destination);
  g_free (self->server);
  g_clear_object (&self->model);
  g_free (self->quantize);
  g_strfreev (self->keep);
  g_clear_object (&self->transfer);
  g_clear_pointer (&self->models, g_ptr_array_unref);
  g_strfreev (self->faults);
  g_free (self);
}

/* Names whose manifests cannot be read are left out: zim_store_check () says what is wrong with them. */
static GPtrArray *
scan (const char *root)
{
  g_autoptr(GPtrArray) names = zim_tags_list (root);
  GPtrArray *models = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < names->len; i++)
    {
      g_auto(ZimTag) tag = { NULL };
      g_autofree char *name = zim_store_name_to_string (g_ptr_array_index (names, i));

      if (zim_tags_read (root, g_ptr_array_index (names, i), &tag, NULL) && zim_manifest_is_image (tag.manifest))
        g_ptr_array_add (models, _zim_stored_model_new (name, tag.hex, zim_manifest_get_size (tag.manifest),
                                                        tag.modified));
    }
  return models;
}

gboolean
_zim_store_operation_run (ZimStoreOperation  *self,
                          const char         *root,
                          GCancellable       *cancellable,
                          GError            **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !self->func (self, root, cancellable, error))
    return FALSE;
  self->models = scan (root);
  return TRUE;
}

GPtrArray *
_zim_store_operation_steal_models (ZimStoreOperation *self)
{
  return g_steal_pointer (&self->models);
}

char **
_zim_store_operation_steal_faults (ZimStoreOperation *self)
{
  return g_steal_pointer (&self->faults);
}

void
_zim_store_operation_get_measure (ZimStoreOperation *self,
                                  guint64           *size,
                                  guint64           *space)
{
  if (size != NULL)
    *size = self->size;
  if (space != NULL)
    *space = self->space;
}

guint64
_zim_store_operation_get_freed (ZimStoreOperation *self)
{
  return self->freed;
}

/* Refreshing: only the list is read, as it is after everything else */

static gboolean
do_refresh (ZimStoreOperation  *self,
            const char         *root,
            GCancellable       *cancellable,
            GError            **error)
{
  return TRUE;
}

ZimStoreOperation *
_zim_store_operation_new_refresh (void)
{
  return operation_new (do_refresh, NULL, NULL);
}

/* Getting models */

static gboolean
do_create (ZimStoreOperation  *self,
           const char         *root,
           GCancellable       *cancellable,
           GError            **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (self->name, error);
  g_autoptr(ZimQuantizePlan) plan = NULL;
  ZimReport report = _zim_transfer_begin (self->transfer);

  if (name == NULL)
    return FALSE;
  plan = zim_quantize_plan_new (self->quantize, (const char *const *) self->keep, error);
  return plan != NULL &&
         zim_create (root, name, _zim_model_get_checkpoint (self->model), plan, &report, cancellable, error);
}

ZimStoreOperation *
_zim_store_operation_new_create (const char   *name,
                                 ZimModel     *model,
                                 const char   *quantize,
                                 const char  **keep,
                                 ZimTransfer  *transfer)
{
  ZimStoreOperation *self = operation_new (do_create, name, transfer);

  self->model = g_object_ref (model);
  self->quantize = g_strdup (quantize);
  self->keep = g_strdupv ((char **) keep);
  return self;
}

static gboolean
is_whole (ZimCheckpoint  *checkpoint,
          GError        **error)
{
  g_autoptr(ZimModel) model = _zim_model_new_for_checkpoint (checkpoint, NULL, error);

  return model != NULL;
}

static gboolean
do_pull (ZimStoreOperation  *self,
         const char         *root,
         GCancellable       *cancellable,
         GError            **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (self->name, error);
  ZimReport report = _zim_transfer_begin (self->transfer);

  return name != NULL && zim_pull (root, name, self->server, &report, is_whole, cancellable, error);
}

ZimStoreOperation *
_zim_store_operation_new_pull (const char  *name,
                               const char  *server,
                               ZimTransfer *transfer)
{
  ZimStoreOperation *self = operation_new (do_pull, name, transfer);

  self->server = g_strdup (server);
  return self;
}

static gboolean
do_measure (ZimStoreOperation  *self,
            const char         *root,
            GCancellable       *cancellable,
            GError            **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (self->name, error);

  self->space = zim_pull_get_space (root);
  return name != NULL && zim_pull_measure (root, name, self->server, &self->size, cancellable, error);
}

ZimStoreOperation *
_zim_store_operation_new_measure (const char *name,
                                  const char *server)
{
  ZimStoreOperation *self = operation_new (do_measure, name, NULL);

  self->server = g_strdup (server);
  return self;
}

/* Names */

static gboolean
do_copy (ZimStoreOperation  *self,
         const char         *root,
         GCancellable       *cancellable,
         GError            **error)
{
  g_autoptr(ZimStoreName) source = zim_store_name_parse (self->name, error);
  g_autoptr(ZimStoreName) destination = source != NULL ? zim_store_name_parse (self->destination, error) : NULL;

  return destination != NULL && zim_copy (root, source, destination, cancellable, error);
}

ZimStoreOperation *
_zim_store_operation_new_copy (const char *source,
                               const char *destination)
{
  ZimStoreOperation *self = operation_new (do_copy, source, NULL);

  self->destination = g_strdup (destination);
  return self;
}

static gboolean
do_remove (ZimStoreOperation  *self,
           const char         *root,
           GCancellable       *cancellable,
           GError            **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (self->name, error);

  return name != NULL && zim_remove (root, name, error);
}

ZimStoreOperation *
_zim_store_operation_new_remove (const char *name)
{
  return operation_new (do_remove, name, NULL);
}

/* Upkeep */

static gboolean
do_check (ZimStoreOperation  *self,
          const char         *root,
          GCancellable       *cancellable,
          GError            **error)
{
  ZimReport report = _zim_transfer_begin (self->transfer);
  g_autoptr(GPtrArray) faults = zim_check (root, self->repair, &report, cancellable, error);

  if (faults == NULL)
    return FALSE;
  self->faults = g_new0 (char *, faults->len + 1);
  for (guint i = 0; i < faults->len; i++)
    self->faults[i] = g_strdup (g_ptr_array_index (faults, i));
  return TRUE;
}

ZimStoreOperation *
_zim_store_operation_new_check (gboolean     repair,
                                ZimTransfer *transfer)
{
  ZimStoreOperation *self = operation_new (do_check, NULL, transfer);

  self->repair = repair;
  return self;
}

static gboolean
do_prune (ZimStoreOperation  *self,
          const char         *root,
          GCancellable       *cancellable,
          GError            **error)
{
  return zim_prune (root, &self->freed, error);
}

ZimStoreOperation *
_zim_store_operation_new_prune (void)
{
  return operation_new (do_prune, NULL, NULL);
}
