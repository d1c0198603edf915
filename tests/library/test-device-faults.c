/* test-device-faults.c: pipelines whose device fails: an error, and then pictures again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "test-faults.h"
#include "test-object.h"
#include "test-reference.h"
#include "test-vulkan.h"
#include "zim-device.h"
#include "zim-error.h"
#include "zim-image.h"
#include "zim-model-private.h"
#include "zim-params.h"
#include "zim-pipeline.h"

/* A small picture, which takes some hundred calls of everything */
static GBytes *
generate (ZimPipeline  *pipeline,
          GError      **error)
{
  g_autoptr(ZimParams) params = zim_params_new ("a sunset over mountains");
  g_autoptr(GPtrArray) images = NULL;

  zim_params_set_size (params, 32, 32);
  zim_params_set_steps (params, 1);
  zim_params_set_seed (params, 7);
  zim_pipeline_set_precision (pipeline, ZIM_PRECISION_F32);
  images = zim_pipeline_generate (pipeline, params, NULL, error);
  if (images == NULL)
    return NULL;
  return gdk_pixbuf_read_pixel_bytes (zim_image_get_pixbuf (g_ptr_array_index (images, 0)));
}

static void
check_fault (ZimPipeline *pipeline,
             const char  *function,
             guint        nth,
             VkResult     result,
             ZimError     code)
{
  g_autoptr(GError) error = NULL;

  faults_arm (function, nth, result);
  g_assert_null (generate (pipeline, &error));
  g_assert_true (faults_disarm ());
  g_assert_error (error, ZIM_ERROR, (int) code);
}

static void
assert_near (GBytes *a,
             GBytes *b)
{
  gsize n, n_b;
  const guint8 *x = g_bytes_get_data (a, &n), *y = g_bytes_get_data (b, &n_b);

  g_assert_cmpuint (n, ==, n_b);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpint (ABS (x[i] - y[i]), <=, 1);
}

/* Fails each allocation in turn, until a picture does with fewer; only that of the device's rate, which may be guessed,
 * leaves one. */
static void
check_allocations (ZimPipeline *pipeline,
                   GBytes      *expected)
{
  gboolean is_struck = TRUE;
  guint n_errors = 0;

  for (guint nth = 1; is_struck; nth++)
    {
      g_autoptr(GError) error = NULL;
      g_autoptr(GBytes) bytes = NULL;

      faults_arm ("AllocateMemory", nth, VK_ERROR_OUT_OF_DEVICE_MEMORY);
      bytes = generate (pipeline, &error);
      is_struck = faults_disarm ();
      if (bytes != NULL)
        {
          assert_near (bytes, expected);
          continue;
        }
      g_assert_true (is_struck);
      g_assert_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY);
      n_errors++;
    }
  g_assert_cmpuint (n_errors, >, 0);
}

/* While a device is gone for good, another one computes with the same model. A device is lost in the midst of a
 * picture, memory ends in the midst of the next ones, and the last is right. */
static void
check_pipelines (ZimModel  *model,
                 ZimDevice *device)
{
  g_autoptr(ZimDevice) cpu = zim_device_find ("cpu", NULL);
  g_autoptr(ZimPipeline) pipeline = zim_pipeline_new (model, device, NULL);
  g_autoptr(ZimPipeline) gone = zim_pipeline_new (model, device, NULL);
  g_autoptr(ZimPipeline) other = zim_pipeline_new (model, cpu, NULL);
  g_autoptr(GBytes) expected = NULL;
  g_autoptr(GError) error = NULL;

  check_fault (gone, "CreateDevice", 1, VK_ERROR_INITIALIZATION_FAILED, ZIM_ERROR_DEVICE);
  expected = generate (other, &error);
  g_assert_no_error (error);
  check_fault (pipeline, "QueueSubmit", 8, VK_ERROR_DEVICE_LOST, ZIM_ERROR_DEVICE);
  check_allocations (pipeline, expected);
}

static void
test_pipelines (void)
{
  g_autofree char *name = g_strdup_printf ("vulkan:%d", test_vulkan_find ());
  g_autoptr(TestCase) test = NULL;
  g_autoptr(ZimDevice) device = NULL;
  ZimCheckpoint *checkpoint;
  ZimModel *model;
  GError *error = NULL;

  if (test_vulkan_find () < 0)
    {
      g_test_skip ("this machine has no Vulkan loader");
      return;
    }
  test = test_case_load ("pipeline-turbo");
  checkpoint = test_case_checkpoint (test, ZIM_DTYPE_BF16);
  model = _zim_model_new_for_checkpoint (checkpoint, "test", &error);
  g_assert_no_error (error);
  device = zim_device_find (name, &error);
  g_assert_no_error (error);
  check_pipelines (model, device);
  test_assert_finalizes (model);
  zim_checkpoint_unref (checkpoint);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device-faults/pipelines", test_pipelines);
  return g_test_run ();
}
