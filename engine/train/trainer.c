// SPDX-License-Identifier: MIT
// The step, in order: for each micro-batch draw how many references its examples have, draw the
// examples, noise them at random timesteps, run the plan for that number of references, which adds
// its gradients to SLOT_GRADS; then the update plan: norm of the gradients, AdamW, averaged
// weights; then the gradients are zeroed. In a group each process computes some of the
// micro-batches, and gradients and losses are summed over the group before the update.
#include "engine/train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/diffusion/schedule.h"
#include "engine/text/tokenizer.h"
#include "engine/train/adapters.h"
#include "engine/train/batch.h"
#include "engine/train/exchange.h"
#include "engine/train/feed.h"
#include "engine/train/network.h"
#include "engine/train/objective.h"
#include "engine/train/pack.h"
#include "engine/train/state.h"
#include "engine/train/tasks.h"
#include "engine/train/update.h"

struct trainer {
    const struct recipe *recipe;
    struct device *device;
    struct model_folder *folder;
    struct tokenizer *tokenizer;
    struct pack *pack;
    struct tasks *tasks;
    struct schedule *schedule;
    struct objective objective;
    struct params *params;
    struct buffer *slots[SLOT_COUNT];
    struct network networks[REFERENCE_COUNTS];
    struct plan *plans[REFERENCE_COUNTS]; // created when first needed
    bool built[REFERENCE_COUNTS];
    struct update update;
    struct feed *feed;
    const struct group *group; // NULL: alone
    struct exchange *exchange; // of gradients, in a group
    struct batch heldout; // for trainer_validate()
    enum dtype dtype;
    bool checkpointing;
    int64_t done;
    char description[256];
};

// --- building

static struct network_params
network_params(const struct trainer *t, int references)
{
    return (struct network_params){.folder = t->folder,
                                   .params = t->params,
                                   .key = {.batch = t->recipe->micro_batch,
                                           .references = references,
                                           .text_tokens = t->recipe->text_tokens,
                                           .reference_tokens = t->recipe->reference_tokens,
                                           .side = t->recipe->crop,
                                           .end = tokenizer_end_id(t->tokenizer),
                                           .pad = tokenizer_pad_id(t->tokenizer)},
                                   .dtype = t->dtype,
                                   .stage = t->recipe->stage,
                                   .checkpoint_activations = t->checkpointing,
                                   .freeze_text = t->recipe->freeze_text};
}

static bool
build_plan(struct trainer *t, int references, struct err *err)
{
    if (t->plans[references])
        return true;
    struct network_params np = network_params(t, references);
    t->built[references] = true; // even if incomplete: network_finish() is needed
    if (!network_build(&t->networks[references], &np, err))
        return false;
    struct plan_params pp = {.device = t->device};
    memcpy(pp.slots, t->slots, sizeof pp.slots);
    t->plans[references] = plan_create(t->networks[references].g, &pp, err);
    return t->plans[references] &&
           nn_constants_write(&t->networks[references].nn, t->plans[references], err);
}

// Whether the largest plan, keeping all activations, would fill most of the machine's memory.
static bool
needs_checkpointing(struct trainer *t, struct err *err)
{
    size_t memory = device_limits(t->device)->memory;
    if (!recipe_of_pictures(t->recipe))
        return false; // texts and crops need little memory
    struct device *null = device_open("null", err);
    struct network_params np = network_params(t, 0);
    while (np.key.references + 1 < REFERENCE_COUNTS &&
           tasks_share(t->tasks, np.key.references + 1) > 0)
        np.key.references++;
    struct network n = {0};
    size_t need = 0;
    if (null && network_build(&n, &np, err)) {
        struct plan_params pp = {.device = null};
        for (int s = SLOT_PARAMS; s < SLOT_COUNT; s++)
            pp.slots[s] = t->slots[s];
        struct plan *p = plan_create(n.g, &pp, err);
        struct plan_stats stats = {0};
        if (p)
            plan_stats(p, &stats);
        need = stats.arena;
        plan_destroy(p);
    }
    network_finish(&n);
    device_close(null);
    return memory && need + 5 * params_bytes(t->params) > memory / 10 * 7;
}

static bool
make_buffers(struct trainer *t, struct err *err)
{
    for (int s = SLOT_PARAMS; s <= SLOT_EMA; s++) {
        t->slots[s] = buffer_create(t->device, params_bytes(t->params), "training state", err);
        if (!t->slots[s])
            return false;
    }
    return true;
}

// Parameters start from the folder's weights, if it has them, else by their initialisers.
static bool
load_weights(struct trainer *t, bool resume, struct err *err)
{
    if (resume) {
        struct train_state s = {.slots = t->slots, .params = t->params};
        if (!train_state_load(&s, t->recipe->output, err))
            return false;
        t->done = s.step;
        return true;
    }
    return params_initialise(t->params, t->recipe->seed, t->slots[SLOT_PARAMS], err) &&
           model_folder_load_present(t->folder, t->params, t->slots[SLOT_PARAMS], err) &&
           buffer_copy(t->slots[SLOT_EMA], 0, t->slots[SLOT_PARAMS], 0, params_bytes(t->params),
                       err);
}

// Checks that crops of the second pass's pictures can be made.
static bool
check_enlarger(const struct model_folder *m, const struct recipe *r, struct err *err)
{
    const struct family *f = m->family;
    int size = 0, final_size = 0;
    f->sizes(&m->parts, &size, &final_size);
    if (!f->enlarger || !parts_find(&m->parts, f->enlarger))
        return err_set(err, ERR_INPUT, "%s has no second pass for the stage 'enlarger' to train",
                       r->model);
    if (final_size % size || r->crop > final_size)
        return err_set(err, ERR_INPUT, "%s enlarges pictures of %d pixels to %d: crops of %d "
                       "pixels cannot be made of them", r->model, size, final_size, r->crop);
    return true;
}

// What is trained, and what it reads.
static bool
declare(struct trainer *t, struct err *err)
{
    const struct family *f = t->folder->family;
    if (t->recipe->stage == TRAIN_ENLARGER)
        return model_folder_declare(t->folder, f->enlarger, t->params, err);
    if (t->recipe->stage == TRAIN_LORA)
        params_adapt(t->params, parts_find(&t->folder->parts, f->denoiser)->prefix,
                     t->recipe->lora_rank);
    return model_folder_declare(t->folder, f->denoiser, t->params, err) &&
           model_folder_declare(t->folder, f->text, t->params, err);
}

// What is learned to be drawn.
static struct latent
trained_latent(const struct trainer *t)
{
    const struct family *f = t->folder->family;
    const char *part = t->recipe->stage == TRAIN_ENLARGER ? f->enlarger : f->denoiser;
    return f->latent(&t->folder->parts, part, (struct picture_size){0});
}

static bool
open_sources(struct trainer *t, struct err *err)
{
    const struct recipe *r = t->recipe;
    struct model_folder *m = t->folder = model_folder_open(r->model, err);
    if (!m)
        return false;
    const struct family *f = m->family;
    if (!f->training)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: limn draws with models of the family %s, but does "
                       "not train them",
                       r->model, f->name);
    if (!parts_find(&m->parts, f->denoiser) || !parts_find(&m->parts, f->text) ||
        (!m->tokenizer && !r->tokenizer))
        return err_set(err, ERR_INPUT, "%s: training needs a %s, a %s and a tokenizer", r->model,
                       f->denoiser, f->text);
    if (r->stage == TRAIN_ENLARGER && !check_enlarger(m, r, err))
        return false;
    t->tokenizer = tokenizer_open(r->tokenizer ? r->tokenizer : m->tokenizer, err);
    t->pack = t->tokenizer ? pack_open(r->pack, err) : NULL;
    t->tasks = t->pack ? tasks_create(t->pack, r->tasks, r->zero_shot, err) : NULL;
    const struct scheduler_config *scheduler =
        r->stage == TRAIN_ENLARGER ? &m->super_scheduler : &m->scheduler;
    bool fits = t->tasks && tasks_check(t->tasks, err);
    t->schedule = fits ? schedule_create(&scheduler->schedule, err) : NULL;
    if (!t->schedule)
        return false;
    t->objective = (struct objective){t->schedule, scheduler->prediction, r->snr_gamma};
    struct latent l = trained_latent(t);
    if (pack_size(t->pack) != l.width)
        return err_set(err, ERR_INPUT, "%s holds pictures of %d pixels, the model draws %d",
                       r->pack, pack_size(t->pack), l.width);
    if (l.channels != l.model_channels || l.channels < 3 || l.channels > BATCH_CHANNELS_MAX)
        return err_set(err, ERR_INPUT, "%s gives %d numbers a pixel; 3 (RGB) or 4 (and alpha) can "
                       "be trained", r->model, l.model_channels);
    if (l.channels == 4 && r->stage != TRAIN_WORDS && !pack_alpha(t->pack, 0))
        return err_set(err, ERR_INPUT, "%s has no alpha, which the model draws: make the pack anew "
                       "with 'limn data pack'", r->pack);
    if (tokenizer_vocab_size(t->tokenizer) > f->vocabulary(&m->parts))
        return err_set(err, ERR_INPUT, "the tokenizer has %d pieces, the text encoder %d",
                       tokenizer_vocab_size(t->tokenizer), f->vocabulary(&m->parts));
    return true;
}

// The number of threads that fill batches while the device computes: none if it computes on the
// same cores.
static int
feed_threads(const struct device *d)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    bool apart = device_limits(d)->threads == 0 && !device_limits(d)->emulated;
    return apart ? (int)MAX(1, MIN(online - 1, 8)) : 0;
}

static bool
build(struct trainer *t, bool resume, struct err *err)
{
    const struct recipe *r = t->recipe;
    t->dtype = r->dtype != DTYPE_NONE                ? r->dtype
               : device_limits(t->device)->bf16 ? DTYPE_BF16
                                                : DTYPE_F32;
    t->params = params_create(DTYPE_F32);
    if (!declare(t, err))
        return false;
    params_layout(t->params);
    if (!make_buffers(t, err))
        return false;
    t->checkpointing = r->checkpoint_activations == 1 ||
                       (r->checkpoint_activations < 0 && needs_checkpointing(t, err));
    int low_side = 0, final_side = 0;
    t->folder->family->sizes(&t->folder->parts, &low_side, &final_side);
    int channels = trained_latent(t).channels;
    struct feed_params feed = {.recipe = r,
                               .tasks = t->tasks,
                               .tokenizer = t->tokenizer,
                               .objective = &t->objective,
                               .side = pack_size(t->pack),
                               .channels = channels,
                               .words_side =
                                   t->folder->family->training->words_size(&t->folder->parts),
                               .low_side = low_side,
                               .threads = feed_threads(t->device)};
    t->feed = feed_create(&feed, err);
    t->heldout = (struct batch){.recipe = r,
                                .tokenizer = t->tokenizer,
                                .objective = &t->objective,
                                .side = feed.side,
                                .channels = channels,
                                .words_side = feed.words_side,
                                .low_side = low_side};
    t->update = (struct update){.recipe = r, .folder = t->folder, .params = t->params,
                                .slots = t->slots, .device = t->device};
    return t->feed && batch_init(&t->heldout, err) && update_build(&t->update, err) &&
           load_weights(t, resume, err);
}

static void
describe(struct trainer *t)
{
    struct plan_stats s = {0};
    for (int i = 0; i < REFERENCE_COUNTS; i++)
        if (t->plans[i])
            plan_stats(t->plans[i], &s);
    snprintf(t->description, sizeof t->description,
             "%.2f M weights, %s, micro-batches of %d x %d, %.1f GFLOP and %.0f MiB of activations "
             "each (lower bound %.0f)%s",
             (double)params_count(t->params) / 1e6, dtype_name(t->dtype), t->recipe->micro_batch,
             t->recipe->accumulate, s.flops / 1e9, (double)s.arena / 0x1p20,
             (double)s.lower_bound / 0x1p20, t->checkpointing ? ", recomputed" : "");
}

// The index of the plan for examples with this many references; 0 for all in stages that do not
// read references.
static int
plan_for(const struct trainer *t, int references)
{
    return recipe_of_pictures(t->recipe) ? references : 0;
}

struct trainer *
trainer_create(const struct recipe *r, struct device *device, bool resume, struct err *err)
{
    struct trainer *t = mem_zalloc(sizeof *t);
    t->recipe = r;
    t->device = device;
    bool ok = open_sources(t, err) && build(t, resume, err) &&
              model_folder_can_save(t->folder, t->params, err);
    for (int i = 0; ok && i < REFERENCE_COUNTS; i++)
        if (tasks_share(t->tasks, i) > 0)
            ok = build_plan(t, plan_for(t, i), err);
    if (ok) {
        describe(t);
        return t;
    }
    trainer_destroy(t);
    return NULL;
}

void
trainer_destroy(struct trainer *t)
{
    if (!t)
        return;
    exchange_destroy(t->exchange);
    for (int i = 0; i < REFERENCE_COUNTS; i++) {
        plan_destroy(t->plans[i]);
        if (t->built[i])
            network_finish(&t->networks[i]);
    }
    update_finish(&t->update);
    for (int s = 0; s < SLOT_COUNT; s++)
        buffer_destroy(t->slots[s]);
    feed_destroy(t->feed);
    batch_finish(&t->heldout);
    params_destroy(t->params);
    schedule_destroy(t->schedule);
    tasks_destroy(t->tasks);
    pack_close(t->pack);
    tokenizer_close(t->tokenizer);
    model_folder_close(t->folder);
    free(t);
}

// --- one micro-batch

static bool
run(struct trainer *t, struct batch *b, int references, double *loss, struct err *err)
{
    int k = plan_for(t, references);
    return batch_run(b, &t->networks[k], t->plans[k], loss, err);
}

// Micro-batch `index`, before `next`; with `last`, it is this process's last one of the step.
static bool
micro_batch(struct trainer *t, uint64_t index, uint64_t next, bool last,
            struct trainer_step *result, struct err *err)
{
    int n = t->recipe->micro_batch;
    struct batch *b = feed_take(t->feed, index, next, err);
    double loss = 0;
    if (!b)
        return false;
    int references = feed_references(t->feed, index), k = plan_for(t, references);
    if (last && t->exchange)
        exchange_begin(t->exchange, t->plans[k], k);
    if (!run(t, b, references, &loss, err))
        return false;
    if (!isfinite(loss))
        return err_set(err, ERR_DEVICE, "the loss is not finite at step %lld: lower lr or clip",
                       (long long)t->done + 1);
    result->loss += loss;
    for (int i = 0; i < n && b->task[i] < (int)COUNT_OF(result->task_loss); i++) {
        int task = MAX(0, b->task[i]);
        result->task_loss[task] += b->each[i];
        result->task_examples[task]++;
    }
    return true;
}

// This process's micro-batches of the step.
static bool
micro_batches(struct trainer *t, struct trainer_step *result, struct err *err)
{
    uint64_t all = (uint64_t)t->recipe->accumulate, first = (uint64_t)t->done * all;
    uint64_t rank = (uint64_t)group_rank(t->group), size = (uint64_t)group_size(t->group);
    for (uint64_t i = rank; i < all; i += size) {
        bool last = i + size >= all;
        uint64_t next = last ? first + all + rank : first + i + size;
        if (!micro_batch(t, first + i, next, last, result, err))
            return false;
    }
    // Before data read from a truncated pack gets into the weights.
    return pack_check(t->pack, err);
}

// Sums a step's results over all processes; `ok`: whether it succeeded here. Returns whether it
// succeeded everywhere.
static bool
reduce_step(struct trainer *t, struct trainer_step *s, bool ok, struct err *err)
{
    enum { TASKS = COUNT_OF(s->task_loss) };
    double numbers[1 + 2 * TASKS] = {s->loss};
    if (!t->group)
        return ok;
    ok = exchange_end(t->exchange, err) && ok;
    for (int k = 0; k < TASKS; k++) {
        numbers[1 + k] = s->task_loss[k];
        numbers[1 + TASKS + k] = s->task_examples[k];
    }
    t->group->add_doubles(numbers, COUNT_OF(numbers));
    s->loss = numbers[0];
    for (int k = 0; k < TASKS; k++) {
        s->task_loss[k] = numbers[1 + k];
        s->task_examples[k] = (int)numbers[1 + TASKS + k];
    }
    return group_all_ok(t->group, ok, err);
}

bool
trainer_step(struct trainer *t, struct trainer_step *result, struct err *err)
{
    double start = clock_seconds();
    *result = (struct trainer_step){.examples = t->recipe->micro_batch * t->recipe->accumulate};
    bool ok = micro_batches(t, result, err);
    ok = reduce_step(t, result, ok, err);
    if (!ok || !update_run(&t->update, t->done, &result->lr, &result->grad_norm, err))
        return false;
    result->task_count = MIN(tasks_count(t->tasks), (int)COUNT_OF(result->task_name));
    for (int k = 0; k < result->task_count; k++) {
        result->task_name[k] = tasks_name(t->tasks, k);
        if (result->task_examples[k])
            result->task_loss[k] /= result->task_examples[k];
    }
    result->step = ++t->done;
    result->seconds = clock_seconds() - start;
    return true;
}

// --- a group

bool
trainer_join(struct trainer *t, const struct group *group, struct err *err)
{
    const struct recipe *r = t->recipe;
    if (!group || group->size == 1)
        return true;
    t->group = group;
    bool ok = r->accumulate >= group->size ||
              err_set(err, ERR_INPUT, "a step of this recipe is %d micro-batch%s of %d examples, "
                      "too few for %d processes: set accumulate to %d or more, and micro_batch "
                      "to less",
                      r->accumulate, r->accumulate == 1 ? "" : "es", r->micro_batch, group->size,
                      group->size);
    const struct graph *graphs[REFERENCE_COUNTS] = {0};
    for (int i = 0; i < REFERENCE_COUNTS; i++)
        graphs[i] = t->plans[i] ? t->networks[i].g : NULL;
    struct exchange_params p = {.group = group, .gradients = t->slots[SLOT_GRADS],
                                .graphs = graphs, .graph_count = REFERENCE_COUNTS};
    t->exchange = ok ? exchange_create(&p, err) : NULL;
    struct train_state s = {.slots = t->slots, .params = t->params, .step = t->done};
    if (!group_all_ok(group, t->exchange != NULL, err) || !train_state_share(&s, group, err))
        return false;
    t->done = s.step;
    return true;
}

bool
trainer_in_sync(struct trainer *t, struct err *err)
{
    struct train_state s = {.slots = t->slots, .params = t->params, .step = t->done};
    return !t->group || train_state_same(&s, t->group, err);
}

int64_t
trainer_done(const struct trainer *t)
{
    return t->done;
}

const char *
trainer_describe(const struct trainer *t)
{
    return t->description;
}

bool
trainer_save(struct trainer *t, struct err *err)
{
    struct train_state s = {.slots = t->slots, .params = t->params, .step = t->done};
    return train_state_save(&s, t->recipe->output, err);
}

bool
trainer_export(struct trainer *t, const char *folder, struct err *err)
{
    struct jv *index = t->folder->index ? jv_copy(t->folder->index) : jv_object();
    if (recipe_of_pictures(t->recipe)) { // the stage `words` accepts any length
        jv_set(index, "text_tokens", jv_from_integer(t->recipe->text_tokens));
        jv_set(index, "reference_tokens", jv_from_integer(t->recipe->reference_tokens));
    }
    struct buffer *merged = NULL;
    bool lora = t->recipe->stage == TRAIN_LORA, ok = true;
    if (lora) {
        size_t bytes = params_bytes(t->params);
        merged = buffer_create(t->device, bytes, "merged weights", err);
        ok = merged && buffer_copy(merged, 0, t->slots[SLOT_EMA], 0, bytes, err) &&
             adapters_merge(t->params, merged, err);
    }
    struct model_folder_save s = {.path = folder, .params = t->params, .index = index,
                                  .block = lora ? merged : t->slots[SLOT_EMA],
                                  .dtype = DTYPE_BF16};
    ok = ok && model_folder_save(t->folder, &s, err);
    buffer_destroy(merged);
    jv_free(index);
    return ok;
}

bool
trainer_export_adapters(struct trainer *t, const char *path, struct err *err)
{
    const struct family *f = t->folder->family;
    const char *prefix = parts_find(&t->folder->parts, f->denoiser)->prefix;
    return t->recipe->stage != TRAIN_LORA ||
           adapters_save(t->params, prefix, t->slots[SLOT_EMA], path, err);
}

bool
trainer_validate(struct trainer *t, int count, double *loss, struct err *err)
{
    // The averaged weights replace the weights while the held-out batches run; the gradients that
    // this leaves are zeroed.
    size_t bytes = params_bytes(t->params);
    struct buffer *kept = buffer_create(t->device, bytes, "validation", err);
    if (!kept)
        return false;
    bool ok = buffer_copy(kept, 0, t->slots[SLOT_PARAMS], 0, bytes, err) &&
              buffer_copy(t->slots[SLOT_PARAMS], 0, t->slots[SLOT_EMA], 0, bytes, err);
    int n = t->recipe->micro_batch, batches = 0;
    double total = 0;
    for (int references = 0; ok && references < REFERENCE_COUNTS; references++) {
        bool runs = t->plans[plan_for(t, references)];
        int available = runs ? tasks_heldout_count(t->tasks, references) : 0;
        for (int first = 0; ok && first < MIN(count, available); first += n, batches++) {
            for (int i = 0; ok && i < n; i++) {
                struct example e;
                int at = objective_step(&t->objective, ((double)i + 0.5) / n);
                uint64_t noise_at = ((uint64_t)1 << 40) + (uint64_t)(first + i);
                t->heldout.thumbnail_mask[i] = 1;
                ok = tasks_heldout(t->tasks, references, (first + i) % available, &e, err) &&
                     batch_fill(&t->heldout, &e, i, references, at, noise_at, err);
            }
            double part = 0;
            ok = ok && run(t, &t->heldout, references, &part, err);
            for (int i = 0; ok && i < n; i++)
                total += t->heldout.each[i] / n;
        }
    }
    *loss = batches ? total / batches : NAN;
    ok = buffer_copy(t->slots[SLOT_PARAMS], 0, kept, 0, bytes, err) && ok;
    ok = buffer_zero(t->slots[SLOT_GRADS], err) && ok;
    buffer_destroy(kept);
    return ok;
}
