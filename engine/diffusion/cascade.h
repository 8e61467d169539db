// SPDX-License-Identifier: MIT
// The input of a cascade's second model: the first model's picture, enlarged
// (Ho et al. 2021, "Cascaded Diffusion Models for High Fidelity Image Generation").
#ifndef LIMN_ENGINE_DIFFUSION_CASCADE_H
#define LIMN_ENGINE_DIFFUSION_CASCADE_H

// A square of the enlarged picture, in its pixels.
struct cascade_window {
    int top, left, side;
};

// Enlarges low (from,from,channels) to `to` pixels a side and writes the window of it to `out`
// (side,side,channels). Bilinear between pixel centres, so that every pixel covers the square it
// represents; values beyond the outermost centres are repeated.
void cascade_enlarge(const float *low, int from, int to, int channels, struct cascade_window w,
                     float *out);

#endif
