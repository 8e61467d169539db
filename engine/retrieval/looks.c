// SPDX-License-Identifier: MIT
#include "engine/retrieval/looks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum { SEED = 1 };

bool
looks_open(struct looks *l, int features, int dimension, struct err *err)
{
    size_t f = (size_t)features, n = f * (size_t)dimension;
    *l = (struct looks){.features = features, .dimension = dimension};
    l->mean = mem_try_calloc(f, sizeof *l->mean, "looks", err);
    l->deviation = mem_try_calloc(f, sizeof *l->deviation, "looks", err);
    l->sum = mem_try_calloc(f, sizeof *l->sum, "looks", err);
    l->squares = mem_try_calloc(f, sizeof *l->squares, "looks", err);
    l->signs = mem_try_calloc(n, sizeof *l->signs, "looks", err);
    if (!l->mean || !l->deviation || !l->sum || !l->squares || !l->signs)
        return false;
    struct rng rng;
    uint32_t bits = 0;
    rng_init(&rng, SEED, RNG_STREAM_LOOKS);
    for (size_t i = 0; i < n; i++) {
        bits = i % 32 ? bits >> 1 : rng_u32(&rng);
        l->signs[i] = bits & 1 ? 1 : -1;
    }
    return true;
}

void
looks_close(struct looks *l)
{
    free(l->mean);
    free(l->deviation);
    free(l->sum);
    free(l->squares);
    free(l->signs);
    *l = (struct looks){0};
}

void
looks_accumulate(struct looks *l, const float *x, int count)
{
    for (int i = 0; i < count; i++)
        for (int f = 0; f < l->features; f++) {
            double v = x[(size_t)i * (size_t)l->features + (size_t)f];
            l->sum[f] += v;
            l->squares[f] += v * v;
        }
    l->learned += count;
}

void
looks_finish_statistics(struct looks *l)
{
    double n = (double)MAX(l->learned, 1);
    for (int f = 0; f < l->features; f++) {
        double mean = l->sum[f] / n, variance = l->squares[f] / n - mean * mean;
        l->mean[f] = (float)mean;
        l->deviation[f] = variance > 1e-12 ? (float)sqrt(variance) : 1;
    }
}

void
looks_of(const struct looks *l, const float *x, float *out)
{
    size_t n = (size_t)l->dimension;
    memset(out, 0, n * sizeof *out);
    for (int f = 0; f < l->features; f++) {
        float v = (x[f] - l->mean[f]) / l->deviation[f];
        const float *signs = l->signs + (size_t)f * n;
        for (size_t i = 0; i < n; i++)
            out[i] += v * signs[i];
    }
}
