// SPDX-License-Identifier: MIT
// The rate of a large matrix product on this machine.

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"

enum { ALIGNMENT = 64 };

double
cpu_matmul_rate(enum dtype dtype, struct err *err)
{
    enum { SIDE = 2048, RUNS = 8 };
    const size_t count = (size_t)SIDE * SIDE;
    struct onednn_arg square = {.rank = 2, .dim = {SIDE, SIDE}, .stride = {SIDE, 1},
                                .dtype = dtype};
    struct onednn_params params = {.kind = ONEDNN_MATMUL,
                                   .arg = {square, square, {0}, square}};
    params.arg[ONEDNN_WEIGHTS].any = params.arg[ONEDNN_WEIGHTS].constant = true;
    void *data[ONEDNN_ARGS] = {0}, *scratch = NULL;
    double best = 0;
    struct onednn_call *c = onednn_call_create(&params);
    if (c == NULL) {
        err_set(err, ERR_UNSUPPORTED, "oneDNN has no fast %s matrix product on this processor",
                dtype_name(dtype));
        goto out;
    }
    for (int i = 0; i < ONEDNN_ARGS; i++)
        if (params.arg[i].rank > 0 &&
            (data[i] = mem_try_aligned(count * 4, ALIGNMENT, "a test matrix", err)) == NULL)
            goto out;
    if ((scratch = mem_try_aligned(onednn_call_scratch(c) + ALIGNMENT, ALIGNMENT, "a test matrix",
                                   err)) == NULL)
        goto out;
    // Small numbers that are not zero: zeros draw less power and may run at a higher clock.
    for (size_t i = 0; i < count; i++) {
        dtype_store(dtype, data[ONEDNN_SOURCE], (int64_t)i, (double)(i % 31) / 31 - 0.5);
        dtype_store(dtype, data[ONEDNN_WEIGHTS], (int64_t)i, (double)(i % 37) / 37 - 0.5);
    }
    for (int run = 0; run < RUNS; run++) {
        double start = clock_seconds();
        onednn_call_run(c, data, scratch);
        double seconds = clock_seconds() - start;
        if (run >= 2) // the first ones wake the threads and pack the weights
            best = MAX(best, 2.0 * SIDE * SIDE * SIDE / seconds);
    }
out:
    onednn_call_destroy(c);
    for (int i = 0; i < ONEDNN_ARGS; i++)
        mem_aligned_free(data[i]);
    mem_aligned_free(scratch);
    return best;
}
