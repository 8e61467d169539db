// SPDX-License-Identifier: MIT
// Pictures with alpha: a network draws them laid on white, with the alpha beside it, which is what
// makes a model of opaque pictures one of transparent ones without unlearning anything.
#ifndef LIMN_ENGINE_DRAW_ALPHA_H
#define LIMN_ENGINE_DRAW_ALPHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

// What a network cannot tell from nothing at all, of 255: alpha up to here is none, and from 255
// less this it is whole; and white, where alpha is none, down to 255 less the second.
enum { ALPHA_GRAIN = 10, ALPHA_WHITE_GRAIN = 24 };

// rgba (n,4), colours as they look on white, as a network drew them: without the grain.
void alpha_clean(uint8_t *rgba, size_t n);

// The outlines of two pictures that were enlarged apart lie within a pixel of each other: alpha of
// each pixel of rgba (height,width,4) becomes the least of those around it, so that no white is
// left outside a shape. What the colours need comes back to it (alpha_take_off_white()).
// ERR_MEMORY.
bool alpha_draw_in(uint8_t *rgba, int width, int height, struct err *err);

// rgba (n,4), colours C as they look on white -> the colours c themselves, not premultiplied:
// C = a c + (1 - a), all in [0,1]. As much alpha is added as the colours need, so that the picture
// on white stays as it was, to the rounding.
void alpha_take_off_white(uint8_t *rgba, size_t n);

// What an enlarger of opaque pictures can take of transparent ones: x (n,4) in [-1,1] as two
// pictures, its colours (n,3), and its alpha as a dark shape (n,3) on white; and back, alpha from
// the mean of the shape's channels.
void alpha_part(const float *x, size_t n, float *colours, float *shape);
void alpha_join(const float *colours, const float *shape, size_t n, float *x);

// pixels (n,channels), 3 or 4, as they look on white: rgb (n,3), which may be the same memory.
void alpha_lay_on_white(const uint8_t *pixels, size_t n, int channels, uint8_t *rgb);

#endif
