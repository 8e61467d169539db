// SPDX-License-Identifier: MIT
// Pictures in a plain scrolling terminal: kitty's protocol, sixels, or symbols in cells.
//
// Before the first frame line feeds make room for the picture, and from then on the cursor rests in
// the row below. Each frame goes up to its first row, draws, and returns to the saved position:
// terminals differ in where they leave the cursor after a picture, and because the picture ends
// above the cursor's row, it never makes the screen scroll. A progress line that is written
// meanwhile appears under the picture.
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "renderer/canvas_encoder.h"
#include "renderer/image/resize.h"
#include "renderer/preview.h"
#include "renderer/preview_terminal.h"

enum {
    SMALLEST_SIDE = 256, // pixels: smaller frames are enlarged
    HIGHEST_CELLS = 24,  // rows of symbols
    REST_SHARE = 4,      // a frame that took t is followed by a pause of this many t
    PROCESS_NUMBERS = 100000, // ids of pictures in kitty's protocol
};

struct terminal {
    const struct canvas_encoder *encoder;
    struct term_info term;
    int width, height, columns, rows; // of the picture on the screen; 0 before the first frame
    double next_frame;                // seconds
    bool mono, ascii;
};

// What the terminal behind standard output answered; it is asked once.
static struct term_info term;
static bool answered, queried;

// Opens it by name, because standard output may be open for writing only.
static int
open_terminal(void)
{
    char name[256];
    if (!isatty(STDOUT_FILENO) || ttyname_r(STDOUT_FILENO, name, sizeof name) != 0)
        return -1;
    return open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

// Nothing is asked while keys are waiting for whatever runs after limn: the answer would come after
// them.
static bool
query_terminal(struct term_info *info)
{
    int fd = queried ? -1 : open_terminal();
    if (!queried) {
        term_query(-1, 0, &term); // guesses
        answered = fd >= 0 && !term_typed_ahead(fd) && term_query(fd, TERM_QUERY_MS, &term);
        term_unread(fd, &term);
    }
    if (fd >= 0)
        close(fd);
    queried = true;
    *info = term;
    return answered;
}

void
preview_terminal_drain(void)
{
    int fd = term.outstanding > 0 ? open_terminal() : -1;
    if (fd < 0)
        return;
    term_drain(fd, &term, 0);
    close(fd);
}

// A driver that is asked for by name draws whatever the terminal says, so that pictures can be
// piped and recorded.
static bool
start(struct terminal *t, const struct canvas_encoder *encoder)
{
    const char *no_colour = getenv("NO_COLOR");
    t->encoder = encoder;
    t->mono = no_colour && *no_colour;
    t->ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    query_terminal(&t->term);
    return true;
}

// The size on the screen: small pictures a whole number of times larger, large ones made to fit.
static void
choose_size(struct terminal *t, const struct image *image)
{
    int cell_width, cell_height;
    t->encoder->cell_size(&t->term, &cell_width, &cell_height);
    int room = MAX(1, t->term.rows - 2), widest = t->term.columns * cell_width;
    bool symbols = t->encoder->kind == CANVAS_CELLS;
    int highest = (symbols ? MIN(room, HIGHEST_CELLS) : room) * cell_height;
    int times = MAX(1, SMALLEST_SIDE / MIN(image->width, image->height));
    double scale = MIN(symbols ? 1e9 : (double)times, MIN((double)widest / image->width,
                                                          (double)highest / image->height));
    t->width = MAX(1, (int)(image->width * scale));
    t->height = MAX(1, (int)(image->height * scale));
    t->columns = (t->width + cell_width - 1) / cell_width;
    t->rows = (t->height + cell_height - 1) / cell_height;
}

static bool
write_out(const struct canvas_bytes *b, struct err *err)
{
    const char *p = b->data;
    for (size_t left = b->size; left > 0;) {
        ssize_t n = write(STDOUT_FILENO, p, left);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = {STDOUT_FILENO, POLLOUT, 0};
            poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return err_errno(err, ERR_IO, "the preview cannot be shown");
        } else if (n > 0) {
            p += n;
            left -= (size_t)n;
        }
    }
    return true;
}

static bool
frame(void *self, const struct image *image, int step, int total, struct err *err)
{
    struct terminal *t = self;
    double begun = clock_seconds();
    bool first = t->rows == 0;
    if (begun < t->next_frame && step < total)
        return true;
    struct canvas_bytes bytes = {0};
    bool held = t->encoder->kind != CANVAS_KITTY; // see canvas_make.c
    canvas_bytes_printf(&bytes, held ? "\033[?2026h" : ""); // nothing is shown before the end
    if (first) {
        choose_size(t, image);
        canvas_bytes_printf(&bytes, "\r");
        for (int i = 0; i < t->rows; i++)
            canvas_bytes_printf(&bytes, "\n");
    }
    struct image *sized = image_resize(image, t->width, t->height, IMAGE_CONTAIN, 0xFFFFFF, err);
    int squares = t->encoder->kind == CANVAS_CELLS ? 0 : IMAGE_SQUARE;
    struct image *rgb = sized ? image_shown(sized, squares, err) : NULL;
    struct canvas_drawing d = {.image = rgb,
                               .rect = {0, 0, t->rows, t->columns},
                               .term = &t->term,
                               .up = t->rows,
                               .slot = (int)getpid() % PROCESS_NUMBERS,
                               .mono = t->mono,
                               .ascii = t->ascii,
                               .whole = true,
                               .background = 0xFFFFFF};
    bool ok = rgb && t->encoder->encode(&d, &bytes, err);
    canvas_bytes_printf(&bytes, held ? "\033[?2026l" : "");
    fflush(stdout);
    ok = ok && write_out(&bytes, err);
    if (!ok && first)
        t->rows = 0; // no room has been made
    canvas_bytes_free(&bytes);
    image_unref(sized);
    image_unref(rgb);
    t->next_frame = clock_seconds() + REST_SHARE * (clock_seconds() - begun);
    return ok;
}

static bool
kitty_probe(void)
{
    struct term_info info;
    return isatty(STDOUT_FILENO) && query_terminal(&info) && info.kitty;
}

static bool
kitty_start(void *self, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    return start(self, &canvas_encoder_kitty);
}

const struct preview_driver preview_driver_kitty = {
    .name = "kitty",
    .description = "in the terminal, by kitty's graphics protocol",
    .private_size = sizeof(struct terminal),
    .automatic = true,
    .probe = kitty_probe,
    .open = kitty_start,
    .frame = frame,
};

#ifdef LIMN_HAVE_SIXEL
static bool
sixel_probe(void)
{
    struct term_info info;
    return isatty(STDOUT_FILENO) && query_terminal(&info) && info.sixel;
}

static bool
sixel_start(void *self, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    return start(self, &canvas_encoder_sixel);
}

const struct preview_driver preview_driver_sixel = {
    .name = "sixel",
    .description = "in the terminal, each step over the last one",
    .private_size = sizeof(struct terminal),
    .automatic = true,
    .probe = sixel_probe,
    .open = sixel_start,
    .frame = frame,
};
#endif

#ifdef LIMN_HAVE_CHAFA
static bool
cells_start(void *self, const char *argument, struct err *err)
{
    (void)argument, (void)err;
    return start(self, &canvas_encoder_cells);
}

const struct preview_driver preview_driver_cells = {
    .name = "cells",
    .description = "in the terminal, as symbols; works in any terminal with colours",
    .private_size = sizeof(struct terminal),
    .open = cells_start,
    .frame = frame,
};
#endif
