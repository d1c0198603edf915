/* coop.glsl: operands of cooperative matrices, of the type that the variant of a shader is for
 *
 * They are moved through shared memory in octets, eight of them in four words.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#ifdef ZIM_BF16
#extension GL_EXT_bfloat16 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif

#ifdef ZIM_BF16
#define OPERAND_TYPE bfloat16_t
#define OPERAND_DTYPE DTYPE_BF16
#else
#define OPERAND_TYPE float16_t
#define OPERAND_DTYPE DTYPE_F16
#endif

/* Two operands of a word */
uint
pack (vec2 values)
{
#ifdef ZIM_BF16
  return pack32 (bfloat16BitsToUintEXT (bf16vec2 (values)));
#else
  return packFloat2x16 (f16vec2 (values));
#endif
}

uvec4
pack (vec4 low,
      vec4 high)
{
  return uvec4 (pack (low.xy), pack (low.zw), pack (high.xy), pack (high.zw));
}
