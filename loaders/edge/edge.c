// SPDX-License-Identifier: MIT
// Edges after Canny (1986): smoothed gradients, thinned along their direction, kept where they are
// strong or connected to strong ones; then drawn with a chosen thickness, white on black.
//
// Gradients are taken in each colour channel on white and in alpha, and the strongest of the four
// counts (Di Zenzo's idea in its simplest form), so that a white drawing on a transparent ground
// still has its outline.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loaders/common/plane.h"

enum { THICKNESS, DETAIL, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [THICKNESS] = {"thickness", "Width of the lines in thousandths of the longer side.",
                   LIMN_PARAM_FLOAT, 1, 50, 8, NULL},
    [DETAIL] = {"detail", "How faint an edge may be and still be drawn.", LIMN_PARAM_FLOAT, 0, 1,
                0.5, NULL},
};

struct field {
    int width, height;
    float *magnitude;   // in heights of a step; after distance_transform() squared distances
    uint8_t *direction; // 0: horizontal gradient, 1: down-right, 2: vertical, 3: down-left
    uint8_t *kind;      // 0 none, 1 weak, 2 strong
};

// The response of the operator below to a step of height 1 between two pixels after a blur.
// Gradients are divided by it: the blur grows with the picture and flattens every step, and a
// threshold must mean the same step in a small drawing and in a large photograph.
static float
step_response(float sigma)
{
    float unit = sigma * sqrtf(2);
    return (erff(0.5f / unit) + erff(1.5f / unit)) / 2;
}

static void
add_channel(struct field *f, const struct plane *c, float response)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            float gx = plane_at(c, x + 1, y - 1) + 2 * plane_at(c, x + 1, y) +
                       plane_at(c, x + 1, y + 1) - plane_at(c, x - 1, y - 1) -
                       2 * plane_at(c, x - 1, y) - plane_at(c, x - 1, y + 1);
            float gy = plane_at(c, x - 1, y + 1) + 2 * plane_at(c, x, y + 1) +
                       plane_at(c, x + 1, y + 1) - plane_at(c, x - 1, y - 1) -
                       2 * plane_at(c, x, y - 1) - plane_at(c, x + 1, y - 1);
            float m = hypotf(gx, gy) / (4 * response);
            size_t at = (size_t)y * (size_t)f->width + (size_t)x;
            if (m <= f->magnitude[at])
                continue;
            f->magnitude[at] = m;
            float angle = atan2f(gy, gx);
            f->direction[at] = (uint8_t)((int)lroundf(angle / ((float)M_PI / 4)) + 8) & 3;
        }
}

static float
magnitude_at(const struct field *f, int x, int y)
{
    if (x < 0 || y < 0 || x >= f->width || y >= f->height)
        return 0;
    return f->magnitude[(size_t)y * (size_t)f->width + (size_t)x];
}

// Keeps ridges: pixels not weaker than both neighbours across the edge.
static void
suppress_non_maxima(struct field *f, float low, float high)
{
    static const int step[4][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}};
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            size_t at = (size_t)y * (size_t)f->width + (size_t)x;
            const int *d = step[f->direction[at]];
            float m = f->magnitude[at];
            if (m >= low && m > magnitude_at(f, x + d[0], y + d[1]) &&
                m >= magnitude_at(f, x - d[0], y - d[1]))
                f->kind[at] = m >= high ? 2 : 1;
        }
}

// Weak pixels connected to strong ones become strong (flood fill with an explicit stack).
static bool
trace_hysteresis(struct field *f)
{
    size_t total = (size_t)f->width * (size_t)f->height, top = 0;
    uint32_t *stack = malloc(total * sizeof *stack);
    if (!stack)
        return false;
    for (size_t i = 0; i < total; i++)
        if (f->kind[i] == 2)
            stack[top++] = (uint32_t)i;
    while (top > 0) {
        uint32_t at = stack[--top];
        int x = (int)(at % (uint32_t)f->width), y = (int)(at / (uint32_t)f->width);
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++) {
                int nx = x + dx, ny = y + dy;
                if (nx < 0 || ny < 0 || nx >= f->width || ny >= f->height)
                    continue;
                size_t next = (size_t)ny * (size_t)f->width + (size_t)nx;
                if (f->kind[next] == 1) {
                    f->kind[next] = 2;
                    stack[top++] = (uint32_t)next;
                }
            }
    }
    free(stack);
    return true;
}

// Distances from each pixel to the nearest edge pixel, squared, in place of the magnitudes: along
// the columns by two sweeps, then along the rows as the lower envelope of one parabola per pixel
// (Felzenszwalb and Huttenlocher 2012), so that thick lines cost what thin ones cost. Distances
// beyond `reach` are not told apart, which also keeps the squares exact in floats.
static void
sweep_columns(struct field *f, float reach)
{
    size_t w = (size_t)f->width, total = w * (size_t)f->height;
    for (size_t i = 0; i < total; i++) {
        float above = i < w ? reach : f->magnitude[i - w] + 1;
        f->magnitude[i] = f->kind[i] == 2 ? 0 : fminf(reach, above);
    }
    for (size_t i = total - w; i-- > 0;)
        f->magnitude[i] = fminf(f->magnitude[i], f->magnitude[i + w] + 1);
    for (size_t i = 0; i < total; i++)
        f->magnitude[i] *= f->magnitude[i];
}

// Where the parabola over x falls below the one over the earlier `before`.
static double
intersection(const float *height, int before, int x)
{
    return ((double)height[x] - height[before] + (double)x * x - (double)before * before) /
           (2.0 * (x - before));
}

// One row of n squared distances; `height`, `at` (the parabolas of the envelope) and `from` (where
// each begins) have room for n values.
static void
envelope(float *row, int n, float *height, double *from, int *at)
{
    int last = 0;
    memcpy(height, row, (size_t)n * sizeof *row);
    at[0] = 0;
    for (int x = 1; x < n; x++) {
        while (last > 0 && intersection(height, at[last], x) <= from[last])
            last--;
        from[last + 1] = intersection(height, at[last], x);
        at[++last] = x;
    }
    for (int x = 0, k = 0; x < n; x++) {
        while (k < last && from[k + 1] < x)
            k++;
        float d = (float)(x - at[k]);
        row[x] = d * d + height[at[k]];
    }
}

static bool
distance_transform(struct field *f, float reach)
{
    size_t w = (size_t)f->width;
    float *height = malloc(w * sizeof *height);
    double *from = malloc(w * sizeof *from);
    int *at = malloc(w * sizeof *at);
    bool ok = height && from && at;
    if (ok)
        sweep_columns(f, reach);
    for (size_t y = 0; ok && y < (size_t)f->height; y++)
        envelope(f->magnitude + y * w, f->width, height, from, at);
    free(height);
    free(from);
    free(at);
    return ok;
}

// Everything within the radius of an edge pixel, its rim softened over one pixel.
static void
draw(const struct field *f, float radius, struct limn_picture *out)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            uint8_t *p = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
            float cover = radius + 0.5f - sqrtf(magnitude_at(f, x, y));
            p[0] = p[1] = p[2] = (uint8_t)(255 * fminf(1, fmaxf(0, cover)) + 0.5f);
            p[3] = 255;
        }
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    size_t total = (size_t)in->width * (size_t)in->height;
    int longer = in->width > in->height ? in->width : in->height;
    struct field f = {.width = in->width, .height = in->height,
                      .magnitude = calloc(total, sizeof(float)), .direction = calloc(total, 1),
                      .kind = calloc(total, 1)};
    float sigma = fmaxf(0.6f, (float)longer / 220.0f);
    bool ok = f.magnitude && f.direction && f.kind;
    for (int k = 0; ok && k < 4; k++) {
        struct plane c;
        ok = plane_channel(&c, in, k);
        if (ok) {
            ok = plane_blur(&c, sigma);
            if (ok)
                add_channel(&f, &c, step_response(sigma));
            plane_free(&c);
        }
    }
    float radius = fmaxf(0.5f, (float)(values[THICKNESS] * longer / 2000.0));
    // detail 0.5: an edge starts at a step of 0.194 and continues down to one of 0.078.
    float high = 0.194f * powf(0.06f, (float)values[DETAIL] - 0.5f);
    if (ok) {
        suppress_non_maxima(&f, 0.4f * high, high);
        ok = trace_hysteresis(&f) && distance_transform(&f, ceilf(radius + 0.5f) + 1);
    }
    if (!ok)
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
    ok = ok && picture_create(out, in->width, in->height, error, error_size);
    if (ok)
        draw(&f, radius, out);
    free(f.magnitude);
    free(f.direction);
    free(f.kind);
    return ok ? 0 : 1;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "edge",
    .role = "edge map",
    .summary = "Edges after Canny, white lines on black.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
