// SPDX-License-Identifier: MIT
#include "engine/draw/latents.h"

#include <string.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"

static const char name[] = "latents";

static struct shape
shape_of(int count, const struct latent *l)
{
    return SHAPE(count, l->height, l->width, l->channels);
}

float *
latents_read(const char *path, int count, const struct latent *l)
{
    struct shape want = shape_of(count, l);
    struct safetensors *file = file_exists(path) ? safetensors_open(path, NULL) : NULL;
    const struct tensor_view *t = file ? safetensors_find(file, name) : NULL;
    bool is = t && t->dtype == DTYPE_F32 && shape_equal(&t->shape, &want);
    float *x = is ? mem_try_calloc((size_t)shape_count(&want), sizeof *x, "latents", NULL) : NULL;
    if (x)
        memcpy(x, t->data, t->size);
    safetensors_close(file);
    return x;
}

void
latents_write(const char *path, int count, const struct latent *l, const float *x)
{
    struct err err = {0};
    struct tensor_view t = {.name = name, .dtype = DTYPE_F32, .shape = shape_of(count, l),
                            .data = x};
    t.size = (size_t)shape_count(&t.shape) * sizeof *x;
    if (!safetensors_write(path, &t, 1, NULL, &err))
        log_line(LOG_WARN, "model", "the latents could not be saved: %s", err.text);
}
