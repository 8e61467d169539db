// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/key_names.h"

#include <ctype.h>
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "engine/base/mem.h"

enum { FUNCTION_KEYS = 12 };

// A name stands for the first key that has it; the others are only shown by it.
static const struct {
    wint_t key;
    bool code;
    const char *name;
} names[] = {{'\r', false, "Enter"},           {'\n', false, "Enter"},
             {KEY_ENTER, true, "Enter"},       {27, false, "Esc"},
             {'\t', false, "Tab"},             {KEY_BTAB, true, "S-Tab"},
             {' ', false, "Space"},            {KEY_BACKSPACE, true, "Backsp"},
             {KEY_DC, true, "Del"},            {KEY_IC, true, "Ins"},
             {KEY_UP, true, "Up"},             {KEY_DOWN, true, "Down"},
             {KEY_LEFT, true, "Left"},         {KEY_RIGHT, true, "Right"},
             {KEY_PPAGE, true, "PgUp"},        {KEY_NPAGE, true, "PgDn"},
             {KEY_HOME, true, "Home"},         {KEY_END, true, "End"}};

void
key_to_name(wint_t key, bool code, char out[KEY_NAME_TEXT])
{
    out[0] = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].key == key && names[i].code == code) {
            snprintf(out, KEY_NAME_TEXT, "%s", names[i].name);
            return;
        }
    if (code && key >= KEY_F(1) && key <= KEY_F(FUNCTION_KEYS))
        snprintf(out, KEY_NAME_TEXT, "F%d", (int)(key - KEY_F0));
    else if (!code && key < 32)
        snprintf(out, KEY_NAME_TEXT, "^%c", (char)(key + 64));
    else if (!code && text_printable((wchar_t)key))
        out[text_put((wchar_t)key, out)] = 0;
}

bool
key_from_name(const char *name, wint_t *key, bool *code)
{
    wchar_t c = 0;
    *code = false;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcasecmp(names[i].name, name) == 0) {
            *key = names[i].key;
            *code = names[i].code;
            return true;
        }
    if (name[0] == '^' && name[1] >= '@' && name[1] <= '_' && !name[2]) {
        *key = (wint_t)(name[1] - 64);
        return true;
    }
    if (name[0] == 'F' && isdigit((unsigned char)name[1])) {
        char *end;
        long n = strtol(name + 1, &end, 10);
        if (*end || n < 1 || n > FUNCTION_KEYS)
            return false;
        *code = true;
        *key = (wint_t)KEY_F(n);
        return true;
    }
    size_t n = text_char(name, &c);
    *key = (wint_t)c;
    return *name && c && !name[n] && text_printable(c);
}
