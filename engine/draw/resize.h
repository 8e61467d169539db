// SPDX-License-Identifier: MIT
// Pictures people give to the size a model takes, and back.
#ifndef LIMN_ENGINE_DRAW_RESIZE_H
#define LIMN_ENGINE_DRAW_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

// The largest centred part of rgb (height,width,3) that has the shape of columns x rows, resampled
// to that: out (rows,columns,3) f32 in [-1,1]. Cubic (a = -1/2) with its support widened when the
// picture shrinks, so that every pixel counts: what Pillow's BICUBIC does, with which the public
// models were trained. ERR_MEMORY.
bool resize_part(const uint8_t *rgb, int width, int height, int columns, int rows, float *out,
                 struct err *err);
// The same of a square.
bool resize_square(const uint8_t *rgb, int width, int height, int side, float *out,
                   struct err *err);

// The size of a picture that shall have at most `pixels` of them, its shape kept, and sides that
// are multiples of `grain`, rounded down, of at least one.
void resize_within(int width, int height, int64_t pixels, int grain, int *columns, int *rows);
// rgb (height,width,3) made smaller until it has at most so many pixels (Lanczos, three lobes, as
// Pillow's, to whole numbers), and of that the centre: out (rows,columns,3) f32 in [-1,1], sides of
// resize_within(). ERR_MEMORY.
bool resize_cropped(const uint8_t *rgb, int width, int height, int64_t pixels, int columns,
                    int rows, float *out, struct err *err);

// in (from,from,channels) -> out (to,to,channels), bilinear with corner pixels on corner pixels:
// the enlargement a super-resolution model of the Imagen family is given.
void resize_bilinear(const float *in, int from, int to, int channels, float *out);

// (rows,columns,3) -> (rows*times,columns*times,3): each pixel `times` times in both directions.
void resize_repeat(const uint8_t *in, int rows, int columns, int times, uint8_t *out);

// n values in about [-1,1] to bytes, rounded; NaN becomes 0.
void resize_to_bytes(const float *in, size_t n, uint8_t *out);

#endif
