// SPDX-License-Identifier: MIT
// From instruction to picture with a small random model: what must hold whatever it draws.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline_parts.h"
#include "engine/draw/resize.h"
#include "engine/diffusion/sampler.h"
#include "engine/draw/stage.h"
#include "small.h"

enum { BASE = 16, LARGE = 32 };

static const char *spiece;
static char trained[] = "/tmp/limn-pipeline-XXXXXX", fresh[] = "/tmp/limn-pipeline-XXXXXX";
static struct device *device;
static struct pipeline *shared; // of the trained folder in f32: plans are made once
static uint8_t picture[20 * 30 * 3];

// How often weights came to the device, values were given to a plan there, and came from the host;
// the linker gives the pipeline these in place of the real ones.
static struct {
    int text_encoder, unet, given, written;
} counts;

bool __real_weights_load(struct weights *w, struct part_weights *p, struct err *err);
bool __wrap_weights_load(struct weights *w, struct part_weights *p, struct err *err);
bool
__wrap_weights_load(struct weights *w, struct part_weights *p, struct err *err)
{
    counts.text_encoder += strcmp(p->part->name, "text_encoder") == 0;
    counts.unet += strcmp(p->part->name, "unet") == 0;
    return __real_weights_load(w, p, err);
}

bool __real_plan_restore(struct plan *to, const struct node *input, size_t at, struct buffer *from,
                         struct err *err);
bool __wrap_plan_restore(struct plan *to, const struct node *input, size_t at, struct buffer *from,
                         struct err *err);
bool
__wrap_plan_restore(struct plan *to, const struct node *input, size_t at, struct buffer *from,
                    struct err *err)
{
    counts.given++;
    return __real_plan_restore(to, input, at, from, err);
}

bool __real_plan_write_f32(struct plan *p, const struct node *n, const float *data,
                           struct err *err);
bool __wrap_plan_write_f32(struct plan *p, const struct node *n, const float *data,
                           struct err *err);
bool
__wrap_plan_write_f32(struct plan *p, const struct node *n, const float *data, struct err *err)
{
    counts.written++;
    return __real_plan_write_f32(p, n, data, err);
}

static struct instruction
instruction(int references)
{
    static char text[2][16] = {"[ref#1] fox", "[ref#3] style"};
    struct instruction n = {.text = references ? "[ref#1] in the style of [ref#3]" : "a fox",
                            .reference_count = references};
    for (int i = 0; i < references; i++)
        n.references[i] = (struct instruction_reference){
            .marker = i ? 3 : 1, .text = text[i], .width = 20, .height = 30, .rgb = picture};
    return n;
}

static struct pipeline *
open_or_fail(const char *folder, enum dtype dtype)
{
    struct err err = {0};
    struct pipeline *p = pipeline_open(folder, device, dtype, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static struct pipeline_request
request(const struct instruction *n)
{
    return (struct pipeline_request){
        .instruction = n, .seed = 42, .width = BASE, .height = BASE, .scale = -1,
        .context_scale = -1};
}

static uint8_t *
draw(struct pipeline *p, const struct pipeline_request *r)
{
    struct err err = {0};
    struct pipeline_result result;
    if (!pipeline_run(p, r, &result, &err))
        fail_msg("%s", err.text);
    assert_non_null(result.pictures.pixels);
    assert_true(result.peak_bytes > 0);
    return result.pictures.pixels;
}

static bool
differ(const uint8_t *a, const uint8_t *b, size_t n, int by)
{
    for (size_t i = 0; i < n; i++)
        if (abs(a[i] - b[i]) > by)
            return true;
    return false;
}

static void
same_seed_same_picture(void **state)
{
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct pipeline_request r = request(&n);
    size_t size = BASE * BASE * 3;
    uint8_t *a = draw(p, &r), *b = draw(p, &r);
    assert_memory_equal(a, b, size);
    r.seed = 43;
    uint8_t *c = draw(p, &r);
    assert_true(differ(a, c, size, 8));
    // Picture i of a batch is the picture of seed + i.
    r.seed = 42;
    r.count = 2;
    uint8_t *both = draw(p, &r);
    assert_false(differ(both, a, size, 1));
    assert_false(differ(both + size, c, size, 1));
    struct pipeline *q = open_or_fail(trained, DTYPE_F32);
    r.count = 1;
    uint8_t *d = draw(q, &r);
    assert_memory_equal(a, d, size);
    free(a);
    free(b);
    free(c);
    free(d);
    free(both);
    pipeline_close(q);
}

// All ways of guidance with every weight 1 are the plain prediction.
static void
weights_of_one_are_no_guidance(void **state)
{
    static const char *const names[] = {"none", "cfg", "oscillating", "separate", "interleaved"};
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct pipeline_request r = request(&n);
    uint8_t *first = NULL;
    r.scale = r.context_scale = 1;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        r.guidance = names[i];
        uint8_t *rgb = draw(p, &r);
        if (first)
            assert_memory_equal(first, rgb, BASE * BASE * 3);
        if (first)
            free(rgb);
        else
            first = rgb;
    }
    r.guidance = "separate";
    r.scale = 3;
    uint8_t *strong = draw(p, &r);
    assert_true(differ(first, strong, BASE * BASE * 3, 8));
    free(strong);
    free(first);
}

static void
references_matter_once_trained(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pipeline *p = k ? open_or_fail(fresh, DTYPE_F32) : shared;
        struct instruction n = instruction(2), bare = n;
        bare.reference_count = 0;
        struct pipeline_request with = request(&n), without = request(&bare);
        uint8_t *a = draw(p, &with), *b = draw(p, &without);
        if (k)
            assert_memory_equal(a, b, BASE * BASE * 3);
        else
            assert_true(differ(a, b, BASE * BASE * 3, 8));
        free(a);
        free(b);
        if (k)
            pipeline_close(p);
    }
}

struct seen {
    int calls, last, total, sizes[2];
    atomic_int *stop;
    uint8_t final[LARGE * LARGE * 3];
};

static void
progress(void *ctx, int step, int total, double seconds,
         const struct pipeline_pictures *now)
{
    struct seen *s = ctx;
    assert_int_equal(step, s->last + 1);
    assert_true(seconds >= 0);
    s->last = step;
    s->total = total;
    s->calls++;
    s->sizes[now->width == LARGE && now->height == LARGE]++;
    memcpy(s->final, now->pixels, (size_t)now->width * (size_t)now->height * 3);
    if (s->stop && step == 2)
        atomic_store(s->stop, 1);
}

static void
both_stages_report_each_step(void **state)
{
    struct pipeline *p = open_or_fail(trained, DTYPE_NONE);
    struct pipeline_info info;
    pipeline_info(p, &info);
    assert_int_equal(info.size, BASE);
    assert_int_equal(info.final_size, LARGE);
    assert_true(info.reference_max >= 3 && info.marker_max >= 3);
    assert_int_equal(strlen(info.hash), 16);
    struct instruction n = instruction(1);
    struct seen seen = {0};
    struct pipeline_request r = request(&n);
    r.width = r.height = 0;
    r.progress = progress;
    r.ctx = &seen;
    r.sampler = "ddim";
    uint8_t *rgb = draw(p, &r);
    assert_int_equal(seen.calls, 6);
    assert_int_equal(seen.total, 6);
    assert_int_equal(seen.sizes[0], 4);
    assert_int_equal(seen.sizes[1], 2);
    assert_memory_equal(rgb, seen.final, sizeof seen.final); // the last estimate is the picture
    free(rgb);
    pipeline_close(p);
}

static void
cancel_stops(void **state)
{
    struct err err = {0};
    atomic_int stop = 0;
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct seen seen = {.stop = &stop};
    struct pipeline_request r = request(&n);
    struct pipeline_result result;
    r.progress = progress;
    r.ctx = &seen;
    r.cancel = &stop;
    assert_false(pipeline_run(p, &r, &result, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_null(result.pictures.pixels);
    assert_int_equal(seen.calls, 2);
}

static void
wrong_requests_are_refused(void **state)
{
    struct pipeline *p = shared;
    struct instruction n = instruction(2), high = n;
    high.references[1].marker = 99;
    struct pipeline_picture wide = {20, 30, picture}, square = {16, 16, picture};
    struct pipeline_weight nobody = {9, 1, 0, 1}, backwards = {1, 1, 0.5, 0.5};
    struct pipeline_request r[13];
    for (int i = 0; i < 13; i++)
        r[i] = request(&n);
    r[0].width = r[0].height = 48;
    r[12].width = LARGE;
    r[1].count = 1000;
    r[2].sampler = "magic";
    r[3].guidance = "magic";
    r[4].steps = -1;
    r[5].instruction = &high;
    r[6].spacing = "magic";
    r[7].mask = &square;
    r[8].start = &square;
    r[8].strength = 1.5;
    r[9].start = &wide;
    r[9].mask = &square;
    for (int i = 10; i < 12; i++) {
        r[i].weights = i == 10 ? &nobody : &backwards;
        r[i].weight_count = 1;
    }
    for (int i = 0; i < 13; i++) {
        struct err err = {0};
        struct pipeline_result result;
        assert_false(pipeline_run(p, &r[i], &result, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_null(result.pictures.pixels);
    }
}

// A constant picture stays itself; the centre square of a wide one is taken; halving a checker
// board of single pixels gives its mean.
static void
resizing(void **state)
{
    uint8_t rgb[8 * 16 * 3];
    float out[4 * 4 * 3];
    memset(rgb, 200, sizeof rgb);
    for (int side = 3; side <= 4; side++) {
        assert_true(resize_square(rgb, 16, 8, side, out, NULL));
        for (int i = 0; i < side * side * 3; i++)
            assert_float_equal(out[i], 200 / 127.5 - 1, 1e-5);
    }
    for (int y = 0; y < 8; y++) // left and right quarters black, centre white
        for (int x = 0; x < 16; x++)
            memset(rgb + (y * 16 + x) * 3, x >= 4 && x < 12 ? 255 : 0, 3);
    assert_true(resize_square(rgb, 16, 8, 4, out, NULL));
    for (int i = 0; i < 4 * 4 * 3; i++)
        assert_float_equal(out[i], 1, 1e-5);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            memset(rgb + (y * 8 + x) * 3, (x + y) % 2 ? 255 : 0, 3);
    assert_true(resize_square(rgb, 8, 8, 2, out, NULL));
    for (int i = 0; i < 2 * 2 * 3; i++)
        assert_float_equal(out[i], 0, 0.02);
    for (int y = 0; y < 8; y++) // top and bottom quarters black, centre white: 2 to 1 of it is cut
        for (int x = 0; x < 8; x++)
            memset(rgb + (y * 8 + x) * 3, y >= 2 && y < 6 ? 255 : 0, 3);
    assert_true(resize_part(rgb, 8, 8, 4, 2, out, NULL));
    for (int i = 0; i < 4 * 2 * 3; i++)
        assert_float_equal(out[i], 1, 1e-5);
    const float corner[2 * 2 * 3] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3};
    float large[3 * 3 * 3];
    resize_bilinear(corner, 2, 3, 3, large);
    for (int i = 0; i < 9; i++) // corners stay, the rest lies between
        assert_float_equal(large[3 * i], 0.5 * (i % 3) + i / 3, 1e-6);
}

// --- starting from a picture

static struct pipeline_picture
start_picture(int side)
{
    return (struct pipeline_picture){side, side, picture};
}

// Strength 0 is the picture, in every size it may have and however many are drawn; 1 is as if it
// were not there.
static void
strength_has_two_ends(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE);
    struct pipeline_request r = request(&n);
    uint8_t *without = draw(shared, &r);
    r.start = &start;
    r.strength = 1;
    uint8_t *ignored = draw(shared, &r);
    assert_memory_equal(without, ignored, BASE * BASE * 3);
    r.strength = 0;
    r.count = 2;
    uint8_t *given = draw(shared, &r);
    assert_memory_equal(given, picture, BASE * BASE * 3);
    assert_memory_equal(given + BASE * BASE * 3, picture, BASE * BASE * 3);
    free(without);
    free(ignored);
    free(given);
}

static double
distance(const uint8_t *a, const uint8_t *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum / (double)n);
}

// The more of the steps are left out, the nearer it stays: with one of the four, nearest.
static void
strength_lies_between(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE);
    double before = 0;
    for (int steps = 1; steps <= 4; steps++) {
        struct pipeline_request r = request(&n);
        struct seen seen = {0};
        r.start = &start;
        r.steps = 4;
        r.strength = steps / 4.0;
        r.progress = progress;
        r.ctx = &seen;
        uint8_t *rgb = draw(shared, &r);
        double now = distance(rgb, picture, BASE * BASE * 3);
        assert_int_equal(seen.calls, steps);
        assert_true(now > before);
        before = now;
        free(rgb);
    }
}

// A mask that is white changes no bit; what is black comes back to the bit, with every sampler.
static void
masks_keep_what_is_black(void **state)
{
    static uint8_t white[BASE * BASE * 3], half[BASE * BASE * 3];
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE), mask = {BASE, BASE, white};
    struct pipeline_request r = request(&n);
    memset(white, 255, sizeof white);
    memset(half, 255, sizeof half / 2);
    uint8_t *without = draw(shared, &r);
    r.start = &start;
    r.strength = -1;
    r.mask = &mask;
    uint8_t *all = draw(shared, &r);
    assert_memory_equal(without, all, BASE * BASE * 3);
    free(all);
    mask.rgb = half;
    for (size_t i = 0; i < sampler_count(); i++) {
        r.sampler = sampler_at(i)->name;
        uint8_t *rgb = draw(shared, &r);
        size_t kept = sizeof half / 2;
        assert_memory_equal(rgb + kept, picture + kept, kept);
        assert_true(differ(rgb, picture, kept, 8));
        free(rgb);
    }
    free(without);
}

// --- weights

// Weights of 1 change no bit; 0 is what the reference's absence is, whatever the sentence says of
// it.
static void
weights_of_references(void **state)
{
    struct instruction n = instruction(2), one = n;
    one.reference_count = 1;
    struct pipeline_weight w[] = {{3, 1, 0, 1}};
    struct pipeline_request r = request(&n), other = request(&one);
    uint8_t *plain = draw(shared, &r), *alone = draw(shared, &other);
    assert_true(differ(plain, alone, BASE * BASE * 3, 8));
    r.weights = w;
    r.weight_count = 1;
    uint8_t *same = draw(shared, &r);
    assert_memory_equal(plain, same, BASE * BASE * 3);
    w[0].weight = 0;
    uint8_t *left_out = draw(shared, &r);
    assert_false(differ(left_out, alone, BASE * BASE * 3, 1));
    // Through the graph that weighs, 1 is the plain one but for rounding.
    w[0] = (struct pipeline_weight){3, 1 + 1e-9, 0, 1};
    uint8_t *near = draw(shared, &r);
    assert_false(differ(near, plain, BASE * BASE * 3, 1));
    w[0].weight = 0.3;
    uint8_t *less = draw(shared, &r);
    assert_true(differ(less, plain, BASE * BASE * 3, 2) && differ(less, alone, BASE * BASE * 3, 2));
    uint8_t *const drawn[] = {plain, alone, same, left_out, near, less};
    for (size_t i = 0; i < COUNT_OF(drawn); i++)
        free(drawn[i]);
}

// In none of the steps is nowhere, in all is everywhere; half of them lies between.
static void
weights_act_in_their_steps(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_weight w[] = {{3, 1, 0, 0.001}, {1, 1, 0.5, 1}};
    struct pipeline_request r = request(&n);
    uint8_t *plain = draw(shared, &r);
    r.weights = w;
    r.weight_count = 2;
    r.steps = 4;
    uint8_t *some = draw(shared, &r);
    w[0].to = 0.25; // the same first step of four
    uint8_t *same = draw(shared, &r);
    assert_memory_equal(some, same, BASE * BASE * 3);
    assert_true(differ(plain, some, BASE * BASE * 3, 2));
    w[0].to = 0.26; // and the second
    uint8_t *more = draw(shared, &r);
    assert_true(differ(more, some, BASE * BASE * 3, 0));
    free(plain);
    free(some);
    free(same);
    free(more);
}

// What is to be kept away from, when it is the instruction itself, leaves guidance nothing to do.
static void
away_from_itself_is_no_guidance(void **state)
{
    struct instruction n = instruction(2), one = n;
    one.reference_count = 1;
    struct pipeline_request r = request(&n);
    r.guidance = "cfg";
    r.scale = 1;
    uint8_t *plain = draw(shared, &r);
    r.scale = 5;
    r.negative = &n;
    uint8_t *itself = draw(shared, &r);
    assert_false(differ(plain, itself, BASE * BASE * 3, 1));
    r.negative = &one;
    uint8_t *other = draw(shared, &r);
    assert_true(differ(plain, other, BASE * BASE * 3, 8));
    free(plain);
    free(itself);
    free(other);
}

// More stages than the house has places: those that are held stay, the others make room.
static void
stages_that_are_held_stay(void **state)
{
    enum { MANY = 20 };
    struct err err = {0};
    struct model_folder *m = model_folder_open(trained, &err);
    struct stages s;
    assert_true(stages_init(&s, m, device, DTYPE_F32, DTYPE_NONE, &err));
    struct stage *held[MANY];
    for (int i = 0; i < MANY; i++) {
        held[i] = stages_get(&s, &(struct stage_key){.kind = STAGE_TEXT, .tokens = i + 1}, &err);
        assert_non_null(held[i]);
    }
    for (int i = 0; i < MANY; i++) {
        struct stage_key key = {.kind = STAGE_TEXT, .tokens = i + 1};
        assert_ptr_equal(stages_get(&s, &key, &err), held[i]);
        stage_release(held[i]);
        assert_true(plan_run(held[i]->plan, &err));
        stage_release(held[i]);
    }
    int before = s.count;
    assert_int_equal(before, MANY);
    stage_release(stages_get(&s, &(struct stage_key){.kind = STAGE_TEXT, .tokens = 40}, &err));
    assert_int_equal(s.count, before);
    stages_finish(&s);
    model_folder_close(m);
}

// What a text becomes, as the steps are given it.
static void
hear(struct stages *s, float *text, size_t count)
{
    struct err err = {0};
    int32_t ids[8] = {5, 9, 300, 41, 1};
    struct stage *t = stages_get(s, &(struct stage_key){.kind = STAGE_TEXT, .tokens = 8}, &err);
    if (!t || !plan_write(t->plan, ports_find_input(&t->ports, "ids"), ids, &err) ||
        !plan_run(t->plan, &err) || !stage_read(t, "text", text, &err))
        fail_msg("%s", err.text);
    assert_int_equal(shape_count(&ports_find_output(&t->ports, "text")->shape), count);
    stage_release(t);
}

// Where not all parts have room at once, one leaves when another comes, unless it is in use, and
// what it computes when it is back is the same.
static void
parts_come_and_leave(void **state)
{
    enum { COUNT = 8 * 24 }; // tokens, width
    static const struct stage_key step = {
        .kind = STAGE_STEP, .part = "unet", .batch = 1, .tokens = 8};
    struct err err = {0};
    struct model_folder *m = model_folder_open(trained, &err);
    struct stages s;
    float before[COUNT], after[COUNT] = {0};
    assert_true(stages_init(&s, m, device, DTYPE_F32, DTYPE_NONE, &err));
    struct part_weights *text = weights_find(&s.weights, "text_encoder");
    struct part_weights *unet = weights_find(&s.weights, "unet");
    assert_true(s.weights.count == 3 &&
                stages_memory(&s) == 0); // nothing is there before it is needed
    hear(&s, before, COUNT);
    assert_true(text->block && !unet->block);
    struct stage *held = stages_get(&s, &step, &err);
    assert_true(text->block && unet->block); // there is room for both
    assert_null(weights_find(&s.weights, "super_resolution")->block);
    size_t both = stages_peak(&s, false);
    s.memory = both - params_bytes(text->params) / 2;
    hear(&s, after, COUNT); // it is still there
    assert_memory_equal(before, after, sizeof before);
    stage_release(stages_get(&s, &(struct stage_key){.kind = STAGE_STEP, .part = "super_resolution",
                                                     .batch = 1, .tokens = 8}, &err));
    assert_true(!text->block && unet->block); // who is held stays
    for (int i = 0; i < s.count; i++)
        assert_ptr_not_equal(s.list[i]->weights, text);
    stage_release(held);
    s.memory = 1; // nobody has room beside another
    hear(&s, after, COUNT);
    assert_memory_equal(before, after, sizeof before);
    assert_true(text->block && !unet->block);
    assert_true(stages_memory(&s) < both);
    stages_finish(&s);
    model_folder_close(m);
}

// A graph that cannot be is an error also in the middle of a network, after which shapes are
// guesses.
static void
an_impossible_graph_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct model_folder *m = model_folder_open(trained, &err);
    struct stages s;
    assert_true(m && stages_init(&s, m, device, DTYPE_F32, DTYPE_NONE, &err));
    const struct stage_key keys[] = {
        {.kind = STAGE_TEXT, .tokens = 1 << 21}, // T5's table of distances
        {.kind = STAGE_STEP, .part = "unet", .batch = 1 << 30, .tokens = 8},
        {.kind = STAGE_REFERENCES, .references = 1 << 30, .tokens = 8},
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_null(stages_get(&s, &keys[i], &err));
        assert_true(err.code == ERR_INPUT && strstr(err.text, "impossible shape"));
        err_clear(&err);
    }
    stages_finish(&s);
    model_folder_close(m);
}

// What a graph holds for a text of so many tokens (T5's table of distances, 64 MiB) is asked for: a
// model folder says how many they are, and a process has only so much.
static void
a_graph_without_memory_is_refused(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
    (void)state;
    skip(); // its shadow needs more address space than the limit below leaves
#else
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err = {0};
        struct rlimit limit;
        long pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        bool ok = f && fscanf(f, "%ld", &pages) == 1;
        limit.rlim_cur = limit.rlim_max = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + (32 << 20));
        struct model_folder *m = model_folder_open(trained, &err);
        struct stages s;
        ok = ok && m && stages_init(&s, m, device, DTYPE_F32, DTYPE_NONE, &err) &&
             setrlimit(RLIMIT_AS, &limit) == 0 &&
             !stages_get(&s, &(struct stage_key){.kind = STAGE_TEXT, .tokens = 4096}, &err) &&
             err.code == ERR_MEMORY && strstr(err.text, "t5.buckets.4096");
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
#endif
}

// Where there is room for one part only, each comes once for a picture: the text encoder reads
// every text before the denoiser comes.
static void
each_part_comes_once(void **state)
{
    struct pipeline *p = open_or_fail(trained, DTYPE_F32);
    struct instruction n = instruction(2), away = instruction(2);
    struct pipeline_request r = request(&n);
    uint8_t *a = draw(shared, &r);
    p->stages.memory = 1;
    counts.text_encoder = counts.unet = 0;
    uint8_t *b = draw(p, &r);
    assert_true(counts.text_encoder == 1 && counts.unet == 1);
    assert_memory_equal(a, b, BASE * BASE * 3);
    r.negative = &away;
    counts.text_encoder = counts.unet = 0;
    free(draw(p, &r));
    assert_true(counts.text_encoder == 1 && counts.unet == 1);
    pipeline_close(p);
    free(a);
    free(b);
}

// What one step more costs, with guidance that asks the same plan with a text and without: of the
// two texts one change, and sample and timestep once, not twice.
static void
values_that_are_there_are_not_given_again(void **state)
{
    static const struct {
        int references;
        const char *guidance;
        int given, written;
    } rows[] = {
        {0, "none", 0, 2}, {0, "cfg", 1, 2},      // one plan: text and empty text
        {2, "none", 0, 2}, {2, "cfg", 0, 4},      // two plans, each with its text
        {2, "separate", 1, 4},                    // the plan without pictures has both
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct instruction n = instruction(rows[i].references);
        struct pipeline_request r = request(&n);
        int given[2], written[2];
        r.sampler = "ddim"; // asks once a step
        r.context_scale = 2;
        r.guidance = rows[i].guidance;
        free(draw(shared, &r)); // the empty text is there
        for (int more = 0; more < 2; more++) {
            r.steps = 4 + more;
            counts.given = counts.written = 0;
            free(draw(shared, &r));
            given[more] = counts.given;
            written[more] = counts.written;
        }
        if (given[1] - given[0] != rows[i].given || written[1] - written[0] != rows[i].written)
            fail_msg("%d references, %s: a step gives %d values and writes %d", rows[i].references,
                     rows[i].guidance, given[1] - given[0], written[1] - written[0]);
    }
}

// After many shapes the first one is drawn as it was.
static void
shapes_come_and_go(void **state)
{
    struct instruction all[3] = {instruction(0), instruction(1), instruction(2)};
    struct pipeline_request r = request(&all[2]);
    uint8_t *a = draw(shared, &r);
    for (int i = 0; i < 9; i++) {
        struct pipeline_request other = request(&all[i % 3]);
        other.count = 1 + i / 3;
        other.steps = 1;
        free(draw(shared, &other));
    }
    uint8_t *b = draw(shared, &r);
    assert_memory_equal(a, b, BASE * BASE * 3);
    free(a);
    free(b);
}

static void
every_sampler_and_spacing_draws(void **state)
{
    struct instruction n = instruction(1);
    struct choice c;
    for (size_t i = 0; sampler_choice(i, &c); i++) {
        struct pipeline_request r = request(&n);
        r.sampler = c.name;
        free(draw(shared, &r));
    }
    for (size_t i = 0; spacing_choice(i, &c); i++) {
        struct pipeline_request r = request(&n);
        r.spacing = c.name;
        free(draw(shared, &r));
    }
}

static int
make(void **state)
{
    struct err err = {0};
    device = device_open("cpu", &err);
    if (!device || !mkdtemp(trained) || !mkdtemp(fresh))
        return 1;
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 7 % 256);
    small_folder(trained, spiece, true, false);
    small_folder(fresh, spiece, false, true);
    shared = open_or_fail(trained, DTYPE_F32);
    return 0;
}

static int
clean(void **state)
{
    char command[128];
    pipeline_close(shared);
    device_close(device);
    snprintf(command, sizeof command, "rm -r %s %s", trained, fresh);
    return system(command);
}

int
main(int argc, char **argv)
{
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_picture),
        cmocka_unit_test(weights_of_one_are_no_guidance),
        cmocka_unit_test(references_matter_once_trained),
        cmocka_unit_test(both_stages_report_each_step),
        cmocka_unit_test(cancel_stops),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(strength_has_two_ends),
        cmocka_unit_test(strength_lies_between),
        cmocka_unit_test(masks_keep_what_is_black),
        cmocka_unit_test(weights_of_references),
        cmocka_unit_test(weights_act_in_their_steps),
        cmocka_unit_test(away_from_itself_is_no_guidance),
        cmocka_unit_test(stages_that_are_held_stay),
        cmocka_unit_test(parts_come_and_leave),
        cmocka_unit_test(an_impossible_graph_is_refused),
        cmocka_unit_test(a_graph_without_memory_is_refused),
        cmocka_unit_test(each_part_comes_once),
        cmocka_unit_test(values_that_are_there_are_not_given_again),
        cmocka_unit_test(shapes_come_and_go),
        cmocka_unit_test(every_sampler_and_spacing_draws),
        cmocka_unit_test(resizing),
    };
    return argc > 1 ? cmocka_run_group_tests(tests, make, clean) : 2;
}
