/* zim-noise.c: the normal noise that PyTorch makes of a seed
 *
 * CPU generator: mt19937 (Matsumoto and Nishimura, 1998) and the Box-Muller transform over blocks of 16 uniform values,
 * as ATen's normal_fill does. CUDA generator: Philox 4x32-10 (Salmon et al., 2011), one counter a value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <math.h>

#include "diffusion/zim-noise-private.h"

/* mt19937 */

#define MT_N 624
#define MT_M 397

typedef struct {
  guint32 state[MT_N];
  guint   next;
} Mt;

static void
mt_init (Mt      *mt,
         guint32  seed)
{
  mt->state[0] = seed;
  for (guint i = 1; i < MT_N; i++)
    mt->state[i] = 1812433253u * (mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) + i;
  mt->next = MT_N;
}

static void
mt_refill (Mt *mt)
{
  for (guint i = 0; i < MT_N; i++)
    {
      guint32 y = (mt->state[i] & 0x80000000u) | (mt->state[(i + 1) % MT_N] & 0x7fffffffu);

      mt->state[i] = mt->state[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
  mt->next = 0;
}

static guint32
mt_draw (Mt *mt)
{
  guint32 y;

  if (mt->next == MT_N)
    mt_refill (mt);
  y = mt->state[mt->next++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

/* Eight pairs (u, u') at distance 8 → sqrt (−2 ln (1 − u)) · (cos, sin) (2π u') */
static void
box_muller_16 (float *values)
{
  for (guint i = 0; i < 8; i++)
    {
      float radius = sqrtf (-2 * logf (1 - values[i]));
      float theta = (float) (2 * G_PI * values[i + 8]);

      values[i] = radius * cosf (theta);
      values[i + 8] = radius * sinf (theta);
    }
}

static void
fill_cpu (guint64  seed,
          float   *out,
          gsize    n)
{
  Mt mt;

  mt_init (&mt, (guint32) seed);
  for (gsize i = 0; i < n; i++)
    out[i] = (mt_draw (&mt) & 0xffffff) * 0x1p-24f;
  for (gsize i = 0; i < n; i += 16)
    box_muller_16 (out + i);
}

/* Philox */

static void
philox_round (guint32 c[4],
              guint32 k0,
              guint32 k1)
{
  guint64 a = (guint64) 0xd2511f53u * c[0], b = (guint64) 0xcd9e8d57u * c[2];
  guint32 c1 = c[1], c3 = c[3];

  c[0] = (guint32) (b >> 32) ^ c1 ^ k0;
  c[1] = (guint32) b;
  c[2] = (guint32) (a >> 32) ^ c3 ^ k1;
  c[3] = (guint32) a;
}

static void
philox (guint64 seed,
        guint64 index,
        guint32 c[4])
{
  guint32 k0 = (guint32) seed, k1 = (guint32) (seed >> 32);

  c[0] = 0; /* the first call after seeding */
  c[1] = 0;
  c[2] = (guint32) index;
  c[3] = (guint32) (index >> 32);
  for (guint i = 0; i < 10; i++)
    {
      philox_round (c, k0, k1);
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
}

static void
fill_cuda (guint64  seed,
           float   *out,
           gsize    n)
{
  for (gsize i = 0; i < n; i++)
    {
      guint32 c[4];
      float u, angle;

      philox (seed, i, c);
      u = c[0] * 0x1p-32f + 0x1p-33f;
      angle = c[1] * (0x1p-32f * 6.2831855f) + 0x1p-33f * 6.2831855f;
      out[i] = sqrtf (-2 * logf (u)) * sinf (angle);
    }
}

void
zim_noise_fill (ZimRng   rng,
                guint64  seed,
                float   *out,
                gsize    n)
{
  g_assert (n % 16 == 0);
  if (rng == ZIM_RNG_CUDA)
    fill_cuda (seed, out, n);
  else
    fill_cpu (seed, out, n);
}
