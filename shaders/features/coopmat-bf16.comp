/* coopmat-bf16.comp: compiles where glslc knows cooperative matrices of bf16
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#version 460
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_bfloat16 : require

layout (local_size_x = 32) in;

shared uvec4 tile[32];

void
main ()
{
  coopmat<bfloat16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA> a;

  coopMatLoad (a, tile, 0, 2, gl_CooperativeMatrixLayoutRowMajor);
  coopMatStore (a, tile, 0, 2, gl_CooperativeMatrixLayoutRowMajor);
}
