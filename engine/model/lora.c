// SPDX-License-Identifier: MIT
#include "engine/model/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"

enum { NAME_SIZE = 256 };

// A module, a product of the network, that a file changes.
struct module {
    char *name;                          // as in the file, without the suffix for A or B
    char *canonical;                     // without prefixes, dots replaced by _
    const struct tensor_view *a, *b;
    double alpha;                        // < 0: not given
    bool used, unsupported;              // unsupported: not a LoRA's tensor
};

struct lora_reader {
    const struct lora_file *file;
    struct safetensors *tensors;
    struct jv *config; // lora_adapter_metadata or adapter_config.json; NULL: neither
    struct module *modules;
    int count, capacity;
};

// One module's part in one parameter.
struct delta {
    char *param;
    float *a, *b;          // (rank,columns), (rows,rank), scaled
    int64_t rank, rows, columns;
    bool swap_halves;      // of the rows, in the parameter
};

struct lora {
    struct params_change change;
    struct delta *list;
    int count, capacity;
};

// --- Names

static bool
strip_prefix(char *text, const char *start)
{
    size_t n = strlen(start);
    if (strncmp(text, start, n) != 0)
        return false;
    memmove(text, text + n, strlen(text + n) + 1);
    return true;
}

// The name without the prefixes that programs add, and with dots replaced by _, as one dialect
// writes it.
static char *
canonical_name(const char *name)
{
    static const char *const starts[] = {"base_model.model.", "model.diffusion_model.",
                                         "diffusion_model.",  "transformer.", "unet.",
                                         "lora_unet_",        "lora_transformer_",
                                         "lycoris_"};
    char *out = mem_strdup(name);
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        strip_prefix(out, starts[i]);
    if (strncmp(out, "sformer_blocks.", 15) == 0) { // some programs shorten it so
        char *longer = mem_printf("tran%s", out);
        free(out);
        out = longer;
    }
    for (char *p = out; *p; p++)
        *p = *p == '.' ? '_' : *p;
    return out;
}

enum role { ROLE_NONE = 0, ROLE_A, ROLE_B, ROLE_ALPHA, ROLE_OTHER };

// The role of a tensor in its module; *stem: length of the module's name in bytes.
static enum role
role_of(const char *name, size_t *stem)
{
    static const struct {
        const char *ending;
        enum role role;
    } endings[] = {
        {".lora_A.weight", ROLE_A},         {".lora_B.weight", ROLE_B},
        {".lora_A.default.weight", ROLE_A}, {".lora_B.default.weight", ROLE_B},
        {".lora_down.weight", ROLE_A},      {".lora_up.weight", ROLE_B},
        {".lora.down.weight", ROLE_A},      {".lora.up.weight", ROLE_B},
        {".alpha", ROLE_ALPHA},
    };
    static const char *const others[] = {".lokr_", ".hada_", ".dora_scale", ".lora_mid.",
                                         ".lora_magnitude_vector"};
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t k = strlen(endings[i].ending);
        *stem = n > k ? n - k : 0;
        if (n > k && strcmp(name + n - k, endings[i].ending) == 0)
            return endings[i].role;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strstr(name, others[i]))
            return ROLE_OTHER;
    return ROLE_NONE;
}

// The shape of a product, or of a convolution as rows by everything else.
static bool
is_matrix(const struct shape *s)
{
    return s->rank == 2 || s->rank == 4;
}

static int64_t
columns_of(const struct shape *s)
{
    return s->dim[0] > 0 ? shape_count(s) / s->dim[0] : 0;
}

// The module of that name, added if needed; usually it is the last. NULL: too many.
static struct module *
module_of(struct lora_reader *r, const char *name, size_t n, struct err *err)
{
    for (int i = r->count - 1; i >= 0; i--)
        if (strncmp(r->modules[i].name, name, n) == 0 && !r->modules[i].name[n])
            return &r->modules[i];
    if (r->count == LIMIT_LORA_CHANGES) {
        err_set(err, ERR_INPUT, "%s: it changes more than %d weights", r->file->path,
                LIMIT_LORA_CHANGES);
        return NULL;
    }
    struct module m = {.name = mem_strndup(name, n), .alpha = -1};
    m.canonical = canonical_name(m.name);
    ARRAY_PUSH(r->modules, r->count, r->capacity, m);
    return &r->modules[r->count - 1];
}

// --- Reading

static void
lora_reader_finish(struct lora_reader *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->modules[i].name);
        free(r->modules[i].canonical);
    }
    free(r->modules);
    jv_free(r->config);
    safetensors_close(r->tensors);
}

// PEFT stores the training settings in the file's metadata, or in a file beside it.
static struct jv *
read_config(const struct lora_reader *r)
{
    const char *text = safetensors_metadata(r->tensors, "lora_adapter_metadata");
    if (text)
        return jv_parse(text, strlen(text), r->file->path, NULL);
    char *folder = file_folder(r->file->path);
    char *beside = file_join(folder, "adapter_config.json");
    bool own = strcmp(file_basename(r->file->path), "adapter_model.safetensors") == 0;
    struct jv *config = own && file_exists(beside) ? jv_read(beside, NULL) : NULL;
    free(beside);
    free(folder);
    return config;
}

static const struct jv *
config_value(const struct lora_reader *r, const char *key)
{
    char longer[64];
    snprintf(longer, sizeof longer, "transformer.%s", key);
    const struct jv *v = jv_get(r->config, longer);
    return v ? v : jv_get(r->config, key);
}

static bool
take_tensor(struct lora_reader *r, const struct tensor_view *t, struct err *err)
{
    size_t stem;
    enum role role = role_of(t->name, &stem);
    if (role == ROLE_OTHER)
        return err_set(err, ERR_INPUT, "%s: %s is of a kind that limn does not merge (LoKr, LoHa, "
                       "DoRA): only LoRA", r->file->path, t->name);
    if (role == ROLE_NONE) {
        struct module *m = module_of(r, t->name, strlen(t->name), err);
        return m && (m->unsupported = true);
    }
    if (!dtype_is_float(t->dtype) || (role == ROLE_ALPHA ? shape_count(&t->shape) != 1
                                                         : !is_matrix(&t->shape)))
        return err_set(err, ERR_INPUT, "%s: %s is not a matrix of floats", r->file->path, t->name);
    struct module *m = module_of(r, t->name, stem, err);
    if (!m)
        return false;
    if (role == ROLE_ALPHA)
        m->alpha = dtype_load(t->dtype, t->data, 0);
    else
        *(role == ROLE_A ? &m->a : &m->b) = t;
    return true;
}

static bool
read_file(struct lora_reader *r, struct err *err)
{
    r->tensors = safetensors_open(r->file->path, err);
    bool ok = r->tensors != NULL;
    int changes = 0;
    for (size_t i = 0; ok && i < safetensors_count(r->tensors); i++)
        ok = take_tensor(r, safetensors_at(r->tensors, i), err);
    for (int i = 0; i < r->count; i++)
        changes += !r->modules[i].unsupported;
    if (ok && !changes)
        ok = err_set(err, ERR_INPUT, "%s is not a LoRA: it has no lora_A, lora_B, lora_down or "
                     "lora_up", r->file->path);
    for (int i = 0; ok && i < r->count; i++) {
        const struct module *m = &r->modules[i];
        if (!m->unsupported && (!m->a || !m->b || m->a->shape.dim[0] < 1 ||
                                m->a->shape.dim[0] != columns_of(&m->b->shape)))
            ok = err_set(err, ERR_INPUT, "%s: the halves of %s do not fit each other",
                         r->file->path, m->name);
    }
    if (ok)
        r->config = read_config(r);
    return ok;
}

// PEFT's alpha_pattern names modules in full, or by their last component: "to_q".
static double
pattern_alpha(const struct lora_reader *r, const char *module, double fallback)
{
    const struct jv *pattern = config_value(r, "alpha_pattern");
    for (const char *name = module; name; name = strchr(name, '.')) {
        name += *name == '.';
        const struct jv *alpha = jv_get(pattern, name);
        if (alpha)
            return jv_number(alpha, fallback);
    }
    return fallback;
}

static double
scale_of(const struct lora_reader *r, const struct module *m)
{
    double rank = (double)m->a->shape.dim[0];
    double alpha = m->alpha >= 0 ? m->alpha : jv_number(config_value(r, "lora_alpha"), rank);
    if (m->alpha < 0)
        alpha = pattern_alpha(r, m->name, alpha);
    bool root = jv_bool(config_value(r, "use_rslora"), false);
    return r->file->weight * alpha / (root ? sqrt(rank) : rank);
}

// --- Which parameter

static float *
floats(const struct tensor_view *t, int64_t first, int64_t count, struct err *err)
{
    float *out = mem_try_calloc((size_t)count, sizeof *out, "a LoRA", err);
    const char *from = (const char *)t->data + (size_t)first * dtype_size(t->dtype);
    if (out)
        dtype_convert(DTYPE_F32, out, t->dtype, from, count);
    return out;
}

static bool
all_finite(const float *values, int64_t n)
{
    bool all = true;
    for (int64_t i = 0; i < n; i++)
        all = all && isfinite(values[i]);
    return all;
}

// `place.rows` 0: the module covers the whole parameter.
static bool
add_delta(struct lora *l, const struct lora_reader *r, const struct module *m,
          const struct param *q, const struct param_place *place, struct err *err)
{
    int64_t rank = m->a->shape.dim[0], columns = columns_of(&m->a->shape);
    int64_t has = m->b->shape.dim[0];
    int64_t rows = q->shape.dim[0], want = place->rows ? place->rows : rows;
    if (has != want || columns != columns_of(&q->shape))
        return err_set(err, ERR_INPUT, "%s: %s changes %lld x %lld weights, the model has %lld x "
                       "%lld there: it was made for a model of another size", r->file->path,
                       m->name, (long long)has, (long long)columns, (long long)want,
                       (long long)columns_of(&q->shape));
    struct delta d = {.param = mem_strdup(q->name), .rank = rank, .rows = rows, .columns = columns,
                      .swap_halves = place->swap_halves};
    d.a = floats(m->a, 0, rank * columns, err);
    d.b = d.a ? floats(m->b, place->first * rank, rows * rank, err) : NULL;
    float scale = (float)scale_of(r, m);
    for (int64_t i = 0; d.b && i < rows * rank; i++)
        d.b[i] *= scale;
    ARRAY_PUSH(l->list, l->count, l->capacity, d);
    return d.b && ((all_finite(d.a, rank * columns) && all_finite(d.b, rows * rank)) ||
                   err_set(err, ERR_INPUT, "%s: %s has numbers that are not finite",
                           r->file->path, m->name));
}

static struct module *
find_module(struct lora_reader *r, const char *name)
{
    static const char ending[] = ".weight";
    size_t n = strlen(name), k = sizeof ending - 1;
    if (n <= k || strcmp(name + n - k, ending) != 0)
        return NULL;
    char *stem = mem_strndup(name, n - k), *plain = canonical_name(stem);
    struct module *found = NULL;
    for (int i = 0; i < r->count && !found; i++)
        if (!r->modules[i].unsupported && strcmp(r->modules[i].canonical, plain) == 0)
            found = &r->modules[i];
    free(plain);
    free(stem);
    return found;
}

// Looks under the parameter's own name and under those used by other files: both may exist.
static bool
match(struct lora *l, struct lora_reader *r, const struct part *part, const struct param *q,
      struct err *err)
{
    const char *name = q->name + strlen(part->prefix);
    struct param_place place = {0};
    struct module *m = find_module(r, name), *before = NULL;
    bool ok = true;
    for (int way = -1; ok; way++) {
        if (way >= 0) {
            place = (struct param_place){0};
            if (!part->net->place || !part->net->place(part->config, name, way, &place))
                break;
            m = find_module(r, place.name);
        }
        if (m && m != before)
            ok = add_delta(l, r, m, q, &place, err);
        if (m)
            m->used = true;
        before = m ? m : before;
    }
    return ok;
}

// Reports how much of the file is used, and what is not.
static bool
say_matched(const struct lora_reader *r, struct err *err)
{
    enum { SHOWN = 3 };
    char unknown[400] = "";
    int used = 0, left = 0;
    size_t n = 0;
    for (int i = 0; i < r->count; i++) {
        used += r->modules[i].used;
        if (!r->modules[i].used && left++ < SHOWN && n < sizeof unknown)
            n += (size_t)snprintf(unknown + n, sizeof unknown - n, "%s%.100s", n ? ", " : "",
                                  r->modules[i].name);
    }
    const char *more = left > SHOWN ? ", …" : "";
    if (!used)
        return err_set(err, ERR_INPUT, "%s: nothing in it is for this model (%s%s)", r->file->path,
                       unknown, more);
    if (left)
        log_line(LOG_NOTICE, "model", "%s: %d of its %d changes are used; the model does not know "
                 "%s%s", r->file->path, used, r->count, unknown, more);
    else
        log_line(LOG_NOTICE, "model", "%s: all of its %d changes are used", r->file->path, used);
    return true;
}

static bool
add_file(struct lora *l, const struct lora_file *file, const struct part *part,
         const struct params *params, struct err *err)
{
    struct lora_reader r = {.file = file};
    bool ok = read_file(&r, err);
    for (int i = 0; ok && i < params_entries(params); i++) {
        const struct param *q = params_at(params, i);
        if (is_matrix(&q->shape) && strncmp(q->name, part->prefix, strlen(part->prefix)) == 0)
            ok = match(l, &r, part, q, err);
    }
    ok = ok && safetensors_check(r.tensors, err) && say_matched(&r, err);
    lora_reader_finish(&r);
    return ok;
}

// --- Adding

static const void *
find(void *ctx, const char *name)
{
    const struct lora *l = ctx;
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->list[i].param, name) == 0)
            return &l->list[i];
    return NULL;
}

// Adds that row of B A to `values`, `count` of one row from a column on.
static void
add_row(const struct delta *d, int64_t row, int64_t column, int64_t count, float *values)
{
    const float *b = d->b + row * d->rank;
    for (int64_t k = 0; k < d->rank; k++) {
        const float *a = d->a + k * d->columns + column, by = b[k];
        for (int64_t i = 0; i < count; i++)
            values[i] += by * a[i];
    }
}

static void
add(void *ctx, const void *first, int64_t at, int64_t count, float *values)
{
    const struct lora *l = ctx;
    const struct delta *end = l->list + l->count;
    const char *param = ((const struct delta *)first)->param;
    for (const struct delta *d = first; d < end; d++) {
        if (strcmp(d->param, param) != 0)
            continue;
        for (int64_t i = 0; i < count;) {
            int64_t row = (at + i) / d->columns, column = (at + i) % d->columns;
            int64_t n = MIN(d->columns - column, count - i);
            int64_t from = d->swap_halves ? (row + d->rows / 2) % d->rows : row;
            add_row(d, from, column, n, values + i);
            i += n;
        }
    }
}

struct lora *
lora_open(const struct lora_file *files, int count, const struct part *part,
          const struct params *params, struct err *err)
{
    struct lora *l = mem_zalloc(sizeof *l);
    l->change = (struct params_change){l, find, add};
    bool ok = true;
    for (int i = 0; ok && i < count; i++)
        ok = add_file(l, &files[i], part, params, err);
    if (ok)
        return l;
    lora_close(l);
    return NULL;
}

void
lora_close(struct lora *l)
{
    for (int i = 0; l && i < l->count; i++) {
        free(l->list[i].param);
        free(l->list[i].a);
        free(l->list[i].b);
    }
    if (l)
        free(l->list);
    free(l);
}

const struct params_change *
lora_change(const struct lora *l)
{
    return &l->change;
}
