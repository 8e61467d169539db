// SPDX-License-Identifier: MIT
// From a sentence to pictures. Grammar is not parsed: a sentence about one thing or a few is cut
// into runs of words that carry meaning, and the last word of a run is what it is about, as in
// English nouns.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/index/index.h"
#include "engine/base/mem.h"

enum {
    WORDS_MAX = 64,   // of a sentence that are looked at
    CONTENT_MAX = 24, // of these, that are looked for
    TEXT_MAX = 48,
    SLOTS = 1 << 17, // of the table of entries: more than twice what the matches can give
};

enum kind {
    WORD_CONTENT = 0,
    WORD_LIGHT,    // says how something is rather than what: counts less
    WORD_REQUEST,  // belongs to asking for a picture, unless nothing else is there
    WORD_FUNCTION, // joins others, and ends a run
    WORD_USED,     // a style's, or of a reference that is there
};

struct word {
    char text[TEXT_MAX];
    size_t at;
    enum kind kind;
    bool breaks; // something between it and the one before ends a run
    bool head;
};

struct sentence {
    struct word words[WORDS_MAX];
    int count;
    int content[CONTENT_MAX], content_count; // numbers of words
    int style;                               // of the index; -1: none is named
};

static const char *const function_words[] = {
    "a",       "an",      "the",    "of",   "in",      "on",      "at",    "with",  "without",
    "by",      "from",    "to",     "for",  "and",     "or",      "over",  "under", "beside",
    "behind",  "near",    "into",   "onto", "through", "between", "as",    "is",    "are",
    "be",      "it",      "its",    "this", "that",    "my",      "your",  "me",    "us",
    "i",       "you",     "we",     "he",   "she",     "they",    "would", "could", "can",
    "should",  "like",    "want",   "need", "but",     "not",     "some",  "one",   "following",
    "wearing", "holding", "riding", "next", "what",    "which",   "how",   "does",  "do",
    "please",  "other",   NULL};
static const char *const request_words[] = {
    "draw",       "drawn",        "drawing",    "paint",   "painted",     "painting", "sketch",
    "make",       "create",       "generate",   "show",    "give",        "render",   "depict",
    "illustrate", "illustration", "imagine",    "bring",   "picture",     "image",    "icon",
    "emoji",      "style",        "set",        "look",    "manner",      "way",      "version",
    "art",        "caption",      "see",        "words",   "description", "subject",  "reference",
    "small",      "paper",        "background", "another", NULL};
static const char *const light_words[] = {
    "red",   "orange", "yellow",    "green",  "blue",   "purple", "pink",  "brown",  "black",
    "white", "grey",   "gray",      "golden", "silver", "dark",   "light", "bright", "big",
    "large", "little", "tiny",      "huge",   "cute",   "old",    "new",   "young",  "happy",
    "sad",   "funny",  "beautiful", "pretty", "nice",   "single", NULL};

static bool
is_one_of(const char *const *list, const char *text)
{
    for (; *list; list++)
        if (strcmp(*list, text) == 0)
            return true;
    return false;
}

// --- Reading a sentence -------------------------------------------------------------------------

static bool
is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static void
add_word(struct sentence *s, const char *text, size_t at, size_t size, bool breaks)
{
    if (s->count == WORDS_MAX || size >= TEXT_MAX)
        return;
    struct word *w = &s->words[s->count++];
    *w = (struct word){.at = at, .breaks = breaks};
    for (size_t i = 0; i < size; i++)
        w->text[i] = lower(text[at + i]);
    w->kind = is_one_of(function_words, w->text)  ? WORD_FUNCTION
              : is_one_of(request_words, w->text) ? WORD_REQUEST
              : is_one_of(light_words, w->text)   ? WORD_LIGHT
                                                  : WORD_CONTENT;
}

// What a sentence says where it says it already beside a reference needs no other picture.
static void
mark_named(struct sentence *s, const bool *beside)
{
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->count && beside[i]; k++)
            if (strcmp(s->words[i].text, s->words[k].text) == 0)
                s->words[k].kind = WORD_USED;
}

static void
read_words(struct sentence *s, const char *text)
{
    bool beside[WORDS_MAX] = {0}, breaks = true, marked = false;
    for (size_t i = 0; text[i];) {
        size_t n = 0;
        if (strncmp(text + i, "[ref#", 5) == 0) {
            i += strcspn(text + i, "]");
            i += text[i] == ']';
            breaks = marked = true;
            continue;
        }
        while (is_letter((unsigned char)text[i + n]))
            n++;
        if (!n) {
            bool ends = !strchr(" -'\"", text[i++]);
            breaks |= ends;
            marked &= !ends;
            continue;
        }
        int before = s->count;
        add_word(s, text, i, n, breaks);
        if (s->count > before) {
            enum kind kind = s->words[before].kind;
            marked &= kind != WORD_FUNCTION;
            beside[before] = marked && kind != WORD_REQUEST;
        }
        breaks = false;
        i += n;
    }
    mark_named(s, beside);
}

// How many words of the sentence from `first` on are a style's name; 0: they are not.
static int
matches_style(const struct sentence *s, int first, const char *name)
{
    int n = 0;
    while (*name) {
        size_t k = 0;
        while (is_letter((unsigned char)name[k]))
            k++;
        if (!k) {
            name++;
            continue;
        }
        const char *have = first + n < s->count ? s->words[first + n].text : "";
        for (size_t i = 0; i < k; i++)
            if (lower(name[i]) != have[i])
                return 0;
        if (have[k])
            return 0;
        name += k;
        n++;
    }
    return n;
}

// Twice a name's words, and one more beside the word style.
static int
style_weight(const struct sentence *s, int first, int n)
{
    bool after = first + n < s->count && strcmp(s->words[first + n].text, "style") == 0;
    bool before = first > 1 && strcmp(s->words[first - 1].text, "of") == 0 &&
                  strcmp(s->words[first - 2].text, "style") == 0;
    return 2 * n + (after || before);
}

static bool
is_content(const struct word *w)
{
    return w->kind == WORD_CONTENT || w->kind == WORD_LIGHT;
}

// A sentence that says nothing but a style's name means the thing ("blob").
static void
find_style(struct sentence *s, const struct index *x)
{
    int best = 0, at = 0, size = 0, content = 0;
    s->style = -1;
    for (int k = 0; k < index_style_count(x); k++)
        for (int i = 0; i < s->count; i++) {
            int n = matches_style(s, i, index_style(x, k));
            if (n && style_weight(s, i, n) > best) {
                best = style_weight(s, i, n);
                s->style = k;
                at = i;
                size = n;
            }
        }
    for (int i = 0; i < s->count; i++)
        content += is_content(&s->words[i]) && !(s->style >= 0 && i >= at && i < at + size);
    if (s->style >= 0 && !content && !(best & 1))
        s->style = -1;
    for (int i = at; s->style >= 0 && i < at + size; i++)
        s->words[i].kind = WORD_USED;
}

static bool
is_style(const struct word *w)
{
    return strcmp(w->text, "style") == 0;
}

static void
mark_used(struct word *w)
{
    w->kind = is_content(w) ? WORD_USED : w->kind;
}

// "in crayon style", ", crayon style", "in the style of crayon": a style's words, known to the
// index or not, are no subject.
static void
mark_style_phrases(struct sentence *s)
{
    enum { LONGEST = 3 };
    for (int i = 0; i < s->count; i++) {
        if (!is_style(&s->words[i]))
            continue;
        int first = i;
        while (first > 0 && i - first < LONGEST && !s->words[first].breaks &&
               s->words[first - 1].kind != WORD_FUNCTION)
            first--;
        bool in = first > 0 && strcmp(s->words[first - 1].text, "in") == 0;
        for (int k = first; k < i && (in || (first > 0 && s->words[first].breaks)); k++)
            mark_used(&s->words[k]);
        bool of = i + 1 < s->count && strcmp(s->words[i + 1].text, "of") == 0;
        for (int k = i + 2; of && k < s->count && k <= i + 1 + LONGEST && !s->words[k].breaks; k++)
            mark_used(&s->words[k]);
    }
}

// Which words are looked for, and which of them a picture must be of.
static void
find_content(struct sentence *s)
{
    bool any = false;
    for (int i = 0; i < s->count; i++)
        any |= is_content(&s->words[i]);
    for (int i = 0; i < s->count && s->content_count < CONTENT_MAX; i++)
        if (is_content(&s->words[i]) || (!any && s->style < 0 && s->words[i].kind == WORD_REQUEST))
            s->content[s->content_count++] = i;
    for (int c = 0; c < s->content_count; c++) {
        int i = s->content[c];
        bool next =
            c + 1 < s->content_count && s->content[c + 1] == i + 1 && !s->words[i + 1].breaks;
        s->words[i].head = !next;
    }
}

// --- Entries ------------------------------------------------------------------------------------

struct entry {
    int64_t id;
    uint32_t name, keywords;  // which of the words looked for are in them
    uint32_t head, head_stem; // which of them the name is about; but for its ending
    int length;               // words of its name
    int pictures;             // 0: not counted yet
    bool has_style;           // one of them is in the style asked for
};

struct search {
    struct index *x;
    const struct sentence *s;
    struct entry *entries;
    size_t count, capacity;
    int32_t *slots; // number of an entry + 1, by its id
    int word;       // that is being looked for
    bool keywords;
};

static int
word_count(const char *text)
{
    int n = 0;
    for (bool in = false; *text; text++) {
        bool letter = is_letter((unsigned char)*text);
        n += letter && !in;
        in = letter;
    }
    return MAX(n, 1);
}

// The word that says what a name is about: the last in front of "with", "of" and the like.
static void
head_of(const char *name, char out[TEXT_MAX])
{
    char word[TEXT_MAX];
    *out = 0;
    while (*name) {
        size_t n = 0;
        for (; is_letter((unsigned char)name[n]); n++)
            if (n + 1 < TEXT_MAX)
                word[n] = lower(name[n]);
        word[MIN(n, TEXT_MAX - 1)] = 0;
        if (n && *out && is_one_of(function_words, word))
            return;
        if (n)
            memcpy(out, word, sizeof word);
        name += n + !n;
    }
}

// Whether one is the other, but for its ending: "cup", "cups".
static bool
same_stem(const char *a, const char *b)
{
    size_t same = 0, na = strlen(a), nb = strlen(b);
    while (a[same] && a[same] == b[same])
        same++;
    return MAX(na, nb) <= same + 2 && 2 * same > MAX(na, nb);
}

static void
on_match(void *ctx, int64_t id, const char *name)
{
    struct search *s = ctx;
    size_t slot = (size_t)((uint64_t)id * 0x9E3779B97F4A7C15u >> 40) % SLOTS;
    while (s->slots[slot] && s->entries[s->slots[slot] - 1].id != id)
        slot = (slot + 1) % SLOTS;
    if (!s->slots[slot]) {
        struct entry new = {.id = id, .length = word_count(name)};
        ARRAY_PUSH(s->entries, s->count, s->capacity, new);
        s->slots[slot] = (int32_t)s->count;
    }
    struct entry *e = &s->entries[s->slots[slot] - 1];
    *(s->keywords ? &e->keywords : &e->name) |= 1u << s->word;
    const char *word = s->s->words[s->s->content[s->word]].text;
    char head[TEXT_MAX];
    head_of(name, head);
    if (!s->keywords && same_stem(head, word))
        *(strcmp(head, word) == 0 ? &e->head : &e->head_stem) |= 1u << s->word;
}

static bool
match_all(struct search *s, struct err *err)
{
    bool ok = true;
    for (s->word = 0; ok && s->word < s->s->content_count; s->word++)
        for (int k = 0; ok && k < 2; k++) {
            s->keywords = k == 1;
            ok = index_match(s->x, s->s->words[s->s->content[s->word]].text, s->keywords, on_match,
                             s, err);
        }
    return ok;
}

// What an entry gains by a picture in the style asked for, and by each of up to nine pictures: what
// many sets draw is what people mean.
static const double styled_gain = 0.2, picture_gain = 0.01;
enum { PICTURES_COUNTED = 9 };

// How well an entry answers the words of `wanted`, its pictures aside. A name says more than
// keywords, which are loose; a name that says nothing else more than a longer one; and the name of
// what is wanted more than that of something else (a red apple, an apple maggot).
static double
score(const struct search *s, const struct entry *e, uint32_t wanted)
{
    double sum = 0, about = 0;
    int named = 0;
    bool head = false;
    for (int i = 0; i < s->s->content_count; i++) {
        const struct word *w = &s->s->words[s->s->content[i]];
        bool name = e->name & wanted & 1u << i, keyword = e->keywords & wanted & 1u << i;
        double weight = w->head ? 2 : w->kind == WORD_LIGHT ? 0.5 : 1;
        sum += name ? weight : keyword ? 0.6 * weight : 0;
        named += name;
        head |= (name || keyword) && w->head;
        if (w->head && (e->head | e->head_stem) & wanted & 1u << i)
            about = MAX(about, e->head & 1u << i ? 0.25 : 0.15);
    }
    return head ? sum + 0.5 * MIN(named, e->length) / e->length + about : 0;
}

struct count {
    int pictures, style;
    bool has_style;
};

static void
on_counted(void *ctx, int64_t row, int style)
{
    struct count *c = ctx;
    (void)row;
    c->pictures++;
    c->has_style |= style == c->style && style >= 0;
}

static bool
add_pictures(const struct search *s, struct entry *e, double *v, struct err *err)
{
    if (!e->pictures) {
        struct count c = {.style = s->s->style};
        if (!index_entry(s->x, e->id, on_counted, &c, err))
            return false;
        e->pictures = MAX(c.pictures, 1);
        e->has_style = c.has_style;
    }
    *v += picture_gain * MIN(e->pictures, PICTURES_COUNTED) + (e->has_style ? styled_gain : 0);
    return true;
}

// Pictures are counted only where they can decide. NULL: none, or an error.
static struct entry *
best_entry(const struct search *s, uint32_t wanted, double *most, struct err *err)
{
    struct entry *best = NULL;
    *most = 0;
    for (size_t i = 0; i < s->count; i++) {
        double v = score(s, &s->entries[i], wanted);
        if (v <= 0 || v + styled_gain + PICTURES_COUNTED * picture_gain <= *most)
            continue;
        if (!add_pictures(s, &s->entries[i], &v, err))
            return NULL;
        if (v > *most) {
            *most = v;
            best = &s->entries[i];
        }
    }
    return best;
}

// --- Pictures -----------------------------------------------------------------------------------

// The pictures of an entry that are not taken yet, that of the style asked for first.
struct picture_choice {
    struct index_found *out;
    int style;
    int64_t row, styled; // -1: none
};

static void
on_picture(void *ctx, int64_t row, int style)
{
    struct picture_choice *c = ctx;
    for (int i = 0; i < c->out->count; i++)
        if (c->out->items[i].row == row)
            return;
    c->row = c->row < 0 ? row : c->row;
    c->styled = c->styled < 0 && style == c->style ? row : c->styled;
}

// The first words of the sentence that an entry matches, as far as they adjoin.
static void
find_place(const struct search *s, const struct entry *e, struct index_hit *hit)
{
    const struct sentence *t = s->s;
    int last = -1;
    for (int i = 0; i < t->content_count; i++) {
        const struct word *w = &t->words[t->content[i]];
        bool adjoins = last < 0 || (t->content[i] == last + 1 && !w->breaks);
        if (!((e->name | e->keywords) & 1u << i) || !adjoins)
            continue;
        hit->at = last < 0 ? w->at : hit->at;
        hit->end = w->at + strlen(w->text);
        last = t->content[i];
    }
}

// One more picture of an entry; whether there was one.
static bool
add_picture(const struct search *s, const struct entry *e, double v, struct index_found *out,
            struct err *err)
{
    struct picture_choice c = {out, s->s->style, -1, -1};
    if (!index_entry(s->x, e->id, on_picture, &c, err) || c.row < 0)
        return false;
    int k = out->count++;
    out->items[k].row = c.style >= 0 && c.styled >= 0 ? c.styled : c.row;
    find_place(s, e, &out->items[k]);
    out->items[k].score = v;
    out->items[k].loose = !e->name;
    return true;
}

static uint32_t
heads_of(const struct sentence *s)
{
    uint32_t all = 0;
    for (int i = 0; i < s->content_count; i++)
        all |= s->words[s->content[i]].head ? 1u << i : 0;
    return all;
}

static void
list_missing(const struct sentence *s, uint32_t words, struct index_found *out)
{
    size_t n = 0;
    for (int i = 0; i < s->content_count; i++)
        if (words & 1u << i && n + TEXT_MAX + 2 < sizeof out->missing)
            n += (size_t)sprintf(out->missing + n, "%s%s", n ? ", " : "",
                                 s->words[s->content[i]].text);
}

static bool
choose(struct search *s, int count, struct index_found *out, struct err *err)
{
    struct err own = {0};
    uint32_t heads = heads_of(s->s), left = (1u << s->s->content_count) - 1;
    const struct entry *first = NULL;
    double v = 0, most = 0;
    while (out->count < count && (left & heads)) {
        const struct entry *e = best_entry(s, left, &v, &own);
        if (!e || !add_picture(s, e, v, out, &own))
            break;
        most = first ? most : v;
        first = first ? first : e;
        left &= ~(e->name | e->keywords);
    }
    if (out->count < count)
        list_missing(s->s, left & heads, out);
    while (first && out->count < count &&
           add_picture(s, first, most, out, &own))
        ;
    return own.code == ERR_NONE || err_set(err, own.code, "%s", own.text);
}

bool
index_find(struct index *x, const char *sentence, int count, struct index_found *out,
           struct err *err)
{
    struct sentence s = {0};
    *out = (struct index_found){0};
    read_words(&s, sentence);
    find_style(&s, x);
    mark_style_phrases(&s);
    find_content(&s);
    struct search search = {.x = x, .s = &s};
    search.slots = mem_zalloc(SLOTS * sizeof *search.slots);
    bool ok = match_all(&search, err) && choose(&search, MIN(count, INDEX_FOUND_MAX), out, err);
    free(search.slots);
    free(search.entries);
    return ok;
}
