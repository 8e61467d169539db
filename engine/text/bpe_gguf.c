// SPDX-License-Identifier: MIT
// The vocabulary that llama.cpp keeps in the head of a language model's GGUF file: texts of all ids
// in order, what each is, merges as merges.txt has them.
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/gguf_values.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/text/bpe.h"

enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_USER_DEFINED = 4 }; // llama.cpp's token types

struct head {
    struct gguf_value model, pre, tokens, types, merges; // key.at NULL: not there
};

static bool
read_head(struct head *h, const struct file_map *map, const char *path, struct err *err)
{
    struct {
        const char *key;
        struct gguf_value *value;
    } wanted[] = {{"tokenizer.ggml.model", &h->model},
                  {"tokenizer.ggml.pre", &h->pre},
                  {"tokenizer.ggml.tokens", &h->tokens},
                  {"tokenizer.ggml.token_type", &h->types},
                  {"tokenizer.ggml.merges", &h->merges}};
    struct gguf_values values;
    struct gguf_value one;
    struct err own = {0};
    bool ok = gguf_values_begin(&values, map->data, map->size, path, &own);
    while (ok && gguf_values_next(&values, &one, &own))
        for (size_t i = 0; i < COUNT_OF(wanted); i++)
            if (gguf_text_is(one.key, wanted[i].key))
                *wanted[i].value = one;
    return own.code == ERR_NONE || err_set(err, own.code, "%s", own.text);
}

static bool
is_string(const struct gguf_value *v, const char *text)
{
    struct gguf_reader r = v->elements;
    return v->key.at && !v->array && v->type == GGUF_STRING && gguf_text_is(gguf_text(&r), text);
}

static bool
is_list(const struct gguf_value *v, enum gguf_type type)
{
    return v->key.at && v->array && v->type == type;
}

static bool
check_head(const struct head *h, const char *path, struct err *err)
{
    if (!h->tokens.key.at)
        return err_set(err, ERR_INPUT, "%s: this file contains no tokenizer", path);
    if (!is_string(&h->model, "gpt2") || !is_string(&h->pre, "qwen2"))
        return err_set(err, ERR_INPUT, "%s: its tokenizer is not Qwen's (tokenizer.ggml.model "
                       "gpt2, tokenizer.ggml.pre qwen2), the only kind in GGUF that limn reads",
                       path);
    if (!is_list(&h->tokens, GGUF_STRING) || !is_list(&h->merges, GGUF_STRING) ||
        !is_list(&h->types, GGUF_I32) || h->types.count != h->tokens.count)
        return err_set(err, ERR_INPUT, "%s: its tokenizer needs lists of tokens and of merges, and "
                       "a token_type for each token", path);
    return true;
}

// The next text, terminated and freed with free(); NULL: it is broken.
static char *
next_string(struct gguf_reader *r, const char *path, uint64_t number, struct err *err)
{
    struct gguf_text t = gguf_text(r);
    if (t.at && utf8_valid(t.at, t.size) && !memchr(t.at, 0, t.size))
        return mem_strndup(t.at, t.size);
    err_set(err, ERR_INPUT, "%s: text %llu of its tokenizer is not UTF-8", path,
            (unsigned long long)number + 1);
    return NULL;
}

// Text to id of the normal tokens; the special ones go to `v`. What is neither stands for nothing.
static struct jv *
read_tokens(struct bpe_vocab *v, const struct head *h, const char *path, struct err *err)
{
    struct gguf_reader texts = h->tokens.elements, types = h->types.elements;
    struct jv *vocab = jv_object();
    bool ok = true;
    for (uint64_t i = 0; ok && i < h->tokens.count; i++) {
        uint64_t type = gguf_whole(&types, 4);
        char *text = next_string(&texts, path, i, err);
        ok = text != NULL;
        if (ok && type == TOKEN_NORMAL && *text)
            jv_set(vocab, text, jv_from_integer((int64_t)i));
        else if (ok && (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED))
            ok = bpe_vocab_add_special(v, text, (int64_t)i, path, err);
        free(text);
    }
    if (ok)
        return vocab;
    jv_free(vocab);
    return NULL;
}

static struct jv *
read_merges(const struct head *h, const char *path, struct err *err)
{
    struct gguf_reader texts = h->merges.elements;
    struct jv *list = jv_array();
    for (uint64_t i = 0; i < h->merges.count; i++) {
        char *text = next_string(&texts, path, i, err);
        if (!text) {
            jv_free(list);
            return NULL;
        }
        jv_append(list, jv_from_string(text));
        free(text);
    }
    return list;
}

bool
bpe_vocab_read_gguf(struct bpe_vocab *v, const char *path, struct err *err)
{
    struct head h = {0};
    struct file_map map;
    *v = (struct bpe_vocab){0};
    if (!file_map(&map, path, err))
        return false;
    struct jv *vocab = NULL, *merges = NULL;
    bool ok = read_head(&h, &map, path, err) && check_head(&h, path, err) &&
              (vocab = read_tokens(v, &h, path, err)) && (merges = read_merges(&h, path, err)) &&
              bpe_vocab_fill(v, vocab, merges, path, err) && file_map_check(&map, err);
    jv_free(vocab);
    jv_free(merges);
    file_unmap(&map);
    return ok;
}
