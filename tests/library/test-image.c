/* test-image.c: pictures, their files and the parameters in them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zimage.h"
#include "zim-exif-private.h"
#include "zim-infotext-private.h"

static const char *const format_names[] = { "png", "jpeg", "webp" };

/* A folder of its own for each test. */

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  fixture->folder = g_dir_make_tmp ("zimage-test-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
}

static guint
count_files (const char *folder)
{
  g_autoptr(GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr(GDir) dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

      g_remove (path);
    }
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

/* Smooth, so that the lossy formats stay near it, and of an odd width, so that rows are padded. */
static GdkPixbuf *
make_pixbuf (void)
{
  GdkPixbuf *pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 33, 16);
  guint8 *pixels = gdk_pixbuf_get_pixels (pixbuf);
  int stride = gdk_pixbuf_get_rowstride (pixbuf);

  for (int y = 0; y < 16; y++)
    for (int x = 0; x < 33; x++)
      {
        pixels[y * stride + 3 * x] = (guint8) (x * 7);
        pixels[y * stride + 3 * x + 1] = (guint8) (y * 15);
        pixels[y * stride + 3 * x + 2] = (guint8) (255 - x * 3 - y * 9);
      }

  return pixbuf;
}

static int
largest_difference (GdkPixbuf *a,
                    GdkPixbuf *b)
{
  int largest = 0;

  g_assert_cmpint (gdk_pixbuf_get_width (a), ==, gdk_pixbuf_get_width (b));
  g_assert_cmpint (gdk_pixbuf_get_height (a), ==, gdk_pixbuf_get_height (b));
  g_assert_cmpint (gdk_pixbuf_get_n_channels (a), ==, gdk_pixbuf_get_n_channels (b));
  for (int y = 0; y < gdk_pixbuf_get_height (a); y++)
    {
      const guint8 *row_a = gdk_pixbuf_read_pixels (a) + y * gdk_pixbuf_get_rowstride (a);
      const guint8 *row_b = gdk_pixbuf_read_pixels (b) + y * gdk_pixbuf_get_rowstride (b);

      for (int i = 0; i < gdk_pixbuf_get_width (a) * gdk_pixbuf_get_n_channels (a); i++)
        largest = MAX (largest, ABS (row_a[i] - row_b[i]));
    }

  return largest;
}

static ZimParams *
make_params (const char *prompt,
             const char *negative_prompt)
{
  ZimParams *params = zim_params_new (prompt);

  zim_params_set_negative_prompt (params, negative_prompt);
  zim_params_set_size (params, 1024, 768);
  zim_params_set_steps (params, 8);
  zim_params_set_seed (params, 1234);
  zim_params_set_guidance (params, 0.0);
  return params;
}

static ZimImage *
make_image (const char *prompt,
            const char *negative_prompt)
{
  g_autoptr(GdkPixbuf) pixbuf = make_pixbuf ();
  g_autoptr(ZimParams) params = make_params (prompt, negative_prompt);

  return zim_image_new (pixbuf, params, "z-image-turbo");
}

static void
assert_same_params (ZimParams *a,
                    ZimParams *b)
{
  g_assert_cmpstr (zim_params_get_prompt (a), ==, zim_params_get_prompt (b));
  g_assert_cmpstr (zim_params_get_negative_prompt (a), ==, zim_params_get_negative_prompt (b));
  g_assert_cmpint (zim_params_get_width (a), ==, zim_params_get_width (b));
  g_assert_cmpint (zim_params_get_height (a), ==, zim_params_get_height (b));
  g_assert_cmpint (zim_params_get_steps (a), ==, zim_params_get_steps (b));
  g_assert_cmpint (zim_params_get_seed (a), ==, zim_params_get_seed (b));
  g_assert_cmpint (zim_params_get_n_images (a), ==, zim_params_get_n_images (b));
  g_assert_cmpfloat (zim_params_get_guidance (a), ==, zim_params_get_guidance (b));
  g_assert_cmpfloat (zim_params_get_cfg_normalization (a), ==, zim_params_get_cfg_normalization (b));
  g_assert_cmpfloat (zim_params_get_cfg_truncation (a), ==, zim_params_get_cfg_truncation (b));
  g_assert_cmpint (zim_params_get_max_tokens (a), ==, zim_params_get_max_tokens (b));
  g_assert_cmpint (zim_params_get_rng (a), ==, zim_params_get_rng (b));
}

/* --- The text ----------------------------------------------------------------------------------- */

static void
test_text (void)
{
  g_autoptr(ZimImage) image = make_image ("a cat, sitting", "fog");

  g_assert_cmpstr (zim_image_get_parameters_text (image), ==,
                   "a cat, sitting\n"
                   "Negative prompt: fog\n"
                   "Steps: 8, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Seed: 1234, Size: 1024x768, "
                   "Model: z-image-turbo, RNG: CPU, Version: libzimage 0.1.0");
}

static void
test_text_of_everything (void)
{
  g_autoptr(ZimParams) params = make_params ("a cat", NULL);
  g_autoptr(ZimParams) parsed = NULL;
  g_autofree char *text = NULL;
  g_autofree char *model_name = NULL;

  zim_params_set_cfg (params, 4.1);
  zim_params_set_seed (params, ZIM_SEED_MAX);
  zim_params_set_cfg_normalization (params, 1.0 / 3.0);
  zim_params_set_cfg_truncation (params, 0.85);
  zim_params_set_max_tokens (params, 1024);
  zim_params_set_rng (params, ZIM_RNG_CUDA);
  text = zim_infotext_format (params, "a, \"b\": c\\d");
  g_assert_cmpstr (text, ==,
                   "a cat\n"
                   "Steps: 8, Sampler: Euler, Schedule type: Simple, CFG scale: 4.1, Seed: 9007199254740991, "
                   "Size: 1024x768, Model: \"a, \\\"b\\\": c\\\\d\", RNG: NV, CFG normalization: 0.33333333333333331, "
                   "CFG truncation: 0.85, Max tokens: 1024, Version: libzimage 0.1.0");

  parsed = zim_infotext_parse (text, &model_name);
  assert_same_params (parsed, params);
  g_assert_cmpstr (model_name, ==, "a, \"b\": c\\d");
}

/* What was left to the model is not in the text, and reads back as left to the model. */
static void
test_text_unresolved (void)
{
  g_autoptr(ZimParams) params = zim_params_new ("a cat");
  g_autofree char *text = zim_infotext_format (params, NULL);
  g_autoptr(ZimParams) parsed = zim_infotext_parse (text, NULL);

  g_assert_cmpstr (text, ==,
                   "a cat\nSampler: Euler, Schedule type: Simple, RNG: CPU, Version: libzimage 0.1.0");
  assert_same_params (parsed, params);
}

static const struct { const char *prompt, *negative; } prompts[] = {
  { "a cat", "" },
  { "a cat", "fog, rain" },
  { "  two\nlines, and\n\nmore \n", " x\ny " },
  { "Steps: 8, Seed: 3, Size: 64x64", "" },
  { "a\nSteps: 8, Seed: 3, Size: 64x64\nb", "Steps: 1, Seed: 2, Sampler: x" },
  { "a\nNegative prompt: b", "" },
  { "a\nNegative prompt: b", "c" },
  { "Negative prompt: b", "Negative prompt: c" },
  { "a", "b\nNegative prompt: c" },
  { "key: value, key2: value, key3: \"value", "\"" },
  { "quotes \" and \\ and \t\nNegative prompt: \\u0041 \" \x01", "\"\\" },
  { "夕日 の 山、кот, café, naïve", "霧" },
  { "🌄 sunset 👩‍👩‍👧", "🌧" },
  { "latin é only", "" },
  { "crlf\r\nline\r", "" },
  { "<lora:x:1> (cat:1.2) [dog]", "" },
};

static void
test_text_prompts (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    {
      g_autoptr(ZimParams) params = make_params (prompts[i].prompt, prompts[i].negative);
      g_autofree char *text = zim_infotext_format (params, "m");
      g_autoptr(ZimParams) parsed = zim_infotext_parse (text, NULL);

      g_test_message ("%s", text);
      assert_same_params (parsed, params);
    }
}

typedef struct
{
  const char *text;
  const char *prompt;
  const char *negative;
  const char *model;
  int         steps;
  gint64      seed;
  double      cfg;
  int         width;
} ForeignCase;

/* Texts as other programs write them. */
static const ForeignCase foreign_cases[] = {
  { "a cat\nNegative prompt: low quality, (bad:1.2)\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, "
    "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Lora hashes: \"add_detail: 7c6bad76eb54, x: 1\", "
    "Hires prompt: \"a, b: c\\nd\", Version: v1.10.1",
    "a cat", "low quality, (bad:1.2)", "v1-5-pruned-emaonly", 20, 965400086, 7.0, 512 },
  { "a cat\nSteps: 8, CFG scale: 1.000000, Guidance: 3.500000, Eta: 0.000000, Seed: 42, Size: 1024x1024, "
    "Model: z_image_turbo-Q8_0.gguf, RNG: cuda, Sampler: euler simple, Version: stable-diffusion.cpp, "
    "SDCPP: {\"seed\": 7, \"Steps\": 9, \"prompt\": \"x, Seed: 8\"}",
    "a cat", "", "z_image_turbo-Q8_0.gguf", 8, 42, 1.0, 1024 },
  { "a {red|blue} cat\nSteps: 4, Sampler: Euler a, CFG scale: 1.5, Seed: 5, Size: 64x64\nTemplate: a {red|blue} cat",
    "a {red|blue} cat", "", NULL, 4, 5, 1.5, 64 },
  { "only a prompt", "only a prompt", "", NULL, 0, -1, -1.0, 0 },
  { "only a prompt\nwith: some, pairs: in, it: too", "only a prompt\nwith: some, pairs: in, it: too", "",
    NULL, 0, -1, -1.0, 0 },
  { "", "", "", NULL, 0, -1, -1.0, 0 },
  { "\n\n", "\n\n", "", NULL, 0, -1, -1.0, 0 },
  { "a\nSteps: many, Sampler: x, CFG scale: nan, Seed: 12abc, Size: 12by12", "a", "", NULL, 0, -1, -1.0, 0 },
  { "a\nSteps: -3, Sampler: x, CFG scale: -4, Seed: 99999999999999999999, Size: 0x64", "a", "", NULL, 0, -1, -1.0, 0 },
  { "a\nSteps: 5, Seed: 6, Model: \"unfinished, Size: 32x32", "a", "", "\"unfinished", 5, 6, -1.0, 32 },
  { "a\nSteps: 5, Seed: 6, Model: \"bad \\q escape\"", "a", "", "\"bad \\q escape\"", 5, 6, -1.0, 0 },
  { "a\nSteps: 5, Seed: 6, Model: \"\\ud83d\\ude00 \\u00e9\"", "a", "", "😀 é", 5, 6, -1.0, 0 },
  { "a\nSteps: 5, Seed: 6, Model: \"\\ud83d x\"", "a", "", "\"\\ud83d x\"", 5, 6, -1.0, 0 },
  { "a\nSteps: 5, Seed: 6, Sampler: e, : x, ,,: , Size", "a", "", NULL, 5, 6, -1.0, 0 },
};

static void
test_text_foreign (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (foreign_cases); i++)
    {
      const ForeignCase *expected = &foreign_cases[i];
      g_autofree char *model_name = NULL;
      g_autoptr(ZimParams) params = zim_infotext_parse (expected->text, &model_name);

      g_test_message ("%s", expected->text);
      g_assert_cmpstr (zim_params_get_prompt (params), ==, expected->prompt);
      g_assert_cmpstr (zim_params_get_negative_prompt (params), ==, expected->negative);
      g_assert_cmpstr (model_name, ==, expected->model);
      g_assert_cmpint (zim_params_get_steps (params), ==, expected->steps);
      g_assert_cmpint (zim_params_get_seed (params), ==, expected->seed);
      g_assert_cmpfloat (zim_params_get_cfg (params), ==, expected->cfg);
      g_assert_cmpint (zim_params_get_width (params), ==, expected->width);
    }
}

static void
test_text_rng (void)
{
  static const struct { const char *name; ZimRng rng; } cases[] = {
    { "CPU", ZIM_RNG_CPU }, { "cpu", ZIM_RNG_CPU }, { "other", ZIM_RNG_CPU },
    { "NV", ZIM_RNG_CUDA }, { "GPU", ZIM_RNG_CUDA }, { "cuda", ZIM_RNG_CUDA },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdup_printf ("a\nSteps: 5, Seed: 6, RNG: %s", cases[i].name);
      g_autoptr(ZimParams) params = zim_infotext_parse (text, NULL);

      g_assert_cmpint (zim_params_get_rng (params), ==, cases[i].rng);
    }
}

/* --- The object --------------------------------------------------------------------------------- */

static void
test_new (void)
{
  g_autoptr(GdkPixbuf) pixbuf = make_pixbuf ();
  g_autoptr(ZimParams) params = make_params ("a cat", NULL);
  g_autoptr(ZimImage) image = zim_image_new (pixbuf, params, NULL);

  g_assert_true (zim_image_get_pixbuf (image) == pixbuf);
  g_assert_cmpint (zim_image_get_seed (image), ==, 1234);
  g_assert_null (zim_image_get_model_name (image));

  /* Its parameters are its own. */
  zim_params_set_prompt (params, "a dog");
  g_assert_true (zim_params_is_sealed (zim_image_get_params (image)));
  g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, "a cat");
}

static void
test_leaks (void)
{
  ZimImage *image = make_image ("a cat", NULL);

  g_assert_finalize_object (image);
}

/* --- Files -------------------------------------------------------------------------------------- */

static char *
path_in (Fixture    *fixture,
         const char *name)
{
  return g_build_filename (fixture->folder, name, NULL);
}

static void
round_trip (Fixture    *fixture,
            const char *format,
            const char *prompt,
            const char *negative)
{
  g_autoptr(ZimImage) image = make_image (prompt, negative);
  g_autoptr(ZimImage) loaded = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_strconcat ("picture.", format, NULL);
  g_autofree char *path = path_in (fixture, name);
  int difference;

  zim_image_save (image, path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
  loaded = zim_image_load (path, &error);
  g_assert_no_error (error);

  g_assert_cmpstr (zim_image_get_parameters_text (loaded), ==, zim_image_get_parameters_text (image));
  assert_same_params (zim_image_get_params (loaded), zim_image_get_params (image));
  g_assert_cmpstr (zim_image_get_model_name (loaded), ==, "z-image-turbo");
  g_assert_cmpint (g_remove (path), ==, 0);

  /* 20: what 90 % quality and halved colour resolution do to this steep gradient is 10 in JPEG and 13 in WebP. */
  difference = largest_difference (zim_image_get_pixbuf (loaded), zim_image_get_pixbuf (image));
  g_test_message ("largest difference %d", difference);
  g_assert_cmpint (difference, <=, g_str_equal (format, "png") ? 0 : 20);
}

static gboolean
can_write (const char *format)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = zim_image_encode (image, format, 0, &error);

  if (bytes != NULL)
    return TRUE;

  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED);
  return FALSE;
}

static void
test_round_trip (Fixture       *fixture,
                 gconstpointer  format)
{
  if (!can_write (format))
    {
      g_test_skip ("gdk-pixbuf has no loader that writes this format");
      return;
    }

  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    round_trip (fixture, format, prompts[i].prompt, prompts[i].negative);
}

/* A JPEG segment ends at 64 KiB. The picture is kept with the start of the prompt. */
static void
test_long_prompt (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr(GString) prompt = g_string_new (NULL);
  g_autoptr(ZimImage) image = NULL;
  g_autoptr(ZimImage) loaded = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = path_in (fixture, "long.jpg");
  const char *found;

  for (int i = 0; i < 20000; i++)
    g_string_append (prompt, "猫 ");
  image = make_image (prompt->str, prompt->str);
  zim_image_save (image, path, &error);
  g_assert_no_error (error);
  loaded = zim_image_load (path, &error);
  g_assert_no_error (error);

  found = zim_params_get_prompt (zim_image_get_params (loaded));
  g_assert_cmpint (g_utf8_strlen (found, -1), ==, 2001);
  g_assert_true (g_str_has_suffix (found, "猫 …"));
  g_assert_cmpint (zim_image_get_seed (loaded), ==, 1234);

  g_assert_cmpint (g_remove (path), ==, 0);
  round_trip (fixture, "png", prompt->str, prompt->str);
}

static void
test_format (Fixture       *fixture,
             gconstpointer  data)
{
  static const struct { const char *name, *magic; } cases[] = {
    { "a.png", "\x89PNG" }, { "b.PNG", "\x89PNG" }, { "c.jpg", "\xff\xd8\xff" }, { "d.JPeG", "\xff\xd8\xff" },
    { "e.v1.jpg", "\xff\xd8\xff" },
  };
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = path_in (fixture, cases[i].name);
      g_autofree char *contents = NULL;

      zim_image_save (image, path, &error);
      g_assert_no_error (error);
      g_file_get_contents (path, &contents, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (memcmp (contents, cases[i].magic, 3) == 0);
    }
}

static void
test_unknown_format (Fixture       *fixture,
                     gconstpointer  data)
{
  static const struct { const char *name, *message; } cases[] = {
    { "a.gif", "Format “gif” is unknown, expected one of: png, jpg, jpeg, webp" },
    { "a.", "Format “” is unknown, expected one of: png, jpg, jpeg, webp" },
    { "a.b/c", "File name “a.b/c” has no extension, expected one of: png, jpg, jpeg, webp" },
    { ".png", "File name “.png” has no extension, expected one of: png, jpg, jpeg, webp" },
  };
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;

      g_assert_false (zim_image_save (image, cases[i].name, &error));
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED);
      g_assert_cmpstr (error->message, ==, cases[i].message);
    }
}

static void
test_quality (void)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) low = zim_image_encode (image, "jpg", 5, &error);
  g_autoptr(GBytes) fallback = zim_image_encode (image, "jpg", 0, &error);
  g_autoptr(GBytes) ninety = zim_image_encode (image, "jpeg", 90, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (low), <, g_bytes_get_size (fallback));
  g_assert_true (g_bytes_equal (fallback, ninety));

  g_assert_null (zim_image_encode (image, "jpg", 101, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS);
  g_clear_error (&error);
  g_assert_null (zim_image_encode (image, "png", -1, &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_INVALID_PARAMS);
}

static void
test_mode (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *path = path_in (fixture, "a.png");
  mode_t old = umask (027);
  GStatBuf info;

  zim_image_save (image, path, &error);
  umask (old);
  g_assert_no_error (error);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0640);
}

static void
test_replace (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(ZimImage) loaded = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = path_in (fixture, "a.png");
  g_autofree char *link_path = path_in (fixture, "link.png");

  g_assert_true (g_file_set_contents (path, "old", -1, NULL));
  g_assert_cmpint (symlink ("a.png", link_path), ==, 0);
  zim_image_save (image, link_path, &error);
  g_assert_no_error (error);

  g_assert_true (g_file_test (link_path, G_FILE_TEST_IS_SYMLINK));
  loaded = zim_image_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (fixture->folder), ==, 2);
}

static void
assert_save_fails (ZimImage   *image,
                   const char *path,
                   int         code)
{
  g_autoptr(GError) error = NULL;

  g_assert_false (zim_image_save_as (image, path, "png", 0, &error));
  g_assert_error (error, G_FILE_ERROR, code);
  g_assert_nonnull (strstr (error->message, "“"));
}

static void
test_bad_place (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autofree char *missing = path_in (fixture, "missing/a.png");
  g_autofree char *folder = path_in (fixture, "folder.png");
  g_autofree char *long_name = g_strnfill (300, 'a');
  g_autofree char *long_path = path_in (fixture, long_name);

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  assert_save_fails (image, missing, G_FILE_ERROR_NOENT);
  assert_save_fails (image, folder, G_FILE_ERROR_ISDIR);
  assert_save_fails (image, long_path, G_FILE_ERROR_NAMETOOLONG);
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
}

static void
test_read_only_folder (Fixture       *fixture,
                       gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autofree char *path = path_in (fixture, "a.png");

  /* Permissions mean nothing to root, so root becomes somebody else for a moment. */
  g_assert_cmpint (g_chmod (fixture->folder, 0555), ==, 0);
  if (geteuid () == 0)
    g_assert_cmpint (seteuid (65534), ==, 0);
  assert_save_fails (image, path, G_FILE_ERROR_ACCES);
  if (getuid () == 0)
    g_assert_cmpint (seteuid (0), ==, 0);
  g_assert_cmpint (g_chmod (fixture->folder, 0700), ==, 0);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

/* A disk that is full before the file is complete: the old file stays, nothing else does. */
static void
test_full_disk (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autofree char *path = path_in (fixture, "a.png");
  g_autofree char *contents = NULL;
  struct rlimit old, limit;

  g_assert_true (g_file_set_contents (path, "old", -1, NULL));
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = 100;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  assert_save_fails (image, path, G_FILE_ERROR_FAILED);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  signal (SIGXFSZ, SIG_DFL);

  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "old");
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
}

/* Devices are written to and not replaced. */
static void
test_devices (void)
{
  g_autoptr(ZimImage) image = make_image ("a cat", NULL);
  g_autoptr(GError) error = NULL;
  GStatBuf info;

  if (!g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    {
      g_test_skip ("there is no /dev/full");
      return;
    }

  assert_save_fails (image, "/dev/full", G_FILE_ERROR_NOSPC);
  zim_image_save_as (image, "/dev/null", "png", 0, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_stat ("/dev/null", &info), ==, 0);
  g_assert_true (S_ISCHR (info.st_mode));
}

static void
assert_load_fails (const char *path,
                   GQuark      domain,
                   int         code,
                   const char *message)
{
  g_autoptr(GError) error = NULL;

  g_assert_null (zim_image_load (path, &error));
  g_assert_error (error, domain, code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, message));
  g_assert_nonnull (strstr (error->message, path));
}

static void
test_load_errors (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autofree char *path = path_in (fixture, "a.png");
  g_autoptr(GdkPixbuf) pixbuf = make_pixbuf ();
  g_autofree char *contents = NULL;
  gsize size;

  assert_load_fails (path, G_FILE_ERROR, G_FILE_ERROR_NOENT, "No such file");
  assert_load_fails (fixture->folder, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "not a regular file");

  g_assert_true (g_file_set_contents (path, "a text", -1, NULL));
  assert_load_fails (path, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "not in a format");
  g_assert_true (g_file_set_contents (path, "", -1, NULL));
  assert_load_fails (path, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "not in a format");

  g_assert_true (gdk_pixbuf_save (pixbuf, path, "png", NULL, NULL));
  assert_load_fails (path, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "has no generation parameters");
  g_assert_true (gdk_pixbuf_save (pixbuf, path, "jpeg", NULL, NULL));
  assert_load_fails (path, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "has no generation parameters");

  g_assert_true (gdk_pixbuf_save (pixbuf, path, "png", NULL, NULL));
  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_true (g_file_set_contents (path, contents, (gssize) size / 2, NULL));
  assert_load_fails (path, ZIM_ERROR, ZIM_ERROR_BAD_IMAGE, "cannot be read");
}

/* --- Foreign files ------------------------------------------------------------------------------ */

static guint32
png_crc (const guint8 *data,
         gsize         size)
{
  guint32 crc = 0xffffffff;

  for (gsize i = 0; i < size; i++)
    {
      crc ^= data[i];
      for (int bit = 0; bit < 8; bit++)
        crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }

  return ~crc;
}

static void
append_be (GByteArray *array,
           guint32     value)
{
  value = GUINT32_TO_BE (value);
  g_byte_array_append (array, (guint8 *) &value, 4);
}

/* A PNG file with a chunk of our making after its header. */
static void
write_png_with_chunk (const char   *path,
                      const char   *type,
                      const guint8 *data,
                      gsize         size)
{
  g_autoptr(GdkPixbuf) pixbuf = make_pixbuf ();
  g_autoptr(GByteArray) file = g_byte_array_new ();
  g_autoptr(GByteArray) chunk = g_byte_array_new ();
  g_autofree char *png = NULL;
  gsize png_size;
  const gsize header = 8 + 25;

  g_assert_true (gdk_pixbuf_save_to_buffer (pixbuf, &png, &png_size, "png", NULL, NULL));
  g_byte_array_append (chunk, (const guint8 *) type, 4);
  g_byte_array_append (chunk, data, (guint) size);
  g_byte_array_append (file, (guint8 *) png, header);
  append_be (file, (guint32) size);
  g_byte_array_append (file, chunk->data, chunk->len);
  append_be (file, png_crc (chunk->data, chunk->len));
  g_byte_array_append (file, (guint8 *) png + header, (guint) (png_size - header));
  g_assert_true (g_file_set_contents (path, (char *) file->data, file->len, NULL));
}

/* Latin-1 is what the chunk is for, UTF-8 is what some programs put there. */
static void
test_png_encodings (Fixture       *fixture,
                    gconstpointer  data)
{
  static const struct { const char *bytes; gsize size; const char *prompt; } cases[] = {
    { "parameters\0caf\xe9\nSteps: 2, Seed: 1, Sampler: x", 46, "café" },
    { "parameters\0caf\xc3\xa9\nSteps: 2, Seed: 1, Sampler: x", 47, "café" },
    { "parameters\0\xe5\xa4\x95\nSteps: 2, Seed: 1, Sampler: x", 45, "夕" },
  };
  g_autofree char *path = path_in (fixture, "a.png");

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(ZimImage) image = NULL;
      g_autoptr(GError) error = NULL;

      write_png_with_chunk (path, "tEXt", (const guint8 *) cases[i].bytes, cases[i].size);
      image = zim_image_load (path, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (zim_params_get_prompt (zim_image_get_params (image)), ==, cases[i].prompt);
      g_assert_cmpint (zim_image_get_seed (image), ==, 1);
      g_assert_cmpint (zim_params_get_width (zim_image_get_params (image)), ==, 33);
    }
}

static char *
extract (const char *bytes,
         gsize       size)
{
  g_autoptr(GBytes) file = g_bytes_new_static (bytes, size);

  return zim_exif_extract (file);
}

#define EXTRACT(literal) extract (literal, sizeof (literal) - 1)

/* Byte orders and encodings that other writers use, and headers that lie. */
static void
test_exif_foreign (void)
{
  g_autofree char *little = EXTRACT ("\xff\xd8\xff\xe0\0\4xx\xff\xff\xe1\0\x40" "Exif\0\0"
                                     "II*\0\x08\0\0\0" "\1\0\x69\x87\4\0\1\0\0\0\x1a\0\0\0" "\0\0\0\0"
                                     "\1\0\x86\x92\7\0\x0c\0\0\0\x2c\0\0\0" "\0\0\0\0" "UNICODE\0a\0b\0");
  g_autofree char *ascii = EXTRACT ("RIFF\x58\0\0\0WEBPVP8 \2\0\0\0xxEXIF\x3e\0\0\0" "Exif\0\0"
                                    "MM\0*\0\0\0\x08" "\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x1a" "\0\0\0\0"
                                    "\0\1\x92\x86\0\7\0\0\0\x0c\0\0\0\x2c" "\0\0\0\0" "ASCII\0\0\0abc\0");
  g_autofree char *latin = EXTRACT ("\xff\xd8\xff\xe1\0\x40" "Exif\0\0"
                                    "MM\0*\0\0\0\x08" "\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x1a" "\0\0\0\0"
                                    "\0\1\x92\x86\0\7\0\0\0\x0c\0\0\0\x2c" "\0\0\0\0" "\0\0\0\0\0\0\0\0caf\xe9");

  g_assert_cmpstr (little, ==, "ab");
  g_assert_cmpstr (ascii, ==, "abc");
  g_assert_cmpstr (latin, ==, "café");

  /* A directory beyond the data, a comment beyond it, a loop, another encoding. */
  g_assert_null (EXTRACT ("\xff\xd8\xff\xe1\0\x12" "Exif\0\0" "MM\0*\xff\xff\xff\xff"));
  g_assert_null (EXTRACT ("\xff\xd8\xff\xe1\0\x40" "Exif\0\0"
                          "MM\0*\0\0\0\x08" "\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x1a" "\0\0\0\0"
                          "\0\1\x92\x86\0\7\xff\xff\xff\xff\0\0\0\x2c" "\0\0\0\0" "ASCII\0\0\0abc\0"));
  g_assert_null (EXTRACT ("\xff\xd8\xff\xe1\0\x40" "Exif\0\0"
                          "MM\0*\0\0\0\x08" "\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08" "\0\0\0\0"
                          "\0\1\x92\x86\0\7\0\0\0\x0c\0\0\0\x2c" "\0\0\0\0" "ASCII\0\0\0abc\0"));
  g_assert_null (EXTRACT ("\xff\xd8\xff\xe1\0\x40" "Exif\0\0"
                          "MM\0*\0\0\0\x08" "\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x1a" "\0\0\0\0"
                          "\0\1\x92\x86\0\7\0\0\0\x0c\0\0\0\x2c" "\0\0\0\0" "JIS\0\0\0\0\0abc\0"));
  g_assert_null (EXTRACT ("\xff\xd8\xff\xe1\0\0"));
  g_assert_null (EXTRACT ("\xff\xd8\xff\xff\xff\xff"));
  g_assert_null (EXTRACT ("RIFF\x58\0\0\0WEBPVP8 \xff\xff\xff\xffxx"));
  g_assert_null (EXTRACT (""));
}

/* Every shorter file and every single changed byte: nothing crashes, whatever is found is text. */
static void
test_exif_damage (Fixture       *fixture,
                  gconstpointer  format)
{
  g_autoptr(ZimImage) image = make_image ("夕日 sunset", "fog");
  g_autoptr(GBytes) bytes = zim_image_encode (image, format, 0, NULL);
  const guint8 *data;
  gsize size;

  if (bytes == NULL)
    {
      g_test_skip ("gdk-pixbuf has no loader that writes this format");
      return;
    }

  data = g_bytes_get_data (bytes, &size);
  for (gsize i = 0; i < size; i++)
    {
      g_autoptr(GBytes) shorter = g_bytes_new (data, i);
      g_autofree guint8 *changed = g_memdup2 (data, size);
      g_autofree char *text = zim_exif_extract (shorter);

      g_assert_true (text == NULL || g_utf8_validate (text, -1, NULL));
      for (int bit = 0; bit < 8; bit++)
        {
          g_autoptr(GBytes) file = NULL;
          g_autofree char *found = NULL;

          changed[i] = data[i] ^ (guint8) (1 << bit);
          file = g_bytes_new (changed, size);
          found = zim_exif_extract (file);
          g_assert_true (found == NULL || g_utf8_validate (found, -1, NULL));
        }
    }
}

/* The other forms of WebP that a codec may write. */
static void
test_exif_webp_forms (void)
{
  static const char lossless[] = "RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\x20\xc0\x03\x10" "12345678\0";
  static const char extended[] = "RIFF\x1c\0\0\0WEBPVP8X\x0a\0\0\0\x20\0\0\0\x20\0\0\x0f\0\0xxxx\2\0\0\0yy";
  g_autoptr(GBytes) file = g_bytes_new_static (lossless, sizeof lossless - 1);
  g_autoptr(GBytes) result = zim_exif_embed (file, "a text", 33, 16, NULL);
  const guint8 *data = g_bytes_get_data (result, NULL);
  g_autofree char *text = zim_exif_extract (result);

  g_assert_cmpstr (text, ==, "a text");
  g_assert_true (memcmp (data + 12, "VP8X\x0a\0\0\0\x18\0\0\0\x20\0\0\x0f\0\0VP8L", 22) == 0);

  g_clear_pointer (&file, g_bytes_unref);
  g_clear_pointer (&result, g_bytes_unref);
  g_clear_pointer (&text, g_free);
  file = g_bytes_new_static (extended, sizeof extended - 1);
  result = zim_exif_embed (file, "a text", 33, 16, NULL);
  text = zim_exif_extract (result);
  data = g_bytes_get_data (result, NULL);
  g_assert_cmpstr (text, ==, "a text");
  g_assert_true (memcmp (data + 12, "VP8X\x0a\0\0\0\x28\0\0\0", 12) == 0);
}

/* --- Asynchronous calls ---------------------------------------------------------------------------- */

static void
keep_result_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  GAsyncResult **kept = user_data;

  *kept = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

/* The same bytes as of the blocking calls, through a file and back. */
static void
test_async (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat, sitting", "fog");
  g_autoptr(ZimImage) loaded = NULL;
  g_autoptr(GAsyncResult) encoded = NULL;
  g_autoptr(GAsyncResult) saved = NULL;
  g_autoptr(GAsyncResult) saved_as = NULL;
  g_autoptr(GAsyncResult) opened = NULL;
  g_autofree char *png = g_build_filename (fixture->folder, "a.png", NULL);
  g_autofree char *jpeg = g_build_filename (fixture->folder, "b", NULL);
  g_autofree char *content = NULL;
  g_autoptr(GBytes) expected = NULL;
  g_autoptr(GBytes) bytes = NULL;
  GError *error = NULL;
  gsize size;

  expected = zim_image_encode (image, "png", 0, &error);
  g_assert_no_error (error);
  zim_image_encode_async (image, "png", 0, NULL, keep_result_cb, &encoded);
  bytes = zim_image_encode_finish (image, wait_for (&encoded), &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, expected));

  zim_image_save_async (image, png, NULL, keep_result_cb, &saved);
  zim_image_save_as_async (image, jpeg, "jpeg", 80, NULL, keep_result_cb, &saved_as);
  g_assert_true (zim_image_save_finish (image, wait_for (&saved), &error));
  g_assert_no_error (error);
  g_assert_true (zim_image_save_as_finish (image, wait_for (&saved_as), &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (png, &content, &size, NULL));
  g_assert_cmpmem (content, size, g_bytes_get_data (expected, NULL), g_bytes_get_size (expected));

  zim_image_load_async (jpeg, NULL, keep_result_cb, &opened);
  loaded = zim_image_load_finish (wait_for (&opened), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (zim_image_get_parameters_text (loaded), ==, zim_image_get_parameters_text (image));
}

/* Errors arrive, and what is cancelled before it begins writes nothing. */
static void
test_async_errors (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr(ZimImage) image = make_image ("a cat, sitting", "fog");
  g_autoptr(GCancellable) cancellable = g_cancellable_new ();
  g_autoptr(GAsyncResult) encoded = NULL;
  g_autoptr(GAsyncResult) saved = NULL;
  g_autoptr(GAsyncResult) cancelled = NULL;
  g_autoptr(GAsyncResult) opened = NULL;
  g_autofree char *path = g_build_filename (fixture->folder, "a.png", NULL);
  g_autofree char *nowhere = g_build_filename (fixture->folder, "no", "a.png", NULL);
  GError *error = NULL;

  zim_image_encode_async (image, "bmp", 0, NULL, keep_result_cb, &encoded);
  g_assert_null (zim_image_encode_finish (image, wait_for (&encoded), &error));
  g_assert_error (error, ZIM_ERROR, ZIM_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  zim_image_save_async (image, nowhere, NULL, keep_result_cb, &saved);
  g_assert_false (zim_image_save_finish (image, wait_for (&saved), &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);
  zim_image_load_async (nowhere, NULL, keep_result_cb, &opened);
  g_assert_null (zim_image_load_finish (wait_for (&opened), &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_clear_error (&error);

  g_cancellable_cancel (cancellable);
  zim_image_save_async (image, path, cancellable, keep_result_cb, &cancelled);
  g_assert_false (zim_image_save_finish (image, wait_for (&cancelled), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/image/text/plain", test_text);
  g_test_add_func ("/image/text/everything", test_text_of_everything);
  g_test_add_func ("/image/text/unresolved", test_text_unresolved);
  g_test_add_func ("/image/text/prompts", test_text_prompts);
  g_test_add_func ("/image/text/foreign", test_text_foreign);
  g_test_add_func ("/image/text/rng", test_text_rng);
  g_test_add_func ("/image/new", test_new);
  g_test_add_func ("/image/leaks", test_leaks);
  for (guint i = 0; i < G_N_ELEMENTS (format_names); i++)
    {
      g_autofree char *path = g_strconcat ("/image/round-trip/", format_names[i], NULL);

      ADD (path, format_names[i], test_round_trip);
    }
  ADD ("/image/long-prompt", NULL, test_long_prompt);
  ADD ("/image/save/format", NULL, test_format);
  ADD ("/image/save/unknown-format", NULL, test_unknown_format);
  g_test_add_func ("/image/save/quality", test_quality);
  ADD ("/image/save/mode", NULL, test_mode);
  ADD ("/image/save/replace", NULL, test_replace);
  ADD ("/image/save/bad-place", NULL, test_bad_place);
  ADD ("/image/save/read-only-folder", NULL, test_read_only_folder);
  ADD ("/image/save/full-disk", NULL, test_full_disk);
  g_test_add_func ("/image/save/devices", test_devices);
  ADD ("/image/load/errors", NULL, test_load_errors);
  ADD ("/image/load/png-encodings", NULL, test_png_encodings);
  ADD ("/image/async/results", NULL, test_async);
  ADD ("/image/async/errors", NULL, test_async_errors);
  g_test_add_func ("/image/exif/foreign", test_exif_foreign);
  ADD ("/image/exif/damage/jpeg", "jpeg", test_exif_damage);
  ADD ("/image/exif/damage/webp", "webp", test_exif_damage);
  g_test_add_func ("/image/exif/webp-forms", test_exif_webp_forms);

  return g_test_run ();
}
