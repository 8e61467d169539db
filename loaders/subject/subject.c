// SPDX-License-Identifier: MIT
// The subject alone: cut out, centred, on a plain ground.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "loaders/common/plane.h"

enum { CUT, BACKGROUND, MARGIN, CENTRE, PARAM_COUNT };

static const struct limn_param params[PARAM_COUNT] = {
    [CUT] = {"cut", "How the subject is cut from its background; none keeps the background.",
             LIMN_PARAM_CHOICE, 0, 4, 0, "auto|alpha|border|saliency|none"},
    [BACKGROUND] = {"background", "The new background.", LIMN_PARAM_CHOICE, 0, 2, 0,
                    "white|grey|black"},
    [MARGIN] = {"margin", "Free space around the subject, as a share of the side.",
                LIMN_PARAM_FLOAT, 0, 0.4, 0.05, NULL},
    [CENTRE] = {"centre", "Put the subject in the middle of a square picture.", LIMN_PARAM_BOOL, 0,
                1, 1, NULL},
};

enum {
    CUT_NONE = 4,
    SIDE_MAX = 8192, // pixels: such a square is the largest picture the host takes
};

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

// Where the subject goes: source pixel (x,y) of the box lies at (x+dx, y+dy) of a square, `shrink`
// pixels of which make one pixel of the result.
struct layout {
    struct box box;
    int side, dx, dy, shrink;
};

// The box in the middle of a square with its margin. A square over the limit of pictures is reduced
// by a whole number.
static struct layout
centred(struct box b, double margin)
{
    int longer = b.right - b.left > b.bottom - b.top ? b.right - b.left : b.bottom - b.top;
    struct layout l = {.box = b, .side = (int)lround(longer / (1 - 2 * margin))};
    l.dx = (l.side - (b.right - b.left)) / 2 - b.left;
    l.dy = (l.side - (b.bottom - b.top)) / 2 - b.top;
    l.shrink = (l.side + SIDE_MAX - 1) / SIDE_MAX;
    return l;
}

// Pixel (x,y) of the result: the mean of its source pixels, each weighted by how much it belongs to
// the subject, on the background.
static void
put(struct limn_picture *out, int x, int y, const struct limn_picture *in,
    const struct plane *cover, const struct layout *l, float ground)
{
    uint8_t *q = out->pixels + (size_t)y * out->stride + 4 * (size_t)x;
    float sum[3] = {0}, n = (float)(l->shrink * l->shrink);
    for (int j = 0; j < l->shrink; j++)
        for (int i = 0; i < l->shrink; i++) {
            int sx = x * l->shrink + i - l->dx, sy = y * l->shrink + j - l->dy;
            bool inside = sx >= l->box.left && sx < l->box.right && sy >= l->box.top &&
                          sy < l->box.bottom;
            const uint8_t *c = inside ? picture_at(in, sx, sy) : NULL;
            float a = c ? (cover ? plane_at(cover, sx, sy) : 1) * (float)c[3] / 255.0f : 0;
            for (int k = 0; k < 3; k++)
                sum[k] += (c ? (float)c[k] * a : 0) + 255 * ground * (1 - a);
        }
    for (int k = 0; k < 3; k++)
        q[k] = (uint8_t)(sum[k] / n + 0.5f);
    q[3] = 255;
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
    struct layout l = {.box = {0, 0, in->width, in->height}, .shrink = 1};
    int width = in->width, height = in->height;
    if (values[CENTRE] != 0) {
        l = centred(object_box(&p), values[MARGIN]);
        width = height = l.side / l.shrink;
    }
    ok = picture_create(out, width, height, error, error_size);
    for (int y = 0; ok && y < height; y++)
        for (int x = 0; x < width; x++)
            put(out, x, y, in, cut == CUT_NONE ? NULL : &p, &l, ground);
    plane_free(&p);
    return ok ? 0 : 1;
}

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
    .name = "subject",
    .role = "subject",
    .summary = "The subject of a picture with a plain ground, cut out and centred.",
    .params = params,
    .param_count = PARAM_COUNT,
    .run = run,
    .release = picture_release,
};
