// SPDX-License-Identifier: MIT
// Estimates in latents, seen on the way.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline_pass.h"
#include "engine/draw/resize.h"

// x (N,h,w,C) -> (N,h/times,w/times,C)
static float *
latent_means(const float *x, int n, const struct latent *l, int times)
{
    size_t t = (size_t)times, c = (size_t)l->channels, columns = (size_t)l->width;
    size_t rows = (size_t)n * (size_t)l->height;
    float *out = mem_zalloc(rows / t * (columns / t) * c * sizeof *out);
    for (size_t y = 0; y < rows; y++)
        for (size_t i = 0; i < columns * c; i++)
            out[(y / t * (columns / t) + i / c / t) * c + i % c] +=
                x[y * columns * c + i] / (float)(times * times);
    return out;
}

// How much smaller estimates are decoded: as much as their sides allow, and no more than 4.
static int
reduction(const struct latent *l)
{
    enum { TIMES = 4, FEW = 8 };
    int times = TIMES;
    while (times > 1 && (l->height % times || l->width % times || l->height < FEW * times / 2 ||
                         l->width < FEW * times / 2))
        times /= 2;
    return times;
}

void
pass_preview(const struct pass *p, const float *x0, uint8_t *rgb)
{
    struct err err = {0};
    const struct model_folder *m = p->stages->folder;
    struct latent l = m->family->latent(&m->parts, p->part, p->size);
    int times = reduction(&l);
    struct pass small = *p;
    small.size = (struct picture_size){p->size.height / times, p->size.width / times};
    size_t n = 3 * (size_t)p->batch * (size_t)small.size.height * (size_t)small.size.width;
    float *means = latent_means(x0, p->batch, &l, times);
    float *picture = mem_alloc(n * sizeof *picture);
    uint8_t *bytes = mem_alloc(n);
    if (pass_decode(&small, means, picture, &err)) {
        resize_to_bytes(picture, n, bytes);
        resize_repeat(bytes, p->batch * small.size.height, small.size.width, times, rgb);
    }
    free(bytes);
    free(picture);
    free(means);
}
