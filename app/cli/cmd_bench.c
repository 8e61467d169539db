// SPDX-License-Identifier: MIT
// limn bench step: what one pass of the denoiser and one training step cost, as shares of the
// device's own ceilings, measured in the same run. limn bench ops: the same by op and shape.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/bench_nodes.h"
#include "app/cli/commands.h"
#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/device/device.h"
#include "engine/model/model_folder.h"
#include "engine/train/network.h"

// DeepFloyd IF's base networks and FLUX.2's; engine/model reads them as any config.
static const struct size {
    const char *name;
    const struct family *family;
    const char *numbers; // put into the family's config
    int width;           // the last of them
} sizes[] = {
    {"if-i-m", &family_imagen, "192,384,576,768", 768},
    {"if-i-xl", &family_imagen, "704,1408,2112,2816", 2816},
    {"flux2-klein-4b", &family_flux2, "\"num_layers\":5,\"num_single_layers\":20,"
     "\"num_attention_heads\":24", 7680},
    {"flux2-klein-9b", &family_flux2, "\"num_layers\":8,\"num_single_layers\":24,"
     "\"num_attention_heads\":32", 12288},
};

static const char flux2[] =
    "{\"_class_name\":\"Flux2Transformer2DModel\",%s,\"joint_attention_dim\":%d,"
    "\"guidance_embeds\":false}";

static const char if_i[] =
    "{\"sample_size\":64,\"in_channels\":3,\"out_channels\":6,\"act_fn\":\"gelu\","
    "\"addition_embed_type\":\"text\",\"addition_embed_type_num_heads\":64,"
    "\"attention_head_dim\":64,\"block_out_channels\":[%s],\"layers_per_block\":3,"
    "\"cross_attention_dim\":%d,\"cross_attention_norm\":\"group_norm\",\"encoder_hid_dim\":4096,"
    "\"encoder_hid_dim_type\":\"text_proj\",\"resnet_time_scale_shift\":\"scale_shift\","
    "\"down_block_types\":[\"ResnetDownsampleBlock2D\",\"SimpleCrossAttnDownBlock2D\","
    "\"SimpleCrossAttnDownBlock2D\",\"SimpleCrossAttnDownBlock2D\"],"
    "\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\",\"up_block_types\":["
    "\"SimpleCrossAttnUpBlock2D\",\"SimpleCrossAttnUpBlock2D\",\"SimpleCrossAttnUpBlock2D\","
    "\"ResnetUpsampleBlock2D\"],\"norm_num_groups\":32,\"flip_sin_to_cos\":true,\"freq_shift\":0}";

struct bench {
    const char *model;       // folder, or NULL:
    const struct size *size; // of a published model
    const char *size_name, *device, *type, *quantise;
    struct device_ceilings ceilings;
    int batch, references, text_tokens, repeats, height, width;
    enum dtype dtype;
    bool only_train, only_forward, nodes, checkpoint;
};

// What is measured: the denoiser of a model, or of a published size without its weights.
struct subject {
    struct model_folder *folder; // NULL: a size
    struct parts own;
    const struct family *family;
    const struct parts *parts;
};

static bool
subject_open(struct subject *s, const struct bench *b, struct err *err)
{
    if (b->model) {
        s->folder = model_folder_open(b->model, err);
        if (!s->folder)
            return false;
        s->family = s->folder->family;
        s->parts = &s->folder->parts;
        return parts_find(s->parts, s->family->denoiser) ||
               err_set(err, ERR_INPUT, "%s: no %s there", b->model, s->family->denoiser);
    }
    s->family = b->size->family;
    s->parts = &s->own;
    char *text = s->family == &family_flux2 ? mem_printf(flux2, b->size->numbers, b->size->width)
                                            : mem_printf(if_i, b->size->numbers, b->size->width);
    struct jv *json = jv_parse(text, strlen(text), b->size->name, err);
    bool ok = json && parts_add(&s->own, s->family->denoiser, json, b->size->name, err);
    jv_free(json);
    free(text);
    return ok;
}

static void
subject_close(struct subject *s)
{
    model_folder_close(s->folder);
    parts_finish(&s->own);
}

// Noise into every float input, zeros into integer ones.
static bool
fill_inputs(struct plan *p, const struct graph *g, struct err *err)
{
    for (int id = 0; id < graph_count(g); id++) {
        const struct node *n = graph_node(g, id);
        if (!(n->flags & NODE_INPUT) || !dtype_is_float(n->dtype))
            continue;
        size_t count = (size_t)shape_count(&n->shape);
        float *v = mem_try_calloc(count, sizeof *v, "bench", err);
        if (!v)
            return false;
        rng_fill_normal(1, RNG_STREAM_TEST, (uint64_t)id << 32, v, count);
        if (strcmp(n->name, "timestep") == 0)
            for (size_t i = 0; i < count; i++)
                v[i] = 500;
        bool ok = plan_write_f32(p, n, v, err);
        free(v);
        if (!ok)
            return false;
    }
    return true;
}

static bool
run_plan(const struct bench *b, struct device *d, struct plan *p, const char *what, size_t weights,
         struct err *err)
{
    double best = INFINITY;
    struct plan_stats s;
    for (int i = 0; i < 2; i++) // packs weights, warms caches
        if (!plan_run(p, err))
            return false;
    if (!device_wait(d, err))
        return false;
    plan_profile(p, b->nodes);
    for (int i = 0; i < b->repeats; i++) {
        double start = clock_seconds();
        if (!plan_run(p, err) || !device_wait(d, err))
            return false;
        best = fmin(best, clock_seconds() - start);
    }
    plan_stats(p, &s);
    printf("%s: %.1f ms, %.1f GFLOP, %.0f GFLOP/s = %.1f %% of the matrix rate\n", what, 1e3 * best,
           s.flops / 1e9, s.flops / best / 1e9, 100 * s.flops / best / b->ceilings.flops);
    printf("  memory: weights %.1f MiB, packed %.1f, activations %.1f (lower bound %.1f, ratio "
           "%.3f), kernels %.1f\n",
           (double)weights / 0x1p20, (double)s.packed / 0x1p20, (double)s.arena / 0x1p20,
           (double)s.lower_bound / 0x1p20, (double)s.arena / (double)s.lower_bound,
           (double)s.scratch / 0x1p20);
    if (b->nodes)
        bench_nodes_print(p, &b->ceilings, b->repeats);
    return true;
}

// A graph with its weights, made ready and run.
struct bench_run {
    struct subject subject;
    struct params *params;
    struct graph *g;
    struct nn nn;
    struct ports ports;
    struct buffer *slots[SLOT_COUNT];
};

static bool
declare(struct bench_run *r, const char *part, struct err *err)
{
    const struct part *p = parts_find(r->subject.parts, part);
    return p->net->declare(r->params, p->prefix, p->config, err);
}

static bool
make_weights(struct bench_run *r, struct device *d, bool train, struct err *err)
{
    params_layout(r->params);
    size_t bytes = params_bytes(r->params);
    r->slots[SLOT_PARAMS] = train ? buffer_create(d, bytes, "weights", err)
                                  : buffer_create_weights(d, bytes, "weights", err);
    if (train)
        r->slots[SLOT_GRADS] = buffer_create(d, bytes, "gradients", err);
    return r->slots[SLOT_PARAMS] && (!train || r->slots[SLOT_GRADS]) &&
           params_initialise(r->params, 1, r->slots[SLOT_PARAMS], err);
}

static int
tokens_of(const struct bench *b, const struct family *f)
{
    return b->text_tokens ? b->text_tokens : f->text_tokens ? f->text_tokens : 77;
}

// The picture's and, like it, the references', rounded down to what the family draws.
static void
set_sizes(struct stage_key *key, const struct bench *b, int grain)
{
    key->size = (struct picture_size){MAX(b->height / grain, 1) * grain,
                                      MAX(b->width / grain, 1) * grain};
    for (int k = 0; k < key->references; k++)
        key->reference[k] = key->size;
}

// One step of the denoiser, as a drawing has it.
static void
build_step(struct bench_run *r, const struct bench *b)
{
    const struct subject *s = &r->subject;
    struct stage_key key = {.kind = STAGE_STEP, .part = s->family->denoiser, .batch = b->batch,
                            .tokens = tokens_of(b, s->family)};
    if (s->family->has(s->parts, STAGE_REFERENCES))
        key.references = b->references;
    if (s->family->grain)
        set_sizes(&key, b, s->family->grain(s->parts));
    r->g = graph_create();
    r->nn = (struct nn){.g = r->g, .params = r->params, .dtype = b->dtype,
                        .checkpoint = b->checkpoint};
    s->family->build[STAGE_STEP](&r->nn, s->parts, &key, &r->ports);
}

static bool
measure(struct bench_run *r, const struct bench *b, struct device *d, const char *what,
        struct err *err)
{
    struct plan_params pp = {.device = d, .constant_params = !r->slots[SLOT_GRADS]};
    memcpy(pp.slots, r->slots, sizeof pp.slots);
    struct plan *p = plan_create(r->g, &pp, err);
    bool ok = p && nn_constants_write(&r->nn, p, err) && fill_inputs(p, r->g, err) &&
              run_plan(b, d, p, what, params_bytes(r->params), err);
    plan_destroy(p);
    return ok;
}

static void
bench_run_finish(struct bench_run *r)
{
    nn_finish(&r->nn);
    ports_finish(&r->ports);
    graph_destroy(r->g);
    for (int s = 0; s < SLOT_COUNT; s++)
        buffer_destroy(r->slots[s]);
    params_destroy(r->params);
    subject_close(&r->subject);
}

static bool
bench_forward(const struct bench *b, struct device *d, struct err *err)
{
    struct bench_run r = {.params = params_create(b->dtype)};
    bool ok = subject_open(&r.subject, b, err) && declare(&r, r.subject.family->denoiser, err);
    if (ok && b->quantise)
        params_choose_blocks(r.params, "", NULL, NULL, dtype_from_quantised(b->quantise));
    ok = ok && make_weights(&r, d, false, err);
    if (ok)
        build_step(&r, b);
    ok = ok && measure(&r, b, d, "forward", err);
    bench_run_finish(&r);
    return ok;
}

// All that a training step of a model computes before its update.
static bool
build_training(struct bench_run *r, const struct bench *b, struct err *err)
{
    const struct subject *s = &r->subject;
    struct network_params np = {.folder = s->folder,
                                .params = r->params,
                                .dtype = b->dtype,
                                .key = {.batch = b->batch,
                                        .references = b->references,
                                        .text_tokens = tokens_of(b, s->family),
                                        .reference_tokens = s->folder->reference_tokens,
                                        .end = 1},
                                .checkpoint_activations = b->checkpoint};
    if (!s->family->has(s->parts, STAGE_REFERENCES))
        np.key.references = 0;
    struct network n;
    bool ok = network_build(&n, &np, err);
    r->g = n.g;
    r->nn = n.nn;
    r->ports = n.ports;
    return ok;
}

// Of a size there is the denoiser alone: its loss is its squared answer.
static bool
build_gradients(struct bench_run *r, const struct bench *b, struct err *err)
{
    build_step(r, b);
    struct node *y = op_cast(r->g, ports_find_output(&r->ports, "prediction"), DTYPE_F32);
    nn_segment_end(&r->nn);
    struct node *loss = op_mean(r->g, op_mul(r->g, y, y), 15);
    return network_add_gradients(r->g, &r->nn, loss, NULL, err);
}

static bool
bench_train(const struct bench *b, struct device *d, struct err *err)
{
    struct bench_run r = {.params = params_create(DTYPE_F32)};
    bool ok = subject_open(&r.subject, b, err) && declare(&r, r.subject.family->denoiser, err);
    bool whole = ok && r.subject.folder && r.subject.family->training &&
                 parts_find(r.subject.parts, r.subject.family->text);
    ok = ok && (!whole || declare(&r, r.subject.family->text, err)) &&
         make_weights(&r, d, true, err) &&
         (whole ? build_training(&r, b, err) : build_gradients(&r, b, err)) &&
         measure(&r, b, d, "training step (forward, backward)", err);
    bench_run_finish(&r);
    return ok;
}

// --- the commands

static const char *
size_name(int i)
{
    return i < (int)COUNT_OF(sizes) ? sizes[i].name : NULL;
}

static int
run(const struct command_line *line, bool nodes)
{
    struct bench *b = line->values;
    struct err err = {0};
    b->dtype = dtype_from_name(b->type);
    b->nodes = b->nodes || nodes;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        if (strcmp(sizes[i].name, b->size_name) == 0)
            b->size = &sizes[i];
    command_interrupt_ends();
    struct device *d = device_open(b->device, &err);
    bool ok = d && device_measure(d, b->dtype, &b->ceilings, &err);
    if (ok)
        printf("%s\nceilings of this run: %.0f GFLOP/s of products in %s (%s), %.1f GB/s\n",
               device_limits(d)->name, b->ceilings.flops / 1e9, dtype_name(b->dtype),
               b->ceilings.how, b->ceilings.bytes / 1e9);
    ok = ok && ((b->only_train && !b->only_forward) || bench_forward(b, d, &err));
    bool drawn_only = !b->model && b->size->family == &family_flux2;
    ok = ok && ((b->only_forward && !b->only_train) || (drawn_only && !b->only_train) ||
                bench_train(b, d, &err));
    device_close(d);
    return ok ? 0 : command_failed(&err);
}

static int
run_step(const struct command_line *line)
{
    return run(line, false);
}

static int
run_ops(const struct command_line *line)
{
    return run(line, true);
}

static int
run_ui(const struct command_line *line)
{
    (void)line;
    return bench_ui();
}

static const struct option options[] = {
    {OPTION_TEXT("device", "NAME", struct bench, device, "device to compute on (see limn devices)"),
     .fallback = "cpu"},
    {OPTION_TEXT("model", "FOLDER", struct bench, model,
                 "the denoiser of a model, and its training"),
     .complete = COMPLETE_MODEL},
    {OPTION_CHOICE("size", "NAME", size_name, struct bench, size_name,
                   "without a model, a published one's"),
     .fallback = "if-i-m"},
    {OPTION_WHOLE("batch", "N", 1, 4096, struct bench, batch, "pictures at once"), .fallback = "2"},
    {OPTION_WHOLE("references", "N", 0, 8, struct bench, references, "references per picture"),
     .fallback = "2"},
    {OPTION_WHOLE("text-tokens", "N", 0, 1024, struct bench, text_tokens,
                  "tokens of the text; 0: as many as the model takes"),
     .fallback = "0"},
    {OPTION_WHOLE("width", "N", 16, 4096, struct bench, width,
                  "width in pixels, for models that draw any size"),
     .fallback = "512"},
    {OPTION_WHOLE("height", "N", 16, 4096, struct bench, height, "height in pixels, likewise"),
     .fallback = "512"},
    {OPTION_CHOICE("dtype", "TYPE", dtype_compute, struct bench, type, "element type"),
     .fallback = "bf16"},
    {OPTION_CHOICE("quantise", "TYPE", dtype_quantised, struct bench, quantise,
                   "run the pass with weights in 8 or 4 bits")},
    {OPTION_WHOLE("repeats", "N", 1, 1000, struct bench, repeats, "runs; the fastest counts"),
     .fallback = "3"},
    {OPTION_SWITCH("forward", struct bench, only_forward, "only the forward pass")},
    {OPTION_SWITCH("train", struct bench, only_train, "only the training step")},
    {OPTION_SWITCH("checkpoint", struct bench, checkpoint,
                   "recompute activations in the training step instead of keeping them")},
    {OPTION_SWITCH("nodes", struct bench, nodes,
                   "print the time of every op and shape, as limn bench ops does")},
    {0},
};

static const struct command step_command = {
    .name = "step",
    .summary = "measure a pass of the denoiser and a training step",
    .about =
        "Measure a pass of the denoiser and a training step, as shares of what the device reaches "
        "in plain products and copies in the same run.",
    .options = options,
    .size = sizeof(struct bench),
    .run = run_step,
    .computes = true,
    .away = "that machine is measured",
};

static const struct command ops_command = {
    .name = "ops",
    .summary = "measure each op and shape of both",
    .about = "Measure what limn bench step measures, and print the time of every op and shape.",
    .options = options,
    .size = sizeof(struct bench),
    .run = run_ops,
    .computes = true,
    .away = "that machine is measured",
};

static const struct command ui_command = {
    .name = "ui",
    .summary = "measure the terminal UI: first frame, key to screen, cost of previews",
    .run = run_ui,
};

const struct command command_bench = {
    .name = "bench",
    .summary = "measure this machine",
    .commands = (const struct command *const[]){&step_command, &ops_command, &ui_command, NULL},
    .computes = true,
};
