/* zim-backend-private.h: what a device does with programs
 *
 * A ZimBackend belongs to one pipeline: it owns the arena in which all of its programs' temporaries lie.
 * A ZimExecutable is a program compiled for it. Both are used by one thread at a time (a pipeline's worker).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/zim-program-private.h"
#include "zim-enums.h"

G_BEGIN_DECLS

#define ZIM_TYPE_BACKEND (zim_backend_get_type ())
G_DECLARE_DERIVABLE_TYPE (ZimBackend, zim_backend, ZIM, BACKEND, GObject)

#define ZIM_TYPE_EXECUTABLE (zim_executable_get_type ())
G_DECLARE_DERIVABLE_TYPE (ZimExecutable, zim_executable, ZIM, EXECUTABLE, GObject)

/* A tensor that stays on the device between runs. */
struct _ZimState {
  ZimBackend *backend; /* not owned: a state does not outlive its backend */
  ZimDType    dtype;
  gint64      rows;
  gint64      cols;
  gpointer    handle;  /* the backend's: on the CPU, the memory */
};

/* An input's or output's tensor and the caller's memory for it, contiguous. */
typedef struct {
  const ZimTensor *tensor;
  gpointer         data;
} ZimBinding;

/* One named output of the last run. */
typedef void (*ZimDumpFunc) (const char  *name,
                             gint64       rows,
                             gint64       cols,
                             const float *data,
                             gpointer     user_data);

/* What programs need of a device's memory, in bytes as they are allocated. */
typedef struct {
  gsize arena;   /* of the largest program */
  gsize own;     /* of all programs beside the arena: inputs, tables */
  gsize states;  /* of all that they name */
  gsize weights; /* of copies of all weights; 0 where they are read as they are mapped */
  gsize window;  /* the least through which weights can be streamed instead */
  gsize staging; /* for data on its way, of the device as a whole */
} ZimNeeds;

/* How the weights of some programs lie on the device. */
typedef struct {
  gsize resident; /* bytes that stay; not less than all of them: nothing is streamed */
  gsize window;   /* bytes through which the rest is streamed, in two halves in turn */
} ZimPlacement;

#define ZIM_BACKEND_N_SETS 3 /* of weights that come and go together */

struct _ZimBackendClass {
  GObjectClass parent_class;

  ZimExecutable *(*compile)      (ZimBackend    *self,
                                  ZimProgram    *program,
                                  ZimPrecision   precision,
                                  GError       **error);
  gboolean       (*reserve)      (ZimBackend    *self,
                                  gsize          size,
                                  GError       **error);
  gboolean       (*state_init)   (ZimBackend    *self,
                                  ZimState      *state,
                                  GError       **error);
  void           (*state_clear)  (ZimBackend    *self,
                                  ZimState      *state);
  void           (*state_write)  (ZimBackend    *self,
                                  ZimState      *state,
                                  gconstpointer  data);
  void           (*trim)         (ZimBackend    *self); /* (nullable) */
  /* NULL where weights are read as they are mapped: */
  guint64        (*get_available) (ZimBackend   *self);
  void           (*set_budget)   (ZimBackend    *self,
                                  guint64        budget);
  guint64        (*get_peak)     (ZimBackend    *self);
  void           (*measure)      (ZimBackend    *self,
                                  GPtrArray     *executables,
                                  ZimNeeds      *needs);
  void           (*place)        (ZimBackend    *self,
                                  guint          set,
                                  GPtrArray     *executables,
                                  const ZimPlacement *placement);
  gboolean       (*enter)        (ZimBackend    *self,
                                  guint          set,
                                  const ZimNeeds *needs,
                                  GError       **error);
  double         (*measure_peak) (ZimBackend    *self,
                                  ZimPrecision   precision);
  GVariant      *(*tune)         (ZimBackend    *self, /* (nullable) */
                                  ZimPrecision   precision,
                                  GCancellable  *cancellable,
                                  GError       **error);
};

struct _ZimExecutableClass {
  GObjectClass parent_class;

  gboolean (*run)  (ZimExecutable     *self,
                    const ZimBinding  *bindings,
                    guint              n_bindings,
                    GCancellable      *cancellable,
                    GError           **error);
  void     (*dump) (ZimExecutable     *self,
                    ZimDumpFunc        func,
                    gpointer           user_data);
};

/* precision is not AUTO here. The program's recorded error, if any, is returned. */
ZimExecutable *zim_backend_compile       (ZimBackend         *self,
                                          ZimProgram         *program,
                                          ZimPrecision        precision,
                                          GError            **error);
/* Makes the arena at least that large; run () does the same for its own program. */
gboolean       zim_backend_reserve       (ZimBackend         *self,
                                          gsize               size,
                                          GError            **error);
/* Frees the copies of weights that no executable uses. A backend may keep copies by the address of a weight's data:
 * when weights are unmapped, or change, their executables go first and then this is called. */
void           zim_backend_trim          (ZimBackend         *self);
/* Memory of its own that the device has for this backend, what it holds already included; 0 if it has none. */
guint64        zim_backend_get_available (ZimBackend         *self);
/* What is allocated from now on is not more than that, all together; the peak is counted anew. */
void           zim_backend_set_budget    (ZimBackend         *self,
                                          guint64             budget);
/* The most that was allocated since the budget was set; 0 if the device has no memory of its own. */
guint64        zim_backend_get_peak      (ZimBackend         *self);
/* executables: of ZimExecutable, which may share weights and states */
void           zim_backend_measure       (ZimBackend         *self,
                                          GPtrArray          *executables,
                                          ZimNeeds           *needs);
/* Says where the weights of these executables, and of all others with the same weights, are put from now on. Weights
 * that are in their place already stay there. */
void           zim_backend_place         (ZimBackend         *self,
                                          guint               set,
                                          GPtrArray          *executables,
                                          const ZimPlacement *placement);
/* Makes room for that set's programs: what they need not is given up as far as the budget asks for it. */
gboolean       zim_backend_enter         (ZimBackend         *self,
                                          guint               set,
                                          const ZimNeeds     *needs,
                                          GError            **error);
/* Multiply-add rate of the widest dot instruction of that precision on all threads, FLOP/s. */
double         zim_backend_measure_peak  (ZimBackend         *self,
                                          ZimPrecision        precision);
/* Finds how the device is fastest at that precision, keeps it for later runs of any program too, and tells what was
 * found: a dictionary, empty where there is nothing to find. */
GVariant      *zim_backend_tune          (ZimBackend         *self,
                                          ZimPrecision        precision,
                                          GCancellable       *cancellable,
                                          GError            **error);

ZimState      *zim_state_new             (ZimBackend         *backend,
                                          ZimDType            dtype,
                                          gint64              rows,
                                          gint64              cols,
                                          GError            **error);
void           zim_state_free            (ZimState           *state);
void           zim_state_write           (ZimState           *state,
                                          gconstpointer       data);

gboolean       zim_executable_run        (ZimExecutable      *self,
                                          const ZimBinding   *bindings,
                                          guint               n_bindings,
                                          GCancellable       *cancellable,
                                          GError            **error);
void           zim_executable_dump       (ZimExecutable      *self,
                                          ZimDumpFunc         func,
                                          gpointer            user_data);
ZimProgram    *zim_executable_get_program    (ZimExecutable  *self);
gsize          zim_executable_get_arena_size (ZimExecutable  *self);
void           zim_executable_set_program (ZimExecutable     *self,
                                          ZimProgram         *program,
                                          gsize               arena_size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ZimState, zim_state_free)

G_END_DECLS
