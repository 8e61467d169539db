// SPDX-License-Identifier: MIT
#include "engine/base/rng.h"

#include <math.h>

#include "engine/base/require.h"

void
rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void
rng_init(struct rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (struct rng){.seed = seed, .stream = stream, .index = 0};
}

uint32_t
rng_u32(struct rng *rng)
{
    uint32_t words[4];
    rng_block(rng->seed, rng->stream, rng->index / 4, words);
    return words[rng->index++ % 4];
}

double
rng_uniform(struct rng *rng)
{
    return rng_u32(rng) * (1.0 / 4294967296.0);
}

uint64_t
rng_below(struct rng *rng, uint64_t bound)
{
    require(bound >= 1);
    uint64_t wide = (uint64_t)rng_u32(rng) << 32;
    wide |= rng_u32(rng);
    // The bias is below bound / 2^64.
    return (uint64_t)(((__uint128_t)wide * bound) >> 64);
}

// Two standard normals from two words; u in (0,1] keeps the logarithm finite.
static void
box_muller(uint32_t a, uint32_t b, double *n0, double *n1)
{
    double u = (a + 1.0) * (1.0 / 4294967296.0);
    double angle = b * (2.0 * 3.14159265358979323846 / 4294967296.0);
    double radius = sqrt(-2.0 * log(u));
    *n0 = radius * cos(angle);
    *n1 = radius * sin(angle);
}

double
rng_normal(struct rng *rng)
{
    double a, b;
    uint32_t first = rng_u32(rng), second = rng_u32(rng);
    box_muller(first, second, &a, &b);
    return a;
}

void
rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t first, float *out, size_t n)
{
    uint32_t words[4];
    double values[4];
    uint64_t have = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = first + i;
        if (at / 4 != have) {
            have = at / 4;
            rng_block(seed, stream, have, words);
            box_muller(words[0], words[1], &values[0], &values[1]);
            box_muller(words[2], words[3], &values[2], &values[3]);
        }
        out[i] = (float)values[at % 4];
    }
}
