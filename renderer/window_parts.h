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
    double zoom, x, y; // of the picture's middle, in pixels of the window from its middle
    bool sliding, moving, dirty, fresh, closed; // fresh: the texture is of another frame
    char *drops[DROPS_MAX];
    int drop_count;
    // A mask that is painted over a picture; NULL: none is, and the frames are shown.
    struct mask *mask;
    struct image *under;
    double brush;                        // its radius, in pixels of the window
    double last[2];                      // where a stroke has come to
    bool painting, black, painted, ended; // painted: since it was last asked for; ended: with Enter
};

// What is shown now; NULL: nothing yet.
const struct image *window_picture(const struct window *w);
// Where the picture's first pixel lies in the window, and the window's pixels for one of its.
void window_place(const struct window *w, double *left, double *top, double *scale);

// While a mask is painted: true if the event belonged to the brush.
bool window_paint_event(struct window *w, const union SDL_Event *e);
struct image *window_paint_texture(const struct window *w); // RGB8, NULL: no memory

#endif
