// SPDX-License-Identifier: MIT
// Chooses the kernels for this processor.
#include "engine/device/cpu/attention_rows.h"
#include "engine/device/cpu/dnnl.h"
#include "engine/device/cpu/fast.h"
#include "engine/device/cpu/tiles.h"

#include <stdlib.h>

size_t tiles_stretch_bytes = 32 << 20;

enum isa { ISA_BASELINE, ISA_V3, ISA_V4, ISA_BF16 };

// The best that the processor has; LIMN_CPU_ISA=baseline|v3|v4|bf16 asks for less.
static enum isa
choose_isa(void)
{
    enum isa isa = ISA_BASELINE;
#ifdef FAST_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        isa = ISA_V3;
    if (isa == ISA_V3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        isa = ISA_V4;
#endif
#ifdef FAST_BF16
    if (isa == ISA_V4 && __builtin_cpu_supports("avx512bf16"))
        isa = ISA_BF16;
#endif
    static const char *const names[] = {"baseline", "v3", "v4", "bf16"};
    const char *wish = getenv("LIMN_CPU_ISA");
    for (int i = ISA_BASELINE; wish && i < (int)isa; i++)
        if (strcmp(wish, names[i]) == 0)
            return (enum isa)i;
    return isa;
}

#define ADD_ALL(isa)                                                                               \
    do {                                                                                           \
        fast_add_elementwise_##isa(t);                                                             \
        fast_add_binary_##isa(t);                                                                  \
        fast_add_reduce_##isa(t);                                                                  \
        fast_add_group_norm_##isa(t);                                                              \
        fast_add_rows_##isa(t);                                                                    \
        fast_add_movement_##isa(t);                                                                \
        fast_add_picture_##isa(t);                                                                 \
        fast_add_optimise_##isa(t);                                                                \
        fast_add_attention_##isa(t);                                                               \
        fast_add_transformer_##isa(t);                                                             \
        fast_add_packed_##isa(t);                                                                  \
    } while (0)

void
cpu_add_fast(struct cpu_table *t)
{
    switch (choose_isa()) {
    case ISA_BASELINE:
        ADD_ALL(baseline);
        break;
#ifdef FAST_X86
    case ISA_V3:
        ADD_ALL(v3);
        break;
    case ISA_V4:
        ADD_ALL(v4);
        break;
#else
    case ISA_V3:
    case ISA_V4:
        break;
#endif
    case ISA_BF16:
#ifdef FAST_BF16
        onednn_add_attention(t, &fast_attention_tile_bf16);
        onednn_add_attention_grad(t, &fast_attention_tile_bf16);
        fast_add_attention_bf16_products(t);
        ADD_ALL(bf16);
#ifdef FAST_TILES
        tiles_add(t, fast_unpack_bf16);
#endif
#endif
        break;
    }
}
