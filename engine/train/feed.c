// SPDX-License-Identifier: MIT
#include "engine/train/feed.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum { THREADS_MAX = 16 };

// One micro-batch, filled or being filled.
struct filling {
    struct feed *feed;
    struct batch batch;
    uint64_t index;
    int references;
    double shift;
    bool begun;
    atomic_int next; // the next example to fill
    pthread_t threads[THREADS_MAX];
    int running;
    pthread_mutex_t lock; // of err
    struct err err;       // the first error of a thread
};

struct feed {
    struct feed_params p;
    struct filling fillings[2]; // this micro-batch and the next, alternating
    int turn;                   // which of them is the current one
};

struct feed *
feed_create(const struct feed_params *p, struct err *err)
{
    struct feed *f = mem_zalloc(sizeof *f);
    f->p = *p;
    f->p.threads = MIN(p->threads, THREADS_MAX);
    bool ok = true;
    for (int i = 0; i < (int)COUNT_OF(f->fillings); i++) {
        struct filling *s = &f->fillings[i];
        s->feed = f;
        pthread_mutex_init(&s->lock, NULL);
        s->batch = (struct batch){.recipe = p->recipe, .tokenizer = p->tokenizer,
                                  .objective = p->objective, .side = p->side,
                                  .channels = p->channels, .words_side = p->words_side,
                                  .low_side = p->low_side};
        ok = ok && (i >= 1 + (f->p.threads > 0) || batch_init(&s->batch, err));
    }
    if (ok)
        return f;
    feed_destroy(f);
    return NULL;
}

static void
join(struct filling *s)
{
    for (int i = 0; i < s->running; i++)
        pthread_join(s->threads[i], NULL);
    s->running = 0;
}

void
feed_destroy(struct feed *f)
{
    if (!f)
        return;
    for (int i = 0; i < (int)COUNT_OF(f->fillings); i++) {
        join(&f->fillings[i]);
        batch_finish(&f->fillings[i].batch);
        pthread_mutex_destroy(&f->fillings[i].lock);
    }
    free(f);
}

int
feed_references(const struct feed *f, uint64_t index)
{
    struct rng rng;
    rng_init(&rng, f->p.recipe->seed, RNG_STREAM_TIMESTEP + 16 * (2 * index + 1));
    double u = rng_uniform(&rng), sum = 0;
    int last = 0;
    for (int i = 0; i < REFERENCE_COUNTS; i++) {
        double share = tasks_share(f->p.tasks, i);
        sum += share;
        if (share > 0)
            last = i;
        if (u < sum && share > 0)
            return i;
    }
    return last;
}

static bool
fill_one(struct filling *s, int i, struct err *err)
{
    const struct feed *f = s->feed;
    const struct recipe *r = f->p.recipe;
    uint64_t at = s->index * (uint64_t)r->micro_batch + (uint64_t)i;
    // Timesteps of a batch are spread evenly with one common random shift: each is uniform,
    // and the batch covers the whole range (Kingma et al. 2021, low-discrepancy sampler).
    double u = recipe_timestep(r, fmod(s->shift + (double)i / r->micro_batch, 1.0));
    struct example e;
    return tasks_draw(f->p.tasks, r->seed, at, s->references, &e, err) &&
           batch_fill(&s->batch, &e, i, s->references, objective_step(f->p.objective, u), at, err);
}

// Fills examples until all have been taken.
static void *
fill(void *argument)
{
    struct filling *s = argument;
    int n = s->feed->p.recipe->micro_batch;
    for (int i; (i = atomic_fetch_add(&s->next, 1)) < n;) {
        struct err err = {0};
        if (fill_one(s, i, &err))
            continue;
        pthread_mutex_lock(&s->lock);
        if (s->err.code == ERR_NONE)
            s->err = err;
        pthread_mutex_unlock(&s->lock);
        atomic_store(&s->next, n);
    }
    return NULL;
}

static void
begin(struct filling *s, uint64_t index)
{
    const struct recipe *r = s->feed->p.recipe;
    s->index = index;
    s->references = feed_references(s->feed, index);
    s->err = (struct err){0};
    s->begun = true;
    struct rng rng;
    rng_init(&rng, r->seed, RNG_STREAM_TIMESTEP + 16 * (2 * index + 2));
    s->shift = rng_uniform(&rng);
    for (int i = 0; i < r->micro_batch; i++)
        s->batch.thumbnail_mask[i] = !s->references || rng_uniform(&rng) >= r->thumbnail_drop;
    atomic_store(&s->next, 0);
}

static void
prefetch(struct filling *s, uint64_t index)
{
    begin(s, index);
    while (s->running < s->feed->p.threads &&
           pthread_create(&s->threads[s->running], NULL, fill, s) == 0)
        s->running++; // if threads cannot start, feed_take() does their work
}

struct batch *
feed_take(struct feed *f, uint64_t index, uint64_t next, struct err *err)
{
    bool ahead = f->p.threads > 0;
    f->turn = ahead ? !f->turn : 0;
    struct filling *s = &f->fillings[f->turn];
    if (!ahead || !s->begun || s->index != index) {
        join(s);
        begin(s, index);
    }
    fill(s); // what no thread has taken
    join(s);
    s->begun = false;
    if (s->err.code != ERR_NONE) {
        err_set(err, s->err.code, "%s", s->err.text);
        return NULL;
    }
    if (ahead)
        prefetch(&f->fillings[!f->turn], next);
    return &s->batch;
}
