// SPDX-License-Identifier: MIT
#include "engine/text/instruction.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"

static int
column_of(const char *text, size_t at)
{
    int column = 1;
    for (size_t i = 0; i < at; i++)
        column += (text[i] & 0xC0) != 0x80;
    return column;
}

// Bytes of the marker "[ref#k]" at p and its number; 0 when p starts something else.
static size_t
marker_at(const char *p, int *marker)
{
    if (strncmp(p, "[ref#", 5) != 0)
        return 0;
    size_t i = 5;
    int k = 0;
    while (p[i] >= '0' && p[i] <= '9' && i < 8)
        k = 10 * k + (p[i++] - '0');
    if (i == 5 || p[i] != ']' || k < 1 || k > LIMIT_INSTRUCTION_MARKER)
        return 0;
    *marker = k;
    return i + 1;
}

int
instruction_spans(const char *text, struct instruction_span *spans, int max, struct err *err)
{
    int count = 0;
    size_t from = 0, at = 0;
    for (;;) {
        int marker = 0;
        size_t length = text[at] ? marker_at(text + at, &marker) : 0;
        if (!length && strncmp(text + at, "[ref#", 5) == 0) {
            err_set(err, ERR_INPUT,
                    "column %d: '%.12s' is not a marker: write [ref#k] with k in 1..%d",
                    column_of(text, at), text + at, LIMIT_INSTRUCTION_MARKER);
            return -1;
        }
        if ((length || !text[at]) && at > from) {
            if (count < max)
                spans[count] = (struct instruction_span){.start = from, .length = at - from};
            count++;
        }
        if (!text[at])
            return count;
        if (length) {
            if (count < max)
                spans[count] = (struct instruction_span){marker, at, length};
            count++;
            from = at + length;
        }
        at += length ? length : 1;
    }
}

static bool
valid_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        int extra = *p < 0x80 ? 0 : *p >= 0xC2 && *p < 0xE0 ? 1 : (*p & 0xF0) == 0xE0 ? 2
                  : *p >= 0xF0 && *p < 0xF5 ? 3 : -1;
        unsigned char first = p[0], second = p[0] ? p[1] : 0;
        if (extra < 0 || (first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
            (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90))
            return false;
        for (p++; extra > 0; extra--, p++)
            if ((*p & 0xC0) != 0x80)
                return false;
    }
    return true;
}

static bool
check_text(const char *text, const char *what, struct err *err)
{
    if (!text || !*text)
        return err_set(err, ERR_INPUT, "%s is empty", what);
    if (strlen(text) > LIMIT_INSTRUCTION_BYTES)
        return err_set(err, ERR_INPUT, "%s has %zu bytes, the limit is %d", what, strlen(text),
                       LIMIT_INSTRUCTION_BYTES);
    if (!valid_utf8(text))
        return err_set(err, ERR_INPUT, "%s is not valid UTF-8", what);
    return true;
}

// How often each marker stands in the text; false on a malformed one.
static bool
count_markers(const char *text, int counts[LIMIT_INSTRUCTION_MARKER + 1], struct err *err)
{
    int n = instruction_spans(text, NULL, 0, err);
    if (n < 0)
        return false;
    struct instruction_span *spans = mem_zalloc((size_t)(n + 1) * sizeof *spans);
    instruction_spans(text, spans, n, err);
    for (int i = 0; i < n; i++)
        if (spans[i].marker)
            counts[spans[i].marker]++;
    free(spans);
    return true;
}

static bool
check_reference(const struct instruction *n, int i, const int *used, struct err *err)
{
    const struct instruction_reference *r = &n->references[i];
    char what[64];
    snprintf(what, sizeof what, "the text of [ref#%d]", r->marker);
    int own[LIMIT_INSTRUCTION_MARKER + 1] = {0};
    if (r->marker < 1 || r->marker > LIMIT_INSTRUCTION_MARKER)
        return err_set(err, ERR_INPUT, "reference number %d is not in 1..%d", r->marker,
                       LIMIT_INSTRUCTION_MARKER);
    if (!check_text(r->text, what, err) || !count_markers(r->text, own, err))
        return false;
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER; k++)
        if (own[k] != (k == r->marker))
            return err_set(err, ERR_INPUT,
                           "%s, '%.80s', must hold [ref#%d] once and no other marker", what,
                           r->text, r->marker);
    if (!used[r->marker])
        return err_set(err, ERR_INPUT,
                       "reference [ref#%d] is given, but the instruction does not mention it",
                       r->marker);
    for (int k = 0; k < i; k++)
        if (n->references[k].marker == r->marker)
            return err_set(err, ERR_INPUT, "reference [ref#%d] is given twice", r->marker);
    return true;
}

bool
instruction_check(const struct instruction *n, struct err *err)
{
    int used[LIMIT_INSTRUCTION_MARKER + 1] = {0};
    if (!check_text(n->text, "the instruction", err) || !count_markers(n->text, used, err))
        return false;
    for (int i = 0; i < n->reference_count; i++)
        if (!check_reference(n, i, used, err))
            return false;
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER; k++) {
        bool given = false;
        for (int i = 0; i < n->reference_count; i++)
            given |= n->references[i].marker == k;
        if (used[k] && !given)
            return err_set(err, ERR_INPUT,
                           "the instruction mentions [ref#%d], but no reference %d is given", k, k);
    }
    return true;
}

static char *
reference_text(int marker, const char *words)
{
    char mark[16];
    snprintf(mark, sizeof mark, "[ref#%d]", marker);
    if (strstr(words, mark))
        return mem_strdup(words);
    return mem_printf("%s%s%s", mark, *words ? " " : "", words);
}

bool
instruction_add(struct instruction *n, int marker, const char *words, int width, int height,
                const uint8_t *rgb, struct err *err)
{
    if (n->reference_count == LIMIT_INSTRUCTION_REFERENCES)
        return err_set(err, ERR_INPUT, "more than %d references", LIMIT_INSTRUCTION_REFERENCES);
    struct instruction_reference *r = &n->references[n->reference_count];
    *r = (struct instruction_reference){.marker = marker, .width = width, .height = height};
    if (rgb) {
        size_t size = (size_t)width * (size_t)height * 3;
        r->rgb = mem_try_calloc(1, size, "reference picture", err);
        if (!r->rgb)
            return false;
        memcpy(r->rgb, rgb, size);
    }
    r->text = reference_text(marker, words);
    n->reference_count++;
    return true;
}

int
instruction_rank(const struct instruction *n, int marker)
{
    int rank = 0;
    for (int i = 0; i < n->reference_count; i++)
        rank += n->references[i].marker < marker;
    return rank;
}

static bool
has_reference(const struct instruction *n, int marker)
{
    for (int i = 0; i < n->reference_count; i++)
        if (n->references[i].marker == marker)
            return true;
    return false;
}

char *
instruction_in_words(const struct instruction *n, const char *word, struct err *err)
{
    int count = instruction_spans(n->text, NULL, 0, err);
    if (count < 0)
        return NULL;
    struct instruction_span *spans = mem_alloc(((size_t)count + 1) * sizeof *spans);
    instruction_spans(n->text, spans, count, err);
    char *text = mem_strdup("");
    for (int i = 0; i < count; i++) {
        const struct instruction_span *s = &spans[i];
        char *longer = s->marker && has_reference(n, s->marker)
                           ? mem_printf("%s%s %d", text, word, instruction_rank(n, s->marker) + 1)
                           : mem_printf("%s%.*s", text, (int)s->length, n->text + s->start);
        free(text);
        text = longer;
    }
    free(spans);
    return text;
}

// Bytes of the words at `text` that a retrieved reference with this marker stands for, with the
// space in front of them.
static size_t
retrieved_words(const struct instruction *n, int marker, const char *text)
{
    for (int i = 0; i < n->reference_count; i++) {
        const struct instruction_reference *r = &n->references[i];
        const char *words = strchr(r->text, ']');
        size_t size = words ? strlen(++words) : 0;
        if (r->marker != marker || !r->retrieved || strncmp(text, words ? words : "", size) != 0)
            continue;
        unsigned char next = (unsigned char)text[size];
        return isalnum(next) || next >= 0x80 ? 0 : size;
    }
    return 0;
}

bool
instruction_is_retrieved(const struct instruction *n)
{
    for (int i = 0; i < n->reference_count; i++)
        if (n->references[i].retrieved)
            return true;
    return false;
}

char *
instruction_by_markers(const struct instruction *n)
{
    int count = instruction_is_retrieved(n) ? instruction_spans(n->text, NULL, 0, NULL) : -1;
    if (count < 0)
        return NULL;
    struct instruction_span *spans = mem_alloc(((size_t)count + 1) * sizeof *spans);
    instruction_spans(n->text, spans, count, NULL);
    char *text = mem_zalloc(strlen(n->text) + 1), *to = text;
    size_t skipped = 0;
    for (int i = 0; i < count; i++) {
        const struct instruction_span *s = &spans[i];
        memcpy(to, n->text + s->start + skipped, s->length - skipped);
        to += s->length - skipped;
        skipped = s->marker ? retrieved_words(n, s->marker, n->text + s->start + s->length) : 0;
    }
    free(spans);
    return text;
}

void
instruction_finish(struct instruction *n)
{
    for (int i = 0; i < n->reference_count; i++) {
        free(n->references[i].text);
        free(n->references[i].rgb);
    }
    free(n->text);
    *n = (struct instruction){0};
}
