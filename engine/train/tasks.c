// SPDX-License-Identifier: MIT
#include "engine/train/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum picture_kind { PICTURE_NONE = 0, PICTURE_ROLE, PICTURE_SUBJECT, PICTURE_STYLE };

struct task_reference {
    char *slot, *role; // role: of PICTURE_ROLE
    enum picture_kind kind;
    const struct jv *texts;
};

struct task {
    char *name;
    double ratio;
    bool compound;
    int reference_count;
    struct task_reference references[EXAMPLE_REFERENCE_MAX];
    const struct jv *texts;
};

// Records of one subject or style: records[first[k] .. first[k+1]).
struct groups {
    int *first, *records;
};

struct tasks {
    const struct pack *pack;
    struct jv *description; // texts point into it
    struct task *tasks;
    int count;
    double drop_all, drop_context, unknown_subject;
    struct groups by_subject, by_style;
    int *train, train_count, *heldout, heldout_count;
    double *train_until; // weights of the training records so far, added up; NULL: all alike
};

// --- reading the description

static bool
read_texts(const struct jv *texts, const char *task, const char *what, struct err *err)
{
    if (!jv_is_array(texts) || jv_size(texts) == 0)
        return err_set(err, ERR_INPUT, "task %s: %s needs a list of texts", task, what);
    for (size_t i = 0; i < jv_size(texts); i++) {
        const char *text = jv_string(jv_at(texts, i), NULL);
        if (!text || strlen(text) >= EXAMPLE_TEXT_MAX / 4)
            return err_set(err, ERR_INPUT, "task %s: text %zu of %s is no text or too long", task,
                           i + 1, what);
    }
    return true;
}

static bool
read_reference(const struct tasks *t, struct task_reference *r, const struct jv *v,
               const char *task, struct err *err)
{
    const char *picture = jv_string(jv_get(v, "picture"), "");
    r->slot = mem_strdup(jv_string(jv_get(v, "slot"), ""));
    r->texts = jv_get(v, "texts");
    if (strncmp(picture, "role.", 5) == 0) {
        r->kind = PICTURE_ROLE;
        r->role = mem_strdup(picture + 5);
        if (!pack_role(t->pack, r->role, 0))
            return err_set(err, ERR_INPUT, "task %s: the pack has no role '%s'", task, r->role);
    } else if (strcmp(picture, "subject") == 0) {
        r->kind = PICTURE_SUBJECT;
    } else if (strcmp(picture, "style") == 0) {
        r->kind = PICTURE_STYLE;
    } else {
        return err_set(err, ERR_INPUT,
                       "task %s: picture is '%s', it must be subject, style or role.NAME", task,
                       picture);
    }
    if (!*r->slot)
        return err_set(err, ERR_INPUT, "task %s: a reference has no slot", task);
    return read_texts(r->texts, task, r->slot, err);
}

static bool
read_task(const struct tasks *t, struct task *task, const struct jv *v, struct err *err)
{
    static const char *const known[] = {"name", "ratio", "compound", "references", "texts"};
    if (!jv_is_object(v))
        return err_set(err, ERR_INPUT, "tasks: an entry of 'mixture' is no table of a task");
    for (size_t i = 0; i < jv_size(v); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            found |= strcmp(jv_key_at(v, i), known[k]) == 0;
        if (!found)
            return err_set(err, ERR_INPUT, "tasks: unknown key '%s'", jv_key_at(v, i));
    }
    task->name = mem_strdup(jv_string(jv_get(v, "name"), ""));
    task->ratio = jv_number(jv_get(v, "ratio"), -1);
    const struct jv *compound = jv_get(v, "compound");
    if (compound && !jv_is_bool(compound))
        return err_set(err, ERR_INPUT, "task '%s': compound must be true or false", task->name);
    task->compound = jv_bool(compound, false);
    task->texts = jv_get(v, "texts");
    if (!*task->name || !(task->ratio >= 0 && task->ratio <= 1e6))
        return err_set(err, ERR_INPUT, "task '%s' needs a name and a ratio of at least 0",
                       task->name);
    const struct jv *references = jv_get(v, "references");
    if (jv_size(references) > EXAMPLE_REFERENCE_MAX)
        return err_set(err, ERR_INPUT, "task %s: at most %d references", task->name,
                       EXAMPLE_REFERENCE_MAX);
    for (size_t i = 0; i < jv_size(references); i++) {
        task->reference_count++;
        if (!read_reference(t, &task->references[i], jv_at(references, i), task->name, err))
            return false;
    }
    return read_texts(task->texts, task->name, "texts", err);
}

static bool
read_chance(const struct tasks *t, const char *key, double fallback, double *chance,
            struct err *err)
{
    const struct jv *v = jv_get(t->description, key);
    *chance = jv_number(v, fallback);
    return ((!v || jv_is_number(v)) && *chance >= 0 && *chance <= 1) ||
           err_set(err, ERR_INPUT, "tasks: %s must be a number in 0..1", key);
}

static bool
read_chances(struct tasks *t, struct err *err)
{
    static const char *const known[] = {"drop_all", "drop_context", "unknown_subject",
                                        "style_weights", "mixture"};
    for (size_t i = 0; i < jv_size(t->description); i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            found |= strcmp(jv_key_at(t->description, i), known[k]) == 0;
        if (!found)
            return err_set(err, ERR_INPUT, "tasks: unknown key '%s'",
                           jv_key_at(t->description, i));
    }
    return read_chance(t, "drop_all", 0.1, &t->drop_all, err) &&
           read_chance(t, "drop_context", 0.1, &t->drop_context, err) &&
           read_chance(t, "unknown_subject", 0, &t->unknown_subject, err) &&
           (t->drop_all + t->drop_context <= 1 ||
            err_set(err, ERR_INPUT, "tasks: drop_all and drop_context are more than 1 together"));
}

// A list of weights may name styles that this pack lacks: it serves packs of several sets.
static bool
read_style_weights(struct tasks *t, struct err *err)
{
    const struct jv *weights = jv_get(t->description, "style_weights");
    double total = 0;
    if (!weights)
        return true;
    if (!jv_is_object(weights))
        return err_set(err, ERR_INPUT, "tasks: style_weights must be a list of STYLE: NUMBER");
    for (size_t i = 0; i < jv_size(weights); i++) {
        const struct jv *w = jv_value_at(weights, i);
        if (!jv_is_number(w) || !(jv_number(w, -1) >= 0 && jv_number(w, -1) <= 1e6))
            return err_set(err, ERR_INPUT, "tasks: style_weights: %s needs a number from 0 on",
                           jv_key_at(weights, i));
    }
    t->train_until = mem_zalloc((size_t)(t->train_count + 1) * sizeof *t->train_until);
    for (int i = 0; i < t->train_count; i++) {
        int style = pack_style(t->pack, t->train[i]);
        const char *name = style < 0 ? "" : pack_style_name(t->pack, style);
        total += jv_number(jv_get(weights, name), 1);
        t->train_until[i] = total;
    }
    return total > 0 || err_set(err, ERR_INPUT, "tasks: style_weights leave nothing to train on");
}

static bool
read_description(struct tasks *t, bool zero_shot, struct err *err)
{
    const struct jv *mixture = jv_get(t->description, "mixture");
    if (!jv_is_object(t->description))
        return err_set(err, ERR_INPUT, "tasks: no description with a 'mixture'");
    if (!read_chances(t, err) || !read_style_weights(t, err))
        return false;
    if (!jv_is_array(mixture) || jv_size(mixture) == 0)
        return err_set(err, ERR_INPUT, "tasks: the list 'mixture' is missing or empty");
    t->tasks = mem_zalloc(jv_size(mixture) * sizeof *t->tasks);
    double total = 0;
    for (size_t i = 0; i < jv_size(mixture); i++) {
        t->count++;
        if (!read_task(t, &t->tasks[i], jv_at(mixture, i), err))
            return false;
        if (zero_shot && t->tasks[i].compound)
            t->tasks[i].ratio = 0;
        total += t->tasks[i].ratio;
    }
    if (!(total > 0))
        return err_set(err, ERR_INPUT, "tasks: all ratios are 0");
    for (int i = 0; i < t->count; i++)
        t->tasks[i].ratio /= total;
    return true;
}

// --- indexing the pack

static struct groups
group_records(const struct pack *p, int groups, int (*key)(const struct pack *, int))
{
    int n = pack_count(p);
    struct groups g = {.first = mem_zalloc((size_t)(groups + 2) * sizeof(int)),
                       .records = mem_zalloc((size_t)n * sizeof(int))};
    for (int i = 0; i < n; i++)
        if (key(p, i) >= 0)
            g.first[key(p, i) + 2]++;
    for (int k = 1; k <= groups + 1; k++)
        g.first[k] += g.first[k - 1];
    for (int i = 0; i < n; i++)
        if (key(p, i) >= 0)
            g.records[g.first[key(p, i) + 1]++] = i;
    return g;
}

struct tasks *
tasks_create(const struct pack *pack, const struct jv *description, bool zero_shot,
             struct err *err)
{
    struct tasks *t = mem_zalloc(sizeof *t);
    int n = pack_count(pack);
    t->pack = pack;
    t->description = jv_copy(description);
    t->by_subject = group_records(pack, pack_subject_count(pack), pack_subject);
    t->by_style = group_records(pack, pack_style_count(pack), pack_style);
    t->train = mem_zalloc((size_t)n * sizeof(int));
    t->heldout = mem_zalloc((size_t)n * sizeof(int));
    for (int i = 0; i < n; i++) {
        if (pack_split(pack, i) == PACK_TRAIN)
            t->train[t->train_count++] = i;
        else
            t->heldout[t->heldout_count++] = i;
    }
    // A fixed shuffle, so that the first held-out examples are of all kinds.
    struct rng rng;
    rng_init(&rng, 20240103, RNG_STREAM_DATA);
    for (int i = t->heldout_count - 1; i > 0; i--) {
        int k = (int)rng_below(&rng, (uint64_t)i + 1), swap = t->heldout[i];
        t->heldout[i] = t->heldout[k];
        t->heldout[k] = swap;
    }
    bool ok = read_description(t, zero_shot, err);
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

// --- texts

// A name of a style or an emoji as people write it: dashes are spaces.
static void
plain_words(char *text)
{
    for (; *text; text++)
        if (*text == '-' || *text == '_')
            *text = ' ';
}

static void
pick_keyword(const struct tasks *t, int record, struct rng *rng, char *out, size_t size)
{
    char all[EXAMPLE_TEXT_MAX];
    pack_keywords(t->pack, record, all, sizeof all);
    int count = *all ? 1 : 0;
    for (const char *p = all; *p; p++)
        count += *p == ',';
    int wanted = count ? (int)rng_below(rng, (uint64_t)count) : -1;
    const char *at = all;
    while (wanted-- > 0)
        at = strchr(at, ',') + 1;
    if (count)
        snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
    else
        pack_caption(t->pack, record, out, size);
}

// Words of the record itself; false: the name is none of these.
static bool
fill_words(const struct tasks *t, const struct example *e, int record, const char *name,
           struct rng *rng, char out[EXAMPLE_TEXT_MAX])
{
    static const char *const of_subject[] = {"subject", "last word", "keyword"};
    int subject = pack_subject(t->pack, e->record);
    bool same = record == e->record || (subject >= 0 && subject == pack_subject(t->pack, record));
    bool called = *e->unknown && same;
    for (size_t i = 0; called && i < COUNT_OF(of_subject); i++)
        if (strcmp(name, of_subject[i]) == 0)
            return snprintf(out, EXAMPLE_TEXT_MAX, "%s", e->unknown) > 0;
    if (strcmp(name, "subject") == 0) {
        pack_caption(t->pack, record, out, EXAMPLE_TEXT_MAX);
    } else if (strcmp(name, "last word") == 0) {
        pack_caption(t->pack, record, out, EXAMPLE_TEXT_MAX);
        const char *space = strrchr(out, ' ');
        if (space)
            memmove(out, space + 1, strlen(space));
    } else if (strcmp(name, "keyword") == 0) {
        pick_keyword(t, record, rng, out, EXAMPLE_TEXT_MAX);
    } else if (strcmp(name, "style") == 0 || strcmp(name, "style name") == 0) {
        int style = pack_style(t->pack, record);
        snprintf(out, EXAMPLE_TEXT_MAX, "%s",
                 style < 0 ? "plain" : pack_style_name(t->pack, style));
        if (strcmp(name, "style") == 0)
            plain_words(out);
    } else {
        return false;
    }
    return true;
}

// Appends what `name` stands for; leaves unknown names as they are.
static void
fill_in(const struct tasks *t, const struct example *e, const struct task *task, int record,
        const char *name, struct rng *rng, char *out, size_t size)
{
    char words[EXAMPLE_TEXT_MAX];
    if (fill_words(t, e, record, name, rng, words)) {
        snprintf(out, size, "%s", words);
        return;
    }
    if (strncmp(name, "a ", 2) == 0 && fill_words(t, e, record, name + 2, rng, words)) {
        bool vowel = *words && strchr("aeiouAEIOU", *words);
        snprintf(out, size, "%s %.1000s", vowel ? "an" : "a", words);
        return;
    }
    snprintf(out, size, "{%s}", name);
    for (int k = 0; task && k < task->reference_count; k++) {
        size_t n = strlen(task->references[k].slot);
        if (strncmp(name, task->references[k].slot, n) != 0)
            continue;
        if (strcmp(name + n, ".marker") == 0)
            snprintf(out, size, "[ref#%d]", e->refs[k].marker);
        else if (name[n] == 0)
            snprintf(out, size, "%s", e->refs[k].text);
    }
}

// Writes `pattern` with its {names} filled in.
static void
expand(const struct tasks *t, const struct example *e, const struct task *task, int record,
       const char *pattern, struct rng *rng, char out[EXAMPLE_TEXT_MAX])
{
    size_t used = 0;
    for (const char *p = pattern; *p && used + 1 < EXAMPLE_TEXT_MAX;) {
        size_t n = *p == '{' ? strcspn(p + 1, "}") : 0;
        if (n && p[1 + n] == '}' && n < 32) {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)n, p + 1);
            fill_in(t, e, task, record, name, rng, out + used, EXAMPLE_TEXT_MAX - used);
            used += strlen(out + used);
            p += n + 2;
        } else {
            out[used++] = *p++;
        }
    }
    out[used] = 0;
}

// Cuts a character that a full buffer left incomplete.
static void
whole_characters(char *text)
{
    size_t n = strlen(text), k = n;
    while (k > 0 && ((unsigned char)text[k - 1] & 0xC0) == 0x80)
        k--;
    if (k == 0 || (unsigned char)text[k - 1] < 0xC0)
        return;
    unsigned char lead = (unsigned char)text[k - 1];
    if (n - k + 1 < (lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u))
        text[k - 1] = 0;
}

// Any of the texts; of a record whose style nobody knows, any that does not speak of it.
static const char *
pick_text(const struct tasks *t, const struct jv *texts, int record, struct rng *rng)
{
    size_t n = jv_size(texts), first = (size_t)rng_below(rng, n);
    bool styled = pack_style(t->pack, record) >= 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = jv_string(jv_at(texts, (first + i) % n), "");
        if (styled || !(strstr(text, "{style}") || strstr(text, "{style name}")))
            return text;
    }
    return jv_string(jv_at(texts, first), "");
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
        // A held-out style shows itself only when it is what is measured.
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
    case PICTURE_STYLE: // several of one style are several pictures
        for (int i = 0; i < 8 && (from < 0 || shown_before(e, k, from)); i++)
            from = pick_from(t, &t->by_style, pack_style(t->pack, e->record), e->record, false,
                             training, rng);
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

// A word of two to four syllables that means nothing.
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

// Whether a reference shows what the picture is to be of.
static bool
shows_subject(const struct task *k)
{
    for (int i = 0; i < k->reference_count; i++)
        if (k->references[i].kind != PICTURE_STYLE)
            return true;
    return false;
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
    e->text_dropped = e->context_dropped = false;
    e->target = pack_image(t->pack, record);
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
        expand(t, e, NULL, from, pick_text(t, k->references[i].texts, from, rng), rng, words);
        snprintf(e->refs[i].text, sizeof e->refs[i].text, "[ref#%d] %.1000s", e->refs[i].marker,
                 words);
        whole_characters(e->refs[i].text);
    }
    expand(t, e, k, record, pick_text(t, k->texts, record, rng), rng, e->text);
    whole_characters(e->text);
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

// A training record, by the weights of the styles.
static int
pick_record(const struct tasks *t, struct rng *rng)
{
    if (!t->train_until)
        return t->train[rng_below(rng, (uint64_t)t->train_count)];
    double at = rng_uniform(rng) * t->train_until[t->train_count - 1];
    int low = 0, high = t->train_count - 1;
    while (low < high) { // the first whose sum is above it
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
    // The mixture decides the task, then a record is found that fits it; only a task that fits hardly
    // any record is given up for another.
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

int
tasks_heldout_of(const struct tasks *t, int task, enum pack_split split, int i, struct example *e)
{
    int seen = 0;
    for (int k = 0; k < t->heldout_count; k++) {
        if (pack_split(t->pack, t->heldout[k]) != split)
            continue;
        if (seen == i && e) {
            struct rng rng;
            rng_init(&rng, 1, RNG_STREAM_DATA + 16 * ((uint64_t)t->heldout[k] + 1));
            if (!make_example(t, task, t->heldout[k], false, &rng, e))
                continue; // no reference for this one: the next takes its place
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
        tasks += t->tasks[k].reference_count == references;
    return tasks * t->heldout_count;
}

bool
tasks_heldout(const struct tasks *t, int references, int i, struct example *e, struct err *err)
{
    int list[64], count = 0;
    for (int k = 0; k < t->count && count < 64; k++)
        if (t->tasks[k].reference_count == references)
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
