/* test-vulkan.h: the Vulkan device on which tests run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/vulkan/zim-vk-private.h"

G_BEGIN_DECLS

/* Its number among all: that of which ZIM_TEST_VULKAN is a part of the name, else the first, which on most machines is
 * software, slow and good enough. Negative on a machine without the loader, or for “none”; a machine without a driver
 * fails the test. */
int         test_vulkan_find (void);

/* It has cooperative matrices. */
gboolean    test_vulkan_has_matrices (void);

/* A backend on it, or NULL without the loader. */
ZimBackend *test_vulkan_open (void);

G_END_DECLS
