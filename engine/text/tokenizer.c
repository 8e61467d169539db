// SPDX-License-Identifier: MIT
#include "engine/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/text/tokenizer_kind.h"

static const struct tokenizer_kind *const kinds[] = {
#define TOKENIZER(stem) &tokenizer_##stem,
#include "engine/text/tokenizers.def"
#undef TOKENIZER
};

struct tokenizer {
    const struct tokenizer_kind *kind;
    struct tokenizer_facts facts;
    struct tokenizer_frame frame;
    void *own; // of the kind
};

// --- Which kind -------------------------------------------------------------------------------

const char *
tokenizer_file(int i)
{
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (const char *const *file = kinds[k]->files; *file; file++)
            if (i-- == 0)
                return *file;
    return NULL;
}

char *
tokenizer_find(const char *folder)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (int k = 0; k < MAX(kinds[i]->openers, 1); k++) {
            char *path = file_join(folder, kinds[i]->files[k]);
            if (file_exists(path))
                return path;
            free(path);
        }
    return NULL;
}

static const char *
extension(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    return dot ? dot : "";
}

static const struct tokenizer_kind *
kind_of(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (int k = 0; k < MAX(kinds[i]->openers, 1); k++)
            if (strcasecmp(extension(path), extension(kinds[i]->files[k])) == 0)
                return kinds[i];
    return kinds[0];
}

struct tokenizer *
tokenizer_open(const char *path, struct err *err)
{
    struct tokenizer *t = mem_zalloc(sizeof *t);
    char *inside = tokenizer_find(path);
    const char *file = inside ? inside : path;
    t->kind = kind_of(file);
    t->own = t->kind->open(file, &t->facts, err);
    free(inside);
    if (t->own)
        return t;
    free(t);
    return NULL;
}

void
tokenizer_close(struct tokenizer *t)
{
    if (!t)
        return;
    t->kind->close(t->own);
    free(t->frame.before);
    free(t->frame.after);
    free(t);
}

bool
tokenizer_set_frame(struct tokenizer *t, const char *before, const char *after, struct err *err)
{
    if (!t->kind->frame)
        return err_set(err, ERR_INPUT, "the model needs special tokens around its texts, and %s "
                                       "has none", t->kind->name);
    free(t->frame.before);
    free(t->frame.after);
    t->frame = (struct tokenizer_frame){mem_strdup(before), mem_strdup(after)};
    return true;
}

// --- Text to ids ------------------------------------------------------------------------------

// Bytes of the marker "[ref#k]" at p, and k; 0: something else.
static size_t
marker_at(const char *p, int *marker)
{
    size_t i = 5;
    int k = 0;
    if (strncmp(p, "[ref#", 5) != 0)
        return 0;
    while (i < 7 && p[i] >= '0' && p[i] <= '9')
        k = 10 * k + (p[i++] - '0');
    *marker = k;
    return k >= 1 && p[i] == ']' ? i + 1 : 0;
}

static bool
append(const struct tokenizer *t, const char *text, size_t size, struct tokenizer_ids *ids)
{
    return size == 0 || t->kind->encode(t->own, text, size, ids);
}

static bool
encode(const struct tokenizer *t, const char *text, struct tokenizer_ids *ids)
{
    const char *from = text;
    if (t->frame.before)
        return t->kind->frame(t->own, &t->frame, text, strlen(text), ids);
    if (t->facts.whole)
        return append(t, text, strlen(text), ids);
    for (const char *p = text; *p;) {
        int marker = 0;
        size_t length = marker_at(p, &marker);
        if (length && t->facts.markers[marker] >= 0) {
            if (!append(t, from, (size_t)(p - from), ids))
                return false;
            ARRAY_PUSH(ids->list, ids->count, ids->capacity, t->facts.markers[marker]);
            from = p + length;
        }
        p += length ? length : 1;
    }
    return append(t, from, strlen(from), ids);
}

int
tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids, int max,
                 struct err *err)
{
    enum { TEXT_MAX = 1 << 20 }; // bytes
    struct tokenizer_ids all = {0};
    size_t n = strlen(text);
    if (n > TEXT_MAX) {
        err_set(err, ERR_INPUT, "the text has %zu bytes, the limit is %d", n, TEXT_MAX);
        return -1;
    }
    char *whole = utf8_valid(text, n) ? NULL : utf8_replaced(text, n);
    bool ok = encode(t, whole ? whole : text, &all);
    free(whole);
    if (!ok) {
        free(all.list);
        err_set(err, ERR_INPUT, "the tokenizer cannot read the text");
        return -1;
    }
    if (t->facts.end >= 0)
        ARRAY_PUSH(all.list, all.count, all.capacity, t->facts.end);
    int count = all.count;
    for (int i = 0; i < max; i++)
        ids[i] = i < count ? all.list[i] : t->facts.pad;
    if (count > max && max > 0 && t->facts.end >= 0)
        ids[max - 1] = t->facts.end;
    free(all.list);
    return count;
}

// The last bytes of a text, at most `size` of them, from the beginning of a character on.
static const char *
end_of(const char *text, size_t size)
{
    size_t n = strlen(text);
    const char *end = text + (n > size ? n - size : 0);
    while (((unsigned char)*end & 0xC0) == 0x80)
        end++;
    return end;
}

bool
tokenizer_read(const struct tokenizer *t, const char *text, int32_t *ids, int max,
               struct err *err)
{
    int has = tokenizer_encode(t, text, ids, max, err);
    if (has > max)
        log_line(LOG_NOTICE, "model",
                 "the model reads %d of the text's %d tokens; the rest is ignored: …%s", max, has,
                 end_of(text, 40));
    return has >= 0;
}

// --- Ids to text ------------------------------------------------------------------------------

// The marker that an id of its own stands for; 0: the vocabulary's words.
static int
marker_of(const struct tokenizer *t, int32_t id)
{
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER && !t->facts.whole; k++)
        if (t->facts.markers[k] == id)
            return k;
    return 0;
}

// `text` and `more`, both given away; either may be NULL.
static char *
join(char *text, char *more)
{
    char *both = mem_printf("%s%s", text ? text : "", more ? more : "");
    free(text);
    free(more);
    return both;
}

char *
tokenizer_decode(const struct tokenizer *t, const int32_t *ids, int count)
{
    char *text = mem_strdup("");
    struct tokenizer_ids run = {0};
    for (int i = 0; i <= count; i++) {
        bool over = i == count || ids[i] == t->facts.end;
        int marker = over ? 0 : marker_of(t, ids[i]);
        if ((over || marker) && run.count) {
            text = join(text, t->kind->decode(t->own, run.list, run.count));
            run.count = 0;
        }
        if (over)
            break;
        if (marker)
            text = join(text, mem_printf("[ref#%d]", marker));
        else if (ids[i] != t->facts.pad)
            ARRAY_PUSH(run.list, run.count, run.capacity, ids[i]);
    }
    free(run.list);
    return text;
}

// --- Facts ------------------------------------------------------------------------------------

int
tokenizer_vocab_size(const struct tokenizer *t)
{
    return t->facts.vocab;
}

int
tokenizer_pad_id(const struct tokenizer *t)
{
    return t->facts.pad;
}

int
tokenizer_end_id(const struct tokenizer *t)
{
    return t->facts.end;
}

int32_t
tokenizer_marker_id(const struct tokenizer *t, int marker)
{
    return marker >= 1 && marker <= LIMIT_INSTRUCTION_MARKER ? t->facts.markers[marker] : -1;
}

int
tokenizer_marker_max(const struct tokenizer *t)
{
    int k = 0;
    while (k < LIMIT_INSTRUCTION_MARKER && t->facts.markers[k + 1] >= 0)
        k++;
    return k;
}
