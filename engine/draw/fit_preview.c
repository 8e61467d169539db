// SPDX-License-Identifier: MIT
// Fits a model's linear preview to its own decoder.
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/draw/drawing.h"
#include "engine/draw/linear_preview.h"
#include "engine/draw/resize.h"

enum { GRAINS = 16, LEAVES = 400, OWN_PICTURES = 24 };

// A dead-leaves picture (Lee, Mumford, Huang 2001): overlapping discs of all sizes and colours,
// with statistics like those of photographs. out (side,side,3) in [-1,1].
static void
draw_leaves(uint64_t seed, int side, float *out)
{
    struct rng rng;
    rng_init(&rng, seed, RNG_STREAM_DATA);
    for (int i = 0; i < LEAVES; i++) {
        double x = side * rng_uniform(&rng), y = side * rng_uniform(&rng), colour[3];
        double radius = i ? 2 / sqrt(rng_uniform(&rng) + 16.0 / (side * side)) : 2 * side;
        for (int c = 0; c < 3; c++)
            colour[c] = 2 * rng_uniform(&rng) - 1;
        int top = (int)fmax(0, y - radius), bottom = (int)fmin(side - 1, y + radius);
        for (int v = top; v <= bottom; v++)
            for (int u = 0; u < side; u++)
                for (int c = 0; c < 3 && hypot(u - x, v - y) < radius; c++)
                    out[((size_t)v * (size_t)side + (size_t)u) * 3 + (size_t)c] = (float)colour[c];
    }
}

// picture (H,W,3) -> out (tokens,OUT): means over `span` pixels a side.
static void
means_of(const float *picture, const struct latent *l, int span, float *out)
{
    size_t columns = (size_t)l->width * LINEAR_PREVIEW_SIDE * (size_t)span;
    size_t n = (size_t)l->height * (size_t)l->width * LINEAR_PREVIEW_OUT;
    for (size_t i = 0; i < n; i++) {
        size_t colour = i % 3, x = i / 3 % LINEAR_PREVIEW_SIDE;
        size_t y = i / 3 / LINEAR_PREVIEW_SIDE % LINEAR_PREVIEW_SIDE;
        size_t token = i / LINEAR_PREVIEW_OUT;
        size_t left = (token % (size_t)l->width * LINEAR_PREVIEW_SIDE + x) * (size_t)span;
        size_t top = (token / (size_t)l->width * LINEAR_PREVIEW_SIDE + y) * (size_t)span;
        double sum = 0;
        for (size_t v = 0; v < (size_t)span; v++)
            for (size_t u = 0; u < (size_t)span; u++)
                sum += picture[((top + v) * columns + left + u) * 3 + colour];
        out[i] = (float)(sum / (span * span));
    }
}

struct fitting {
    struct pass pass;
    struct latent latent;
    int side, span;
    float *picture, *x, *wanted;
    struct linear_fit *fit;
};

// Encodes f->picture and decodes it again.
static bool
add_one(struct fitting *f, struct err *err)
{
    if (!pass_encode(&f->pass, f->picture, f->x, err) ||
        !pass_decode(&f->pass, f->x, f->picture, err))
        return false;
    means_of(f->picture, &f->latent, f->span, f->wanted);
    linear_fit_add(f->fit, f->x, f->wanted, (size_t)f->latent.height * (size_t)f->latent.width);
    return true;
}

static bool
begin(struct fitting *f, struct pipeline *p, struct err *err)
{
    const struct model_folder *m = p->folder;
    f->side = GRAINS * p->info.grain;
    struct picture_size size = {f->side, f->side};
    f->latent = m->family->latent(&m->parts, m->family->denoiser, size);
    f->span = f->side / f->latent.width / LINEAR_PREVIEW_SIDE;
    f->pass = (struct pass){.stages = &p->stages, .part = m->family->denoiser, .batch = 1,
                            .size = size};
    size_t tokens = (size_t)f->latent.height * (size_t)f->latent.width;
    f->picture = mem_try_calloc(3 * (size_t)f->side * (size_t)f->side, sizeof(float), "a picture",
                                err);
    f->x = mem_try_calloc(tokens * (size_t)f->latent.channels, sizeof(float), "a latent", err);
    f->wanted = mem_try_calloc(tokens * LINEAR_PREVIEW_OUT, sizeof(float), "a preview", err);
    f->fit = linear_fit_create(f->latent.channels);
    return f->picture && f->x && f->wanted;
}

static bool
add_all(struct fitting *f, const struct pipeline_picture *pictures, int count, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && i < count; i++)
        ok = resize_part(pictures[i].rgb, pictures[i].width, pictures[i].height, f->side, f->side,
                         f->picture, err) && add_one(f, err);
    for (int i = 0; ok && !count && i < OWN_PICTURES; i++) {
        draw_leaves((uint64_t)i, f->side, f->picture);
        ok = add_one(f, err);
    }
    return ok;
}

bool
pipeline_fit_preview(struct pipeline *p, const struct pipeline_picture *pictures, int count,
                     double *explained, char **path, struct err *err)
{
    struct fitting f = {0};
    *path = NULL;
    if (!p->info.grain)
        return err_set(err, ERR_UNSUPPORTED, "%s draws pixels: its estimates are pictures already",
                       p->info.name);
    bool ok = begin(&f, p, err) && add_all(&f, pictures, count, err);
    struct linear_preview *made = ok ? linear_fit_solve(f.fit, explained, err) : NULL;
    if (made && (*path = linear_preview_store(made, p->folder, p->info.hash, err))) {
        linear_preview_free(p->preview);
        p->preview = made;
        made = NULL;
    }
    linear_preview_free(made);
    linear_fit_free(f.fit);
    free(f.picture);
    free(f.x);
    free(f.wanted);
    return *path != NULL;
}
