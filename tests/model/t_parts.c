// SPDX-License-Identifier: MIT
// What a pipeline keeps: plans that are held stay and others make room, parts of the model come
// when they are needed and leave when memory is short, values on the device are not given again.
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

#include "drawing.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline_parts.h"
#include "engine/draw/stage.h"

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

int
main(int argc, char **argv)
{
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_that_are_held_stay),
        cmocka_unit_test(parts_come_and_leave),
        cmocka_unit_test(an_impossible_graph_is_refused),
        cmocka_unit_test(a_graph_without_memory_is_refused),
        cmocka_unit_test(each_part_comes_once),
        cmocka_unit_test(values_that_are_there_are_not_given_again),
        cmocka_unit_test(shapes_come_and_go),
    };
    return argc > 1 ? cmocka_run_group_tests(tests, drawing_setup, drawing_teardown) : 2;
}
