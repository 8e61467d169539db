// SPDX-License-Identifier: MIT
// Each frame as a PNG: FOLDER/step-0001.png and so on; the folder is created if it is missing.
#include <stdlib.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/preview.h"

struct files {
    char *folder;
};

static bool
start(void *self, const char *argument, struct err *err)
{
    struct files *f = self;
    f->folder = mem_strdup(argument ? argument : "preview");
    return file_make_folders(f->folder, err) && file_no_links(f->folder, 0, err);
}

static bool
frame(void *self, const struct image *image, int step, int total, struct err *err)
{
    struct files *f = self;
    char *path = mem_printf("%s/step-%04d.png", f->folder, step);
    bool ok = codec_write_png(image, path, NULL, err);
    free(path);
    return ok;
}

static void
finish(void *self)
{
    struct files *f = self;
    free(f->folder);
}

const struct preview_driver preview_driver_file = {
    .name = "file",
    .description = "each step as a PNG in a folder: file:FOLDER",
    .private_size = sizeof(struct files),
    .open = start,
    .frame = frame,
    .close = finish,
};
