// SPDX-License-Identifier: MIT
// Vocabularies as transformers and tokenizers write them.
#include "engine/text/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"

enum { IDS_MAX = 1 << 24, MERGES_FILE_MAX = 64 << 20 };

// --- Bytes as characters: printable ones as they are, the others from U+0100 on -----------------

static bool
is_plain(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

enum { CHARACTERS = 512 };

static void
bytes_of_characters(int byte_of[CHARACTERS])
{
    int next = 256;
    for (int c = 0; c < CHARACTERS; c++)
        byte_of[c] = -1;
    for (int b = 0; b < 256; b++)
        byte_of[is_plain(b) ? b : next++] = b;
}

// A token's text to at most as many bytes; -1: not in those characters.
static long
token_bytes(const int byte_of[CHARACTERS], const char *text, char *out)
{
    long n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        int c = *p;
        if (c >= 0xC0 && c < 0xE0 && (p[1] & 0xC0) == 0x80)
            c = (c & 0x1F) << 6 | (*++p & 0x3F);
        else if (c >= 0x80)
            return -1;
        if (c >= CHARACTERS || byte_of[c] < 0)
            return -1;
        out[n++] = (char)byte_of[c];
    }
    return n;
}

// --- Tokens -------------------------------------------------------------------------------------

static bool
largest_id(const struct jv *vocab, const char *path, int *count, struct err *err)
{
    *count = 0;
    for (void *it = jv_iterator(vocab); it; it = jv_next(vocab, it)) {
        int64_t id = jv_integer(jv_iterator_value(it), -1);
        if (id < 0 || id >= IDS_MAX)
            return err_set(err, ERR_INPUT, "%s: the id of '%.40s' is not a whole number below %d",
                           path, jv_iterator_key(it), IDS_MAX);
        *count = MAX(*count, (int)id + 1);
    }
    return *count || err_set(err, ERR_INPUT, "%s: its vocabulary is empty", path);
}

// By id; NULL where there is none.
static const char **
tokens_by_id(const struct jv *vocab, int count)
{
    const char **text = mem_zalloc((size_t)count * sizeof *text);
    for (void *it = jv_iterator(vocab); it; it = jv_next(vocab, it))
        text[jv_integer(jv_iterator_value(it), 0)] = jv_iterator_key(it);
    return text;
}

static bool
keep_tokens(struct bpe_vocab *v, const char **text, int count, const char *path, struct err *err)
{
    size_t size = 0, capacity = 1;
    int byte_of[CHARACTERS];
    bytes_of_characters(byte_of);
    for (int i = 0; i < count; i++)
        capacity += text[i] ? strlen(text[i]) : 0;
    v->bytes = mem_zalloc(capacity);
    v->start = mem_zalloc(((size_t)count + 1) * sizeof *v->start);
    v->count = count;
    memset(v->byte, -1, sizeof v->byte);
    for (int i = 0; i < count; i++) {
        v->start[i] = size;
        long n = text[i] ? token_bytes(byte_of, text[i], v->bytes + size) : 0;
        if (n < 0)
            return err_set(err, ERR_INPUT, "%s: '%.40s' is not written byte by byte as GPT-2's "
                           "tokens are", path, text[i]);
        if (n == 1)
            v->byte[(unsigned char)v->bytes[size]] = i;
        size += (size_t)n;
    }
    v->start[count] = size;
    for (int b = 0; b < 256; b++)
        if (v->byte[b] < 0)
            return err_set(err, ERR_INPUT, "%s: its vocabulary has no token for byte %d", path, b);
    return true;
}

static bool
read_tokens(struct bpe_vocab *v, const struct jv *vocab, const char *path, struct err *err)
{
    int count;
    if (!largest_id(vocab, path, &count, err))
        return false;
    const char **text = tokens_by_id(vocab, count);
    bool ok = keep_tokens(v, text, count, path, err);
    free(text);
    return ok;
}

// --- Merges -------------------------------------------------------------------------------------

static struct bpe_merge *
slot_of(const struct bpe_vocab *v, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9fb21c651e98df25u;
    for (h ^= h >> 32;; h++) {
        struct bpe_merge *m = &v->merges[h & (v->merge_slots - 1)];
        if (m->left < 0 || (m->left == left && m->right == right))
            return m;
    }
}

const struct bpe_merge *
bpe_vocab_merge(const struct bpe_vocab *v, int32_t left, int32_t right)
{
    const struct bpe_merge *m = slot_of(v, left, right);
    return m->left < 0 ? NULL : m;
}

static void
make_slots(struct bpe_vocab *v, size_t count)
{
    v->merge_slots = 16;
    while (v->merge_slots < 2 * count)
        v->merge_slots *= 2;
    v->merges = mem_alloc(v->merge_slots * sizeof *v->merges);
    for (size_t i = 0; i < v->merge_slots; i++)
        v->merges[i].left = -1;
}

// A merge counts from its first line on; `left` and `right` are texts of tokens.
static bool
add_merge(struct bpe_vocab *v, const struct jv *vocab, const char *left, const char *right,
          int rank, const char *path, struct err *err)
{
    char *both = mem_printf("%s%s", left, right);
    int64_t a = jv_integer(jv_get(vocab, left), -1), b = jv_integer(jv_get(vocab, right), -1);
    int64_t id = jv_integer(jv_get(vocab, both), -1);
    free(both);
    if (a < 0 || b < 0 || id < 0)
        return err_set(err, ERR_INPUT, "%s: merge %d, '%.40s %.40s', is of tokens that the "
                       "vocabulary does not have", path, rank + 1, left, right);
    struct bpe_merge *m = slot_of(v, (int32_t)a, (int32_t)b);
    if (m->left < 0)
        *m = (struct bpe_merge){(int32_t)a, (int32_t)b, rank, (int32_t)id};
    return true;
}

// "left right"; changes the text.
static bool
add_line(struct bpe_vocab *v, const struct jv *vocab, char *line, int rank, const char *path,
         struct err *err)
{
    char *space = strchr(line, ' ');
    if (!space)
        return err_set(err, ERR_INPUT, "%s: merge %d, '%.40s', is not two tokens", path, rank + 1,
                       line);
    *space = '\0';
    return add_merge(v, vocab, line, space + 1, rank, path, err);
}

static bool
read_merge_list(struct bpe_vocab *v, const struct jv *vocab, const struct jv *list,
                const char *path, struct err *err)
{
    size_t count = jv_size(list);
    bool ok = jv_is_array(list) || err_set(err, ERR_INPUT, "%s: it has no list of merges", path);
    make_slots(v, count);
    for (size_t i = 0; ok && i < count; i++) {
        const struct jv *m = jv_at(list, i);
        char *line = jv_is_array(m) ? mem_printf("%s %s", jv_string(jv_at(m, 0), ""),
                                                 jv_string(jv_at(m, 1), ""))
                                    : mem_strdup(jv_string(m, ""));
        ok = add_line(v, vocab, line, (int)i, path, err);
        free(line);
    }
    return ok;
}

static bool
read_merge_file(struct bpe_vocab *v, const struct jv *vocab, const char *path, struct err *err)
{
    size_t size, lines = 0;
    char *text = file_read(path, MERGES_FILE_MAX, &size, err), *next = text;
    for (size_t i = 0; text && i < size; i++)
        lines += text[i] == '\n';
    make_slots(v, lines + 1);
    bool ok = text;
    for (int rank = 0; ok && next && *next;) {
        char *line = next, *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        line[strcspn(line, "\r")] = '\0';
        bool comment = line == text && strncmp(line, "#version", 8) == 0;
        if (*line && !comment)
            ok = add_line(v, vocab, line, rank++, path, err);
    }
    free(text);
    return ok;
}

// --- Special tokens -----------------------------------------------------------------------------

bool
bpe_vocab_add_special(struct bpe_vocab *v, const char *text, int64_t id, const char *path,
                      struct err *err)
{
    if (!*text || id < 0 || id >= IDS_MAX)
        return err_set(err, ERR_INPUT, "%s: the added token '%.40s' has no text or no id", path,
                       text);
    struct bpe_special s = {mem_strdup(text), (int32_t)id};
    v->specials = mem_realloc(v->specials, ((size_t)v->special_count + 1) * sizeof s);
    v->specials[v->special_count++] = s;
    return true;
}

// tokenizer.json: a list of {"id", "content"}.
static bool
read_added_list(struct bpe_vocab *v, const struct jv *list, const char *path, struct err *err)
{
    for (size_t i = 0; i < jv_size(list); i++)
        if (!bpe_vocab_add_special(v, jv_string(jv_get(jv_at(list, i), "content"), ""),
                                   jv_integer(jv_get(jv_at(list, i), "id"), -1), path, err))
            return false;
    return true;
}

// added_tokens.json: text to id; added_tokens_decoder of tokenizer_config.json: id to {"content"}.
static bool
read_added_beside(struct bpe_vocab *v, const char *folder, struct err *err)
{
    char *path = file_join(folder, "added_tokens.json");
    bool texts = file_exists(path), ok = true;
    if (!texts) {
        free(path);
        path = file_join(folder, "tokenizer_config.json");
    }
    struct jv *json = file_exists(path) ? jv_read(path, err) : jv_object();
    const struct jv *list = texts ? json : jv_get(json, "added_tokens_decoder");
    ok = json;
    for (void *it = jv_iterator(list); ok && it; it = jv_next(list, it)) {
        const struct jv *value = jv_iterator_value(it);
        const char *key = jv_iterator_key(it);
        const char *text = texts ? key : jv_string(jv_get(value, "content"), "");
        int64_t id = texts ? jv_integer(value, -1) : strtol(key, NULL, 10);
        ok = bpe_vocab_add_special(v, text, id, path, err);
    }
    jv_free(json);
    free(path);
    return ok;
}

int32_t
bpe_vocab_special(const struct bpe_vocab *v, const char *text)
{
    for (int i = 0; i < v->special_count; i++)
        if (strcmp(v->specials[i].text, text) == 0)
            return v->specials[i].id;
    return -1;
}

// --- Files --------------------------------------------------------------------------------------

static bool
refuse(const char *path, const char *key, const struct jv *value, const char *only, struct err *err)
{
    char *text = jv_is_null(value) ? mem_strdup("nothing") : jv_text(value, 0);
    err_set(err, ERR_INPUT, "%s: %s is %.120s, limn knows %s", path, key, text, only);
    free(text);
    return false;
}

// The steps before merging: a split by the pattern, then bytes.
static bool
check_words(const struct jv *json, const char *path, struct err *err)
{
    const struct jv *words = jv_get(json, "pre_tokenizer"), *list = jv_get(words, "pretokenizers");
    const struct jv *split = jv_at(list, 0), *bytes = jv_at(list, 1);
    const char *pattern = jv_string(jv_get(jv_get(split, "pattern"), "Regex"), "");
    bool known = jv_size(list) == 2 && strcmp(pattern, bpe_pattern) == 0 &&
                 strcmp(jv_string(jv_get(split, "type"), ""), "Split") == 0 &&
                 strcmp(jv_string(jv_get(split, "behavior"), ""), "Isolated") == 0 &&
                 !jv_bool(jv_get(split, "invert"), false) &&
                 strcmp(jv_string(jv_get(bytes, "type"), ""), "ByteLevel") == 0 &&
                 !jv_bool(jv_get(bytes, "add_prefix_space"), true) &&
                 !jv_bool(jv_get(bytes, "use_regex"), true);
    return known || refuse(path, "pre_tokenizer", words, "Qwen's alone", err);
}

static bool
check_model(const struct jv *json, const char *path, struct err *err)
{
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    static const char *const off[] = {"byte_fallback", "ignore_merges"};
    const struct jv *model = jv_get(json, "model"), *normal = jv_get(json, "normalizer");
    if (strcmp(jv_string(jv_get(model, "type"), ""), "BPE") != 0)
        return refuse(path, "model.type", jv_get(model, "type"), "BPE", err);
    for (size_t i = 0; i < COUNT_OF(empty); i++)
        if (*jv_string(jv_get(model, empty[i]), ""))
            return refuse(path, empty[i], jv_get(model, empty[i]), "none", err);
    for (size_t i = 0; i < COUNT_OF(off); i++)
        if (jv_bool(jv_get(model, off[i]), false))
            return refuse(path, off[i], jv_get(model, off[i]), "false", err);
    if (strcmp(jv_string(jv_get(normal, "type"), ""), "NFC") != 0)
        return refuse(path, "normalizer", normal, "NFC", err);
    return check_words(json, path, err);
}

bool
bpe_vocab_fill(struct bpe_vocab *v, const struct jv *vocab, const struct jv *merges,
               const char *path, struct err *err)
{
    return read_tokens(v, vocab, path, err) && read_merge_list(v, vocab, merges, path, err);
}

static bool
read_whole(struct bpe_vocab *v, const struct jv *json, const char *path, struct err *err)
{
    const struct jv *model = jv_get(json, "model"), *vocab = jv_get(model, "vocab");
    return check_model(json, path, err) &&
           bpe_vocab_fill(v, vocab, jv_get(model, "merges"), path, err) &&
           read_added_list(v, jv_get(json, "added_tokens"), path, err);
}

static bool
read_parts(struct bpe_vocab *v, const struct jv *vocab, const char *path, struct err *err)
{
    char *folder = file_folder(path);
    char *merges = file_join(folder, "merges.txt");
    bool ok = read_tokens(v, vocab, path, err) && read_merge_file(v, vocab, merges, err) &&
              read_added_beside(v, folder, err);
    free(merges);
    free(folder);
    return ok;
}

bool
bpe_vocab_read(struct bpe_vocab *v, const char *path, struct err *err)
{
    struct jv *json = jv_read(path, err);
    *v = (struct bpe_vocab){0};
    bool whole = jv_is_object(jv_get(json, "model")); // which may be a token's text, too
    bool ok = json && (whole ? read_whole(v, json, path, err) : read_parts(v, json, path, err));
    jv_free(json);
    return ok;
}

void
bpe_vocab_finish(struct bpe_vocab *v)
{
    for (int i = 0; i < v->special_count; i++)
        free(v->specials[i].text);
    free(v->specials);
    free(v->merges);
    free(v->start);
    free(v->bytes);
    *v = (struct bpe_vocab){0};
}
