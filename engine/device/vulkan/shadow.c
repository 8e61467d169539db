// SPDX-License-Identifier: MIT
// Shadow mode (LIMN_SHADOW=1): every node runs alone, and on the CPU with its plain kernel too; the
// first that differs by more than its row of ops.def allows stops the plan, with op, shapes, the
// worst element and its two values. For finding faults in drivers and shaders; slow.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"
#include "engine/ops/rules.h"

static op_plain_fn *const plain[OP_COUNT] = {
#define OP(n, ...) [OP_##n] = op_plain_##n,
#include "engine/ops/ops.def"
#undef OP
};

static void *
read_node(struct plan *p, const struct node *n, struct err *err)
{
    const struct place *at = &p->places[n->id];
    void *data = mem_try_calloc(1, node_bytes(n), "shadow", err);
    if (data && !buffer_read(p->slots[at->slot], at->offset, data, node_bytes(n), err)) {
        free(data);
        data = NULL;
    }
    return data;
}

static bool
same(const struct node *n, const void *got, const void *want, struct err *err)
{
    double worst = 0, largest = 0;
    int64_t where = 0;
    for (int64_t i = 0; i < shape_count(&n->shape); i++) {
        double a = dtype_load(n->dtype, got, i), b = dtype_load(n->dtype, want, i);
        if (a == b || (isnan(a) && isnan(b)))
            continue;
        double off = fabs(a - b);
        if (isfinite(b))
            largest = fmax(largest, fabs(b));
        if (!(off <= worst)) {
            worst = off;
            where = i;
        }
    }
    // Sources are rounded alike, so results differ by one unit in the last place at most.
    double unit = n->dtype == DTYPE_BF16 ? 1.0 / 128 : n->dtype == DTYPE_F16 ? 1.0 / 1024 : 0;
    if (worst <= (2 * op_rows[n->op].tolerance + unit) * largest + 1e-30)
        return true;
    char result[SHAPE_TEXT_MAX], first[SHAPE_TEXT_MAX] = "";
    if (n->source_count)
        shape_text(&n->source[0]->shape, first);
    return err_set(err, ERR_DEVICE,
                   "shadow: node %d, %s %s %s of %s: element %" PRId64 " is %.9g, the plain kernel "
                   "says %.9g (largest of the tensor: %.3g)", n->id, op_rows[n->op].name,
                   dtype_name(n->dtype), shape_text(&n->shape, result), first, where,
                   dtype_load(n->dtype, got, where), dtype_load(n->dtype, want, where), largest);
}

bool
vk_shadow_step(struct plan *p, int step, bool (*run)(struct plan *p, int step, struct err *err),
               struct err *err)
{
    const struct node *n = p->steps[step];
    void *src[OP_SRC_MAX] = {NULL}, *want = NULL, *got = NULL;
    bool in_place = op_rows[n->op].kind == KERNEL_INPLACE, ok = true;
    for (int k = 0; ok && k < n->source_count; k++)
        ok = (src[k] = read_node(p, n->source[k], err)) != NULL;
    if (ok)
        want = in_place ? src[0] : mem_try_calloc(1, node_bytes(n), "shadow", err);
    struct op_args args = {.node = n, .dst = want, .src = (const void *const *)src};
    ok = ok && want && plain[n->op](&args, err) && run(p, step, err);
    ok = ok && (got = read_node(p, n, err)) && same(n, got, want, err);
    if (!in_place)
        free(want);
    free(got);
    for (int k = 0; k < n->source_count; k++)
        free(src[k]);
    return ok;
}
