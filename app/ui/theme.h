// SPDX-License-Identifier: MIT
// Themes: what each role of roles.def looks like. Text files of lines `role = fg [on bg] [bold]
// [underline] [reverse] [dim]`; colours are `#rrggbb`, one of the terminal's sixteen by name
// (`red`, `bright-red` …) or `default`. docs/themes.md.
#ifndef LIMN_APP_UI_THEME_H
#define LIMN_APP_UI_THEME_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"

enum role {
#define ROLE(id, name, help) ROLE_##id,
#include "app/ui/roles.def"
#undef ROLE
    ROLE_COUNT
};

enum { COLOUR_DEFAULT = -1, COLOUR_NAMED = 1 << 24 }; // COLOUR_NAMED + 0..15: the terminal's own

struct theme_style {
    int32_t fg, bg; // 0xRRGGBB, COLOUR_DEFAULT or COLOUR_NAMED + n
    bool bold, underline, reverse, dim;
};

struct theme {
    char name[64];
    struct theme_style styles[ROLE_COUNT];
};

// Roles that a file does not name look like `text`. ERR_INPUT: "FILE:LINE: …".
bool theme_read(struct theme *t, const char *path, struct err *err);
// `name`: of a theme ("dark") in $XDG_CONFIG_HOME/limn/themes, the source tree's themes/ or the
// installed ones; or a path. ERR_INPUT lists the names.
bool theme_find(struct theme *t, const char *name, struct err *err);
// Names, each once, sorted; NULL at the end. Freed with places_free().
char **theme_names(void);

// The nearest of 8, 16 or 256 terminal colours, by distance in CIE L*a*b*. Of 256 the first 16,
// which users change, are left out.
int theme_nearest(uint32_t rgb, int colours);

// Creates the colour pairs; call it after curses has started. `mono`: no colours, only bold,
// underline and reverse.
void theme_apply(const struct theme *t, bool mono);
// Switches curses' standard screen to a role.
void theme_use(enum role role);
void theme_use_message(enum role role); // the same, with the message line's background
void theme_use_popup_key(void); // ROLE_KEY with ROLE_POPUP's background
// A colour pair that looks like text's but has another number, for cells under pictures; 0 without
// colours.
short theme_filler(void);
// Background of text, 0xRRGGBB as this terminal shows it; if it is the terminal's own, white for a
// light theme, else black. Call it after theme_apply().
uint32_t theme_background(const struct theme *t);

// The colour with that number in curses, 0xRRGGBB as terminals usually show it; `own` for the
// terminal's default (-1). Call it after theme_apply().
uint32_t theme_colour(int number, uint32_t own);

#endif
