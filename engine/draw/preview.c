// SPDX-License-Identifier: MIT
// Previews of the estimates during drawing, as the family's row defines them.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline_pass.h"
#include "engine/draw/resize.h"

// x (N,h,w,C) -> (N,h/times,w/times,C)
static float *
latent_means(const float *x, int n, const struct latent *l, int times, struct err *err)
{
    size_t t = (size_t)times, c = (size_t)l->channels, columns = (size_t)l->width;
    size_t rows = (size_t)n * (size_t)l->height;
    float *out = mem_try_calloc(rows / t * (columns / t) * c, sizeof *out, "an estimate", err);
    for (size_t y = 0; out && y < rows; y++)
        for (size_t i = 0; i < columns * c; i++)
            out[(y / t * (columns / t) + i / c / t) * c + i % c] +=
                x[y * columns * c + i] / (float)(times * times);
    return out;
}

// Decodes a latent of reduced size. If there is no memory, leaves rgb unchanged.
static void
decode_small(const struct pass *p, const struct latent *l, int times, const float *x0, uint8_t *rgb)
{
    struct err err = {0};
    struct pass small = *p;
    small.size = (struct picture_size){p->size.height / times, p->size.width / times};
    size_t n = 3 * (size_t)p->batch * (size_t)small.size.height * (size_t)small.size.width;
    float *means = latent_means(x0, p->batch, l, times, &err);
    float *picture = mem_try_calloc(n, sizeof *picture, "an estimate", &err);
    uint8_t *bytes = mem_try_calloc(n, 1, "an estimate", &err);
    if (means && picture && bytes && pass_decode(&small, means, picture, &err)) {
        resize_to_bytes(picture, n, bytes);
        resize_repeat(bytes, p->batch * small.size.height, small.size.width, times, rgb);
    }
    free(bytes);
    free(picture);
    free(means);
}

// bytes (N h side,w side,3), of cells (N,h,w,side,side,3)
static void
lay_cells(const float *cells, size_t rows, size_t columns, uint8_t *bytes)
{
    const size_t side = LINEAR_PREVIEW_SIDE, row = 3 * side;
    for (size_t t = 0; t < rows * columns; t++)
        for (size_t y = 0; y < side; y++)
            resize_to_bytes(cells + (t * side + y) * row, row,
                            bytes + ((t / columns * side + y) * columns + t % columns) * row);
}

static void
show_linear(const struct pass *p, const struct latent *l, const float *x0, uint8_t *rgb)
{
    struct err err = {0};
    size_t rows = (size_t)p->batch * (size_t)l->height, columns = (size_t)l->width;
    size_t n = rows * columns * LINEAR_PREVIEW_OUT;
    float *cells = mem_try_calloc(n, sizeof *cells, "an estimate", &err);
    uint8_t *bytes = mem_try_calloc(n, 1, "an estimate", &err);
    if (cells && bytes) {
        linear_preview_apply(p->preview, x0, rows * columns, cells);
        lay_cells(cells, rows, columns, bytes);
        resize_repeat(bytes, (int)rows * LINEAR_PREVIEW_SIDE, l->width * LINEAR_PREVIEW_SIDE,
                      p->size.height / l->height / LINEAR_PREVIEW_SIDE, rgb);
    }
    free(bytes);
    free(cells);
}

void
pass_preview(const struct pass *p, const float *x0, uint8_t *rgb)
{
    const struct model_folder *m = p->stages->folder;
    struct latent l = m->family->latent(&m->parts, p->part, p->size);
    if (p->preview)
        show_linear(p, &l, x0, rgb);
    else if (m->family->preview)
        decode_small(p, &l, m->family->preview(&l), x0, rgb);
    else
        resize_to_bytes(x0, (size_t)p->batch * (size_t)l.height * (size_t)l.width *
                                (size_t)l.channels, rgb);
}
