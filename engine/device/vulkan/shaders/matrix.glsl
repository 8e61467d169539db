// SPDX-License-Identifier: MIT
// Matrices of a subgroup (VK_KHR_cooperative_matrix): UNIT_M x UNIT_K times UNIT_K x UNIT_N, of f16
// or, with -DBRAIN, of bf16 (VK_KHR_shader_bfloat16), added to f32. The sizes are constants of the
// shader that includes this.
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#ifdef BRAIN
#extension GL_EXT_bfloat16 : require
#define HALF bfloat16_t
#define HALF4 bf16vec4
#define QUAD(bits) bf16vec4(uintBitsToFloat(uvec4((bits).x << 16, (bits).x & 0xffff0000u,          \
                                                  (bits).y << 16, (bits).y & 0xffff0000u)))
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define HALF float16_t
#define HALF4 f16vec4
#define QUAD(bits) f16vec4(unpackFloat2x16((bits).x), unpackFloat2x16((bits).y))
#endif
#define left coopmat<HALF, gl_ScopeSubgroup, UNIT_M, UNIT_K, gl_MatrixUseA>
#define right coopmat<HALF, gl_ScopeSubgroup, UNIT_K, UNIT_N, gl_MatrixUseB>
#define total coopmat<float, gl_ScopeSubgroup, UNIT_M, UNIT_N, gl_MatrixUseAccumulator>
