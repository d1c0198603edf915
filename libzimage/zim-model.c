/* zim-model.c: an opened checkpoint
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "zim-enum-types.h"
#include "zim-model-private.h"

/**
 * ZimModel:
 *
 * A Z-Image checkpoint: its text encoder, transformer, autoencoder and tokenizer.
 *
 * Opening a model reads its configurations and the headers of its weight files and checks that every tensor is there
 * in the right shape. The weights themselves stay mapped from disk and are read when a [class@ZImage.Pipeline] first
 * uses them.
 *
 * A model is immutable and can be used from any thread and by several pipelines at once. Async methods invoke their
 * callback in the thread-default context of the caller.
 */
struct _ZimModel {
  GObject         parent_instance;

  char           *name;
  ZimCheckpoint  *checkpoint;
  ZimTokenizer   *tokenizer;
  ZimTextEncoder *text_encoder;
  ZimTransformer *transformer;
  ZimAutoencoder *autoencoder;
  guint64         n_parameters;
  guint64         size;
  const char     *quantization; /* the type of most of the transformer's bytes */
};

G_DEFINE_FINAL_TYPE (ZimModel, zim_model, G_TYPE_OBJECT)

enum {
  PROP_0,
  PROP_NAME,
  PROP_PATH,
  PROP_VARIANT,
  PROP_DEFAULT_WIDTH,
  PROP_DEFAULT_HEIGHT,
  PROP_DEFAULT_STEPS,
  PROP_DEFAULT_GUIDANCE,
  PROP_N_PARAMETERS,
  PROP_SIZE,
  PROP_QUANTIZATION,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static void
zim_model_finalize (GObject *object)
{
  ZimModel *self = ZIM_MODEL (object);

  g_free (self->name);
  g_clear_pointer (&self->tokenizer, zim_tokenizer_unref);
  g_clear_pointer (&self->text_encoder, zim_text_encoder_free);
  g_clear_pointer (&self->transformer, zim_transformer_free);
  g_clear_pointer (&self->autoencoder, zim_autoencoder_free);
  g_clear_pointer (&self->checkpoint, zim_checkpoint_unref);
  G_OBJECT_CLASS (zim_model_parent_class)->finalize (object);
}

static void
zim_model_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  ZimModel *self = ZIM_MODEL (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, zim_model_get_name (self));
      break;
    case PROP_PATH:
      g_value_set_string (value, zim_model_get_path (self));
      break;
    case PROP_VARIANT:
      g_value_set_enum (value, zim_model_get_variant (self));
      break;
    case PROP_DEFAULT_WIDTH:
      g_value_set_int (value, zim_model_get_default_width (self));
      break;
    case PROP_DEFAULT_HEIGHT:
      g_value_set_int (value, zim_model_get_default_height (self));
      break;
    case PROP_DEFAULT_STEPS:
      g_value_set_int (value, zim_model_get_default_steps (self));
      break;
    case PROP_DEFAULT_GUIDANCE:
      g_value_set_double (value, zim_model_get_default_guidance (self));
      break;
    case PROP_N_PARAMETERS:
      g_value_set_uint64 (value, self->n_parameters);
      break;
    case PROP_SIZE:
      g_value_set_uint64 (value, self->size);
      break;
    case PROP_QUANTIZATION:
      g_value_set_string (value, zim_model_get_quantization (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
zim_model_class_init (ZimModelClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = zim_model_finalize;
  object_class->get_property = zim_model_get_property;

  /**
   * ZimModel:name:
   *
   * What the model is called: by itself, else by its file or folder.
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * ZimModel:path:
   *
   * The folder, the transformer’s file, or the name in the store.
   */
  properties[PROP_PATH] = g_param_spec_string ("path", NULL, NULL, NULL, flags);

  /**
   * ZimModel:variant:
   *
   * Turbo or base.
   */
  properties[PROP_VARIANT] = g_param_spec_enum ("variant", NULL, NULL, ZIM_TYPE_VARIANT, ZIM_VARIANT_TURBO, flags);

  /**
   * ZimModel:default-width:
   *
   * The width in pixels that the model suggests.
   */
  properties[PROP_DEFAULT_WIDTH] = g_param_spec_int ("default-width", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-height:
   *
   * The height in pixels that the model suggests.
   */
  properties[PROP_DEFAULT_HEIGHT] = g_param_spec_int ("default-height", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-steps:
   *
   * The number of steps that the model suggests.
   */
  properties[PROP_DEFAULT_STEPS] = g_param_spec_int ("default-steps", NULL, NULL, 0, G_MAXINT, 0, flags);

  /**
   * ZimModel:default-guidance:
   *
   * The guidance that the model suggests, where 0 is off.
   */
  properties[PROP_DEFAULT_GUIDANCE] = g_param_spec_double ("default-guidance", NULL, NULL, 0, G_MAXDOUBLE, 0, flags);

  /**
   * ZimModel:n-parameters:
   *
   * The number of parameters of all its networks.
   */
  properties[PROP_N_PARAMETERS] = g_param_spec_uint64 ("n-parameters", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimModel:size:
   *
   * The size of its weights in bytes.
   */
  properties[PROP_SIZE] = g_param_spec_uint64 ("size", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * ZimModel:quantization:
   *
   * The type that most of the transformer is stored in: `BF16`, `Q4_K`, …
   */
  properties[PROP_QUANTIZATION] = g_param_spec_string ("quantization", NULL, NULL, NULL, flags);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
zim_model_init (ZimModel *self)
{
}

static gboolean
build_networks (ZimModel  *self,
                GError   **error)
{
  GBytes *tokenizer = zim_checkpoint_get_tokenizer (self->checkpoint);

  if (tokenizer != NULL)
    {
      const char *path = zim_checkpoint_get_path (self->checkpoint);

      self->tokenizer = zim_tokenizer_new (tokenizer, path, error);
      if (self->tokenizer == NULL)
        return FALSE;
    }
  return (self->text_encoder = zim_text_encoder_new (self->checkpoint, error)) != NULL &&
         (self->transformer = zim_transformer_new (self->checkpoint, error)) != NULL &&
         (self->autoencoder = zim_autoencoder_new (self->checkpoint, error)) != NULL;
}

static void
find_quantization (ZimModel *self)
{
  g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, ZIM_COMPONENT_TRANSFORMER);
  g_autoptr(GHashTable) sums = g_hash_table_new (g_direct_hash, g_direct_equal);
  gsize most = 0;

  for (guint i = 0; i < weights->len; i++)
    {
      const ZimWeight *weight = g_ptr_array_index (weights, i);
      gpointer key = GUINT_TO_POINTER (weight->dtype);
      gsize sum = GPOINTER_TO_SIZE (g_hash_table_lookup (sums, key)) + weight->size;

      g_hash_table_insert (sums, key, GSIZE_TO_POINTER (sum));
      if (sum > most)
        self->quantization = zim_dtype_name (weight->dtype);
      most = MAX (most, sum);
    }
}

static void
count_parameters (ZimModel *self)
{
  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, component);

      for (guint i = 0; i < weights->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (weights, i);

          self->n_parameters += zim_weight_n_elements (weight);
          self->size += weight->size;
        }
    }
}

ZimModel *
_zim_model_new_for_checkpoint (ZimCheckpoint  *checkpoint,
                               const char     *name,
                               GError        **error)
{
  g_autoptr(ZimModel) self = g_object_new (ZIM_TYPE_MODEL, NULL);
  const ZimModelDefaults *defaults = &zim_checkpoint_get_config (checkpoint)->defaults;

  self->checkpoint = zim_checkpoint_ref (checkpoint);
  self->name = g_strdup (defaults->name != NULL ? defaults->name : name);
  if (!build_networks (self, error))
    return NULL;
  count_parameters (self);
  find_quantization (self);
  return g_steal_pointer (&self);
}

/* Getters */

/**
 * zim_model_get_name:
 * @self: a model
 *
 * Gets what the model is called.
 *
 * Returns: the name
 */
const char *
zim_model_get_name (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return self->name;
}

/**
 * zim_model_get_path:
 * @self: a model
 *
 * Gets where the model lies: its folder, the transformer’s file, or its name in the store.
 *
 * Returns: the path
 */
const char *
zim_model_get_path (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return zim_checkpoint_get_path (self->checkpoint);
}

static const ZimModelDefaults *
get_defaults (ZimModel *self)
{
  return &zim_checkpoint_get_config (self->checkpoint)->defaults;
}

/**
 * zim_model_get_variant:
 * @self: a model
 *
 * Gets which of the Z-Image models it is.
 *
 * Returns: the variant
 */
ZimVariant
zim_model_get_variant (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), ZIM_VARIANT_TURBO);

  return get_defaults (self)->turbo ? ZIM_VARIANT_TURBO : ZIM_VARIANT_BASE;
}

/**
 * zim_model_get_default_width:
 * @self: a model
 *
 * Gets the width that the model suggests.
 *
 * Returns: pixels
 */
int
zim_model_get_default_width (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->width;
}

/**
 * zim_model_get_default_height:
 * @self: a model
 *
 * Gets the height that the model suggests.
 *
 * Returns: pixels
 */
int
zim_model_get_default_height (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->height;
}

/**
 * zim_model_get_default_steps:
 * @self: a model
 *
 * Gets the number of steps that the model suggests.
 *
 * Returns: the number of steps
 */
int
zim_model_get_default_steps (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->steps;
}

/**
 * zim_model_get_default_guidance:
 * @self: a model
 *
 * Gets the guidance that the model suggests, where 0 is off.
 *
 * Returns: the guidance
 */
double
zim_model_get_default_guidance (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return get_defaults (self)->guidance;
}

/**
 * zim_model_get_n_parameters:
 * @self: a model
 *
 * Gets the number of parameters of all its networks.
 *
 * Returns: the number of parameters
 */
guint64
zim_model_get_n_parameters (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return self->n_parameters;
}

/**
 * zim_model_get_size:
 * @self: a model
 *
 * Gets the size of its weights.
 *
 * Returns: bytes
 */
guint64
zim_model_get_size (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), 0);

  return self->size;
}

/**
 * zim_model_get_quantization:
 * @self: a model
 *
 * Gets the type that most of the transformer is stored in.
 *
 * Returns: the type: `BF16`, `Q4_K`, …
 */
const char *
zim_model_get_quantization (ZimModel *self)
{
  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  return self->quantization;
}

/**
 * zim_model_list_tensors:
 * @self: a model
 *
 * Lists the tensors of all its networks.
 *
 * Returns: (transfer full): of type `a(ssaxt)`: name, type, shape and bytes of each
 */
GVariant *
zim_model_list_tensors (ZimModel *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ssaxt)"));

  g_return_val_if_fail (ZIM_IS_MODEL (self), NULL);

  for (guint component = 0; component < ZIM_N_COMPONENTS; component++)
    {
      g_autoptr(GPtrArray) weights = zim_checkpoint_list (self->checkpoint, component);

      for (guint i = 0; i < weights->len; i++)
        {
          const ZimWeight *weight = g_ptr_array_index (weights, i);
          g_autofree char *name = zim_checkpoint_full_name (component, weight->name);

          g_variant_builder_add (&builder, "(ss@axt)", name, zim_dtype_name (weight->dtype),
                                 g_variant_new_fixed_array (G_VARIANT_TYPE_INT64, weight->dims, weight->n_dims,
                                                            sizeof *weight->dims),
                                 (guint64) weight->size);
        }
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

ZimCheckpoint *
_zim_model_get_checkpoint (ZimModel *self)
{
  return self->checkpoint;
}

ZimTokenizer *
_zim_model_get_tokenizer (ZimModel *self)
{
  return self->tokenizer;
}

ZimTextEncoder *
_zim_model_get_text_encoder (ZimModel *self)
{
  return self->text_encoder;
}

ZimTransformer *
_zim_model_get_transformer (ZimModel *self)
{
  return self->transformer;
}

ZimAutoencoder *
_zim_model_get_autoencoder (ZimModel *self)
{
  return self->autoencoder;
}
