/* test-faults.h: a Vulkan that fails when it is told to
 *
 * A program that links this calls the real functions through it: the linker puts it between the library and its table
 * of functions (--wrap), so that nothing in the library knows of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-loader-private.h"

G_BEGIN_DECLS

/* The nth call of that function from now on (“QueueSubmit”; the first is 1) gives that result instead of being made. A
 * device that is lost stays lost until another is made. */
void     faults_arm         (const char *function,
                             guint       nth,
                             VkResult    result);
/* Nothing fails any more, except that what is lost stays so. Returns whether something did. */
gboolean faults_disarm      (void);

/* No library is found while this is TRUE. */
void     faults_hide_loader (gboolean hide);

G_END_DECLS
