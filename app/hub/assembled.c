// SPDX-License-Identifier: MIT
#include "app/hub/assembled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "app/base/config.h"
#include "app/base/places.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"
#include "engine/model/model_folder.h"
#include "engine/text/tokenizer.h"

// What a model is made of.
struct assembly {
    const struct family *family;
    bool distilled;
    char *files[PARTS_MAX]; // by the family's parts; NULL: none yet
    struct jv *configs[PARTS_MAX];
    char *tokenizer; // a file
};

static void
finish(struct assembly *a)
{
    for (int i = 0; i < PARTS_MAX; i++) {
        free(a->files[i]);
        jv_free(a->configs[i]);
    }
    free(a->tokenizer);
}

// --- What a file is

// Files that people have beside the right ones.
static const char *
stranger(const struct safetensors *file)
{
    static const struct {
        const char *tensor, *is;
    } known[] = {
        {"double_blocks.0.img_mod.lin.weight", "a transformer of FLUX.1"},
        {"model.diffusion_model.input_blocks.0.0.weight", "a checkpoint of Stable Diffusion"},
        {"cap_embedder.1.weight", "a transformer of Z-Image"},
        {"text_model.embeddings.token_embedding.weight", "a text encoder of CLIP"},
        {"encoder.block.0.layer.0.SelfAttention.q.weight", "a text encoder of T5"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (safetensors_find(file, known[i].tensor))
            return known[i].is;
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (strstr(name, ".lora_A.") || strstr(name, ".lora_down."))
            return "a LoRA (--lora takes it)";
    }
    return NULL;
}

static bool
is_tokenizer(const char *path)
{
    const char *name;
    for (int i = 0; (name = tokenizer_file(i)); i++)
        if (strcmp(file_last(path), name) == 0)
            return true;
    return false;
}

static bool
is_packed(const char *path)
{
    const char *dot = strrchr(file_last(path), '.');
    return dot && strcasecmp(dot, ".gguf") == 0;
}

static int
index_of(const struct family *f, const char *part)
{
    int i = 0;
    while (strcmp(f->parts[i].name, part) != 0)
        i++;
    return i;
}

static bool
take_weights(struct assembly *a, const char *path, struct err *err)
{
    struct safetensors *file = safetensors_open(path, err);
    struct jv *config = NULL;
    const struct net *net = file ? net_guess(file, &config) : NULL;
    const char *part = NULL, *other = file && !net ? stranger(file) : NULL;
    const struct family *family = family_with(net, &part);
    safetensors_close(file);
    if (!file)
        return false;
    if (!family) {
        jv_free(config);
        return err_set(err, ERR_INPUT, "%s is %s, which is not part of any model that limn knows",
                       path, other ? other : "a file of weights of an unknown kind");
    }
    int i = index_of(family, part);
    bool ok = !a->files[i] || err_set(err, ERR_INPUT, "%s and %s are both a %s: a model has one",
                                      a->files[i], path, part);
    if (ok) {
        a->family = family;
        a->files[i] = realpath(path, NULL);
        a->configs[i] = config;
    } else {
        jv_free(config);
    }
    return ok;
}

static bool
take_file(struct assembly *a, const char *path, struct err *err)
{
    char *whole = realpath(path, NULL);
    char *inside = whole ? tokenizer_find(whole) : NULL;
    bool ok = whole || err_errno(err, ERR_INPUT, "%s", path);
    if (ok && !inside && is_tokenizer(whole))
        inside = mem_strdup(whole);
    if (ok && inside && a->tokenizer) {
        ok = strcmp(inside, a->tokenizer) == 0 || strstr(inside, "merges.txt") ||
             err_set(err, ERR_INPUT, "%s and %s are both a tokenizer", a->tokenizer, inside);
    } else if (inside) {
        a->tokenizer = inside;
        inside = NULL;
    } else if (ok) {
        ok = take_weights(a, path, err);
    }
    free(inside);
    free(whole);
    return ok;
}

// --- The folder of links

// A link in place of whatever is there.
static bool
link_to(const char *folder, const char *name, const char *target, struct err *err)
{
    char *path = file_join(folder, name), *fresh = mem_printf("%s.%ld", path, (long)getpid());
    bool ok = symlink(target, fresh) == 0 && rename(fresh, path) == 0;
    if (!ok)
        err_errno(err, ERR_IO, "%s", path);
    unlink(fresh);
    free(fresh);
    free(path);
    return ok;
}

static bool
put_json(const char *folder, const char *name, const struct jv *json, struct err *err)
{
    char *path = file_join(folder, name), *text = jv_text(json, 2);
    bool ok = file_write(path, text, strlen(text), err);
    free(text);
    free(path);
    return ok;
}

static bool
put_part(const char *folder, const struct family_part *p, const char *file, const struct jv *config,
         struct err *err)
{
    static const char *const endings[] = {".safetensors", ".gguf"};
    char *place = file_join(folder, p->name), name[96];
    bool packed = is_packed(file);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", p->net->weights, endings[i]);
        char *path = file_join(place, name);
        unlink(path);
        free(path);
    }
    snprintf(name, sizeof name, "%s%s", p->net->weights, endings[packed]);
    bool ok = file_make_private(place, err) && put_json(place, "config.json", config, err) &&
              link_to(place, name, file, err);
    free(place);
    return ok;
}

// All that stands beside the file and belongs to it; or the file alone, which holds it.
static bool
put_tokenizer(const char *folder, const char *file, struct err *err)
{
    static const char packed[] = "tokenizer.gguf";
    char *place = file_join(folder, "tokenizer");
    char *from = mem_strndup(file, (size_t)(file_last(file) - file));
    bool ok = file_make_private(place, err);
    const char *name;
    for (int i = 0; ok && (name = tokenizer_file(i)); i++) {
        char *here = file_join(place, name);
        char *there = !is_packed(file)              ? file_join(from, name)
                      : strcmp(name, packed) == 0 ? mem_strdup(file)
                                                  : mem_strdup("");
        unlink(here);
        if (file_exists(there))
            ok = link_to(place, name, there, err);
        free(here);
        free(there);
    }
    free(from);
    free(place);
    return ok;
}

static struct jv *
index_json(const struct assembly *a)
{
    struct jv *o = jv_object();
    jv_set(o, "_class_name", jv_from_string(a->family->classes[0]));
    if (a->distilled)
        jv_set(o, "is_distilled", jv_from_bool(true));
    return o;
}

static char *
make_folder(const struct assembly *a, const char *name, struct err *err)
{
    char *models = xdg_make(XDG_CACHE, "models", err);
    char *folder = models ? file_join(models, name) : NULL;
    char *scheduler = folder ? file_join(folder, "scheduler") : NULL;
    struct jv *index = index_json(a);
    struct jv *steps = jv_parse(a->family->scheduler, strlen(a->family->scheduler), "scheduler",
                                err);
    bool ok = folder && steps && file_make_private(scheduler, err) &&
              put_json(scheduler, "scheduler_config.json", steps, err) &&
              put_tokenizer(folder, a->tokenizer, err);
    for (int i = 0; ok && a->family->parts[i].name; i++)
        ok = put_part(folder, &a->family->parts[i], a->files[i], a->configs[i], err);
    ok = ok && put_json(folder, "model_index.json", index, err);
    jv_free(steps);
    jv_free(index);
    free(scheduler);
    free(models);
    if (ok)
        return folder;
    free(folder);
    return NULL;
}

// --- What fits

// The parts that are there, as the family looks at them; ERR_INPUT with all files in it.
static bool
check_parts(const struct assembly *a, struct err *err)
{
    struct parts parts = {0};
    char *names = mem_strdup("");
    bool ok = true;
    for (int i = 0; ok && a->family->parts[i].name; i++) {
        const char *part = a->family->parts[i].name;
        ok = a->files[i] ||
             err_set(err, ERR_INPUT, "the files include no %s, which %s needs", part,
                     a->family->classes[0]);
        ok = ok && parts_add(&parts, part, a->configs[i], a->files[i], err);
        char *longer = ok ? mem_printf("%s%s%.80s", names, *names ? " with " : "",
                                       file_last(a->files[i]))
                          : mem_strdup("");
        free(names);
        names = longer;
    }
    ok = ok && a->family->check(&parts, names, err);
    free(names);
    parts_finish(&parts);
    return ok;
}

static bool
check_weights(const char *folder, const struct assembly *a, struct err *err)
{
    struct model_folder *m = model_folder_open(folder, err);
    bool ok = m != NULL;
    for (int i = 0; ok && i < m->parts.count; i++) {
        struct params_report report = {0};
        size_t parameters;
        ok = model_folder_compare(m, m->parts.at[i].name, &report, &parameters, err);
        if (ok && (report.missing_count || report.misshapen_count)) {
            char *text = params_report_text(&report);
            ok = err_set(err, ERR_INPUT, "%s is not a complete %s: %.300s", a->files[i],
                         m->parts.at[i].name, text);
            free(text);
        }
        params_report_finish(&report);
    }
    model_folder_close(m);
    return ok;
}

// --- The YAML

struct tokenizer_search {
    const struct family *family;
    char *found;
};

static void
look_for_tokenizer(void *ctx, const char *name, const char *folder, const struct err *why)
{
    struct tokenizer_search *s = ctx;
    (void)name, (void)why;
    struct model_folder *m = folder && !s->found ? model_folder_open(folder, NULL) : NULL;
    if (m && m->family == s->family && m->tokenizer)
        s->found = realpath(m->tokenizer, NULL);
    model_folder_close(m);
}

// The text encoder's file, where it is a GGUF with a tokenizer in it.
static char *
tokenizer_inside(const struct assembly *a)
{
    const char *file = a->files[index_of(a->family, a->family->text)];
    struct tokenizer *t = is_packed(file) ? tokenizer_open(file, NULL) : NULL;
    tokenizer_close(t);
    return t ? mem_strdup(file) : NULL;
}

static bool
find_tokenizer(struct assembly *a, struct err *err)
{
    struct tokenizer_search s = {a->family, NULL};
    if (!a->tokenizer)
        a->tokenizer = tokenizer_inside(a);
    if (!a->tokenizer)
        places_each_model(look_for_tokenizer, &s);
    if (s.found)
        a->tokenizer = s.found;
    return a->tokenizer ||
           err_set(err, ERR_INPUT, "the files include no tokenizer, and no other model here "
                   "has one: give its tokenizer.json, or the text encoder as a GGUF file that has "
                   "one in it");
}

static char *
quoted(const char *path)
{
    struct jv *v = jv_from_string(path);
    char *text = jv_text(v, 0); // JSON's strings are YAML's
    jv_free(v);
    return text;
}

static char *
yaml_text(const struct assembly *a)
{
    char *out = mem_printf("# A model of files in several places (limn models add).\n"
                           "class: %s\ndistilled: %s\n", a->family->classes[0],
                           a->distilled ? "yes" : "no");
    for (int i = 0; i < PARTS_MAX; i++) {
        const char *part = a->family->parts[i].name ? a->family->parts[i].name : "tokenizer";
        char *path = quoted(a->family->parts[i].name ? a->files[i] : a->tokenizer);
        char *longer = mem_printf("%s%s: %s\n", out, part, path);
        free(path);
        free(out);
        out = longer;
        if (!a->family->parts[i].name)
            break;
    }
    return out;
}

static bool
is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    return *name && name[0] != '.' && strspn(name, letters) == strlen(name);
}

static bool
says_base(const struct assembly *a)
{
    for (int i = 0; i < PARTS_MAX; i++)
        if (a->files[i] && strcasestr(file_last(a->files[i]), "base"))
            return true;
    return false;
}

bool
assembled_add(const char *name, const char *const *files, int count, bool base, char **path,
              struct err *err)
{
    struct assembly a = {0};
    *path = NULL;
    bool ok = is_name(name) || err_set(err, ERR_INPUT, "'%.100s' is not a name for a model: use "
                                                       "letters, digits and -_.", name);
    for (int i = 0; ok && i < count; i++)
        ok = take_file(&a, files[i], err);
    if (ok && !a.family)
        ok = err_set(err, ERR_INPUT, "the files include no weights");
    a.distilled = !base && !says_base(&a);
    ok = ok && check_parts(&a, err) && find_tokenizer(&a, err);
    char *folder = ok ? make_folder(&a, name, err) : NULL;
    char *models = folder && check_weights(folder, &a, err) ? xdg_make(XDG_DATA, "models", err)
                                                            : NULL;
    if (models) {
        char *text = yaml_text(&a);
        *path = mem_printf("%s/%s.yaml", models, name);
        ok = file_write(*path, text, strlen(text), err);
        free(text);
    }
    ok = ok && models;
    free(models);
    free(folder);
    finish(&a);
    return ok;
}

static bool
read_file(struct assembly *a, const struct jv *root, const char *key, const char *yaml,
          struct err *err)
{
    const char *file = jv_string(jv_get(root, key), NULL);
    if (!file)
        return err_set(err, ERR_INPUT, "%s: the key '%s' is missing", yaml, key);
    struct err own = {0};
    if (strcmp(key, "tokenizer") == 0 && is_packed(file)) {
        a->tokenizer = realpath(file, NULL);
        return a->tokenizer || err_errno(err, ERR_INPUT, "%s: %s", yaml, file);
    }
    return take_file(a, file, &own) || err_set(err, own.code, "%s: %s", yaml, own.text);
}

char *
assembled_folder(const char *yaml, struct err *err)
{
    struct assembly a = {0};
    struct jv *root = config_read(yaml, err), *index = jv_object();
    const char *class_name = jv_string(jv_get(root, "class"), "");
    jv_set(index, "_class_name", jv_from_string(class_name));
    const struct family *family = root ? family_of(index, yaml, err) : NULL;
    bool ok = family && (family->scheduler ||
                         err_set(err, ERR_INPUT, "%s: a %.80s cannot be assembled from files", yaml,
                                 class_name));
    for (int i = 0; ok && family->parts[i].name; i++)
        ok = read_file(&a, root, family->parts[i].name, yaml, err);
    ok = ok && read_file(&a, root, "tokenizer", yaml, err);
    a.distilled = jv_bool(jv_get(root, "distilled"), true);
    if (ok && (a.family != family || !check_parts(&a, err)))
        ok = err_set(err, ERR_INPUT, "%s: its files belong to another model", yaml);
    const char *last = file_last(yaml);
    char *name = mem_strndup(last, strcspn(last, ".") ? (size_t)(strrchr(last, '.') - last) : 0);
    char *folder = ok ? make_folder(&a, name, err) : NULL;
    free(name);
    jv_free(index);
    jv_free(root);
    finish(&a);
    return folder;
}
