// SPDX-License-Identifier: MIT
// Pictures with alpha. A network draws their colours composed on white, and alpha as a fourth
// channel, so that a model of opaque pictures can learn transparent ones without unlearning
// anything.
#ifndef LIMN_ENGINE_DRAW_ALPHA_H
#define LIMN_ENGINE_DRAW_ALPHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

// Thresholds for the network's noise, in steps of 1/255: alpha up to ALPHA_GRAIN becomes 0, and
// from 255 - ALPHA_GRAIN on 255. Where alpha is 0, colours from 255 - ALPHA_WHITE_GRAIN on are
// white.
enum { ALPHA_GRAIN = 10, ALPHA_WHITE_GRAIN = 24 };

// Removes that noise from rgba (n,4), colours on white, as a network drew them.
void alpha_clean(uint8_t *rgba, size_t n);

// Colours and alpha that were enlarged separately have outlines up to a pixel apart. Each alpha of
// rgba (height,width,4) becomes the minimum of its neighbourhood, so that no white is left outside
// a shape; alpha_take_off_white() restores what the colours need. ERR_MEMORY.
bool alpha_draw_in(uint8_t *rgba, int width, int height, struct err *err);

// rgba (n,4): colours C on white -> straight (not premultiplied) colours c, where
// C = a c + (1 - a), all in [0,1]. Alpha is raised where the colours need it, so that the picture
// on white stays the same up to rounding.
void alpha_take_off_white(uint8_t *rgba, size_t n);

// Splits x (n,4) in [-1,1] into two pictures for an enlarger of opaque pictures: its colours (n,3),
// and its alpha as a dark shape (n,3) on white. alpha_join() is the inverse; it takes alpha from
// the mean of the shape's channels.
void alpha_part(const float *x, size_t n, float *colours, float *shape);
void alpha_join(const float *colours, const float *shape, size_t n, float *x);

// Composites pixels (n,channels), 3 or 4 channels, on white: rgb (n,3), which may be the same
// memory.
void alpha_lay_on_white(const uint8_t *pixels, size_t n, int channels, uint8_t *rgb);

#endif
