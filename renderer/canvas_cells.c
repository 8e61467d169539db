// SPDX-License-Identifier: MIT
// Pictures out of characters and colours, for every terminal: libchafa chooses them; only this file
// uses it.
#include <stdlib.h>
#include <string.h>

#include <chafa.h>

#include "renderer/canvas_encoder.h"

// Pixels per cell for libchafa: enough to tell the shapes of symbols.
static void
cell_size(const struct term_info *term, int *width, int *height)
{
    (void)term;
    *width = 8;
    *height = 16;
}

// The Linux console's fonts have 256 or 512 characters, and of the blocks only those that PCs have
// always had.
static bool
is_console(void)
{
    const char *term = getenv("TERM");
    return term && strncmp(term, "linux", 5) == 0;
}

static ChafaSymbolTags
symbols_of(const struct canvas_drawing *d)
{
    if (d->ascii)
        return CHAFA_SYMBOL_TAG_ASCII;
    if (is_console())
        return CHAFA_SYMBOL_TAG_VHALF | CHAFA_SYMBOL_TAG_HHALF | CHAFA_SYMBOL_TAG_SOLID |
               CHAFA_SYMBOL_TAG_SPACE;
    return CHAFA_SYMBOL_TAG_BLOCK | CHAFA_SYMBOL_TAG_BORDER | CHAFA_SYMBOL_TAG_SPACE;
}

static ChafaCanvasMode
mode_of(const struct canvas_drawing *d)
{
    const char *true_colour = getenv("COLORTERM"), *term = getenv("TERM");
    if (d->mono)
        return CHAFA_CANVAS_MODE_FGBG;
    if (true_colour && (strcmp(true_colour, "truecolor") == 0 || strcmp(true_colour, "24bit") == 0))
        return CHAFA_CANVAS_MODE_TRUECOLOR;
    if (term && (strstr(term, "direct") || strstr(term, "kitty") || strstr(term, "foot")))
        return CHAFA_CANVAS_MODE_TRUECOLOR;
    // screen and tmux know 256 colours whatever TERM says, and map them to the terminal's nearest.
    if ((term && strstr(term, "256")) || d->term->multiplexer)
        return CHAFA_CANVAS_MODE_INDEXED_240;
    if (is_console())
        return CHAFA_CANVAS_MODE_INDEXED_16_8;
    if (term && strstr(term, "vt"))
        return CHAFA_CANVAS_MODE_INDEXED_8;
    return CHAFA_CANVAS_MODE_INDEXED_16;
}

static ChafaTermInfo *
term_info(void)
{
    char **environment = g_get_environ();
    ChafaTermInfo *info = chafa_term_db_detect(chafa_term_db_get_default(), environment);
    g_strfreev(environment);
    return info;
}

static bool
encode(const struct canvas_drawing *d, struct canvas_bytes *out, struct err *err)
{
    // Chafa reads rows in words of four bytes: rows of RGB of other lengths come out slanted.
    struct image *rgba = image_convert(d->image, IMAGE_RGBA8, d->background, err);
    if (!rgba)
        return false;
    chafa_set_n_threads(1); // with more, it waits for ever where none can be created
    ChafaSymbolMap *symbols = chafa_symbol_map_new();
    chafa_symbol_map_add_by_tags(symbols, symbols_of(d));
    ChafaCanvasConfig *config = chafa_canvas_config_new();
    chafa_canvas_config_set_geometry(config, d->rect.columns, d->rect.rows);
    chafa_canvas_config_set_canvas_mode(config, mode_of(d));
    chafa_canvas_config_set_symbol_map(config, symbols);
    chafa_canvas_config_set_bg_color(config, d->background);
    chafa_canvas_config_set_work_factor(config, 0.3f);
    ChafaCanvas *canvas = chafa_canvas_new(config);
    chafa_canvas_draw_all_pixels(canvas, CHAFA_PIXEL_RGBA8_UNASSOCIATED, rgba->pixels, rgba->width,
                                 rgba->height, (int)rgba->stride);
    image_unref(rgba);
    ChafaTermInfo *info = term_info();
    GString *text = chafa_canvas_print(canvas, info);
    const char *line = text ? text->str : "";
    for (int row = 0; row < d->rect.rows && *line; row++) {
        size_t n = strcspn(line, "\n");
        canvas_bytes_move_to(out, d, row);
        canvas_bytes_add(out, line, n);
        canvas_bytes_printf(out, "\033[0m\0338");
        canvas_bytes_end_piece(out);
        line += n + (line[n] == '\n');
    }
    bool ok = text || err_set(err, ERR_IO, "a picture cannot be drawn with characters");
    if (text)
        g_string_free(text, TRUE);
    chafa_term_info_unref(info);
    chafa_canvas_unref(canvas);
    chafa_canvas_config_unref(config);
    chafa_symbol_map_unref(symbols);
    return ok;
}

const struct canvas_encoder canvas_encoder_cells = {
    .kind = CANVAS_CELLS,
    .cell_size = cell_size,
    .encode = encode,
};
