// SPDX-License-Identifier: MIT
#include "app/job/contact_sheet.h"

#include <string.h>

#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/image/resize.h"

enum { GAP = 8, LABEL_HEIGHT = 18, HEAD_WIDTH = 140, WHITE = 0xFFFFFF };

struct sheet {
    struct image *image;
    struct look_child *letters;
    int side;      // of a tile
    int row;       // from one row of tiles to the next
    int left, top; // where the first tile's corner is
};

static bool
put_picture(struct sheet *s, struct image *picture, int x, int y, struct err *err)
{
    int longer = MAX(picture->width, picture->height), factor = MAX(1, s->side / longer);
    double f = longer * factor <= s->side ? factor : (double)s->side / longer;
    int w = MAX(1, (int)(picture->width * f + 0.5)), h = MAX(1, (int)(picture->height * f + 0.5));
    struct image *rgb = image_convert(picture, IMAGE_RGB8, WHITE, err);
    struct image *fit = rgb ? image_resize(rgb, w, h, IMAGE_STRETCH, WHITE, err) : NULL;
    if (fit)
        image_paste(s->image, fit, x + (s->side - w) / 2, y + (s->side - h) / 2);
    bool ok = fit != NULL;
    image_unref(rgb);
    image_unref(fit);
    return ok;
}

// False: the label cannot be drawn.
static bool
put_text(struct sheet *s, const char *text, int x, int y, int width, struct err *err)
{
    struct image *label =
        text && *text ? look_child_text(s->letters, text, width, LABEL_HEIGHT, err) : NULL;
    if (label)
        image_paste(s->image, label, x, y);
    image_unref(label);
    return label || !text || !*text;
}

static bool
put_heads(struct sheet *s, const struct contact_heads *heads, int across, int down, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && heads->columns && i < across; i++)
        ok = put_text(s, heads->columns[i], s->left + i * (s->side + GAP), GAP, s->side, err);
    for (int i = 0; ok && heads->rows && i < down; i++)
        ok = put_text(s, heads->rows[i], GAP,
                      s->top + i * s->row + (s->side - LABEL_HEIGHT) / 2,
                      HEAD_WIDTH, err);
    return ok;
}

static bool
put_cell(struct sheet *s, const struct contact_cell *cell, int column, int row, struct err *err)
{
    int x = s->left + column * (s->side + GAP), y = s->top + row * s->row;
    return (!cell->image || put_picture(s, cell->image, x, y, err)) &&
           put_text(s, cell->label, x, y + s->side, s->side, err);
}

static bool
have_labels(const struct contact_cell *cells, int count)
{
    for (int i = 0; i < count; i++)
        if (cells[i].label && *cells[i].label)
            return true;
    return false;
}

struct image *
contact_sheet(const struct contact_cell *cells, int count, int columns, int side,
              const struct contact_heads *heads, struct err *err)
{
    static const struct contact_heads none = {NULL, NULL};
    int across = MAX(1, MIN(columns, count)), down = (count + across - 1) / across;
    heads = heads ? heads : &none;
    struct sheet s = {.side = side, .row = side + GAP,
                      .left = GAP + (heads->rows ? HEAD_WIDTH + GAP : 0),
                      .top = GAP + (heads->columns ? LABEL_HEIGHT + GAP : 0)};
    s.row += have_labels(cells, count) ? LABEL_HEIGHT : 0;
    s.image = image_create(s.left + across * (side + GAP), s.top + down * s.row, IMAGE_RGB8, err);
    if (!s.image)
        return NULL;
    memset(s.image->pixels, 255, s.image->stride * (size_t)s.image->height);
    s.letters = look_child_open(NULL);
    bool ok = put_heads(&s, heads, across, down, err);
    for (int i = 0; ok && i < count; i++)
        ok = put_cell(&s, &cells[i], i % across, i / across, err);
    look_child_close(s.letters);
    if (!ok) {
        image_unref(s.image);
        s.image = NULL;
    }
    return s.image;
}
