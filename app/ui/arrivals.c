// SPDX-License-Identifier: MIT
#include "app/ui/arrivals.h"

#include <stdlib.h>
#include <string.h>

#include "app/library/library.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/image/mask.h"

static void
release(struct work *w)
{
    struct arrival *one = (struct arrival *)w;
    free(one->file);
    free(one->png);
    image_unref(one->image);
    free(one);
}

// --- on the thread

// Writes the picture, unless its file exists: that is never replaced.
static bool
write_picture(struct arrival *one)
{
    size_t size = 0;
    if (!one->png)
        return err_set(&one->refused, ERR_IO, "it arrived without its data");
    if (!file_exists(one->file))
        return file_write_private(one->file, one->png, one->png_size, &one->refused);
    char *have = file_read(one->file, LIMIT_HOST_PICTURE_BYTES, &size, NULL);
    one->differs = !have || size != one->png_size || memcmp(have, one->png, size) != 0;
    free(have);
    return true;
}

// Enters the picture into the library; one without limn's data stays a mere file.
static void
add_to_library(struct arrival *one, struct library *library)
{
    struct library_picture known;
    if (!library)
        return;
    if (library_picture_read(one->file, one->job, &known, &one->library_error))
        library_picture_add(library, &known, &one->library_error);
    library_picture_finish(&known);
}

static void
store_result(struct arrival *one, struct library *library, const atomic_int *stopping)
{
    one->kept = write_picture(one);
    if (one->kept)
        add_to_library(one, library);
    if (one->png && !atomic_load(stopping))
        one->image = look_decode_result(one->png, one->png_size, one->file, stopping, NULL);
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct arrival *one = (struct arrival *)w;
    const struct look_options earlier = {.png = true, .side = LIMIT_RESULT_SIDE,
                                         .seconds = LIMIT_RESULT_SECONDS, .stop = stopping};
    const struct look_options mask = {.side = MASK_SIDE, .stop = stopping};
    switch (one->kind) {
    case ARRIVAL_RESULT: store_result(one, library, stopping); break;
    case ARRIVAL_OUTPUT:
        one->image =
            one->png ? look_decode_result(one->png, one->png_size, "look", stopping, NULL) : NULL;
        break;
    case ARRIVAL_MASK:
        one->image = look_decode(one->png, one->png_size, "the mask", &mask, &one->refused);
        break;
    case ARRIVAL_EARLIER: one->image = look_decode_file(one->file, &earlier, NULL); break;
    case ARRIVAL_ADDED: one->kept = look_check(one->file, stopping, &one->refused); break;
    }
    free(one->png);
    one->png = NULL;
}

// --- for the UI

static void
done(struct ui *ui, struct work *w)
{
    ui_arrived(ui, (struct arrival *)w);
}

struct arrival *
arrival_new(enum arrival_kind kind)
{
    struct arrival *one = mem_zalloc(sizeof *one);
    one->work = (struct work){.run = run, .done = done, .release = release};
    one->kind = kind;
    return one;
}
