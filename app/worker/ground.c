// SPDX-License-Identifier: MIT
#include "app/worker/ground.h"

#include "app/base/value.h"

struct image *
ground_compose(const struct job *j, const struct pipeline_pictures *from, int first, int count,
               struct err *err)
{
    size_t line = (size_t)from->width * (size_t)from->channels;
    const struct image drawn = {.width = from->width,
                                .height = from->height * count,
                                .format = from->channels == 4 ? IMAGE_RGBA8 : IMAGE_RGB8,
                                .stride = line,
                                .pixels = from->pixels + line * (size_t)(from->height * first),
                                .references = 1};
    int32_t ground = -1;
    if (!j->background || !value_colour(j->background, &ground) || ground < 0)
        return image_convert(&drawn, drawn.format, 0, err);
    return image_convert(&drawn, IMAGE_RGB8, (uint32_t)ground, err);
}
