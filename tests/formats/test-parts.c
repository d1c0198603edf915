/* test-parts.c: single files under other programs' names
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "formats/zim-name-map-private.h"
#include "formats/zim-safetensors-private.h"
#include "model-file.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

#include <glib/gstdio.h>

/* The tiny model in ComfyUI's three files, in the folders below folder. */
static ZimCheckpoint *
write_comfy (Folder     *folder,
             ZimConfig  *config,
             const char *transformer,
             const char *transformer_prefix,
             const char *text_encoder,
             const char *vae)
{
  g_autoptr(ModelFile) transformer_file = model_file_new ();
  g_autoptr(ModelFile) text_file = model_file_new ();
  g_autoptr(ModelFile) vae_file = model_file_new ();
  ZimCheckpoint *checkpoint;

  tiny_config_init (config);
  checkpoint = tiny_checkpoint_new (config, ZIM_DTYPE_BF16);
  model_file_add_transformer (transformer_file, transformer_prefix, checkpoint);
  model_file_add_component (text_file, "model.", checkpoint, ZIM_COMPONENT_TEXT_ENCODER);
  model_file_add_autoencoder (vae_file, "", checkpoint);
  model_file_write (transformer_file, folder, transformer);
  model_file_write (text_file, folder, text_encoder);
  model_file_write (vae_file, folder, vae);
  return checkpoint;
}

static ZimCheckpoint *
open_parts (Folder      *folder,
            const char  *transformer,
            const char  *text_encoder,
            const char  *vae,
            const char  *tokenizer,
            int          variant,
            GError     **error)
{
  g_autofree char *transformer_path = folder_file (folder, transformer);
  g_autofree char *text_path = text_encoder != NULL ? folder_file (folder, text_encoder) : NULL;
  g_autofree char *vae_path = vae != NULL ? folder_file (folder, vae) : NULL;
  g_autofree char *tokenizer_path = tokenizer != NULL ? folder_file (folder, tokenizer) : NULL;
  ZimCheckpointParts parts = { transformer_path, text_path, vae_path, tokenizer_path, variant };

  return zim_checkpoint_open_parts (&parts, NULL, error);
}

static void
assert_same_sizes (const ZimConfig *a,
                   const ZimConfig *b)
{
  g_assert_cmpmem (&a->transformer, sizeof a->transformer, &b->transformer, sizeof b->transformer);
  g_assert_cmpmem (&a->text_encoder, sizeof a->text_encoder, &b->text_encoder,
                   sizeof b->text_encoder);
  g_assert_cmpmem (&a->autoencoder, sizeof a->autoencoder, &b->autoencoder, sizeof b->autoencoder);
}

/* Fused and renamed, every tensor is the same to the byte, and the sizes are found again. */
static void
test_comfy (Folder        *folder,
            gconstpointer  unused)
{
  static const char *const prefixes[] = { "", "model.diffusion_model.", "diffusion_model." };

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      ZimConfig config;
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimCheckpoint) expected = write_comfy (folder, &config, "z_turbo.safetensors",
                                                       prefixes[i], "t.safetensors", "v.safetensors");
      g_autoptr(ZimCheckpoint) opened = NULL;

      folder_write (folder, "tok.json", "[1]", 3);
      opened = open_parts (folder, "z_turbo.safetensors", "t.safetensors", "v.safetensors",
                           "tok.json", -1, &error);
      g_assert_no_error (error);
      assert_same_sizes (&config, zim_checkpoint_get_config (opened));
      assert_same_tensors (&config, expected, opened);
      g_assert_cmpuint (g_bytes_get_size (zim_checkpoint_get_tokenizer (opened)), ==, 3);
      g_assert_cmpfloat (zim_checkpoint_get_config (opened)->scheduler.shift, ==, 3);
    }
}

static GBytes *
picture_of (ZimCheckpoint *checkpoint)
{
  g_autoptr(ZimModel) model = NULL;
  g_autoptr(ZimPipeline) pipeline = NULL;
  g_autoptr(ZimParams) params = zim_params_new ("two cats");
  g_autoptr(GPtrArray) images = NULL;
  GError *error = NULL;

  model = _zim_model_new_for_checkpoint (checkpoint, "test", &error);
  g_assert_no_error (error);
  pipeline = zim_pipeline_new (model, NULL, &error);
  g_assert_no_error (error);
  zim_params_set_size (params, 64, 48);
  zim_params_set_steps (params, 2);
  zim_params_set_seed (params, 3);
  images = zim_pipeline_generate (pipeline, params, NULL, &error);
  g_assert_no_error (error);
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (g_ptr_array_index (images, 0)));
}

/* The same weights give the same picture from a diffusers folder and from ComfyUI's files. */
static void
test_same_picture (Folder        *folder,
                   gconstpointer  unused)
{
  ZimConfig config;
  GError *error = NULL;
  g_autofree char *tokenizer = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autofree char *model = folder_file (folder, "model");
  g_autofree char *text = NULL;
  g_autoptr(ZimCheckpoint) written = write_comfy (folder, &config, "z_turbo.safetensors", "", "qwen_3_4b.safetensors",
                                                  "ae.safetensors");
  g_autoptr(ZimCheckpoint) from_parts = NULL;
  g_autoptr(ZimCheckpoint) from_folder = NULL;
  g_autoptr(GBytes) a = NULL;
  g_autoptr(GBytes) b = NULL;
  gsize size;

  g_file_get_contents (tokenizer, &text, &size, &error);
  g_assert_no_error (error);
  folder_write (folder, "tokenizer.json", text, (gssize) size);
  from_parts = open_parts (folder, "z_turbo.safetensors", NULL, NULL, NULL, -1, &error);
  g_assert_no_error (error);
  zim_checkpoint_write_folder (written, model, &error);
  g_assert_no_error (error);
  folder_write (folder, "model/tokenizer/tokenizer.json", text, (gssize) size);
  from_folder = zim_checkpoint_open_folder (model, NULL, &error);
  g_assert_no_error (error);
  a = picture_of (from_parts);
  b = picture_of (from_folder);
  g_assert_true (g_bytes_equal (a, b));
}

/* Parts point into the mapped file: nothing is copied. */
static void
test_no_copies (Folder        *folder,
                gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
    write_comfy (folder, &config, "z_turbo.safetensors", "",
                 "qwen_3_4b.safetensors", "ae.safetensors");
  g_autoptr(ZimCheckpoint) opened = NULL;
  const ZimWeight *q;
  const ZimWeight *k;
  const ZimWeight *v;

  folder_write (folder, "tokenizer.json", "{}", 2);
  opened = open_parts (folder, "z_turbo.safetensors", NULL, NULL, NULL, -1, NULL);
  g_assert_nonnull (opened);
  q = zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_q.weight");
  k = zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_k.weight");
  v = zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_v.weight");
  g_assert_true (k->data == q->data + q->size);
  g_assert_true (v->data == k->data + k->size);
}

/* ComfyUI's own folders. */
static void
test_found_beside (Folder        *folder,
                   gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) expected =
    write_comfy (folder, &config, "diffusion_models/z_image_turbo_bf16.safetensors", "",
                 "text_encoders/qwen_3_4b.safetensors", "vae/ae.safetensors");
  g_autoptr(ZimCheckpoint) opened = NULL;

  folder_write (folder, "text_encoders/tokenizer/tokenizer.json", "{}", 2);
  opened = open_parts (folder, "diffusion_models/z_image_turbo_bf16.safetensors", NULL, NULL, NULL,
                       -1, &error);
  g_assert_no_error (error);
  assert_same_tensors (&config, expected, opened);
}

static ZimCheckpoint *
open_files (Folder             *folder,
            const char *const  *names,
            GError            **error)
{
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; names[i] != NULL; i++)
    g_ptr_array_add (paths, folder_file (folder, names[i]));
  g_ptr_array_add (paths, NULL);
  return zim_checkpoint_open_files ((const char *const *) paths->pdata, -1, NULL, error);
}

/* Files, and folders of files, that nobody says anything about. */
static void
test_files (Folder        *folder,
            gconstpointer  unused)
{
  static const char *const lists[][5] = {
    { "v.safetensors", "t.safetensors", "tok.json", "z_turbo.safetensors" },
    { "loose" },
    { "v.safetensors", "loose/sub", "t.safetensors", "z_turbo.safetensors" },
  };
  static const struct { const char *names[4]; int code; const char *message; } bad[] = {
    { { "v.safetensors", "z_turbo.safetensors", "loose/a.safetensors" }, ZIM_ERROR_BAD_CONFIG, "are the same part" },
    { { "v.safetensors", "tok.json" }, ZIM_ERROR_NOT_FOUND, "There is no transformer in" },
    { { "empty" }, ZIM_ERROR_BAD_CONFIG, "has neither a “model_index.json” nor files of weights" },
    { { "nothing" }, ZIM_ERROR_NOT_FOUND, "There is nothing at" },
    { { "bad.safetensors" }, ZIM_ERROR_BAD_FILE, "bad.safetensors" },
    { { "other.safetensors" }, ZIM_ERROR_BAD_FILE, "is no part of a model" },
  };
  ZimConfig config;
  g_autoptr(ZimCheckpoint) expected = write_comfy (folder, &config, "z_turbo.safetensors", "", "t.safetensors",
                                                   "v.safetensors");
  g_autoptr(ZimCheckpoint) same = write_comfy (folder, &config, "loose/z_turbo.safetensors", "model.diffusion_model.",
                                               "loose/b.safetensors", "loose/a.safetensors");
  g_autoptr(ModelFile) other = model_file_new ();
  g_autofree char *empty = folder_file (folder, "empty");

  folder_write (folder, "tok.json", "[1]", 3);
  folder_write (folder, "loose/tokenizer.json", "[1]", 3);
  folder_write (folder, "loose/sub/tokenizer.json", "[1]", 3);
  folder_write (folder, "bad.safetensors", "bad", 3);
  model_file_write (other, folder, "other.safetensors");
  g_assert_cmpint (g_mkdir (empty, 0777), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimCheckpoint) opened = open_files (folder, lists[i], &error);

      g_assert_no_error (error);
      assert_same_tensors (&config, i == 1 ? same : expected, opened);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      GError *error = NULL;

      g_assert_null (open_files (folder, bad[i].names, &error));
      assert_and_clear_error (&error, bad[i].code, bad[i].message);
    }
}

static void
test_all_in_one (Folder        *folder,
                 gconstpointer  unused)
{
  static const char *const vae_prefixes[] = { "vae.", "first_stage_model." };

  for (guint i = 0; i < G_N_ELEMENTS (vae_prefixes); i++)
    {
      ZimConfig config;
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimCheckpoint) expected = NULL;
      g_autoptr(ZimCheckpoint) opened = NULL;
      g_autoptr(ModelFile) file = model_file_new ();

      tiny_config_init (&config);
      expected = tiny_checkpoint_new (&config, ZIM_DTYPE_F32);
      model_file_add_transformer (file, "model.diffusion_model.", expected);
      model_file_add_component (file, "text_encoders.qwen3_4b.transformer.model.", expected,
                                ZIM_COMPONENT_TEXT_ENCODER);
      model_file_add_autoencoder (file, vae_prefixes[i], expected);
      model_file_write (file, folder, "all.safetensors");
      folder_write (folder, "tokenizer.json", "{}", 2);
      /* A text encoder beside it does not come before the one in it. */
      folder_write (folder, "qwen_3_4b.safetensors", "bad", 3);
      opened = open_parts (folder, "all.safetensors", NULL, NULL, NULL, 1, &error);
      g_assert_no_error (error);
      assert_same_sizes (&config, zim_checkpoint_get_config (opened));
      assert_same_tensors (&config, expected, opened);
    }
}

/* Single files under diffusers' names, and component folders with a configuration. */
static void
test_diffusers_names (Folder        *folder,
                      gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) expected = NULL;
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autoptr(ZimCheckpoint) mixed = NULL;

  tiny_config_init (&config);
  config.transformer.patch_size = 4;
  config.autoencoder.use_quant_conv = TRUE;
  config.autoencoder.use_post_quant_conv = TRUE;
  config.autoencoder.mid_block_add_attention = FALSE;
  expected = tiny_checkpoint_new (&config, ZIM_DTYPE_F16);
  zim_checkpoint_write_folder (expected, folder->path, &error);
  g_assert_no_error (error);

  opened = open_parts (folder, "transformer/diffusion_pytorch_model.safetensors",
                       "text_encoder/model.safetensors",
                       "vae/diffusion_pytorch_model.safetensors", "tokenizer", 0, &error);
  g_assert_no_error (error);
  assert_same_sizes (&config, zim_checkpoint_get_config (opened));
  assert_same_tensors (&config, expected, opened);

  mixed = open_parts (folder, "transformer", NULL, NULL, NULL, 1, &error);
  g_assert_no_error (error);
  assert_same_sizes (&config, zim_checkpoint_get_config (mixed));
  assert_same_tensors (&config, expected, mixed);
}

static void
assert_not_opened (Folder     *folder,
                   const char *transformer,
                   int         variant,
                   int         code,
                   const char *message)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) opened = open_parts (folder, transformer, NULL, NULL, NULL, variant,
                                                &error);

  g_assert_null (opened);
  assert_and_clear_error (&error, code, message);
}

/* What is missing is named with the option that gives it. */
static void
test_missing_parts (Folder        *folder,
                    gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
    write_comfy (folder, &config, "z.safetensors", "",
                 "qwen_3_4b.safetensors", "ae.safetensors");
  g_autofree char *text_encoder = folder_file (folder, "qwen_3_4b.safetensors");
  g_autofree char *vae = folder_file (folder, "ae.safetensors");

  assert_not_opened (folder, "z.safetensors", -1, ZIM_ERROR_BAD_CONFIG, "--variant turbo|base");
  assert_not_opened (folder, "gone.safetensors", 0, ZIM_ERROR_NOT_FOUND, "gone.safetensors");
  assert_not_opened (folder, "z.safetensors", 0, ZIM_ERROR_NOT_FOUND,
                     "no tokenizer beside it. Name a tokenizer.json with --tokenizer");
  g_unlink (vae);
  assert_not_opened (folder, "z.safetensors", 0, ZIM_ERROR_NOT_FOUND,
                     "has no autoencoder, and there is none beside it. Name one with --vae");
  g_unlink (text_encoder);
  assert_not_opened (folder, "z.safetensors", 0, ZIM_ERROR_NOT_FOUND,
                     "has no text encoder, and there is none beside it. Name one with --text-encoder");
}

/* A file that was given for another part. */
static void
test_wrong_file (Folder        *folder,
                 gconstpointer  unused)
{
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
    write_comfy (folder, &config, "z.safetensors", "",
                 "qwen_3_4b.safetensors", "ae.safetensors");

  assert_not_opened (folder, "ae.safetensors", 0, ZIM_ERROR_MISSING_TENSOR,
                     "There is no transformer in it: tensor “cap_embedder.0.weight” is missing");
  g_assert_null (open_parts (folder, "z.safetensors", "ae.safetensors", NULL, NULL, 0, &error));
  assert_and_clear_error (&error, ZIM_ERROR_MISSING_TENSOR, "There is no text encoder in it");
  g_assert_null (open_parts (folder, "z.safetensors", NULL, "z.safetensors", NULL, 0, &error));
  assert_and_clear_error (&error, ZIM_ERROR_MISSING_TENSOR, "There is no autoencoder in it");
}

static void
test_variants (Folder        *folder,
               gconstpointer  unused)
{
  static const struct {
    const char *name;
    int         variant;
    gboolean    turbo;
  } cases[] = {
    { "Z-Image-TURBO.safetensors", -1, TRUE },
    { "z_image_base_bf16.safetensors", -1, FALSE },
    { "z_image_turbo.safetensors", 1, FALSE },
    { "z.safetensors", 0, TRUE },
    { "z.safetensors", 1, FALSE },
  };

  folder_write (folder, "tokenizer.json", "{}", 2);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      ZimConfig config;
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
        write_comfy (folder, &config, cases[i].name, "",
                     "qwen_3_4b.safetensors", "ae.safetensors");
      g_autoptr(ZimCheckpoint) opened = open_parts (folder, cases[i].name, NULL, NULL, NULL,
                                                    cases[i].variant, &error);
      const ZimConfig *found;

      g_assert_no_error (error);
      found = zim_checkpoint_get_config (opened);
      g_assert_cmpint (found->defaults.turbo, ==, cases[i].turbo);
      g_assert_cmpfloat (found->scheduler.shift, ==, cases[i].turbo ? 3 : 6);
      g_assert_cmpuint (found->defaults.steps, ==, cases[i].turbo ? 8 : 50);
    }
}

/* Changes to one tensor of a good file and the error they give. */
typedef enum {
  REMOVE,
  DUPLICATE,  /* under the second name */
  CUT_ROW,    /* one row less */
  FLATTEN,    /* one dimension of all elements */
} Change;

static const struct {
  const char *file;
  const char *tensor;
  Change      change;
  const char *other;
  int         code;
  const char *message;
} faults[] = {
  { "z.safetensors", "x_embedder.weight", REMOVE, NULL,
    ZIM_ERROR_MISSING_TENSOR, "z.safetensors: Tensor “all_x_embedder.2-1.weight” is missing" },
  { "z.safetensors", "x_embedder.weight", FLATTEN, NULL,
    ZIM_ERROR_BAD_SHAPE, "expected 2 dimensions" },
  { "z.safetensors", "x_embedder.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_SHAPE, "has a dimension of 255, expected a multiple of 128" },
  { "z.safetensors", "layers.0.attention.q_norm.weight", REMOVE, NULL,
    ZIM_ERROR_MISSING_TENSOR, "norm_q.weight” is missing" },
  { "z.safetensors", "layers.0.attention.q_norm.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_CONFIG, "Its heads have a width of 127" },
  { "z.safetensors", "layers.0.attention.qkv.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_SHAPE, "whose rows do not fall into three parts" },
  { "z.safetensors", "layers.0.attention.qkv.weight", DUPLICATE, "layers.0.attention.to_k.weight",
    ZIM_ERROR_BAD_FILE, "is there twice" },
  { "z.safetensors", "cap_embedder.0.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_CONFIG, "have a width of 64, the transformer takes 63" },
  { "z.safetensors", "cap_pad_token", DUPLICATE, "layers.1000.x",
    ZIM_ERROR_BAD_CONFIG, "Field “n_layers” is 1001" },
  { "z.safetensors", "cap_pad_token", DUPLICATE, "context_refiner.1.x",
    ZIM_ERROR_BAD_CONFIG, "1 noise refiners and 2 context refiners" },
  { "qwen_3_4b.safetensors", "model.layers.0.self_attn.k_proj.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_SHAPE, "has a dimension of 63, expected a multiple of 32" },
  { "qwen_3_4b.safetensors", "model.layers.0.mlp.gate_proj.weight", REMOVE, NULL,
    ZIM_ERROR_MISSING_TENSOR, "qwen_3_4b.safetensors: Tensor “layers.0.mlp.gate_proj.weight”" },
  { "qwen_3_4b.safetensors", "model.norm.weight", DUPLICATE, "model.model.norm.weight",
    ZIM_ERROR_BAD_FILE, "Tensor “norm.weight” is there twice" },
  { "qwen_3_4b.safetensors", "model.norm.weight", DUPLICATE, "lm_head.weight", 0, NULL },
  { "ae.safetensors", "decoder.conv_in.weight", FLATTEN, NULL,
    ZIM_ERROR_BAD_SHAPE, "expected 4 dimensions" },
  { "ae.safetensors", "decoder.conv_out.weight", REMOVE, NULL,
    ZIM_ERROR_MISSING_TENSOR, "“decoder.conv_out.weight” is missing" },
  { "ae.safetensors", "decoder.up.0.block.0.conv1.weight", CUT_ROW, NULL,
    ZIM_ERROR_BAD_CONFIG, "is 31, expected a multiple of “norm_num_groups”, 32" },
  { "ae.safetensors", "decoder.up.0.block.0.conv1.weight", REMOVE, NULL,
    ZIM_ERROR_MISSING_TENSOR, "“decoder.up_blocks.3.resnets.0.conv1.weight” is missing" },
  { "ae.safetensors", "decoder.conv_in.bias", DUPLICATE, "decoder.up.8.block.0.x",
    ZIM_ERROR_BAD_CONFIG, "It has 9 up blocks, expected at most 8" },
  { "ae.safetensors", "encoder.conv_in.weight", REMOVE, NULL, 0, NULL },
};

static void
change_weight (ModelFile  *file,
               guint       index,
               Change      change,
               const char *other)
{
  ZimWeight *weight = &g_array_index (file->weights, ZimWeight, index);
  ZimWeight copy = *weight;

  switch (change)
    {
    case REMOVE:
      g_array_remove_index (file->weights, index);
      break;
    case DUPLICATE:
      model_file_add (file, "", other, &copy);
      break;
    case CUT_ROW:
      weight->size -= weight->size / (gsize) weight->dims[0];
      weight->dims[0]--;
      break;
    case FLATTEN:
      weight->dims[0] = zim_weight_n_elements (weight);
      weight->n_dims = 1;
      break;
    default:
      g_assert_not_reached ();
    }
}

/* Reads a file, changes one tensor and writes it again. */
static void
change_file (Folder     *folder,
             const char *name,
             const char *tensor,
             Change      change,
             const char *other)
{
  g_autofree char *path = folder_file (folder, name);
  g_autoptr(ZimSafetensors) tensors = zim_safetensors_open (path, NULL);
  g_autoptr(ModelFile) file = model_file_new ();
  guint found = G_MAXUINT;

  for (guint i = 0; i < zim_safetensors_get_n (tensors); i++)
    {
      const ZimWeight *weight = zim_safetensors_get (tensors, i);

      if (strcmp (weight->name, tensor) == 0)
        found = file->weights->len;
      model_file_add (file, "", weight->name, weight);
    }
  g_assert_cmpuint (found, !=, G_MAXUINT);
  change_weight (file, found, change, other);
  model_file_write (file, folder, name);
}

static void
test_faults (Folder        *folder,
             gconstpointer  unused)
{
  folder_write (folder, "tokenizer.json", "{}", 2);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      ZimConfig config;
      g_autoptr(GError) error = NULL;
      g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
        write_comfy (folder, &config, "z.safetensors", "",
                     "qwen_3_4b.safetensors", "ae.safetensors");
      g_autoptr(ZimCheckpoint) opened = NULL;

      change_file (folder, faults[i].file, faults[i].tensor, faults[i].change, faults[i].other);
      opened = open_parts (folder, "z.safetensors", NULL, NULL, NULL, 0, &error);
      if (faults[i].message == NULL)
        g_assert_no_error (error);
      else
        assert_and_clear_error (&error, faults[i].code, faults[i].message);
    }
}

/* The three parts of a fused tensor of a foreign type are known under their names. */
static void
test_foreign_fused (Folder        *folder,
                    gconstpointer  unused)
{
  static const gint64 dims[] = { 2, 2 };
  ZimConfig config;
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimCheckpoint) expected G_GNUC_UNUSED =
    write_comfy (folder, &config, "z.safetensors", "",
                 "qwen_3_4b.safetensors", "ae.safetensors");
  g_autoptr(ZimCheckpoint) opened = NULL;
  g_autofree char *path = folder_file (folder, "z.safetensors");
  g_autofree char *data = NULL;
  gsize size;
  char *type;

  /* The header keeps its length, and 192 rows of I64 are as many bytes as 768 of BF16. */
  g_file_get_contents (path, &data, &size, NULL);
  type = g_strstr_len (data + 8, (gssize) size - 8,
                       "\"layers.0.attention.qkv.weight\":{\"dtype\":\"BF16\",\"shape\":[768,256]");
  g_assert_nonnull (type);
  memcpy (type, "\"layers.0.attention.qkv.weight\":{\"dtype\":\"I64\" ,\"shape\":[192,256]",
          strlen ("\"layers.0.attention.qkv.weight\":{\"dtype\":\"BF16\",\"shape\":[768,256]"));
  folder_write (folder, "z.safetensors", data, (gssize) size);
  folder_write (folder, "tokenizer.json", "{}", 2);
  opened = open_parts (folder, "z.safetensors", NULL, NULL, NULL, 0, &error);
  g_assert_no_error (error);
  g_assert_null (zim_checkpoint_lookup (opened, ZIM_COMPONENT_TRANSFORMER,
                                        "layers.0.attention.to_v.weight"));
  g_assert_null (zim_checkpoint_require (opened, ZIM_COMPONENT_TRANSFORMER,
                                         "layers.0.attention.to_v.weight", 2, dims, &error));
  assert_and_clear_error (&error, ZIM_ERROR_UNSUPPORTED,
                          "z.safetensors: Tensor “layers.0.attention.to_v.weight” is of type I64");
}

static void
test_cancelled (Folder        *folder,
                gconstpointer  unused)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  ZimCheckpointParts parts = { .transformer = "x.safetensors", .variant = 0 };

  g_cancellable_cancel (cancellable);
  g_assert_null (zim_checkpoint_open_parts (&parts, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Names that no rule may touch. */
static void
test_unchanged_names (void)
{
  static const struct {
    ZimComponent component;
    const char  *name;
  } cases[] = {
    { ZIM_COMPONENT_TRANSFORMER, "all_x_embedder.2-1.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "all_final_layer.2-1.linear.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "layers.0.attention.to_out.0.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "layers.0.attention.norm_q.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "layers.x.attention.out.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "layers.12345.attention.out.weight" },
    { ZIM_COMPONENT_TRANSFORMER, "norm_final.weight" },
    { ZIM_COMPONENT_TEXT_ENCODER, "lm_head.weight" },
    { ZIM_COMPONENT_TEXT_ENCODER, "layers.0.self_attn.q_norm.weight" },
    { ZIM_COMPONENT_AUTOENCODER, "decoder.up_blocks.0.resnets.0.conv1.weight" },
    { ZIM_COMPONENT_AUTOENCODER, "decoder.up.4.block.0.conv1.weight" },
    { ZIM_COMPONENT_AUTOENCODER, "decoder.up" },
    { ZIM_COMPONENT_AUTOENCODER, "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto(GStrv) names = zim_name_map (cases[i].component, cases[i].name, 4);

      g_assert_cmpuint (g_strv_length (names), ==, 1);
      g_assert_cmpstr (names[0], ==, cases[i].name);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parts/unchanged-names", test_unchanged_names);
  g_test_add ("/parts/comfy", Folder, NULL, folder_init, test_comfy, folder_clear);
  g_test_add ("/parts/same-picture", Folder, NULL, folder_init, test_same_picture, folder_clear);
  g_test_add ("/parts/no-copies", Folder, NULL, folder_init, test_no_copies, folder_clear);
  g_test_add ("/parts/files", Folder, NULL, folder_init, test_files, folder_clear);
  g_test_add ("/parts/found-beside", Folder, NULL, folder_init, test_found_beside, folder_clear);
  g_test_add ("/parts/all-in-one", Folder, NULL, folder_init, test_all_in_one, folder_clear);
  g_test_add ("/parts/diffusers-names", Folder, NULL, folder_init, test_diffusers_names,
              folder_clear);
  g_test_add ("/parts/missing-parts", Folder, NULL, folder_init, test_missing_parts, folder_clear);
  g_test_add ("/parts/wrong-file", Folder, NULL, folder_init, test_wrong_file, folder_clear);
  g_test_add ("/parts/variants", Folder, NULL, folder_init, test_variants, folder_clear);
  g_test_add ("/parts/faults", Folder, NULL, folder_init, test_faults, folder_clear);
  g_test_add ("/parts/foreign-fused", Folder, NULL, folder_init, test_foreign_fused, folder_clear);
  g_test_add ("/parts/cancelled", Folder, NULL, folder_init, test_cancelled, folder_clear);
  return g_test_run ();
}
