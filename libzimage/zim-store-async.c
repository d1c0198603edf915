/* zim-store-async.c: what a store can be asked for without blocking
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-store.h"

#include "zim-store-operation-private.h"

static void
run_in_thread (GTask        *task,
               gpointer      source,
               gpointer      operation,
               GCancellable *cancellable)
{
  GError *error = NULL;

  if (_zim_store_operation_run (operation, zim_store_get_path (source), cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* In the caller's context, where the list may change, before the caller learns of the end. */
static void
run_cb (GObject      *source,
        GAsyncResult *result,
        gpointer      data)
{
  g_autoptr(GTask) task = data;
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  _zim_store_apply (ZIM_STORE (source), g_task_get_task_data (task));
  g_task_return_boolean (task, TRUE);
}

static void
run_async (ZimStore            *self,
           ZimStoreOperation   *operation, /* taken */
           gpointer             source_tag,
           GCancellable        *cancellable,
           GAsyncReadyCallback  callback,
           gpointer             user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr(GTask) worker = g_task_new (self, cancellable, run_cb, task);

  g_task_set_source_tag (task, source_tag);
  g_task_set_task_data (task, operation, (GDestroyNotify) _zim_store_operation_free);
  /* What has come about has to be told, even if it was cancelled too late. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_check_cancellable (worker, FALSE);
  g_task_set_task_data (worker, operation, NULL);
  g_task_run_in_thread (worker, run_in_thread);
}

static gboolean
finish (ZimStore      *self,
        GAsyncResult  *result,
        gpointer       source_tag,
        GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, source_tag), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * zim_store_refresh_async:
 * @self: a store
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.refresh].
 */
void
zim_store_refresh_async (ZimStore            *self,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_refresh (), zim_store_refresh_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_refresh_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.refresh_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_refresh_finish (ZimStore      *self,
                          GAsyncResult  *result,
                          GError       **error)
{
  return finish (self, result, zim_store_refresh_async, error);
}

/**
 * zim_store_create_async:
 * @self: a store
 * @name: the name to give it
 * @model: an open model
 * @quantize: (nullable): what its matrices become
 * @keep: (nullable) (array zero-terminated=1): rules for tensors
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.create].
 */
void
zim_store_create_async (ZimStore            *self,
                        const char          *name,
                        ZimModel            *model,
                        const char          *quantize,
                        const char         **keep,
                        ZimTransfer         *transfer,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (ZIM_IS_MODEL (model));
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_create (name, model, quantize, keep, transfer),
             zim_store_create_async, cancellable, callback, user_data);
}

/**
 * zim_store_create_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.create_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_create_finish (ZimStore      *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  return finish (self, result, zim_store_create_async, error);
}

/**
 * zim_store_pull_async:
 * @self: a store
 * @name: the name of a model
 * @server: (nullable): the address of a server to ask, if not the one that the name means
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.pull].
 */
void
zim_store_pull_async (ZimStore            *self,
                      const char          *name,
                      const char          *server,
                      ZimTransfer         *transfer,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_pull (name, server, transfer), zim_store_pull_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_pull_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.pull_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_pull_finish (ZimStore      *self,
                       GAsyncResult  *result,
                       GError       **error)
{
  return finish (self, result, zim_store_pull_async, error);
}

/**
 * zim_store_measure_pull_async:
 * @self: a store
 * @name: the name of a model
 * @server: (nullable): the address of a server to ask, if not the one that the name means
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.measure_pull].
 */
void
zim_store_measure_pull_async (ZimStore            *self,
                              const char          *name,
                              const char          *server,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_measure (name, server), zim_store_measure_pull_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_measure_pull_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @size: (out) (optional): how many bytes there are to fetch at the most
 * @space: (out) (optional): how many bytes have room where the store is
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.measure_pull_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_measure_pull_finish (ZimStore      *self,
                               GAsyncResult  *result,
                               guint64       *size,
                               guint64       *space,
                               GError       **error)
{
  if (!finish (self, result, zim_store_measure_pull_async, error))
    return FALSE;
  _zim_store_operation_get_measure (g_task_get_task_data (G_TASK (result)), size, space);
  return TRUE;
}

/**
 * zim_store_copy_async:
 * @self: a store
 * @source: the name of a model
 * @destination: another name
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.copy].
 */
void
zim_store_copy_async (ZimStore            *self,
                      const char          *source,
                      const char          *destination,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (source != NULL);
  g_return_if_fail (destination != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_copy (source, destination), zim_store_copy_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_copy_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.copy_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_copy_finish (ZimStore      *self,
                       GAsyncResult  *result,
                       GError       **error)
{
  return finish (self, result, zim_store_copy_async, error);
}

/**
 * zim_store_remove_async:
 * @self: a store
 * @name: the name of a model
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.remove].
 */
void
zim_store_remove_async (ZimStore            *self,
                        const char          *name,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_remove (name), zim_store_remove_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_remove_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.remove_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_remove_finish (ZimStore      *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  return finish (self, result, zim_store_remove_async, error);
}

/**
 * zim_store_check_async:
 * @self: a store
 * @repair: whether to remove files that are damaged, so that making or getting their models again brings them
 *   back
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.check].
 */
void
zim_store_check_async (ZimStore            *self,
                       gboolean             repair,
                       ZimTransfer         *transfer,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_check (repair, transfer), zim_store_check_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_check_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.check_async].
 *
 * Returns: (transfer full) (array zero-terminated=1): what is wrong, a text for each fault; empty if
 *   all is well
 */
char **
zim_store_check_finish (ZimStore      *self,
                        GAsyncResult  *result,
                        GError       **error)
{
  ZimStoreOperation *operation;

  if (!finish (self, result, zim_store_check_async, error))
    return NULL;
  operation = g_task_get_task_data (G_TASK (result));
  return _zim_store_operation_steal_faults (operation);
}

/**
 * zim_store_prune_async:
 * @self: a store
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when it is done
 * @user_data: data for @callback
 *
 * Does so without blocking: [method@ZImage.Store.prune].
 */
void
zim_store_prune_async (ZimStore            *self,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  run_async (self, _zim_store_operation_new_prune (), zim_store_prune_async,
             cancellable, callback, user_data);
}

/**
 * zim_store_prune_finish:
 * @self: a store
 * @result: the result that the callback was given
 * @freed: (out) (optional): how many bytes were freed
 * @error: return location for an error
 *
 * Finishes [method@ZImage.Store.prune_async].
 *
 * Returns: whether it worked
 */
gboolean
zim_store_prune_finish (ZimStore      *self,
                        GAsyncResult  *result,
                        guint64       *freed,
                        GError       **error)
{
  ZimStoreOperation *operation;

  if (!finish (self, result, zim_store_prune_async, error))
    return FALSE;
  operation = g_task_get_task_data (G_TASK (result));
  if (freed != NULL)
    *freed = _zim_store_operation_get_freed (operation);
  return TRUE;
}
