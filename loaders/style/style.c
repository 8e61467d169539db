// SPDX-License-Identifier: MIT
// A style picture: the square with the most colours and strokes, and, on request, with its layout
// destroyed, so that only palette and texture are left to imitate.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loaders/common/plane.h"

enum { CROP, DESTROY, PATCHES, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [CROP] = {"crop", "Side of the square that is kept, as a share of the shorter side.",
              LIMN_PARAM_FLOAT, 0.1, 1, 1, NULL},
    [DESTROY] = {"destroy-layout", "Shuffle patches, so that only palette and texture remain.",
                 LIMN_PARAM_BOOL, 0, 1, 0, NULL},
    [PATCHES] = {"patches", "Patches along a side when the layout is destroyed.", LIMN_PARAM_INT, 2,
                 32, 8, NULL},
};

// The score of a square: the entropy of its colours (64 bins) plus its edge energy, both counted on
// a coarse grid of its pixels; empty ground scores 0.
static double
detail_score(const struct limn_picture *in, int left, int top, int side)
{
    int bins[64] = {0}, n = 0, stride = side / 48 > 0 ? side / 48 : 1;
    double edges = 0, entropy = 0;
    for (int y = top; y < top + side; y += stride)
        for (int x = left; x < left + side; x += stride) {
            const uint8_t *c = picture_at(in, x, y);
            if (c[3] < 128)
                continue;
            bins[c[0] / 64 * 16 + c[1] / 64 * 4 + c[2] / 64]++;
            n++;
            if (x + stride < left + side) {
                const uint8_t *d = picture_at(in, x + stride, y);
                edges += abs(c[0] - d[0]) + abs(c[1] - d[1]) + abs(c[2] - d[2]);
            }
        }
    for (int i = 0; i < 64 && n; i++)
        if (bins[i])
            entropy -= (double)bins[i] / n * log2((double)bins[i] / n);
    int cells = (side / stride) * (side / stride);
    return n ? ((double)n / (cells > 0 ? cells : 1)) * (entropy + edges / (n * 64.0)) : 0;
}

static void
best_square(const struct limn_picture *in, int side, int *left, int *top)
{
    double best = -1;
    int steps = 8;
    for (int j = 0; j <= steps; j++)
        for (int i = 0; i <= steps; i++) {
            int x = (in->width - side) * i / steps, y = (in->height - side) * j / steps;
            // The middle wins a tie.
            double score =
                detail_score(in, x, y, side) - 1e-6 * (abs(i - steps / 2) + abs(j - steps / 2));
            if (score > best) {
                best = score;
                *left = x;
                *top = y;
            }
        }
}

// A fixed shuffle (a linear congruential walk), so that the same picture gives the same result.
static void
shuffle(int *order, int n)
{
    uint32_t state = 12345;
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        state = state * 1664525u + 1013904223u;
        int k = (int)(state >> 8) % (i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

static void
copy(const struct limn_picture *in, struct limn_picture *out, int from_x, int from_y, int x, int y,
     int width, int height)
{
    for (int row = 0; row < height; row++)
        memcpy(out->pixels + (size_t)(y + row) * out->stride + 4 * (size_t)x,
               picture_at(in, from_x, from_y + row), 4 * (size_t)width);
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    int shorter = in->width < in->height ? in->width : in->height, left = 0, top = 0;
    int side = (int)lround(shorter * values[CROP]), n = (int)values[PATCHES];
    side = side < 1 ? 1 : side > shorter ? shorter : side;
    best_square(in, side, &left, &top);
    bool destroy = values[DESTROY] != 0 && side >= n;
    if (destroy)
        side = side / n * n;
    if (!picture_create(out, side, side, error, error_size))
        return 1;
    if (!destroy) {
        copy(in, out, left, top, 0, 0, side, side);
        return 0;
    }
    int order[32 * 32], patch = side / n;
    shuffle(order, n * n);
    for (int i = 0; i < n * n; i++)
        copy(in, out, left + order[i] % n * patch, top + order[i] / n * patch, i % n * patch,
             i / n * patch, patch, patch);
    return 0;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "style",
    .role = "style image",
    .summary = "The most detailed square of a picture, shuffled on request.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
