// SPDX-License-Identifier: MIT
#include "renderer/preview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "renderer/preview_terminal.h"

const struct preview_driver *const preview_drivers[] = {
#define PREVIEW(stem) &preview_driver_##stem,
#include "renderer/previews.def"
#undef PREVIEW
    NULL,
};

struct preview {
    const struct preview_driver *driver;
    void *self;
};

static const struct preview_driver *
choose(const char *name, size_t n, struct err *err)
{
    bool automatic = n == 4 && strncmp(name, "auto", 4) == 0;
    char names[128] = "auto";
    for (int i = 0; preview_drivers[i]; i++) {
        const struct preview_driver *d = preview_drivers[i];
        if (automatic ? d->automatic && (!d->probe || d->probe())
                      : strlen(d->name) == n && strncmp(d->name, name, n) == 0)
            return d;
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, ", %s", d->name);
    }
    err_set(err, ERR_INPUT, "no preview is called '%.*s' (there are: %s)", (int)MIN(n, 40), name,
            names);
    return NULL;
}

bool
preview_open(struct preview **preview, const char *choice, struct err *err)
{
    size_t n = strcspn(choice, ":");
    const struct preview_driver *d = choose(choice, n, err);
    *preview = NULL;
    if (!d)
        return false;
    struct preview *p = mem_zalloc(sizeof *p);
    p->driver = d;
    p->self = mem_zalloc(MAX(1, d->private_size));
    if (d->open && !d->open(p->self, choice[n] && choice[n + 1] ? choice + n + 1 : NULL, err)) {
        preview_close(p);
        return false;
    }
    *preview = p;
    return true;
}

bool
preview_frame(struct preview *preview, const struct image *image, int step, int total,
              struct err *err)
{
    return preview->driver->frame(preview->self, image, step, total, err);
}

void
preview_close(struct preview *preview)
{
    if (!preview)
        return;
    if (preview->driver->close)
        preview->driver->close(preview->self);
    free(preview->self);
    free(preview);
    preview_terminal_drain();
}

const char *
preview_name(const struct preview *preview)
{
    return preview->driver->name;
}
