// SPDX-License-Identifier: MIT
// Sixels for the canvas: strips of whole cells, each an image of its own with the same palette, so that
// text can be printed between two of them on a slow line.
#include <stdlib.h>
#include <string.h>

#include <sixel.h>

#include "engine/base/mem.h"
#include "renderer/canvas_encoder.h"

// Strips are made so high that they come near so many bytes, of which a palette takes 4000.
enum { PIECE_BYTES = 16000, BAND = 6 };

static void
cell_size(const struct term_info *term, int *width, int *height)
{
    *width = term->cell_width;
    *height = term->cell_height;
}

static int
on_sixels(char *data, int size, void *ctx)
{
    canvas_bytes_add(ctx, data, (size_t)size);
    return size;
}

static SIXELSTATUS
make_palette(const struct canvas_drawing *d, sixel_dither_t **dither)
{
    const struct image *rgb = d->image;
    int colours = MAX(16, MIN(d->term->colours, 256) >> 2 * d->coarseness);
    SIXELSTATUS status = sixel_dither_new(dither, colours, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_dither_initialize(*dither, rgb->pixels, rgb->width, rgb->height,
                                         SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_NORM,
                                         SIXEL_REP_CENTER_BOX, SIXEL_QUALITY_LOW);
    if (SIXEL_FAILED(status))
        return status;
    // libsixel chooses its palette from colours cut to 5 bits, whose white is 248: what was cut off is
    // put back, so that 0 stays 0 and 248 becomes 255.
    unsigned char *palette = sixel_dither_get_palette(*dither);
    for (int i = 0; i < 3 * sixel_dither_get_num_of_palette_colors(*dither); i++)
        palette[i] = (unsigned char)(palette[i] | palette[i] >> 5);
    // Error diffusion helps where colours are few; otherwise it only makes more bytes.
    sixel_dither_set_diffusion_type(*dither, colours >= 64 ? SIXEL_DIFFUSE_NONE : SIXEL_DIFFUSE_FS);
    return status;
}

// libsixel begins what is lower than a band with an empty one: such a picture gets rows of the ground.
static SIXELSTATUS
encode_low(const struct canvas_drawing *d, sixel_dither_t *dither, int y, int height, sixel_output_t *output)
{
    size_t row = 3 * (size_t)d->image->width;
    unsigned char *pixels = mem_alloc(row * BAND);
    memcpy(pixels, image_row(d->image, y), row * (size_t)height);
    for (size_t i = row * (size_t)height; i < row * BAND; i++)
        pixels[i] = (unsigned char)(d->background >> 8 * (2 - i % 3));
    SIXELSTATUS status = sixel_encode(pixels, d->image->width, BAND, 3, dither, output);
    free(pixels);
    return status;
}

static SIXELSTATUS
encode_strip(const struct canvas_drawing *d, sixel_dither_t *dither, int y, int height,
             struct canvas_bytes *out)
{
    // The position is saved and restored: where a terminal leaves its cursor after a sixel differs.
    canvas_bytes_printf(out, "\0337\033[%d;%dH", d->rect.row + y / d->term->cell_height + 1,
                        d->rect.column + 1);
    sixel_output_t *output = NULL;
    SIXELSTATUS status = sixel_output_new(&output, on_sixels, out, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = height < BAND ? encode_low(d, dither, y, height, output)
                               : sixel_encode(image_row(d->image, y), d->image->width, height, 3, dither, output);
    if (output)
        sixel_output_unref(output);
    canvas_bytes_printf(out, "\0338");
    canvas_bytes_end_piece(out);
    return status;
}

static bool
encode(const struct canvas_drawing *d, struct canvas_bytes *out, struct err *err)
{
    sixel_dither_t *dither = NULL;
    SIXELSTATUS status = make_palette(d, &dither);
    int cell = d->term->cell_height, strip = cell, y = 0;
    while (SIXEL_SUCCEEDED(status) && y < d->image->height) {
        size_t before = out->size;
        int height = MIN(strip, d->image->height - y);
        if (d->image->height - y - height < BAND)
            height = d->image->height - y;
        status = encode_strip(d, dither, y, height, out);
        y += height;
        // The next strip as high as this one's bytes let hope.
        int rows = (height + cell - 1) / cell;
        size_t row_bytes = MAX(1, (out->size - before) / (size_t)rows);
        strip = cell * MAX(1, (int)(PIECE_BYTES / row_bytes));
    }
    if (dither)
        sixel_dither_unref(dither);
    if (SIXEL_FAILED(status))
        return err_set(err, ERR_IO, "a picture cannot be drawn: %s",
                       sixel_helper_format_error(status));
    return true;
}

const struct canvas_encoder canvas_encoder_sixel = {
    .kind = CANVAS_SIXEL,
    .cell_size = cell_size,
    .encode = encode,
};
