// SPDX-License-Identifier: MIT
#include "engine/train/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/train/tasks_parts.h"

// --- indexing the pack

// False with an error if there is no memory; the tasks own `g` even then.
static bool
group_records(struct groups *g, const struct pack *p, int groups,
              int (*key)(const struct pack *, int), struct err *err)
{
    int n = pack_count(p);
    g->first = mem_try_calloc((size_t)groups + 2, sizeof *g->first, "groups of pictures", err);
    g->records = mem_try_calloc((size_t)n + 1, sizeof *g->records, "groups of pictures", err);
    if (!g->first || !g->records)
        return false;
    for (int i = 0; i < n; i++)
        if (key(p, i) >= 0)
            g->first[key(p, i) + 2]++;
    for (int k = 1; k <= groups + 1; k++)
        g->first[k] += g->first[k - 1];
    for (int i = 0; i < n; i++)
        if (key(p, i) >= 0)
            g->records[g->first[key(p, i) + 1]++] = i;
    return true;
}

// The clusters that each record is in.
static bool
group_clusters(struct groups *g, const struct pack *p, struct err *err)
{
    int n = pack_count(p), size = pack_cluster_size(p), m = pack_cluster_count(p);
    g->first = mem_try_calloc((size_t)n + 2, sizeof *g->first, "clusters of pictures", err);
    g->records = mem_try_calloc((size_t)m * (size_t)size + 1, sizeof *g->records,
                                "clusters of pictures", err);
    if (!g->first || !g->records)
        return false;
    for (int i = 0; i < m * size; i++)
        g->first[pack_cluster(p, 0)[i] + 2]++;
    for (int k = 1; k <= n + 1; k++)
        g->first[k] += g->first[k - 1];
    for (int i = 0; i < m * size; i++)
        g->records[g->first[pack_cluster(p, 0)[i] + 1]++] = i / size;
    return true;
}

// Splits the records into those for training and those held out.
static bool
split_records(struct tasks *t, struct err *err)
{
    int n = pack_count(t->pack);
    t->train = mem_try_calloc((size_t)n + 1, sizeof *t->train, "pictures to train on", err);
    t->heldout = mem_try_calloc((size_t)n + 1, sizeof *t->heldout, "held-out pictures", err);
    if (!t->train || !t->heldout)
        return false;
    for (int i = 0; i < n; i++) {
        if (pack_split(t->pack, i) == PACK_TRAIN)
            t->train[t->train_count++] = i;
        else
            t->heldout[t->heldout_count++] = i;
    }
    // A fixed shuffle, so that the first held-out examples cover all kinds.
    struct rng rng;
    rng_init(&rng, 20240103, RNG_STREAM_DATA);
    for (int i = t->heldout_count - 1; i > 0; i--) {
        int k = (int)rng_below(&rng, (uint64_t)i + 1), swap = t->heldout[i];
        t->heldout[i] = t->heldout[k];
        t->heldout[k] = swap;
    }
    return true;
}

struct tasks *
tasks_create(const struct pack *pack, const struct jv *description, bool zero_shot,
             struct err *err)
{
    struct tasks *t = mem_zalloc(sizeof *t);
    t->pack = pack;
    t->description = jv_copy(description);
    bool ok = group_records(&t->by_subject, pack, pack_subject_count(pack), pack_subject, err) &&
              group_records(&t->by_style, pack, pack_style_count(pack), pack_style, err) &&
              group_clusters(&t->clusters_of, pack, err) && split_records(t, err) &&
              tasks_read(t, zero_shot, err);
    if (ok && t->train_count == 0)
        ok = err_set(err, ERR_INPUT, "the pack has no pictures for training");
    if (ok)
        return t;
    tasks_destroy(t);
    return NULL;
}

void
tasks_destroy(struct tasks *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->count; i++) {
        for (int k = 0; k < t->tasks[i].reference_count; k++) {
            free(t->tasks[i].references[k].slot);
            free(t->tasks[i].references[k].role);
        }
        free(t->tasks[i].name);
    }
    free(t->tasks);
    free(t->by_subject.first);
    free(t->by_subject.records);
    free(t->by_style.first);
    free(t->by_style.records);
    free(t->clusters_of.first);
    free(t->clusters_of.records);
    free(t->train);
    free(t->train_until);
    free(t->heldout);
    jv_free(t->description);
    free(t);
}

int
tasks_count(const struct tasks *t)
{
    return t->count;
}

const char *
tasks_name(const struct tasks *t, int task)
{
    return t->tasks[task].name;
}

// --- examples

// A record of group k that is not `not_this`; for training only from the training split. -1: none.
static int
pick_from(const struct tasks *t, const struct groups *g, int k, int record, bool other_style,
          bool training, struct rng *rng)
{
    if (k < 0)
        return -1;
    int first = g->first[k], n = g->first[k + 1] - first;
    int start = n ? (int)rng_below(rng, (uint64_t)n) : 0;
    for (int i = 0; i < n; i++) {
        int r = g->records[first + (start + i) % n];
        bool differs = other_style ? pack_style(t->pack, r) != pack_style(t->pack, record)
                                   : pack_subject(t->pack, r) != pack_subject(t->pack, record);
        bool allowed = pack_split(t->pack, r) == PACK_TRAIN ||
                       (!training && pack_split(t->pack, r) != PACK_HELDOUT_PAIR);
        // A held-out style is shown only when that style is being measured.
        if (other_style && pack_split(t->pack, r) == PACK_HELDOUT_STYLE)
            allowed = false;
        if (r != record && differs && allowed)
            return r;
    }
    return -1;
}

// Whether one of the first k references shows this picture.
static bool
shown_before(const struct example *e, int k, int record)
{
    for (int i = 0; i < k; i++)
        if (e->refs[i].record == record)
            return true;
    return false;
}

// Another picture of the example's cluster, which is chosen with the first neighbour. -1: none.
static int
pick_neighbour(const struct tasks *t, struct example *e, int k, struct rng *rng)
{
    int first = t->clusters_of.first[e->record];
    int count = t->clusters_of.first[e->record + 1] - first, size = pack_cluster_size(t->pack);
    if (count == 0)
        return -1;
    if (e->cluster < 0)
        e->cluster = t->clusters_of.records[first + (int)rng_below(rng, (uint64_t)count)];
    const int32_t *rows = pack_cluster(t->pack, e->cluster);
    int start = (int)rng_below(rng, (uint64_t)size);
    for (int i = 0; i < size; i++) {
        int row = rows[(start + i) % size];
        if (row != e->record && !shown_before(e, k, row))
            return row;
    }
    return -1;
}

static bool
pick_reference(const struct tasks *t, const struct task_reference *r, struct example *e, int k,
               bool training, struct rng *rng)
{
    int from = -1;
    switch (r->kind) {
    case PICTURE_NONE:
        break;
    case PICTURE_ROLE:
        e->refs[k].image = pack_role(t->pack, r->role, e->record);
        e->refs[k].record = e->record;
        return true;
    case PICTURE_SUBJECT:
        from = pick_from(t, &t->by_subject, pack_subject(t->pack, e->record), e->record, true,
                         training, rng);
        break;
    case PICTURE_STYLE: // several references of one style show different pictures
        for (int i = 0; i < 8 && (from < 0 || shown_before(e, k, from)); i++)
            from = pick_from(t, &t->by_style, pack_style(t->pack, e->record), e->record, false,
                             training, rng);
        break;
    case PICTURE_NEIGHBOUR:
        from = pick_neighbour(t, e, k, rng);
        break;
    }
    if (from < 0 || shown_before(e, k, from))
        return false;
    e->refs[k].record = from;
    e->refs[k].image = pack_image(t->pack, from);
    return true;
}

// Distinct markers: mostly 1, 2, … in random order, sometimes any of 1..8.
static void
pick_markers(struct example *e, int count, struct rng *rng)
{
    bool any = rng_uniform(rng) < 0.2;
    int pool[8], n = any ? 8 : count;
    for (int i = 0; i < n; i++)
        pool[i] = i + 1;
    for (int i = 0; i < count; i++) {
        int k = i + (int)rng_below(rng, (uint64_t)(n - i)), swap = pool[i];
        pool[i] = pool[k];
        pool[k] = swap;
        e->refs[i].marker = pool[i];
    }
}

// A meaningless word of two to four syllables.
static void
invent_word(struct rng *rng, char out[16])
{
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    int syllables = 2 + (int)rng_below(rng, 3), n = 0;
    for (int i = 0; i < syllables; i++) {
        out[n++] = consonants[rng_below(rng, sizeof consonants - 1)];
        out[n++] = vowels[rng_below(rng, sizeof vowels - 1)];
    }
    out[n++] = consonants[rng_below(rng, sizeof consonants - 1)];
    out[n] = 0;
}

// Whether a reference shows the subject of the picture.
static bool
shows_subject(const struct task *k)
{
    for (int i = 0; i < k->reference_count; i++)
        if (k->references[i].kind == PICTURE_ROLE || k->references[i].kind == PICTURE_SUBJECT)
            return true;
    return false;
}

// Whether held-out pictures make examples of it.
static bool
is_measured(const struct task *k)
{
    for (int i = 0; i < k->reference_count; i++)
        if (k->references[i].kind == PICTURE_NEIGHBOUR)
            return false;
    return true;
}

// The order of references carries no meaning: shuffle them.
static void
shuffle_references(struct example *e, struct rng *rng)
{
    for (int i = e->ref_count - 1; i > 0; i--) {
        int k = (int)rng_below(rng, (uint64_t)i + 1);
        __typeof__(e->refs[0]) swap = e->refs[i];
        e->refs[i] = e->refs[k];
        e->refs[k] = swap;
    }
}

static bool
make_example(const struct tasks *t, int task, int record, bool training, struct rng *rng,
             struct example *e)
{
    const struct task *k = &t->tasks[task];
    e->ref_count = k->reference_count;
    e->task = task;
    e->record = record;
    e->cluster = -1;
    e->text_dropped = e->context_dropped = false;
    e->target = pack_image(t->pack, record);
    e->alpha = pack_alpha(t->pack, record);
    *e->unknown = 0;
    if (training && t->unknown_subject > 0 && shows_subject(k) &&
        rng_uniform(rng) < t->unknown_subject)
        invent_word(rng, e->unknown);
    pick_markers(e, k->reference_count, rng);
    for (int i = 0; i < k->reference_count; i++) {
        char words[EXAMPLE_TEXT_MAX];
        if (!pick_reference(t, &k->references[i], e, i, training, rng))
            return false;
        int from = e->refs[i].record;
        tasks_expand(t, e, NULL, from, tasks_pick_text(t, k->references[i].texts, from, rng), rng,
                     words);
        snprintf(e->refs[i].text, sizeof e->refs[i].text, "[ref#%d] %.1000s", e->refs[i].marker,
                 words);
        tasks_whole_characters(e->refs[i].text);
    }
    tasks_expand(t, e, k, record, tasks_pick_text(t, k->texts, record, rng), rng, e->text);
    tasks_whole_characters(e->text);
    shuffle_references(e, rng);
    return true;
}

// Probability of task k among examples that have `references` references after dropping.
static double
task_share(const struct tasks *t, int k, int references)
{
    double dropped = t->drop_all + t->drop_context, ratio = t->tasks[k].ratio;
    if (t->tasks[k].reference_count == references)
        return references ? ratio * (1 - dropped) : ratio;
    return references == 0 ? ratio * dropped : 0;
}

double
tasks_share(const struct tasks *t, int references)
{
    double sum = 0;
    for (int k = 0; k < t->count; k++)
        sum += task_share(t, k, references);
    return sum;
}

static int
pick_task(const struct tasks *t, int references, struct rng *rng)
{
    double u = rng_uniform(rng) * tasks_share(t, references);
    int last = -1;
    for (int k = 0; k < t->count; k++) {
        double share = task_share(t, k, references);
        if (share <= 0)
            continue;
        last = k;
        u -= share;
        if (u < 0)
            break;
    }
    return last;
}

// Draws a training record by the weights of the styles.
static int
pick_record(const struct tasks *t, struct rng *rng)
{
    if (!t->train_until)
        return t->train[rng_below(rng, (uint64_t)t->train_count)];
    double at = rng_uniform(rng) * t->train_until[t->train_count - 1];
    int low = 0, high = t->train_count - 1;
    while (low < high) { // finds the first running sum above it
        int middle = (low + high) / 2;
        if (t->train_until[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return t->train[low];
}

bool
tasks_draw(const struct tasks *t, uint64_t seed, uint64_t index, int references, struct example *e,
           struct err *err)
{
    struct rng rng;
    rng_init(&rng, seed, RNG_STREAM_DATA + 16 * (index + 1));
    // Draws a task by the mixture, then a record that fits it; only if almost no record fits is
    // another task drawn.
    for (int attempt = 0; attempt < 8; attempt++) {
        int task = pick_task(t, references, &rng);
        bool made = false;
        for (int i = 0; task >= 0 && !made && i < 64; i++) {
            int record = pick_record(t, &rng);
            made = make_example(t, task, record, true, &rng, e);
        }
        if (!made)
            continue;
        if (e->ref_count != references || references == 0) {
            bool had_context = e->ref_count > 0;
            double all = had_context ? t->drop_all / (t->drop_all + t->drop_context) : t->drop_all;
            e->text_dropped = rng_uniform(&rng) < all;
            e->context_dropped = had_context;
            e->ref_count = 0;
            if (e->text_dropped)
                e->text[0] = 0;
        }
        return true;
    }
    return err_set(err, ERR_INPUT, "the pack has no example with %d references", references);
}

// "style, style transfer": the names of the tasks with that many references.
static void
list_tasks(const struct tasks *t, int references, char *out, size_t size)
{
    size_t n = 0;
    *out = 0;
    for (int k = 0; k < t->count && n < size; k++)
        if (t->tasks[k].reference_count == references)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", t->tasks[k].name);
}

bool
tasks_check(const struct tasks *t, struct err *err)
{
    char names[300];
    for (int n = 0; n <= EXAMPLE_REFERENCE_MAX; n++) {
        struct example e = {0};
        if (tasks_share(t, n) <= 0 || tasks_draw(t, 0, 0, n, &e, NULL))
            continue;
        list_tasks(t, n, names, sizeof names);
        return err_set(err, ERR_INPUT,
                       "the pack has no example with %d %s for %s: leave these out of the mixture, "
                       "or pack pictures that share a subject or a style (docs/training.md)",
                       n, n == 1 ? "reference" : "references", *names ? names : "its tasks");
    }
    return true;
}

int
tasks_heldout_of(const struct tasks *t, int task, enum pack_split split, int i, struct example *e)
{
    int seen = 0, all = is_measured(&t->tasks[task]) ? t->heldout_count : 0;
    for (int k = 0; k < all; k++) {
        if (pack_split(t->pack, t->heldout[k]) != split)
            continue;
        if (seen == i && e) {
            struct rng rng;
            rng_init(&rng, 1, RNG_STREAM_DATA + 16 * ((uint64_t)t->heldout[k] + 1));
            if (!make_example(t, task, t->heldout[k], false, &rng, e))
                continue; // this record has no such reference: take the next
            return 1;
        }
        seen++;
    }
    return e ? 0 : seen;
}

int
tasks_heldout_count(const struct tasks *t, int references)
{
    int tasks = 0;
    for (int k = 0; k < t->count; k++)
        tasks += t->tasks[k].reference_count == references && is_measured(&t->tasks[k]);
    return tasks * t->heldout_count;
}

bool
tasks_heldout(const struct tasks *t, int references, int i, struct example *e, struct err *err)
{
    int list[64], count = 0;
    for (int k = 0; k < t->count && count < 64; k++)
        if (t->tasks[k].reference_count == references && is_measured(&t->tasks[k]))
            list[count++] = k;
    for (int attempt = 0; count && attempt < t->heldout_count; attempt++) {
        int record = t->heldout[(i / count + attempt) % t->heldout_count];
        struct rng rng;
        rng_init(&rng, 1, RNG_STREAM_DATA + 16 * ((uint64_t)record + 1));
        if (make_example(t, list[i % count], record, false, &rng, e))
            return true;
    }
    return err_set(err, ERR_INPUT, "the pack has no held-out example with %d references",
                   references);
}
