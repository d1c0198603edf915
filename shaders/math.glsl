/* math.glsl: functions that are as exact as the C library's
 *
 * Vulkan lets exp () be off by 3 + 2 |x| units in the last place and tanh () by far more.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* eˣ = 2ⁿ · eʳ, r = x − n · ln 2 in two parts; |r| < 0.35. The factor 2ⁿ is applied in two steps, of which neither
 * over- nor underflows before the result does. */
float
exact_exp (float x)
{
  precise float n = round (clamp (x, -150.0, 150.0) * 1.44269504088896341);
  precise float r = (clamp (x, -150.0, 150.0) - n * 0.693359375) + n * 2.12194440e-4;
  precise float p = 1.9875691500e-4;
  int whole = int (n);
  int first = whole / 2;

  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  p = p * (r * r) + r + 1.0;
  p = p * uintBitsToFloat (uint (first + 127) << 23) * uintBitsToFloat (uint (whole - first + 127) << 23);
  return isnan (x) ? x : p;
}

float
silu (float x)
{
  return x / (1.0 + exact_exp (-x));
}

float
exact_tanh (float x)
{
  float size = abs (x);
  precise float z = x * x;
  precise float p = -5.70498872745e-3;

  if (isnan (x))
    return x;
  if (size >= 0.625)
    return (size > 10.0 ? 1.0 : 1.0 - 2.0 / (exact_exp (2.0 * size) + 1.0)) * sign (x);
  p = p * z + 2.06390887954e-2;
  p = p * z - 5.37397155531e-2;
  p = p * z + 1.33314422036e-1;
  p = p * z - 3.33332819422e-1;
  return p * z * x + x;
}
