/* zim-synthetic.c: a model of the published sizes with random weights, for benchmarks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/zim-known-private.h"
#include "zim-enums.h"
#include "zim-error.h"
#include "zim-synthetic-private.h"

#define POOL_SIZE ((gsize) 1 << 30)
#define PAGE 4096
#define SMALL ((gsize) 1 << 20) /* tensors up to this size have memory of their own */

/* Uniform values of that spread keep activations of every width finite; the products cost the same whatever they
 * are. */
#define SPREAD 0.02f

static guint64
next_random (guint64 *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void
fill_random (guint16 *values,
             gsize    n,
             guint64 *state)
{
  for (gsize i = 0; i < n; i++)
    values[i] = zim_f32_to_bf16 (((float) (next_random (state) >> 40) / (1 << 23) - 1) * SPREAD);
}

/* A file without a name that holds random bf16 values; −1 with errno. */
static int
make_pool (void)
{
  int fd = memfd_create ("zimage-synthetic", MFD_CLOEXEC);
  guint64 state = 88172645463325252u;
  guint16 *pool;

  if (fd < 0)
    return -1;
  if (ftruncate (fd, (off_t) POOL_SIZE) != 0 ||
      (pool = mmap (NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED)
    {
      close (fd);
      return -1;
    }
  fill_random (pool, POOL_SIZE / sizeof *pool, &state);
  munmap (pool, POOL_SIZE);
  return fd;
}

typedef struct {
  int     pool;
  guint64 state;
  int     error; /* errno of a mapping that failed */
} Filler;

static void
fill_small (const char *name,
            guint       n_dims,
            gsize       n,
            guint16    *values,
            guint64    *state)
{
  if (n_dims == 1 && strstr (name, "norm") != NULL)
    for (gsize i = 0; i < n; i++)
      values[i] = zim_f32_to_bf16 (1);
  else
    fill_random (values, n, state);
}

/* Puts a window of the pool in the place of the memory that was made for a large tensor. */
static void
fill (const char   *name,
      guint         n_dims,
      const gint64 *dims,
      ZimDType      dtype,
      void         *data,
      gpointer      user_data)
{
  Filler *filler = user_data;
  gsize n = 1, size;
  off_t offset;

  for (guint i = 0; i < n_dims; i++)
    n *= dims[i];
  size = n * zim_dtype_size (dtype);
  if (size <= SMALL)
    {
      fill_small (name, n_dims, n, data, &filler->state);
      return;
    }
  offset = (off_t) (next_random (&filler->state) % ((POOL_SIZE - size) / PAGE) * PAGE);
  if (mmap (data, size, PROT_READ, MAP_SHARED | MAP_FIXED, filler->pool, offset) == MAP_FAILED)
    filler->error = errno;
}

ZimModel *
_zim_model_new_synthetic (const char  *architecture,
                          GError     **error)
{
  g_autoptr(ZimCheckpoint) checkpoint = NULL;
  g_autoptr(ZimModel) model = NULL;
  Filler filler = { -1, 0x9e3779b97f4a7c15u, 0 };
  const ZimKnown *known = zim_known_find (architecture);
  ZimConfig config = { 0 };

  if (known == NULL)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_NOT_FOUND,
                   _("There is no architecture “%s”; known are “z-image-turbo” and “z-image-base”"), architecture);
      return NULL;
    }
  filler.pool = make_pool ();
  if (filler.pool < 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY, _("No memory for random weights: %s"),
                   g_strerror (errno));
      return NULL;
    }
  zim_config_init_published (&config, known->turbo);
  checkpoint = zim_checkpoint_new_generated (&config, NULL, ZIM_DTYPE_BF16, fill, &filler);
  model = _zim_model_new_for_checkpoint (checkpoint, architecture, error);
  /* The networks have asked for all that they need: the checkpoint fills nothing any more. */
  close (filler.pool);
  zim_config_clear (&config);
  if (model != NULL && filler.error != 0)
    {
      g_set_error (error, ZIM_ERROR, ZIM_ERROR_OUT_OF_MEMORY, _("No memory for random weights: %s"),
                   g_strerror (filler.error));
      return NULL;
    }
  return g_steal_pointer (&model);
}
