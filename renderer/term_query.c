// SPDX-License-Identifier: MIT
#include "renderer/term_query.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum {
    OUT_OF_ORDER_MS = 50,  // for an answer out of order
    NO_ANSWER_BYTES = 256, // more at once are neither an answer nor typed
};

#define QUERY_KITTY "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
#define QUERY_BACKGROUND "\033]11;?\033\\"

// One control sequence, or a key, being read.
struct parser {
    char text[64];
    size_t n;
    bool done; // DA1's answer has come, the last of each round
};

static int64_t
milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
save_typed(struct term_info *info, const char *text, size_t n)
{
    if (n > sizeof info->typed - info->typed_count)
        n = sizeof info->typed - info->typed_count;
    memcpy(info->typed + info->typed_count, text, n);
    info->typed_count += n;
}

// The first number of DA1's answer is the terminal's class, the others its abilities.
static bool
has_attribute(const char *text, int wanted)
{
    for (const char *p = strchr(text, ';'); p; p = strchr(p + 1, ';')) {
        int number = 0, used = 0;
        if (sscanf(p + 1, "%d%n", &number, &used) == 1 && number == wanted)
            return true;
    }
    return false;
}

// Whether "11;rgb:RRRR/GGGG/BBBB" is a light colour; one to four hexadecimal digits each
// (XParseColor).
static bool
is_light(const char *text)
{
    double sum = 0;
    const char *at = text + strlen("11;rgb:");
    for (int i = 0; i < 3; i++) {
        static const double weight[] = {0.3, 0.59, 0.11};
        size_t digits = strspn(at, "0123456789abcdefABCDEF");
        unsigned value = 0;
        if (digits < 1 || digits > 4 || sscanf(at, "%4x", &value) != 1)
            return false;
        sum += weight[i] * value / ((1u << 4 * digits) - 1);
        at += digits + (at[digits] == '/');
    }
    return sum > 0.5;
}

// Takes a cell's size if it is plausible.
static void
set_cell_size(struct term_info *info, int width, int height)
{
    if (height < 4 || height > 200 || width < 2 || width > 100)
        return;
    info->cell_width = width;
    info->cell_height = height;
}

// Takes a whole sequence: ESC [ … final, or a string. True if it was an answer.
static bool
parse_answer(struct parser *p, struct term_info *info)
{
    int a = 0, b = 0;
    char final = p->text[p->n - 1];
    p->text[p->n] = 0;
    const char *text = p->text + 2;
    if (p->text[1] == '_') {
        if (strncmp(text, "Gi=31;OK", 8) == 0)
            info->kitty = true;
        return text[0] == 'G';
    }
    if (p->text[1] == ']') {
        bool ground = strncmp(text, "11;rgb:", 7) == 0;
        info->light = ground ? is_light(text) : info->light;
        return ground;
    }
    if (final == 'n' && strcmp(text, "0n") == 0 && info->outstanding > 0) {
        info->outstanding--;
        return p->done = true;
    }
    if (final == 'c' && text[0] == '?') {
        info->answered = p->done = true;
        info->outstanding -= info->outstanding > 0;
        info->sixel = has_attribute(text, 4);
        return true;
    }
    if (final == 't' && sscanf(text, "6;%d;%dt", &a, &b) == 2) {
        info->cell_size_known = true;
        set_cell_size(info, b, a);
        return true;
    }
    if (final == 'S' && sscanf(text, "?1;0;%dS", &a) == 1) {
        if (a >= 2)
            info->colours = a < 256 ? a : 256;
        return true;
    }
    return final == 'S' && text[0] == '?';
}

static bool
is_string(const struct parser *p)
{
    return p->n > 1 && p->text[0] == '\033' && (p->text[1] == '_' || p->text[1] == ']');
}

static void
parse_byte(struct parser *p, struct term_info *info, char c)
{
    bool in_string = is_string(p);
    if (c == '\033' && p->n > 0 && !in_string) { // what came before was no sequence
        save_typed(info, p->text, p->n);
        p->n = 0;
    }
    p->text[p->n++] = c;
    bool string = is_string(p); // ends with ESC and a backslash or, after ESC ], a bell
    bool open = p->text[0] == '\033' && (p->n == 1 || p->text[1] == '[' || string);
    bool terminated = p->n > 2 && ((c == '\\' && p->text[p->n - 2] == '\033') ||
                                   (c == '\a' && p->text[1] == ']'));
    bool letter = (unsigned char)c >= 0x40 && (unsigned char)c <= 0x7E;
    bool final = string ? terminated : p->n > 2 && letter;
    if (open && !final && p->n < sizeof p->text - 1)
        return;
    if (!open || !final || !parse_answer(p, info))
        save_typed(info, p->text, p->n);
    p->n = 0;
}

static bool
write_all(int fd, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        ssize_t w = write(fd, text, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        text += w;
        n -= (size_t)w;
    }
    return true;
}

// Reads until `done` is set or the deadline; one byte at a time, so that what follows the last
// answer stays unread.
static void
read_answers(int fd, struct parser *p, int64_t deadline, const bool *done, struct term_info *info)
{
    while (!*done) {
        struct pollfd wait = {fd, POLLIN, 0};
        char bytes[128];
        int ready = poll(&wait, 1, (int)MAX(deadline - milliseconds(), 0)), waiting = 0;
        if (ready < 0 && errno == EINTR)
            continue;
        bool flood = ioctl(fd, FIONREAD, &waiting) == 0 && waiting > NO_ANSWER_BYTES;
        ssize_t n = ready > 0 ? read(fd, bytes, flood ? sizeof bytes : 1) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            parse_byte(p, info, bytes[i]);
    }
    if (p->n)
        save_typed(info, p->text, p->n);
    p->n = 0;
}

// Sends queries that end with DA1 and reads until its answer or the deadline.
static bool
send_query(int fd, const char *query, int64_t deadline, struct term_info *info)
{
    struct parser p = {.n = 0};
    if (!write_all(fd, query))
        return false;
    info->outstanding++;
    info->query_time = milliseconds();
    read_answers(fd, &p, deadline, &p.done, info);
    return p.done;
}

// --- the terminal's mode

struct mode {
    struct termios saved;
    sigset_t signals;
};

// No signal may end or stop the process while the mode is changed. A background process that
// changed it would be stopped by SIGTTOU.
static bool
enter_raw_mode(int fd, struct mode *m)
{
    static const int held_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t held;
    if (tcgetattr(fd, &m->saved) != 0 || tcgetpgrp(fd) != getpgrp())
        return false;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof held_signals / sizeof *held_signals; i++)
        sigaddset(&held, held_signals[i]);
    pthread_sigmask(SIG_BLOCK, &held, &m->signals);
    struct termios raw = m->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSADRAIN, &raw) == 0)
        return true;
    pthread_sigmask(SIG_SETMASK, &m->signals, NULL);
    return false;
}

static void
leave_raw_mode(int fd, const struct mode *m)
{
    while (tcsetattr(fd, TCSADRAIN, &m->saved) != 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &m->signals, NULL);
}

// --- what the user types

bool
term_typed_ahead(int fd)
{
    struct mode m;
    struct pollfd now = {fd, POLLIN, 0};
    if (!enter_raw_mode(fd, &m))
        return false;
    bool typed = poll(&now, 1, 0) > 0;
    leave_raw_mode(fd, &m);
    return typed;
}

// Newer kernels allow it only to root.
static bool
can_unread(void)
{
    char allowed = '1';
    FILE *f = fopen("/proc/sys/dev/tty/legacy_tiocsti", "re");
    if (f && fread(&allowed, 1, 1, f) != 1)
        allowed = '0';
    if (f)
        fclose(f);
    return allowed == '1' || geteuid() == 0;
}

void
term_unread(int fd, struct term_info *info)
{
    for (size_t i = 0; i < info->typed_count; i++)
        if (ioctl(fd, TIOCSTI, &info->typed[i]) < 0)
            break;
    info->typed_count = 0;
}

static bool
before_deadline(int fd, int64_t deadline)
{
    struct pollfd wait = {fd, POLLIN, 0};
    return poll(&wait, 1, (int)MAX(deadline - milliseconds(), 0)) > 0;
}

void
term_drain(int fd, struct term_info *info, int more)
{
    struct mode m;
    struct parser p = {.n = 0};
    int lines = 0;
    info->outstanding += more;
    int64_t deadline =
        MAX(info->query_time + TERM_LATE_MS, milliseconds() + (more ? TERM_QUERY_MS : 0));
    // A whole line there was typed: better a stray answer than losing it.
    bool keep = ioctl(fd, FIONREAD, &lines) == 0 && lines > 0 && !can_unread();
    if (info->outstanding < 1 || keep || !enter_raw_mode(fd, &m))
        return;
    while (info->outstanding > 0 && before_deadline(fd, deadline))
        read_answers(fd, &p, deadline, &p.done, info), p.done = false;
    if (!info->cell_size_known &&
        before_deadline(fd, milliseconds() + OUT_OF_ORDER_MS)) // out of order
        read_answers(fd, &p, milliseconds() + OUT_OF_ORDER_MS, &info->cell_size_known, info);
    term_unread(fd, info);
    leave_raw_mode(fd, &m);
}

// --- asking

bool
term_query(int fd, int timeout_ms, struct term_info *info)
{
    *info = (struct term_info){.columns = 80, .rows = 24, .cell_width = TERM_CELL_WIDTH_GUESS,
                               .cell_height = TERM_CELL_HEIGHT_GUESS,
                               .colours = TERM_COLOURS_GUESS};
    const char *term = getenv("TERM");
    info->multiplexer =
        term && (strncmp(term, "screen", 6) == 0 || strncmp(term, "tmux", 4) == 0);
    struct winsize size = {0};
    struct mode m;
    if (!term || !*term || strcmp(term, "dumb") == 0)
        return false;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
        info->columns = size.ws_col;
        info->rows = size.ws_row;
        set_cell_size(info, size.ws_xpixel / size.ws_col, size.ws_ypixel / size.ws_row);
    }
    if (!enter_raw_mode(fd, &m))
        return false;
    int64_t deadline = milliseconds() + timeout_ms;
    // kitty's query sends one pixel, which is not kept. Others swallow the string, but screen and
    // tmux take it for their window's title. The Linux console before 6.0 prints the rest of the
    // query for the background.
    bool ok =
        send_query(fd,
                   info->multiplexer            ? "\033[16t\033[c"
                   : strcmp(term, "linux") == 0 ? QUERY_KITTY "\033[16t\033[c"
                                                : QUERY_KITTY QUERY_BACKGROUND "\033[16t\033[c",
                   deadline, info);
    if (ok && info->sixel)
        send_query(fd, "\033[?1;1;0S\033[c", deadline, info);
    leave_raw_mode(fd, &m);
    return ok;
}

bool
term_answer(const char *sequence, struct term_info *info)
{
    struct parser p = {.n = strlen(sequence)};
    if (p.n < 3 || p.n >= sizeof p.text || sequence[0] != '\033')
        return false;
    memcpy(p.text, sequence, p.n);
    return parse_answer(&p, info);
}
