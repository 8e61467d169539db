// SPDX-License-Identifier: MIT
// Sixels for the canvas: strips of whole cells, each an image of its own with the same palette, so
// that text can be printed between two of them on a slow line.
#include <stdlib.h>
#include <string.h>

#include <sixel.h>

#include "engine/base/mem.h"
#include "renderer/canvas_encoder.h"

// Strips are as high as brings them near PIECE_BYTES, 4000 of them for the palette; for the first
// strip a byte per pixel is assumed, which is more than nearly all pictures take.
enum { PIECE_BYTES = 16000, BAND = 6 };

static void
cell_size(const struct term_info *term, int *width, int *height)
{
    *width = term->cell_width;
    *height = term->cell_height;
}

struct sixel_writer {
    struct canvas_bytes *out;
    bool begun;
};

// P2 = 1: what a strip leaves of its last cells stays as it is. With libsixel's own header some
// terminals fill it with a colour.
static int
write_sixels(char *data, int size, void *ctx)
{
    static const char theirs[] = "\033Pq", ours[] = "\033P0;1q";
    struct sixel_writer *w = ctx;
    int skip = 0;
    if (!w->begun && size >= 3 && memcmp(data, theirs, 3) == 0) {
        canvas_bytes_add(w->out, ours, sizeof ours - 1);
        skip = 3;
    }
    w->begun = true;
    canvas_bytes_add(w->out, data + skip, (size_t)(size - skip));
    return size;
}

// The background must have exactly the colour of the text beside it, not a similar one.
static void
keep_background(unsigned char *palette, int count, uint32_t background)
{
    enum { NEAR = 40 };
    int best = -1, least = NEAR;
    for (int i = 0; i < count; i++) {
        int far = abs(palette[3 * i] - (int)(background >> 16 & 255)) +
                  abs(palette[3 * i + 1] - (int)(background >> 8 & 255)) +
                  abs(palette[3 * i + 2] - (int)(background & 255));
        if (far < least) {
            least = far;
            best = i;
        }
    }
    for (int k = 0; best >= 0 && k < 3; k++)
        palette[3 * best + k] = (unsigned char)(background >> 8 * (2 - k));
}

// Palette colours have 5 bits per channel, and a tint of one step (8), near white of two, is
// visible: such colours become grey or white. The checkerboard behind transparent pictures is such
// a grey.
static void
snap_greys(unsigned char *palette, int count)
{
    enum { NEARLY_WHITE = 232, TWO_STEPS = 16, BRIGHT = 216, ONE_STEP = 9 };
    for (int i = 0; i < count; i++) {
        unsigned char *c = palette + 3 * i;
        int most = MAX(c[0], MAX(c[1], c[2])), least = MIN(c[0], MIN(c[1], c[2]));
        if (least >= BRIGHT && most - least <= (least >= NEARLY_WHITE ? TWO_STEPS : ONE_STEP))
            memset(c, most >= 247 ? 255 : most, 3);
    }
}

// The image with as much of the ground below it as gets a colour of its own: of a few columns of it
// at the edge libsixel's palette would keep none, and they would take the nearest of the picture's.
static struct image *
add_background(const struct canvas_drawing *d, const struct image *image)
{
    struct image *more = image_create(image->width, image->height + MAX(1, image->height / 4),
                                      IMAGE_RGB8, NULL);
    for (size_t i = 0; more && i < more->stride * (size_t)more->height; i++)
        more->pixels[i] = (uint8_t)(d->background >> 8 * (2 - i % 3));
    if (more)
        image_paste(more, image, 0, 0);
    return more;
}

static SIXELSTATUS
make_palette(const struct canvas_drawing *d, const struct image *rgb, sixel_dither_t **dither)
{
    int colours = MAX(16, MIN(d->term->colours, 256) >> 2 * d->coarseness);
    bool filled = rgb->width != d->image->width || rgb->height != d->image->height;
    struct image *more = filled ? add_background(d, rgb) : NULL;
    const struct image *seen = more ? more : rgb;
    SIXELSTATUS status = sixel_dither_new(dither, colours, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_dither_initialize(*dither, seen->pixels, seen->width, seen->height,
                                         SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_NORM,
                                         SIXEL_REP_AVERAGE_PIXELS,
                                         d->coarseness ? SIXEL_QUALITY_LOW : SIXEL_QUALITY_HIGH);
    image_unref(more);
    if (SIXEL_FAILED(status))
        return status;
    // libsixel chooses its palette from colours cut to 5 bits, whose white is 248: the lost bits
    // are put back, so that 0 stays 0 and 248 becomes 255.
    unsigned char *palette = sixel_dither_get_palette(*dither);
    for (int i = 0; i < 3 * sixel_dither_get_num_of_palette_colors(*dither); i++)
        palette[i] = (unsigned char)(palette[i] | palette[i] >> 5);
    snap_greys(palette, sixel_dither_get_num_of_palette_colors(*dither));
    keep_background(palette, sixel_dither_get_num_of_palette_colors(*dither), d->background);
    // Error diffusion helps where colours are few; otherwise it only makes more bytes.
    sixel_dither_set_diffusion_type(*dither, colours >= 64 ? SIXEL_DIFFUSE_NONE : SIXEL_DIFFUSE_FS);
    return status;
}

// The picture on whole cells, the rest of them in the background's colour: mlterm fills what a
// picture leaves of its last cells with white, and libsixel begins what is lower than a band with
// an empty band.
static struct image *
fill_cells(const struct canvas_drawing *d, struct err *err)
{
    int width = d->term->cell_width, height = d->term->cell_height;
    struct image *whole =
        image_create((d->image->width + width - 1) / width * width,
                     MAX(d->image->height + height - 1, BAND) / height * height, IMAGE_RGB8, err);
    for (size_t i = 0; whole && i < whole->stride * (size_t)whole->height; i++)
        whole->pixels[i] = (uint8_t)(d->background >> 8 * (2 - i % 3));
    if (whole)
        image_paste(whole, d->image, 0, 0);
    return whole;
}

static SIXELSTATUS
encode_strip(const struct canvas_drawing *d, struct image *image, sixel_dither_t *dither, int y,
             int height, struct canvas_bytes *out)
{
    // The position is saved and restored: terminals differ in where they leave the cursor after a
    // sixel.
    canvas_bytes_move_to(out, d, y / d->term->cell_height);
    sixel_output_t *output = NULL;
    struct sixel_writer writer = {.out = out};
    SIXELSTATUS status = sixel_output_new(&output, write_sixels, &writer, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_encode(image_row(image, y), image->width, height, 3, dither, output);
    if (output)
        sixel_output_unref(output);
    canvas_bytes_printf(out, "\0338");
    canvas_bytes_end_piece(out);
    return status;
}

// tmux keeps a sixel image itself: it rounds the height up to bands, erases the cells that these
// take, and scales what it draws to the bands that fit into these cells. So images are whole in
// both cells and bands, and the last one may overlap the one before. It keeps only ten images: no
// strips.
static SIXELSTATUS
encode_for_tmux(const struct canvas_drawing *d, struct image *image, sixel_dither_t *dither,
                struct canvas_bytes *out)
{
    int cell = d->term->cell_height, unit = cell;
    while (unit % BAND)
        unit += cell;
    int rest = image->height % unit, whole = image->height - rest;
    if (whole == 0) { // the bands that fit; tmux leaves the rest empty
        whole = image->height < BAND ? image->height : image->height / BAND * BAND;
        rest = 0;
    }
    SIXELSTATUS status = encode_strip(d, image, dither, 0, whole, out);
    if (SIXEL_SUCCEEDED(status) && rest)
        status = encode_strip(d, image, dither, image->height - unit, unit, out);
    return status;
}

static SIXELSTATUS
encode_in_strips(const struct canvas_drawing *d, struct image *image, sixel_dither_t *dither,
                 struct canvas_bytes *out)
{
    SIXELSTATUS status = SIXEL_OK;
    int cell = d->term->cell_height, y = 0,
        least = MAX(PIECE_BYTES / image->width, BAND),
        strip = d->whole ? image->height : (least + cell - 1) / cell * cell;
    while (SIXEL_SUCCEEDED(status) && y < image->height) {
        size_t before = out->size;
        int height = MIN(strip, image->height - y);
        if (image->height - y - height < BAND)
            height = image->height - y;
        status = encode_strip(d, image, dither, y, height, out);
        y += height;
        // The next strip's height is estimated from this one's bytes per row.
        int rows = (height + cell - 1) / cell;
        size_t row_bytes = MAX(1, (out->size - before) / (size_t)rows);
        strip = MAX(strip, cell * (int)(PIECE_BYTES / row_bytes));
    }
    return status;
}

static bool
encode(const struct canvas_drawing *d, struct canvas_bytes *out, struct err *err)
{
    sixel_dither_t *dither = NULL;
    struct image *image = fill_cells(d, err);
    if (!image)
        return false;
    SIXELSTATUS status = make_palette(d, image, &dither);
    if (SIXEL_SUCCEEDED(status) && d->term->multiplexer)
        status = encode_for_tmux(d, image, dither, out);
    else if (SIXEL_SUCCEEDED(status))
        status = encode_in_strips(d, image, dither, out);
    if (dither)
        sixel_dither_unref(dither);
    image_unref(image);
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
