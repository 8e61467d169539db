// SPDX-License-Identifier: MIT
// limn-window: the window beside the terminal, a program of its own, so that limn starts without
// SDL and outlives a display that goes away. Frames come in on standard input as messages of
// app/worker/wire.h ("frame": step, total, width, height; RGB behind); "dropped" (file) goes out
// on standard output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/streams.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"
#include "renderer/window.h"

enum { TURN_MS = 15 };

static void
take_frame(struct window *w, const struct wire_message *m)
{
    int64_t width = jv_integer(jv_get(m->head, "width"), 0),
            height = jv_integer(jv_get(m->head, "height"), 0);
    if (strcmp(m->type, "frame") != 0 || width < 1 || height < 1 || width > LIMIT_PICTURE_SIDE ||
        height > LIMIT_PICTURE_SIDE || m->size != (size_t)(width * height * 3))
        return;
    struct image *image = image_create((int)width, (int)height, IMAGE_RGB8, NULL);
    for (int y = 0; image && y < height; y++)
        memcpy(image_row(image, y), m->payload + (size_t)y * (size_t)width * 3, (size_t)width * 3);
    if (image)
        window_frame(w, image, (int)jv_integer(jv_get(m->head, "step"), 0),
                     (int)jv_integer(jv_get(m->head, "total"), 0));
    image_unref(image);
}

static bool
turn(struct window *w, struct wire *wire)
{
    struct err err = {0};
    struct wire_message m;
    enum wire_state state = wire_receive(wire, &err);
    while (wire_take(wire, &m, &err)) {
        take_frame(w, &m);
        wire_message_free(&m);
    }
    for (char *file = window_dropped(w); file; file = window_dropped(w)) {
        struct jv *head = wire_head("dropped");
        jv_set(head, "file", jv_from_string(file));
        wire_send(wire, head, NULL, 0);
        free(file);
    }
    return state <= WIRE_IDLE && err.code == ERR_NONE && wire_flush(wire);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    (void)argv;
    streams_open();
    if (argc > 1) {
        fputs("limn-window: limn starts it; see limn --help\n", stderr);
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
