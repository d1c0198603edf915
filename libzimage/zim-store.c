/* zim-store.c: the models that are installed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-store.h"

#include "store/zim-open-private.h"
#include "store/zim-pull-private.h"
#include "store/zim-store-name-private.h"
#include "zim-store-operation-private.h"
#include "zim-stored-model.h"

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

/* Operations */

static gboolean
is_same (ZimStoredModel *a,
         ZimStoredModel *b)
{
  return strcmp (zim_stored_model_get_name (a), zim_stored_model_get_name (b)) == 0 &&
         strcmp (zim_stored_model_get_id (a), zim_stored_model_get_id (b)) == 0 &&
         g_date_time_equal (zim_stored_model_get_modified (a), zim_stored_model_get_modified (b));
}

/* Only what lies between the first and the last difference has changed. */
void
_zim_store_apply (ZimStore          *self,
                  ZimStoreOperation *operation)
{
  g_autoptr(GPtrArray) old = g_steal_pointer (&self->models);
  guint begin = 0, end = 0;

  self->models = _zim_store_operation_steal_models (operation);
  while (begin < MIN (old->len, self->models->len) && is_same (old->pdata[begin], self->models->pdata[begin]))
    begin++;
  while (end < MIN (old->len, self->models->len) - begin &&
         is_same (old->pdata[old->len - 1 - end], self->models->pdata[self->models->len - 1 - end]))
    end++;
  if (begin + end < MAX (old->len, self->models->len))
    g_list_model_items_changed (G_LIST_MODEL (self), begin, old->len - begin - end, self->models->len - begin - end);
}

static gboolean
run (ZimStore           *self,
     ZimStoreOperation  *operation,
     GCancellable       *cancellable,
     GError            **error)
{
  if (!_zim_store_operation_run (operation, self->path, cancellable, error))
    return FALSE;
  _zim_store_apply (self, operation);
  return TRUE;
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
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_refresh ();
  return run (self, operation, cancellable, error);
}

/**
 * zim_store_create:
 * @self: a store
 * @name: the name to give it
 * @model: an open model
 * @quantize: (nullable): what its matrices become: `fp8`, `q8_0`, `q4_0`, `q4_k`, `q6_k`, `int8` or `int4`
 * @keep: (nullable) (array zero-terminated=1): rules for tensors, `REGEX=TYPE`: the first one whose expression is found
 *   in a name such as `transformer/layers.0.attention.to_q.weight` says what that tensor becomes, `bf16` being as it is
 * @transfer: (nullable): what tells how far it is
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Stores a model under a name, in place of one that has it.
 *
 * A tensor of 32 bits all of whose values are exact in bfloat16 is stored as such. The model can be one of any kind
 * that [ctor@ZImage.Model.open] opens; it can still be used meanwhile.
 *
 * Quantized are the matrices of the transformer and the text encoder that have 16 or 32 bits, but neither embeddings
 * nor norms, and only if their rows are whole blocks of the type: 32 values for `q8_0` and `q4_0`, 64 for `int8` and
 * `int4`, 256 for the others but `fp8`, which takes all. `fp8` is E4M3 with a scale for each row.
 *
 * Fails with %ZIM_ERROR_INVALID_PARAMS if the name or a rule is none or no tensor is for a rule, with
 * %ZIM_ERROR_UNSUPPORTED if nothing can be made of that type, with %ZIM_ERROR_BAD_FILE if a value that is to be
 * quantized is not a finite number, and with an error of `G_FILE_ERROR` if something cannot be
 * read or written, such as %G_FILE_ERROR_NOSPC if the disk is full.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_create (ZimStore      *self,
                  const char    *name,
                  ZimModel      *model,
                  const char    *quantize,
                  const char   **keep,
                  ZimTransfer   *transfer,
                  GCancellable  *cancellable,
                  GError       **error)
{
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (ZIM_IS_MODEL (model), FALSE);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_create (name, model, quantize, keep, transfer);
  return run (self, operation, cancellable, error);
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
 * A name of `hf.co/` means a repository of Hugging Face, of which the tag is the revision; `z-image-turbo`, or
 * `z-image` for short, and `z-image-base` mean the official ones. Other names mean a registry that speaks Ollama’s
 * protocol. What the store has is not fetched, and neither is what an earlier try got. Digests are checked.
 *
 * Tokens are taken from the environment: `HF_TOKEN` for Hugging Face, and for registries `ZIMAGE_TOKEN`, which may be
 * `NAME:PASSWORD` as well, or else the key that Ollama has made for the user. None is shown to another host. Proxies
 * are those of `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, or else of the system.
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
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_pull (name, server, transfer);
  return run (self, operation, cancellable, error);
}

/**
 * zim_store_can_pull:
 * @name: the name of a model
 *
 * Tells whether a name says where the model is, so that it can be asked for there: those of official models do, and
 * those with more than one part.
 *
 * Returns: whether [method@ZImage.Store.pull] could get it
 */
gboolean
zim_store_can_pull (const char *name)
{
  g_autoptr(ZimStoreName) parsed = NULL;

  g_return_val_if_fail (name != NULL, FALSE);

  parsed = zim_store_name_parse (name, NULL);
  return parsed != NULL && zim_pull_is_possible (parsed);
}

/**
 * zim_store_measure_pull:
 * @self: a store
 * @name: the name of a model
 * @server: (nullable): the address of a server to ask, if not the one that the name means
 * @size: (out) (optional): how many bytes there are to fetch at the most
 * @space: (out) (optional): how many bytes have room where the store is
 * @cancellable: (nullable): a cancellable
 * @error: return location for an error
 *
 * Asks how much [method@ZImage.Store.pull] would fetch.
 *
 * The model may take less room than that: weights of 32 bits can become weights of 16. Fails as pulling does.
 *
 * Returns: whether it worked
 */
gboolean
zim_store_measure_pull (ZimStore      *self,
                        const char    *name,
                        const char    *server,
                        guint64       *size,
                        guint64       *space,
                        GCancellable  *cancellable,
                        GError       **error)
{
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_measure (name, server);
  if (!run (self, operation, cancellable, error))
    return FALSE;
  _zim_store_operation_get_measure (operation, size, space);
  return TRUE;
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
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (source != NULL, FALSE);
  g_return_val_if_fail (destination != NULL, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_copy (source, destination);
  return run (self, operation, cancellable, error);
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
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_remove (name);
  return run (self, operation, cancellable, error);
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
  g_autoptr(ZimStoreOperation) operation = NULL;

  g_return_val_if_fail (ZIM_IS_STORE (self), NULL);
  g_return_val_if_fail (transfer == NULL || ZIM_IS_TRANSFER (transfer), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  operation = _zim_store_operation_new_check (repair, transfer);
  if (!run (self, operation, cancellable, error))
    return NULL;
  return _zim_store_operation_steal_faults (operation);
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
  g_autoptr(ZimStoreOperation) operation = NULL;
  gboolean ok;

  g_return_val_if_fail (ZIM_IS_STORE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  operation = _zim_store_operation_new_prune ();
  ok = run (self, operation, cancellable, error);
  if (freed != NULL)
    *freed = _zim_store_operation_get_freed (operation);
  return ok;
}
