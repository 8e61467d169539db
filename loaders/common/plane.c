// SPDX-License-Identifier: MIT
#include "loaders/common/plane.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool
plane_blur(struct plane *p, float sigma)
{
    if (sigma < 0.1f)
        return true;
    int radius = (int)ceilf(3 * sigma);
    float *kernel = malloc((size_t)(2 * radius + 1) * sizeof *kernel), total = 0;
    struct plane t;
    if (!kernel || !plane_create(&t, p->width, p->height)) {
        free(kernel);
        return false;
    }
    for (int i = -radius; i <= radius; i++)
        total += kernel[i + radius] = expf(-(float)(i * i) / (2 * sigma * sigma));
    for (int pass = 0; pass < 2; pass++) {
        const struct plane *from = pass ? &t : p;
        struct plane *to = pass ? p : &t;
        for (int y = 0; y < p->height; y++)
            for (int x = 0; x < p->width; x++) {
                float sum = 0;
                for (int i = -radius; i <= radius; i++)
                    sum += kernel[i + radius] *
                           (pass ? plane_at(from, x, y + i) : plane_at(from, x + i, y));
                to->v[(size_t)y * (size_t)p->width + (size_t)x] = sum / total;
            }
    }
    plane_free(&t);
    free(kernel);
    return true;
}

bool
picture_has_alpha(const struct limn_picture *in)
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
            float dx = (2.0f * (float)x / (float)p->width) - 1, dy = (2.0f * (float)y / (float)p->height) - 1;
            float *v = &p->v[(size_t)y * (size_t)p->width + (size_t)x];
            *v = sqrtf(*v) * expf(-(dx * dx + dy * dy) / 1.5f);
            top = fmaxf(top, *v);
        }
    for (size_t i = 0; i < (size_t)p->width * (size_t)p->height; i++)
        p->v[i] = fminf(1, 1.5f * p->v[i] / top);
    return true;
}

bool
plane_object(struct plane *p, const struct limn_picture *in, enum ground ground)
{
    float border[3], spread;
    border_colour(in, border, &spread);
    if (ground == GROUND_AUTO)
        ground = picture_has_alpha(in) ? GROUND_ALPHA
                 : spread < 0.06f      ? GROUND_BORDER
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
            p->v[(size_t)y * (size_t)p->width + (size_t)x] = fminf(1, d / 0.16f);
        }
    return true;
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
