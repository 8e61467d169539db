// SPDX-License-Identifier: MIT
// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11): a
// counter-based generator. The value at (seed, stream, index) depends on nothing else, so the noise
// is the same on every device, in any order and with any number of threads.
#ifndef LIMN_ENGINE_BASE_RNG_H
#define LIMN_ENGINE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

// Streams keep unrelated uses of one seed apart.
enum rng_stream {
    RNG_STREAM_NOISE = 1,   // the starting noise of a picture
    RNG_STREAM_SAMPLER,     // noise added by a stochastic sampler, stream + 16*(step+1)
    RNG_STREAM_INIT,        // initial weights
    RNG_STREAM_DATA,        // order of examples, choice of phrasing, dropout of conditions
    RNG_STREAM_TIMESTEP,    // training timesteps
    RNG_STREAM_TRAIN_NOISE, // training noise
    RNG_STREAM_TEST,
    RNG_STREAM_LOOKS        // signs of a projection (engine/retrieval/looks.h)
};

struct rng {
    uint64_t seed, stream, index; // index: next 32-bit word
};

// Four words of the block (index) of the stream.
void rng_block(uint64_t seed, uint64_t stream, uint64_t block, uint32_t out[4]);

void rng_init(struct rng *rng, uint64_t seed, uint64_t stream);
uint32_t rng_u32(struct rng *rng);
double rng_uniform(struct rng *rng);                // [0,1)
uint64_t rng_below(struct rng *rng, uint64_t bound); // [0,bound), bound >= 1
double rng_normal(struct rng *rng);

// out[i], i in [0,n): standard normal at counter (seed, stream, first+i), Box-Muller on pairs.
void rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t first, float *out, size_t n);

#endif
