// SPDX-License-Identifier: MIT
// The parts of the canvas: the wanted state (canvas.c), scaling and encoding on a thread
// (canvas_make.c), and sending to the terminal (canvas_send.c). Private to renderer.
#ifndef LIMN_RENDERER_CANVAS_PARTS_H
#define LIMN_RENDERER_CANVAS_PARTS_H

#include <pthread.h>

#include "renderer/canvas.h"
#include "renderer/canvas_encoder.h"
#include "renderer/image/resize.h"

enum {
    LINES_MAX = 512,          // of a screen
    QUERY_BYTES = 32 << 10, // sent between status queries (CSI 5 n) to the terminal
    QUERIES_MAX = 2,        // unanswered ones; more would pile up in the line's buffers
    COARSE_MAX = 2,
};
#define ANSWER_SECONDS 4.0 // after this the terminal counts as not answering
#define SLOW_FRAME     0.7 // seconds; live frames that take longer become coarser

struct slot {
    struct image *image; // wanted; NULL: nothing
    struct canvas_place place;
    bool dirty;   // the screen does not show what is wanted
    bool visible; // something of it is on the screen
    struct canvas_rect shown;
};

// Scaling and encoding a picture takes too long for a thread that answers keys, so a separate one
// does it, one picture at a time. Its fields belong to the thread while it is RENDER_BUSY, else to
// the canvas.
enum render_state { RENDER_IDLE = 0, RENDER_BUSY, RENDER_READY };
struct render_thread {
    pthread_t thread;
    pthread_mutex_t lock; // of state and stop
    pthread_cond_t wake;
    enum render_state state;
    bool started, stop;
    const struct canvas_encoder *encoder;
    struct term_info term;
    struct slot slot; // a copy; the image is shared
    struct canvas_rect clipped, rect; // asked for, covered
    struct canvas_drawing drawing;
    struct canvas_bytes out;
    bool ok;
};

struct canvas {
    struct render_thread render;
    struct canvas_params params;
    struct term_info term;
    const struct canvas_encoder *encoder; // NULL: none
    int fd;                               // our own, non-blocking; or the caller's
    bool own_fd;
    struct slot slots[CANVAS_SLOTS];
    struct canvas_rect covers[CANVAS_COVERS];
    int cover_count;
    bool hidden;
    struct span {
        int from, to; // columns; to <= from: none
    } damaged[LINES_MAX];

    // What is being sent: pieces of one picture, from `piece` on.
    struct canvas_bytes erasures; // of pictures the terminal keeps; they go before all else
    struct canvas_bytes out;
    int piece;
    size_t written;
    int sending; // slot, -1: none
    bool sending_live;
    double frame_began;

    double next_live; // no live frame before this time
    int coarseness;
    bool answers;
    int queries;
    double query_times[QUERIES_MAX + 1]; // times of unanswered queries, oldest first
    size_t bytes_since_query;
    double round_trip; // seconds, the shortest seen; 0: not known
};

// A cell in pixels; aspect: how much wider a picture must be made for its shape to stay.
struct canvas_cell {
    int width, height;
    double aspect;
};
// Scales for a rectangle, RGB8; *rect becomes the cells that are covered.
struct image *canvas_fit_image(struct image *image, enum canvas_fit how,
                               const struct canvas_cell *cell, uint32_t background,
                               struct canvas_rect *rect);

bool canvas_same_rect(const struct canvas_rect *a, const struct canvas_rect *b);
struct canvas_rect canvas_clip(const struct canvas *c, struct canvas_rect r);
void canvas_erase(struct canvas *c, struct slot *s);
bool canvas_covered(const struct canvas *c, const struct canvas_rect *r);
void canvas_discard_output(struct canvas *c);
void *canvas_render_thread(void *arg);
enum render_state canvas_render_state(const struct render_thread *t);
void canvas_set_render_state(struct render_thread *t, enum render_state state);
void canvas_stop_render_thread(struct render_thread *t);

#endif
