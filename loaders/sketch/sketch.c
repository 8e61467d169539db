// SPDX-License-Identifier: MIT
// A sketch: thick smooth contours, dark on white, as from a soft pen. The difference of two blurs
// (Winnemöller's XDoG, 2011) finds lines; small things vanish with `smooth`.
#include <math.h>
#include <stdio.h>

#include "loaders/common/plane.h"

enum { SMOOTH, STRENGTH, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [SMOOTH] = {"smooth", "Size of the details that vanish, in thousandths of the longer side.",
                LIMN_PARAM_FLOAT, 1, 50, 10, NULL},
    [STRENGTH] = {"strength", "How dark faint contours are.", LIMN_PARAM_FLOAT, 0, 1, 0.5, NULL},
};

static bool
add_lines(struct plane *ink, const struct limn_picture *in, int channel, float sigma)
{
    struct plane a, b;
    if (!plane_channel(&a, in, channel))
        return false;
    if (!plane_channel(&b, in, channel)) {
        plane_free(&a);
        return false;
    }
    bool ok = plane_blur(&a, sigma) && plane_blur(&b, 1.8f * sigma);
    for (size_t i = 0; ok && i < (size_t)a.width * (size_t)a.height; i++)
        ink->v[i] = fmaxf(ink->v[i], fabsf(a.v[i] - b.v[i]));
    plane_free(&a);
    plane_free(&b);
    return ok;
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    int longer = in->width > in->height ? in->width : in->height;
    float sigma = fmaxf(0.5f, (float)(values[SMOOTH] * longer / 1000.0 / 1.5));
    float level = 0.14f * powf(0.05f, (float)values[STRENGTH] - 0.5f) * 0.35f;
    struct plane ink;
    bool ok = plane_create(&ink, in->width, in->height);
    for (int k = 0; ok && k < 4; k++)
        ok = add_lines(&ink, in, k, sigma);
    if (!ok)
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
    ok = ok && picture_create(out, in->width, in->height, error, error_size);
    for (int y = 0; ok && y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            float t = (plane_at(&ink, x, y) - 0.6f * level) / (0.8f * level);
            t = fminf(1, fmaxf(0, t));
            uint8_t *q = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
            q[0] = q[1] = q[2] = (uint8_t)(255 - 215 * t * t * (3 - 2 * t) + 0.5f);
            q[3] = 255;
        }
    plane_free(&ink);
    return ok ? 0 : 1;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "sketch",
    .role = "sketch",
    .summary = "Thick smooth contours, dark on white.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
