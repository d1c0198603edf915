/* zim-benchmark.h: measures a model on a device
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (ZIM_INSIDE) && !defined (ZIM_COMPILATION)
# error "Only <zimage.h> can be included directly."
#endif

#include "zim-enums.h"
#include "zim-types.h"
#include "zim-version-macros.h"

G_BEGIN_DECLS

#define ZIM_TYPE_BENCHMARK (zim_benchmark_get_type ())

ZIM_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ZimBenchmark, zim_benchmark, ZIM, BENCHMARK, GObject)

ZIM_AVAILABLE_IN_ALL
ZimBenchmark *zim_benchmark_new           (ZimModel            *model,
                                           ZimDevice           *device);
ZIM_AVAILABLE_IN_ALL
ZimBenchmark *zim_benchmark_new_synthetic (const char          *architecture,
                                           ZimDevice           *device,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void          zim_benchmark_set_size      (ZimBenchmark        *self,
                                           int                  width,
                                           int                  height);
ZIM_AVAILABLE_IN_ALL
void          zim_benchmark_set_precision (ZimBenchmark        *self,
                                           ZimPrecision         precision);
ZIM_AVAILABLE_IN_ALL
void          zim_benchmark_set_memory_budget
                                          (ZimBenchmark        *self,
                                           guint64              bytes);
ZIM_AVAILABLE_IN_ALL
void          zim_benchmark_set_tune      (ZimBenchmark        *self,
                                           gboolean             tune);
ZIM_AVAILABLE_IN_ALL
GVariant     *zim_benchmark_run           (ZimBenchmark        *self,
                                           GCancellable        *cancellable,
                                           GError             **error);
ZIM_AVAILABLE_IN_ALL
void          zim_benchmark_run_async     (ZimBenchmark        *self,
                                           GCancellable        *cancellable,
                                           GAsyncReadyCallback  callback,
                                           gpointer             user_data);
ZIM_AVAILABLE_IN_ALL
GVariant     *zim_benchmark_run_finish    (ZimBenchmark        *self,
                                           GAsyncResult        *result,
                                           GError             **error);

G_END_DECLS
