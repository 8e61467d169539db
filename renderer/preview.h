// SPDX-License-Identifier: MIT
// Shows pictures as they are drawn: one frame per step.
//
// A driver is a row of previews.def. Drivers: `kitty`, `sixel` and `cells` draw in the
// terminal on standard output, each frame over the last one; `file` writes each frame as a PNG;
// `none` shows nothing. `auto` takes the first of `kitty`, `sixel` and `none` that can work here.
#ifndef LIMN_RENDERER_PREVIEW_H
#define LIMN_RENDERER_PREVIEW_H

#include "renderer/image/image.h"

struct preview;

struct preview_driver {
    const char *name, *description;
    size_t private_size; // bytes of `self`, zeroed before open()
    bool automatic;      // may be chosen by `auto`
    // Whether it would work here; may ask the terminal. NULL: always.
    bool (*probe)(void);
    // `argument`: what follows "name:" in the choice, or NULL.
    bool (*open)(void *self, const char *argument, struct err *err);
    bool (*frame)(void *self, const struct image *image, int step, int total, struct err *err);
    void (*close)(void *self); // also after a failed open()
};

// Ends with NULL; best first.
extern const struct preview_driver *const preview_drivers[];
#define PREVIEW(stem) extern const struct preview_driver preview_driver_##stem;
#include "renderer/previews.def"
#undef PREVIEW

// `choice`: "auto", a driver's name, or "name:argument" (file:FOLDER). ERR_INPUT lists the names.
bool preview_open(struct preview **preview, const char *choice, struct err *err);

// Shows a frame: step 1..total. A driver may leave out frames when they come faster than they can
// be shown, never the last one. The picture stays the caller's.
bool preview_frame(struct preview *preview, const struct image *image, int step, int total,
                   struct err *err);

// Leaves the last frame and puts the cursor below it. NULL is fine.
void preview_close(struct preview *preview);

const char *preview_name(const struct preview *preview); // of the chosen driver

#endif
