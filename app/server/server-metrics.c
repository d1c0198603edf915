/* server-metrics.c: what the server counts, in Prometheus' text format
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "server-metrics.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "app-fields.h"
#include "app-format.h"

#define N_STATES (ZIM_JOB_STATE_CANCELLED + 1)

/* Upper ends of the histogram of a job's time, seconds. */
static const double buckets[] = { 0.1, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800 };

struct _ServerMetrics
{
  GHashTable *requests; /* “route="…",status="…"” to its number, a pointer */
  guint64     n_requests;
  double      request_seconds;
  guint64     n_jobs[N_STATES];
  guint64     n_images;
  guint64     n_steps;
  guint64     n_refusals;
  guint64     n_stages[APP_N_STAGES];
  double      stage_seconds[APP_N_STAGES];
  guint64     n_in_bucket[G_N_ELEMENTS (buckets)];
  guint64     n_done;
  double      done_seconds;
};

ServerMetrics *
server_metrics_new (void)
{
  ServerMetrics *self = g_new0 (ServerMetrics, 1);

  self->requests = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
server_metrics_free (ServerMetrics *self)
{
  g_hash_table_unref (self->requests);
  g_free (self);
}

void
server_metrics_add_request (ServerMetrics *self,
                            const char    *route,
                            guint          status,
                            double         seconds)
{
  g_autofree char *labels = g_strdup_printf ("route=\"%s\",status=\"%u\"", route, status);
  gsize n = GPOINTER_TO_SIZE (g_hash_table_lookup (self->requests, labels));

  g_hash_table_insert (self->requests, g_steal_pointer (&labels), GSIZE_TO_POINTER (n + 1));
  self->n_requests++;
  self->request_seconds += seconds;
}

static void
add_done (ServerMetrics *self,
          AppJob        *job)
{
  double seconds = (double) (job->ended - job->started) / G_TIME_SPAN_SECOND;

  self->n_done++;
  self->done_seconds += seconds;
  self->n_images += job->pictures->len;
  self->n_steps += (guint64) zim_params_get_steps (job->params) * job->pictures->len;
  for (guint i = 0; i < G_N_ELEMENTS (buckets); i++)
    self->n_in_bucket[i] += seconds <= buckets[i];
}

void
server_metrics_add_job (ServerMetrics *self,
                        AppJob        *job)
{
  self->n_jobs[job->state]++;
  for (guint i = 0; i < APP_N_STAGES; i++)
    if (job->stage_seconds[i] > 0)
      {
        self->n_stages[i]++;
        self->stage_seconds[i] += job->stage_seconds[i];
      }
  if (job->state == ZIM_JOB_STATE_DONE)
    add_done (self, job);
}

void
server_metrics_add_refusal (ServerMetrics *self)
{
  self->n_refusals++;
}

/* --- Text ------------------------------------------------------------------------------------------ */

static void
append_head (GString    *text,
             const char *name,
             const char *type,
             const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
append_whole (GString    *text,
              const char *name,
              const char *labels,
              guint64     value)
{
  g_string_append_printf (text, "%s%s%s%s %" G_GUINT64_FORMAT "\n",
                          name, labels != NULL ? "{" : "", labels != NULL ? labels : "", labels != NULL ? "}" : "",
                          value);
}

static void
append_real (GString    *text,
             const char *name,
             const char *labels,
             double      value)
{
  g_autofree char *number = app_format_number (value, 6);

  g_string_append_printf (text, "%s%s%s%s %s\n",
                          name, labels != NULL ? "{" : "", labels != NULL ? labels : "", labels != NULL ? "}" : "",
                          number);
}

static void
append_requests (ServerMetrics *self,
                 GString       *text)
{
  g_autoptr(GList) keys = g_list_sort (g_hash_table_get_keys (self->requests), (GCompareFunc) g_strcmp0);

  append_head (text, "zimage_http_requests_total", "counter", "Requests that were answered.");
  for (GList *l = keys; l != NULL; l = l->next)
    append_whole (text, "zimage_http_requests_total", l->data,
                  GPOINTER_TO_SIZE (g_hash_table_lookup (self->requests, l->data)));
  append_head (text, "zimage_http_request_seconds", "summary", "From a request to the end of its answer.");
  append_real (text, "zimage_http_request_seconds_sum", NULL, self->request_seconds);
  append_whole (text, "zimage_http_request_seconds_count", NULL, self->n_requests);
}

static void
append_stages (ServerMetrics *self,
               GString       *text)
{
  append_head (text, "zimage_stage_seconds", "summary", "Times of the stages of jobs.");
  for (int i = 0; i < APP_N_STAGES - 1; i++)
    {
      g_autofree char *labels = g_strdup_printf ("stage=\"%s\"", app_enum_nick (ZIM_TYPE_STAGE, i));

      append_real (text, "zimage_stage_seconds_sum", labels, self->stage_seconds[i]);
      append_whole (text, "zimage_stage_seconds_count", labels, self->n_stages[i]);
    }
}

static void
append_histogram (ServerMetrics *self,
                  GString       *text)
{
  append_head (text, "zimage_job_seconds", "histogram", "From the queue's end to the pictures.");
  for (guint i = 0; i < G_N_ELEMENTS (buckets); i++)
    {
      g_autofree char *end = app_format_number (buckets[i], 1);
      g_autofree char *labels = g_strdup_printf ("le=\"%s\"", end);

      append_whole (text, "zimage_job_seconds_bucket", labels, self->n_in_bucket[i]);
    }
  append_whole (text, "zimage_job_seconds_bucket", "le=\"+Inf\"", self->n_done);
  append_real (text, "zimage_job_seconds_sum", NULL, self->done_seconds);
  append_whole (text, "zimage_job_seconds_count", NULL, self->n_done);
}

static void
append_jobs (ServerMetrics      *self,
             GString            *text,
             const ServerGauges *gauges)
{
  append_head (text, "zimage_jobs_total", "counter", "Jobs by how they ended.");
  for (int i = ZIM_JOB_STATE_DONE; i < N_STATES; i++)
    {
      g_autofree char *labels = g_strdup_printf ("state=\"%s\"", app_enum_nick (ZIM_TYPE_JOB_STATE, i));

      append_whole (text, "zimage_jobs_total", labels, self->n_jobs[i]);
    }
  append_head (text, "zimage_jobs_refused_total", "counter", "Jobs that found no place in the queue.");
  append_whole (text, "zimage_jobs_refused_total", NULL, self->n_refusals);
  append_head (text, "zimage_images_total", "counter", "Pictures that were made.");
  append_whole (text, "zimage_images_total", NULL, self->n_images);
  append_head (text, "zimage_steps_total", "counter", "Steps of those pictures.");
  append_whole (text, "zimage_steps_total", NULL, self->n_steps);
  append_head (text, "zimage_queue_length", "gauge", "Jobs that wait.");
  append_whole (text, "zimage_queue_length", NULL, gauges->n_waiting);
  append_head (text, "zimage_jobs_running", "gauge", "Jobs that run.");
  append_whole (text, "zimage_jobs_running", NULL, gauges->n_running);
}

static double
get_cpu_seconds (clockid_t clock)
{
  struct timespec time = { 0 };

  clock_gettime (clock, &time);
  return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static guint64
get_resident_bytes (void)
{
  g_autofree char *statm = NULL;
  long pages = 0;

  if (g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL))
    sscanf (statm, "%*d %ld", &pages);
  return (guint64) pages * (guint64) sysconf (_SC_PAGESIZE);
}

static void
append_process (GString            *text,
                const ServerGauges *gauges)
{
  append_head (text, "zimage_connections", "gauge", "Connections that are open.");
  append_whole (text, "zimage_connections", NULL, gauges->n_connections);
  append_head (text, "zimage_models_loaded", "gauge", "Models that are loaded.");
  append_whole (text, "zimage_models_loaded", NULL, gauges->n_models);
  append_head (text, "zimage_model_bytes", "gauge", "Size of their weights.");
  append_whole (text, "zimage_model_bytes", NULL, gauges->model_bytes);
  append_head (text, "zimage_server_thread_cpu_seconds_total", "counter",
               "Processor time of the thread that answers requests.");
  append_real (text, "zimage_server_thread_cpu_seconds_total", NULL, get_cpu_seconds (CLOCK_THREAD_CPUTIME_ID));
  append_head (text, "process_cpu_seconds_total", "counter", "Processor time of all threads.");
  append_real (text, "process_cpu_seconds_total", NULL, get_cpu_seconds (CLOCK_PROCESS_CPUTIME_ID));
  append_head (text, "process_resident_memory_bytes", "gauge", "Memory that is resident, mapped weights included.");
  append_whole (text, "process_resident_memory_bytes", NULL, get_resident_bytes ());
}

char *
server_metrics_to_text (ServerMetrics      *self,
                        const ServerGauges *gauges)
{
  GString *text = g_string_new (NULL);

  append_jobs (self, text, gauges);
  append_histogram (self, text);
  append_stages (self, text);
  append_requests (self, text);
  append_process (text, gauges);
  return g_string_free (text, FALSE);
}
