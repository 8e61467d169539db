// SPDX-License-Identifier: MIT
#include "renderer/image/contact.h"

#include <string.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { GAP = 8, LABEL_HEIGHT = 18, HEAD_WIDTH = 140, WHITE = 0xFFFFFF };

static bool
put_picture(struct image *sheet, struct image *picture, int x, int y, int side, struct err *err)
{
    int longer = MAX(picture->width, picture->height), factor = MAX(1, side / longer);
    double f = longer * factor <= side ? factor : (double)side / longer;
    int w = MAX(1, (int)(picture->width * f + 0.5)), h = MAX(1, (int)(picture->height * f + 0.5));
    struct image *rgb = image_convert(picture, IMAGE_RGB8, WHITE, err);
    struct image *fit = rgb ? codec_resize(rgb, w, h, CODEC_STRETCH, WHITE, err) : NULL;
    if (fit)
        image_paste(sheet, fit, x + (side - w) / 2, y + (side - h) / 2);
    bool ok = fit != NULL;
    image_unref(rgb);
    image_unref(fit);
    return ok;
}

// False: a label was asked for and cannot be made.
static bool
put_text(struct image *sheet, const char *text, int x, int y, int width, struct err *err)
{
    struct image *label =
        text && *text ? codec_text(text, width, LABEL_HEIGHT, err) : NULL;
    if (label)
        image_paste(sheet, label, x, y);
    image_unref(label);
    return label || !text || !*text;
}

static bool
put_heads(struct image *sheet, const struct contact_heads *heads, int across, int down, int side,
          struct err *err)
{
    int left = heads->rows ? HEAD_WIDTH + GAP : 0, top = heads->columns ? LABEL_HEIGHT + GAP : 0;
    bool ok = true;
    for (int i = 0; ok && heads->columns && i < across; i++)
        ok = put_text(sheet, heads->columns[i], left + GAP + i * (side + GAP), GAP, side, err);
    for (int i = 0; ok && heads->rows && i < down; i++)
        ok = put_text(sheet, heads->rows[i], GAP,
                      top + GAP + i * (side + LABEL_HEIGHT + GAP) + (side - LABEL_HEIGHT) / 2,
                      HEAD_WIDTH, err);
    return ok;
}

static bool
put_cell(struct image *sheet, const struct contact_cell *cell, int x, int y, int side,
         struct err *err)
{
    return (!cell->image || put_picture(sheet, cell->image, x, y, side, err)) &&
           put_text(sheet, cell->label, x, y + side, side, err);
}

struct image *
contact_sheet(const struct contact_cell *cells, int count, int columns, int side,
              const struct contact_heads *heads, struct err *err)
{
    static const struct contact_heads none = {NULL, NULL};
    int across = MAX(1, MIN(columns, count)), down = (count + across - 1) / across,
        tile = side + LABEL_HEIGHT;
    heads = heads ? heads : &none;
    int left = heads->rows ? HEAD_WIDTH + GAP : 0, top = heads->columns ? LABEL_HEIGHT + GAP : 0;
    struct image *sheet = image_create(left + GAP + across * (side + GAP),
                                       top + GAP + down * (tile + GAP), IMAGE_RGB8, err);
    bool ok = sheet != NULL;
    if (ok) {
        memset(sheet->pixels, 255, sheet->stride * (size_t)sheet->height);
        ok = put_heads(sheet, heads, across, down, side, err);
    }
    for (int i = 0; ok && i < count; i++)
        ok = put_cell(sheet, &cells[i], left + GAP + i % across * (side + GAP),
                      top + GAP + i / across * (tile + GAP), side, err);
    if (!ok) {
        image_unref(sheet);
        sheet = NULL;
    }
    return sheet;
}
