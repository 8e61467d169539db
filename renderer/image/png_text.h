// SPDX-License-Identifier: MIT
// Text chunks of PNG files (PNG specification 11.3.3): writes zTXt (ASCII) and iTXt, also reads
// tEXt.
#ifndef LIMN_RENDERER_IMAGE_PNG_TEXT_H
#define LIMN_RENDERER_IMAGE_PNG_TEXT_H

#include <stddef.h>

#include "engine/base/err.h"

// A copy of the PNG with the texts (pairs keyword, UTF-8, …, NULL) as compressed chunks before
// its picture data. Freed with free().
void *png_text_insert(const void *png, size_t size, const char *const *texts, size_t *out_size,
                      struct err *err);

// Text of the keyword; NULL and no error when there is none. Chunks with wrong checksums, lengths
// past the end, or texts over `limit` bytes are errors. Freed with free().
char *png_text_find(const void *png, size_t size, const char *name, const char *keyword,
                    size_t limit, struct err *err);

// A copy of the PNG without any text: the picture alone. ERR_INPUT if a chunk reaches past the end.
// Freed with free().
void *png_text_remove(const void *png, size_t size, size_t *out_size, struct err *err);

#endif
