// SPDX-License-Identifier: MIT
// Names of keys, as the hints, the help, key files and scripts have them: `a`, `Space`, `Enter`,
// `Esc`, `Tab`, `S-Tab`, `^G`, `F9`, `Up`, `PgDn`, `Home`, `Del`, `Backsp` …
#ifndef LIMN_APP_UI_KEY_NAMES_H
#define LIMN_APP_UI_KEY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

enum { KEY_NAME_TEXT = 16 }; // bytes of the longest name, its 0 included

// A key as curses gives it: `code` a KEY_ value, else a character. "" when it has no name.
void key_to_name(wint_t key, bool code, char out[KEY_NAME_TEXT]);
// The other way; false: it is no key's name. Of keys with several codes (Enter) the character.
bool key_from_name(const char *name, wint_t *key, bool *code);

#endif
