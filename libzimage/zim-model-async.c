/* zim-model-async.c: opening models without blocking
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-model.h"

/* What an asynchronous call opens: files, a name, or parts. */
typedef struct {
  char **files;
  char *name;
  char *text_encoder;
  char *vae;
  char *tokenizer;
  char *variant;
  gboolean is_parts;
} Open;

static void
open_free (Open *open)
{
  g_strfreev (open->files);
  g_free (open->name);
  g_free (open->text_encoder);
  g_free (open->vae);
  g_free (open->tokenizer);
  g_free (open->variant);
  g_free (open);
}

static void
open_in_thread (GTask        *task,
                gpointer      source,
                gpointer      task_data,
                GCancellable *cancellable)
{
  Open *open = task_data;
  GError *error = NULL;
  ZimModel *model;

  if (open->files != NULL)
    model = zim_model_open_files ((const char *const *) open->files, open->variant, cancellable, &error);
  else if (open->is_parts)
    model = zim_model_open_parts (open->name, open->text_encoder, open->vae, open->tokenizer, open->variant,
                                  cancellable, &error);
  else
    model = zim_model_open (open->name, cancellable, &error);
  if (model != NULL)
    g_task_return_pointer (task, model, g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
open_async (Open                *open,
            gpointer             source_tag,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (NULL, cancellable, callback, user_data);

  g_task_set_source_tag (task, source_tag);
  g_task_set_task_data (task, open, (GDestroyNotify) open_free);
  g_task_run_in_thread (task, open_in_thread);
}

/**
 * zim_model_open_async:
 * @name: as in [ctor@ZImage.Model.open]
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model without blocking.
 */
void
zim_model_open_async (const char          *name,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  Open *open;

  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->name = g_strdup (name);
  open_async (open, zim_model_open_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_finish (GAsyncResult  *result,
                       GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * zim_model_open_parts_async:
 * @transformer: the transformer’s file
 * @text_encoder: (nullable): the text encoder’s file or folder
 * @vae: (nullable): the autoencoder’s file or folder
 * @tokenizer: (nullable): `tokenizer.json` or the folder that holds it
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model whose parts are single files without blocking: [ctor@ZImage.Model.open_parts].
 */
void
zim_model_open_parts_async (const char          *transformer,
                            const char          *text_encoder,
                            const char          *vae,
                            const char          *tokenizer,
                            const char          *variant,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  Open *open;

  g_return_if_fail (transformer != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->is_parts = TRUE;
  open->name = g_strdup (transformer);
  open->text_encoder = g_strdup (text_encoder);
  open->vae = g_strdup (vae);
  open->tokenizer = g_strdup (tokenizer);
  open->variant = g_strdup (variant);
  open_async (open, zim_model_open_parts_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_parts_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_parts_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_parts_finish (GAsyncResult  *result,
                             GError       **error)
{
  return zim_model_open_finish (result, error);
}

/**
 * zim_model_open_files_async:
 * @paths: (array zero-terminated=1) (element-type filename): files and folders
 * @variant: (nullable): `turbo` or `base`
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async): called when the model is open
 * @user_data: data for @callback
 *
 * Opens a model whose parts lie anywhere without blocking: [ctor@ZImage.Model.open_files].
 */
void
zim_model_open_files_async (const char *const   *paths,
                            const char          *variant,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  Open *open;

  g_return_if_fail (paths != NULL && paths[0] != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  open = g_new0 (Open, 1);
  open->files = g_strdupv ((char **) paths);
  open->variant = g_strdup (variant);
  open_async (open, zim_model_open_files_async, cancellable, callback, user_data);
}

/**
 * zim_model_open_files_finish: (constructor)
 * @result: the result that the callback was given
 * @error: return location for an error
 *
 * Finishes [func@ZImage.Model.open_files_async].
 *
 * Returns: (transfer full): the model
 */
ZimModel *
zim_model_open_files_finish (GAsyncResult  *result,
                             GError       **error)
{
  return zim_model_open_finish (result, error);
}
