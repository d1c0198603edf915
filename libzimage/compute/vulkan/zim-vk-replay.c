/* zim-vk-replay.c: recorded segments, submitted together with the weights that are streamed for them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/vulkan/zim-vk-replay-private.h"

#define IN_FLIGHT 2 /* segments that are submitted and not done: the device never waits for the host */

/* A packing that is uploaded before its group is computed with */
typedef struct {
  ZimVkPacking *packing;
  ZimVkSpan     span;
} Stream;

/* Operations whose streamed weights are on the device at the same time */
typedef struct {
  guint first_stream; /* up to the next group's */
  guint end_segment;  /* behind its last one */
} Group;

struct _ZimVkReplay {
  ZimVkDevice    *device;     /* not owned */
  ZimVkWeights   *weights;    /* not owned */
  ZimVkRecorder  *recorder;   /* not owned */
  GArray         *streams;    /* of Stream */
  GArray         *groups;     /* of Group; none if nothing is streamed */
  gsize           group_size; /* bytes of the current group's weights */
  const ZimVkSet *set;        /* (nullable) that they are of, */
  guint           set_age;    /* and its age then */
};

ZimVkReplay *
zim_vk_replay_new (ZimVkDevice  *device,
                   ZimVkWeights *weights)
{
  ZimVkReplay *self = g_new0 (ZimVkReplay, 1);

  self->device = device;
  self->weights = weights;
  self->streams = g_array_new (FALSE, FALSE, sizeof (Stream));
  self->groups = g_array_new (FALSE, FALSE, sizeof (Group));
  return self;
}

void
zim_vk_replay_free (ZimVkReplay *self)
{
  g_array_unref (self->streams);
  g_array_unref (self->groups);
  g_free (self);
}

/* Recording */

static Group *
get_group (ZimVkReplay *self,
           guint        i)
{
  return &g_array_index (self->groups, Group, i);
}

void
zim_vk_replay_begin (ZimVkReplay   *self,
                     ZimVkRecorder *recorder)
{
  self->recorder = recorder;
  self->set = NULL;
  g_array_set_size (self->streams, 0);
  g_array_set_size (self->groups, 0);
}

static void
begin_group (ZimVkReplay *self)
{
  Group group = { self->streams->len, 0 };

  if (self->groups->len > 0)
    get_group (self, self->groups->len - 1)->end_segment = zim_vk_recorder_cut (self->recorder);
  g_array_append_val (self->groups, group);
  self->group_size = 0;
}

static gsize
place_size (ZimVkReplay        *self,
            const ZimVkPacking *packing)
{
  return zim_vk_memory_round (self->device, packing->size);
}

static void
add_stream (ZimVkReplay  *self,
            ZimVkPacking *packing)
{
  const ZimVkSpan *half = zim_vk_set_get_half (self->set, (self->groups->len - 1) % 2);
  Stream stream = { packing, { half->block, half->offset + self->group_size, packing->size } };

  g_array_append_val (self->streams, stream);
  packing->span = stream.span;
  self->group_size += place_size (self, packing);
}

void
zim_vk_replay_place (ZimVkReplay   *self,
                     ZimVkPacking **packings,
                     guint          n)
{
  gsize needed = 0;

  for (guint i = 0; i < n; i++)
    if (packings[i] != NULL && packings[i]->streams)
      {
        self->set = packings[i]->set;
        needed += place_size (self, packings[i]);
      }
  if (needed == 0)
    return;
  self->set_age = zim_vk_set_get_age (self->set);
  if (self->groups->len == 0 || self->group_size + needed > zim_vk_set_get_half_size (self->set))
    begin_group (self);
  for (guint i = 0; i < n; i++)
    if (packings[i] != NULL && packings[i]->streams)
      add_stream (self, packings[i]);
}

void
zim_vk_replay_end (ZimVkReplay *self)
{
  for (guint i = 0; i < self->streams->len; i++)
    g_array_index (self->streams, Stream, i).packing->span = (ZimVkSpan) { NULL };
  if (self->groups->len > 0)
    get_group (self, self->groups->len - 1)->end_segment = zim_vk_recorder_get_n (self->recorder);
}

gboolean
zim_vk_replay_is_current (ZimVkReplay *self)
{
  return self->set == NULL || self->set_age == zim_vk_set_get_age (self->set);
}

/* Running */

typedef struct {
  ZimVkReplay  *replay;
  GCancellable *cancellable;
  guint64      *ends;       /* of each segment, on the computing queue's timeline */
  guint         group;      /* that the next segment is of */
  guint         n_uploaded; /* streams */
} Run;

static guint
end_of_streams (ZimVkReplay *self,
                guint        group)
{
  if (group >= self->groups->len)
    return 0;
  return group + 1 < self->groups->len ? get_group (self, group + 1)->first_stream : self->streams->len;
}

/* The half of the window that a group uses was that of the group before the last: it waits for its end, on the device
 * for copies and on the host, which may write there itself. */
static gboolean
wait_for_half (Run     *run,
               guint    group,
               GError **error)
{
  ZimVkDevice *device = run->replay->device;

  if (group < 2)
    return TRUE;
  device->copy.after = run->ends[get_group (run->replay, group - 2)->end_segment - 1];
  return zim_vk_queue_wait (device, &device->compute, device->copy.after, error);
}

static gboolean
upload_stream (Run     *run,
               Stream  *stream,
               GError **error)
{
  gboolean is_done;

  if (g_cancellable_set_error_if_cancelled (run->cancellable, error))
    return FALSE;
  stream->packing->span = stream->span;
  is_done = zim_vk_weights_upload (run->replay->weights, stream->packing, error);
  stream->packing->span = (ZimVkSpan) { NULL };
  return is_done;
}

/* Uploads the weights of a group, or one of them. */
static gboolean
upload_group (Run      *run,
              guint     group,
              gboolean  is_all,
              GError  **error)
{
  ZimVkReplay *self = run->replay;
  guint end = end_of_streams (self, group);

  if (run->n_uploaded < end && !wait_for_half (run, group, error))
    return FALSE;
  for (gboolean goes_on = TRUE; goes_on && run->n_uploaded < end; goes_on = is_all)
    if (!upload_stream (run, &g_array_index (self->streams, Stream, run->n_uploaded++), error))
      return FALSE;
  return TRUE;
}

/* Segments wait for the copies of their own group and of those before, not for what is uploaded ahead. */
static void
begin_computing (Run *run)
{
  run->replay->device->compute.after = run->replay->device->copy.submitted;
}

static gboolean
submit_segment (Run     *run,
                guint    i,
                GError **error)
{
  ZimVkReplay *self = run->replay;
  ZimVkDevice *device = self->device;
  gboolean is_last = self->groups->len > 0 && get_group (self, run->group)->end_segment == i + 1;

  if (i >= IN_FLIGHT && !zim_vk_queue_wait (device, &device->compute, run->ends[i - IN_FLIGHT], error))
    return FALSE;
  if (g_cancellable_set_error_if_cancelled (run->cancellable, error) ||
      !zim_vk_queue_submit (device, &device->compute, zim_vk_recorder_get (self->recorder, i), error))
    return FALSE;
  run->ends[i] = device->compute.submitted;
  if (!upload_group (run, run->group + 1, is_last, error))
    return FALSE;
  if (is_last)
    {
      run->group++;
      begin_computing (run);
    }
  return TRUE;
}

static gboolean
submit_segments (ZimVkReplay   *self,
                 GCancellable  *cancellable,
                 GError       **error)
{
  guint n = zim_vk_recorder_get_n (self->recorder);
  g_autofree guint64 *ends = g_new0 (guint64, n);
  Run run = { self, cancellable, ends, 0, 0 };

  self->device->copy.after = self->device->compute.submitted;
  if (!upload_group (&run, 0, TRUE, error))
    return FALSE;
  begin_computing (&run);
  for (guint i = 0; i < n; i++)
    if (!submit_segment (&run, i, error))
      return FALSE;
  return TRUE;
}

gboolean
zim_vk_replay_run (ZimVkReplay   *self,
                   GCancellable  *cancellable,
                   GError       **error)
{
  ZimVkDevice *device = self->device;
  gboolean is_submitted = submit_segments (self, cancellable, error);

  device->copy.after = device->compute.after = G_MAXUINT64;
  return zim_vk_queue_wait (device, &device->compute, device->compute.submitted, is_submitted ? error : NULL) &&
         (!device->has_copy_queue ||
          zim_vk_queue_wait (device, &device->copy, device->copy.submitted, is_submitted ? error : NULL)) &&
         is_submitted;
}
