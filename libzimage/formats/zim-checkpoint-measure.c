/* zim-checkpoint-measure.c: a network's sizes, read off the shapes of its tensors
 *
 * For single files, which have no configuration. What shapes do not tell is in the configuration
 * already: that of the published model.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-checkpoint-internal.h"
#include "formats/zim-json-private.h"
#include "formats/zim-name-map-private.h"
#include "zim-error.h"

#include <glib/gi18n-lib.h>

typedef struct {
  ZimCheckpoint *checkpoint;
  ZimComponent   component;
  ZimJsonReader  reader; /* for the first error */
} Measure;

static const ZimWeight *
find (Measure    *measure,
      const char *name,
      guint       n_dims)
{
  const ZimEntry *entry = _zim_checkpoint_find (measure->checkpoint, measure->component, name);
  g_autofree char *shape = NULL;

  if (entry == NULL)
    {
      zim_json_reader_fail (&measure->reader, ZIM_ERROR_MISSING_TENSOR, _("Tensor “%s” is missing"),
                            name);
      return NULL;
    }
  if (entry->foreign != NULL)
    {
      zim_json_reader_fail (&measure->reader, ZIM_ERROR_UNSUPPORTED,
                            _("Tensor “%s” is of type %s, which is not supported"),
                            name, entry->foreign);
      return NULL;
    }
  if (entry->weight.n_dims == n_dims)
    return &entry->weight;
  shape = zim_shape_to_string (entry->weight.n_dims, entry->weight.dims);
  zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_SHAPE,
                        _("Tensor “%s” has shape %s, expected %u dimensions"), name, shape, n_dims);
  return NULL;
}

/* Dimension i of a tensor that has n_dims of them, at least 1 so that it can divide; 1 after an
 * error. */
static guint
get_dim (Measure    *measure,
         const char *name,
         guint       n_dims,
         guint       i)
{
  const ZimWeight *weight = find (measure, name, n_dims);

  if (weight != NULL && weight->dims[i] >= 1 && weight->dims[i] <= G_MAXINT32)
    return (guint) weight->dims[i];
  if (weight != NULL)
    zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_SHAPE,
                          _("Tensor “%s” has a dimension of %lld"),
                          name, (long long) weight->dims[i]);
  return 1;
}

/* value / divisor, which must come out even. */
static guint
divide (Measure    *measure,
        const char *name,
        guint       value,
        guint       divisor)
{
  if (value % divisor != 0)
    zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_SHAPE,
                          _("Tensor “%s” has a dimension of %u, expected a multiple of %u"),
                          name, value, divisor);
  return value / divisor;
}

static gboolean
has (Measure    *measure,
     const char *name)
{
  return _zim_checkpoint_find (measure->checkpoint, measure->component, name) != NULL;
}

/* One more than the highest number that stands at # in names that start with the pattern. */
static guint
count (Measure    *measure,
       const char *pattern)
{
  GHashTableIter iter;
  gpointer name;
  guint index;
  guint n = 0;

  g_hash_table_iter_init (&iter, measure->checkpoint->components[measure->component].entries);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (zim_name_map_match (name, pattern, &index))
      n = MAX (n, index + 1);
  return n;
}

/* diffusers has the patch size in a name; ComfyUI's files come here under the name with 2, their
 * only one. */
static guint
find_patch_size (Measure *measure)
{
  guint n = count (measure, "all_x_embedder.#-1.weight");

  return n > 1 && n <= 17 ? n - 1 : 2;
}

/* The axes are part of the published configuration and hold for its heads alone. */
static void
check_head_dim (Measure                    *measure,
                const ZimTransformerConfig *config,
                guint                       head_dim)
{
  guint known = config->axes_dims[0] + config->axes_dims[1] + config->axes_dims[2];

  if (head_dim != known)
    zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_CONFIG,
                          _("Its heads have a width of %u. What a single file does not tell is known "
                            "for %u alone; use a folder with config.json"), head_dim, known);
}

static void
measure_transformer (Measure              *measure,
                     ZimTransformerConfig *config)
{
  guint head_dim = get_dim (measure, "layers.0.attention.norm_q.weight", 1, 0);
  g_autofree char *embedder = NULL;

  config->patch_size = find_patch_size (measure);
  embedder = g_strdup_printf ("all_x_embedder.%u-1.weight", config->patch_size);
  config->dim = get_dim (measure, embedder, 2, 0);
  config->in_channels = divide (measure, embedder, get_dim (measure, embedder, 2, 1),
                                config->patch_size * config->patch_size);
  config->n_layers = count (measure, "layers.#.");
  config->n_refiner_layers = count (measure, "noise_refiner.#.");
  if (count (measure, "context_refiner.#.") != config->n_refiner_layers)
    zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_CONFIG,
                          _("It has %u noise refiners and %u context refiners"),
                          config->n_refiner_layers, count (measure, "context_refiner.#."));
  check_head_dim (measure, config, head_dim);
  config->n_heads = divide (measure, embedder, config->dim, head_dim);
  config->cap_feat_dim = get_dim (measure, "cap_embedder.0.weight", 1, 0);
}

static void
measure_text_encoder (Measure              *measure,
                      ZimTextEncoderConfig *config)
{
  static const char q_proj[] = "layers.0.self_attn.q_proj.weight";
  static const char k_proj[] = "layers.0.self_attn.k_proj.weight";

  config->vocab_size = get_dim (measure, "embed_tokens.weight", 2, 0);
  config->hidden_size = get_dim (measure, "embed_tokens.weight", 2, 1);
  config->intermediate_size = get_dim (measure, "layers.0.mlp.gate_proj.weight", 2, 0);
  config->num_hidden_layers = count (measure, "layers.#.");
  config->head_dim = get_dim (measure, "layers.0.self_attn.q_norm.weight", 1, 0);
  config->num_attention_heads = divide (measure, q_proj, get_dim (measure, q_proj, 2, 0),
                                        config->head_dim);
  config->num_key_value_heads = divide (measure, k_proj, get_dim (measure, k_proj, 2, 0),
                                        config->head_dim);
}

static void
measure_blocks (Measure              *measure,
                ZimAutoencoderConfig *config)
{
  config->n_blocks = count (measure, "decoder.up_blocks.#.");
  if (config->n_blocks > G_N_ELEMENTS (config->block_out_channels))
    zim_json_reader_fail (&measure->reader, ZIM_ERROR_BAD_CONFIG,
                          _("It has %u up blocks, expected at most %u"),
                          config->n_blocks, (guint) G_N_ELEMENTS (config->block_out_channels));
  for (guint i = 0; measure->reader.error == NULL && i < config->n_blocks; i++)
    {
      g_autofree char *name = g_strdup_printf ("decoder.up_blocks.%u.resnets.0.conv1.weight",
                                               config->n_blocks - 1 - i);

      config->block_out_channels[i] = get_dim (measure, name, 4, 0);
    }
}

static void
measure_autoencoder (Measure              *measure,
                     ZimAutoencoderConfig *config)
{
  guint n_resnets = count (measure, "decoder.up_blocks.0.resnets.#.");

  if (has (measure, "encoder.conv_in.weight")) /* some files have the decoder alone */
    config->in_channels = get_dim (measure, "encoder.conv_in.weight", 4, 1);
  config->out_channels = get_dim (measure, "decoder.conv_out.weight", 4, 0);
  config->latent_channels = get_dim (measure, "decoder.conv_in.weight", 4, 1);
  measure_blocks (measure, config);
  config->layers_per_block = MAX (n_resnets, 1) - 1;
  config->mid_block_add_attention = has (measure, "decoder.mid_block.attentions.0.group_norm.weight");
  config->use_quant_conv = has (measure, "quant_conv.weight");
  config->use_post_quant_conv = has (measure, "post_quant_conv.weight");
}

gboolean
_zim_checkpoint_measure (ZimCheckpoint  *self,
                         ZimComponent    component,
                         GError        **error)
{
  Measure measure = {
    .checkpoint = self,
    .component = component,
    .reader = { .source = self->components[component].path, .code = ZIM_ERROR_BAD_CONFIG },
  };

  switch (component)
    {
    case ZIM_COMPONENT_TRANSFORMER:
      measure_transformer (&measure, &self->config.transformer);
      break;
    case ZIM_COMPONENT_TEXT_ENCODER:
      measure_text_encoder (&measure, &self->config.text_encoder);
      break;
    case ZIM_COMPONENT_AUTOENCODER:
      measure_autoencoder (&measure, &self->config.autoencoder);
      break;
    case ZIM_N_COMPONENTS:
    default:
      g_assert_not_reached ();
    }
  return zim_json_reader_finish (&measure.reader, error);
}
