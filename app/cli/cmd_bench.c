// SPDX-License-Identifier: MIT
// limn bench step: what one U-Net pass and one training step cost, as shares of the device's own
// ceilings, measured in the same run. limn bench ops: the same by op and shape.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/device/device.h"
#include "engine/model/model_folder.h"
#include "engine/train/network.h"

// DeepFloyd IF's base networks; engine/model reads them as any config.
static const struct size {
    const char *name, *channels;
    int width; // of the deepest level
} sizes[] = {{"if-i-m", "192,384,576,768", 768}, {"if-i-xl", "704,1408,2112,2816", 2816}};

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
    const struct size *size; // one of IF's
    const char *size_name, *device, *type;
    struct device_ceilings ceilings;
    int batch, references, text_tokens, repeats;
    enum dtype dtype;
    bool only_train, only_forward, nodes, checkpoint;
};

static bool
bench_config(const struct bench *b, struct unet_config *c, struct err *err)
{
    if (b->model) {
        struct model_folder *m = model_folder_open(b->model, err);
        if (m && network_unet(m))
            *c = *network_unet(m);
        else
            err_set(err, ERR_INPUT, "%s: no unet there", b->model);
        model_folder_close(m);
        return err->code == ERR_NONE;
    }
    char *text = mem_printf(if_i, b->size->channels, b->size->width);
    struct jv *json = jv_parse(text, strlen(text), b->size->name, err);
    bool ok = json && unet_config_read(c, json, b->size->name, err);
    jv_free(json);
    free(text);
    return ok;
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

static int
slower_first(const void *a, const void *b)
{
    const struct plan_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

// The nodes that took longest, by op and shape.
static void
print_nodes(const struct bench *b, const struct plan *p, int runs)
{
    enum { MAX_NODES = 20000, SHOWN = 40 };
    struct plan_time *t = mem_zalloc(MAX_NODES * sizeof *t);
    int n = plan_times(p, t, MAX_NODES), groups = 0;
    double total = 0;
    int *count = mem_zalloc(((size_t)n + 1) * sizeof *count);
    for (int i = 0; i < n; i++) { // nodes of one op and one shape are one row
        total += t[i].seconds;
        int k = 0;
        while (k < groups && !(t[k].node->op == t[i].node->op &&
                               t[k].node->dtype == t[i].node->dtype &&
                               shape_equal(&t[k].node->shape, &t[i].node->shape) &&
                               t[k].flops == t[i].flops))
            k++;
        if (k < groups) {
            t[k].seconds += t[i].seconds;
        } else {
            t[groups] = t[i];
            count[groups] = 0;
            groups++;
        }
        count[k]++;
    }
    for (int i = 0; i < groups; i++) // keep the count beside its row through the sort
        t[i].bytes = t[i].bytes * 1000 + (size_t)MIN(count[i], 999);
    qsort(t, (size_t)groups, sizeof *t, slower_first);
    printf("%8s %6s %5s %9s %8s %7s  %s\n", "ms", "share", "count", "GFLOP/s", "GB/s", "ceiling",
           "op and result");
    for (int i = 0; i < groups && i < SHOWN; i++) {
        char shape[SHAPE_TEXT_MAX];
        double seconds = t[i].seconds / runs;
        double times = (double)(t[i].bytes % 1000), bytes = (double)(t[i].bytes / 1000);
        double flops = t[i].flops * times / seconds, moved = bytes * times / seconds;
        // An op can be no faster than the slower of its two ceilings allows.
        double ceiling = fmax(flops / b->ceilings.flops, moved / b->ceilings.bytes);
        printf("%8.2f %5.1f%% %5.0f %9.1f %8.2f %6.1f%%  %s %s %s%s\n", 1e3 * seconds,
               100 * t[i].seconds / total, times, flops / 1e9, moved / 1e9, 100 * ceiling,
               op_rows[t[i].node->op].name,
               dtype_name(t[i].node->dtype), shape_text(&t[i].node->shape, shape),
               t[i].fast ? "" : "  (plain)");
    }
    free(count);
    free(t);
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
        print_nodes(b, p, b->repeats);
    return true;
}

static bool
bench_forward(const struct bench *b, struct device *d, struct err *err)
{
    struct unet_config c;
    struct params *params = params_create(b->dtype);
    struct graph *g = graph_create();
    struct nn nn = {.g = g, .params = params, .dtype = b->dtype, .part = "unet/"};
    struct buffer *block = NULL;
    struct plan *p = NULL;
    bool ok = bench_config(b, &c, err) && unet_declare(params, "unet/", &c, err);
    if (ok) {
        params_layout(params);
        block = buffer_create_weights(d, params_bytes(params), "weights", err);
        ok = block && params_initialise(params, 1, block, err);
    }
    if (ok) {
        struct unet_context context = {0};
        struct unet_inputs in = {
            .sample = graph_input(g, "sample", SHAPE(b->batch, c.sample_size, c.sample_size,
                                                     c.in_channels), b->dtype),
            .timestep = graph_input(g, "timestep", SHAPE(b->batch), DTYPE_F32),
            .text = graph_input(g, "text", SHAPE(b->batch, b->text_tokens, c.encoder_hid_dim),
                                b->dtype),
            .class_labels = c.class_timestep ? graph_input(g, "class", SHAPE(b->batch), DTYPE_F32)
                                             : NULL};
        if (unet_config_has_context(&c)) {
            unet_context_inputs(&nn, &c, b->references, false, &context);
            in.context = &context;
        }
        graph_output(g, unet_build(&nn, &c, &in));
        struct plan_params pp = {.device = d, .constant_params = true};
        pp.slots[SLOT_PARAMS] = block;
        p = plan_create(g, &pp, err);
        ok = p && nn_constants_write(&nn, p, err) && fill_inputs(p, g, err) &&
             run_plan(b, d, p, "forward", params_bytes(params), err);
    }
    plan_destroy(p);
    nn_finish(&nn);
    graph_destroy(g);
    buffer_destroy(block);
    params_destroy(params);
    return ok;
}

// The training graph of a U-Net alone: text comes in as vectors, the loss is the squared output.
static bool
bench_train(const struct bench *b, struct device *d, struct err *err)
{
    struct unet_config c;
    struct params *params = params_create(DTYPE_F32);
    struct graph *g = graph_create();
    struct nn nn = {.g = g, .params = params, .dtype = b->dtype, .part = "unet/",
                    .checkpoint = b->checkpoint};
    struct buffer *slots[SLOT_COUNT] = {0};
    struct plan *p = NULL;
    bool ok = bench_config(b, &c, err) && unet_declare(params, "unet/", &c, err);
    if (ok) {
        params_layout(params);
        for (int s = SLOT_PARAMS; ok && s <= SLOT_GRADS; s++) {
            slots[s] = buffer_create(d, params_bytes(params), "training state", err);
            ok = slots[s] != NULL;
        }
        ok = ok && params_initialise(params, 1, slots[SLOT_PARAMS], err);
    }
    if (ok) {
        struct unet_context context = {0};
        struct unet_inputs in = {
            .sample = graph_input(g, "sample", SHAPE(b->batch, c.sample_size, c.sample_size,
                                                     c.in_channels), b->dtype),
            .timestep = graph_input(g, "timestep", SHAPE(b->batch), DTYPE_F32),
            .text = graph_input(g, "text", SHAPE(b->batch, b->text_tokens, c.encoder_hid_dim),
                                b->dtype)};
        if (unet_config_has_context(&c)) {
            struct unet_references refs = {.batch = b->batch, .references = b->references};
            if (b->references) {
                refs.image = graph_input(g, "ref_image", SHAPE(b->batch * b->references,
                                         c.sample_size, c.sample_size, 3), b->dtype);
                refs.text = graph_input(g, "ref_text", SHAPE(b->batch * b->references, 16,
                                        c.encoder_hid_dim), b->dtype);
            }
            unet_encode_references(&nn, &c, &refs, &context);
            in.context = &context;
        }
        struct node *y = op_cast(g, unet_build(&nn, &c, &in), DTYPE_F32);
        nn_segment_end(&nn);
        struct node *loss = op_mean(g, op_mul(g, y, y), 15);
        ok = network_add_gradients(g, &nn, loss, false, err);
        struct plan_params pp = {.device = d};
        memcpy(pp.slots, slots, sizeof slots);
        p = ok ? plan_create(g, &pp, err) : NULL;
        ok = p && nn_constants_write(&nn, p, err) && fill_inputs(p, g, err) &&
             run_plan(b, d, p, "training step (forward, backward)", params_bytes(params), err);
    }
    plan_destroy(p);
    nn_finish(&nn);
    graph_destroy(g);
    for (int s = 0; s < SLOT_COUNT; s++)
        buffer_destroy(slots[s]);
    params_destroy(params);
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
               device_limits(d)->name, b->ceilings.flops / 1e9, dtype_name(b->dtype), b->ceilings.how,
               b->ceilings.bytes / 1e9);
    ok = ok && ((b->only_train && !b->only_forward) || bench_forward(b, d, &err));
    ok = ok && ((b->only_forward && !b->only_train) || bench_train(b, d, &err));
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
    {OPTION_TEXT("device", "NAME", struct bench, device, "what computes (see limn devices)"),
     .fallback = "cpu"},
    {OPTION_TEXT("model", "FOLDER", struct bench, model, "the U-Net of a model"),
     .complete = COMPLETE_MODEL},
    {OPTION_CHOICE("size", "NAME", size_name, struct bench, size_name, "without a model, DeepFloyd IF's"),
     .fallback = "if-i-m"},
    {OPTION_WHOLE("batch", "N", 1, 4096, struct bench, batch, "pictures at once"), .fallback = "2"},
    {OPTION_WHOLE("references", "N", 0, 8, struct bench, references, "references of each"),
     .fallback = "2"},
    {OPTION_WHOLE("text-tokens", "N", 1, 1024, struct bench, text_tokens, "tokens of the text"),
     .fallback = "77"},
    {OPTION_CHOICE("dtype", "TYPE", dtype_computing, struct bench, type, "element type"),
     .fallback = "bf16"},
    {OPTION_WHOLE("repeats", "N", 1, 1000, struct bench, repeats, "runs; the fastest counts"),
     .fallback = "3"},
    {OPTION_SWITCH("forward", struct bench, only_forward, "the forward pass alone")},
    {OPTION_SWITCH("train", struct bench, only_train, "the training step alone")},
    {OPTION_SWITCH("checkpoint", struct bench, checkpoint,
                   "the training step computes activations again instead of keeping them")},
    {OPTION_SWITCH("nodes", struct bench, nodes, "the time of every op and shape, as limn bench ops")},
    {0},
};

static const struct command step_command = {
    .name = "step",
    .summary = "one U-Net pass and one training step",
    .about = "Measures a U-Net pass and a training step as shares of what the device reaches "
             "in plain products and copies, measured in the same run.",
    .options = options,
    .size = sizeof(struct bench),
    .run = run_step,
    .computes = true,
    .away = "that machine is measured",
};

static const struct command ops_command = {
    .name = "ops",
    .summary = "the same by op and shape",
    .options = options,
    .size = sizeof(struct bench),
    .run = run_ops,
    .computes = true,
    .away = "that machine is measured",
};

static const struct command ui_command = {
    .name = "ui",
    .summary = "the terminal UI: first frame, key to screen, cost of previews",
    .run = run_ui,
};

const struct command command_bench = {
    .name = "bench",
    .summary = "measure this machine",
    .commands = (const struct command *const[]){&step_command, &ops_command, &ui_command, NULL},
    .computes = true,
};
