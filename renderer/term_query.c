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
keep_typed(struct term_info *info, const char *text, size_t n)
{
    if (n > sizeof info->typed - info->typed_count)
        n = sizeof info->typed - info->typed_count;
    memcpy(info->typed + info->typed_count, text, n);
    info->typed_count += n;
}

// The first number of DA1's answer is the terminal's class, the others are what it can do.
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

// A whole sequence ESC [ … final. True when it was an answer.
static bool
take_answer(struct parser *p, struct term_info *info)
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
    if (final == 'c' && text[0] == '?') {
        info->answered = p->done = true;
        info->sixel = has_attribute(text, 4);
        return true;
    }
    if (final == 't' && sscanf(text, "6;%d;%dt", &a, &b) == 2) {
        if (a >= 4 && a <= 200 && b >= 2 && b <= 100) {
            info->cell_height = a;
            info->cell_width = b;
        }
        return true;
    }
    if (final == 'S' && sscanf(text, "?1;0;%dS", &a) == 1) {
        if (a >= 2)
            info->colours = a < 256 ? a : 256;
        return true;
    }
    return final == 'S' && text[0] == '?';
}

static void
feed(struct parser *p, struct term_info *info, char c)
{
    bool in_string = p->n > 1 && p->text[1] == '_';
    if (c == '\033' && p->n > 0 && !in_string) { // what came before was no sequence
        keep_typed(info, p->text, p->n);
        p->n = 0;
    }
    p->text[p->n++] = c;
    bool string = p->n > 1 && p->text[0] == '\033' &&
                  p->text[1] == '_'; // ESC _ and on, up to ESC and a backslash
    bool open = p->text[0] == '\033' && (p->n == 1 || p->text[1] == '[' || string);
    bool final = p->n > 2 && (string ? c == '\\' && p->text[p->n - 2] == '\033'
                                     : (unsigned char)c >= 0x40 && (unsigned char)c <= 0x7E);
    if (open && !final && p->n < sizeof p->text - 1)
        return;
    if (!open || !final || !take_answer(p, info))
        keep_typed(info, p->text, p->n);
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

// Sends queries that end with DA1 and reads until its answer or the deadline.
static bool
ask(int fd, const char *query, int64_t deadline, struct term_info *info)
{
    struct parser p = {.n = 0};
    if (!write_all(fd, query))
        return false;
    while (!p.done) {
        struct pollfd wait = {fd, POLLIN, 0};
        char buffer[128];
        int64_t left = deadline - milliseconds();
        int ready = left > 0 ? poll(&wait, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready > 0 ? read(fd, buffer, sizeof buffer) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            feed(&p, info, buffer[i]);
    }
    if (p.n)
        keep_typed(info, p.text, p.n);
    return p.done;
}

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
    struct termios saved, raw;
    // A background process that changed the mode would be stopped by SIGTTOU.
    if (tcgetattr(fd, &saved) != 0 || tcgetpgrp(fd) != getpgrp())
        return false;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
        info->columns = size.ws_col;
        info->rows = size.ws_row;
        if (size.ws_xpixel / size.ws_col >= 2 && size.ws_ypixel / size.ws_row >= 4) {
            info->cell_width = size.ws_xpixel / size.ws_col;
            info->cell_height = size.ws_ypixel / size.ws_row;
        }
    }
    // No signal may end or stop the process while the mode is changed.
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGQUIT);
    sigaddset(&held, SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    bool ok = tcsetattr(fd, TCSADRAIN, &raw) == 0;
    int64_t deadline = milliseconds() + timeout_ms;
    if (ok) {
        // The query of kitty's protocol: one pixel, not kept. Others swallow the string, but screen
        // and tmux take it for their window's title.
        ok = ask(fd,
                 info->multiplexer ? "\033[16t\033[c"
                             : "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\\033[16t\033[c",
                 deadline, info);
        if (ok && info->sixel)
            ask(fd, "\033[?1;1;0S\033[c", deadline, info);
        while (tcsetattr(fd, TCSADRAIN, &saved) != 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

bool
term_answer(const char *sequence, struct term_info *info)
{
    struct parser p = {.n = strlen(sequence)};
    if (p.n < 3 || p.n >= sizeof p.text || sequence[0] != '\033')
        return false;
    memcpy(p.text, sequence, p.n);
    return take_answer(&p, info);
}
