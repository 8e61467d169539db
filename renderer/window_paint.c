// SPDX-License-Identifier: MIT
// Painting a mask in the window.
#include <stdlib.h>
#include <string.h>

#include <SDL.h>

#include "engine/base/mem.h"
#include "renderer/window_parts.h"

#define BRUSH_FIRST 24.0 // radius, pixels of the window
#define BRUSH_MIN   2.0
#define BRUSH_MAX   300.0

static void
set_title(struct window *w)
{
    SDL_SetWindowTitle(w->window, w->mask ? "limn: paint what to redraw; [ ] brush, Enter OK"
                                          : "limn");
}

void
window_paint(struct window *w, struct image *picture, const struct image *white)
{
    if (!picture || !white || (w->picture && (w->picture->width != picture->width ||
                                              w->picture->height != picture->height))) {
        mask_free(w->mask);
        w->mask = NULL;
    }
    if (picture)
        image_ref(picture);
    image_unref(w->picture);
    w->picture = picture;
    if (picture && white && !w->mask) {
        w->mask = mask_new(picture, NULL);
        w->brush = w->brush > 0 ? w->brush : BRUSH_FIRST;
    }
    if (w->mask && !w->painting)
        mask_replace(w->mask, white, NULL);
    w->texture_stale = w->dirty = true;
    if (w->window)
        set_title(w);
}

const struct image *
window_painted(struct window *w, bool *ended)
{
    *ended = w->ended;
    w->ended = false;
    if (!w->mask || !w->painted || w->painting)
        return NULL;
    w->painted = false;
    return w->mask->white;
}

struct image *
window_paint_texture(const struct window *w)
{
    struct image *over = mask_overlay(w->mask, w->picture, NULL);
    struct image *shown = over ? image_shown(over, IMAGE_SQUARE, NULL) : NULL;
    image_unref(over);
    return shown;
}

static void
mark_changed(struct window *w)
{
    w->painted = w->texture_stale = w->dirty = true;
}

static void
stroke_to(struct window *w, int x, int y, bool begins)
{
    double left, top, scale;
    window_place(w, &left, &top, &scale);
    double by_x = w->mask->white->width / (scale * w->picture->width);
    double by_y = w->mask->white->height / (scale * w->picture->height);
    const double at[2] = {(x - left) * by_x, (y - top) * by_y};
    mask_stroke(w->mask, begins ? at : w->last, at, w->brush * by_x, !w->black);
    memcpy(w->last, at, sizeof at);
    mark_changed(w);
}

static void
begin_stroke(struct window *w, const SDL_MouseButtonEvent *button)
{
    mask_push_undo(w->mask);
    w->painting = true;
    w->black = button->button == SDL_BUTTON_RIGHT;
    stroke_to(w, button->x, button->y, true);
}

static bool
on_key(struct window *w, SDL_Keycode key)
{
    switch (key) {
    case SDLK_LEFTBRACKET: w->brush = MAX(w->brush / 1.25, BRUSH_MIN); return true;
    case SDLK_RIGHTBRACKET: w->brush = MIN(w->brush * 1.25, BRUSH_MAX); return true;
    case SDLK_i: mask_push_undo(w->mask), mask_invert(w->mask); break;
    case SDLK_u:
        if (!mask_undo(w->mask))
            return true;
        break;
    case SDLK_RETURN:
    case SDLK_KP_ENTER: w->ended = true; return true;
    default: return false;
    }
    mark_changed(w);
    return true;
}

bool
window_paint_event(struct window *w, const SDL_Event *e)
{
    bool middle = e->button.button == SDL_BUTTON_MIDDLE;
    switch (e->type) {
    case SDL_KEYDOWN: return on_key(w, e->key.keysym.sym);
    case SDL_MOUSEBUTTONDOWN:
        if (middle)
            return false;
        begin_stroke(w, &e->button);
        return true;
    case SDL_MOUSEBUTTONUP: w->painting = false; return !middle;
    case SDL_MOUSEMOTION:
        if (w->painting)
            stroke_to(w, e->motion.x, e->motion.y, false);
        return w->painting;
    default: return false;
    }
}
