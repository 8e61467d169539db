// SPDX-License-Identifier: MIT
#include "app/hub/assembled.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/base/config.h"
#include "app/base/places.h"
#include "app/hub/assembly.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"
#include "engine/model/model_folder.h"
#include "engine/text/tokenizer.h"

// --- The folder of links

// A link in place of whatever is there; one that is right stays: somebody may be drawing with it.
static bool
link_to(const char *folder, const char *name, const char *target, struct err *err)
{
    char *path = file_join(folder, name), *temporary = mem_printf("%s.%ld", path, (long)getpid());
    char current[4096];
    ssize_t n = readlink(path, current, sizeof current);
    bool same = n >= 0 && (size_t)n == strlen(target) && memcmp(current, target, (size_t)n) == 0;
    bool ok = same || (symlink(target, temporary) == 0 && rename(temporary, path) == 0);
    if (!ok)
        err_errno(err, ERR_IO, "%s", path);
    if (!same)
        unlink(temporary);
    free(temporary);
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
is_shard(const char *name)
{
    return strstr(name, "-of-") && assembly_ends_with(name, ".safetensors");
}

// Links of an earlier assembly, which had other files.
static void
clear_links(const char *place, const char *weights)
{
    struct dirent **entries = NULL;
    int n = scandir(place, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        struct stat st;
        const char *name = entries[i]->d_name;
        char *path = file_join(place, name);
        bool kept = strcmp(name, weights) == 0 || (assembly_is_index(weights) && is_shard(name));
        if (!kept && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
            unlink(path);
        free(path);
        free(entries[i]);
    }
    free(entries);
}

// The shards that lie beside an index.
static bool
put_shards(const char *place, const char *index, struct err *err)
{
    struct dirent **entries = NULL;
    char *folder = file_folder(index);
    int n = scandir(folder, &entries, NULL, alphasort);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        char *shard = file_join(folder, entries[i]->d_name);
        if (ok && is_shard(entries[i]->d_name))
            ok = link_to(place, entries[i]->d_name, shard, err);
        free(shard);
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return ok;
}

static bool
put_part(const char *folder, const struct family_part *p, const char *file, const struct jv *config,
         struct err *err)
{
    char *place = file_join(folder, p->name), name[96];
    snprintf(name, sizeof name, "%s%s", p->net->weights,
             assembly_is_packed(file)  ? ".gguf"
             : assembly_is_index(file) ? ".safetensors.index.json"
                                       : ".safetensors");
    bool ok = file_make_private(place, err) && put_json(place, "config.json", config, err) &&
              (!assembly_is_index(file) || put_shards(place, file, err)) &&
              link_to(place, name, file, err);
    if (ok)
        clear_links(place, name);
    free(place);
    return ok;
}

// All that stands beside the file and belongs to it; or the file alone, which holds it.
static bool
put_tokenizer(const char *folder, const char *file, struct err *err)
{
    static const char packed[] = "tokenizer.gguf";
    char *place = file_join(folder, "tokenizer");
    char *from = mem_strndup(file, (size_t)(file_basename(file) - file));
    bool ok = file_make_private(place, err);
    const char *name;
    for (int i = 0; ok && (name = tokenizer_file(i)); i++) {
        char *here = file_join(place, name);
        char *there = !assembly_is_packed(file)              ? file_join(from, name)
                      : strcmp(name, packed) == 0 ? mem_strdup(file)
                                                  : mem_strdup("");
        if (file_exists(there))
            ok = link_to(place, name, there, err);
        else
            unlink(here);
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
        char *longer = ok ? mem_printf("%s%s%.80s (%s)", names, *names ? " with " : "",
                                       file_basename(a->files[i]), part)
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
        if (ok && (report.missing_count || report.mismatched_count)) {
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

// Where a link leads that link_to() made; any other file as it is.
static char *
target_of(const char *path)
{
    char to[4096];
    ssize_t n = readlink(path, to, sizeof to);
    bool made = n > 0 && (size_t)n < sizeof to && *to == '/';
    return made ? mem_strndup(to, (size_t)n) : assembly_absolute(path, NULL);
}

static void
match_tokenizer(void *ctx, const char *name, const char *folder, const struct err *why)
{
    struct tokenizer_search *s = ctx;
    (void)name, (void)why;
    struct model_folder *m = folder && !s->found ? model_folder_open(folder, NULL) : NULL;
    if (m && m->family == s->family && m->tokenizer)
        s->found = target_of(m->tokenizer);
    model_folder_close(m);
}

// The tokenizer of the text encoder's file: in it, where it is a GGUF; beside it, as language
// models have it; or in the folder tokenizer beside its own, as in diffusers' layout.
static char *
tokenizer_beside(const struct assembly *a)
{
    const char *file = a->files[assembly_part(a->family, a->family->text)];
    struct tokenizer *t = assembly_is_packed(file) ? tokenizer_open(file, NULL) : NULL;
    tokenizer_close(t);
    if (t)
        return mem_strdup(file);
    char *folder = file_folder(file), *sibling = file_join(folder, "../tokenizer");
    char *found = tokenizer_find(folder);
    if (!found)
        found = tokenizer_find(sibling);
    free(sibling);
    free(folder);
    return found;
}

static bool
find_tokenizer(struct assembly *a, struct err *err)
{
    struct tokenizer_search s = {a->family, NULL};
    if (!a->tokenizer)
        a->tokenizer = tokenizer_beside(a);
    if (!a->tokenizer)
        places_each_model(match_tokenizer, &s);
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
is_base_name(const struct assembly *a)
{
    for (int i = 0; i < PARTS_MAX; i++)
        if (a->files[i] && (strcasestr(file_basename(a->files[i]), "base") ||
                            strcasestr(a->files[i], "klein-base")))
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
        ok = assembly_add_path(&a, files[i], err);
    if (ok && !a.family)
        ok = err_set(err, ERR_INPUT, "the files include no weights");
    a.distilled = !base && !is_base_name(&a);
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
    assembly_finish(&a);
    return ok;
}

// What a key of the YAML names, and no more of it: a file may hold several parts.
static bool
read_file(struct assembly *a, const struct family *family, const struct jv *root, const char *key,
          const char *yaml, struct err *err)
{
    const char *file = jv_string(jv_get(root, key), NULL);
    bool words = strcmp(key, "tokenizer") == 0;
    struct err own = {0};
    if (!file)
        return err_set(err, ERR_INPUT, "%s: the key '%s' is missing", yaml, key);
    a->only = key;
    if (words && assembly_is_packed(file))
        a->tokenizer = assembly_absolute(file, &own);
    else if (assembly_add_path(a, file, &own) && !words &&
             (a->family != family || !a->files[assembly_part(family, key)]))
        err_set(&own, ERR_INPUT, "%s is no %s", file, key);
    return own.code == ERR_NONE || err_set(err, own.code, "%s: %s", yaml, own.text);
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
        ok = read_file(&a, family, root, family->parts[i].name, yaml, err);
    ok = ok && read_file(&a, family, root, "tokenizer", yaml, err);
    a.distilled = jv_bool(jv_get(root, "distilled"), true);
    ok = ok && (check_parts(&a, err) || err_prefix(err, "%s", yaml));
    const char *last = file_basename(yaml);
    char *name = mem_strndup(last, strcspn(last, ".") ? (size_t)(strrchr(last, '.') - last) : 0);
    char *folder = ok ? make_folder(&a, name, err) : NULL;
    free(name);
    jv_free(index);
    jv_free(root);
    assembly_finish(&a);
    return folder;
}
