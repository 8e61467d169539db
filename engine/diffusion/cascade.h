// SPDX-License-Identifier: MIT
// What the second model of a cascade is given of the first one's picture: the picture enlarged
// (Ho et al. 2021, "Cascaded Diffusion Models for High Fidelity Image Generation").
#ifndef LIMN_ENGINE_DIFFUSION_CASCADE_H
#define LIMN_ENGINE_DIFFUSION_CASCADE_H

// A square of the enlarged picture, in its pixels.
struct cascade_window {
    int top, left, side;
};

// low (from,from,channels) enlarged to `to` pixels a side, of which `out` (side,side,channels) gets
// the window: bilinear between the centres of pixels, so that every pixel lies on the square it
// stands for; beyond the outermost centres their values go on.
void cascade_enlarge(const float *low, int from, int to, int channels, struct cascade_window w,
                     float *out);

#endif
