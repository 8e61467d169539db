// SPDX-License-Identifier: MIT
// The canvas as a picture, for screens that are saved instead of shown.
#include "renderer/canvas_parts.h"

void
canvas_compose(const struct canvas *c, struct image *screen, int cell_width, int cell_height)
{
    const struct canvas_cell cell = {cell_width, cell_height, 1};
    for (int i = 0; i < CANVAS_SLOTS && !c->hidden; i++) {
        const struct slot *s = &c->slots[i];
        struct canvas_rect rect = canvas_clip(c, s->place.rect);
        if (!s->image || rect.rows < 1 || rect.columns < 1 || canvas_covered(c, &rect))
            continue;
        struct image *rgb =
            canvas_fit_image(s->image, s->place.fit, &cell, c->params.background, &rect);
        if (rgb)
            image_paste(screen, rgb, rect.column * cell_width, rect.row * cell_height);
        image_unref(rgb);
    }
}
