/* zim-cpu-conv.c: convolution as a product whose rows of x are gathered from the image
 *
 * The weights [out][in][ky][kx] are rearranged once per run to operand rows [out][ky · kx][in]; then each task gathers
 * the windows of a few panels of output pixels and multiplies. No im2col matrix of the whole image exists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "compute/cpu/zim-cpu-private.h"

#define TASK_PANELS 4

typedef struct {
  ZimCpuCall  *call;
  gsize        channels; /* of the input */
  gsize        padded;   /* the same as operands are stored */
  gsize        taps;
  guint8      *weights;  /* [out][taps][padded] */
  const float *zeros;    /* [channels] */
  guint8      *threads;
  gsize        per_thread;
} Conv;

static gsize
weights_size (const ZimOp *op,
              ZimOperand   operand)
{
  gsize taps = op->conv.kernel * op->conv.kernel;

  return zim_align (op->out->cols * taps * zim_operand_padded (operand, op->sources[0]->cols) *
                    zim_operand_size (operand));
}

static gsize
window_size (const ZimOp         *op,
             const ZimCpuKernels *kernels,
             ZimOperand           operand)
{
  gsize taps = op->conv.kernel * op->conv.kernel;

  return zim_align (taps * zim_operand_padded (operand, op->sources[0]->cols) * kernels->panel *
                    zim_operand_size (operand));
}

static gsize
thread_scratch (const ZimOp         *op,
                const ZimCpuKernels *kernels,
                ZimOperand           operand)
{
  gsize decoded = zim_align (op->sources[0]->cols * op->conv.kernel * op->conv.kernel * 2 * sizeof (float));
  gsize windows = TASK_PANELS * window_size (op, kernels, operand) +
                  zim_align (op->out->cols * kernels->panel * sizeof (float));

  return MAX (decoded, windows);
}

static gsize
conv2d_scratch (const ZimOp       *op,
                const ZimCpuSetup *setup)
{
  return weights_size (op, setup->operand) + zim_align (op->sources[0]->cols * sizeof (float)) +
         setup->n_threads * thread_scratch (op, setup->kernels, setup->operand);
}

/* One output channel's weights: [in][taps] → [taps][in] */
static void
weight_task (gpointer data,
             guint    task,
             guint    thread)
{
  Conv *self = data;
  const ZimWeight *weight = self->call->op->conv.weight;
  ZimOperand operand = self->call->operand;
  gsize n = self->channels * self->taps;
  float *stored = (float *) (self->threads + thread * self->per_thread);
  float *ordered = stored + n;
  guint8 *out = self->weights + task * self->taps * self->padded * zim_operand_size (operand);

  self->call->kernels->decode (ZIM_OPERAND_F32, weight, task * n, n, stored);
  for (gsize c = 0; c < self->channels; c++)
    for (gsize t = 0; t < self->taps; t++)
      ordered[t * self->channels + c] = stored[c * self->taps + t];
  for (gsize t = 0; t < self->taps; t++)
    self->call->kernels->round (operand, ordered + t * self->channels, self->channels,
                                out + t * self->padded * zim_operand_size (operand));
}

/* The input pixel under tap (ky, kx) of the window of an output pixel. */
static const float *
window_row (Conv   *self,
            gint64  pixel,
            guint   ky,
            guint   kx)
{
  const ZimOp *op = self->call->op;
  const ZimConvParams *conv = &op->conv;
  guint zoom = conv->upsample ? 2 : 1;
  gint64 y = (conv->out_first + pixel / conv->out_width) * conv->stride + ky - conv->pad;
  gint64 x = pixel % conv->out_width * conv->stride + kx - conv->pad;

  if (y < 0 || x < 0 || y >= conv->height * zoom || x >= conv->width * zoom)
    return self->zeros;
  return zim_cpu_row (self->call, op->sources[0], (y / zoom - conv->first) * conv->width + x / zoom);
}

static void
gather_panel (Conv   *self,
              gint64  first,
              guint8 *windows)
{
  ZimCpuCall *call = self->call;
  const ZimOp *op = call->op;
  gsize tap_size = self->padded * call->kernels->panel * zim_operand_size (call->operand);

  for (guint tap = 0; tap < self->taps; tap++)
    {
      const float *rows[ZIM_CPU_MAX_PANEL];

      for (guint i = 0; i < call->kernels->panel; i++)
        rows[i] = window_row (self, MIN (first + i, op->out->rows - 1), tap / op->conv.kernel, tap % op->conv.kernel);
      call->kernels->pack (call->operand, rows, self->channels, 1.0f, windows + tap * tap_size);
    }
}

static void
pixel_task (gpointer data,
            guint    task,
            guint    thread)
{
  Conv *self = data;
  ZimCpuCall *call = self->call;
  const ZimCpuKernels *kernels = call->kernels;
  ZimTensor *out = call->op->out;
  gint64 first = (gint64) task * TASK_PANELS * kernels->panel;
  guint n_panels = (guint) MIN (TASK_PANELS, (out->rows - first + kernels->panel - 1) / kernels->panel);
  gsize k = self->taps * self->padded, size = window_size (call->op, kernels, call->operand);
  guint8 *windows = self->threads + thread * self->per_thread;
  float *c = (float *) (windows + TASK_PANELS * size);

  for (guint p = 0; p < n_panels; p++)
    gather_panel (self, first + p * kernels->panel, windows + p * size);
  for (guint done = 0; done < out->cols; done += kernels->strip)
    {
      guint n = (guint) MIN (kernels->strip, out->cols - done);
      const guint8 *w = self->weights + done * k * zim_operand_size (call->operand);

      for (guint p = 0; p < n_panels; p++)
        {
          gint64 row = first + p * kernels->panel;

          kernels->multiply (call->operand, w, k, n, windows + p * size, k, c, FALSE);
          kernels->unpack (c, n, (guint) MIN (kernels->panel, out->rows - row), 1.0f,
                           call->vectors[0] != NULL ? call->vectors[0] + done : NULL,
                           (float *) zim_cpu_row (call, out, row) + done, out->stride);
        }
    }
}

static gboolean
conv2d_run (ZimCpuCall *call)
{
  const ZimOp *op = call->op;
  gsize channels = op->sources[0]->cols;
  guint pixels = TASK_PANELS * call->kernels->panel;
  Conv self = {
    .call = call,
    .channels = channels,
    .padded = zim_operand_padded (call->operand, channels),
    .taps = op->conv.kernel * op->conv.kernel,
    .weights = call->scratch,
    .per_thread = thread_scratch (op, call->kernels, call->operand),
  };
  float *zeros = (float *) (call->scratch + weights_size (op, call->operand));

  memset (zeros, 0, channels * sizeof *zeros);
  self.zeros = zeros;
  self.threads = (guint8 *) zeros + zim_align (channels * sizeof *zeros);
  return zim_cpu_team_run (call->team, (guint) op->out->cols, weight_task, &self, call->cancellable) &&
         zim_cpu_team_run (call->team, (guint) ((op->out->rows + pixels - 1) / pixels), pixel_task, &self,
                           call->cancellable);
}

const ZimCpuOpClass zim_cpu_conv2d_class = { conv2d_run, conv2d_scratch };
