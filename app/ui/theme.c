// SPDX-License-Identifier: MIT
#include "app/ui/theme.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curses.h>

#include "app/base/places.h"
#include "app/base/suggest.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

static const char *const role_names[] = {
#define ROLE(id, name, help) name,
#include "app/ui/roles.def"
#undef ROLE
    NULL,
};

static const char *const colour_names[] = {
    "black",        "red",        "green",        "yellow",        "blue",
    "magenta",      "cyan",       "white",        "bright-black",  "bright-red",
    "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
    "bright-white", NULL,
};

// --- reading

static int
index_of(const char *word, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    return -1;
}

static bool
parse_colour(const char *word, int32_t *out)
{
    char *end;
    int named = index_of(word, colour_names);
    if (strcmp(word, "default") == 0) {
        *out = COLOUR_DEFAULT;
    } else if (named >= 0) {
        *out = COLOUR_NAMED + named;
    } else if (word[0] == '#' && strlen(word) == 7) {
        *out = (int32_t)strtol(word + 1, &end, 16);
        return *end == 0;
    } else {
        return false;
    }
    return true;
}

struct file_position {
    const char *path;
    int line;
    const char *start; // of the line
};

static bool
fault(const struct file_position *at, const char *word, const char *const *names, const char *what,
      struct err *err)
{
    const char *near = names ? suggest(word, names) : NULL;
    return err_set(err, ERR_INPUT, "%s:%d: '%.40s' is not a %s%s%s%s", at->path, at->line, word,
                   what, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool
parse_style(struct theme_style *s, char *text, const struct file_position *at, struct err *err)
{
    static const char *const words[] = {"bold", "underline", "reverse", "dim", "on", NULL};
    bool *flags[] = {&s->bold, &s->underline, &s->reverse, &s->dim};
    char *rest = NULL;
    bool background = false;
    for (char *w = strtok_r(text, " \t", &rest); w; w = strtok_r(NULL, " \t", &rest)) {
        int flag = index_of(w, words);
        if (flag == 4) {
            background = true;
        } else if (flag >= 0) {
            *flags[flag] = true;
        } else if (!parse_colour(w, background ? &s->bg : &s->fg)) {
            return fault(at, w, colour_names, "colour (#rrggbb, a name, default) or attribute",
                         err);
        }
    }
    return true;
}

static bool
parse_line(struct theme *t, bool *set, char *line, const struct file_position *at, struct err *err)
{
    line += strspn(line, " \t");
    if (!*line || *line == ';' || (*line == '#' && !strchr(line, '=')))
        return true;
    char *equals = strchr(line, '=');
    if (!equals)
        return err_set(err, ERR_INPUT, "%s:%d: '%.40s' is not a line 'role = colours'", at->path,
                       at->line, line);
    char *end = equals;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    int role = index_of(line, role_names);
    if (role < 0)
        return fault(at, line, role_names, "role", err);
    t->styles[role] = (struct theme_style){.fg = COLOUR_DEFAULT, .bg = COLOUR_NAMED + 99};
    set[role] = true;
    return parse_style(&t->styles[role], equals + 1, at, err);
}

bool
theme_read(struct theme *t, const char *path, struct err *err)
{
    bool set[ROLE_COUNT] = {false}, ok = true;
    *t = (struct theme){0};
    const char *slash = strrchr(path, '/'), *stem = slash ? slash + 1 : path;
    snprintf(t->name, sizeof t->name, "%.*s", (int)strcspn(stem, "."), stem);
    char *text = file_read(path, LIMIT_THEME_BYTES, NULL, err);
    struct file_position at = {.path = path};
    for (char *line = text, *next; ok && line && *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        line[n] = 0;
        at.line++;
        ok = parse_line(t, set, line, &at, err);
    }
    struct theme_style *plain = &t->styles[ROLE_TEXT];
    if (!set[ROLE_TEXT])
        *plain = (struct theme_style){.fg = COLOUR_DEFAULT, .bg = COLOUR_DEFAULT};
    if (plain->bg == COLOUR_NAMED + 99)
        plain->bg = COLOUR_DEFAULT;
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (!set[i])
            t->styles[i] = *plain;
        else if (t->styles[i].bg == COLOUR_NAMED + 99) // not given: the text's background
            t->styles[i].bg = plain->bg;
    }
    free(text);
    return text && ok;
}

// --- finding

static char **
theme_folders(void)
{
    char **shared = places_of("themes"), **out = mem_zalloc(5 * sizeof *out);
    int n = 0;
    out[n++] = xdg_path(XDG_CONFIG, "themes");
    for (int i = 0; shared[i] && n < 4; i++)
        out[n++] = mem_strdup(shared[i]);
    places_free(shared);
    return out;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **
theme_names(void)
{
    char **places = theme_folders(), **names = NULL;
    int count = 0, capacity = 0;
    for (int i = 0; places[i]; i++) {
        DIR *d = opendir(places[i]);
        for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
            const char *dot = strrchr(e->d_name, '.');
            if (!dot || strcmp(dot, ".theme") != 0 || e->d_name[0] == '.')
                continue;
            char *name = mem_strndup(e->d_name, (size_t)(dot - e->d_name));
            bool known = false;
            for (int k = 0; k < count; k++)
                known = known || strcmp(names[k], name) == 0;
            if (known)
                free(name);
            else
                ARRAY_PUSH(names, count, capacity, name);
        }
        if (d)
            closedir(d);
    }
    if (count)
        qsort(names, (size_t)count, sizeof *names, compare_names);
    ARRAY_PUSH(names, count, capacity, NULL);
    places_free(places);
    return names;
}

bool
theme_find(struct theme *t, const char *name, struct err *err)
{
    if (strchr(name, '/'))
        return theme_read(t, name, err);
    char **places = theme_folders(), *found = NULL;
    for (int i = 0; places[i] && !found; i++) {
        found = mem_printf("%s/%s.theme", places[i], name);
        if (!file_exists(found)) {
            free(found);
            found = NULL;
        }
    }
    bool ok = found && theme_read(t, found, err);
    if (!found) {
        char **names = theme_names(), all[300] = "";
        for (int i = 0; names[i]; i++) {
            size_t used = strlen(all);
            snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
        }
        places_free(names);
        err_set(err, ERR_INPUT, "there is no theme '%.40s' (there are: %s)", name, all);
    }
    free(found);
    places_free(places);
    return ok;
}

// --- colours

static const uint32_t sixteen[16] = {0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD,
                                     0x00CDCD, 0xE5E5E5, 0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00,
                                     0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF};

static uint32_t
colour_at(int i)
{
    static const int levels[6] = {0, 95, 135, 175, 215, 255};
    if (i < 16)
        return sixteen[i];
    if (i >= 232)
        return (uint32_t)(8 + 10 * (i - 232)) * 0x010101u;
    i -= 16;
    return (uint32_t)(levels[i / 36] << 16 | levels[i / 6 % 6] << 8 | levels[i % 6]);
}

static double
linear(double v)
{
    v /= 255;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double
lab_curve(double t)
{
    return t > 0.008856 ? cbrt(t) : 7.787 * t + 16.0 / 116;
}

static void
to_lab(uint32_t rgb, double lab[3])
{
    double r = linear(rgb >> 16 & 255), g = linear(rgb >> 8 & 255), b = linear(rgb & 255);
    double x = lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    double y = lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
    double z = lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    lab[0] = 116 * y - 16;
    lab[1] = 500 * (x - y);
    lab[2] = 200 * (y - z);
}

int
theme_nearest(uint32_t rgb, int colours)
{
    double target[3], candidate[3], least = 1e30;
    int best = 0;
    to_lab(rgb, target);
    // Of 256, the first sixteen are left out: users change them.
    for (int i = colours >= 256 ? 16 : 0; i < MIN(colours, 256); i++) {
        to_lab(colour_at(i), candidate);
        double d = pow(target[0] - candidate[0], 2) + pow(target[1] - candidate[1], 2) +
                   pow(target[2] - candidate[2], 2);
        if (d < least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static attr_t attributes[ROLE_COUNT];
static int pairs[ROLE_COUNT], message_pairs[ROLE_COUNT], filler_pair, popup_key_pair;

static int
curses_colour(int32_t colour)
{
    if (colour == COLOUR_DEFAULT)
        return -1;
    if (colour >= COLOUR_NAMED) {
        int n = colour - COLOUR_NAMED;
        return n < COLORS ? n : n % 8;
    }
    if (COLORS >= 1 << 24)
        return colour >= 8 ? colour : 8; // even with direct colours, 0 to 7 are the terminal's own
    return theme_nearest((uint32_t)colour, COLORS >= 256 ? 256 : COLORS >= 16 ? 16 : 8);
}

// Styles for terminals of 8 or 16 colours, whose shades the user has set. A theme's shades would
// become mere black and white there, so roles have the usual named colours on the terminal's own
// background. Roles to which a theme gives only named colours keep them.
enum { BLACK = COLOUR_NAMED, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };
static const struct theme_style few[ROLE_COUNT] = {
    [ROLE_TEXT] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_DIM] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_TITLE] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_TAB] = {CYAN, COLOUR_DEFAULT, .reverse = true},
    [ROLE_BORDER] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_FOCUS] = {CYAN, COLOUR_DEFAULT, .bold = true},
    [ROLE_HEADING] = {COLOUR_DEFAULT, COLOUR_DEFAULT, .bold = true},
    [ROLE_SELECTION] = {CYAN, COLOUR_DEFAULT, .reverse = true},
    [ROLE_SELECTED] = {COLOUR_DEFAULT, COLOUR_DEFAULT, .bold = true},
    [ROLE_MARKER] = {GREEN, COLOUR_DEFAULT, .bold = true},
    [ROLE_FAULT] = {RED, COLOUR_DEFAULT, .bold = true, .underline = true},
    [ROLE_STATUS] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_GOOD] = {GREEN, COLOUR_DEFAULT},
    [ROLE_ERROR] = {RED, COLOUR_DEFAULT, .bold = true},
    [ROLE_WARNING] = {YELLOW, COLOUR_DEFAULT},
    [ROLE_KEY] = {YELLOW, COLOUR_DEFAULT},
    [ROLE_INPUT] = {COLOUR_DEFAULT, COLOUR_DEFAULT, .reverse = true},
    [ROLE_POPUP] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_GAUGE] = {GREEN, COLOUR_DEFAULT, .reverse = true},
    [ROLE_GAUGE_REST] = {COLOUR_DEFAULT, COLOUR_DEFAULT},
    [ROLE_FOLDER] = {BLUE, COLOUR_DEFAULT, .bold = true},
    [ROLE_RATING] = {YELLOW, COLOUR_DEFAULT},
    [ROLE_CURVE] = {CYAN, COLOUR_DEFAULT},
};

static bool
is_shade(int32_t colour)
{
    return colour >= 0 && colour < COLOUR_NAMED;
}

// Whether the theme's background is light.
static bool
is_light(const struct theme *t)
{
    int32_t ground = t->styles[ROLE_TEXT].bg;
    return is_shade(ground) && (ground >> 8 & 255) > 128;
}

// Replaces yellow, cyan and green, which are hard to see on a light background.
static int32_t
darken(int32_t colour)
{
    return colour == YELLOW ? MAGENTA : colour == CYAN || colour == GREEN ? BLUE : colour;
}

// The role's style as this terminal can show it.
static struct theme_style
supported_style(const struct theme *t, int role)
{
    struct theme_style s = t->styles[role];
    if (COLORS >= 256 || !(is_shade(s.fg) || is_shade(s.bg)))
        return s;
    s = few[role];
    s.fg = is_light(t) ? darken(s.fg) : s.fg;
    return s;
}

static int
make_pair(int number, int32_t fg, int32_t bg)
{
    return init_extended_pair(number, curses_colour(fg), curses_colour(bg)) == OK ? number : 0;
}

// Whether the role is a message's: it has its own background in the message line, elsewhere the
// text's.
static bool
is_of_message(int role)
{
    return role == ROLE_GOOD || role == ROLE_ERROR || role == ROLE_WARNING;
}

void
theme_apply(const struct theme *t, bool mono)
{
    bool colours = !mono && has_colors();
    for (int i = 0; i < ROLE_COUNT; i++) {
        struct theme_style s = colours ? supported_style(t, i) : t->styles[i];
        int32_t ground = is_of_message(i) ? supported_style(t, ROLE_TEXT).bg : s.bg;
        attributes[i] = (s.bold ? A_BOLD : 0) | (s.underline ? A_UNDERLINE : 0) |
                        (s.reverse ? A_REVERSE : 0) | (colours && s.dim ? A_DIM : 0);
        pairs[i] = colours ? make_pair(i + 1, s.fg, ground) : 0;
        message_pairs[i] = colours ? make_pair(i + 1 + ROLE_COUNT, s.fg, s.bg) : 0;
    }
    struct theme_style text = supported_style(t, ROLE_TEXT);
    filler_pair = colours ? make_pair(2 * ROLE_COUNT + 1, text.fg, text.bg) : 0;
    popup_key_pair = colours ? make_pair(2 * ROLE_COUNT + 2, supported_style(t, ROLE_KEY).fg,
                                         supported_style(t, ROLE_POPUP).bg)
                             : 0;
    if (!colours) { // attributes replace colours
        static const enum role reversed[] = {ROLE_TAB, ROLE_SELECTION, ROLE_INPUT, ROLE_GAUGE};
        static const enum role bold[] = {ROLE_FOCUS, ROLE_KEY, ROLE_MARKER, ROLE_ERROR,
                                         ROLE_FOLDER};
        for (size_t i = 0; i < COUNT_OF(reversed); i++)
            attributes[reversed[i]] |= A_REVERSE;
        for (size_t i = 0; i < COUNT_OF(bold); i++)
            attributes[bold[i]] |= A_BOLD;
        attributes[ROLE_FAULT] |= A_UNDERLINE;
        attributes[ROLE_SELECTED] |= A_UNDERLINE;
    }
    cchar_t ground;
    setcchar(&ground, L" ", attributes[ROLE_TEXT], (short)pairs[ROLE_TEXT], NULL);
    bkgrndset(&ground);
}

void
theme_use(enum role role)
{
    attr_set(attributes[role], (short)pairs[role], NULL);
}

short
theme_filler(void)
{
    return (short)filler_pair;
}

void
theme_use_message(enum role role)
{
    attr_set(attributes[role], (short)message_pairs[role], NULL);
}

void
theme_use_popup_key(void)
{
    attr_set(attributes[ROLE_KEY], (short)popup_key_pair, NULL);
}

uint32_t
theme_background(const struct theme *t)
{
    int32_t bg = supported_style(t, ROLE_TEXT).bg;
    if (bg == COLOUR_DEFAULT) // the terminal's own, which presumably suits the theme
        return is_light(t) ? 0xFFFFFF : 0;
    if (bg >= COLOUR_NAMED)
        return sixteen[(bg - COLOUR_NAMED) & 15];
    // As the text's background is shown.
    return COLORS >= 1 << 24 ? (uint32_t)bg : colour_at(curses_colour(bg));
}

uint32_t
theme_colour(int number, uint32_t own)
{
    if (number < 0)
        return own;
    return number < 256 && COLORS < 1 << 24 ? colour_at(number)
           : number < 8                     ? sixteen[number]
                                            : (uint32_t)number;
}
