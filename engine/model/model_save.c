// SPDX-License-Identifier: MIT
// Writing a model folder.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/model/model_folder.h"
#include "engine/text/tokenizer.h"

static bool
write_json(const char *folder, const char *name, const struct jv *json, struct err *err)
{
    char *path = file_join(folder, name), *text = jv_text(json, 2);
    char *line = mem_printf("%s\n", text);
    bool ok = file_write(path, line, strlen(line), err);
    free(path);
    free(text);
    free(line);
    return ok;
}

bool
model_folder_holds(const char *path)
{
    char *folder = file_folder(path), *home = realpath(folder, NULL), *file = realpath(path, NULL);
    char *lies = file ? file_folder(file) : NULL, *blobs = lies ? strrchr(lies, '/') : NULL;
    bool ok = home && lies && strcmp(home, lies) == 0;
    if (!ok && home && blobs && strcmp(blobs, "/blobs") == 0)
        ok = strncmp(home, lies, (size_t)(blobs + 1 - lies)) == 0;
    free(folder);
    free(home);
    free(file);
    free(lies);
    return ok;
}

// Copies a file of m, if it has one of that name. to NULL: only checks that this is allowed.
static bool
copy_file(const struct model_folder *m, const char *to, const char *name, struct err *err)
{
    enum { LIMIT = 256 << 20 };
    char *from = model_folder_path(m, name), *path = to ? file_join(to, name) : NULL;
    char *folder = to ? file_folder(path) : NULL, *data = NULL;
    size_t size = 0;
    bool there = file_exists(from), ok = true;
    if (there && !model_folder_holds(from))
        ok = err_set(err, ERR_INPUT, "%s is a link that leads out of its folder, and a model made "
                     "from this one would hold a copy: put the file itself there", from);
    if (there && to && ok) {
        data = file_read(from, LIMIT, &size, err);
        ok = data && file_make_folders(folder, err) && file_write(path, data, size, err);
    }
    free(from);
    free(path);
    free(folder);
    free(data);
    return ok;
}

// Whether it is a part's config, weights, shard or index. Other files are not copied.
static bool
belongs(const struct part *p, const char *name)
{
    return strcmp(name, "config.json") == 0 ||
           strncmp(name, p->net->weights, strlen(p->net->weights)) == 0;
}

// Copies the files of a part.
static bool
copy_part(const struct model_folder *m, const struct part *p, const char *to, struct err *err)
{
    char *folder = model_folder_path(m, p->name);
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, alphasort);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        if (ok && belongs(p, entries[i]->d_name)) {
            char *name = file_join(p->name, entries[i]->d_name);
            ok = copy_file(m, to, name, err);
            free(name);
        }
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return ok;
}

static bool
save_part(const struct part *p, const struct model_folder_save *s, struct err *err)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    char *folder = file_join(s->path, p->name);
    char *path = mem_printf("%s/%s.safetensors", folder, p->net->weights);
    struct jv *config = p->net->write(p->config);
    bool ok = file_make_folders(folder, err) && write_json(folder, "config.json", config, err) &&
              params_save(s->params, p->prefix, s->block, s->dtype, path, metadata, err);
    jv_free(config);
    free(folder);
    free(path);
    return ok;
}

static bool
copy_tokenizer(const struct model_folder *m, const char *to, struct err *err)
{
    bool ok = true;
    for (int i = 0; ok && tokenizer_file(i); i++) {
        char *name = file_join("tokenizer", tokenizer_file(i));
        ok = copy_file(m, to, name, err);
        free(name);
    }
    return ok;
}

// Copies all files that are not written anew. to NULL: only checks that this is allowed.
static bool
copy_rest(const struct model_folder *m, const struct params *params, const char *to,
          struct err *err)
{
    static const char *const copied[] = {
        "scheduler/scheduler_config.json",
        "super_resolution/scheduler_config.json",
    };
    bool ok = copy_tokenizer(m, to, err);
    for (int i = 0; ok && i < m->parts.count; i++)
        if (!params_has_part(params, m->parts.at[i].prefix))
            ok = copy_part(m, &m->parts.at[i], to, err);
    for (size_t i = 0; ok && i < COUNT_OF(copied); i++)
        ok = copy_file(m, to, copied[i], err);
    return ok;
}

bool
model_folder_can_save(const struct model_folder *m, const struct params *params, struct err *err)
{
    return copy_rest(m, params, NULL, err);
}

static bool
save_all(const struct model_folder *m, const struct model_folder_save *s, struct err *err)
{
    bool ok = file_make_folders(s->path, err) && copy_rest(m, s->params, s->path, err);
    for (int i = 0; ok && i < m->parts.count; i++)
        if (params_has_part(s->params, m->parts.at[i].prefix))
            ok = save_part(&m->parts.at[i], s, err);
    const struct jv *index = s->index ? s->index : m->index;
    return ok && (!index || write_json(s->path, "model_index.json", index, err));
}

typedef bool each_file(const char *from, const char *to, struct err *err);

// Calls each() for the files in a folder's folders, then for its own, then removes the folder if it
// is empty.
static bool
for_each_file(const char *from, const char *to, each_file *each, struct err *err)
{
    struct dirent **entries = NULL;
    int n = scandir(from, &entries, NULL, alphasort);
    bool ok = true;
    for (int folders = 1; folders >= 0; folders--)
        for (int i = 0; ok && i < n; i++) {
            const char *name = entries[i]->d_name;
            char *source = file_join(from, name), *target = file_join(to, name);
            struct stat st;
            bool other =
                strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(source, &st) == 0;
            if (other && folders == S_ISDIR(st.st_mode))
                ok = folders ? for_each_file(source, target, each, err) : each(source, target, err);
            free(source);
            free(target);
        }
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    rmdir(from);
    return ok;
}

static bool
move_file(const char *from, const char *to, struct err *err)
{
    char *folder = file_folder(to);
    bool ok = file_make_folders(folder, err) &&
              (rename(from, to) == 0 || err_errno(err, ERR_IO, "%s", to));
    free(folder);
    return ok;
}

static bool
remove_file(const char *from, const char *to, struct err *err)
{
    (void)to, (void)err;
    unlink(from);
    return true;
}

// A model of parts that do not belong together would draw badly, without an error. So all of the
// new model is on the disk before its first file replaces an old one, the index last. Leftovers of
// a dead process are removed. Links are refused, because they would redirect all of that.
bool
model_folder_save(const struct model_folder *m, const struct model_folder_save *s, struct err *err)
{
    enum { DEPTH = 3 }; // of a part's folder in .limn-new, plus one
    char *stage = file_join(s->path, ".limn-new");
    struct model_folder_save staged = *s;
    staged.path = stage;
    bool ours = file_no_links(s->path, DEPTH, err);
    if (ours)
        for_each_file(stage, stage, remove_file, NULL);
    bool ok = ours && save_all(m, &staged, err) && for_each_file(stage, s->path, move_file, err);
    if (ours)
        for_each_file(stage, stage, remove_file, NULL);
    free(stage);
    return ok;
}
