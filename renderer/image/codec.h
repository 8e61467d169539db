// SPDX-License-Identifier: MIT
// Picture files: every format libvips reads, PNG and WebP out. All use of libvips is behind it.
//
// Formats are recognised by content, never by suffix. Sizes are checked before pixels are decoded;
// a truncated file is an error. The result is 8-bit sRGB, upright (EXIF), the first frame of an
// animation. Any thread. libvips starts with the first call that needs it, which fails with ERR_IO
// if it cannot start.
//
// Decoders are where untrusted bytes do harm, and libvips and GLib end a process that runs out of
// memory: the program decodes, reduces and draws letters only in a child of the sandbox
// (loaders/look.h). What libvips calls untrusted is switched off, except for SVG, PNM and BMP;
// docs/security.md has the list. Encoding uses neither library (codec_encode.c).
#ifndef LIMN_RENDERER_IMAGE_CODEC_H
#define LIMN_RENDERER_IMAGE_CODEC_H

#include "renderer/image/image.h"

// Starts libvips now rather than at the first call that needs it.
bool codec_start(struct err *err);

struct codec_options {
    bool png; // only a PNG
    // Vector drawings (SVG) are rendered at the size they declare, but their longer side has at
    // least vector_least and at most vector_most pixels; 0: no bound.
    int vector_least, vector_most;
};
// RGB8, or RGBA8 where the file has alpha. `name` starts the errors. ERR_INPUT for bad files.
// `options` may be NULL.
struct image *codec_decode(const void *data, size_t size, const char *name,
                           const struct codec_options *options, struct err *err);

// Whether the bytes begin like a picture of a supported kind; calls no decoder. ERR_INPUT.
bool codec_recognise(const void *data, size_t size, const char *name, struct err *err);

// Whether the head is that of a picture that can be read; no pixels are decoded. ERR_INPUT says why
// not.
bool codec_check_in(const void *data, size_t size, const char *name, struct err *err);

// Whether the bytes may be a vector drawing, which can be short and yet costly. Looks only at the
// beginning, decodes nothing.
bool codec_is_vector(const void *data, size_t size);

// Resizes to exactly width x height: Lanczos with three lobes, after averaging for large
// reductions, which is fast for photographs; alpha premultiplied. ERR_INPUT, ERR_MEMORY.
struct image *codec_reduce(const struct image *image, int width, int height, struct err *err);

// Letters. pango and fontconfig draw them, and end the process if they get no memory: the program
// does this only in the sandbox (loaders/look.h), with the system's fonts. One line of text in
// sans-serif letters, black on white, in a picture of that size; with an ellipsis in the middle if
// it is too long. RGB8.
struct image *codec_text(const char *text, int width, int height, struct err *err);
// One character in fixed-width letters, as it fills the cell of a screen: GRAY8, 255 where there is
// ink; empty if the system has no such letter.
struct image *codec_glyph(const char *character, int width, int height, bool bold, struct err *err);

// PNG in memory, freed with free(). `texts`: pairs keyword, UTF-8 text, …, NULL; may be NULL. Keys
// are 1 to 79 Latin-1 characters. Stored compressed (zTXt, or iTXt where they are not ASCII).
void *codec_encode_png(const struct image *image, const char *const *texts, size_t *size,
                       struct err *err);
// The same to a file that appears whole or not at all.
bool codec_write_png(const struct image *image, const char *path, const char *const *texts,
                     struct err *err);

// WebP of an RGB8 picture in memory, nothing but the picture in it, freed with free(): quality 0
// to 100.
void *codec_encode_webp(const struct image *image, int quality, size_t *size, struct err *err);

// Text of a keyword in a PNG (tEXt, zTXt or iTXt), freed with free(). NULL without error set: there
// is none. A damaged file or chunk is an error.
char *codec_png_text(const char *path, const char *keyword, struct err *err);
char *codec_png_text_in(const void *data, size_t size, const char *name, const char *keyword,
                        struct err *err);

#endif
