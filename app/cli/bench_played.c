// SPDX-License-Identifier: MIT
#include "app/cli/bench_played.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"

void
played_put(struct played *s, const char *text)
{
    for (size_t n = strlen(text); n;) {
        ssize_t done = write(s->fd, text, n);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return;
        if (done > 0) {
            text += done;
            n -= (size_t)done;
        }
    }
}

// A terminal's answers, each once for each question. Questions that come in two pieces are found
// in the tail, which is searched from a little before the new bytes.
static void
answer(struct played *s, size_t from)
{
    static const struct {
        const char *question, *answer;
    } known[] = {{"\033[c", "\033[?62;4c"},
                 {"\033[16t", "\033[6;20;10t"},
                 {"\033[?1;1;0S", "\033[?1;0;256S"},
                 {"\033[5n", "\033[0n"}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        size_t n = strlen(known[i].question), start = from > n - 1 ? from - (n - 1) : 0;
        for (const char *p = s->tail + start;
             (p = memmem(p, s->held - (size_t)(p - s->tail), known[i].question, n)); p += n)
            played_put(s, known[i].answer);
    }
}

// All but sixels: from ESC P to the next ESC \.
static void
count_text(struct played *s, char c)
{
    bool began = s->before == '\033' && c == 'P', ended = s->before == '\033' && c == '\\';
    if (!s->sixels)
        s->text_bytes++;
    if (began)
        s->text_bytes -= 2;
    s->sixels = began || (s->sixels && !ended);
    s->before = c;
}

bool
played_take(struct played *s, double seconds)
{
    struct pollfd fd = {.fd = s->fd, .events = POLLIN};
    if (poll(&fd, 1, (int)(seconds * 1e3 + 0.5)) <= 0 || !(fd.revents & POLLIN))
        return false;
    enum { CHUNK = 16384 };
    if (s->held + CHUNK > PLAYED_TAIL) {
        memmove(s->tail, s->tail + s->held - 128, 128);
        s->held = 128;
    }
    ssize_t n = read(s->fd, s->tail + s->held, CHUNK);
    if (n <= 0)
        return false;
    size_t from = s->held;
    s->held += (size_t)n;
    s->tail[s->held] = 0;
    s->bytes += (uint64_t)n;
    for (size_t i = from; i < s->held; i++)
        count_text(s, s->tail[i]);
    s->last = clock_seconds();
    answer(s, from);
    return true;
}

double
played_wait_for(struct played *s, const char *text, double seconds)
{
    double begin = clock_seconds();
    s->held = 0;
    while (clock_seconds() < begin + seconds) {
        if (played_take(s, 0.01) && memmem(s->tail, s->held, text, strlen(text)))
            return clock_seconds() - begin;
    }
    return -1;
}

void
played_settle(struct played *s, double quiet)
{
    while (played_take(s, quiet))
        ;
}

bool
played_start(struct played *s, const char *home, const char *preview, struct err *err)
{
    struct winsize size = {.ws_col = PLAYED_COLUMNS,
                           .ws_row = PLAYED_ROWS,
                           .ws_xpixel = PLAYED_COLUMNS * PLAYED_CELL_WIDTH,
                           .ws_ypixel = PLAYED_ROWS * PLAYED_CELL_HEIGHT};
    *s = (struct played){.fd = -1};
    s->pid = forkpty(&s->fd, NULL, NULL, &size);
    if (s->pid < 0)
        return err_errno(err, ERR_IO, "no pseudo-terminal");
    if (s->pid == 0) {
        setenv("TERM", "xterm-256color", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        setenv("XDG_DATA_HOME", home, 1);
        setenv("XDG_STATE_HOME", home, 1);
        setenv("XDG_CONFIG_HOME", home, 1); // a person's keys and themes are others
        setenv("XDG_CACHE_HOME", home, 1);
        setenv("XDG_RUNTIME_DIR", home, 1);
        execl("/proc/self/exe", "limn", "--preview", preview, (char *)NULL);
        _exit(127);
    }
    return true;
}

void
played_finish(struct played *s)
{
    if (s->pid > 0) {
        played_put(s, "\033");
        played_settle(s, 0.2);
        played_put(s, "q");
        played_settle(s, 0.2);
        played_put(s, "s");
        double end = clock_seconds() + 10;
        while (waitpid(s->pid, NULL, WNOHANG) == 0) {
            played_take(s, 0.05);
            if (clock_seconds() > end) {
                kill(s->pid, SIGKILL);
                waitpid(s->pid, NULL, 0);
                break;
            }
        }
    }
    if (s->fd >= 0)
        close(s->fd);
}
