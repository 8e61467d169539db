// SPDX-License-Identifier: MIT
#include "engine/train/recipe.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum kind { KIND_TEXT, KIND_INT64, KIND_INT, KIND_REAL, KIND_BOOL, KIND_OTHER };

// One row per key: name, kind, place, default, range.
struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    double fallback, low, high;
};

#define AT(member) offsetof(struct recipe, member)
static const struct key keys[] = {
    {"model", KIND_TEXT, AT(model), 0, 0, 0},
    {"tokenizer", KIND_TEXT, AT(tokenizer), 0, 0, 0},
    {"pack", KIND_TEXT, AT(pack), 0, 0, 0},
    {"output", KIND_TEXT, AT(output), 0, 0, 0},
    {"tasks", KIND_OTHER, AT(tasks), 0, 0, 0},
    {"seed", KIND_INT64, AT(seed), 1, 0, 9e15},
    {"steps", KIND_INT64, AT(steps), 100000, 1, 1e12},
    {"micro_batch", KIND_INT, AT(micro_batch), 8, 1, 4096},
    {"accumulate", KIND_INT, AT(accumulate), 1, 1, 4096},
    {"text_tokens", KIND_INT, AT(text_tokens), 48, 2, 4096},
    {"reference_tokens", KIND_INT, AT(reference_tokens), 16, 2, 4096},
    {"dtype", KIND_OTHER, AT(dtype), 0, 0, 0},
    {"stage", KIND_OTHER, AT(stage), 0, 0, 0},
    {"lr", KIND_REAL, AT(lr), 1e-4, 0, 10},
    {"lr_final", KIND_REAL, AT(lr_final), 0, 0, 10},
    {"beta1", KIND_REAL, AT(beta1), 0.9, 0, 0.99999},
    {"beta2", KIND_REAL, AT(beta2), 0.999, 0, 0.999999},
    {"eps", KIND_REAL, AT(eps), 1e-8, 1e-20, 1},
    {"weight_decay", KIND_REAL, AT(weight_decay), 0, 0, 1},
    {"clip", KIND_REAL, AT(clip), 1, 0, 1e9},
    {"warmup", KIND_INT64, AT(warmup), 10000, 0, 1e12},
    {"decay_start", KIND_INT64, AT(decay_start), 0, 0, 1e12},
    {"schedule", KIND_OTHER, AT(schedule), 0, 0, 0},
    {"ema", KIND_REAL, AT(ema), 0.9999, 0, 0.9999999},
    {"timestep_bias", KIND_REAL, AT(timestep_bias), 0, 0, 10},
    {"timestep_density", KIND_OTHER, AT(timestep_density), 0, 0, 0},
    {"timestep_mean", KIND_REAL, AT(timestep_mean), 0, -10, 10},
    {"timestep_deviation", KIND_REAL, AT(timestep_deviation), 1, 0.01, 100},
    {"thumbnail_drop", KIND_REAL, AT(thumbnail_drop), 0, 0, 1},
    {"snr_gamma", KIND_REAL, AT(snr_gamma), 0, 0, 1e6},
    {"save_every", KIND_INT64, AT(save_every), 1000, 0, 1e12},
    {"sheet_every", KIND_INT64, AT(sheet_every), 0, 0, 1e12},
    {"log_every", KIND_INT64, AT(log_every), 1, 1, 1e12},
    {"checkpoint_activations", KIND_OTHER, AT(checkpoint_activations), 0, 0, 0},
    {"text_lr", KIND_REAL, AT(text_lr), 1, 0, 100},
    {"freeze_text", KIND_BOOL, AT(freeze_text), 0, 0, 0},
    {"crop", KIND_INT, AT(crop), 64, 8, 1024},
    {"low_noise", KIND_REAL, AT(low_noise), 0.3, 0, 1},
    {"lora_rank", KIND_INT, AT(lora_rank), 8, 1, 256},
    {"zero_shot", KIND_BOOL, AT(zero_shot), 0, 0, 0},
};

static const struct key *
find_key(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

// The index in words[1 … count-1] of the key's value; 1 if the key is missing; 0 after an error.
static int
read_word(const struct jv *json, const char *key, const char *const *words, int count,
          const char *name, struct err *err)
{
    const char *given = jv_string(jv_get(json, key), jv_get(json, key) ? "" : words[1]);
    char known[80] = "";
    for (int i = 1; i < count; i++) {
        if (strcmp(given, words[i]) == 0)
            return i;
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i == 1 ? "" : i + 1 < count ? ", " : " or ",
                 words[i]);
    }
    err_set(err, ERR_INPUT, "%s: %s is '%s', but must be %s", name, key, given, known);
    return 0;
}

static bool
read_choice(struct recipe *r, const struct jv *json, const char *name, struct err *err)
{
    const char *dtype = jv_string(jv_get(json, "dtype"), "auto");
    r->dtype = strcmp(dtype, "auto") == 0 ? DTYPE_NONE : dtype_from_name(dtype);
    if (strcmp(dtype, "auto") != 0 && r->dtype != DTYPE_F32 && r->dtype != DTYPE_BF16)
        return err_set(err, ERR_INPUT, "%s: dtype is '%s', but must be auto, f32 or bf16", name,
                       dtype);
    static const char *const schedules[LR_COUNT] = {"", "constant", "cosine", "linear"};
    static const char *const stages[TRAIN_STAGE_COUNT] = {"", "pictures", "words", "enlarger",
                                                        "lora"};
    static const char *const densities[TIMESTEPS_COUNT] = {"", "uniform", "logit_normal"};
    int schedule = read_word(json, "schedule", schedules, LR_COUNT, name, err);
    int stage = schedule ? read_word(json, "stage", stages, TRAIN_STAGE_COUNT, name, err) : 0;
    int density =
        stage ? read_word(json, "timestep_density", densities, TIMESTEPS_COUNT, name, err) : 0;
    if (!density)
        return false;
    r->schedule = (enum lr_schedule)schedule;
    r->stage = (enum train_stage)stage;
    r->timestep_density = (enum timestep_density)density;
    const struct jv *again = jv_get(json, "checkpoint_activations");
    r->checkpoint_activations = jv_is_bool(again) ? jv_bool(again, false) : -1;
    if (again && !jv_is_bool(again) && strcmp(jv_string(again, ""), "auto") != 0)
        return err_set(err, ERR_INPUT, "%s: checkpoint_activations must be true, false or auto",
                       name);
    return true;
}

static bool
read_key(struct recipe *r, const struct key *key, const struct jv *v, const char *name,
         struct err *err)
{
    char *at = (char *)r + key->offset;
    double number = jv_number(v, key->fallback);
    bool whole = key->kind == KIND_INT || key->kind == KIND_INT64;
    if (whole || key->kind == KIND_REAL) {
        if (v && !(whole ? jv_is_integer(v) : jv_is_number(v)))
            return err_set(err, ERR_INPUT, "%s: %s must be a%s number", name, key->name,
                           whole ? " whole" : "");
        if (!(number >= key->low && number <= key->high))
            return err_set(err, ERR_INPUT, "%s: %s is %g, but must be in %g..%g", name, key->name,
                           number, key->low, key->high);
    }
    switch (key->kind) {
    case KIND_TEXT:
        if (v && !jv_is_string(v))
            return err_set(err, ERR_INPUT, "%s: %s must be a text", name, key->name);
        *(char **)at = v ? mem_strdup(jv_string(v, "")) : NULL;
        break;
    case KIND_INT64:
        *(int64_t *)at = jv_integer(v, (int64_t)key->fallback);
        break;
    case KIND_INT:
        *(int *)at = (int)jv_integer(v, (int64_t)key->fallback);
        break;
    case KIND_REAL:
        *(double *)at = number;
        break;
    case KIND_BOOL:
        if (v && !jv_is_bool(v))
            return err_set(err, ERR_INPUT, "%s: %s must be true or false", name, key->name);
        *(bool *)at = jv_bool(v, key->fallback != 0);
        break;
    case KIND_OTHER:
        break;
    }
    return true;
}

bool
recipe_read(struct recipe *r, const struct jv *json, const char *name, struct err *err)
{
    *r = (struct recipe){0};
    if (!jv_is_object(json))
        return err_set(err, ERR_INPUT, "%s: a recipe is a list of KEY: VALUE", name);
    for (size_t i = 0; i < jv_size(json); i++)
        if (!find_key(jv_key_at(json, i)))
            return err_set(err, ERR_INPUT, "%s: unknown key '%s'", name, jv_key_at(json, i));
    bool ok = read_choice(r, json, name, err);
    for (size_t i = 0; ok && i < COUNT_OF(keys); i++)
        ok = read_key(r, &keys[i], jv_get(json, keys[i].name), name, err);
    const char *const needed[] = {"model", "pack", "output", "tasks"};
    for (size_t i = 0; ok && i < COUNT_OF(needed); i++)
        if (!jv_get(json, needed[i]))
            ok = err_set(err, ERR_INPUT, "%s: the key '%s' is missing", name, needed[i]);
    if (ok && r->stage == TRAIN_WORDS && r->freeze_text)
        ok = err_set(err, ERR_INPUT, "%s: the stage 'words' with freeze_text trains nothing", name);
    if (ok)
        r->tasks = jv_copy(jv_get(json, "tasks"));
    else
        recipe_finish(r);
    return ok;
}

void
recipe_finish(struct recipe *r)
{
    free(r->model);
    free(r->tokenizer);
    free(r->pack);
    free(r->output);
    jv_free(r->tasks);
    *r = (struct recipe){0};
}

double
recipe_lr(const struct recipe *r, int64_t t)
{
    double lr = r->lr, done;
    switch (r->schedule) {
    case LR_NONE:
    case LR_COUNT:
    case LR_CONSTANT:
        break;
    case LR_COSINE:
        done = fmin(1, (double)t / (double)r->steps);
        lr = r->lr_final + (r->lr - r->lr_final) * 0.5 * (1 + cos(M_PI * done));
        break;
    case LR_LINEAR:
        if (t > r->decay_start && r->steps > r->decay_start) {
            done = fmin(1, (double)(t - r->decay_start) / (double)(r->steps - r->decay_start));
            lr = r->lr + (r->lr_final - r->lr) * done;
        }
        break;
    }
    if (t < r->warmup)
        lr *= (double)(t + 1) / (double)r->warmup;
    return lr;
}

// The quantile of the standard normal distribution, by 48 bisections: only a few are needed per
// step.
static double
normal_quantile(double u)
{
    double low = -9, high = 9;
    for (int i = 0; i < 48; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / M_SQRT2) / 2 < u)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

double
recipe_timestep(const struct recipe *r, double u)
{
    u = pow(u, 1 / (1 + r->timestep_bias));
    if (r->timestep_density != TIMESTEPS_LOGIT_NORMAL)
        return u;
    double x = r->timestep_mean + r->timestep_deviation * normal_quantile(u);
    return fmin(1 / (1 + exp(-x)), 1 - 1e-9);
}
