// SPDX-License-Identifier: MIT
#include "engine/train/adapters.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

// Shapes in the file: both factors of a convolution are convolutions.
static struct shape
file_shape(const struct param *w, const struct param *half, bool is_a)
{
    if (w->shape.rank != 4)
        return half->shape;
    int64_t rank = is_a ? half->shape.dim[0] : half->shape.dim[1];
    return is_a ? SHAPE(rank, w->shape.dim[1], w->shape.dim[2], w->shape.dim[3])
                : SHAPE(half->shape.dim[0], rank, 1, 1);
}

static float *
read_param(const struct param *q, struct buffer *block, struct err *err)
{
    float *out = mem_try_calloc(1, q->size, q->name, err);
    if (out && !buffer_read(block, q->offset, out, q->size, err)) {
        free(out);
        return NULL;
    }
    return out;
}

bool
adapters_save(const struct params *p, const char *prefix, struct buffer *block, const char *path,
              struct err *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    struct tensor_view *views = mem_zalloc((size_t)(params_entries(p) + 1) * sizeof *views);
    size_t count = 0;
    bool ok = true;
    for (int i = 0; ok && i < params_entries(p); i++) {
        const struct param *w = params_at(p, i);
        for (int k = 0; ok && w->adapter && k < 2; k++) {
            const struct param *half = params_at(p, w->adapter + k);
            views[count].name = mem_printf("unet.%s", half->name + strlen(prefix));
            views[count].dtype = DTYPE_F32;
            views[count].shape = file_shape(w, half, k == 0);
            views[count].size = half->size;
            views[count].data = read_param(half, block, err);
            ok = views[count++].data != NULL;
        }
    }
    struct safetensors_writer *out =
        ok ? safetensors_writer_open(path, views, count, metadata, err) : NULL;
    ok = out != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = safetensors_writer_put(out, views[i].data, views[i].size, err);
    if (ok)
        ok = safetensors_writer_commit(out, err);
    else
        safetensors_writer_abort(out);
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)views[i].name);
        free((void *)(uintptr_t)views[i].data);
    }
    free(views);
    return ok;
}

// w (rows,columns) += b (rows,rank) a (rank,columns)
static void
add_product(float *w, const float *b, const float *a, int64_t rows, int64_t columns, int64_t rank)
{
    for (int64_t y = 0; y < rows; y++)
        for (int64_t k = 0; k < rank; k++) {
            float by = b[y * rank + k];
            for (int64_t x = 0; x < columns; x++)
                w[y * columns + x] += by * a[k * columns + x];
        }
}

bool
adapters_merge(const struct params *p, struct buffer *block, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        if (!q->adapter)
            continue;
        int64_t rows = q->shape.dim[0];
        const struct param *half = params_at(p, q->adapter);
        float *w = read_param(q, block, err), *a = read_param(half, block, err);
        float *b = read_param(params_at(p, q->adapter + 1), block, err);
        ok = w && a && b;
        if (ok) {
            add_product(w, b, a, rows, shape_count(&q->shape) / rows, half->shape.dim[0]);
            ok = buffer_write(block, q->offset, w, q->size, err);
        }
        free(w);
        free(a);
        free(b);
    }
    return ok;
}
