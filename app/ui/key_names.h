// SPDX-License-Identifier: MIT
// Names of keys in hints, the help, key files and scripts: `a`, `Space`, `Enter`, `Esc`, `Tab`,
// `S-Tab`, `^G`, `F9`, `Up`, `PgDn`, `Home`, `Del`, `Backsp` …
#ifndef LIMN_APP_UI_KEY_NAMES_H
#define LIMN_APP_UI_KEY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

enum { KEY_NAME_TEXT = 16 }; // bytes of the longest name, its 0 included

// The name of a key from curses: a KEY_ value if `code`, else a character. "" if it has none.
void key_to_name(wint_t key, bool code, char out[KEY_NAME_TEXT]);
// The inverse; false: not the name of a key. For keys with several codes (Enter) the character.
bool key_from_name(const char *name, wint_t *key, bool *code);

#endif
