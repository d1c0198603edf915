/* progress.c: a picture without blocking, with progress and previews; it gives up after a while
 *
 * Usage: progress [SECONDS]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <zimage.h>

static void
progress_cb (ZimPipeline *pipeline,
             ZimJob      *job,
             ZimStage     stage,
             int          step,
             int          total)
{
  if (stage == ZIM_STAGE_DENOISE)
    g_print ("step %d of %d, %.0f %%\n", step, total, 100 * zim_job_get_fraction (job));
}

static void
preview_cb (ZimJob *job)
{
  GdkPixbuf *preview = zim_job_get_preview (job);

  g_print ("preview of %dx%d pixels\n", gdk_pixbuf_get_width (preview), gdk_pixbuf_get_height (preview));
}

static void
done_cb (ZimJob    *job,
         GMainLoop *loop)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimImage) image = g_list_model_get_item (zim_job_get_images (job), 0);

  if (image == NULL)
    g_printerr ("%s\n", zim_job_get_error (job)->message);
  else if (!zim_image_save (image, "sunset.png", &error))
    g_printerr ("%s\n", error->message);
  else
    g_print ("done with seed %" G_GINT64_FORMAT "\n", zim_job_get_seed (job));
  g_main_loop_quit (loop);
}

static gboolean
give_up_cb (gpointer job)
{
  zim_job_cancel (job);
  return G_SOURCE_REMOVE;
}

int
main (int    argc,
      char **argv)
{
  guint seconds = argc > 1 ? (guint) g_ascii_strtoull (argv[1], NULL, 10) : 600;
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr(GError) error = NULL;
  g_autoptr(ZimParams) params = zim_params_new ("a sunset over mountains");
  g_autoptr(ZimModel) model = zim_model_open ("./Z-Image-Turbo", NULL, &error);
  g_autoptr(ZimPipeline) pipeline = model ? zim_pipeline_new (model, NULL, &error) : NULL;
  g_autoptr(ZimJob) job = NULL;

  if (pipeline == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  g_signal_connect (pipeline, "progress", G_CALLBACK (progress_cb), NULL);
  job = zim_pipeline_submit (pipeline, params);
  zim_job_request_preview (job, 2, 256);
  g_signal_connect (job, "notify::preview", G_CALLBACK (preview_cb), NULL);
  g_signal_connect (job, "done", G_CALLBACK (done_cb), loop);
  g_timeout_add (1000 * seconds, give_up_cb, job);
  g_main_loop_run (loop);
  return zim_job_get_error (job) != NULL;
}
