// SPDX-License-Identifier: MIT
// Which key asks for what. Rows for one view go before those for all.
#include <curses.h>
#include <stdio.h>
#include <string.h>

#include "app/ui/ui.h"
#include "engine/base/mem.h"

enum { ANY = VIEW_COUNT, C = 0x1f };

struct binding {
    int view;
    wint_t key;
    bool code;   // a KEY_ value
    bool always; // also while a text is being written
    enum request request;
};

#define F(n) KEY_F(n), true, true
#define CHAR(c) (c), false, false
#define CTRL(c) ((c) & C), false, true
#define CODE(k) (k), true, true

static const struct binding bindings[] = {
    {VIEW_COMPOSE, CHAR('a'), REQUEST_ADD},       {VIEW_COMPOSE, CHAR(' '), REQUEST_ADD},
    {VIEW_COMPOSE, CHAR('i'), REQUEST_INSTRUCTION}, {VIEW_COMPOSE, CHAR('p'), REQUEST_PARAMETERS},
    {VIEW_COMPOSE, CHAR('n'), REQUEST_NEW},       {VIEW_COMPOSE, CTRL('X'), REQUEST_EDITOR},
    {VIEW_COMPOSE, CHAR('e'), REQUEST_EDITOR},    {VIEW_COMPOSE, CHAR('w'), REQUEST_SAVE},
    {VIEW_LIVE, CHAR('c'), REQUEST_CLEAR},       {VIEW_LIVE, CHAR('R'), REQUEST_RESUME},
    {VIEW_LIVE, CODE(KEY_LEFT), REQUEST_EARLIER}, {VIEW_LIVE, CODE(KEY_RIGHT), REQUEST_LATER},
    {VIEW_GALLERY, CHAR('t'), REQUEST_TAG},       {VIEW_GALLERY, CHAR('s'), REQUEST_SORT},
    {VIEW_GALLERY, CHAR('c'), REQUEST_MARK},      {VIEW_GALLERY, CHAR('*'), REQUEST_RATE},
    {VIEW_TEMPLATES, CHAR('s'), REQUEST_SWEEP},   {VIEW_TEMPLATES, CHAR('w'), REQUEST_SAVE},
    {VIEW_TRAINING, CHAR('a'), REQUEST_ADD},      {VIEW_TRAINING, CHAR('n'), REQUEST_NEW},
    {VIEW_TRAINING, CHAR('R'), REQUEST_RESUME},

    {ANY, F(1), REQUEST_HELP},
    {ANY, F(2), REQUEST_COMPOSE},
    {ANY, F(3), REQUEST_LIVE},
    {ANY, F(4), REQUEST_GALLERY},
    {ANY, F(5), REQUEST_TEMPLATES},
    {ANY, F(6), REQUEST_MODELS},
    {ANY, F(7), REQUEST_TRAINING},
    {ANY, F(8), REQUEST_LOG},
    {ANY, F(9), REQUEST_DRAW},
    {ANY, F(10), REQUEST_QUIT},
    {ANY, CTRL('G'), REQUEST_DRAW},
    {ANY, CTRL('L'), REQUEST_REDRAW},
    {ANY, CHAR('?'), REQUEST_HELP},
    {ANY, CHAR(':'), REQUEST_COMMAND},
    {ANY, CHAR('q'), REQUEST_QUIT},
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
    {ANY, CODE(KEY_HOME), REQUEST_FIRST},
    {ANY, CODE(KEY_END), REQUEST_LAST},
    {ANY, CHAR('g'), REQUEST_FIRST},
    {ANY, CHAR('G'), REQUEST_LAST},
    {ANY, '\r', false, true, REQUEST_ENTER},
    {ANY, '\n', false, true, REQUEST_ENTER},
    {ANY, CODE(KEY_ENTER), REQUEST_ENTER},
    {ANY, 27, false, true, REQUEST_BACK},
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
};

static const struct {
    const char *name, *help;
} requests[REQUEST_COUNT] = {
    {"", ""},
#define REQUEST(id, name, help) {name, help},
#include "app/ui/requests.def"
#undef REQUEST
};

enum request
key_request(enum view_id view, wint_t key, bool code, bool typing)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < COUNT_OF(bindings); i++) {
            const struct binding *b = &bindings[i];
            if (b->view == (pass ? (int)ANY : (int)view) && b->key == key && b->code == code &&
                (b->always || !typing))
                return b->request;
        }
    return REQUEST_NONE;
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

static void
put_key_name(const struct binding *b, char *out, size_t size)
{
    static const struct {
        wint_t key;
        const char *name;
    } names[] = {{KEY_UP, "Up"},       {KEY_DOWN, "Down"},        {KEY_LEFT, "Left"},
                 {KEY_RIGHT, "Right"}, {KEY_PPAGE, "PgUp"},       {KEY_NPAGE, "PgDn"},
                 {KEY_HOME, "Home"},   {KEY_END, "End"},          {KEY_BTAB, "S-Tab"},
                 {KEY_DC, "Del"},      {KEY_BACKSPACE, "Backsp"}, {KEY_ENTER, "Enter"}};
    if (b->code && b->key >= KEY_F(1) && b->key <= KEY_F(12)) {
        snprintf(out, size, "F%d", (int)(b->key - KEY_F0));
        return;
    }
    for (size_t i = 0; b->code && i < COUNT_OF(names); i++)
        if (names[i].key == b->key)
            snprintf(out, size, "%s", names[i].name);
    if (b->code)
        return;
    if (b->key == '\t')
        snprintf(out, size, "Tab");
    else if (b->key == '\r' || b->key == '\n')
        snprintf(out, size, "Enter");
    else if (b->key == 27)
        snprintf(out, size, "Esc");
    else if (b->key == ' ')
        snprintf(out, size, "Space");
    else if (b->key < 32)
        snprintf(out, size, "^%c", (char)(b->key + 64));
    else
        snprintf(out, size, "%c", (char)b->key);
}

const char *
request_keys(enum view_id view, enum request r)
{
    static char out[80];
    out[0] = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < COUNT_OF(bindings); i++) {
            const struct binding *b = &bindings[i];
            char name[16] = "";
            if (b->request != r || b->view != (pass ? (int)ANY : (int)view) ||
                key_request(view, b->key, b->code, false) != r)
                continue;
            put_key_name(b, name, sizeof name);
            size_t used = strlen(out);
            char *same = strstr(out, name); // Enter has several codes
            bool known = same && (same == out || same[-1] == ' ') &&
                         (!same[strlen(name)] || same[strlen(name)] == ' ');
            if (*name && !known)
                snprintf(out + used, sizeof out - used, "%s%s", used ? " " : "", name);
        }
    return out;
}
