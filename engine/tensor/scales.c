// SPDX-License-Identifier: MIT
#include "engine/tensor/scales.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/tensor/packed.h"

// How many of `all` share each of `count` numbers: all of them, 128, or the same whole number; 0:
// none of these.
static int64_t
shared_by(int64_t all, int64_t count)
{
    enum { BLOCK = 128 };
    if (count == 1)
        return MAX(all, 1);
    if (count > 0 && count == (all + BLOCK - 1) / BLOCK)
        return BLOCK;
    return count > 0 && all % count == 0 ? all / count : 0;
}

static int64_t
columns_of(const struct shape *s)
{
    return s->rank && s->dim[0] > 0 ? shape_count(s) / s->dim[0] : 1;
}

struct scales
scales_find(const struct safetensors *file, const struct tensor_view *weights)
{
    static const char *const endings[] = {".weight_scale", ".scale_weight", ".weight_scale_inv"};
    static const char weight[] = ".weight";
    struct scales s = {.of = weights};
    size_t n = strlen(weights->name), k = sizeof weight - 1;
    bool none = !weights->packed || weights->packed->weights > 1 || n <= k ||
                 strcmp(weights->name + n - k, weight) != 0;
    for (size_t i = 0; i < COUNT_OF(endings) && !s.by && !none; i++) {
        char *name = mem_printf("%.*s%s", (int)(n - k), weights->name, endings[i]);
        s.by = safetensors_find(file, name);
        free(name);
    }
    if (!s.by || !dtype_is_float(s.by->dtype) || s.by->shape.rank > 2)
        return s;
    const struct shape *by = &s.by->shape, *of = &weights->shape;
    s.rows = shared_by(of->rank ? of->dim[0] : 1, by->rank ? by->dim[0] : 1);
    s.columns = shared_by(columns_of(of), by->rank > 1 ? by->dim[1] : 1);
    return s;
}

bool
scales_fit(const struct scales *s)
{
    return !s->by || (s->rows && s->columns);
}

char *
scales_misfit(const struct scales *s)
{
    char has[SHAPE_TEXT_MAX], of[SHAPE_TEXT_MAX];
    const char *type = s->by->type ? s->by->type : dtype_name(s->by->dtype);
    return mem_printf("whose scale %s is %.32s %s, which does not fit weights of %s", s->by->name,
                      type, shape_text(&s->by->shape, has), shape_text(&s->of->shape, of));
}

void
scales_apply(const struct scales *s, int64_t at, int64_t count, float *values)
{
    int64_t columns = columns_of(&s->of->shape), n;
    int64_t across = (columns + s->columns - 1) / s->columns;
    for (int64_t i = 0; i < count; i += n) {
        int64_t row = (at + i) / columns, column = (at + i) % columns, block = column / s->columns;
        n = MIN(count - i, MIN((block + 1) * s->columns, columns) - column);
        float by = (float)dtype_load(s->by->dtype, s->by->data, row / s->rows * across + block);
        for (int64_t k = i; k < i + n; k++)
            values[k] *= by;
    }
}

bool
scales_is_scale(const char *name)
{
    static const char *const endings[] = {".weight_scale", ".scale_weight", ".weight_scale_inv",
                                          ".input_scale",  ".scale_input",  ".comfy_quant",
                                          "scaled_fp8"};
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t k = strlen(endings[i]);
        if (n >= k && strcmp(name + n - k, endings[i]) == 0)
            return true;
    }
    return false;
}
