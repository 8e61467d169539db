// SPDX-License-Identifier: MIT
// Pictures with alpha: a network draws them laid on white, with the alpha beside it, which is what
// makes a model of opaque pictures one of transparent ones without unlearning anything.
#ifndef LIMN_ENGINE_DRAW_ALPHA_H
#define LIMN_ENGINE_DRAW_ALPHA_H

#include <stddef.h>
#include <stdint.h>

// What a network cannot tell from nothing at all, of 255: alpha up to here is none, and from 255
// less this it is whole.
enum { ALPHA_GRAIN = 10 };

// rgba (n,4), colours as they look on white, as a network drew them: without the grain.
void alpha_clean(uint8_t *rgba, size_t n);

// rgba (n,4), colours C as they look on white -> the colours c themselves, not premultiplied:
// C = a c + (1 - a), all in [0,1]. As much alpha is added as the colours need, so that the picture
// on white stays as it was, to the rounding.
void alpha_take_off_white(uint8_t *rgba, size_t n);

// pixels (n,channels), 3 or 4, as they look on white: rgb (n,3), which may be the same memory.
void alpha_lay_on_white(const uint8_t *pixels, size_t n, int channels, uint8_t *rgb);

#endif
