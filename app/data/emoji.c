// SPDX-License-Identifier: MIT
// The emoji set as a source. A subject's caption is its name; splits.json says which records are
// held out; a held-out style takes precedence over a held-out subject, and that over a held-out
// pair.
#include <stdlib.h>
#include <string.h>

#include "app/data/source.h"
#include "engine/base/beneath.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { STYLE_MAX = 64 };

// What is never trained on, to be looked up by name.
struct splits {
    struct jv *styles, *subjects, *pairs; // a pair is "CODE STYLE"
};

static struct jv *
names_in(const struct jv *list)
{
    struct jv *names = jv_object();
    for (size_t i = 0; i < jv_size(list); i++)
        jv_set(names, jv_string(jv_at(list, i), ""), jv_from_bool(true));
    return names;
}

static char *
pair_name(const char *code, const char *style)
{
    return mem_printf("%s %s", code, style);
}

static struct splits
read_splits(const struct jv *root)
{
    const struct jv *pairs = jv_get(root, "heldout_pairs");
    struct splits s = {names_in(jv_get(root, "heldout_styles")),
                       names_in(jv_get(root, "heldout_emoji")), jv_object()};
    for (size_t i = 0; i < jv_size(pairs); i++) {
        const struct jv *pair = jv_at(pairs, i);
        char *name = pair_name(jv_string(jv_at(pair, 0), ""), jv_string(jv_at(pair, 1), ""));
        jv_set(s.pairs, name, jv_from_bool(true));
        free(name);
    }
    return s;
}

static void
free_splits(struct splits *s)
{
    jv_free(s->styles);
    jv_free(s->subjects);
    jv_free(s->pairs);
}

static enum pack_split
split_of(const struct splits *s, const char *code, const char *style)
{
    char *pair = pair_name(code, style);
    enum pack_split split = jv_get(s->styles, style)    ? PACK_HELDOUT_STYLE
                            : jv_get(s->subjects, code) ? PACK_HELDOUT_SUBJECT
                            : jv_get(s->pairs, pair)    ? PACK_HELDOUT_PAIR
                                                        : PACK_TRAIN;
    free(pair);
    return split;
}

static struct data_tar *
archive_of(struct data_source *s, const char *folder, const char *style, struct err *err)
{
    int k = data_source_style(s, style);
    if (k < (int)s->archive_count)
        return &s->archives[k];
    if (k >= STYLE_MAX || strchr(style, '/')) {
        err_set(err, ERR_INPUT, "%s: style '%s' is not a file name, or has more than %d", folder,
                style, STYLE_MAX);
        return NULL;
    }
    char *file = mem_printf("%s.tar", style), *path = file_join(folder, file);
    bool ok = data_tar_open(&s->archives[k], path, LIMIT_TAR_ENTRIES, err);
    s->archive_count += ok;
    free(file);
    free(path);
    return ok ? &s->archives[k] : NULL;
}

static char *
join_keywords(const struct jv *list)
{
    char *all = mem_strdup("");
    for (size_t i = 0; i < jv_size(list); i++) {
        char *word = mem_strdup(jv_string(jv_at(list, i), ""));
        for (char *p = word; *p; p++)
            if (*p == ',')
                *p = ' ';
        char *more = mem_printf("%s%s%s", all, *all && *word ? "," : "", word);
        free(word);
        free(all);
        all = more;
    }
    char *words = data_source_words(all, LIMIT_KEYWORDS_BYTES);
    free(all);
    return words;
}

static bool
add_subject(struct data_source *s, const struct jv *row, const struct splits *splits,
            const char *folder, struct err *err)
{
    const char *code = jv_string(jv_get(row, "codepoints"), NULL);
    const char *name = jv_string(jv_get(row, "name"), NULL);
    const struct jv *styles = jv_get(row, "styles");
    if (!code || !name || !jv_is_array(styles))
        return err_set(err, ERR_INPUT, "%s: a row without codepoints, name or styles", folder);
    int subject = data_source_subject(s, name);
    for (size_t i = 0; i < jv_size(styles); i++) {
        const char *style = jv_string(jv_at(styles, i), "");
        struct data_tar *tar = archive_of(s, folder, style, err);
        char *file = mem_printf("%s.webp", code);
        const struct data_tar_entry *e = tar ? data_tar_find(tar, file) : NULL;
        if (tar && !e)
            err_set(err, ERR_INPUT, "%s/%s.tar: %s is missing", folder, style, file);
        if (e) {
            struct data_record r = {.name = mem_printf("%s.tar: %s", style, file),
                                    .caption = data_source_words(name, LIMIT_CAPTION_BYTES),
                                    .keywords = join_keywords(jv_get(row, "keywords")),
                                    .subject = subject,
                                    .style = data_source_style(s, style),
                                    .split = split_of(splits, code, style),
                                    .data = e->data,
                                    .size = e->size};
            ARRAY_PUSH(s->records, s->count, s->capacity, r);
        }
        free(file);
        if (!e)
            return false;
    }
    return true;
}

bool
data_source_open_emoji(struct data_source *s, const char *folder, struct err *err)
{
    char *catalogue = file_join(folder, "catalog.jsonl"),
         *splits_path = file_join(folder, "splits.json");
    size_t size = 0;
    char *text = file_read(catalogue, LIMIT_CATALOGUE_BYTES, &size, err);
    struct jv *splits_json = text ? jv_read(splits_path, err) : NULL;
    struct splits splits = read_splits(splits_json);
    bool ok = splits_json != NULL;
    s->licence = beneath_read(folder, "LICENSES.md", 1 << 20, NULL, NULL); // NULL: there is none
    s->archives = mem_zalloc(STYLE_MAX * sizeof *s->archives);
    for (char *line = text; ok && *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 0) {
            struct jv *row = jv_parse(line, n, catalogue, err);
            ok = row && add_subject(s, row, &splits, folder, err);
            jv_free(row);
        }
        line += n + (line[n] == '\n');
    }
    free_splits(&splits);
    jv_free(splits_json);
    free(text);
    free(catalogue);
    free(splits_path);
    return ok;
}
