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
    [DETAIL] = {"detail", "How faint an edge may be to be drawn.", LIMN_PARAM_FLOAT, 0, 1, 0.5,
                NULL},
};

struct field {
    int width, height;
    float *magnitude;
    uint8_t *direction; // 0: horizontal gradient, 1: down-right, 2: vertical, 3: down-left
    uint8_t *kind;      // 0 none, 1 weak, 2 strong
};

static void
add_channel(struct field *f, const struct plane *c)
{
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            float gx = plane_at(c, x + 1, y - 1) + 2 * plane_at(c, x + 1, y) +
                       plane_at(c, x + 1, y + 1) - plane_at(c, x - 1, y - 1) -
                       2 * plane_at(c, x - 1, y) - plane_at(c, x - 1, y + 1);
            float gy = plane_at(c, x - 1, y + 1) + 2 * plane_at(c, x, y + 1) +
                       plane_at(c, x + 1, y + 1) - plane_at(c, x - 1, y - 1) -
                       2 * plane_at(c, x, y - 1) - plane_at(c, x + 1, y - 1);
            float m = hypotf(gx, gy) / 4;
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
thin(struct field *f, float low, float high)
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
connect(struct field *f)
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

// A disc of the given radius around every edge pixel, its rim softened over one pixel.
static void
draw(const struct field *f, float radius, struct limn_picture *out)
{
    int reach = (int)ceilf(radius + 0.5f);
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            uint8_t *p = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
            p[3] = 255;
            if (f->kind[(size_t)y * (size_t)f->width + (size_t)x] != 2)
                continue;
            for (int dy = -reach; dy <= reach; dy++)
                for (int dx = -reach; dx <= reach; dx++) {
                    if (x + dx < 0 || y + dy < 0 || x + dx >= f->width || y + dy >= f->height)
                        continue;
                    float cover = radius + 0.5f - hypotf((float)dx, (float)dy);
                    uint8_t v = (uint8_t)(255 * fminf(1, fmaxf(0, cover)) + 0.5f);
                    uint8_t *q = out->pixels + (size_t)(y + dy) * out->stride + 4 * (size_t)(x + dx);
                    if (v > q[0])
                        q[0] = q[1] = q[2] = v;
                }
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
    bool ok = f.magnitude && f.direction && f.kind;
    for (int k = 0; ok && k < 4; k++) {
        struct plane c;
        ok = plane_channel(&c, in, k);
        if (ok) {
            ok = plane_blur(&c, fmaxf(0.6f, (float)longer / 220.0f));
            if (ok)
                add_channel(&f, &c);
            plane_free(&c);
        }
    }
    // detail 0.5: an edge starts at a step of about 0.2 and goes on down to 0.08.
    float high = 0.22f * powf(0.06f, (float)values[DETAIL] - 0.5f) * 0.5f;
    if (ok) {
        thin(&f, 0.4f * high, high);
        ok = connect(&f);
    }
    if (!ok)
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
    ok = ok && picture_create(out, in->width, in->height, error, error_size);
    if (ok)
        draw(&f, fmaxf(0.5f, (float)(values[THICKNESS] * longer / 2000.0)), out);
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
