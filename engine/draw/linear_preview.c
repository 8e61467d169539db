// SPDX-License-Identifier: MIT
#include "engine/draw/linear_preview.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

static struct linear_preview *
create(int channels)
{
    struct linear_preview *p = mem_zalloc(sizeof *p);
    p->channels = channels;
    p->weight = mem_zalloc(LINEAR_PREVIEW_OUT * (size_t)channels * sizeof *p->weight);
    p->bias = mem_zalloc(LINEAR_PREVIEW_OUT * sizeof *p->bias);
    return p;
}

void
linear_preview_free(struct linear_preview *p)
{
    if (!p)
        return;
    free(p->weight);
    free(p->bias);
    free(p);
}

void
linear_preview_apply(const struct linear_preview *p, const float *x, size_t tokens, float *out)
{
    size_t c = (size_t)p->channels;
    for (size_t t = 0; t < tokens; t++)
        for (size_t o = 0; o < LINEAR_PREVIEW_OUT; o++) {
            float sum = p->bias[o];
            for (size_t i = 0; i < c; i++)
                sum += p->weight[o * c + i] * x[t * c + i];
            out[t * LINEAR_PREVIEW_OUT + o] = sum;
        }
}

// --- Files --------------------------------------------------------------------------------------

static const char hash_key[] = "model";

static char *
path_in_model(const struct model_folder *m)
{
    return file_join(m->path, "preview.safetensors");
}

static char *
path_in_data(const char *hash)
{
    char *name = mem_printf("previews/%s.safetensors", hash), *path = xdg_path(XDG_DATA, name);
    free(name);
    return path;
}

static bool
read_tensor(const struct safetensors *file, const char *name, struct shape want, float *out)
{
    const struct tensor_view *t = safetensors_find(file, name);
    if (!t || t->dtype != DTYPE_F32 || !shape_equal(&t->shape, &want))
        return false;
    memcpy(out, t->data, t->size);
    for (int64_t i = 0; i < shape_count(&want); i++)
        if (!isfinite(out[i]))
            return false;
    return true;
}

static struct linear_preview *
read_file(const char *path, const char *hash, int channels)
{
    struct err err = {0};
    struct safetensors *file = file_exists(path) ? safetensors_open(path, &err) : NULL;
    const char *of = file ? safetensors_metadata(file, hash_key) : NULL;
    struct linear_preview *p = of && strcmp(of, hash) == 0 ? create(channels) : NULL;
    bool ok = p && read_tensor(file, "weight", SHAPE(LINEAR_PREVIEW_OUT, channels), p->weight) &&
              read_tensor(file, "bias", SHAPE(LINEAR_PREVIEW_OUT), p->bias) &&
              safetensors_check(file, &err);
    safetensors_close(file);
    if (ok)
        return p;
    if (file || err.code != ERR_NONE)
        log_line(LOG_INFO, "model", "%s is not used: it was not fitted to these weights", path);
    linear_preview_free(p);
    return NULL;
}

struct linear_preview *
linear_preview_find(const struct model_folder *m, const char *hash, int channels)
{
    char *paths[] = {path_in_model(m), path_in_data(hash)};
    struct linear_preview *p = NULL;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        p = p ? p : read_file(paths[i], hash, channels);
        free(paths[i]);
    }
    return p;
}

static bool
write_file(const struct linear_preview *p, const char *path, const char *hash, struct err *err)
{
    const char *const metadata[] = {hash_key, hash, NULL};
    struct tensor_view views[] = {
        {.name = "weight", .dtype = DTYPE_F32, .data = p->weight,
         .shape = SHAPE(LINEAR_PREVIEW_OUT, p->channels)},
        {.name = "bias", .dtype = DTYPE_F32, .data = p->bias, .shape = SHAPE(LINEAR_PREVIEW_OUT)}};
    for (size_t i = 0; i < COUNT_OF(views); i++)
        views[i].size = dtype_bytes(DTYPE_F32, shape_count(&views[i].shape));
    return safetensors_write(path, views, COUNT_OF(views), metadata, err);
}

char *
linear_preview_store(const struct linear_preview *p, const struct model_folder *m,
                     const char *hash, struct err *err)
{
    struct err ignored = {0};
    char *path = path_in_model(m);
    if (access(m->path, W_OK) == 0 && write_file(p, path, hash, &ignored))
        return path;
    free(path);
    path = path_in_data(hash);
    char *folder = xdg_make(XDG_DATA, "previews", err);
    bool ok = folder && write_file(p, path, hash, err);
    free(folder);
    if (ok)
        return path;
    free(path);
    return NULL;
}

// --- Fitting ------------------------------------------------------------------------------------

struct linear_fit {
    size_t n;        // channels and 1
    size_t tokens;
    double *squares; // (n,n): sum of [x,1] [x,1]^T
    double *mixed;   // (n,OUT): sum of [x,1] wanted^T
    double own[LINEAR_PREVIEW_OUT]; // sum of wanted^2
};

struct linear_fit *
linear_fit_create(int channels)
{
    struct linear_fit *f = mem_zalloc(sizeof *f);
    f->n = (size_t)channels + 1;
    f->squares = mem_zalloc(f->n * f->n * sizeof *f->squares);
    f->mixed = mem_zalloc(f->n * LINEAR_PREVIEW_OUT * sizeof *f->mixed);
    return f;
}

void
linear_fit_free(struct linear_fit *f)
{
    if (!f)
        return;
    free(f->squares);
    free(f->mixed);
    free(f);
}

void
linear_fit_add(struct linear_fit *f, const float *x, const float *wanted, size_t tokens)
{
    size_t n = f->n, c = n - 1;
    for (size_t t = 0; t < tokens; t++, x += c, wanted += LINEAR_PREVIEW_OUT) {
        for (size_t i = 0; i < n; i++) {
            double a = i < c ? x[i] : 1;
            for (size_t k = 0; k <= i; k++)
                f->squares[i * n + k] += a * (k < c ? x[k] : 1);
            for (size_t o = 0; o < LINEAR_PREVIEW_OUT; o++)
                f->mixed[i * LINEAR_PREVIEW_OUT + o] += a * wanted[o];
        }
        for (size_t o = 0; o < LINEAR_PREVIEW_OUT; o++)
            f->own[o] += (double)wanted[o] * wanted[o];
    }
    f->tokens += tokens;
}

// Replaces the matrix in the lower half of l (n,n) by its Cholesky factor. A little is added to the
// diagonal, so that directions absent from the tokens have no effect.
static void
factorise(double *l, size_t n)
{
    double trace = 0;
    for (size_t i = 0; i < n; i++)
        trace += l[i * n + i];
    for (size_t i = 0; i < n; i++)
        l[i * n + i] += 1e-10 * trace / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) {
            double sum = l[i * n + k];
            for (size_t j = 0; j < k; j++)
                sum -= l[i * n + j] * l[k * n + j];
            l[i * n + k] = i == k ? sqrt(fmax(sum, 1e-300)) : sum / l[k * n + k];
        }
}

// Solves L L^T x = b in place: x (n), one every `step` elements, is b before.
static void
solve(const double *l, size_t n, double *x, size_t step)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            x[i * step] -= l[i * n + k] * x[k * step];
        x[i * step] /= l[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            x[i * step] -= l[k * n + i] * x[k * step];
        x[i * step] /= l[i * n + i];
    }
}

// 1 - |wanted - map|^2 / |wanted - mean|^2 over all outputs; at the minimum the first is
// |wanted|^2 - map . mixed.
static double
r_squared(const struct linear_fit *f, const double *map)
{
    double left = 0, all = 0;
    for (size_t o = 0; o < LINEAR_PREVIEW_OUT; o++) {
        double mean = f->mixed[(f->n - 1) * LINEAR_PREVIEW_OUT + o] / (double)f->tokens;
        left += f->own[o];
        all += f->own[o] - (double)f->tokens * mean * mean;
        for (size_t i = 0; i < f->n; i++)
            left -= map[i * LINEAR_PREVIEW_OUT + o] * f->mixed[i * LINEAR_PREVIEW_OUT + o];
    }
    return all > 0 ? fmin(fmax(1 - left / all, 0), 1) : 1;
}

struct linear_preview *
linear_fit_solve(const struct linear_fit *f, double *explained, struct err *err)
{
    size_t n = f->n, values = n * LINEAR_PREVIEW_OUT;
    if (!f->tokens) {
        err_set(err, ERR_INPUT, "there are no pictures to fit a preview to");
        return NULL;
    }
    double *l = mem_alloc(n * n * sizeof *l), *map = mem_alloc(values * sizeof *map);
    memcpy(l, f->squares, n * n * sizeof *l);
    memcpy(map, f->mixed, values * sizeof *map);
    factorise(l, n);
    struct linear_preview *p = create((int)n - 1);
    for (size_t o = 0; o < LINEAR_PREVIEW_OUT; o++) {
        solve(l, n, map + o, LINEAR_PREVIEW_OUT);
        for (size_t i = 0; i + 1 < n; i++)
            p->weight[o * (n - 1) + i] = (float)map[i * LINEAR_PREVIEW_OUT + o];
        p->bias[o] = (float)map[(n - 1) * LINEAR_PREVIEW_OUT + o];
    }
    *explained = r_squared(f, map);
    free(map);
    free(l);
    return p;
}
