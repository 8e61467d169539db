// SPDX-License-Identifier: MIT
// Scales pictures to the size that a model takes, and back.
#ifndef LIMN_ENGINE_DRAW_RESIZE_H
#define LIMN_ENGINE_DRAW_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

// The largest centred part of rgb (height,width,3) with the shape of columns x rows, resampled to
// that size: out (rows,columns,3) f32 in [-1,1]. Cubic (a = -1/2), with its support widened when
// the picture shrinks so that every pixel counts, like Pillow's BICUBIC, with which the public
// models were trained. ERR_MEMORY.
bool resize_part(const uint8_t *rgb, int width, int height, int columns, int rows, float *out,
                 struct err *err);
// The same of a square.
bool resize_square(const uint8_t *rgb, int width, int height, int side, float *out,
                   struct err *err);

// The size of a picture of the same shape with at most `pixels` pixels, whose sides are rounded
// down to multiples of `grain`, at least one.
void resize_within(int width, int height, int64_t pixels, int grain, int *columns, int *rows);
// Reduces rgb (height,width,3) to at most so many pixels (Lanczos with three lobes, rounded to
// bytes, like Pillow's) and crops its centre: out (rows,columns,3) f32 in [-1,1], with the sides
// of resize_within(). ERR_MEMORY.
bool resize_cropped(const uint8_t *rgb, int width, int height, int64_t pixels, int columns,
                    int rows, float *out, struct err *err);

// in (from,from,channels) -> out (to,to,channels), bilinear with aligned corner pixels: the input
// of a super-resolution model of the Imagen family.
void resize_bilinear(const float *in, int from, int to, int channels, float *out);

// (rows,columns,3) -> (rows*times,columns*times,3): repeats each pixel in both directions.
void resize_repeat(const uint8_t *in, int rows, int columns, int times, uint8_t *out);

// n values in about [-1,1] to bytes, rounded; NaN becomes 0.
void resize_to_bytes(const float *in, size_t n, uint8_t *out);

#endif
