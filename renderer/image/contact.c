// SPDX-License-Identifier: MIT
#include "renderer/image/contact.h"

#include <string.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { GAP = 8, LABEL_HEIGHT = 18, WHITE = 0xFFFFFF };

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

struct image *
contact_sheet(const struct contact_cell *cells, int count, int columns, int side, struct err *err)
{
    int across = MAX(1, MIN(columns, count)), down = (count + across - 1) / across,
        tile = side + LABEL_HEIGHT;
    struct image *sheet =
        image_create(GAP + across * (side + GAP), GAP + down * (tile + GAP), IMAGE_RGB8, err);
    bool ok = sheet != NULL;
    if (ok)
        memset(sheet->pixels, 255, sheet->stride * (size_t)sheet->height);
    for (int i = 0; ok && i < count; i++) {
        int x = GAP + i % across * (side + GAP), y = GAP + i / across * (tile + GAP);
        if (cells[i].image)
            ok = put_picture(sheet, cells[i].image, x, y, side, err);
        struct image *label = ok && cells[i].label && *cells[i].label
                                  ? codec_text(cells[i].label, side, LABEL_HEIGHT, err)
                                  : NULL;
        if (label)
            image_paste(sheet, label, x, y + side);
        ok = ok && (label || !cells[i].label || !*cells[i].label);
        image_unref(label);
    }
    if (!ok) {
        image_unref(sheet);
        sheet = NULL;
    }
    return sheet;
}
