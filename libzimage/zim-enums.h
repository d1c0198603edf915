/* zim-enums.h: the enumerations of the public classes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include <glib.h>

G_BEGIN_DECLS

/**
 * ZimVariant:
 * @ZIM_VARIANT_TURBO: the distilled model: few steps, no guidance
 * @ZIM_VARIANT_BASE: the base model: many steps with guidance
 *
 * Which of the Z-Image models a checkpoint is. Both have the same tensors; the scheduler's shift tells them
 * apart.
 */
typedef enum {
  ZIM_VARIANT_TURBO,
  ZIM_VARIANT_BASE,
} ZimVariant;

/**
 * ZimPrecision:
 * @ZIM_PRECISION_AUTO: the fastest that the device has
 * @ZIM_PRECISION_F32: 32-bit operands; the reference
 * @ZIM_PRECISION_BF16: bfloat16 operands, 32-bit sums
 * @ZIM_PRECISION_F16: half precision operands, 32-bit sums
 *
 * The operands of the matrix products, whatever type the weights are stored in. Sums are always 32-bit.
 */
typedef enum {
  ZIM_PRECISION_AUTO,
  ZIM_PRECISION_F32,
  ZIM_PRECISION_BF16,
  ZIM_PRECISION_F16,
} ZimPrecision;

/**
 * ZimDeviceKind:
 * @ZIM_DEVICE_KIND_CPU: the processor, through OpenBLAS and kernels of our own
 * @ZIM_DEVICE_KIND_VULKAN: a Vulkan device
 *
 * What computes.
 */
typedef enum {
  ZIM_DEVICE_KIND_CPU,
  ZIM_DEVICE_KIND_VULKAN,
} ZimDeviceKind;

/**
 * ZimRng:
 * @ZIM_RNG_CPU: the noise of PyTorch's CPU generator (mt19937), which ComfyUI uses too
 * @ZIM_RNG_CUDA: the noise of PyTorch's CUDA generator (Philox)
 *
 * Which generator turns a seed into noise.
 */
typedef enum {
  ZIM_RNG_CPU,
  ZIM_RNG_CUDA,
} ZimRng;

/**
 * ZimJobState:
 * @ZIM_JOB_STATE_QUEUED: waits for earlier jobs of its pipeline
 * @ZIM_JOB_STATE_RUNNING: computes
 * @ZIM_JOB_STATE_DONE: has its images
 * @ZIM_JOB_STATE_FAILED: ended with an error
 * @ZIM_JOB_STATE_CANCELLED: was cancelled
 *
 * The life of a job.
 */
typedef enum {
  ZIM_JOB_STATE_QUEUED,
  ZIM_JOB_STATE_RUNNING,
  ZIM_JOB_STATE_DONE,
  ZIM_JOB_STATE_FAILED,
  ZIM_JOB_STATE_CANCELLED,
} ZimJobState;

/**
 * ZimStage:
 * @ZIM_STAGE_WAIT: in the queue
 * @ZIM_STAGE_LOAD: weights are read
 * @ZIM_STAGE_ENCODE: the prompt is tokenised and encoded
 * @ZIM_STAGE_DENOISE: the transformer steps
 * @ZIM_STAGE_DECODE: the autoencoder turns latents into pixels
 * @ZIM_STAGE_DONE: nothing is left to do
 *
 * What a job is at.
 */
typedef enum {
  ZIM_STAGE_WAIT,
  ZIM_STAGE_LOAD,
  ZIM_STAGE_ENCODE,
  ZIM_STAGE_DENOISE,
  ZIM_STAGE_DECODE,
  ZIM_STAGE_DONE,
} ZimStage;

G_END_DECLS
