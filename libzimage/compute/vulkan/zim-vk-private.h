/* zim-vk-private.h: the Vulkan backend as the rest of the library sees it
 *
 * libvulkan is opened when it is first asked for, so that a machine without it runs all the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/zim-backend-private.h"

G_BEGIN_DECLS

typedef enum {
  ZIM_VK_DISCRETE,
  ZIM_VK_INTEGRATED,
  ZIM_VK_OTHER,    /* virtual, or what does not say */
  ZIM_VK_SOFTWARE, /* computes on the processor, more slowly than the CPU backend */
} ZimVkKind;

typedef struct {
  char         *name;         /* as the driver has it */
  ZimVkKind     kind;
  guint64       memory;       /* bytes, of the largest heap of its own */
  char         *features;
  gboolean      has_matrices; /* cooperative ones, of a shape that our kernels use */
  ZimPrecision  precision;    /* the fastest */
} ZimVkInfo;

/* The devices that can run programs, the best first: discrete, integrated, others, software. They stay the same until
 * the end of the process. NULL with an error that says what to install if there is none. */
GPtrArray    *zim_vk_list          (GError **error); /* (transfer none), of ZimVkInfo */

/* A backend on the device with that number in the list. */
ZimBackend   *zim_vk_backend_new   (guint    index,
                                    GError **error);

G_END_DECLS
