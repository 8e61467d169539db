// SPDX-License-Identifier: MIT
#include "engine/model/model_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"

struct run {
    const struct model_golden_params *params;
    enum model_part part;
    enum dtype dtype;
    struct safetensors *file;
    struct params *table;
    struct buffer *block;
    struct graph *g;
    struct nn nn;
    struct plan *plan;
    struct node *out;
};

static const struct tensor_view *
tensor(const struct run *r, const char *name, int rank, struct err *err)
{
    const struct tensor_view *t = safetensors_find(r->file, name);
    if (!t)
        err_set(err, ERR_INPUT, "%s: a golden of %s needs a tensor '%s'", r->params->golden,
                model_part_name(r->part), name);
    else if ((rank >= 0 && t->shape.rank != rank) || t->size == 0)
        err_set(err, ERR_INPUT, "%s: '%s' must have %d dimensions, none of them 0",
                r->params->golden, name, rank);
    else
        return t;
    return NULL;
}

// As f32; pictures (N,C,H,W) become (N,H,W,C).
static float *
values(const struct tensor_view *t, bool picture)
{
    int64_t n = shape_count(&t->shape);
    float *out = mem_alloc((size_t)n * sizeof *out);
    int64_t channels = picture ? t->shape.dim[1] : 1;
    int64_t pixels = picture ? t->shape.dim[2] * t->shape.dim[3] : 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t to = i;
        if (picture) {
            int64_t sample = i / (channels * pixels), c = i / pixels % channels;
            to = (sample * pixels + i % pixels) * channels + c;
        }
        out[to] = (float)dtype_load(t->dtype, t->data, i);
    }
    return out;
}

// A number for each of N pictures, from N numbers or one.
static bool
write_numbers(struct run *r, const char *name, struct node *input, struct err *err)
{
    const struct tensor_view *t = tensor(r, name, -1, err);
    int64_t n = shape_count(&input->shape);
    if (!t)
        return false;
    int64_t has = shape_count(&t->shape);
    if (has != n && has != 1)
        return err_set(err, ERR_INPUT, "%s: '%s' has %lld numbers for %lld pictures",
                       r->params->golden, name, (long long)has, (long long)n);
    float *v = mem_alloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)dtype_load(t->dtype, t->data, has == 1 ? 0 : i);
    bool ok = plan_write_f32(r->plan, input, v, err);
    free(v);
    return ok;
}

static bool
write_values(struct run *r, const struct tensor_view *t, bool picture, struct node *input,
             struct err *err)
{
    float *v = values(t, picture);
    bool ok = plan_write_f32(r->plan, input, v, err);
    free(v);
    return ok;
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

static bool
compare(struct run *r, const char *name, bool picture, struct model_golden_result *result,
        struct err *err)
{
    const struct tensor_view *t = tensor(r, name, picture ? 4 : 3, err);
    int64_t n = shape_count(&r->out->shape);
    if (!t)
        return false;
    if (shape_count(&t->shape) != n)
        return err_set(err, ERR_INPUT, "%s: '%s' has another shape than the model's answer",
                       r->params->golden, name);
    float *want = values(t, picture), *got = mem_alloc((size_t)n * sizeof *got);
    double start = clock_seconds();
    bool ok = plan_run(r->plan, err);
    result->seconds += clock_seconds() - start;
    ok = ok && plan_read_f32(r->plan, r->out, got, err);
    double difference = 0, size = 0;
    for (int64_t i = 0; ok && i < n; i++) {
        double d = (double)got[i] - want[i];
        difference += d * d;
        size += (double)want[i] * want[i];
    }
    double error = sqrt(difference / size);
    if (!(error <= result->relative_error)) // NaN is the worst of all
        result->relative_error = error;
    free(want);
    free(got);
    return ok;
}

static bool
run_unet(struct run *r, struct model_golden_result *result, struct err *err)
{
    const struct unet_config *c = r->part == MODEL_UNET
                                      ? model_folder_unet(r->params->folder)
                                      : model_folder_super_resolution(r->params->folder);
    const struct tensor_view *sample = tensor(r, "sample", 4, err);
    const struct tensor_view *text = tensor(r, "encoder_hidden_states", 3, err);
    if (!sample || !text)
        return false;
    const int64_t *s = sample->shape.dim;
    int width = c->encoder_hid_dim ? c->encoder_hid_dim : c->cross_attention_dim;
    if (s[1] != c->in_channels || s[2] % (1 << (c->levels - 1)) || s[3] % (1 << (c->levels - 1)) ||
        text->shape.dim[0] != s[0] || text->shape.dim[2] != width)
        return err_set(err, ERR_INPUT, "%s: sample and encoder_hidden_states do not fit the model",
                       r->params->golden);
    struct unet_inputs in = {
        .sample = graph_input(r->g, "sample", SHAPE(s[0], s[2], s[3], s[1]), DTYPE_F32),
        .timestep = graph_input(r->g, "timestep", SHAPE(s[0]), DTYPE_F32),
        .text = graph_input(r->g, "text", text->shape, DTYPE_F32),
    };
    if (c->class_timestep)
        in.class_labels = graph_input(r->g, "class_labels", SHAPE(s[0]), DTYPE_F32);
    r->out = unet_build(&r->nn, c, &in);
    return make_plan(r, err) && write_values(r, sample, true, in.sample, err) &&
           write_numbers(r, "timestep", in.timestep, err) &&
           (!c->class_timestep || write_numbers(r, "class_labels", in.class_labels, err)) &&
           write_values(r, text, false, in.text, err) && compare(r, "output", true, result, err);
}

static bool
run_text(struct run *r, struct model_golden_result *result, struct err *err)
{
    const struct t5_config *c = model_folder_text(r->params->folder);
    const struct tensor_view *ids = tensor(r, "input_ids", 2, err);
    const struct tensor_view *mask = safetensors_find(r->file, "attention_mask");
    if (!ids)
        return false;
    bool masked = mask && safetensors_find(r->file, "output_masked");
    if (masked && !shape_equal(&mask->shape, &ids->shape))
        return err_set(err, ERR_INPUT, "%s: attention_mask has another shape than input_ids",
                       r->params->golden);
    struct node *input = graph_input(r->g, "ids", ids->shape, DTYPE_I32);
    struct node *seen = masked ? graph_input(r->g, "mask", ids->shape, DTYPE_F32) : NULL;
    r->out = t5_build(&r->nn, c, input, seen);
    if (!make_plan(r, err))
        return false;
    int64_t n = shape_count(&ids->shape);
    int32_t *v = mem_alloc((size_t)n * sizeof *v);
    float *ones = mem_alloc((size_t)n * sizeof *ones);
    for (int64_t i = 0; i < n; i++)
        ones[i] = 1;
    dtype_convert(DTYPE_I32, v, ids->dtype, ids->data, n);
    bool ok = plan_write(r->plan, input, v, err) &&
              (!masked || plan_write_f32(r->plan, seen, ones, err)) &&
              compare(r, "output", false, result, err);
    if (ok && masked)
        ok = write_values(r, mask, false, seen, err) &&
             compare(r, "output_masked", false, result, err);
    free(v);
    free(ones);
    return ok;
}

static bool
prepare(struct run *r, struct err *err)
{
    const struct model_golden_params *p = r->params;
    r->file = safetensors_open(p->golden, err);
    if (!r->file)
        return false;
    const char *part = safetensors_metadata(r->file, "part");
    r->part = part ? model_part_from_name(part) : MODEL_PART_NONE;
    if (!r->part)
        return err_set(err, ERR_INPUT,
                       "%s: its metadata must name a part: unet, super_resolution or text_encoder",
                       p->golden);
    if (!p->folder->has[r->part])
        return err_set(err, ERR_INPUT, "%s has no %s, which the golden is for", p->folder->path,
                       part);
    r->dtype = p->dtype ? p->dtype : DTYPE_F32;
    r->table = params_create(r->dtype);
    if (!model_folder_declare(p->folder, r->part, r->table, err))
        return false;
    params_layout(r->table);
    r->block = buffer_create_weights(p->device, params_bytes(r->table), "weights", err);
    if (!r->block || !model_folder_load(p->folder, r->part, r->table, r->block, NULL, err))
        return false;
    r->g = graph_create();
    r->nn = (struct nn){.g = r->g, .params = r->table, .dtype = r->dtype,
                        .part = model_part_prefix(r->part)};
    return true;
}

bool
model_golden_run(const struct model_golden_params *params, struct model_golden_result *result,
                 struct err *err)
{
    struct run r = {.params = params};
    *result = (struct model_golden_result){0};
    bool ok = prepare(&r, err) &&
              (r.part == MODEL_TEXT_ENCODER ? run_text(&r, result, err) : run_unet(&r, result, err));
    result->part = r.part;
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
