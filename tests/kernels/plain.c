// SPDX-License-Identifier: MIT
#include "plain.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"

enum { GUARD = 64 };

const char *const isas[ISAS] = {"baseline", "v3", "v4", "bf16"};
const enum dtype dtypes[DTYPES] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
struct cpu_table tables[ISAS];
int taken;
double centre, spread = 1;

void
fill_tables(void)
{
    for (int i = 0; i < ISAS; i++) {
        setenv("LIMN_CPU_ISA", isas[i], 1);
        cpu_add_fast(&tables[i]);
    }
    unsetenv("LIMN_CPU_ISA");
}

int
usual_values(void **state)
{
    (void)state;
    centre = 0;
    spread = 1;
    return 0;
}

static double
noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(*state >> 20) / (double)(1ll << 43) - 1;
}

char *
guarded(size_t size)
{
    char *p = mem_try_aligned(size + 2 * GUARD, 64, "tensor", NULL);
    memset(p, 0xA5, size + 2 * GUARD);
    return p + GUARD;
}

bool
guards_intact(const char *p, size_t size)
{
    for (int i = 0; i < GUARD; i++)
        if ((uint8_t)p[-1 - i] != 0xA5 || (uint8_t)p[size + (size_t)i] != 0xA5)
            return false;
    return true;
}

void
guarded_free(const void *p)
{
    if (p)
        mem_aligned_free((char *)(uintptr_t)p - GUARD);
}

char *
random_tensor(const struct node *n, uint64_t seed, int32_t ids)
{
    char *data = guarded(node_bytes(n));
    for (int64_t i = 0; i < shape_count(&n->shape); i++)
        dtype_store(n->dtype, data, i,
                    n->dtype == DTYPE_I32 ? (noise(&seed) + 1) / 2 * ids
                                          : centre + spread * noise(&seed));
    return data;
}

double
difference(const struct node *n, const void *got, const struct node *like, const void *truth,
           double *largest)
{
    double worst = 0;
    *largest = 0;
    for (int64_t i = 0; i < shape_count(&n->shape); i++) {
        double a = dtype_load(n->dtype, got, i), b = dtype_load(like->dtype, truth, i);
        *largest = fmax(*largest, fabs(b));
        double off = fabs(a - b);
        if (!(off <= worst)) // NaN too
            worst = off;
    }
    return worst;
}

// Half a unit in the last place of the largest magnitude, at worst.
static double
unit(enum dtype t)
{
    return t == DTYPE_BF16 ? 1.0 / 256 : t == DTYPE_F16 ? 1.0 / 2048 : 0;
}

// The definition's result before it is rounded: the node once more, over the same values in f64.
static char *
plain_result(struct node *n, struct node *sources, const void *const *src)
{
    struct err err = {0};
    struct cpu_step plain = {.node = n};
    for (int i = 0; i < n->source_count; i++) {
        enum dtype stored = n->source[i]->dtype;
        sources[i] = *n->source[i];
        n->source[i] = &sources[i];
        plain.src[i] = src[i];
        if (!dtype_is_float(sources[i].dtype))
            continue;
        sources[i].dtype = DTYPE_F64;
        char *wide = guarded(node_bytes(&sources[i]));
        for (int64_t k = 0; k < shape_count(&sources[i].shape); k++)
            dtype_store(DTYPE_F64, wide, k, dtype_load(stored, src[i], k));
        plain.src[i] = wide;
    }
    n->dtype = DTYPE_F64;
    plain.dst = guarded(node_bytes(n));
    assert_true(cpu_plain[n->op](&plain, &err));
    for (int i = 0; i < n->source_count; i++)
        if (plain.src[i] != src[i])
            guarded_free(plain.src[i]);
    return plain.dst;
}

static void
run_kernel(struct cpu_step *s, const struct cpu_kernel *k, char *dst, const char *what)
{
    size_t size = node_bytes(s->node);
    s->dst = dst;
    s->scratch = guarded(s->scratch_size);
    k->run(s);
    if (!guards_intact(dst, size) || !guards_intact(s->scratch, s->scratch_size))
        fail_msg("%s writes outside its memory", what);
    guarded_free(s->scratch);
}

void
check(struct graph *g, const struct node *n)
{
    if (graph_error(g)->code != ERR_NONE)
        fail_msg("%s", graph_error(g)->text);
    const void *src[OP_SRC_MAX] = {NULL};
    for (int i = 0; i < n->source_count; i++)
        src[i] = random_tensor(n->source[i], (uint64_t)(77 + i), 5);
    struct node exact = *n, sources[OP_SRC_MAX];
    char *truth = plain_result(&exact, sources, src);
    char *text = graph_text(g);
    for (int isa = 0; isa < ISAS; isa++) {
        bool any = false;
        for (int k = 0; tables[isa].kernels[n->op][k] && !any; k++) {
            const struct cpu_kernel *kernel = tables[isa].kernels[n->op][k];
            struct cpu_step s = {.node = n};
            if (!kernel->prepare(&s))
                continue;
            any = true;
            taken++;
            memcpy(s.src, src, sizeof src);
            char *once = guarded(node_bytes(n)), *again = guarded(node_bytes(n));
            run_kernel(&s, kernel, once, text);
            run_kernel(&s, kernel, again, text);
            if (memcmp(once, again, node_bytes(n)) != 0)
                fail_msg("%s (%s): two runs differ\n%s", kernel->name, isas[isa], text);
            double largest, worst = difference(n, once, &exact, truth, &largest);
            double allowed = (op_rows[n->op].tolerance + unit(n->dtype)) * largest;
            // products of bf16: their operands are rounded as well
            if (strstr(kernel->name, "attention_bf16") || strstr(kernel->name, "onednn_attention"))
                allowed += unit(n->dtype) * largest;
            // what underflows f16 is lost to both
            allowed += n->dtype == DTYPE_F16 ? 6e-8 : 0;
            if (!(worst <= allowed))
                fail_msg("%s (%s): off by %g of %g, allowed %g\n%s", kernel->name, isas[isa], worst,
                         largest, allowed, text);
            guarded_free(once);
            guarded_free(again);
            if (kernel->release)
                kernel->release(&s);
        }
        if (!any)
            fail_msg("no kernel for %s takes\n%s", isas[isa], text);
    }
    free(text);
    for (int i = 0; i < n->source_count; i++)
        guarded_free(src[i]);
    guarded_free(truth);
}
