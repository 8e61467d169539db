// SPDX-License-Identifier: MIT
// The parts of the window: frames and their slider (window.c), and the painting of a mask
// (window_paint.c). Private to renderer.
#ifndef LIMN_RENDERER_WINDOW_PARTS_H
#define LIMN_RENDERER_WINDOW_PARTS_H

#include "renderer/image/mask.h"
#include "renderer/window.h"

union SDL_Event;

enum { SLIDER = 28, DROPS_MAX = 16 };

struct window {
    struct SDL_Window *window;
    struct SDL_Renderer *renderer;
    struct SDL_Texture *texture;
    struct image *frames[WINDOW_FRAMES_MAX];
    int steps[WINDOW_FRAMES_MAX];
    int count, shown, total;
    double zoom, x, y; // x, y: the picture's centre from the window's, in window pixels
    bool sliding, moving, dirty, texture_stale, closed; // texture_stale: it must be updated
    char *drops[DROPS_MAX];
    int drop_count;
    // The mask being painted over a picture; NULL: none, the frames are shown.
    struct mask *mask;
    struct image *picture;
    double brush;                        // radius, in pixels of the window
    double last[2];                      // the stroke's last point, in mask pixels
    bool painting, black, painted, ended; // painted: changed since last read; ended: by Enter
};

// The picture shown now; NULL: none yet.
const struct image *window_picture(const struct window *w);
// The place of the picture's first pixel in the window, and the window's pixels per picture pixel.
void window_place(const struct window *w, double *left, double *top, double *scale);

// While a mask is being painted: true if the brush handled the event.
bool window_paint_event(struct window *w, const union SDL_Event *e);
struct image *window_paint_texture(const struct window *w); // RGB8, NULL: no memory

#endif
