// SPDX-License-Identifier: MIT
// The default keys, and the keys in force. Bindings of a view take precedence over those of all
// views. The user's own replace them (keys_file.c).
#include <curses.h>
#include <stdio.h>
#include <string.h>

#include "app/ui/key_names.h"
#include "app/ui/keys.h"
#include "engine/base/mem.h"

enum { ANY = KEYS_ALL, BINDINGS_MAX = 512 };

struct binding {
    int view;
    wint_t key;
    bool code; // a KEY_ value
    enum request request;
};

#define F(n) KEY_F(n), true
#define CHAR(c) (c), false
#define CTRL(c) ((c) & 0x1f), false
#define CODE(k) (k), true

static const struct binding as_they_come[] = {
    {VIEW_COMPOSE, CHAR('a'), REQUEST_ADD},       {VIEW_COMPOSE, CHAR(' '), REQUEST_MARK},
    {VIEW_COMPOSE, CHAR('.'), REQUEST_HIDDEN},    {VIEW_COMPOSE, CHAR('s'), REQUEST_SORT},
    {VIEW_COMPOSE, CHAR('b'), REQUEST_GO},        {VIEW_COMPOSE, CHAR('B'), REQUEST_BOOKMARK},
    {VIEW_COMPOSE, CHAR('i'), REQUEST_INSTRUCTION}, {VIEW_COMPOSE, CHAR('p'), REQUEST_PARAMETERS},
    {VIEW_COMPOSE, CHAR('n'), REQUEST_NEW},       {VIEW_COMPOSE, CTRL('X'), REQUEST_EDITOR},
    {VIEW_COMPOSE, CHAR('e'), REQUEST_EDITOR},    {VIEW_COMPOSE, CHAR('w'), REQUEST_SAVE},
    {VIEW_COMPOSE, CHAR('X'), REQUEST_SWEEP},
    {VIEW_LIVE, CHAR('a'), REQUEST_ADD},         {VIEW_GALLERY, CHAR('a'), REQUEST_ADD},
    {VIEW_GALLERY, CHAR('+'), REQUEST_ZOOM_IN},  {VIEW_GALLERY, CHAR('='), REQUEST_ZOOM_IN},
    {VIEW_GALLERY, CHAR('-'), REQUEST_ZOOM_OUT}, {VIEW_GALLERY, CHAR('D'), REQUEST_DIFFERENCE},
    {VIEW_GALLERY, CHAR(' '), REQUEST_MARK},     {VIEW_GALLERY, CHAR('C'), REQUEST_CONTACT},
    {VIEW_LIVE, CHAR('K'), REQUEST_SOONER},      {VIEW_LIVE, CHAR('J'), REQUEST_DEFER},
    {VIEW_LIVE, CHAR('P'), REQUEST_PAUSE},       {VIEW_LIVE, CHAR('X'), REQUEST_STOP_ALL},
    {VIEW_LIVE, CHAR('c'), REQUEST_CLEAR},       {VIEW_LIVE, CHAR('R'), REQUEST_RESUME},
    {VIEW_LIVE, CODE(KEY_LEFT), REQUEST_EARLIER}, {VIEW_LIVE, CODE(KEY_RIGHT), REQUEST_LATER},
    {VIEW_GALLERY, CHAR('t'), REQUEST_TAG},       {VIEW_GALLERY, CHAR('s'), REQUEST_SORT},
    {VIEW_GALLERY, CHAR('c'), REQUEST_MARK},      {VIEW_GALLERY, CHAR('*'), REQUEST_RATE},
    {VIEW_TEMPLATES, CHAR('n'), REQUEST_NEW},     {VIEW_TEMPLATES, CHAR('e'), REQUEST_EDITOR},
    {VIEW_TEMPLATES, CHAR('c'), REQUEST_DUPLICATE}, {VIEW_TEMPLATES, CHAR('m'), REQUEST_RENAME},
    {VIEW_TEMPLATES, CHAR('s'), REQUEST_SWEEP},   {VIEW_TEMPLATES, CHAR('w'), REQUEST_SAVE},
    {VIEW_TRAINING, CHAR('a'), REQUEST_ADD},      {VIEW_TRAINING, CHAR('n'), REQUEST_NEW},
    {VIEW_TRAINING, CHAR('R'), REQUEST_RESUME},

    // Hints name the first key: many terminals keep F1 and F10 for themselves.
    {ANY, CHAR('?'), REQUEST_HELP},
    {ANY, CHAR('q'), REQUEST_QUIT},
    {ANY, F(1), REQUEST_HELP},
    {ANY, F(2), REQUEST_LIVE},
    {ANY, F(3), REQUEST_GALLERY},
    {ANY, F(4), REQUEST_TEMPLATES},
    {ANY, F(5), REQUEST_MODELS},
    {ANY, F(6), REQUEST_TRAINING},
    {ANY, F(7), REQUEST_LOG},
    {ANY, F(8), REQUEST_HELP},
    {ANY, F(9), REQUEST_DRAW},
    {ANY, F(10), REQUEST_QUIT},
    {ANY, CTRL('G'), REQUEST_DRAW},
    {ANY, CTRL('L'), REQUEST_REDRAW},
    {ANY, CHAR(':'), REQUEST_COMMAND},
    {ANY, CHAR('1'), REQUEST_COMPOSE},
    {ANY, CHAR('2'), REQUEST_LIVE},
    {ANY, CHAR('3'), REQUEST_GALLERY},
    {ANY, CHAR('4'), REQUEST_TEMPLATES},
    {ANY, CHAR('5'), REQUEST_MODELS},
    {ANY, CHAR('6'), REQUEST_TRAINING},
    {ANY, CHAR('7'), REQUEST_LOG},
    {ANY, CHAR('8'), REQUEST_HELP},
    {ANY, CTRL('I'), REQUEST_NEXT_PANE},
    {ANY, CODE(KEY_BTAB), REQUEST_PREVIOUS_PANE},
    {ANY, CODE(KEY_UP), REQUEST_UP},
    {ANY, CODE(KEY_DOWN), REQUEST_DOWN},
    {ANY, CODE(KEY_LEFT), REQUEST_LEFT},
    {ANY, CODE(KEY_RIGHT), REQUEST_RIGHT},
    {ANY, CHAR('k'), REQUEST_UP},
    {ANY, CHAR('j'), REQUEST_DOWN},
    {ANY, CHAR('h'), REQUEST_LEFT},
    {ANY, CHAR('l'), REQUEST_RIGHT},
    {ANY, CODE(KEY_PPAGE), REQUEST_PAGE_UP},
    {ANY, CODE(KEY_NPAGE), REQUEST_PAGE_DOWN},
    {ANY, CTRL('B'), REQUEST_PAGE_UP},
    {ANY, CTRL('F'), REQUEST_PAGE_DOWN},
    {ANY, CTRL('U'), REQUEST_PAGE_UP},
    {ANY, CTRL('D'), REQUEST_PAGE_DOWN},
    {ANY, CODE(KEY_HOME), REQUEST_FIRST},
    {ANY, CODE(KEY_END), REQUEST_LAST},
    {ANY, CHAR('g'), REQUEST_FIRST},
    {ANY, CHAR('G'), REQUEST_LAST},
    {ANY, CHAR('\r'), REQUEST_ENTER},
    {ANY, CHAR(27), REQUEST_BACK},
    {ANY, CODE(KEY_BACKSPACE), REQUEST_BACK},
    {ANY, CHAR('['), REQUEST_EARLIER},
    {ANY, CHAR(']'), REQUEST_LATER},
    {ANY, CHAR('W'), REQUEST_WINDOW},
    {ANY, CHAR('/'), REQUEST_FILTER},
    {ANY, CHAR('x'), REQUEST_REMOVE},
    {ANY, CHAR('d'), REQUEST_REMOVE},
    {ANY, CODE(KEY_DC), REQUEST_REMOVE},
    {ANY, CHAR('u'), REQUEST_UNDO},
    {ANY, CHAR('r'), REQUEST_REPEAT},
    {ANY, CHAR('o'), REQUEST_OPEN},
    {ANY, CHAR('S'), REQUEST_START},
    {ANY, CHAR('M'), REQUEST_MASK},
    {ANY, CHAR('U'), REQUEST_UPSCALE},
    {ANY, CHAR('v'), REQUEST_VARY},
    {ANY, CHAR('L'), REQUEST_LOCK},
    {ANY, CHAR('y'), REQUEST_COPY},
    {ANY, CHAR('E'), REQUEST_EXPORT},
    {ANY, CHAR('O'), REQUEST_VIEWER},
};

static const struct {
    const char *name, *help;
} requests[REQUEST_COUNT] = {
    {"", ""},
#define REQUEST(id, name, help) {name, help},
#include "app/ui/requests.def"
#undef REQUEST
};

static struct binding bindings[BINDINGS_MAX];
static int binding_count;

static void
begin(void)
{
    if (binding_count)
        return;
    memcpy(bindings, as_they_come, sizeof as_they_come);
    binding_count = (int)COUNT_OF(as_they_come);
}

// Whether the key makes requests even while text is being written: characters do not.
static bool
is_always(const struct binding *b)
{
    return b->code || b->key < 32;
}

enum request
key_request(enum view_id view, wint_t key, bool code, bool typing)
{
    begin();
    bool enter = code ? key == KEY_ENTER : key == '\n'; // Enter has three codes
    key = enter ? '\r' : key;
    code = code && !enter;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < binding_count; i++) {
            const struct binding *b = &bindings[i];
            if (b->view == (pass ? (int)ANY : (int)view) && b->key == key && b->code == code &&
                (is_always(b) || !typing))
                return b->request;
        }
    return REQUEST_NONE;
}

void
keys_clear(int view, enum request request)
{
    int n = 0;
    begin();
    for (int i = 0; i < binding_count; i++)
        if (bindings[i].view != view || bindings[i].request != request)
            bindings[n++] = bindings[i];
    binding_count = n;
}

bool
keys_bind(int view, wint_t key, bool code, enum request request)
{
    int n = 0;
    begin();
    for (int i = 0; i < binding_count; i++)
        if (bindings[i].view != view || bindings[i].key != key || bindings[i].code != code)
            bindings[n++] = bindings[i];
    binding_count = n;
    if (n == BINDINGS_MAX)
        return false;
    bindings[binding_count++] = (struct binding){view, key, code, request};
    return true;
}

const char *
request_name(enum request r)
{
    return requests[r].name;
}

const char *
request_help(enum request r)
{
    return requests[r].help;
}

enum request
request_find(const char *name)
{
    for (int i = 1; i < REQUEST_COUNT; i++)
        if (strcmp(requests[i].name, name) == 0)
            return (enum request)i;
    return REQUEST_NONE;
}

// Appends the key's name, unless it is there already.
static void
put_name(const struct binding *b, char *out, size_t size)
{
    char name[KEY_NAME_TEXT];
    key_to_name(b->key, b->code, name);
    size_t used = strlen(out);
    char *same = strstr(out, name);
    bool known = same && (same == out || same[-1] == ' ') &&
                 (!same[strlen(name)] || same[strlen(name)] == ' ');
    if (*name && !known)
        snprintf(out + used, size - used, "%s%s", used ? " " : "", name);
}

const char *
keys_of(int view, enum request request)
{
    static char out[120];
    out[0] = 0;
    begin();
    for (int i = 0; i < binding_count; i++)
        if (bindings[i].view == view && bindings[i].request == request)
            put_name(&bindings[i], out, sizeof out);
    return out;
}

const char *
request_keys(enum view_id view, enum request r)
{
    static char out[120];
    out[0] = 0;
    begin();
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < binding_count; i++) {
            const struct binding *b = &bindings[i];
            if (b->request == r && b->view == (pass ? (int)ANY : (int)view) &&
                key_request(view, b->key, b->code, false) == r)
                put_name(b, out, sizeof out);
        }
    return out;
}
