// SPDX-License-Identifier: MIT
// Estimates in latents, seen on the way.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline_pass.h"
#include "engine/draw/resize.h"

// x (N,side,side,C) -> (N,side/times,side/times,C)
static float *
latent_means(const float *x, int n, int side, int channels, int times)
{
    int small = side / times;
    size_t rows = (size_t)n * (size_t)small, c = (size_t)channels;
    float *out = mem_zalloc(rows * (size_t)small * c * sizeof *out);
    for (size_t y = 0; y < rows * (size_t)times; y++)
        for (size_t i = 0; i < (size_t)side * c; i++) {
            size_t to = (y / (size_t)times * (size_t)small + i / c / (size_t)times) * c + i % c;
            out[to] += x[y * (size_t)side * c + i] / (float)(times * times);
        }
    return out;
}

void
pass_preview(const struct pass *p, const float *x0, uint8_t *rgb)
{
    enum { TIMES = 4, FEW = 8 };
    struct err err = {0};
    const struct model_folder *m = p->stages->folder;
    struct latent l = m->family->latent(&m->parts, p->part, p->size);
    int times = l.height % TIMES == 0 && l.height > FEW ? TIMES : 1, side = p->size.height / times;
    size_t n = 3 * (size_t)p->batch * (size_t)side * (size_t)side;
    struct pass small = *p;
    small.size = (struct picture_size){side, side};
    float *means = latent_means(x0, p->batch, l.height, l.channels, times);
    float *picture = mem_alloc(n * sizeof *picture);
    uint8_t *bytes = mem_alloc(n);
    if (pass_decode(&small, means, picture, &err)) {
        resize_to_bytes(picture, n, bytes);
        resize_repeat(bytes, p->batch, side, times, rgb);
    }
    free(bytes);
    free(picture);
    free(means);
}
