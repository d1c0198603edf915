/* app-models.c: which models there are, and which of them are loaded
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-models.h"

#include <glib/gi18n.h>
#include <string.h>

struct _AppModels
{
  GObject       parent_instance;

  ZimStore     *store;
  ZimDevice    *device;
  ZimPrecision  precision;
  guint64       budget;     /* bytes */
  gboolean      is_limited; /* by the operator, not only by what the device has */
  gint64        keep_alive;
  GPtrArray    *models;     /* of AppModel; the first n_given were named when the program was started */
  guint         n_given;
  GHashTable   *installed;  /* full names to ZimModel, or to NULL */
  guint         timer_id;   /* for the model that expires first */
};

G_DEFINE_FINAL_TYPE (AppModels, app_models, G_TYPE_OBJECT)

static void schedule (AppModels *self);

static void
model_free (AppModel *model)
{
  g_free (model->name);
  g_free (model->path);
  g_clear_object (&model->pipeline);
  g_clear_object (&model->model);
  g_free (model);
}

static void
unref_or_nothing (gpointer object)
{
  if (object != NULL)
    g_object_unref (object);
}

static void
app_models_finalize (GObject *object)
{
  AppModels *self = APP_MODELS (object);

  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_ptr_array_unref (self->models);
  g_hash_table_unref (self->installed);
  g_clear_object (&self->store);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (app_models_parent_class)->finalize (object);
}

static void
app_models_class_init (AppModelsClass *class)
{
  G_OBJECT_CLASS (class)->finalize = app_models_finalize;
}

static void
app_models_init (AppModels *self)
{
  self->store = zim_store_new (NULL);
  self->models = g_ptr_array_new_with_free_func ((GDestroyNotify) model_free);
  self->installed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, unref_or_nothing);
}

AppModels *
app_models_new (ZimDevice    *device,
                   ZimPrecision  precision,
                   guint64       budget,
                   gint64        keep_alive)
{
  AppModels *self = g_object_new (APP_TYPE_MODELS, NULL);

  self->device = g_object_ref (device);
  self->precision = precision;
  self->budget = budget > 0 ? budget : zim_device_get_memory (device);
  self->is_limited = budget > 0;
  self->keep_alive = keep_alive;
  return self;
}

ZimStore *
app_models_get_store (AppModels *self)
{
  return self->store;
}

ZimDevice *
app_models_get_device (AppModels *self)
{
  return self->device;
}

gint64
app_models_get_keep_alive (AppModels *self)
{
  return self->keep_alive;
}

GPtrArray *
app_models_get_list (AppModels *self)
{
  return self->models;
}

GHashTable *
app_models_get_installed (AppModels *self)
{
  return self->installed;
}

/* --- Names ----------------------------------------------------------------------------------------- */

char *
app_models_make_full_name (const char *name)
{
  const char *slash = strrchr (name, '/');

  return strchr (slash != NULL ? slash : name, ':') != NULL ? g_strdup (name) : g_strconcat (name, ":latest", NULL);
}

AppModel *
app_models_find (AppModels  *self,
                 const char *name)
{
  g_autofree char *full = app_models_make_full_name (name);

  for (guint i = 0; i < self->models->len; i++)
    {
      AppModel *model = self->models->pdata[i];

      if (g_str_equal (model->name, full))
        return model;
    }

  return NULL;
}

static AppModel *
add_model (AppModels  *self,
           const char *name,
           ZimModel   *model)
{
  AppModel *added = g_new0 (AppModel, 1);

  added->name = app_models_make_full_name (name);
  added->model = g_object_ref (model);
  added->expires_at = G_MAXINT64;
  g_ptr_array_add (self->models, added);
  return added;
}

/* Whether an argument is the name of a model of the store, or of one that is installed, and no path. */
static gboolean
is_name (const char *argument,
         ZimModel   *model)
{
  g_autofree char *full = app_models_make_full_name (argument);
  g_autofree char *name = g_path_get_basename (argument);

  return g_str_equal (zim_model_get_path (model), full) ||
         (g_str_equal (name, argument) && zim_model_is_installed (argument));
}

gboolean
app_models_add (AppModels   *self,
                const char  *path,
                GError     **error)
{
  g_autoptr(ZimModel) model = zim_model_open (path, NULL, error);
  const char *name;

  if (model == NULL)
    return FALSE;
  name = is_name (path, model) ? path : zim_model_get_name (model);
  if (app_models_find (self, name) != NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS, _("Two models are called “%s”"), name);
      return FALSE;
    }

  add_model (self, name, model)->path = g_strdup (path);
  self->n_given++;
  return TRUE;
}

/* The library takes names with these endings for files. */
static gboolean
is_like_file (const char *name)
{
  return g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".gguf");
}

/* (nullable) (transfer full) */
static char *
find_stored (AppModels  *self,
             const char *name)
{
  g_autoptr(ZimStoredModel) stored = NULL;

  if (name != NULL)
    stored = zim_store_find (self->store, name);
  else if (g_list_model_get_n_items (G_LIST_MODEL (self->store)) > 0)
    stored = g_list_model_get_item (G_LIST_MODEL (self->store), 0);

  if (stored == NULL || is_like_file (zim_stored_model_get_name (stored)))
    return NULL;
  return g_strdup (zim_stored_model_get_name (stored));
}

/* What is asked for is compared with what there is, and so is never looked for. (nullable) (transfer full) */
static char *
find_installed (const char *name)
{
  g_autofree char *wanted = name != NULL ? app_models_make_full_name (name) : NULL;
  g_auto(GStrv) names = zim_model_list_installed ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *full = app_models_make_full_name (names[i]);

      if (wanted == NULL || g_str_equal (full, wanted))
        return g_steal_pointer (&full);
    }
  return NULL;
}

static void
refreshed_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_autoptr(GTask) task = data;
  AppModels *self = g_task_get_source_object (task);
  const char *name = g_task_get_task_data (task);
  GError *error = NULL;
  char *found;

  if (!zim_store_refresh_finish (self->store, result, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  found = find_stored (self, name);
  if (found == NULL)
    found = find_installed (name);
  if (found != NULL)
    g_task_return_pointer (task, found, g_free);
  else if (name != NULL)
    g_task_return_new_error (task, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no model “%.200s” here"),
                             name);
  else
    g_task_return_new_error (task, ZIM_ERROR, ZIM_ERROR_NOT_FOUND, _("There is no model here"));
}

void
app_models_resolve_async (AppModels           *self,
                          const char          *name,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, NULL, callback, user_data);
  AppModel *known = NULL;

  if (name != NULL && *name == '\0')
    name = NULL;
  if (name != NULL)
    known = app_models_find (self, name);
  else if (self->n_given > 0)
    known = self->models->pdata[0];
  if (known != NULL)
    {
      g_task_return_pointer (task, g_strdup (known->name), g_free);
      return;
    }

  g_task_set_task_data (task, g_strdup (name), g_free);
  zim_store_refresh_async (self->store, NULL, refreshed_cb, g_steal_pointer (&task));
}

char *
app_models_resolve_finish (AppModels     *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Opening --------------------------------------------------------------------------------------- */

static void
opened_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr(GTask) task = data;
  GError *error = NULL;
  ZimModel *model = zim_model_open_finish (result, &error);

  if (model != NULL)
    g_task_return_pointer (task, model, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
app_models_open_async (AppModels           *self,
                       const char          *name,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);
  AppModel *known = app_models_find (self, name);

  if (known != NULL && !known->is_damaged)
    g_task_return_pointer (task, g_object_ref (known->model), g_object_unref);
  else
    zim_model_open_async (known != NULL && known->path != NULL ? known->path : name, cancellable, opened_cb,
                          g_steal_pointer (&task));
}

ZimModel *
app_models_open_finish (AppModels     *self,
                        GAsyncResult  *result,
                        GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Loading --------------------------------------------------------------------------------------- */

static void
drop (AppModels *self,
      AppModel  *model)
{
  guint index;

  g_clear_object (&model->pipeline);
  model->expires_at = G_MAXINT64;
  if (g_ptr_array_find (self->models, model, &index) && index >= self->n_given)
    g_ptr_array_remove_index (self->models, index);
}

/* The one that was not used for the longest time. (nullable) */
static AppModel *
find_oldest (AppModels *self)
{
  AppModel *oldest = NULL;

  for (guint i = 0; i < self->models->len; i++)
    {
      AppModel *model = self->models->pdata[i];

      if (model->pipeline != NULL && model->n_users == 0 && (oldest == NULL || model->used_at < oldest->used_at))
        oldest = model;
    }

  return oldest;
}

static guint64
get_size_of_others (AppModels *self,
                    AppModel  *model)
{
  guint64 size = 0;

  for (guint i = 0; i < self->models->len; i++)
    {
      AppModel *other = self->models->pdata[i];

      if (other != model && other->pipeline != NULL)
        size += zim_model_get_size (other->model);
    }

  return size;
}

/* Others go until a model, which is in use, has the room that it needs. What is left is its budget; if that is less the
 * library finds a plan for it, or says that there is none. */
static void
make_room (AppModels *self,
           AppModel  *model,
           guint64    needed)
{
  AppModel *oldest;
  guint64 others;

  while ((others = get_size_of_others (self, model)) + needed > self->budget && (oldest = find_oldest (self)) != NULL)
    drop (self, oldest);

  if (self->is_limited || others > 0)
    zim_pipeline_set_memory_budget (model->pipeline, self->budget > others ? self->budget - others : 1);
}

/* What was opened takes the place of what was damaged. */
static void
replace (AppModel *model,
         ZimModel *opened)
{
  if (model->model == opened)
    return;
  g_set_object (&model->model, opened);
  g_clear_object (&model->pipeline);
  model->is_damaged = FALSE;
}

static gboolean
load (AppModels  *self,
      AppModel   *model,
      GError    **error)
{
  if (model->pipeline == NULL)
    {
      model->pipeline = zim_pipeline_new (model->model, self->device, error);
      if (model->pipeline == NULL)
        return FALSE;
      zim_pipeline_set_precision (model->pipeline, self->precision);
    }

  model->n_users++;
  model->expires_at = G_MAXINT64;
  return TRUE;
}

typedef struct
{
  char      *name;
  ZimParams *params; /* or NULL */
} Acquisition;

static void
acquisition_free (Acquisition *acquisition)
{
  g_free (acquisition->name);
  g_clear_object (&acquisition->params);
  g_free (acquisition);
}

static void
planned_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      data)
{
  g_autoptr(GTask) task = data;
  AppModels *self = g_task_get_source_object (task);
  const Acquisition *acquisition = g_task_get_task_data (task);
  AppModel *model = app_models_find (self, acquisition->name);
  /* A job that cannot be planned says so itself. */
  guint64 needed = zim_pipeline_plan_memory_finish (ZIM_PIPELINE (source), result, NULL);
  guint64 weights = zim_model_get_size (model->model);

  /* The CPU's plans are without the weights, which are mapped. */
  if (zim_device_get_kind (self->device) == ZIM_DEVICE_KIND_CPU)
    needed += weights;
  make_room (self, model, MAX (needed, weights));
  g_task_return_pointer (task, g_object_ref (source), g_object_unref);
}

/* Whatever its budget was, the plan is to tell what it takes to keep everything where it is. */
static void
plan (GTask    *task,
      AppModel *model)
{
  const Acquisition *acquisition = g_task_get_task_data (task);
  g_autoptr(ZimParams) params = acquisition->params != NULL ? g_object_ref (acquisition->params)
                                                            : zim_params_new ("?");

  zim_pipeline_set_memory_budget (model->pipeline, 0);
  zim_pipeline_plan_memory_async (model->pipeline, params, g_task_get_cancellable (task), planned_cb,
                                  g_object_ref (task));
}

static void
acquired_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      data)
{
  AppModels *self = APP_MODELS (source);
  g_autoptr(GTask) task = data;
  const Acquisition *acquisition = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr(ZimModel) opened = app_models_open_finish (self, result, &error);
  AppModel *model = app_models_find (self, acquisition->name);

  if (model == NULL && opened != NULL)
    model = add_model (self, acquisition->name, opened);
  if (opened != NULL)
    replace (model, opened);
  if (opened != NULL && load (self, model, &error))
    {
      /* For whom it is in use it was planned, and planning again would wait for that job. */
      if (acquisition->params == NULL && model->n_users > 1)
        g_task_return_pointer (task, g_object_ref (model->pipeline), g_object_unref);
      else
        plan (task, model);
      return;
    }

  if (opened != NULL)
    drop (self, model);
  g_task_return_error (task, error);
}

void
app_models_acquire_async (AppModels           *self,
                          const char          *name,
                          ZimParams           *params,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Acquisition *acquisition = g_new0 (Acquisition, 1);

  acquisition->name = g_strdup (name);
  g_set_object (&acquisition->params, params);
  /* What was loaded has to be released again. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, acquisition, (GDestroyNotify) acquisition_free);
  app_models_open_async (self, name, cancellable, acquired_cb, task);
}

ZimPipeline *
app_models_acquire_finish (AppModels     *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Unloading ------------------------------------------------------------------------------------- */

static gboolean
expire_cb (gpointer data)
{
  AppModels *self = data;
  gint64 now = g_get_monotonic_time ();

  self->timer_id = 0;
  for (guint i = self->models->len; i > 0; i--)
    {
      AppModel *model = self->models->pdata[i - 1];

      if (model->n_users == 0 && model->expires_at <= now)
        drop (self, model);
    }

  schedule (self);
  return G_SOURCE_REMOVE;
}

static void
schedule (AppModels *self)
{
  gint64 first = G_MAXINT64;
  gint64 now = g_get_monotonic_time ();
  gint64 wait;

  for (guint i = 0; i < self->models->len; i++)
    {
      AppModel *model = self->models->pdata[i];

      if (model->n_users == 0)
        first = MIN (first, model->expires_at);
    }

  g_clear_handle_id (&self->timer_id, g_source_remove);
  if (first == G_MAXINT64)
    return;
  /* Not before its time; what is not to stay goes when the main loop comes round, before anybody can ask for it. */
  wait = first > now ? (first - now) / G_TIME_SPAN_MILLISECOND + 1 : 0;
  self->timer_id = g_timeout_add ((guint) MIN (wait, G_MAXINT), expire_cb, self);
}

static gint64
get_end (gint64 keep_alive)
{
  gint64 now = g_get_monotonic_time ();

  return keep_alive < 0 || keep_alive > G_MAXINT64 - now ? G_MAXINT64 : now + keep_alive;
}

void
app_models_release (AppModels  *self,
                    const char *name,
                    gint64      keep_alive)
{
  AppModel *model = app_models_find (self, name);

  if (model == NULL)
    return;
  model->n_users--;
  model->used_at = g_get_monotonic_time ();
  /* It may have been asked to go while it was in use. */
  if (model->expires_at == G_MAXINT64)
    model->expires_at = get_end (keep_alive);
  schedule (self);
}

void
app_models_unload (AppModels  *self,
                   const char *name)
{
  AppModel *model = app_models_find (self, name);

  if (model == NULL || model->pipeline == NULL)
    return;
  if (model->n_users > 0)
    model->expires_at = 0;
  else
    drop (self, model);
}

void
app_models_reopen (AppModels  *self,
                   const char *name)
{
  AppModel *model = app_models_find (self, name);

  if (model == NULL)
    return;
  model->is_damaged = TRUE;
  app_models_unload (self, name);
}
