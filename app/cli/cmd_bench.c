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
    const char *device;
    struct device_ceilings ceilings;
    int batch, references, text_tokens, repeats;
    enum dtype dtype;
    bool train, forward, nodes, checkpoint;
};

static bool
bench_config(const struct bench *b, struct unet_config *c, struct err *err)
{
    if (b->model) {
        struct model_folder *m = model_folder_open(b->model, err);
        if (m && model_folder_unet(m))
            *c = *model_folder_unet(m);
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
            unet_context_inputs(&nn, &c, b->references, &context);
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

static bool
number_of(const char *text, int low, int high, int *out, const char *name, struct err *err)
{
    char *end;
    long v = text ? strtol(text, &end, 10) : 0;
    if (!text || *end || end == text || v < low || v > high)
        return err_set(err, ERR_INPUT, "%s must be a whole number in %d..%d", name, low, high);
    *out = (int)v;
    return true;
}

static bool
size_of(struct bench *b, const char *name, struct err *err)
{
    for (size_t i = 0; name && i < COUNT_OF(sizes); i++)
        if (strcmp(sizes[i].name, name) == 0) {
            b->size = &sizes[i];
            return true;
        }
    return err_set(err, ERR_INPUT, "--size must be if-i-m or if-i-xl");
}

static bool
parse(struct bench *b, int argc, char **argv, struct err *err)
{
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool takes = true, ok = true;
        if (strcmp(argv[i], "--model") == 0)
            b->model = value;
        else if (strcmp(argv[i], "--device") == 0)
            b->device = value;
        else if (strcmp(argv[i], "--size") == 0)
            ok = size_of(b, value, err);
        else if (strcmp(argv[i], "--batch") == 0)
            ok = number_of(value, 1, 4096, &b->batch, argv[i], err);
        else if (strcmp(argv[i], "--references") == 0)
            ok = number_of(value, 0, 8, &b->references, argv[i], err);
        else if (strcmp(argv[i], "--repeats") == 0)
            ok = number_of(value, 1, 1000, &b->repeats, argv[i], err);
        else if (strcmp(argv[i], "--text-tokens") == 0)
            ok = number_of(value, 1, 1024, &b->text_tokens, argv[i], err);
        else if (strcmp(argv[i], "--dtype") == 0)
            b->dtype = value ? dtype_from_name(value) : DTYPE_NONE;
        else
            takes = false;
        if (!ok)
            return false;
        if (takes && !value)
            return err_set(err, ERR_INPUT, "%s needs a value", argv[i]);
        if (takes)
            i++;
        else if (strcmp(argv[i], "--train") == 0)
            b->forward = false;
        else if (strcmp(argv[i], "--forward") == 0)
            b->train = false;
        else if (strcmp(argv[i], "--nodes") == 0)
            b->nodes = true;
        else if (strcmp(argv[i], "--checkpoint") == 0)
            b->checkpoint = true;
        else
            return err_set(err, ERR_INPUT, "bench has no option '%s'", argv[i]);
    }
    if (b->dtype != DTYPE_F32 && b->dtype != DTYPE_BF16 && b->dtype != DTYPE_F16)
        return err_set(err, ERR_INPUT, "--dtype must be f32, bf16 or f16");
    return true;
}

int
cmd_bench(int argc, char **argv)
{
    struct err err = {0};
    struct bench b = {.device = "cpu",
                      .size = &sizes[0],
                      .batch = 2,
                      .references = 2,
                      .text_tokens = 77,
                      .repeats = 3,
                      .dtype = DTYPE_BF16,
                      .train = true,
                      .forward = true};
    b.nodes = argc > 1 && strcmp(argv[1], "ops") == 0;
    if (argc == 2 && strcmp(argv[1], "ui") == 0)
        return bench_ui();
    if (argc < 2 || (strcmp(argv[1], "step") != 0 && !b.nodes)) {
        bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        fputs("usage: limn bench step|ops [--device D] [--model DIR | --size if-i-m|if-i-xl]\n"
              "                  [--batch N] [--references R] [--text-tokens N]\n"
              "                  [--dtype f32|bf16|f16] [--repeats N]\n"
              "                  [--forward] [--train] [--checkpoint] [--nodes]\n"
              "       limn bench ui    the terminal UI: first frame, key to screen, cost of "
              "previews\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    if (!parse(&b, argc, argv, &err))
        return command_failed(&err);
    struct device *d = device_open(b.device, &err);
    bool ok = d && device_measure(d, b.dtype, &b.ceilings, &err);
    if (ok)
        printf("%s\nceilings of this run: %.0f GFLOP/s of products in %s (%s), %.1f GB/s\n",
               device_limits(d)->name, b.ceilings.flops / 1e9, dtype_name(b.dtype), b.ceilings.how,
               b.ceilings.bytes / 1e9);
    ok = ok && (!b.forward || bench_forward(&b, d, &err));
    ok = ok && (!b.train || bench_train(&b, d, &err));
    device_close(d);
    return ok ? 0 : command_failed(&err);
}
