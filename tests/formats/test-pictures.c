/* test-pictures.c: the same weights make the same picture, whatever file they are in
 *
 * Where a format keeps all bits, the picture has the same ones. Quantized weights are compared with what they decode
 * to: at f32 precision everything that the stages compute is the same to 1e-4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>
#include <string.h>

#include "compute/cpu/zim-cpu-private.h"
#include "diffusion/zim-denoiser-private.h"
#include "formats/zim-safetensors-private.h"
#include "quantize-file.h"
#include "test-reference.h"
#include "test-weights.h"
#include "zim-enum-types.h"
#include "zim-image.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

#define TOLERANCE 1e-4

/* Rows of whole blocks of 32, of whole blocks of 256 in the text encoder; heads of 128 as single files need them. */
static void
config_init (ZimConfig *config)
{
  tiny_config_init (config);
  config->transformer.dim = 384;
  config->transformer.n_heads = 3;
  config->transformer.n_layers = 1;
  config->transformer.cap_feat_dim = 256;
  config->text_encoder.hidden_size = 256;
  config->text_encoder.intermediate_size = 512;
  config->text_encoder.head_dim = 64;
}

static ZimCheckpoint *
make_checkpoint (const ZimConfig *config,
                 ZimDType         dtype)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "reference", "tokenizer", "bytes.json", NULL);
  g_autoptr(GMappedFile) map = g_mapped_file_new (path, FALSE, NULL);
  g_autoptr(GBytes) tokenizer = g_mapped_file_get_bytes (map);
  ZimCheckpoint *checkpoint = zim_checkpoint_new_generated (config, tokenizer, dtype, test_fill_weights, NULL);

  generate_all (config, checkpoint);
  return checkpoint;
}

static void
write_tokenizer (Folder        *folder,
                 ZimCheckpoint *checkpoint)
{
  gsize size;
  const void *data = g_bytes_get_data (zim_checkpoint_get_tokenizer (checkpoint), &size);

  folder_write (folder, "tokenizer.json", data, (gssize) size);
}

static ZimModel *
open_model (Folder     *folder,
            const char *transformer,
            const char *text_encoder,
            const char *vae)
{
  g_autofree char *transformer_path = folder_file (folder, transformer);
  g_autofree char *text_path = text_encoder != NULL ? folder_file (folder, text_encoder) : NULL;
  g_autofree char *vae_path = vae != NULL ? folder_file (folder, vae) : NULL;
  g_autofree char *tokenizer = folder_file (folder, "tokenizer.json");
  g_autoptr(GError) error = NULL;
  ZimModel *model = zim_model_open_parts (transformer_path, text_path, vae_path, tokenizer, "turbo", NULL, &error);

  g_assert_no_error (error);
  return model;
}

static GBytes *
make_picture (ZimModel   *model,
              const char *dump)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimPipeline) pipeline = zim_pipeline_new (model, NULL, &error);
  g_autoptr(ZimParams) params = zim_params_new ("two cats");
  g_autoptr(GPtrArray) images = NULL;

  g_assert_no_error (error);
  zim_pipeline_set_precision (pipeline, ZIM_PRECISION_F32);
  zim_pipeline_set_dump_file (pipeline, dump);
  zim_params_set_size (params, 64, 48);
  zim_params_set_steps (params, 2);
  zim_params_set_seed (params, 3);
  images = zim_pipeline_generate (pipeline, params, NULL, &error);
  g_assert_no_error (error);
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (g_ptr_array_index (images, 0)));
}

/* Formats that keep all bits */

typedef enum {
  NAMES_COMFY,
  NAMES_DIFFUSERS,
} Names;

static void
write_transformer (Folder        *folder,
                   ZimCheckpoint *checkpoint,
                   Names          names,
                   const char    *prefix,
                   const char    *name)
{
  g_autoptr(ModelFile) file = model_file_new ();

  if (names == NAMES_COMFY)
    model_file_add_transformer (file, prefix, checkpoint);
  else
    model_file_add_component (file, prefix, checkpoint, ZIM_COMPONENT_TRANSFORMER);
  if (g_str_has_suffix (name, ".gguf"))
    model_file_write_gguf (file, folder, name);
  else
    model_file_write (file, folder, name);
}

static void
write_others (Folder        *folder,
              ZimCheckpoint *checkpoint)
{
  g_autoptr(ModelFile) text = model_file_new ();
  g_autoptr(ModelFile) llama = model_file_new ();
  g_autoptr(ModelFile) vae = model_file_new ();

  model_file_add_component (text, "model.", checkpoint, ZIM_COMPONENT_TEXT_ENCODER);
  model_file_add_llama (llama, checkpoint);
  model_file_add_autoencoder (vae, "", checkpoint);
  model_file_write (text, folder, "text.safetensors");
  model_file_write_gguf (llama, folder, "text.gguf");
  model_file_write (vae, folder, "vae.safetensors");
  model_file_write_gguf (vae, folder, "vae.gguf");
}

static void
write_all_in_one (Folder        *folder,
                  ZimCheckpoint *checkpoint,
                  const char    *name)
{
  g_autoptr(ModelFile) file = model_file_new ();

  model_file_add_transformer (file, "model.diffusion_model.", checkpoint);
  model_file_add_component (file, "text_encoders.qwen3_4b.transformer.model.", checkpoint, ZIM_COMPONENT_TEXT_ENCODER);
  model_file_add_autoencoder (file, "vae.", checkpoint);
  model_file_write (file, folder, name);
}

/* A diffusers folder, single files, GGUF under every program's names, and mixtures. */
static void
test_lossless (Folder        *folder,
               gconstpointer  unused)
{
  static const ZimDType types[] = { ZIM_DTYPE_BF16, ZIM_DTYPE_F16, ZIM_DTYPE_F32 };
  static const char *const mixtures[][3] = {
    { "comfy.safetensors", "text.safetensors", "vae.safetensors" },
    { "comfy.gguf", "text.gguf", "vae.safetensors" },
    { "diffusers.gguf", "text.safetensors", "vae.gguf" },
    { "diffusers.safetensors", "text.gguf", "vae.safetensors" },
    { "all.safetensors", NULL, NULL },
    { "all.safetensors", "text.gguf", NULL },
    { "model/transformer", "text.gguf", "model/vae" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      ZimConfig config;
      g_autofree char *path = folder_file (folder, "model");
      g_autoptr(ZimCheckpoint) checkpoint = NULL;
      g_autoptr(ZimModel) model = NULL;
      g_autoptr(GBytes) expected = NULL;
      g_autoptr(GError) error = NULL;

      config_init (&config);
      checkpoint = make_checkpoint (&config, types[i]);
      zim_checkpoint_write_folder (checkpoint, path, &error);
      g_assert_no_error (error);
      write_transformer (folder, checkpoint, NAMES_COMFY, "", "comfy.safetensors");
      write_transformer (folder, checkpoint, NAMES_COMFY, "model.diffusion_model.", "comfy.gguf");
      write_transformer (folder, checkpoint, NAMES_DIFFUSERS, "", "diffusers.safetensors");
      write_transformer (folder, checkpoint, NAMES_DIFFUSERS, "", "diffusers.gguf");
      write_others (folder, checkpoint);
      write_all_in_one (folder, checkpoint, "all.safetensors");
      write_tokenizer (folder, checkpoint);
      model = zim_model_open (path, NULL, &error);
      g_assert_no_error (error);
      expected = make_picture (model, NULL);
      for (guint j = 0; j < G_N_ELEMENTS (mixtures); j++)
        {
          g_autoptr(ZimModel) other = open_model (folder, mixtures[j][0], mixtures[j][1], mixtures[j][2]);
          g_autoptr(GBytes) picture = make_picture (other, NULL);

          g_assert_true (g_bytes_equal (picture, expected));
        }
    }
}

/* Quantized */

/* A ZimFillFunc: what the weights of another checkpoint decode to. */
static void
fill_decoded (const char   *name,
              guint         n_dims,
              const gint64 *dims,
              ZimDType      dtype,
              void         *data,
              gpointer      checkpoint)
{
  static const char *const components[ZIM_N_COMPONENTS] = {
    [ZIM_COMPONENT_TRANSFORMER] = "transformer/",
    [ZIM_COMPONENT_TEXT_ENCODER] = "text_encoder/",
    [ZIM_COMPONENT_AUTOENCODER] = "vae/",
  };

  for (guint i = 0; i < G_N_ELEMENTS (components); i++)
    if (g_str_has_prefix (name, components[i]))
      {
        const ZimWeight *weight = zim_checkpoint_lookup (checkpoint, i, name + strlen (components[i]));

        zim_weight_decode (weight, 0, (gsize) zim_weight_n_elements (weight), data);
      }
}

static ZimCheckpoint *
decode (ZimCheckpoint *checkpoint)
{
  return zim_checkpoint_new_generated (zim_checkpoint_get_config (checkpoint),
                                       zim_checkpoint_get_tokenizer (checkpoint), ZIM_DTYPE_F32, fill_decoded,
                                       checkpoint);
}

static void
assert_close (const char  *name,
              const float *a,
              const float *b,
              gsize        n)
{
  double difference = 0, size = 0;

  for (gsize i = 0; i < n; i++)
    {
      difference += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
      size += (double) b[i] * b[i];
    }
  if (!(sqrt (difference) <= TOLERANCE * sqrt (size)))
    g_error ("%s: relative %g", name, sqrt (difference / size));
}

/* What all stages have computed. */
static void
assert_close_dumps (const char *a,
                    const char *b)
{
  g_autoptr(ZimSafetensors) found = zim_safetensors_open (a, NULL);
  g_autoptr(ZimSafetensors) expected = zim_safetensors_open (b, NULL);

  g_assert_cmpuint (zim_safetensors_get_n (found), >, 20);
  for (guint i = 0; i < zim_safetensors_get_n (found); i++)
    {
      const ZimWeight *x = zim_safetensors_get (found, i);
      const ZimWeight *y = zim_safetensors_lookup (expected, x->name);

      if (x->dtype == ZIM_DTYPE_F32)
        assert_close (x->name, (const float *) (gconstpointer) x->data, (const float *) (gconstpointer) y->data,
                      x->size / sizeof (float));
    }
}

/* A transformer and a text encoder of this kind, and an autoencoder as it is. */
static ZimCheckpoint *
write_quantized (Folder          *folder,
                 const ZimConfig *config,
                 const Scheme    *scheme)
{
  void (*const write) (ModelFile *, Folder *, const char *) = scheme_is_gguf (scheme) ? model_file_write_gguf
                                                                                      : model_file_write;
  g_autoptr(ZimCheckpoint) checkpoint = make_checkpoint (config, ZIM_DTYPE_F32);
  g_autoptr(ModelFile) transformer = model_file_new ();
  g_autoptr(ModelFile) text = model_file_new ();
  g_autofree char *transformer_path = folder_file (folder, "z");
  g_autofree char *text_path = folder_file (folder, "text");
  g_autofree char *vae_path = folder_file (folder, "vae.safetensors");
  g_autofree char *tokenizer = folder_file (folder, "tokenizer.json");
  const ZimCheckpointParts parts = { transformer_path, text_path, vae_path, tokenizer, 0 };
  g_autoptr(GError) error = NULL;
  ZimCheckpoint *opened;

  write_others (folder, checkpoint);
  write_tokenizer (folder, checkpoint);
  model_file_add_transformer (transformer, "model.diffusion_model.", checkpoint);
  if (scheme_is_gguf (scheme))
    model_file_add_llama (text, checkpoint);
  else
    model_file_add_component (text, "model.", checkpoint, ZIM_COMPONENT_TEXT_ENCODER);
  quantize_file (transformer, "model.diffusion_model.", scheme);
  quantize_file (text, "model.", scheme);
  write (transformer, folder, "z");
  write (text, folder, "text");
  opened = zim_checkpoint_open_parts (&parts, NULL, &error);
  g_assert_no_error (error);
  return opened;
}

/* Through the pipeline. A transformer of rows that blocks do not fit into is as it was. */
static void
test_quantized (Folder        *folder,
                gconstpointer  scheme)
{
  ZimConfig config;
  g_autofree char *a = folder_file (folder, "a.safetensors");
  g_autofree char *b = folder_file (folder, "b.safetensors");
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(ZimCheckpoint) decoded = NULL;
  g_autoptr(ZimModel) model = NULL;
  g_autoptr(ZimModel) expected = NULL;
  g_autoptr(GBytes) found_picture G_GNUC_UNUSED = NULL;
  g_autoptr(GBytes) expected_picture G_GNUC_UNUSED = NULL;
  g_autoptr(GError) error = NULL;

  config_init (&config);
  checkpoint = write_quantized (folder, &config, scheme);
  g_assert_cmpint (zim_checkpoint_lookup (checkpoint, ZIM_COMPONENT_TEXT_ENCODER, "layers.0.mlp.up_proj.weight")->dtype,
                   ==, ((const Scheme *) scheme)->dtype);
  model = _zim_model_new_for_checkpoint (checkpoint, "quantized", &error);
  g_assert_no_error (error);
  decoded = decode (checkpoint);
  expected = _zim_model_new_for_checkpoint (decoded, "decoded", &error);
  g_assert_no_error (error);
  found_picture = make_picture (model, a);
  expected_picture = make_picture (expected, b);
  assert_close_dumps (a, b);
}

/* The transformer of the reference whose rows are blocks of all types */

static float *
run_transformer (TestCase      *test,
                 ZimCheckpoint *checkpoint,
                 gsize         *n)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimBackend) backend = zim_cpu_backend_new (zim_cpu_kernels_get (NULL), 2, &error);
  g_autoptr(ZimTransformer) transformer = zim_transformer_new (checkpoint, &error);
  g_autoptr(ZimDenoiser) denoiser = NULL;
  gint64 latent_dims[3], feature_dims[3];
  g_autofree float *latents = test_case_input (test, "latents", latent_dims);
  g_autofree float *features = test_case_input (test, "features", feature_dims);
  float t = (float) json_object_get_double_member (test->json, "t"), *velocity;
  ZimModulation modulation = { 0 };

  g_assert_no_error (error);
  *n = (gsize) (latent_dims[0] * latent_dims[1] * latent_dims[2]);
  velocity = g_new (float, *n);
  denoiser = zim_denoiser_new (transformer, backend, ZIM_PRECISION_F32, latent_dims[1], latent_dims[2],
                               feature_dims[0], FALSE, &error);
  g_assert_no_error (error);
  zim_modulation_init (&modulation, transformer, backend, ZIM_PRECISION_F32, &t, 1, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_set_caption (denoiser, features, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_denoiser_run (denoiser, &modulation, 0, latents, velocity, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  zim_modulation_clear (&modulation);
  return velocity;
}

/* How far types with many bits, whose blocks are those of the reference's weights, may be from it. Those weights have
 * all sizes equally often: steps of 1/32 of the largest alone are an error of 1/64. */
static double
get_distance (const Scheme *scheme)
{
  switch ((guint) scheme->dtype)
    {
    case ZIM_DTYPE_Q8_0:
      return 1e-2;
    case ZIM_DTYPE_Q6_K:
      return 2.5e-2;
    default:
      return INFINITY;
    }
}

static void
test_transformer (Folder        *folder,
                  gconstpointer  scheme)
{
  g_autoptr(TestCase) test = test_case_load ("transformer-768q");
  ZimConfig config;
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(ZimCheckpoint) decoded = NULL;
  g_autofree float *found = NULL, *expected = NULL;
  const ZimWeight *weight;
  TestDistance distance;
  gsize n;

  config_init (&config);
  config.transformer = test->config.transformer;
  checkpoint = write_quantized (folder, &config, scheme);
  weight = zim_checkpoint_lookup (checkpoint, ZIM_COMPONENT_TRANSFORMER, "layers.1.attention.to_v.weight");
  g_assert_cmpint (weight->dtype, ==, ((const Scheme *) scheme)->dtype);
  decoded = decode (checkpoint);
  found = run_transformer (test, checkpoint, &n);
  expected = run_transformer (test, decoded, &n);
  assert_close ("velocity", found, expected, n);
  g_assert_true (test_case_compare (test, "velocity", found, n, &distance));
  g_test_message ("relative to the reference %.3g, cosine %.5f", distance.relative, distance.cosine);
  g_assert_cmpfloat (distance.relative, <=, get_distance (scheme));
}

static const Scheme schemes[] = {
  { "fp8", ZIM_DTYPE_F8_E4M3, SIDES_NONE },
  { "fp8-e5m2", ZIM_DTYPE_F8_E5M2, SIDES_NONE },
  { "fp8-scaled-old", ZIM_DTYPE_F8_E4M3, SIDES_OLD },
  { "fp8-scaled-new", ZIM_DTYPE_F8_E4M3, SIDES_NEW },
  { "fp8-e5m2-scaled", ZIM_DTYPE_F8_E5M2, SIDES_NEW },
  { "fp8-rows", ZIM_DTYPE_F8_E4M3, SIDES_ROWS },
  { "int8-tensorwise", ZIM_DTYPE_I8, SIDES_NEW },
  { "int8-rows", ZIM_DTYPE_I8, SIDES_ROWS },
  { "int8-convrot", ZIM_DTYPE_I8, SIDES_ROTATED },
  { "q8_0", ZIM_DTYPE_Q8_0, SIDES_NONE },
  { "q4_0", ZIM_DTYPE_Q4_0, SIDES_NONE },
  { "q4_1", ZIM_DTYPE_Q4_1, SIDES_NONE },
  { "q5_0", ZIM_DTYPE_Q5_0, SIDES_NONE },
  { "q5_1", ZIM_DTYPE_Q5_1, SIDES_NONE },
  { "q2_k", ZIM_DTYPE_Q2_K, SIDES_NONE },
  { "q3_k", ZIM_DTYPE_Q3_K, SIDES_NONE },
  { "q4_k", ZIM_DTYPE_Q4_K, SIDES_NONE },
  { "q5_k", ZIM_DTYPE_Q5_K, SIDES_NONE },
  { "q6_k", ZIM_DTYPE_Q6_K, SIDES_NONE },
};

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/pictures/lossless", Folder, NULL, folder_init, test_lossless, folder_clear);
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    {
      g_autofree char *pipeline = g_strconcat ("/pictures/quantized/", schemes[i].name, NULL);
      g_autofree char *transformer = g_strconcat ("/pictures/transformer-768q/", schemes[i].name, NULL);

      g_test_add (pipeline, Folder, &schemes[i], folder_init, test_quantized, folder_clear);
      if (scheme_is_gguf (&schemes[i]))
        g_test_add (transformer, Folder, &schemes[i], folder_init, test_transformer, folder_clear);
    }
  return g_test_run ();
}
