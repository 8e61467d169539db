// SPDX-License-Identifier: MIT
#include "loaders/common/plane.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Differences in a channel below half of this are ground.
#define MIN_CONTRAST 0.16f

bool
plane_create(struct plane *p, int width, int height)
{
    *p = (struct plane){width, height, calloc((size_t)width * (size_t)height, sizeof(float))};
    return p->v != NULL;
}

void
plane_free(struct plane *p)
{
    free(p->v);
    p->v = NULL;
}

bool
plane_channel(struct plane *p, const struct limn_picture *in, int channel)
{
    if (!plane_create(p, in->width, in->height))
        return false;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            const uint8_t *c = picture_at(in, x, y);
            float alpha = (float)c[3] / 255.0f;
            float v = channel == 3 ? alpha : (float)c[channel] / 255.0f * alpha + 1 - alpha;
            p->v[(size_t)y * (size_t)in->width + (size_t)x] = v;
        }
    return true;
}

// Pixels: from this sigma on four box means are close enough and much cheaper.
#define WIDE_SIGMA 8.0f
enum { PASSES = 4 };

// Wide Gaussians as four box means one after another, whose cost does not grow with sigma: large
// photographs would take minutes otherwise. A box of 2r+1 pixels plus a share f of the two next to
// them has the variance ((2r+1)^3/12 - (2r+1)/12 + 2f(r+1)^2) / (2r+1+2f); r and f are chosen so
// that four of them have sigma^2.
static void
box_shape(float sigma, int *radius, float *share)
{
    float each = sigma * sigma / PASSES;
    int r = (int)((sqrtf(12 * each + 1) - 1) / 2);
    float n = 2 * (float)r + 1, own = (float)r * ((float)r + 1) * n / 3;
    *radius = r;
    *share = (each * n - own) / (2 * (((float)r + 1) * ((float)r + 1) - each));
}

// One box mean of n values; `sums` has room for n + 2r + 4 doubles.
static void
box_mean(float *v, int n, int r, float share, double *sums)
{
    int pad = r + 1;
    sums[0] = 0;
    for (int i = -pad; i < n + pad; i++) {
        int at = i < 0 ? 0 : i >= n ? n - 1 : i;
        sums[i + pad + 1] = sums[i + pad] + v[at];
    }
    double total = 2 * r + 1 + 2 * (double)share;
    for (int i = 0; i < n; i++) {
        double wide = sums[i + 2 * pad + 1] - sums[i], narrow = sums[i + 2 * pad] - sums[i + 1];
        v[i] = (float)((narrow + share * (wide - narrow)) / total);
    }
}

enum { TILE = 16 }; // columns at a time: one cache line of floats from each row

static bool
blur_wide(struct plane *p, float sigma)
{
    int r, longer = p->width > p->height ? p->width : p->height;
    size_t w = (size_t)p->width, h = (size_t)p->height;
    float share;
    box_shape(sigma, &r, &share);
    double *sums = malloc(((size_t)longer + 2 * (size_t)r + 4) * sizeof *sums);
    float *columns = malloc(TILE * h * sizeof *columns);
    bool ok = sums && columns;
    for (size_t y = 0; ok && y < h; y++)
        for (int pass = 0; pass < PASSES; pass++)
            box_mean(p->v + y * w, p->width, r, share, sums);
    for (size_t x = 0; ok && x < w; x += TILE) {
        size_t n = w - x < TILE ? w - x : TILE;
        for (size_t y = 0; y < h; y++)
            for (size_t i = 0; i < n; i++)
                columns[i * h + y] = p->v[y * w + x + i];
        for (size_t i = 0; i < n; i++)
            for (int pass = 0; pass < PASSES; pass++)
                box_mean(columns + i * h, p->height, r, share, sums);
        for (size_t y = 0; y < h; y++)
            for (size_t i = 0; i < n; i++)
                p->v[y * w + x + i] = columns[i * h + y];
    }
    free(sums);
    free(columns);
    return ok;
}

// One line of `n` values, blurred along itself; `padded` holds n + 2*radius values.
static void
blur_line(float *line, int n, const float *kernel, int radius, float *padded)
{
    for (int i = -radius; i < n + radius; i++)
        padded[i + radius] = line[i < 0 ? 0 : i >= n ? n - 1 : i];
    memset(line, 0, (size_t)n * sizeof *line);
    for (int k = 0; k <= 2 * radius; k++)
        for (int i = 0; i < n; i++)
            line[i] += kernel[k] * padded[i + k];
}

bool
plane_blur(struct plane *p, float sigma)
{
    if (sigma < 0.1f)
        return true;
    if (sigma > WIDE_SIGMA)
        return blur_wide(p, sigma);
    int radius = (int)ceilf(3 * sigma), longer = p->width > p->height ? p->width : p->height;
    size_t w = (size_t)p->width;
    float *kernel = malloc((size_t)(2 * radius + 1) * sizeof *kernel), total = 0;
    float *padded = malloc((size_t)(longer + 2 * radius) * sizeof *padded);
    float *source = malloc(w * (size_t)p->height * sizeof *source);
    bool ok = kernel && padded && source;
    for (int i = -radius; ok && i <= radius; i++)
        total += kernel[i + radius] = expf(-(float)(i * i) / (2 * sigma * sigma));
    for (int i = 0; ok && i <= 2 * radius; i++)
        kernel[i] /= total;
    for (int y = 0; ok && y < p->height; y++)
        blur_line(p->v + (size_t)y * w, p->width, kernel, radius, padded);
    if (ok)
        memcpy(source, p->v, w * (size_t)p->height * sizeof *source);
    for (int y = 0; ok && y < p->height;
         y++) { // whole rows at once, so that memory is read in order
        float *to = p->v + (size_t)y * w;
        memset(to, 0, w * sizeof *to);
        for (int k = -radius; k <= radius; k++) {
            int row = y + k < 0 ? 0 : y + k >= p->height ? p->height - 1 : y + k;
            const float *from = source + (size_t)row * w;
            for (size_t x = 0; x < w; x++)
                to[x] += kernel[k + radius] * from[x];
        }
    }
    free(kernel);
    free(padded);
    free(source);
    return ok;
}

// Whether more than 1 % of the picture is transparent.
static bool
has_alpha(const struct limn_picture *in)
{
    int64_t clear = 0, total = (int64_t)in->width * in->height;
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++)
            clear += picture_at(in, x, y)[3] < 128;
    return clear * 100 > total;
}

// Mean colour of the border pixels and how far they stray from it (root mean square, 0..1).
static void
border_colour(const struct limn_picture *in, float mean[3], float *spread)
{
    double sum[3] = {0}, square = 0;
    int64_t n = 0;
    for (int round = 0; round < 2; round++) {
        for (int y = 0; y < in->height; y++)
            for (int x = 0; x < in->width; x++) {
                bool border = x == 0 || y == 0 || x == in->width - 1 || y == in->height - 1;
                if (!border)
                    continue;
                const uint8_t *c = picture_at(in, x, y);
                for (int k = 0; k < 3; k++) {
                    double v = c[k] / 255.0;
                    if (round == 0)
                        sum[k] += v;
                    else
                        square += (v - mean[k]) * (v - mean[k]);
                }
                n += round == 0;
            }
        for (int k = 0; k < 3 && round == 0; k++)
            mean[k] = (float)(sum[k] / (double)n);
    }
    *spread = (float)sqrt(square / (double)(3 * n));
}

// Contrast: distance of the blurred colour from the border's mean, weighted towards the middle,
// then stretched to [0,1] (a plain form of Achanta et al. 2009).
static bool
saliency(struct plane *p, const struct limn_picture *in, const float border[3])
{
    float top = 1e-6f;
    for (int k = 0; k < 3; k++) {
        struct plane c;
        if (!plane_channel(&c, in, k))
            return false;
        if (!plane_blur(&c, (float)(in->width + in->height) / 128)) {
            plane_free(&c);
            return false;
        }
        for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
            p->v[i] += (c.v[i] - border[k]) * (c.v[i] - border[k]);
        plane_free(&c);
    }
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            float dx = (2.0f * (float)x / (float)p->width) - 1,
                  dy = (2.0f * (float)y / (float)p->height) - 1;
            float *v = &p->v[(size_t)y * (size_t)p->width + (size_t)x];
            *v = sqrtf(*v) * expf(-(dx * dx + dy * dy) / 1.5f);
            top = fmaxf(top, *v);
        }
    for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
        p->v[i] = fminf(1, 1.5f * p->v[i] / top);
    return true;
}

enum { RIM = 2 }; // pixels over which an outline may be blurred

// Distances from the ground's colour become shares: a pixel on the outline is half object when it
// is half as far from the ground as its neighbours inside, whatever the object's colour.
static bool
normalise_by_neighbours(struct plane *p)
{
    struct plane d;
    if (!plane_create(&d, p->width, p->height))
        return false;
    memcpy(d.v, p->v, (size_t)p->width * (size_t)p->height * sizeof *d.v);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            float top = MIN_CONTRAST;
            for (int j = -RIM; j <= RIM; j++)
                for (int i = -RIM; i <= RIM; i++)
                    top = fmaxf(top, plane_at(&d, x + i, y + j));
            p->v[(size_t)y * (size_t)p->width + (size_t)x] = plane_at(&d, x, y) / top;
        }
    plane_free(&d);
    return true;
}

static bool
near_reached(const uint8_t *reached, int width, int height, int x, int y)
{
    for (int j = y - RIM; j <= y + RIM; j++)
        for (int i = x - RIM; i <= x + RIM; i++)
            if (i >= 0 && j >= 0 && i < width && j < height &&
                reached[(size_t)j * (size_t)width + (size_t)i])
                return true;
    return false;
}

// Ground is what the border reaches: a white eye on a white ground belongs to the animal.
// Everything else is object, wholly so unless it lies on the rim.
static bool
fill_unreached(struct plane *p)
{
    size_t w = (size_t)p->width, total = w * (size_t)p->height, top = 0;
    uint32_t *stack = malloc(total * sizeof *stack);
    uint8_t *reached = calloc(total, 1);
    bool ok = stack && reached;
    for (size_t i = 0; ok && i < total; i++) {
        bool border = i < w || i >= total - w || i % w == 0 || i % w == w - 1;
        if (border && p->v[i] < 0.5f) {
            reached[i] = 1;
            stack[top++] = (uint32_t)i;
        }
    }
    while (ok && top > 0) {
        size_t at = stack[--top], x = at % w, near[4];
        int n = 0;
        if (x > 0)
            near[n++] = at - 1;
        if (x + 1 < w)
            near[n++] = at + 1;
        if (at >= w)
            near[n++] = at - w;
        if (at + w < total)
            near[n++] = at + w;
        for (int i = 0; i < n; i++)
            if (!reached[near[i]] && p->v[near[i]] < 0.5f) {
                reached[near[i]] = 1;
                stack[top++] = (uint32_t)near[i];
            }
    }
    for (size_t i = 0; ok && i < total; i++)
        if (!reached[i] && (p->v[i] < 0.5f || !near_reached(reached, p->width, p->height,
                                                            (int)(i % w), (int)(i / w))))
            p->v[i] = 1;
    free(stack);
    free(reached);
    return ok;
}

bool
plane_object(struct plane *p, const struct limn_picture *in, enum ground ground)
{
    float border[3], spread;
    border_colour(in, border, &spread);
    if (ground == GROUND_AUTO)
        ground = has_alpha(in)    ? GROUND_ALPHA
                 : spread < 0.06f ? GROUND_BORDER
                                  : GROUND_SALIENCY;
    if (ground == GROUND_ALPHA)
        return plane_channel(p, in, 3);
    if (!plane_create(p, in->width, in->height))
        return false;
    if (ground == GROUND_SALIENCY) {
        bool ok = saliency(p, in, border);
        if (!ok)
            plane_free(p);
        return ok;
    }
    for (int y = 0; y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            const uint8_t *c = picture_at(in, x, y);
            float d = 0;
            for (int k = 0; k < 3; k++)
                d = fmaxf(d, fabsf((float)c[k] / 255.0f - border[k]));
            p->v[(size_t)y * (size_t)p->width + (size_t)x] = d;
        }
    if (normalise_by_neighbours(p) && fill_unreached(p))
        return true;
    plane_free(p);
    return false;
}

bool
picture_create(struct limn_picture *out, int width, int height, char *error, size_t size)
{
    *out = (struct limn_picture){.width = width, .height = height, .stride = 4 * (size_t)width};
    out->pixels = calloc((size_t)height, out->stride);
    if (!out->pixels)
        snprintf(error, size, "no memory for %d x %d pixels", width, height);
    return out->pixels != NULL;
}

void
picture_release(struct limn_picture *out)
{
    free(out->pixels);
    out->pixels = NULL;
}
