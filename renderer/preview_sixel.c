// SPDX-License-Identifier: MIT
// Sixels in a plain scrolling terminal. The only door to libsixel.
//
// Before the first frame as many rows as the picture needs are made by line feeds, and from then on
// the cursor rests in the row beneath. Each frame goes up that many rows, draws, and comes back by
// the saved position: where a terminal leaves its cursor after a sixel differs, and because the
// picture ends above the cursor's row it never makes the screen scroll. Whoever writes a progress
// line meanwhile writes it under the picture.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sixel.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/preview.h"
#include "renderer/term_query.h"

enum {
    SMALLEST_SIDE = 256, // pixels: smaller frames are enlarged
    REST_SHARE = 4,      // a frame that took t is followed by a pause of this many t
};

struct sixels {
    struct term_info term;
    int width, height, rows; // of the picture on the screen; 0 before the first frame
    double rest_until;       // seconds
    char *bytes;
    size_t count, capacity;
};

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Asks the terminal behind standard output. Its name is opened anew because standard output may be
// open for writing only.
static bool
ask(struct term_info *info)
{
    char name[256];
    int fd = -1;
    if (isatty(STDOUT_FILENO) && ttyname_r(STDOUT_FILENO, name, sizeof name) == 0)
        fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    bool ok = term_query(fd, TERM_QUERY_MS, info);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
probe(void)
{
    struct term_info info;
    return isatty(STDOUT_FILENO) && ask(&info) && info.sixel;
}

// Asked for by name it draws whatever the terminal says, so that sixels can be piped and recorded.
static bool
start(void *self, const char *argument, struct err *err)
{
    struct sixels *s = self;
    ask(&s->term);
    return true;
}

static void
append(struct sixels *s, const char *text, size_t n)
{
    while (s->capacity - s->count < n) {
        s->capacity = s->capacity ? 2 * s->capacity : 1 << 16;
        s->bytes = mem_realloc(s->bytes, s->capacity);
    }
    memcpy(s->bytes + s->count, text, n);
    s->count += n;
}

static void
append_text(struct sixels *s, const char *text)
{
    append(s, text, strlen(text));
}

static int
on_sixels(char *data, int size, void *ctx)
{
    append(ctx, data, (size_t)size);
    return size;
}

static bool
encode(struct sixels *s, const struct image *rgb, struct err *err)
{
    sixel_output_t *output = NULL;
    sixel_dither_t *dither = NULL;
    SIXELSTATUS status = sixel_output_new(&output, on_sixels, s, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_dither_new(&dither, s->term.colours, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_dither_initialize(dither, rgb->pixels, rgb->width, rgb->height,
                                         SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_NORM,
                                         SIXEL_REP_CENTER_BOX, SIXEL_QUALITY_LOW);
    if (SIXEL_SUCCEEDED(status)) {
        // libsixel chooses its palette from colours cut to 5 bits, whose white is 248: what was cut
        // off is put back, so that 0 stays 0 and 248 becomes 255.
        unsigned char *palette = sixel_dither_get_palette(dither);
        for (int i = 0; i < 3 * sixel_dither_get_num_of_palette_colors(dither); i++)
            palette[i] = (unsigned char)(palette[i] | palette[i] >> 5);
        // With many colours, error diffusion only makes more bytes for the line to carry.
        sixel_dither_set_diffusion_type(dither, s->term.colours >= 64 ? SIXEL_DIFFUSE_NONE
                                                                      : SIXEL_DIFFUSE_FS);
        status = sixel_encode(rgb->pixels, rgb->width, rgb->height, 3, dither, output);
    }
    if (dither)
        sixel_dither_unref(dither);
    if (output)
        sixel_output_unref(output);
    if (SIXEL_FAILED(status))
        return err_set(err, ERR_IO, "the preview cannot be drawn: %s",
                       sixel_helper_format_error(status));
    return true;
}

// The size on the screen: small pictures a whole number of times larger, large ones made to fit.
static void
choose_size(struct sixels *s, const struct image *image)
{
    int widest = s->term.columns * s->term.cell_width;
    int highest = MAX(1, s->term.rows - 2) * s->term.cell_height;
    int times = MAX(1, SMALLEST_SIDE / MIN(image->width, image->height));
    double scale = MIN((double)times, MIN((double)widest / image->width,
                                          (double)highest / image->height));
    s->width = MAX(1, (int)(image->width * scale));
    s->height = MAX(1, (int)(image->height * scale));
    s->rows = (s->height + s->term.cell_height - 1) / s->term.cell_height;
}

static bool
write_out(const struct sixels *s, struct err *err)
{
    const char *p = s->bytes;
    for (size_t left = s->count; left > 0;) {
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
    struct sixels *s = self;
    double begun = now();
    bool first = s->rows == 0;
    if (begun < s->rest_until && step < total)
        return true;
    s->count = 0;
    append_text(s, "\033[?2026h"); // nothing of this is shown before the end
    if (first) {
        choose_size(s, image);
        append_text(s, "\r");
        for (int i = 0; i < s->rows; i++)
            append_text(s, "\n");
    }
    struct image *sized = codec_resize(image, s->width, s->height, CODEC_CONTAIN, 0xFFFFFF, err);
    struct image *rgb = sized ? image_convert(sized, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    char up[32];
    snprintf(up, sizeof up, "\0337\r\033[%dA", s->rows);
    append_text(s, up);
    bool ok = rgb && encode(s, rgb, err);
    append_text(s, "\0338\033[?2026l");
    fflush(stdout);
    ok = ok && write_out(s, err);
    if (!ok && first)
        s->rows = 0; // no room has been made
    image_unref(sized);
    image_unref(rgb);
    s->rest_until = now() + REST_SHARE * (now() - begun);
    return ok;
}

static void
finish(void *self)
{
    struct sixels *s = self;
    free(s->bytes);
}

const struct preview_driver preview_driver_sixel = {
    .name = "sixel",
    .description = "in the terminal, each step over the last one",
    .private_size = sizeof(struct sixels),
    .automatic = true,
    .probe = probe,
    .open = start,
    .frame = frame,
    .close = finish,
};
