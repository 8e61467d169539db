// SPDX-License-Identifier: MIT
// limn-window: the window beside the terminal, a separate program, so that limn starts without SDL
// and survives the loss of the display. It reads messages (app/worker/wire.h) from standard input:
// "frame" (step, total, width, height; payload: RGB) and "paint" (width, height, mask_width,
// mask_height; payload: the picture's RGB, then the mask's bytes; without them painting ends). It
// writes to standard output: "dropped" (file) and "painted" (width, height, ended; payload: the
// mask's bytes).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/streams.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"
#include "renderer/window.h"

enum { TURN_MS = 15 };

// A side by its name; 0: not a picture's side.
static int
side_of(const struct wire_message *m, const char *name)
{
    int64_t side = jv_integer(jv_get(m->head, name), 0);
    return side >= 1 && side <= LIMIT_PICTURE_SIDE ? (int)side : 0;
}

static struct image *
image_of(const uint8_t *bytes, int width, int height, enum image_format format)
{
    struct image *image = image_create(width, height, format, NULL);
    for (int y = 0; image && y < height; y++)
        memcpy(image_row(image, y), bytes + (size_t)y * image->stride, image->stride);
    return image;
}

static void
on_paint(struct window *w, const struct wire_message *m)
{
    int width = side_of(m, "width"), height = side_of(m, "height");
    int mask_width = side_of(m, "mask_width"), mask_height = side_of(m, "mask_height");
    size_t rgb = (size_t)width * (size_t)height * 3,
           grey = (size_t)mask_width * (size_t)mask_height;
    if (!rgb || !grey || m->size != rgb + grey) {
        window_paint(w, NULL, NULL);
        return;
    }
    struct image *picture = image_of(m->payload, width, height, IMAGE_RGB8);
    struct image *white = image_of(m->payload + rgb, mask_width, mask_height, IMAGE_GRAY8);
    window_paint(w, picture, white);
    image_unref(picture);
    image_unref(white);
}

static void
on_frame(struct window *w, const struct wire_message *m)
{
    int width = side_of(m, "width"), height = side_of(m, "height");
    if (!width || !height || m->size != (size_t)width * (size_t)height * 3)
        return;
    struct image *image = image_of(m->payload, width, height, IMAGE_RGB8);
    if (image)
        window_frame(w, image, (int)jv_integer(jv_get(m->head, "step"), 0),
                     (int)jv_integer(jv_get(m->head, "total"), 0));
    image_unref(image);
}

static void
send_painted(struct window *w, struct wire *wire)
{
    bool ended = false;
    const struct image *white = window_painted(w, &ended);
    if (!white && !ended)
        return;
    struct jv *head = wire_head("painted");
    jv_set(head, "width", jv_from_integer(white ? white->width : 0));
    jv_set(head, "height", jv_from_integer(white ? white->height : 0));
    jv_set(head, "ended", jv_from_bool(ended));
    wire_send(wire, head, white ? white->pixels : NULL,
              white ? white->stride * (size_t)white->height : 0);
}

static bool
turn(struct window *w, struct wire *wire)
{
    struct err err = {0};
    struct wire_message m;
    enum wire_state state = wire_receive(wire, &err);
    while (wire_take(wire, &m, &err)) {
        if (strcmp(m.type, "frame") == 0)
            on_frame(w, &m);
        if (strcmp(m.type, "paint") == 0)
            on_paint(w, &m);
        wire_message_free(&m);
    }
    for (char *file = window_dropped(w); file; file = window_dropped(w)) {
        struct jv *head = wire_head("dropped");
        jv_set(head, "file", jv_from_string(file));
        wire_send(wire, head, NULL, 0);
        free(file);
    }
    send_painted(w, wire);
    return state <= WIRE_IDLE && err.code == ERR_NONE && wire_flush(wire);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    (void)argv;
    streams_open();
    if (argc > 1) {
        fputs("limn-window is started by limn; see limn --help\n", stderr);
        return 2;
    }
    struct window *w = window_open("limn", &err);
    if (!w) {
        fprintf(stderr, "limn: %s\n", err.text);
        return 1;
    }
    struct wire *wire = wire_open(STDIN_FILENO, STDOUT_FILENO);
    while (window_turn(w, TURN_MS) && turn(w, wire))
        ;
    wire_close(wire);
    window_close(w);
    return 0;
}
