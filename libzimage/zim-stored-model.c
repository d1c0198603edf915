/* zim-stored-model.c: a model of a store
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-stored-model.h"

#include "zim-stored-model-private.h"

/**
 * ZimStoredModel:
 *
 * A model of a [class@ZImage.Store], as the store lists it.
 *
 * [ctor@ZImage.Model.open] opens it by its name. An object never changes, so that it can be used from any thread.
 */
struct _ZimStoredModel
{
  GObject    parent_instance;

  char      *name;
  char      *id;
  guint64    size;
  GDateTime *modified;
};

G_DEFINE_FINAL_TYPE (ZimStoredModel, zim_stored_model, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_NAME,
  PROP_ID,
  PROP_SIZE,
  PROP_MODIFIED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_stored_model_finalize (GObject *object)
{
  ZimStoredModel *self = ZIM_STORED_MODEL (object);

  g_free (self->name);
  g_free (self->id);
  g_clear_pointer (&self->modified, g_date_time_unref);
  G_OBJECT_CLASS (zim_stored_model_parent_class)->finalize (object);
}

static void
zim_stored_model_get_property (GObject    *object,
                               guint       prop_id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  ZimStoredModel *self = ZIM_STORED_MODEL (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_ID:
      g_value_set_string (value, self->id);
      break;
    case PROP_SIZE:
      g_value_set_uint64 (value, self->size);
      break;
    case PROP_MODIFIED:
      g_value_set_boxed (value, self->modified);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_stored_model_class_init (ZimStoredModelClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = zim_stored_model_finalize;
  object_class->get_property = zim_stored_model_get_property;

  /**
   * ZimStoredModel:name:
   *
   * Its name: `z-image:latest`.
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * ZimStoredModel:id:
   *
   * The SHA-256 digest of its manifest, in hexadecimal digits: the same for models that are the same.
   */
  properties[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * ZimStoredModel:size:
   *
   * The bytes of all its files, some of which other models may share.
   */
  properties[PROP_SIZE] = g_param_spec_uint64 ("size", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimStoredModel:modified:
   *
   * When it got its name.
   */
  properties[PROP_MODIFIED] = g_param_spec_boxed ("modified", NULL, NULL, G_TYPE_DATE_TIME, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_stored_model_init (ZimStoredModel *self)
{
}

ZimStoredModel *
_zim_stored_model_new (const char *name,
                       const char *id,
                       guint64     size,
                       gint64      modified)
{
  ZimStoredModel *self = g_object_new (ZIM_TYPE_STORED_MODEL, NULL);

  self->name = g_strdup (name);
  self->id = g_strdup (id);
  self->size = size;
  self->modified = g_date_time_new_from_unix_utc (modified);
  return self;
}

/**
 * zim_stored_model_get_name:
 * @self: a model of a store
 *
 * Gets its name.
 *
 * Returns: the name
 */
const char *
zim_stored_model_get_name (ZimStoredModel *self)
{
  g_return_val_if_fail (ZIM_IS_STORED_MODEL (self), NULL);

  return self->name;
}

/**
 * zim_stored_model_get_id:
 * @self: a model of a store
 *
 * Gets the digest of its manifest.
 *
 * Returns: 64 hexadecimal digits
 */
const char *
zim_stored_model_get_id (ZimStoredModel *self)
{
  g_return_val_if_fail (ZIM_IS_STORED_MODEL (self), NULL);

  return self->id;
}

/**
 * zim_stored_model_get_size:
 * @self: a model of a store
 *
 * Gets the size of all its files, some of which other models may share.
 *
 * Returns: bytes
 */
guint64
zim_stored_model_get_size (ZimStoredModel *self)
{
  g_return_val_if_fail (ZIM_IS_STORED_MODEL (self), 0);

  return self->size;
}

/**
 * zim_stored_model_get_modified:
 * @self: a model of a store
 *
 * Gets when it got its name.
 *
 * Returns: (transfer none): the time, in UTC
 */
GDateTime *
zim_stored_model_get_modified (ZimStoredModel *self)
{
  g_return_val_if_fail (ZIM_IS_STORED_MODEL (self), NULL);

  return self->modified;
}
