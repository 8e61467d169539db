// SPDX-License-Identifier: MIT
#include "app/cli/bench_pty.h"

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
pty_write(struct pty_session *s, const char *text)
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
answer_queries(struct pty_session *s, size_t from)
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
             (p = memmem(p, s->tail_size - (size_t)(p - s->tail), known[i].question, n)); p += n)
            pty_write(s, known[i].answer);
    }
}

// All but sixels: from ESC P to the next ESC \.
static void
count_text(struct pty_session *s, char c)
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
pty_read(struct pty_session *s, double seconds)
{
    struct pollfd fd = {.fd = s->fd, .events = POLLIN};
    if (poll(&fd, 1, (int)(seconds * 1e3 + 0.5)) <= 0 || !(fd.revents & POLLIN))
        return false;
    enum { CHUNK = 16384 };
    if (s->tail_size + CHUNK > PTY_TAIL) {
        memmove(s->tail, s->tail + s->tail_size - 128, 128);
        s->tail_size = 128;
    }
    ssize_t n = read(s->fd, s->tail + s->tail_size, CHUNK);
    if (n <= 0)
        return false;
    size_t from = s->tail_size;
    s->tail_size += (size_t)n;
    s->tail[s->tail_size] = 0;
    s->bytes += (uint64_t)n;
    for (size_t i = from; i < s->tail_size; i++)
        count_text(s, s->tail[i]);
    s->last = clock_seconds();
    answer_queries(s, from);
    return true;
}

double
pty_wait_for(struct pty_session *s, const char *text, double seconds)
{
    double begin = clock_seconds();
    s->tail_size = 0;
    while (clock_seconds() < begin + seconds) {
        if (pty_read(s, 0.01) && memmem(s->tail, s->tail_size, text, strlen(text)))
            return clock_seconds() - begin;
    }
    return -1;
}

void
pty_drain(struct pty_session *s, double quiet)
{
    while (pty_read(s, quiet))
        ;
}

bool
pty_start(struct pty_session *s, const char *home, const char *preview, struct err *err)
{
    struct winsize size = {.ws_col = PTY_COLUMNS,
                           .ws_row = PTY_ROWS,
                           .ws_xpixel = PTY_COLUMNS * PTY_CELL_WIDTH,
                           .ws_ypixel = PTY_ROWS * PTY_CELL_HEIGHT};
    *s = (struct pty_session){.fd = -1};
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
pty_finish(struct pty_session *s)
{
    if (s->pid > 0) {
        pty_write(s, "\033");
        pty_drain(s, 0.2);
        pty_write(s, "q");
        pty_drain(s, 0.2);
        pty_write(s, "s");
        double end = clock_seconds() + 10;
        while (waitpid(s->pid, NULL, WNOHANG) == 0) {
            pty_read(s, 0.05);
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
