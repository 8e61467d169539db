// SPDX-License-Identifier: MIT
// A folder or a tar of pictures with their words beside them. Both become one sorted list of files;
// files of one record stand together in it, as they share the name up to the first dot.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/data/source.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

struct item {
    char *name;   // path of a file, name in an archive
    size_t stem;  // bytes of the name before the first dot of its last part
    const unsigned char *data; // in the archive
    size_t size;
    bool outside; // a link led out of the folder to it
};

struct items {
    struct item *items;
    size_t count, capacity;
};

static void
add_item(struct items *list, char *name, const unsigned char *data, size_t size, bool outside)
{
    const char *last = file_basename(name);
    struct item item = {name, (size_t)(last - name) + strcspn(last, "."), data, size, outside};
    ARRAY_PUSH(list->items, list->count, list->capacity, item);
}

struct listing {
    struct items *list;
    const char *root;
    char *real;       // where it is, without links
    size_t max_files; // files
};

static bool
is_outside(const struct listing *l, const char *link)
{
    char *real = realpath(link, NULL);
    size_t n = l->real ? strlen(l->real) : 0;
    bool below = real && n && strncmp(real, l->real, n) == 0 &&
                 (real[n] == '/' || l->real[n - 1] == '/');
    free(real);
    return !below;
}

static bool list_folder(const struct listing *l, const char *folder, int depth, bool outside,
                        struct err *err);

// Takes over `path`.
static bool
list_entry(const struct listing *l, char *path, int depth, bool outside, struct err *err)
{
    struct stat st;
    bool ok = true, there = lstat(path, &st) == 0;
    if (there && S_ISLNK(st.st_mode)) {
        outside = outside || is_outside(l, path);
        there = stat(path, &st) == 0; // not there: a link to nowhere
    }
    if (there && S_ISREG(st.st_mode) && l->list->count < l->max_files) {
        add_item(l->list, path, NULL, 0, outside);
        return true;
    }
    if (there && S_ISREG(st.st_mode))
        ok = err_set(err, ERR_INPUT, "%s: more than %zu files below it", l->root, l->max_files);
    else if (there && S_ISDIR(st.st_mode) && depth == LIMIT_SOURCE_DEPTH)
        ok = err_set(err, ERR_INPUT, "%s: more than %d folders deep", path, LIMIT_SOURCE_DEPTH);
    else if (there && S_ISDIR(st.st_mode))
        ok = list_folder(l, path, depth + 1, outside, err);
    free(path);
    return ok;
}

static bool
list_folder(const struct listing *l, const char *folder, int depth, bool outside, struct err *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_errno(err, ERR_INPUT, "%s", folder);
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir));)
        ok = e->d_name[0] == '.' ||
             list_entry(l, file_join(folder, e->d_name), depth, outside, err);
    closedir(dir);
    return ok;
}

static int
compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = memcmp(x->name, y->name, MIN(x->stem, y->stem));
    if (order == 0)
        order = (x->stem > y->stem) - (x->stem < y->stem);
    return order ? order : strcmp(x->name, y->name);
}

static bool
has_suffix(const struct item *item, const char *const *suffixes)
{
    const char *suffix = item->name + item->stem;
    for (int i = 0; suffixes[i]; i++)
        if (strcasecmp(suffix, suffixes[i]) == 0)
            return true;
    return false;
}

static const char *const picture_suffixes[] = {".png", ".jpg",  ".jpeg", ".webp", ".gif", ".bmp",
                                               ".tif", ".tiff", ".avif", ".heic", ".jxl", ".ppm",
                                               ".svg", NULL};
static const char *const text_suffixes[] = {".txt", ".caption", NULL};
static const char *const json_suffixes[] = {".json", NULL};

static char *
item_text(const struct item *item, size_t *size, struct err *err)
{
    if (!item->data)
        return file_read(item->name, LIMIT_CAPTION_FILE_BYTES, size, err);
    if (item->size > LIMIT_CAPTION_FILE_BYTES) {
        err_set(err, ERR_INPUT, "%s: %zu bytes, the limit is %d", item->name, item->size,
                LIMIT_CAPTION_FILE_BYTES);
        return NULL;
    }
    *size = item->size;
    return mem_strndup((const char *)item->data, item->size);
}

static bool
read_words(char **words, const char *text, size_t limit, const char *name, struct err *err)
{
    free(*words);
    *words = data_source_words(text, limit);
    return *words || err_set(err, ERR_INPUT, "%s: not UTF-8", name);
}

static bool
read_keywords(struct data_record *r, const struct jv *v, const char *name, struct err *err)
{
    if (jv_is_string(v))
        return read_words(&r->keywords, jv_string(v, ""), LIMIT_KEYWORDS_BYTES, name, err);
    char *all = mem_strdup("");
    for (size_t i = 0; i < jv_size(v) && jv_is_array(v); i++) {
        const char *word = jv_string(jv_at(v, i), "");
        char *more = mem_printf("%s%s%s", all, *all && *word ? "," : "", word);
        free(all);
        all = more;
    }
    bool ok = read_words(&r->keywords, all, LIMIT_KEYWORDS_BYTES, name, err);
    free(all);
    return ok;
}

static bool
read_split(struct data_record *r, const struct jv *v, const char *name, struct err *err)
{
    static const char *const names[PACK_SPLIT_COUNT] = {"train", "heldout_subject", "heldout_pair",
                                                        "heldout_style"};
    const char *text = jv_string(v, jv_is_null(v) ? names[PACK_TRAIN] : "");
    for (int i = 0; i < PACK_SPLIT_COUNT; i++)
        if (strcmp(text, names[i]) == 0) {
            r->split = (enum pack_split)i;
            return true;
        }
    return err_set(err, ERR_INPUT,
                   "%s: split is '%.40s', but must be train, heldout_subject, heldout_pair or "
                   "heldout_style",
                   name, text);
}

static bool
read_json(struct data_source *s, struct data_record *r, const struct item *item, const char *text,
          size_t size, struct err *err)
{
    struct jv *root = jv_parse(text, size, item->name, err);
    bool ok = root != NULL;
    const char *caption = jv_string(jv_get(root, "caption"), jv_string(jv_get(root, "text"), NULL));
    if (ok && caption)
        ok = read_words(&r->caption, caption, LIMIT_CAPTION_BYTES, item->name, err);
    ok = ok && read_keywords(r, jv_get(root, "keywords"), item->name, err) &&
         read_split(r, jv_get(root, "split"), item->name, err);
    const char *subject = jv_string(jv_get(root, "subject"), NULL);
    const char *style = jv_string(jv_get(root, "style"), NULL);
    if (ok && subject && *subject)
        r->subject = data_source_subject(s, subject);
    if (ok && style && *style) {
        char *words = data_source_words(style, 100);
        r->style = data_source_style(s, words ? words : style);
        free(words);
    }
    jv_free(root);
    return ok;
}

// Words go into packs and pictures, which people share: those of a folder from elsewhere are not
// taken through links from files that are not its own.
static char *
sidecar_text(const struct item *item, size_t *size, struct err *own, struct err *err)
{
    if (!item->outside)
        return item_text(item, size, err);
    err_set(own, ERR_INPUT,
            "%s: a link to it leads out of the folder, and words are taken only from files in it",
            item->name);
    return NULL;
}

// What a file beside a picture tells of it. Where that is no UTF-8, or wrong JSON, or lies outside,
// *left_out is true: it costs this picture only, which is counted. False: the file cannot be read.
static bool
read_sidecar(struct data_source *s, struct data_record *r, const struct item *item, bool json,
             bool *left_out, struct err *err)
{
    struct err own = {0};
    size_t size = 0;
    char *text = sidecar_text(item, &size, &own, err);
    if (!text && !item->outside)
        return false;
    size_t mark = text ? utf8_mark(text, size) : 0;
    bool ok = text && (utf8_valid(text + mark, size - mark) ||
                       err_set(&own, ERR_INPUT, "%s: not UTF-8", item->name));
    if (ok)
        ok = json ? read_json(s, r, item, text + mark, size - mark, &own)
                  : read_words(&r->caption, text + mark, LIMIT_CAPTION_BYTES, item->name, &own);
    free(text);
    *left_out = own.code == ERR_INPUT;
    if (*left_out && !s->bad_captions++)
        s->first_bad_caption = own;
    return ok || *left_out || err_set(err, own.code, "%s", own.text);
}

// "icons/arrow-left_2.png" -> "arrow left 2"; NULL when the name is no text.
static char *
words_of_name(const struct item *item)
{
    const char *last = file_basename(item->name);
    char *name = mem_strndup(last, item->stem - (size_t)(last - item->name));
    for (char *p = name; *p; p++)
        if (*p == '-' || *p == '_')
            *p = ' ';
    char *words = data_source_words(name, LIMIT_CAPTION_BYTES);
    free(name);
    return words;
}

// The record of files [first, last), if they hold a picture.
static bool
add_record(struct data_source *s, const struct item *items, size_t first, size_t last,
           struct err *err)
{
    const struct item *picture = NULL;
    struct data_record r = {.subject = -1, .style = -1};
    bool ok = true, left_out = false;
    for (size_t i = first; i < last; i++)
        if (!picture && has_suffix(&items[i], picture_suffixes))
            picture = &items[i];
    for (size_t i = first; ok && !left_out && picture && i < last; i++) {
        bool json = has_suffix(&items[i], json_suffixes);
        if (!json && (r.caption || !has_suffix(&items[i], text_suffixes)))
            continue;
        ok = read_sidecar(s, &r, &items[i], json, &left_out, err);
    }
    if (ok && !left_out && picture && !r.caption && s->names)
        r.caption = words_of_name(picture);
    if (ok && !left_out && picture && r.caption && *r.caption) {
        r.name = mem_strdup(picture->name);
        r.data = picture->data;
        r.size = picture->size;
        if (!r.keywords)
            r.keywords = mem_strdup("");
        ARRAY_PUSH(s->records, s->count, s->capacity, r);
        return true;
    }
    s->without_caption += picture != NULL && !left_out;
    free(r.caption);
    free(r.keywords);
    return ok;
}

static bool
add_records(struct data_source *s, struct items *list, struct err *err)
{
    bool ok = true;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_items);
    for (size_t first = 0, last; ok && first < list->count; first = last) {
        const struct item *a = &list->items[first];
        for (last = first + 1; last < list->count; last++) {
            const struct item *b = &list->items[last];
            if (a->stem != b->stem || memcmp(a->name, b->name, a->stem) != 0)
                break;
        }
        ok = add_record(s, list->items, first, last, err);
    }
    return ok;
}

static void
free_items(struct items *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
}

bool
data_source_open_archive(struct data_source *s, const char *path, size_t most, struct err *err)
{
    struct items list = {0};
    s->archives = mem_zalloc(sizeof *s->archives);
    bool ok = data_tar_open(&s->archives[0], path, most, err);
    s->archive_count = ok;
    for (size_t i = 0; ok && i < s->archives[0].count; i++) {
        const struct data_tar_entry *e = &s->archives[0].entries[i];
        add_item(&list, mem_strdup(e->name), e->data, e->size, false);
    }
    ok = ok && add_records(s, &list, err);
    free_items(&list);
    return ok;
}

bool
data_source_open_folder(struct data_source *s, const char *path, size_t most, struct err *err)
{
    struct items list = {0};
    const struct listing all = {&list, path, realpath(path, NULL), most};
    bool ok = list_folder(&all, path, 0, false, err) && add_records(s, &list, err);
    free(all.real);
    free_items(&list);
    return ok;
}
