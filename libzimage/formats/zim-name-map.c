/* zim-name-map.c: what other programs call the tensors of diffusers and transformers
 *
 * Rules replace the start of a name. The transformer's are ComfyUI's (which follows Lumina2's
 * native code), the text encoder's llama.cpp's, the autoencoder's those of latent-diffusion, whose
 * FLUX.1 autoencoder Z-Image uses.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-name-map-private.h"

#include <string.h>

#define MAX_NUMBERS 2

/* In from, # matches a number. In to, # is the next of these numbers, ~ the same counted from
 * the other end of the up blocks, and @ makes three names with q, k and v in its place. */
typedef struct {
  const char *from;
  const char *to;
} Rule;

static const Rule transformer_rules[] = {
  { "x_embedder.", "all_x_embedder.2-1." },
  { "final_layer.", "all_final_layer.2-1." },
  { "layers.#.attention.qkv.", "layers.#.attention.to_@." },
  { "layers.#.attention.q_norm.", "layers.#.attention.norm_q." },
  { "layers.#.attention.k_norm.", "layers.#.attention.norm_k." },
  { "layers.#.attention.out.", "layers.#.attention.to_out.0." },
  { "noise_refiner.#.attention.qkv.", "noise_refiner.#.attention.to_@." },
  { "noise_refiner.#.attention.q_norm.", "noise_refiner.#.attention.norm_q." },
  { "noise_refiner.#.attention.k_norm.", "noise_refiner.#.attention.norm_k." },
  { "noise_refiner.#.attention.out.", "noise_refiner.#.attention.to_out.0." },
  { "context_refiner.#.attention.qkv.", "context_refiner.#.attention.to_@." },
  { "context_refiner.#.attention.q_norm.", "context_refiner.#.attention.norm_q." },
  { "context_refiner.#.attention.k_norm.", "context_refiner.#.attention.norm_k." },
  { "context_refiner.#.attention.out.", "context_refiner.#.attention.to_out.0." },
};

static const Rule text_encoder_rules[] = {
  { "model.", "" },
  { "token_embd.", "embed_tokens." },
  { "output_norm.", "norm." },
  { "output.", "lm_head." },
  { "blk.#.attn_norm.", "layers.#.input_layernorm." },
  { "blk.#.attn_q.", "layers.#.self_attn.q_proj." },
  { "blk.#.attn_k.", "layers.#.self_attn.k_proj." },
  { "blk.#.attn_v.", "layers.#.self_attn.v_proj." },
  { "blk.#.attn_output.", "layers.#.self_attn.o_proj." },
  { "blk.#.attn_q_norm.", "layers.#.self_attn.q_norm." },
  { "blk.#.attn_k_norm.", "layers.#.self_attn.k_norm." },
  { "blk.#.ffn_norm.", "layers.#.post_attention_layernorm." },
  { "blk.#.ffn_gate.", "layers.#.mlp.gate_proj." },
  { "blk.#.ffn_up.", "layers.#.mlp.up_proj." },
  { "blk.#.ffn_down.", "layers.#.mlp.down_proj." },
};

static const Rule autoencoder_rules[] = {
  { "encoder.norm_out.", "encoder.conv_norm_out." },
  { "encoder.down.#.block.#.nin_shortcut.", "encoder.down_blocks.#.resnets.#.conv_shortcut." },
  { "encoder.down.#.block.#.", "encoder.down_blocks.#.resnets.#." },
  { "encoder.down.#.downsample.conv.", "encoder.down_blocks.#.downsamplers.0.conv." },
  { "encoder.mid.block_1.", "encoder.mid_block.resnets.0." },
  { "encoder.mid.block_2.", "encoder.mid_block.resnets.1." },
  { "encoder.mid.attn_1.norm.", "encoder.mid_block.attentions.0.group_norm." },
  { "encoder.mid.attn_1.q.", "encoder.mid_block.attentions.0.to_q." },
  { "encoder.mid.attn_1.k.", "encoder.mid_block.attentions.0.to_k." },
  { "encoder.mid.attn_1.v.", "encoder.mid_block.attentions.0.to_v." },
  { "encoder.mid.attn_1.proj_out.", "encoder.mid_block.attentions.0.to_out.0." },
  { "decoder.norm_out.", "decoder.conv_norm_out." },
  { "decoder.up.#.block.#.nin_shortcut.", "decoder.up_blocks.~.resnets.#.conv_shortcut." },
  { "decoder.up.#.block.#.", "decoder.up_blocks.~.resnets.#." },
  { "decoder.up.#.upsample.conv.", "decoder.up_blocks.~.upsamplers.0.conv." },
  { "decoder.mid.block_1.", "decoder.mid_block.resnets.0." },
  { "decoder.mid.block_2.", "decoder.mid_block.resnets.1." },
  { "decoder.mid.attn_1.norm.", "decoder.mid_block.attentions.0.group_norm." },
  { "decoder.mid.attn_1.q.", "decoder.mid_block.attentions.0.to_q." },
  { "decoder.mid.attn_1.k.", "decoder.mid_block.attentions.0.to_k." },
  { "decoder.mid.attn_1.v.", "decoder.mid_block.attentions.0.to_v." },
  { "decoder.mid.attn_1.proj_out.", "decoder.mid_block.attentions.0.to_out.0." },
};

static const struct {
  const Rule *rules;
  guint       n_rules;
} maps[ZIM_N_COMPONENTS] = {
  [ZIM_COMPONENT_TRANSFORMER] = { transformer_rules, G_N_ELEMENTS (transformer_rules) },
  [ZIM_COMPONENT_TEXT_ENCODER] = { text_encoder_rules, G_N_ELEMENTS (text_encoder_rules) },
  [ZIM_COMPONENT_AUTOENCODER] = { autoencoder_rules, G_N_ELEMENTS (autoencoder_rules) },
};

/* Past a number of at most four digits: no network has more blocks. */
static const char *
parse_number (const char *name,
              guint      *number)
{
  guint digits = 0;

  for (*number = 0; g_ascii_isdigit (name[digits]) && digits < 4; digits++)
    *number = *number * 10 + (guint) g_ascii_digit_value (name[digits]);
  return digits > 0 ? name + digits : NULL;
}

/* What follows the pattern in name, or NULL. */
static const char *
match (const char *name,
       const char *pattern,
       guint       numbers[MAX_NUMBERS])
{
  guint n = 0;

  for (; *pattern != '\0'; pattern++)
    if (*pattern == '#')
      {
        name = parse_number (name, &numbers[n++]);
        if (name == NULL)
          return NULL;
      }
    else if (*name++ != *pattern)
      {
        return NULL;
      }
  return name;
}

static char *
expand (const char  *to,
        const char  *rest,
        const guint  numbers[MAX_NUMBERS],
        guint        n_up_blocks,
        char         part)
{
  GString *name = g_string_new (NULL);
  guint n = 0;

  for (; *to != '\0'; to++)
    if (*to == '#')
      g_string_append_printf (name, "%u", numbers[n++]);
    else if (*to == '~')
      g_string_append_printf (name, "%u", n_up_blocks - 1 - numbers[n++]);
    else
      g_string_append_c (name, *to == '@' ? part : *to);
  g_string_append (name, rest);
  return g_string_free (name, FALSE);
}

static GStrv
apply (const Rule  *rule,
       const char  *rest,
       const guint  numbers[MAX_NUMBERS],
       guint        n_up_blocks)
{
  static const char parts[] = "qkv";
  guint n = strchr (rule->to, '@') != NULL ? 3 : 1;
  GStrv names = g_new0 (char *, n + 1);

  for (guint i = 0; i < n; i++)
    names[i] = expand (rule->to, rest, numbers, n_up_blocks, parts[i]);
  return names;
}

GStrv
zim_name_map (ZimComponent  component,
              const char   *stored,
              guint         n_up_blocks)
{
  const char *unchanged[] = { stored, NULL };

  for (guint i = 0; i < maps[component].n_rules; i++)
    {
      const Rule *rule = &maps[component].rules[i];
      guint numbers[MAX_NUMBERS] = { 0, };
      const char *rest = match (stored, rule->from, numbers);

      if (rest != NULL && (strchr (rule->to, '~') == NULL || numbers[0] < n_up_blocks))
        return apply (rule, rest, numbers, n_up_blocks);
    }
  return g_strdupv ((char **) unchanged);
}

gboolean
zim_name_map_match (const char *name,
                    const char *pattern,
                    guint      *index)
{
  guint numbers[MAX_NUMBERS] = { 0, };

  if (match (name, pattern, numbers) == NULL)
    return FALSE;
  *index = numbers[0];
  return TRUE;
}
