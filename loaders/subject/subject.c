// SPDX-License-Identifier: MIT
// The subject alone: cut out, centred, on a plain ground.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loaders/common/plane.h"

enum { CUT, BACKGROUND, MARGIN, CENTRE, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [CUT] = {"cut", "How the subject is told from its ground; none keeps the ground.",
             LIMN_PARAM_CHOICE, 0, 4, 0, "auto|alpha|border|saliency|none"},
    [BACKGROUND] = {"background", "What stands behind the subject.", LIMN_PARAM_CHOICE, 0, 2, 0,
                    "white|grey|black"},
    [MARGIN] = {"margin", "Free space around the subject, as a share of the side.",
                LIMN_PARAM_FLOAT, 0, 0.4, 0.05, NULL},
    [CENTRE] = {"centre", "Put the subject in the middle of a square picture.", LIMN_PARAM_BOOL, 0,
                1, 1, NULL},
};

enum { CUT_NONE = 4 };

struct box {
    int left, top, right, bottom; // right and bottom are outside
};

static struct box
object_box(const struct plane *p)
{
    struct box b = {p->width, p->height, 0, 0};
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            if (plane_at(p, x, y) > 0.5f) {
                b.left = x < b.left ? x : b.left;
                b.top = y < b.top ? y : b.top;
                b.right = x + 1 > b.right ? x + 1 : b.right;
                b.bottom = y + 1 > b.bottom ? y + 1 : b.bottom;
            }
    if (b.right <= b.left)
        b = (struct box){0, 0, p->width, p->height};
    return b;
}

// One pixel on the background, weighted by how much it belongs to the subject.
static void
put(struct limn_picture *out, int x, int y, const uint8_t *c, float cover, float ground)
{
    uint8_t *q = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
    float a = cover * (float)c[3] / 255.0f;
    for (int k = 0; k < 3; k++)
        q[k] = (uint8_t)((float)c[k] * a + 255 * ground * (1 - a) + 0.5f);
    q[3] = 255;
}

static void
fill(struct limn_picture *out, float ground)
{
    static const uint8_t nothing[4] = {0};
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            put(out, x, y, nothing, 0, ground);
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    int cut = (int)values[CUT];
    float ground = 1 - 0.5f * (float)(int)values[BACKGROUND];
    struct plane p = {0};
    bool ok = plane_object(&p, in, cut == CUT_NONE ? GROUND_AUTO : (enum ground)cut);
    if (!ok) {
        snprintf(error, error_size, "no memory for %d x %d pixels", in->width, in->height);
        return 1;
    }
    struct box b = {0, 0, in->width, in->height};
    int width = in->width, height = in->height, dx = 0, dy = 0;
    if (values[CENTRE] != 0) {
        b = object_box(&p);
        int longer = b.right - b.left > b.bottom - b.top ? b.right - b.left : b.bottom - b.top;
        width = height = (int)lround(longer / (1 - 2 * values[MARGIN]));
        dx = (width - (b.right - b.left)) / 2 - b.left;
        dy = (height - (b.bottom - b.top)) / 2 - b.top;
    }
    ok = picture_create(out, width, height, error, error_size);
    if (ok)
        fill(out, ground);
    for (int y = b.top; ok && y < b.bottom; y++)
        for (int x = b.left; x < b.right; x++) {
            float cover = cut == CUT_NONE ? 1 : plane_at(&p, x, y);
            put(out, x + dx, y + dy, picture_at(in, x, y), cover, ground);
        }
    plane_free(&p);
    return ok ? 0 : 1;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "subject",
    .role = "subject",
    .summary = "The subject cut out and centred on a plain ground.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
