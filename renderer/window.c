// SPDX-License-Identifier: MIT
#include "renderer/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <SDL.h>

#include "engine/base/mem.h"
#include "renderer/window_parts.h"

enum { SIDE = 640, MARGIN = 12, KNOB = 10 };

struct window *
window_open(const char *title, struct err *err)
{
    // Signals from the terminal are not for this window.
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    if (SDL_Init(SDL_INIT_VIDEO) != 0) {
        err_set(err, ERR_UNSUPPORTED, "no window can be opened: %s", SDL_GetError());
        return NULL;
    }
    struct window *w = mem_zalloc(sizeof *w);
    w->zoom = 1;
    w->dirty = true;
    w->window = SDL_CreateWindow(title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, SIDE,
                                 SIDE + SLIDER, SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
    w->renderer = w->window ? SDL_CreateRenderer(w->window, -1, 0) : NULL;
    if (!w->renderer && w->window)
        w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
    if (!w->renderer) {
        err_set(err, ERR_UNSUPPORTED, "no window can be opened: %s", SDL_GetError());
        window_close(w);
        return NULL;
    }
    SDL_EventState(SDL_DROPFILE, SDL_ENABLE);
    return w;
}

static void
release_frames(struct window *w)
{
    for (int i = 0; i < w->count; i++)
        image_unref(w->frames[i]);
    w->count = w->shown = 0;
}

void
window_close(struct window *w)
{
    if (!w)
        return;
    release_frames(w);
    window_paint(w, NULL, NULL);
    while (w->drop_count)
        free(w->drops[--w->drop_count]);
    if (w->texture)
        SDL_DestroyTexture(w->texture);
    if (w->renderer)
        SDL_DestroyRenderer(w->renderer);
    if (w->window)
        SDL_DestroyWindow(w->window);
    SDL_Quit();
    free(w);
}

const struct image *
window_picture(const struct window *w)
{
    return w->mask ? w->picture : w->count ? w->frames[w->shown] : NULL;
}

static void
show(struct window *w, int frame)
{
    if (w->mask) // painting has no steps
        return;
    frame = MAX(0, MIN(frame, w->count - 1));
    w->texture_stale = w->texture_stale || frame != w->shown;
    w->shown = frame;
    w->dirty = true;
    char title[80];
    SDL_snprintf(title, sizeof title, "limn: step %d of %d", w->count ? w->steps[frame] : 0,
                 w->total);
    SDL_SetWindowTitle(w->window, title);
}

void
window_frame(struct window *w, struct image *image, int step, int total)
{
    bool newest = w->shown >= w->count - 1;
    if (w->count && step <= w->steps[w->count - 1] &&
        !(step == w->steps[w->count - 1] && step == total)) {
        release_frames(w);
        newest = true;
    }
    if (w->count == WINDOW_FRAMES_MAX) { // drops the oldest
        image_unref(w->frames[0]);
        memmove(w->frames, w->frames + 1, (WINDOW_FRAMES_MAX - 1) * sizeof *w->frames);
        memmove(w->steps, w->steps + 1, (WINDOW_FRAMES_MAX - 1) * sizeof *w->steps);
        w->count--;
        w->shown = MAX(0, w->shown - 1);
    }
    w->frames[w->count] = image_ref(image);
    w->steps[w->count++] = step;
    w->total = total;
    w->texture_stale = w->texture_stale || newest;
    if (w->mask) // shown when the mask is done
        w->shown = newest ? w->count - 1 : w->shown;
    else
        show(w, newest ? w->count - 1 : w->shown);
}

char *
window_dropped(struct window *w)
{
    if (!w->drop_count)
        return NULL;
    char *file = w->drops[0];
    memmove(w->drops, w->drops + 1, (size_t)--w->drop_count * sizeof *w->drops);
    return file;
}

// --- drawing

static bool
make_texture(struct window *w)
{
    struct image *rgb = w->mask ? window_paint_texture(w)
                                : image_shown(window_picture(w), IMAGE_SQUARE, NULL);
    if (w->texture)
        SDL_DestroyTexture(w->texture);
    w->texture = rgb ? SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB24,
                                         SDL_TEXTUREACCESS_STATIC, rgb->width, rgb->height)
                     : NULL;
    if (w->texture)
        SDL_UpdateTexture(w->texture, NULL, rgb->pixels, (int)rgb->stride);
    image_unref(rgb);
    w->texture_stale = false;
    return w->texture != NULL;
}

// Window pixels per picture pixel when the picture fits and is not zoomed.
static double
fit(const struct window *w, int width, int height)
{
    const struct image *image = window_picture(w);
    return MIN((double)width / image->width, (double)MAX(height - SLIDER, 1) / image->height);
}

static void
place_in(const struct window *w, int width, int height, double *left, double *top, double *scale)
{
    const struct image *image = window_picture(w);
    *scale = fit(w, width, height) * w->zoom;
    *left = width / 2.0 + w->x - image->width * *scale / 2;
    *top = (height - SLIDER) / 2.0 + w->y - image->height * *scale / 2;
}

void
window_place(const struct window *w, double *left, double *top, double *scale)
{
    int width = 0, height = 0;
    SDL_GetWindowSize(w->window, &width, &height);
    place_in(w, width, height, left, top, scale);
}

static void
draw_slider(struct window *w, int width, int height)
{
    double part = w->count > 1 ? (double)w->shown / (w->count - 1) : 1;
    SDL_Rect line = {MARGIN, height - SLIDER / 2 - 2, width - 2 * MARGIN, 4};
    SDL_Rect done = line, knob = {MARGIN + (int)(part * line.w) - KNOB / 2,
                                  height - SLIDER / 2 - KNOB, KNOB, 2 * KNOB};
    done.w = (int)(part * line.w);
    SDL_SetRenderDrawColor(w->renderer, 70, 70, 74, 255);
    SDL_RenderFillRect(w->renderer, &line);
    SDL_SetRenderDrawColor(w->renderer, 138, 180, 180, 255);
    SDL_RenderFillRect(w->renderer, &done);
    SDL_RenderFillRect(w->renderer, &knob);
}

static void
draw(struct window *w)
{
    int width = 0, height = 0;
    SDL_GetRendererOutputSize(w->renderer, &width, &height);
    SDL_SetRenderDrawColor(w->renderer, 28, 28, 30, 255);
    SDL_RenderClear(w->renderer);
    if (window_picture(w) && ((!w->texture_stale && w->texture) || make_texture(w))) {
        const struct image *image = window_picture(w);
        double left, top, scale;
        place_in(w, width, height, &left, &top, &scale);
        SDL_SetTextureScaleMode(w->texture,
                                scale >= 8 ? SDL_ScaleModeNearest : SDL_ScaleModeLinear);
        SDL_FRect place = {(float)left, (float)top, (float)(image->width * scale),
                           (float)(image->height * scale)};
        SDL_Rect clip = {0, 0, width, MAX(height - SLIDER, 1)};
        SDL_RenderSetClipRect(w->renderer, &clip);
        SDL_RenderCopyF(w->renderer, w->texture, NULL, &place);
        SDL_RenderSetClipRect(w->renderer, NULL);
        if (!w->mask)
            draw_slider(w, width, height);
    }
    SDL_RenderPresent(w->renderer);
    w->dirty = false;
}

// --- events

// The point under the mouse stays where it is.
static void
zoom_at(struct window *w, double factor, int x, int y)
{
    int width = 0, height = 0;
    SDL_GetWindowSize(w->window, &width, &height);
    double zoom = MIN(MAX(w->zoom * factor, 0.1), 64), by = zoom / w->zoom;
    double dx = x - width / 2.0, dy = y - (height - SLIDER) / 2.0;
    w->x = dx - (dx - w->x) * by;
    w->y = dy - (dy - w->y) * by;
    w->zoom = zoom;
    w->dirty = true;
}

static void
slide_to(struct window *w, int x)
{
    int width = 0;
    SDL_GetWindowSize(w->window, &width, NULL);
    show(w, (int)lround((double)(x - MARGIN) / MAX(width - 2 * MARGIN, 1) * (w->count - 1)));
}

static void
on_press(struct window *w, int x, int y)
{
    int height = 0;
    SDL_GetWindowSize(w->window, NULL, &height);
    w->sliding = y >= height - SLIDER;
    w->moving = !w->sliding;
    if (w->sliding)
        slide_to(w, x);
}

static void
on_key(struct window *w, SDL_Keycode key)
{
    int width = 0, height = 0;
    SDL_GetWindowSize(w->window, &width, &height);
    switch (key) {
    case SDLK_LEFT: show(w, w->shown - 1); break;
    case SDLK_RIGHT: show(w, w->shown + 1); break;
    case SDLK_HOME: show(w, 0); break;
    case SDLK_END: show(w, w->count - 1); break;
    case SDLK_PLUS:
    case SDLK_EQUALS:
    case SDLK_KP_PLUS: zoom_at(w, 1.25, width / 2, (height - SLIDER) / 2); break;
    case SDLK_MINUS:
    case SDLK_KP_MINUS: zoom_at(w, 0.8, width / 2, (height - SLIDER) / 2); break;
    case SDLK_0:
        w->zoom = 1;
        w->x = w->y = 0;
        w->dirty = true;
        break;
    case SDLK_q:
    case SDLK_ESCAPE: w->closed = true; break;
    default: break;
    }
}

static void
on_event(struct window *w, const SDL_Event *e)
{
    int x = 0, y = 0;
    if (w->mask && window_paint_event(w, e))
        return;
    switch (e->type) {
    case SDL_QUIT: w->closed = true; break;
    case SDL_WINDOWEVENT: w->dirty = true; break;
    case SDL_KEYDOWN: on_key(w, e->key.keysym.sym); break;
    case SDL_MOUSEBUTTONDOWN: on_press(w, e->button.x, e->button.y); break;
    case SDL_MOUSEBUTTONUP: w->sliding = w->moving = false; break;
    case SDL_MOUSEWHEEL:
        SDL_GetMouseState(&x, &y);
        if (e->wheel.y) // not a horizontal wheel
            zoom_at(w, e->wheel.y > 0 ? 1.25 : 0.8, x, y);
        break;
    case SDL_MOUSEMOTION:
        if (w->sliding) {
            slide_to(w, e->motion.x);
        } else if (w->moving) {
            w->x += e->motion.xrel;
            w->y += e->motion.yrel;
            w->dirty = true;
        }
        break;
    case SDL_DROPFILE:
        if (w->drop_count < DROPS_MAX)
            w->drops[w->drop_count++] = mem_strdup(e->drop.file);
        SDL_free(e->drop.file);
        break;
    default: break;
    }
}

bool
window_turn(struct window *w, int milliseconds)
{
    SDL_Event e;
    if (w->dirty)
        draw(w);
    if (SDL_WaitEventTimeout(&e, milliseconds)) {
        on_event(w, &e);
        while (SDL_PollEvent(&e))
            on_event(w, &e);
    }
    if (w->dirty)
        draw(w);
    return !w->closed;
}
