/* zim-cpu-vector-private.h: vectors of the width of the tier that is being compiled
 *
 * The compiler's vector types, whose width follows from the instructions that a file is compiled for; the only
 * intrinsics are those for which there is no such expression: bf16 dot products and half precision conversions. A panel
 * is two vectors wide.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "compute/cpu/zim-cpu-kernels-private.h"

#if defined (__AVX512F__)
# include <immintrin.h>
# define V 16
# define STRIP 12
#elif defined (__AVX2__)
# include <immintrin.h>
# define V 8
# define STRIP 6
#else
# define V 4
# define STRIP 4
#endif

#define PANEL (2 * V)

typedef float vf __attribute__ ((vector_size (4 * V), aligned (4), may_alias));
typedef gint32 vi __attribute__ ((vector_size (4 * V), aligned (4), may_alias));
typedef guint32 vu __attribute__ ((vector_size (4 * V), aligned (4), may_alias));

G_STATIC_ASSERT (PANEL <= ZIM_CPU_MAX_PANEL);

/* A name of this tier's own */
#define FOR_TIER__(name, tier) name##_##tier
#define FOR_TIER_(name, tier) FOR_TIER__ (name, tier)
#define FOR_TIER(name) FOR_TIER_ (name, ZIM_CPU_TIER)

#define INLINE static inline __attribute__ ((always_inline))
#define UNROLL _Pragma ("GCC unroll 16")

INLINE vf
load (const float *p)
{
  return *(const vf *) p;
}

INLINE void
store (float *p,
       vf     v)
{
  *(vf *) p = v;
}

/* f − 0 is f for every f, −0 too, so that the compiler makes it a broadcast alone; 0 + f is not. */
INLINE vf
splat (float f)
{
  return f - (vf) {};
}

/* a where the mask's lanes are set, else b */
INLINE vf
pick (vi mask,
      vf a,
      vf b)
{
  return (vf) ((mask & (vi) a) | (~mask & (vi) b));
}

INLINE float
sum_lanes (vf v)
{
  float s = 0;

  for (int i = 0; i < V; i++)
    s += v[i];
  return s;
}

/* Transposition of V × V values in log₂ V rounds: round s swaps the blocks of s lanes that lie across. */

#define LOW(lane, s) (((lane) & (s)) ? V + (lane) - (s) : (lane))
#define HIGH(lane, s) (((lane) & (s)) ? V + (lane) : (lane) + (s))
#if V == 16
# define LANES(f, s) f (0, s), f (1, s), f (2, s), f (3, s), f (4, s), f (5, s), f (6, s), f (7, s), \
                     f (8, s), f (9, s), f (10, s), f (11, s), f (12, s), f (13, s), f (14, s), f (15, s)
#elif V == 8
# define LANES(f, s) f (0, s), f (1, s), f (2, s), f (3, s), f (4, s), f (5, s), f (6, s), f (7, s)
#else
# define LANES(f, s) f (0, s), f (1, s), f (2, s), f (3, s)
#endif

#define ROUND(s)                                                            \
  UNROLL                                                                    \
  for (int i = 0; i < V; i++)                                               \
    if ((i & (s)) == 0)                                                     \
      {                                                                     \
        vf a = t[i], b = t[i + (s)];                                        \
                                                                            \
        t[i] = __builtin_shufflevector (a, b, LANES (LOW, s));              \
        t[i + (s)] = __builtin_shufflevector (a, b, LANES (HIGH, s));       \
      }

INLINE void
transpose (vf *t)
{
#if V > 8
  ROUND (8)
#endif
#if V > 4
  ROUND (4)
#endif
  ROUND (2)
  ROUND (1)
}

/* Rounding of operands, kept in f32 */

INLINE vf
round_bf16 (vf x)
{
  vu bits = (vu) x;
  vu nan = (vu) (x != x);
  vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) & ~0xffffu;

  return (vf) ((rounded & ~nan) | (bits & nan));
}

INLINE vf
round_f16 (vf x)
{
#if V == 16
  return _mm512_cvtph_ps (_mm512_cvtps_ph (x, _MM_FROUND_TO_NEAREST_INT));
#elif V == 8
  return _mm256_cvtph_ps (_mm256_cvtps_ph (x, _MM_FROUND_TO_NEAREST_INT));
#else
  vf y;

  for (int i = 0; i < V; i++)
    y[i] = zim_f16_to_f32 (zim_f32_to_f16 (x[i]));
  return y;
#endif
}

INLINE vf
round_operand (ZimOperand operand,
               vf         x)
{
  switch (operand)
    {
    case ZIM_OPERAND_BF16_IN_F32:
      return round_bf16 (x);
    case ZIM_OPERAND_F16_IN_F32:
      return round_f16 (x);
    default:
      return x;
    }
}

static float
round_operand_1 (ZimOperand operand,
                 float      x)
{
  switch (operand)
    {
    case ZIM_OPERAND_BF16_IN_F32:
      return zim_bf16_to_f32 (zim_f32_to_bf16 (x));
    case ZIM_OPERAND_F16_IN_F32:
      return zim_f16_to_f32 (zim_f32_to_f16 (x));
    default:
      return x;
    }
}
