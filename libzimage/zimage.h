/* zimage.h: the one header that programs include
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#define ZIM_INSIDE
#include "zim-types.h"
#include "zim-version-macros.h"
#include "zim-version.h"
#include "zim-enums.h"
#include "zim-enum-types.h"
#include "zim-error.h"
#include "zim-benchmark.h"
#include "zim-device.h"
#include "zim-image.h"
#include "zim-job.h"
#include "zim-model.h"
#include "zim-params.h"
#include "zim-pipeline.h"
#include "zim-store.h"
#include "zim-stored-model.h"
#include "zim-transfer.h"
#undef ZIM_INSIDE
