// SPDX-License-Identifier: MIT
// Products without shared memory, for software Vulkan drivers: their "shared" memory is memory like
// any other, and a load costs as much as dozens of multiply-adds, whether all lanes want the same
// address or not. So the lanes of a subgroup (a row of the workgroup) have one line of B each and
// the same lines of A, and fetch A together: each lane one inner place, LANES of them at once, then
// handed round by shuffles. Blocks are large, and nothing branches around a load: what lies outside
// is read from the tensor's start and dropped.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "head.glsl"
#include "product.glsl"
layout(constant_id = 12) const uint WIDE = 4;
const uint TALL = 16;

void main()
{
    uint m0 = (gl_WorkGroupID.y * ROWS + gl_LocalInvocationID.y) * TALL;
    uint n0 = gl_WorkGroupID.x * LANES * WIDE + lane();
    float sum[TALL * WIDE];
    [[unroll]] for (uint i = 0; i < TALL * WIDE; i++)
        sum[i] = 0.0;
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint a[TALL], b[WIDE], first[WIDE], last[WIDE];
        bool there_a[TALL], there_b[WIDE], any = false;
        [[unroll]] for (uint i = 0; i < TALL; i++) {
            there_a[i] = a_first(m0 + i, t, a[i]);
            a[i] = there_a[i] ? a[i] : 0;
            any = any || there_a[i];
        }
        [[unroll]] for (uint i = 0; i < WIDE; i++) {
            there_b[i] = b_first(n0 + i * LANES, t, b[i], first[i], last[i]);
            b[i] = there_b[i] || KIND == 3 ? b[i] : 0;
        }
        if (!any) // the same in all lanes
            continue;
        uint count = inner(t);
        for (uint k0 = 0; k0 < count; k0 += LANES) {
            float together[TALL];
            uint mine = k0 + lane();
            [[unroll]] for (uint i = 0; i < TALL; i++) {
                float v = load1(mine < count ? a[i] + mine * a_step() : 0);
                together[i] = there_a[i] && mine < count ? v : 0.0;
            }
            [[unroll]] for (uint l = 0; l < LANES; l++) {
                uint k = k0 + l;
                float y[WIDE];
                [[unroll]] for (uint i = 0; i < WIDE; i++) {
                    bool inside =
                        there_b[i] && k < count && (KIND != 3 || (k >= first[i] && k < last[i]));
                    float v = load2(k < count && (KIND != 3 || inside) ? b[i] + k * b_step() : 0);
                    y[i] = inside ? v : 0.0;
                }
                [[unroll]] for (uint i = 0; i < TALL; i++) {
                    float x = subgroupShuffle(together[i], l);
                    [[unroll]] for (uint j = 0; j < WIDE; j++)
                        sum[i * WIDE + j] += x * y[j];
                }
            }
        }
    }
    [[unroll]] for (uint i = 0; i < TALL * WIDE; i++)
        finish(m0 + i / WIDE, n0 + (i % WIDE) * LANES, sum[i]);
}
