// SPDX-License-Identifier: MIT
#include "app/data/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"

bool
data_source_open(struct data_source *s, const char *path, bool names, struct err *err)
{
    struct stat st;
    *s = (struct data_source){.names = names};
    if (stat(path, &st) != 0)
        return err_errno(err, ERR_INPUT, "%s", path);
    bool ok;
    if (!S_ISDIR(st.st_mode)) {
        ok = data_source_open_archive(s, path, LIMIT_TAR_ENTRIES, err);
    } else {
        char *catalogue = file_join(path, "catalog.jsonl");
        ok = file_exists(catalogue) ? data_source_open_emoji(s, path, err)
                                    : data_source_open_folder(s, path, LIMIT_SOURCE_FILES, err);
        free(catalogue);
    }
    if (ok && s->count == 0 && s->bad_captions)
        ok = err_set(err, ERR_INPUT, "%s: no picture can be used, %s", path,
                     s->first_bad_caption.text);
    if (ok && s->count == 0)
        ok = err_set(err, ERR_INPUT,
                     "%s: no pictures with captions here (%zu without one, which --names would "
                     "name after their files)",
                     path, s->without_caption);
    if (!ok)
        data_source_close(s);
    return ok;
}

bool
data_source_check(const struct data_source *s, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < s->archive_count; i++)
        ok = file_map_check(&s->archives[i].map, err);
    return ok;
}

void
data_source_close(struct data_source *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->records[i].name);
        free(s->records[i].caption);
        free(s->records[i].keywords);
    }
    free(s->records);
    for (size_t i = 0; i < s->style_count; i++)
        free(s->styles[i]);
    free(s->styles);
    for (size_t i = 0; i < s->subject_count; i++)
        free(s->subjects[i]);
    free(s->subjects);
    jv_free(s->style_numbers);
    jv_free(s->subject_numbers);
    free(s->licence);
    for (size_t i = 0; i < s->archive_count; i++)
        data_tar_close(&s->archives[i]);
    free(s->archives);
    *s = (struct data_source){0};
}

// A set may have as many subjects as pictures: they are not compared one by one.
static int
number_of(struct jv **numbers, const char *name, size_t count)
{
    if (!*numbers)
        *numbers = jv_object();
    int64_t number = jv_integer(jv_get(*numbers, name), -1);
    if (number < 0)
        jv_set(*numbers, name, jv_from_integer((int64_t)count));
    return (int)(number < 0 ? (int64_t)count : number);
}

int
data_source_style(struct data_source *s, const char *name)
{
    int number = number_of(&s->style_numbers, name, s->style_count);
    if (number == (int)s->style_count)
        ARRAY_PUSH(s->styles, s->style_count, s->style_capacity, mem_strdup(name));
    return number;
}

int
data_source_subject(struct data_source *s, const char *name)
{
    int number = number_of(&s->subject_numbers, name, s->subject_count);
    if (number == (int)s->subject_count)
        ARRAY_PUSH(s->subjects, s->subject_count, s->subject_capacity, mem_strdup(name));
    return number;
}

char *
data_source_words(const char *text, size_t limit)
{
    struct jv *checked = jv_from_string(text); // repairs what is not UTF-8: then it differs
    bool valid = strcmp(jv_string(checked, ""), text) == 0;
    jv_free(checked);
    if (!valid)
        return NULL;
    char *out = mem_alloc(strlen(text) + 1);
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        bool space = (unsigned char)*p <= ' ' || *p == 0x7F;
        if (!space)
            out[n++] = *p;
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    if (n > limit) {
        n = limit;
        while (n > limit / 2 && out[n] != ' ' && out[n] != ',')
            n--;
        if (n <= limit / 2) // one endless word: between characters
            for (n = limit; n && ((unsigned char)out[n] & 0xC0) == 0x80;)
                n--;
    }
    while (n && (out[n - 1] == ' ' || out[n - 1] == ','))
        n--;
    out[n] = 0;
    return out;
}
