// SPDX-License-Identifier: MIT
// The kitty graphics protocol: pixels, deflated (o=z) and in base 64, which the terminal keeps
// under an id of ours.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "engine/base/base64.h"
#include "engine/base/mem.h"
#include "renderer/canvas_encoder.h"

enum {
    CHUNK = 3072,           // bytes in one sequence (4096 in base 64)
    FIRST_NUMBER = 0x6c696d, // of our ids, so that other programs' pictures are left alone
};

static void
cell_size(const struct term_info *term, int *width, int *height)
{
    *width = term->cell_width;
    *height = term->cell_height;
}

static bool
add_base64(struct canvas_bytes *out, const uint8_t *p, size_t n, struct err *err)
{
    char *text = base64_encode(p, n, err);
    if (text)
        canvas_bytes_add(out, text, strlen(text));
    free(text);
    return text != NULL;
}

// The pixels as a zlib stream (RFC 1950), freed with free(): the fastest level, which reduces icons
// to a tenth and photographs to two thirds.
static uint8_t *
deflated(const struct image *rgb, size_t *size, struct err *err)
{
    size_t row = (size_t)rgb->width * 3, total = row * (size_t)rgb->height;
    uLongf used = compressBound(total);
    uint8_t *pixels = mem_alloc(total), *out = mem_alloc(used);
    for (int y = 0; y < rgb->height; y++)
        memcpy(pixels + (size_t)y * row, image_row(rgb, y), row);
    int failed = compress2(out, &used, pixels, total, Z_BEST_SPEED);
    free(pixels);
    *size = used;
    if (failed == Z_OK)
        return out;
    free(out);
    err_set(err, ERR_MEMORY, "not enough memory to send a picture");
    return NULL;
}

// Chunks of one picture must not be interleaved with another picture's, but text may come between
// them; a placement at the end shows all of it at once. q=2: the terminal does not answer.
static bool
encode(const struct canvas_drawing *d, struct canvas_bytes *out, struct err *err)
{
    const struct image *rgb = d->image;
    size_t total = 0, sent = 0;
    uint8_t *pixels = deflated(rgb, &total, err);
    bool ok = pixels != NULL;
    while (ok && sent < total) {
        size_t n = MIN((size_t)CHUNK, total - sent);
        bool last = sent + n == total;
        if (sent == 0)
            canvas_bytes_printf(out, "\033_Ga=t,q=2,f=24,o=z,s=%d,v=%d,i=%d,m=%d;", rgb->width,
                                rgb->height, FIRST_NUMBER + d->slot, !last);
        else
            canvas_bytes_printf(out, "\033_Gm=%d;", !last);
        ok = add_base64(out, pixels + sent, n, err);
        canvas_bytes_printf(out, "\033\\");
        sent += n;
        canvas_bytes_end_piece(out);
    }
    // p=1: a placement of the same number is replaced without a flash. C=1: the cursor stays.
    canvas_bytes_move_to(out, d, 0);
    canvas_bytes_printf(out, "\033_Ga=p,q=2,i=%d,p=1,C=1\033\\\0338", FIRST_NUMBER + d->slot);
    canvas_bytes_end_piece(out);
    free(pixels);
    return ok;
}

static void
erase(int slot, struct canvas_bytes *out)
{
    canvas_bytes_printf(out, "\033_Ga=d,d=I,q=2,i=%d\033\\", FIRST_NUMBER + slot);
    canvas_bytes_end_piece(out);
}

// Until a last chunk comes, kitty takes the chunks of any other picture for more of this one.
static void
abandon(struct canvas_bytes *out)
{
    canvas_bytes_printf(out, "\033_Gm=0,q=2;\033\\");
    canvas_bytes_end_piece(out);
}

const struct canvas_encoder canvas_encoder_kitty = {
    .kind = CANVAS_KITTY,
    .cell_size = cell_size,
    .encode = encode,
    .erase = erase,
    .abandon = abandon,
};
