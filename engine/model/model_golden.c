// SPDX-License-Identifier: MIT
#include "engine/model/model_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"

// Input and expected output of a run with an attention mask.
static const char MASK[] = "attention_mask";

struct run {
    const struct model_golden_params *params;
    const struct part *part;
    const char *what; // of the part: "encoder"
    enum dtype dtype;
    struct safetensors *file;
    struct params *table;
    struct buffer *block;
    struct graph *g;
    struct nn nn;
    struct plan *plan;
    struct node *out;
    bool unmasked; // the mask hides nothing
};

static const struct tensor_view *
tensor(const struct run *r, const char *name, struct err *err)
{
    const struct tensor_view *t = safetensors_find(r->file, name);
    if (t && t->size > 0 && t->dtype != DTYPE_NONE)
        return t;
    err_set(err, ERR_INPUT, "%s: a golden of %s needs a tensor '%s'", r->params->golden,
            r->part->name, name);
    return NULL;
}

static const struct shape *
shape_of(void *ctx, const char *name)
{
    const struct run *r = ctx;
    bool masked = r->part->net->masked || safetensors_find(r->file, "output_masked");
    if (strcmp(name, MASK) == 0 && !masked)
        return NULL;
    const struct tensor_view *t = safetensors_find(r->file, name);
    return t && t->size > 0 && t->dtype != DTYPE_NONE ? &t->shape : NULL;
}

static int64_t
number(void *ctx, const char *key)
{
    const struct run *r = ctx;
    return model_golden_number(safetensors_metadata(r->file, key));
}

int64_t
model_golden_number(const char *text)
{
    char *end = NULL;
    int64_t number = text ? strtoll(text, &end, 10) : 0;
    return end && *end == '\0' ? number : 0;
}

void
model_golden_round(enum dtype type, float *values, int64_t n)
{
    uint16_t narrow[256];
    if (type != DTYPE_F16 && type != DTYPE_BF16)
        return;
    for (int64_t i = 0; i < n; i += COUNT_OF(narrow)) {
        int64_t count = MIN(n - i, (int64_t)COUNT_OF(narrow));
        dtype_convert(type, narrow, DTYPE_F32, values + i, count);
        dtype_convert(DTYPE_F32, values + i, type, narrow, count);
    }
}

bool
model_golden_ids(const struct tensor_view *t, int64_t n, int32_t *to, const char *golden,
                 struct err *err)
{
    for (int64_t i = 0; i < n; i++) {
        double id = dtype_load(t->dtype, t->data, i);
        if (!(id >= INT32_MIN && id <= INT32_MAX) || id != floor(id))
            return err_set(err, ERR_INPUT, "%s: '%s' has a %g, where a whole number of 32 bits is "
                           "needed", golden, t->name, id);
        to[i] = (int32_t)id;
    }
    return true;
}

// A tensor as f32. For a node of four dimensions it is a picture (N,C,H,W) and becomes (N,H,W,C); N
// may be missing. NULL: no memory.
static float *
values(const struct tensor_view *t, const struct node *as, struct err *err)
{
    const struct shape *s = &t->shape;
    bool picture = as->shape.rank == 4 && s->rank >= 3;
    int64_t n = shape_count(s);
    float *out = mem_try_calloc((size_t)n, sizeof *out, t->name, err);
    int64_t channels = picture ? s->dim[s->rank - 3] : 1;
    int64_t pixels = picture ? s->dim[s->rank - 2] * s->dim[s->rank - 1] : 1;
    for (int64_t i = 0; out && i < n; i++) {
        int64_t to = i;
        if (picture) {
            int64_t sample = i / (channels * pixels), c = i / pixels % channels;
            to = (sample * pixels + i % pixels) * channels + c;
        }
        out[to] = (float)dtype_load(t->dtype, t->data, i);
    }
    return out;
}

// Ids shared by all samples may be repeated in the file for each.
static bool
write_ids(struct run *r, struct node *input, const struct tensor_view *t, struct err *err)
{
    int64_t n = shape_count(&input->shape);
    int32_t *ids = mem_try_calloc((size_t)n, sizeof *ids, input->name, err);
    bool ok = ids && model_golden_ids(t, n, ids, r->params->golden, err) &&
              plan_write(r->plan, input, ids, err);
    free(ids);
    return ok;
}

// Fills an input: a mask (ones in a run without it), ids as integers, one number repeated for all
// N, all else unchanged.
static bool
write_input(struct run *r, struct node *input, struct err *err)
{
    const struct tensor_view *t = tensor(r, input->name, err);
    if (!t)
        return false;
    bool ids = input->dtype == DTYPE_I32;
    int64_t n = shape_count(&input->shape), has = shape_count(&t->shape);
    if (ids ? has % n != 0 : has != n && has != 1)
        return err_set(err, ERR_INPUT, "%s: '%s' has %lld numbers, not %lld", r->params->golden,
                       input->name, (long long)has, (long long)n);
    if (ids)
        return write_ids(r, input, t, err);
    float *read = values(t, input, err);
    float *v = mem_try_calloc((size_t)n, sizeof *v, input->name, err);
    for (int64_t i = 0; read && v && i < n; i++)
        v[i] = r->unmasked && strcmp(input->name, MASK) == 0 ? 1 : read[has == 1 ? 0 : i];
    bool ok = read && v && plan_write_f32(r->plan, input, v, err);
    free(read);
    free(v);
    return ok;
}

static bool
write_inputs(struct run *r, const struct net_golden *golden, struct err *err)
{
    for (int i = 0; i < golden->count; i++)
        if (!write_input(r, golden->inputs[i], err))
            return false;
    return true;
}

static bool
make_plan(struct run *r, struct err *err)
{
    struct plan_params p = {.device = r->params->device,
                            .slots[SLOT_PARAMS] = r->block,
                            .constant_params = true,
                            .plain = r->params->plain};
    graph_output(r->g, r->out);
    r->plan = plan_create(r->g, &p, err);
    return r->plan && nn_constants_write(&r->nn, r->plan, err);
}

// The output's shape as the reference writes it: (N,C,H,W) for (N,H,W,C).
static struct shape
answer_shape(const struct run *r)
{
    struct shape s = r->out->shape;
    if (s.rank == 4)
        s = SHAPE(s.dim[0], s.dim[3], s.dim[1], s.dim[2]);
    return s;
}

// Equal except for leading dimensions of 1.
static bool
same_shape(struct shape a, struct shape b)
{
    bool same = true;
    for (int i = 0; i < MAX(a.rank, b.rank); i++)
        same = same && (i < a.rank ? a.dim[a.rank - 1 - i] : 1) ==
                           (i < b.rank ? b.dim[b.rank - 1 - i] : 1);
    return same;
}

static bool
compare(struct run *r, const char *name, struct model_golden_result *result, struct err *err)
{
    const struct tensor_view *t = tensor(r, name, err);
    struct shape answer = answer_shape(r);
    int64_t n = shape_count(&answer);
    if (!t)
        return false;
    if (!same_shape(t->shape, answer)) {
        char has[SHAPE_TEXT_MAX], wanted[SHAPE_TEXT_MAX];
        return err_set(err, ERR_INPUT, "%s: '%s' is %s, the model's answer %s", r->params->golden,
                       name, shape_text(&t->shape, has), shape_text(&answer, wanted));
    }
    float *want = values(t, r->out, err), *got = mem_try_calloc((size_t)n, sizeof *got, name, err);
    double start = clock_seconds();
    bool ok = want && got &&
              (plan_run(r->plan, err) || err_prefix(err, "%s", r->params->golden));
    result->seconds += clock_seconds() - start;
    ok = ok && plan_read_f32(r->plan, r->out, got, err);
    if (ok)
        model_golden_round(t->dtype, got, n);
    double difference = 0, size = 0;
    for (int64_t i = 0; ok && i < n; i++) {
        double d = (double)got[i] - want[i];
        difference += d * d;
        size += (double)want[i] * want[i];
    }
    double error = sqrt(difference / size);
    if (!(error <= result->relative_error)) // NaN counts as the largest
        result->relative_error = error;
    free(want);
    free(got);
    return ok;
}

static bool
run(struct run *r, struct model_golden_result *result, struct err *err)
{
    struct net_golden golden = {.shape = shape_of, .ctx = r, .what = r->what, .number = number};
    r->out = r->part->net->golden(&r->nn, r->part->config, &golden, err);
    if (!r->out)
        return err_prefix(err, "%s", r->params->golden);
    r->unmasked = !r->part->net->masked;
    if (!make_plan(r, err) || !write_inputs(r, &golden, err) || !compare(r, "output", result, err))
        return false;
    if (!shape_of(r, MASK) || !r->unmasked)
        return true;
    r->unmasked = false;
    return write_inputs(r, &golden, err) && compare(r, "output_masked", result, err);
}

// The part that a golden is for: its folder's name, perhaps with the half, as in "vae_encoder".
static const struct part *
find_part(struct run *r, const char *name)
{
    const struct parts *parts = &r->params->folder->parts;
    const struct part *part = parts_find(parts, name);
    const char *end = strrchr(name, '_');
    r->what = "";
    if (part || !end)
        return part;
    char *folder = mem_strndup(name, (size_t)(end - name));
    part = parts_find(parts, folder);
    r->what = end + 1;
    free(folder);
    return part;
}

static bool
prepare(struct run *r, struct err *err)
{
    const struct model_golden_params *p = r->params;
    r->file = safetensors_open(p->golden, err);
    if (!r->file)
        return false;
    const char *part = safetensors_metadata(r->file, "part");
    if (!part)
        return err_set(err, ERR_INPUT, "%s: its metadata must name a part such as %s", p->golden,
                       p->folder->family->denoiser);
    r->part = find_part(r, part);
    if (!r->part)
        return err_set(err, ERR_INPUT, "%s has no %s, which the golden is for", p->folder->path,
                       part);
    r->dtype = p->dtype ? p->dtype : DTYPE_F32;
    r->table = params_create(r->dtype);
    if (!model_folder_declare(p->folder, r->part->name, r->table, err))
        return false;
    params_layout(r->table);
    r->block = buffer_create_weights(p->device, params_bytes(r->table), "weights", err);
    if (!r->block || !model_folder_load(p->folder, r->part->name, r->table, r->block, NULL, err))
        return false;
    r->g = graph_create();
    r->nn = (struct nn){.g = r->g, .params = r->table, .dtype = r->dtype,
                        .part = r->part->prefix};
    return true;
}

bool
model_golden_run(const struct model_golden_params *params, struct model_golden_result *result,
                 struct err *err)
{
    struct run r = {.params = params};
    *result = (struct model_golden_result){0};
    bool ok = prepare(&r, err) && run(&r, result, err) && safetensors_check(r.file, err);
    result->part = r.part ? r.part->name : NULL;
    if (r.plan)
        plan_stats(r.plan, &result->stats);
    plan_destroy(r.plan);
    nn_finish(&r.nn);
    graph_destroy(r.g);
    buffer_destroy(r.block);
    params_destroy(r.table);
    safetensors_close(r.file);
    return ok;
}
