/* app-listing.c: the models that there are to choose from
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "app-listing.h"

static void
listing_free (AppListing *listing)
{
  g_free (listing->name);
  g_clear_object (&listing->stored);
  g_clear_object (&listing->model);
  g_free (listing);
}

guint64
app_listing_get_size (const AppListing *listing)
{
  return listing->stored != NULL ? zim_stored_model_get_size (listing->stored) : zim_model_get_size (listing->model);
}

/* --- The list -------------------------------------------------------------------------------------- */

static void
add (GPtrArray      *listings,
     AppModels      *models,
     const char     *name,
     ZimStoredModel *stored,
     ZimModel       *model)
{
  AppListing *listing = g_new0 (AppListing, 1);
  AppModel *known = app_models_find (models, name);

  listing->name = g_strdup (name);
  g_set_object (&listing->stored, stored);
  if (known != NULL)
    model = known->model;
  g_set_object (&listing->model, model);
  listing->is_loaded = known != NULL && known->pipeline != NULL;
  g_ptr_array_add (listings, listing);
}

static gboolean
has_name (gconstpointer listing,
          gconstpointer name)
{
  return g_str_equal (((const AppListing *) listing)->name, name);
}

static void
add_given (GPtrArray *listings,
           AppModels *models)
{
  GPtrArray *known = app_models_get_list (models);

  for (guint i = 0; i < known->len; i++)
    {
      AppModel *model = known->pdata[i];
      g_autoptr(ZimStoredModel) stored = zim_store_find (app_models_get_store (models), model->name);

      if (model->path != NULL)
        add (listings, models, model->name, stored, NULL);
    }
}

static void
add_stored (GPtrArray *listings,
            AppModels *models)
{
  GListModel *store = G_LIST_MODEL (app_models_get_store (models));

  for (guint i = 0; i < g_list_model_get_n_items (store); i++)
    {
      g_autoptr(ZimStoredModel) stored = g_list_model_get_item (store, i);
      const char *name = zim_stored_model_get_name (stored);

      if (!g_ptr_array_find_with_equal_func (listings, name, has_name, NULL))
        add (listings, models, name, stored, NULL);
    }
}

static void
add_installed (GPtrArray *listings,
               AppModels *models)
{
  GHashTable *opened = app_models_get_installed (models);
  g_auto(GStrv) names = zim_model_list_installed ();

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *name = app_models_make_full_name (names[i]);
      ZimModel *model = g_hash_table_lookup (opened, name);

      if (model != NULL && !g_ptr_array_find_with_equal_func (listings, name, has_name, NULL))
        add (listings, models, name, NULL, model);
    }
}

/* --- Making it ------------------------------------------------------------------------------------- */

static void open_next (GTask *task);

/* One that cannot be opened is noted, too, so that it is told of once. */
static void
opened_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  GTask *task = data;
  AppModels *models = g_task_get_source_object (task);
  g_autoptr(GError) error = NULL;
  ZimModel *model = zim_model_open_finish (result, &error);

  if (model == NULL)
    g_message ("%s", error->message);
  g_hash_table_insert (app_models_get_installed (models), g_strdup (g_task_get_task_data (task)), model);
  open_next (task);
}

/* Takes the task: opens an installed model that was not looked at yet, or ends. */
static void
open_next (GTask *task)
{
  AppModels *models = g_task_get_source_object (task);
  g_auto(GStrv) names = zim_model_list_installed ();
  GPtrArray *listings;

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autofree char *name = app_models_make_full_name (names[i]);
      g_autoptr(ZimStoredModel) stored = zim_store_find (app_models_get_store (models), name);

      /* The library would open that of the store. */
      if (stored != NULL || g_hash_table_contains (app_models_get_installed (models), name))
        continue;
      g_task_set_task_data (task, g_steal_pointer (&name), g_free);
      zim_model_open_async (names[i], NULL, opened_cb, task);
      return;
    }

  listings = g_ptr_array_new_with_free_func ((GDestroyNotify) listing_free);
  add_given (listings, models);
  add_stored (listings, models);
  add_installed (listings, models);
  g_task_return_pointer (task, listings, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (task);
}

static void
refreshed_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  g_autoptr(GTask) task = data;
  GError *error = NULL;

  if (zim_store_refresh_finish (ZIM_STORE (source), result, &error))
    open_next (g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

void
app_listings_async (AppModels           *models,
                    GAsyncReadyCallback  callback,
                    gpointer             user_data)
{
  GTask *task = g_task_new (models, NULL, callback, user_data);

  zim_store_refresh_async (app_models_get_store (models), NULL, refreshed_cb, task);
}

GPtrArray *
app_listings_finish (AppModels     *models,
                     GAsyncResult  *result,
                     GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
