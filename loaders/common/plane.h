// SPDX-License-Identifier: MIT
// What the loaders share: planes of floats, alpha-aware grey, blur, colour statistics. Linked into
// each loader with hidden visibility.
#ifndef LIMN_LOADERS_COMMON_PLANE_H
#define LIMN_LOADERS_COMMON_PLANE_H

#include <stdbool.h>

#include "loaders/loader.h"

struct plane {
    int width, height;
    float *v; // row-major
};

bool plane_create(struct plane *p, int width, int height); // zeros; false: no memory
void plane_free(struct plane *p);
static inline float
plane_at(const struct plane *p, int x, int y) // clamped to the border
{
    x = x < 0 ? 0 : x >= p->width ? p->width - 1 : x;
    y = y < 0 ? 0 : y >= p->height ? p->height - 1 : y;
    return p->v[(size_t)y * (size_t)p->width + (size_t)x];
}

static inline const uint8_t *
picture_at(const struct limn_picture *in, int x, int y)
{
    return in->pixels + (size_t)y * in->stride + 4 * (size_t)x;
}

// Creates *p. One channel (0..2) composed on white, in [0,1]; 3: alpha in [0,1]. False, here and
// below: no memory.
bool plane_channel(struct plane *p, const struct limn_picture *in, int channel);
bool plane_blur(struct plane *p, float sigma); // Gaussian, sigma in pixels

// Creates *p: how far each pixel is object and not ground, in [0,1]. GROUND_AUTO: by alpha if there
// is any, else by the distance from the border's colour if the border is plain, else by contrast.
enum ground { GROUND_AUTO = 0, GROUND_ALPHA, GROUND_BORDER, GROUND_SALIENCY };
bool plane_object(struct plane *p, const struct limn_picture *in, enum ground ground);

// Allocates the result. False: no memory (error filled).
bool picture_create(struct limn_picture *out, int width, int height, char *error, size_t size);
void picture_release(struct limn_picture *out);

#endif
