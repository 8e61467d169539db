// SPDX-License-Identifier: MIT
// The part of the codec that draws letters: labels of sheets, and the cells of a screen.
#include <stdlib.h>
#include <string.h>

#include <vips/vips.h>
#undef MIN // GLib's, which mean the same
#undef MAX

#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { OVERSIZE = 2 }; // letters are drawn this many times as large as their cell, then reduced

// One channel, white letters on black. NULL: the system has no letters.
static VipsImage *
render_text(const char *text, const char *font)
{
    VipsImage *out = NULL;
    char *valid = g_utf8_make_valid(text, -1), *escaped = g_markup_escape_text(valid, -1);
    if (*escaped && vips_text(&out, escaped, "font", font, "dpi", 72, NULL)) {
        vips_error_clear();
        out = NULL;
    }
    g_free(escaped);
    g_free(valid);
    return out;
}

static VipsImage *
render_label(const char *text, int height)
{
    char font[32];
    g_snprintf(font, sizeof font, "sans %d", MAX(6, height * 5 / 9));
    return render_text(text, font);
}

// As many letters of both ends as fit, found by bisection: paths and numbers often differ at the
// end.
static VipsImage *
fit_label(const char *text, int width, int height)
{
    VipsImage *best = render_label(text, height);
    if (!best || vips_image_get_width(best) <= width)
        return best;
    g_object_unref(best);
    best = NULL;
    char *valid = g_utf8_make_valid(text, -1);
    glong length = g_utf8_strlen(valid, -1), low = 0, high = length;
    while (high - low > 1) {
        glong middle = (low + high) / 2;
        char *start = g_utf8_substring(valid, 0, middle - middle / 2);
        const char *end = g_utf8_offset_to_pointer(valid, length - middle / 2);
        char *cut = g_strconcat(start, "\u2026", end, NULL);
        VipsImage *one = render_label(cut, height);
        if (one && vips_image_get_width(one) <= width) {
            low = middle;
            if (best)
                g_object_unref(best);
            best = one;
        } else {
            high = middle;
            if (one)
                g_object_unref(one);
        }
        g_free(start);
        g_free(cut);
    }
    g_free(valid);
    return best;
}

// Takes over v, which may be NULL.
static struct image *
coverage(VipsImage *v)
{
    size_t size = 0;
    uint8_t *data = v ? vips_image_write_to_memory(v, &size) : NULL;
    struct image *out = NULL;
    if (data && vips_image_get_bands(v) == 1)
        out = image_create(vips_image_get_width(v), vips_image_get_height(v), IMAGE_GRAY8, NULL);
    for (int y = 0; out && y < out->height; y++)
        memcpy(image_row(out, y), data + (size_t)y * (size_t)out->width, (size_t)out->width);
    vips_error_clear();
    g_free(data);
    if (v)
        g_object_unref(v);
    return out;
}

struct image *
codec_text(const char *text, int width, int height, struct err *err)
{
    struct image *out = codec_start(err) ? image_create(width, height, IMAGE_RGB8, err) : NULL;
    if (!out)
        return NULL;
    memset(out->pixels, 255, out->stride * (size_t)height);
    struct image *mask = coverage(fit_label(text, width, height));
    int left = mask ? MAX(0, (width - mask->width) / 2) : 0;
    int top = mask ? MAX(0, (height - mask->height) / 2) : 0;
    for (int y = 0; mask && y < MIN(mask->height, height); y++)
        for (int x = 0; x < MIN(mask->width, width); x++)
            memset(image_row(out, y + top) + (size_t)(x + left) * 3, 255 - image_row(mask, y)[x],
                   3);
    image_unref(mask);
    return out;
}

// libvips crops a line of text to its ink: full blocks at both ends keep the line's height, and the
// place of what is between them. The character stands there three times, and the middle one is
// taken: where the font's width is no whole number of pixels the blocks reach into their
// neighbours, and lines such as ─ end within their cell.
static struct image *
render_character(const char *character, int height, bool bold)
{
    static const char block[] = "\u2588";
    char font[48], text[64];
    g_snprintf(font, sizeof font, "monospace %s%d", bold ? "bold " : "", height * OVERSIZE * 5 / 6);
    g_snprintf(text, sizeof text, "%s%s", block, block);
    struct image *blocks = coverage(render_text(text, font));
    g_snprintf(text, sizeof text, "%s%.16s%.16s%.16s%s", block, character, character, character,
               block);
    struct image *line = blocks ? coverage(render_text(text, font)) : NULL;
    int width = line ? (line->width - blocks->width + 1) / 3 : 0;
    int left = blocks ? blocks->width / 2 + width : 0;
    struct image *out = width > 0 ? image_crop(line, left, 0, width, line->height, NULL) : NULL;
    image_unref(blocks);
    image_unref(line);
    return out;
}

struct image *
codec_glyph(const char *character, int width, int height, bool bold, struct err *err)
{
    struct image *large = codec_start(err) ? render_character(character, height, bold) : NULL;
    struct image *out = large ? codec_reduce(large, width, height, err) : NULL;
    image_unref(large);
    return out ? out : image_create(width, height, IMAGE_GRAY8, err);
}
