// SPDX-License-Identifier: MIT
// A sketch: thick smooth contours, dark on white, as from a soft pen.
//
// Where colours change, the gradient of the smoothed picture is a ridge one pen wide. Divided by
// its own mean around, every ridge has the same height whatever its contrast, so that one threshold
// gives lines of one width; a constant added to the divisor keeps the faintest from being drawn.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "loaders/common/plane.h"

enum { SMOOTH, STRENGTH, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [SMOOTH] = {"smooth", "Size of the details that vanish, in thousandths of the longer side.",
                LIMN_PARAM_FLOAT, 1, 50, 10, NULL},
    [STRENGTH] = {"strength", "How dark faint contours are.", LIMN_PARAM_FLOAT, 0, 1, 0.5, NULL},
};

// Raises `ridge` to the channel's gradient, in units of the step's height over sqrt(2 pi).
static bool
add_channel(struct plane *ridge, const struct limn_picture *in, int channel, float sigma)
{
    struct plane c;
    if (!plane_channel(&c, in, channel))
        return false;
    bool ok = plane_blur(&c, sigma);
    for (int y = 0; ok && y < c.height; y++)
        for (int x = 0; x < c.width; x++) {
            float gx = plane_at(&c, x + 1, y) - plane_at(&c, x - 1, y);
            float gy = plane_at(&c, x, y + 1) - plane_at(&c, x, y - 1);
            float *v = &ridge->v[(size_t)y * (size_t)c.width + (size_t)x];
            *v = fmaxf(*v, hypotf(gx, gy) / 2 * sigma);
        }
    plane_free(&c);
    return ok;
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    int longer = in->width > in->height ? in->width : in->height;
    float sigma = fmaxf(0.7f, (float)(1.2 * values[SMOOTH] * longer / 1000.0));
    // strength 0.5: steps from about 0.08 of the full range on are drawn.
    float least = 0.01f * powf(0.05f, (float)values[STRENGTH] - 0.5f);
    struct plane ridge, mean = {0};
    bool ok = plane_create(&ridge, in->width, in->height) &&
              plane_create(&mean, in->width, in->height);
    for (int k = 0; ok && k < 4; k++)
        ok = add_channel(&ridge, in, k, sigma);
    if (ok) {
        memcpy(mean.v, ridge.v, (size_t)in->width * (size_t)in->height * sizeof *mean.v);
        ok = plane_blur(&mean, 1.5f * sigma);
    }
    if (!ok)
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
    ok = ok && picture_create(out, in->width, in->height, error, error_size);
    for (int y = 0; ok && y < in->height; y++)
        for (int x = 0; x < in->width; x++) {
            // 1.8 in the middle of a straight line, 1.15 where the pen's edge should be.
            float t = plane_at(&ridge, x, y) / (plane_at(&mean, x, y) + least);
            t = fminf(1, fmaxf(0, (t - 1.0f) / 0.3f));
            uint8_t *q = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
            q[0] = q[1] = q[2] = (uint8_t)(255 - 215 * t * t * (3 - 2 * t) + 0.5f);
            q[3] = 255;
        }
    plane_free(&ridge);
    plane_free(&mean);
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
