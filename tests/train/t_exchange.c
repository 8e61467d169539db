// SPDX-License-Identifier: MIT
// The exchange of gradients, with threads as processes: the truth is a sum of small whole numbers.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/ops/op.h"
#include "engine/train/exchange.h"

enum { PROCESSES = 3, TENSORS = 7, STEPS = 4, EACH = 300000 }; // numbers of a tensor: over a MiB

// --- a group of threads

static struct {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    int here, round;
    double *sum;
    size_t count;
} meeting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, NULL, 0};

// The last to come lets all go on.
static void
meet(void)
{
    int round = meeting.round;
    if (++meeting.here == PROCESSES) {
        meeting.here = 0;
        meeting.round++;
        pthread_cond_broadcast(&meeting.turned);
    }
    while (meeting.round == round)
        pthread_cond_wait(&meeting.turned, &meeting.lock);
}

static void
add_floats(float *x, size_t count)
{
    pthread_mutex_lock(&meeting.lock);
    if (!meeting.sum) {
        meeting.sum = mem_zalloc(count * sizeof *meeting.sum);
        meeting.count = count;
    }
    assert_int_equal(meeting.count, count); // all send the same bucket
    for (size_t i = 0; i < count; i++)
        meeting.sum[i] += (double)x[i];
    meet();
    for (size_t i = 0; i < count; i++)
        x[i] = (float)meeting.sum[i];
    meet();
    free(meeting.sum); // by the first; the others find it gone
    meeting.sum = NULL;
    meet();
    pthread_mutex_unlock(&meeting.lock);
}

// --- a process

struct process {
    pthread_t thread;
    int rank;
    struct device *device;
    struct buffer *gradients;
    struct graph *graphs[2];
    struct plan *plans[2];
    struct node *inputs[2][TENSORS];
};

// What process `rank` adds to tensor k in a step.
static float
part(int rank, int step, int k)
{
    return (float)(1 + rank + 10 * step + 100 * k);
}

// Graph 0 makes every other tensor, graph 1 all of them, from the last to the first.
static void
build(struct process *p, int which)
{
    struct err err = {0};
    struct graph *g = p->graphs[which] = graph_create();
    for (int k = TENSORS - 1; k >= 0; k--) {
        if (which == 0 && k % 2)
            continue;
        struct node *into = graph_bound(g, "gradient", SLOT_GRADS,
                                        (size_t)k * EACH * sizeof(float), SHAPE(EACH), DTYPE_F32);
        p->inputs[which][k] = graph_input(g, "part", SHAPE(EACH), DTYPE_F32);
        op_accumulate(g, into, p->inputs[which][k]);
    }
    struct plan_params pp = {.device = p->device};
    pp.slots[SLOT_GRADS] = p->gradients;
    p->plans[which] = plan_create(g, &pp, &err);
    assert_non_null(p->plans[which]);
}

// Each process runs one graph or the other; process 1 fails in the third step before it runs any.
static bool
makes(int rank, int step, int k)
{
    bool fails = rank == 1 && step == 2, all = (rank + step) % 2;
    return !fails && (all || k % 2 == 0);
}

static void
step_of(struct process *p, struct exchange *e, int step, float *numbers)
{
    struct err err = {0};
    int which = (p->rank + step) % 2;
    for (int k = 0; k < TENSORS; k++) {
        if (!p->inputs[which][k])
            continue;
        for (int i = 0; i < EACH; i++)
            numbers[i] = part(p->rank, step, k);
        assert_true(plan_write(p->plans[which], p->inputs[which][k], numbers, &err));
    }
    assert_true(buffer_zero(p->gradients, &err));
    if (!(p->rank == 1 && step == 2)) {
        exchange_begin(e, p->plans[which], which);
        assert_true(plan_run(p->plans[which], &err));
    }
    assert_true(exchange_end(e, &err));
    for (int k = 0; k < TENSORS; k++) {
        float sum = 0;
        for (int rank = 0; rank < PROCESSES; rank++)
            sum += makes(rank, step, k) ? part(rank, step, k) : 0;
        assert_true(buffer_read(p->gradients, (size_t)k * EACH * sizeof(float), numbers,
                                EACH * sizeof(float), &err));
        for (int i = 0; i < EACH; i++)
            assert_float_equal(numbers[i], sum, 0);
    }
}

static void *
be_process(void *argument)
{
    struct process *p = argument;
    struct err err = {0};
    struct group group = {.rank = p->rank, .size = PROCESSES, .add_floats = add_floats};
    p->device = device_open("cpu", &err);
    assert_non_null(p->device);
    p->gradients = buffer_create(p->device, TENSORS * EACH * sizeof(float), "gradients", &err);
    build(p, 0);
    build(p, 1);
    const struct graph *const graphs[] = {p->graphs[0], p->graphs[1]};
    struct exchange_params ep = {&group, p->gradients, graphs, 2};
    struct exchange *e = exchange_create(&ep, &err);
    assert_non_null(e);
    float *numbers = mem_zalloc(EACH * sizeof *numbers);
    for (int step = 0; step < STEPS; step++)
        step_of(p, e, step, numbers);
    free(numbers);
    exchange_destroy(e);
    for (int i = 0; i < 2; i++) {
        plan_destroy(p->plans[i]);
        graph_destroy(p->graphs[i]);
    }
    buffer_destroy(p->gradients);
    device_close(p->device);
    return NULL;
}

static void
every_process_gets_the_sums(void **state)
{
    (void)state;
    struct process processes[PROCESSES] = {0};
    for (int i = 0; i < PROCESSES; i++) {
        processes[i].rank = i;
        assert_int_equal(pthread_create(&processes[i].thread, NULL, be_process, &processes[i]), 0);
    }
    for (int i = 0; i < PROCESSES; i++)
        pthread_join(processes[i].thread, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_process_gets_the_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
