// SPDX-License-Identifier: MIT
// Texts of examples: one from a list, with its {names} filled in.
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/train/tasks_parts.h"

// A style's name in plain words: dashes become spaces.
static void
plain_words(char *text)
{
    for (; *text; text++)
        if (*text == '-' || *text == '_')
            *text = ' ';
}

static void
pick_keyword(const struct tasks *t, int record, struct rng *rng, char *out, size_t size)
{
    char all[EXAMPLE_TEXT_MAX];
    pack_keywords(t->pack, record, all, sizeof all);
    int count = *all ? 1 : 0;
    for (const char *p = all; *p; p++)
        count += *p == ',';
    int wanted = count ? (int)rng_below(rng, (uint64_t)count) : -1;
    const char *at = all;
    while (wanted-- > 0)
        at = strchr(at, ',') + 1;
    if (count)
        snprintf(out, size, "%.*s", (int)strcspn(at, ","), at);
    else
        pack_caption(t->pack, record, out, size);
}

// Names that stand for words of the record; false: `name` is not one of them.
static bool
fill_words(const struct tasks *t, const struct example *e, int record, const char *name,
           struct rng *rng, char out[EXAMPLE_TEXT_MAX])
{
    static const char *const of_subject[] = {"subject", "last word", "keyword"};
    int subject = pack_subject(t->pack, e->record);
    bool same = record == e->record || (subject >= 0 && subject == pack_subject(t->pack, record));
    bool called = *e->unknown && same;
    for (size_t i = 0; called && i < COUNT_OF(of_subject); i++)
        if (strcmp(name, of_subject[i]) == 0)
            return snprintf(out, EXAMPLE_TEXT_MAX, "%s", e->unknown) > 0;
    if (strcmp(name, "subject") == 0) {
        pack_caption(t->pack, record, out, EXAMPLE_TEXT_MAX);
    } else if (strcmp(name, "last word") == 0) {
        pack_caption(t->pack, record, out, EXAMPLE_TEXT_MAX);
        const char *space = strrchr(out, ' ');
        if (space)
            memmove(out, space + 1, strlen(space));
    } else if (strcmp(name, "keyword") == 0) {
        pick_keyword(t, record, rng, out, EXAMPLE_TEXT_MAX);
    } else if (strcmp(name, "style") == 0 || strcmp(name, "style name") == 0) {
        int style = pack_style(t->pack, record);
        snprintf(out, EXAMPLE_TEXT_MAX, "%s",
                 style < 0 ? "plain" : pack_style_name(t->pack, style));
        if (strcmp(name, "style") == 0)
            plain_words(out);
    } else {
        return false;
    }
    return true;
}

// Appends what `name` stands for; leaves unknown names as they are.
static void
fill_in(const struct tasks *t, const struct example *e, const struct task *task, int record,
        const char *name, struct rng *rng, char *out, size_t size)
{
    char words[EXAMPLE_TEXT_MAX];
    if (fill_words(t, e, record, name, rng, words)) {
        snprintf(out, size, "%s", words);
        return;
    }
    if (strncmp(name, "a ", 2) == 0 && fill_words(t, e, record, name + 2, rng, words)) {
        bool vowel = *words && strchr("aeiouAEIOU", *words);
        snprintf(out, size, "%s %.1000s", vowel ? "an" : "a", words);
        return;
    }
    snprintf(out, size, "{%s}", name);
    for (int k = 0; task && k < task->reference_count; k++) {
        size_t n = strlen(task->references[k].slot);
        if (strncmp(name, task->references[k].slot, n) != 0)
            continue;
        if (strcmp(name + n, ".marker") == 0)
            snprintf(out, size, "[ref#%d]", e->refs[k].marker);
        else if (name[n] == 0)
            snprintf(out, size, "%s", e->refs[k].text);
    }
}

// Writes `pattern` with its {names} filled in.
void
tasks_expand(const struct tasks *t, const struct example *e, const struct task *task, int record,
       const char *pattern, struct rng *rng, char out[EXAMPLE_TEXT_MAX])
{
    size_t used = 0;
    for (const char *p = pattern; *p && used + 1 < EXAMPLE_TEXT_MAX;) {
        size_t n = *p == '{' ? strcspn(p + 1, "}") : 0;
        if (n && p[1 + n] == '}' && n < 32) {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)n, p + 1);
            fill_in(t, e, task, record, name, rng, out + used, EXAMPLE_TEXT_MAX - used);
            used += strlen(out + used);
            p += n + 2;
        } else {
            out[used++] = *p++;
        }
    }
    out[used] = 0;
}

// Removes a last character that was cut off by the end of a full buffer.
void
tasks_whole_characters(char *text)
{
    size_t n = strlen(text), k = n;
    while (k > 0 && ((unsigned char)text[k - 1] & 0xC0) == 0x80)
        k--;
    if (k == 0 || (unsigned char)text[k - 1] < 0xC0)
        return;
    unsigned char lead = (unsigned char)text[k - 1];
    if (n - k + 1 < (lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u))
        text[k - 1] = 0;
}

// One of the texts at random; for a record of unknown style, one that does not mention style.
const char *
tasks_pick_text(const struct tasks *t, const struct jv *texts, int record, struct rng *rng)
{
    size_t n = jv_size(texts), first = (size_t)rng_below(rng, n);
    bool styled = pack_style(t->pack, record) >= 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = jv_string(jv_at(texts, (first + i) % n), "");
        if (styled || !(strstr(text, "{style}") || strstr(text, "{style name}")))
            return text;
    }
    return jv_string(jv_at(texts, first), "");
}
