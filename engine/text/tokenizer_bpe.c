// SPDX-License-Identifier: MIT
// Byte-level BPE's row in the table of tokenizers.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/text/bpe.h"
#include "engine/text/tokenizer_kind.h"

static const char *const files[] = {
    "tokenizer.json",    "vocab.json",              "tokenizer.gguf",        "merges.txt",
    "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json", "chat_template.jinja",
    NULL};

// --- Merging ------------------------------------------------------------------------------------

struct symbol {
    int32_t id;
    int previous, next; // -1: none
};

struct candidate {
    int32_t rank, left, right;
    int at; // of the left symbol
};

// A word being merged: symbols in a chain, and a heap of pairs, some of which are gone already.
struct word {
    struct symbol *symbols;
    struct candidate *heap;
    int capacity, heap_capacity, heap_count;
};

static bool
precedes(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void
push(struct word *w, struct candidate c)
{
    ARRAY_PUSH(w->heap, w->heap_count, w->heap_capacity, c);
    for (int i = w->heap_count - 1; i > 0 && precedes(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        w->heap[i] = w->heap[(i - 1) / 2];
        w->heap[(i - 1) / 2] = c;
    }
}

static struct candidate
pop(struct word *w)
{
    struct candidate top = w->heap[0], last = w->heap[--w->heap_count];
    int i = 0;
    for (int child; (child = 2 * i + 1) < w->heap_count; i = child) {
        if (child + 1 < w->heap_count && precedes(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!precedes(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

static void
push_merge(const struct bpe_vocab *v, struct word *w, int at)
{
    int next = at < 0 ? -1 : w->symbols[at].next;
    if (next < 0)
        return;
    int32_t left = w->symbols[at].id, right = w->symbols[next].id;
    const struct bpe_merge *m = bpe_vocab_merge(v, left, right);
    if (m)
        push(w, (struct candidate){m->rank, left, right, at});
}

// Makes one symbol of two, if both are still there.
static void
merge(const struct bpe_vocab *v, struct word *w, const struct candidate *c)
{
    struct symbol *s = &w->symbols[c->at];
    if (s->id != c->left || s->next < 0 || w->symbols[s->next].id != c->right)
        return;
    int gone = s->next;
    s->id = bpe_vocab_merge(v, c->left, c->right)->id;
    s->next = w->symbols[gone].next;
    w->symbols[gone].id = -1;
    if (s->next >= 0)
        w->symbols[s->next].previous = c->at;
    push_merge(v, w, s->previous);
    push_merge(v, w, c->at);
}

static void
encode_word(const struct bpe_vocab *v, struct word *w, const char *bytes, int size,
            struct tokenizer_ids *ids)
{
    if (size > w->capacity) {
        w->capacity = MAX(2 * w->capacity, size);
        w->symbols = mem_realloc(w->symbols, (size_t)w->capacity * sizeof *w->symbols);
    }
    for (int i = 0; i < size; i++)
        w->symbols[i] = (struct symbol){v->byte[(unsigned char)bytes[i]], i - 1,
                                        i + 1 < size ? i + 1 : -1};
    for (int i = 0; i + 1 < size; i++)
        push_merge(v, w, i);
    while (w->heap_count) {
        struct candidate c = pop(w);
        merge(v, w, &c);
    }
    for (int i = 0; i >= 0; i = w->symbols[i].next)
        ARRAY_PUSH(ids->list, ids->count, ids->capacity, w->symbols[i].id);
}

// --- Text ---------------------------------------------------------------------------------------

static bool
encode(const void *own, const char *text, size_t size, struct tokenizer_ids *ids)
{
    const struct bpe_vocab *v = own;
    struct word w = {0};
    size_t n;
    char *normal = bpe_normal(text, size, &n);
    for (size_t at = 0, length; normal && at < n; at += length) {
        length = bpe_word(normal + at, n - at);
        encode_word(v, &w, normal + at, (int)length, ids);
    }
    free(w.symbols);
    free(w.heap);
    bool ok = normal;
    free(normal);
    return ok;
}

// The special token at p, the longest that fits; NULL: none.
static const struct bpe_special *
special_at(const struct bpe_vocab *v, const char *p)
{
    const struct bpe_special *best = NULL;
    for (int i = 0; i < v->special_count; i++) {
        size_t n = strlen(v->specials[i].text);
        if (strncmp(p, v->specials[i].text, n) == 0 && (!best || n > strlen(best->text)))
            best = &v->specials[i];
    }
    return best;
}

static bool
encode_some(const void *own, const char *text, size_t size, struct tokenizer_ids *ids)
{
    return size == 0 || encode(own, text, size, ids);
}

// Bytes of `text` before its next special token.
static size_t
plain_length(const struct bpe_vocab *v, const char *text)
{
    size_t n = 0;
    while (text[n] && !special_at(v, text + n))
        n++;
    return n;
}

// Special tokens and what lies between them, up to the text behind the last one, which is returned.
static const char *
encode_frame(const struct bpe_vocab *v, const char *frame, struct tokenizer_ids *ids, bool *ok)
{
    for (;;) {
        size_t n = plain_length(v, frame);
        const struct bpe_special *s = special_at(v, frame + n);
        if (!s)
            return frame;
        *ok = *ok && encode_some(v, frame, n, ids);
        ARRAY_PUSH(ids->list, ids->count, ids->capacity, s->id);
        frame += n + strlen(s->text);
    }
}

// What touches the text belongs to the same words.
static bool
frame(const void *own, const struct tokenizer_frame *f, const char *text, size_t size,
      struct tokenizer_ids *ids)
{
    const struct bpe_vocab *v = own;
    bool ok = true;
    const char *head = encode_frame(v, f->before, ids, &ok);
    size_t tail = plain_length(v, f->after);
    char *whole = mem_printf("%s%.*s%.*s", head, (int)size, text, (int)tail, f->after);
    ok = ok && encode_some(v, whole, strlen(whole), ids);
    const char *rest = encode_frame(v, f->after + tail, ids, &ok);
    free(whole);
    return ok && encode_some(v, rest, strlen(rest), ids);
}

// Bytes that are no character become U+FFFD.
static char *
repair(const char *bytes, size_t size)
{
    char *out = mem_alloc(3 * size + 1), *to = out;
    for (size_t at = 0; at < size;) {
        size_t n = 1;
        while (n < 4 && at + n < size && !utf8_valid(bytes + at, n))
            n++;
        bool good = utf8_valid(bytes + at, n);
        memcpy(to, good ? bytes + at : "\xEF\xBF\xBD", good ? n : 3);
        to += good ? n : 3;
        at += good ? n : 1;
    }
    *to = '\0';
    return out;
}

static char *
decode(const void *own, const int32_t *ids, int count)
{
    const struct bpe_vocab *v = own;
    char *bytes = NULL;
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        bool token = ids[i] >= 0 && ids[i] < v->count;
        const char *text = token ? v->bytes + v->start[ids[i]] : NULL;
        size_t n = token ? v->start[ids[i] + 1] - v->start[ids[i]] : 0;
        for (int k = 0; k < v->special_count && n == 0; k++)
            if (v->specials[k].id == ids[i]) {
                text = v->specials[k].text;
                n = strlen(text);
            }
        bytes = mem_realloc(bytes, size + n + 1);
        memcpy(bytes + size, text ? text : "", n);
        size += n;
    }
    char *text = repair(bytes ? bytes : "", size);
    free(bytes);
    return text;
}

// --- The row ------------------------------------------------------------------------------------

static void
close_model(void *own)
{
    bpe_vocab_finish(own);
    free(own);
}

static void *
open_model(const char *path, struct tokenizer_facts *facts, struct err *err)
{
    struct bpe_vocab *v = mem_zalloc(sizeof *v);
    const char *dot = strrchr(path, '.');
    bool packed = dot && strcasecmp(dot, ".gguf") == 0;
    if (!(packed ? bpe_vocab_read_gguf : bpe_vocab_read)(v, path, err)) {
        close_model(v);
        return NULL;
    }
    *facts = (struct tokenizer_facts){.vocab = v->count, .end = -1};
    for (int i = 0; i < v->special_count; i++)
        facts->vocab = MAX(facts->vocab, v->specials[i].id + 1);
    facts->pad = MAX(bpe_vocab_special(v, "<|endoftext|>"), 0);
    for (int k = 0; k <= LIMIT_INSTRUCTION_MARKER; k++)
        facts->markers[k] = -1;
    return v;
}

const struct tokenizer_kind tokenizer_bpe = {
    .name = "byte-level BPE",
    .files = files,
    .openers = 3,
    .open = open_model,
    .close = close_model,
    .encode = encode,
    .decode = decode,
    .frame = frame,
};
