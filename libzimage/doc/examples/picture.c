/* picture.c: one picture, in ten lines
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <zimage.h>

int
main (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimModel) model = zim_model_open ("./Z-Image-Turbo", NULL, &error);
  g_autoptr(ZimPipeline) pipeline = model ? zim_pipeline_new (model, NULL, &error) : NULL;
  g_autoptr(ZimParams) params = zim_params_new ("a sunset over mountains");
  g_autoptr(GPtrArray) images = pipeline ? zim_pipeline_generate (pipeline, params, NULL, &error) : NULL;

  if (images != NULL && zim_image_save (images->pdata[0], "sunset.png", &error))
    return 0;
  g_printerr ("%s\n", error->message);
  return 1;
}
