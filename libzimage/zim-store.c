/* zim-store.c: the models that are installed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-store.h"

#include "store/zim-create-private.h"
#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-tags-private.h"
#include "store/zim-upkeep-private.h"
#include "zim-model-private.h"
#include "zim-stored-model-private.h"
#include "zim-transfer-private.h"

/**
 * ZimStore:
 *
 * The models that are installed, as a list model of [class@ZImage.StoredModel].
 *
 * A store is a folder in the layout of Ollama’s: every tensor and every configuration file is stored once, under the
 * digest of its contents, and models that have some in common share them. Ollama’s own folder can be used as it is.
 *
 * What a store is asked for is done whole or not at all: a model is there when all of its files are. Several processes
 * can use a store at once. What an interrupted call had stored is not stored again when the call is repeated, and
 * [method@ZImage.Store.prune] removes it otherwise.
 *
 * Names are those of Ollama, `host/namespace/model:tag`, of which all but the model can be left out.
 *
 * The list is empty until [method@ZImage.Store.refresh] reads it; the other calls then keep it up to date. A store
 * belongs to one thread, in which its list changes: blocking calls are made there, and async methods, which work in
 * threads of their own, invoke their callback and change the list in the thread-default context of the caller.
 */
struct _ZimStore
{
  GObject    parent_instance;

  char      *path;
  GPtrArray *models; /* of ZimStoredModel, by name */
};

static void list_model_init (GListModelInterface *interface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ZimStore, zim_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, list_model_init))

enum {
  PROP_0,
  PROP_PATH,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static GType
zim_store_get_item_type (GListModel *list)
{
  return ZIM_TYPE_STORED_MODEL;
}

static guint
zim_store_get_n_items (GListModel *list)
{
  return ZIM_STORE (list)->models->len;
}

static gpointer
zim_store_get_item (GListModel *list,
                    guint       position)
{
  ZimStore *self = ZIM_STORE (list);

  return position < self->models->len ? g_object_ref (g_ptr_array_index (self->models, position)) : NULL;
}

static void
list_model_init (GListModelInterface *interface)
{
  interface->get_item_type = zim_store_get_item_type;
  interface->get_n_items = zim_store_get_n_items;
  interface->get_item = zim_store_get_item;
}

static void
zim_store_constructed (GObject *object)
{
  ZimStore *self = ZIM_STORE (object);

  G_OBJECT_CLASS (zim_store_parent_class)->constructed (object);
  if (self->path == NULL)
    self->path = zim_open_default_root ();
}

static void
zim_store_finalize (GObject *object)
{
  ZimStore *self = ZIM_STORE (object);

  g_free (self->path);
  g_ptr_array_unref (self->models);
  G_OBJECT_CLASS (zim_store_parent_class)->finalize (object);
}

static void
zim_store_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  switch (prop_id)
    {
    case PROP_PATH:
      g_value_set_string (value, zim_store_get_path (ZIM_STORE (object)));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_store_set_property (GObject      *object,
                        guint         prop_id,
                        const GValue *value,
                        GParamSpec   *pspec)
{
  ZimStore *self = ZIM_STORE (object);

  switch (prop_id)
    {
    case PROP_PATH:
      if (g_value_get_string (value) != NULL)
        self->path = g_canonicalize_filename (g_value_get_string (value), NULL);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_store_class_init (ZimStoreClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->constructed = zim_store_constructed;
  object_class->finalize = zim_store_finalize;
  object_class->get_property = zim_store_get_property;
  object_class->set_property = zim_store_set_property;

  /**
   * ZimStore:path:
   *
   * The folder: what the environment variable `ZIMAGE_MODELS` says, or else `zimage/models` in the user’s data folder,
   * if no other was given.
   */
  properties[PROP_PATH] =
    g_param_spec_string ("path", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_store_init (ZimStore *self)
{
  self->models = g_ptr_array_new_with_free_func (g_object_unref);
}

/* Operations. Each is a function that works in any thread and leaves its results in the struct. */

typedef struct _Operation Operation;
typedef gboolean (*OperationFunc) (ZimStore       *self,
                                   Operation      *operation,
                                   GCancellable   *cancellable,
                                   GError        **error);

struct _Operation
{
  OperationFunc  func;
  char          *name;
  char          *destination;
  char          *server;
  ZimModel      *model;
  ZimTransfer   *transfer;
  gboolean       repair;

  GPtrArray     *models; /* what the store has now; NULL if it could not be read */
  char         **faults;
  guint64        freed;
};

static Operation *
operation_new (OperationFunc  func,
               const char    *name,
               ZimTransfer   *transfer)
{
  Operation *operation = g_new0 (Operation, 1);

  operation->func = func;
  operation->name = g_strdup (name);
  g_set_object (&operation->transfer, transfer);
  return operation;
}

static void
operation_free (Operation *operation)
{
  g_free (operation->name);
  g_free (operation->destination);
  g_free (operation->server);
  g_clear_object (&operation->model);
  g_clear_object (&operation->transfer);
  g_clear_pointer (&operation->models, g_ptr_array_unref);
  g_strfreev (operation->faults);
  g_free (operation);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Operation, operation_free)

/* Names whose manifests cannot be read are left out: zim_store_check () says what is wrong with them. */
static GPtrArray *
scan (const char *path)
{
  g_autoptr(GPtrArray) names = zim_tags_list (path);
  GPtrArray *models = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < names->len; i++)
    {
      g_auto(ZimTag) tag = { NULL };
      g_autofree char *name = zim_store_name_to_string (g_ptr_array_index (names, i));

      if (zim_tags_read (path, g_ptr_array_index (names, i), &tag, NULL) && zim_manifest_is_image (tag.manifest))
        g_ptr_array_add (models, _zim_stored_model_new (name, tag.hex, zim_manifest_get_size (tag.manifest),
                                                        tag.modified));
    }
  return models;
}

static gboolean
operation_run (ZimStore      *self,
               Operation     *operation,
               GCancellable  *cancellable,
               GError       **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error) ||
      !operation->func (self, operation, cancellable, error))
    return FALSE;
  operation->models = scan (self->path);
  return TRUE;
}

static gboolean
is_same (ZimStoredModel *a,
         ZimStoredModel *b)
{
  return strcmp (zim_stored_model_get_name (a), zim_stored_model_get_name (b)) == 0 &&
         strcmp (zim_stored_model_get_id (a), zim_stored_model_get_id (b)) == 0 &&
         g_date_time_equal (zim_stored_model_get_modified (a), zim_stored_model_get_modified (b));
}

/* Only what lies between the first and the last difference has changed. */
static void
operation_apply (ZimStore  *self,
                 Operation *operation)
{
  g_autoptr(GPtrArray) old = g_steal_pointer (&self->models);
  guint begin = 0, end = 0;

  self->models = g_steal_pointer (&operation->models);
  while (begin < MIN (old->len, self->models->len) && is_same (old->pdata[begin], self->models->pdata[begin]))
    begin++;
  while (end < MIN (old->len, self->models->len) - begin &&
         is_same (old->pdata[old->len - 1 - end], self->models->pdata[self->models->len - 1 - end]))
    end++;
  if (begin + end < MAX (old->len, self->models->len))
    g_list_model_items_changed (G_LIST_MODEL (self), begin, old->len - begin - end, self->models->len - begin - end);
}

static gboolean
operation_run_here (ZimStore      *self,
                    Operation     *operation,
                    GCancellable  *cancellable,
                    GError       **error)
{
  if (!operation_run (self, operation, cancellable, error))
    return FALSE;
  operation_apply (self, operation);
  return TRUE;
}

static void
run_in_thread (GTask        *task,
               gpointer      source,
               gpointer      operation,
               GCancellable *cancellable)
{
  GError *error = NULL;

  if (operation_run (source, operation, cancellable, &error))
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
  operation_apply (ZIM_STORE (source), g_task_get_task_data (task));
  g_task_return_boolean (task, TRUE);
}

static void
operation_run_async (ZimStore            *self,
                     Operation           *operation, /* taken */
                     gpointer             source_tag,
                     GCancellable        *cancellable,
                     GAsyncReadyCallback  callback,
                     gpointer             user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr(GTask) worker = g_task_new (self, cancellable, run_cb, task);

  g_task_set_source_tag (task, source_tag);
  g_task_set_task_data (task, operation, (GDestroyNotify) operation_free);
  /* What has come about has to be told, even if it was cancelled too late. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_check_cancellable (worker, FALSE);
  g_task_set_task_data (worker, operation, NULL);
  g_task_run_in_thread (worker, run_in_thread);
}

static gboolean
operation_finish (ZimStore      *self,
                  GAsyncResult  *result,
                  gpointer       source_tag,
                  GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, source_tag), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* What the operations do */

static gboolean
do_refresh (ZimStore      *self,
            Operation     *operation,
            GCancellable  *cancellable,
            GError       **error)
{
  return TRUE;
}

static gboolean
do_create (ZimStore      *self,
           Operation     *operation,
           GCancellable  *cancellable,
           GError       **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (operation->name, error);
  ZimReport report = _zim_transfer_begin (operation->transfer);

  return name != NULL &&
         zim_create (self->path, name, _zim_model_get_checkpoint (operation->model), &report, cancellable, error);
}

static gboolean
do_pull (ZimStore      *self,
         Operation     *operation,
         GCancellable  *cancellable,
         GError       **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (operation->name, error);
  ZimReport report = _zim_transfer_begin (operation->transfer);

  return name != NULL && zim_pull (self->path, name, operation->server, &report, cancellable, error);
}

static gboolean
do_copy (ZimStore      *self,
         Operation     *operation,
         GCancellable  *cancellable,
         GError       **error)
{
  g_autoptr(ZimStoreName) source = zim_store_name_parse (operation->name, error);
  g_autoptr(ZimStoreName) destination = source != NULL ? zim_store_name_parse (operation->destination, error) : NULL;

  return destination != NULL && zim_copy (self->path, source, destination, cancellable, error);
}

static gboolean
do_remove (ZimStore      *self,
           Operation     *operation,
           GCancellable  *cancellable,
           GError       **error)
{
  g_autoptr(ZimStoreName) name = zim_store_name_parse (operation->name, error);

  return name != NULL && zim_remove (self->path, name, error);
}

static gboolean
do_check (ZimStore      *self,
          Operation     *operation,
          GCancellable  *cancellable,
          GError       **error)
{
  ZimReport report = _zim_transfer_begin (operation->transfer);
  g_autoptr(GPtrArray) faults = zim_check (self->path, operation->repair, &report, cancellable, error);

  if (faults == NULL)
    return FALSE;
  operation->faults = g_new0 (char *, faults->len + 1);
  for (guint i = 0; i < faults->len; i++)
    operation->faults[i] = g_strdup (g_ptr_array_index (faults, i));
  return TRUE;
}

static gboolean
do_prune (ZimStore      *self,
          Operation     *operation,
          GCancellable  *cancellable,
          GError       **error)
{
  return zim_prune (self->path, &operation->freed, error);
}

/* The public calls */

/**
 * zim_store_new:
 * @path: (nullable) (type filename): the folder, or %NULL for the user’s
 *
 * Makes an object for a store. The folder is made when something is first put into it.
 *
 * Returns: (transfer full): the store
 */
ZimStore *
zim_store_new (const char *path)
{
  return g_object_new (ZIM_TYPE_STORE, "path", path, NULL);
}

/**
 * zim_store_get_path:
 * @self: a store
 *
 * Gets the store’s folder.
 *
 * Returns: (type filename): the path
 */
const char *
zim_store_get_path (ZimStore *self)
{
  g_return_val_if_fail (ZIM_IS_STORE (self), NULL);

  return self->path;
}

/**
 * zim_store_find:
 * @self: a store
 * @name: the name of a model
 *
 * Looks for a model in the list as it is now.
 *
 * Returns: (transfer full) (nullable): the model
 */
ZimStoredModel *
zim_store_find (ZimStore   *self,
                const char *name)
{
  g_autoptr(ZimStoreName) parsed = NULL;
  g_autofree char *full = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  parsed = zim_store_name_parse (name, NULL);
  full = parsed != NULL ? zim_store_name_to_string (parsed) : NULL;
  for (guint i = 0; full != NULL && i < self->models->len; i++)
    {
      ZimStoredModel *model = g_ptr_array_index (self->models, i);

      if (strcmp (zim_stored_model_get_name (model), full) == 0)
        return g_object_ref (model);
    }
  return NULL;
}

/**
 * zim_store_refresh:
 * @self: a store
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads the list of models again.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_refresh (ZimStore      *self,
                   GCancellable  *cancellable,
                   GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_refresh, NULL, NULL);
  return operation_run_here (self, operation, cancellable, error);
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

  operation_run_async (self, operation_new (do_refresh, NULL, NULL), zim_store_refresh_async,
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
  return operation_finish (self, result, zim_store_refresh_async, error);
}

/**
 * zim_store_create:
 * @self: a store
 * @name: the name to give it
 * @model: an open model
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Stores a model under a name, in place of one that has it.
 *
 * A tensor of 32 bits all of whose values are exact in bfloat16 is stored as such. The model can be one of any kind
 * that [ctor@ZImage.Model.open] opens; it can still be used meanwhile.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the name is none, and with an error of `G_FILE_ERROR` if something cannot be
 * read or written, such as %G_FILE_ERROR_NOSPC if the disk is full.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_create (ZimStore      *self,
                  const char    *name,
                  ZimModel      *model,
                  ZimTransfer   *transfer,
                  GCancellable  *cancellable,
                  GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (ZIM_IS_MODEL (model), FALSE);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_create, name, transfer);
  operation->model = g_object_ref (model);
  return operation_run_here (self, operation, cancellable, error);
}

/**
 * zim_store_create_async:
 * @self: a store
 * @name: the name to give it
 * @model: an open model
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
                        ZimTransfer         *transfer,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  Operation *operation;

  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (ZIM_IS_MODEL (model));
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  operation = operation_new (do_create, name, transfer);
  operation->model = g_object_ref (model);
  operation_run_async (self, operation, zim_store_create_async, cancellable, callback, user_data);
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
  return operation_finish (self, result, zim_store_create_async, error);
}

/**
 * zim_store_pull:
 * @self: a store
 * @name: the name of a model
 * @server: (nullable): the address of a server to ask, if not the one that the name means
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Gets a model from the network.
 *
 * A name of `hf.co/` means a repository of Hugging Face, of which the tag is the revision; `z-image`, `z-image-turbo`
 * and `z-image-base` mean the official ones. Other names mean a registry that speaks Ollama’s protocol. What the store
 * has is not fetched, and neither is what an earlier try got. Tokens are taken from the environment: `HF_TOKEN` for
 * Hugging Face and `ZIMAGE_TOKEN` for registries.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the name is none, with %ZIM_ERROR_NOT_FOUND if the server does not have the
 * model, with %G_IO_ERROR_PERMISSION_DENIED if it wants a token, with other errors of `G_IO_ERROR` if it cannot be
 * reached, and with %G_FILE_ERROR_NOSPC if there is not enough room.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_pull (ZimStore      *self,
                const char    *name,
                const char    *server,
                ZimTransfer   *transfer,
                GCancellable  *cancellable,
                GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_pull, name, transfer);
  operation->server = g_strdup (server);
  return operation_run_here (self, operation, cancellable, error);
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
  Operation *operation;

  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  operation = operation_new (do_pull, name, transfer);
  operation->server = g_strdup (server);
  operation_run_async (self, operation, zim_store_pull_async, cancellable, callback, user_data);
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
  return operation_finish (self, result, zim_store_pull_async, error);
}

/**
 * zim_store_copy:
 * @self: a store
 * @source: the name of a model
 * @destination: another name
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Gives a model another name as well. Nothing but the name takes space.
 *
 * Fails with %ZIM_ERROR_NOT_FOUND if there is no such model.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_copy (ZimStore      *self,
                const char    *source,
                const char    *destination,
                GCancellable  *cancellable,
                GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (source != NULL, FALSE);
  g_return_val_if_fail (destination != NULL, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_copy, source, NULL);
  operation->destination = g_strdup (destination);
  return operation_run_here (self, operation, cancellable, error);
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
  Operation *operation;

  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (source != NULL);
  g_return_if_fail (destination != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  operation = operation_new (do_copy, source, NULL);
  operation->destination = g_strdup (destination);
  operation_run_async (self, operation, zim_store_copy_async, cancellable, callback, user_data);
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
  return operation_finish (self, result, zim_store_copy_async, error);
}

/**
 * zim_store_remove:
 * @self: a store
 * @name: the name of a model
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Removes a model, and of its files those that no other model needs.
 *
 * If somebody is writing to the store, the files stay until [method@ZImage.Store.prune]. Open models stay usable.
 *
 * Fails with %ZIM_ERROR_NOT_FOUND if there is no such model.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_remove (ZimStore      *self,
                  const char    *name,
                  GCancellable  *cancellable,
                  GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_remove, name, NULL);
  return operation_run_here (self, operation, cancellable, error);
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

  operation_run_async (self, operation_new (do_remove, name, NULL), zim_store_remove_async,
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
  return operation_finish (self, result, zim_store_remove_async, error);
}

/**
 * zim_store_check:
 * @self: a store
 * @repair: whether to remove files that are damaged, so that making or getting their models again brings them
 *   back
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Reads everything again and compares it with its digests.
 *
 * Fails with %G_IO_ERROR_BUSY if @repair is set and somebody is writing to the store.
 *
 * Returns: (transfer full) (array zero-terminated=1): what is wrong, a text for each fault; empty if
 *   all is well
 */
char **
zim_store_check (ZimStore      *self,
                 gboolean       repair,
                 ZimTransfer   *transfer,
                 GCancellable  *cancellable,
                 GError       **error)
{
  g_autoptr(Operation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), NULL);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  operation = operation_new (do_check, NULL, transfer);
  operation->repair = repair;
  if (!operation_run_here (self, operation, cancellable, error))
    return NULL;
  return g_steal_pointer (&operation->faults);
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
  Operation *operation;

  g_return_if_fail (ZIM_IS_STORE (self));
  g_return_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  operation = operation_new (do_check, NULL, transfer);
  operation->repair = repair;
  operation_run_async (self, operation, zim_store_check_async, cancellable, callback, user_data);
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
  Operation *operation;

  if (!operation_finish (self, result, zim_store_check_async, error))
    return NULL;
  operation = g_task_get_task_data (G_TASK (result));
  return g_steal_pointer (&operation->faults);
}

/**
 * zim_store_prune:
 * @self: a store
 * @freed: (out) (optional): how many bytes were freed
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Removes what no name needs, and what interrupted calls left.
 *
 * Fails with %G_IO_ERROR_BUSY if somebody is writing to the store.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_prune (ZimStore      *self,
                 guint64       *freed,
                 GCancellable  *cancellable,
                 GError       **error)
{
  g_autoptr(Operation) operation = NULL;
  gboolean ok;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = operation_new (do_prune, NULL, NULL);
  ok = operation_run_here (self, operation, cancellable, error);
  if (freed != NULL)
    *freed = operation->freed;
  return ok;
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

  operation_run_async (self, operation_new (do_prune, NULL, NULL), zim_store_prune_async,
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
  Operation *operation;

  if (!operation_finish (self, result, zim_store_prune_async, error))
    return FALSE;
  operation = g_task_get_task_data (G_TASK (result));
  if (freed != NULL)
    *freed = operation->freed;
  return TRUE;
}
