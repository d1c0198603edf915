/* pair.glsl: numbers of twice the precision of f32, as the unevaluated sum of two of them
 *
 * After Dekker and Knuth. Nothing here survives being reordered, hence “precise”.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* a + b and its error */
vec2
two_sum (float a,
         float b)
{
  precise float sum = a + b;
  precise float part = sum - a;
  precise float error = (a - (sum - part)) + (b - part);

  return vec2 (sum, error);
}

/* a · b and its error, from halves of 12 bits whose products are exact */
vec2
two_product (float a,
             float b)
{
  precise float a_scaled = a * 4097.0;
  precise float b_scaled = b * 4097.0;
  precise float a_high = a_scaled - (a_scaled - a);
  precise float b_high = b_scaled - (b_scaled - b);
  precise float a_low = a - a_high;
  precise float b_low = b - b_high;
  precise float product = a * b;
  precise float error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;

  return vec2 (product, error);
}

vec2
pair_add (vec2 a,
          vec2 b)
{
  vec2 sum = two_sum (a.x, b.x);
  precise float low = sum.y + a.y + b.y;

  return two_sum (sum.x, low);
}

vec2
pair_multiply (vec2 a,
               vec2 b)
{
  vec2 product = two_product (a.x, b.x);
  precise float low = product.y + a.x * b.y + a.y * b.x;

  return two_sum (product.x, low);
}

/* 1 / b by one step of Newton's method from what f32 gives: twice the digits */
vec2
pair_inverse (float b)
{
  float guess = 1.0 / b;
  vec2 product = two_product (guess, b);
  precise float error = (1.0 - product.x) - product.y;
  precise float low = guess * error;

  return two_sum (guess, low);
}

/* 1 / √a in the same way */
vec2
pair_inverse_sqrt (vec2 a)
{
  float guess = inversesqrt (a.x);
  vec2 product = pair_multiply (a, two_product (guess, guess));
  precise float error = (1.0 - product.x) - product.y;
  precise float low = 0.5 * guess * error;

  return two_sum (guess, low);
}
