// SPDX-License-Identifier: MIT
// limn bench ui: the terminal UI as a person feels it. This program plays a terminal with sixels
// (pixel size, answers to what is asked) on a pseudo-terminal, starts limn in it, draws, types, and
// takes the time until what was typed comes back on the screen. The same is measured for a program
// that only echoes its input, as a lower bound.
#include <dirent.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "app/cli/bench_pty.h"
#include "app/cli/commands.h"
#include "engine/base/clock.h"
#include "engine/base/mem.h"

enum { KEYS = 300, STEPS = 60, STEPS_TYPED = 900 };

// Their bytes occur neither in sixels nor in escape sequences.
static const char *const marks[] = {"\xE6\xBC\xA2", "\xE5\xAD\x97"};

struct times {
    double first_frame, idle_cpu;
    double keys[KEYS], echoes[KEYS];
    int key_count;
    double seconds; // of a drawing
    uint64_t bytes; // to the terminal, meanwhile
};

static void
stop_echo(struct pty_session *s)
{
    close(s->fd);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

// A terminal of its own with a program in it that sends back what it reads.
static bool
start_echo(struct pty_session *s, struct err *err)
{
    *s = (struct pty_session){.fd = -1};
    s->pid = forkpty(&s->fd, NULL, NULL, NULL);
    if (s->pid < 0)
        return err_errno(err, ERR_IO, "no pseudo-terminal");
    if (s->pid == 0) {
        struct termios raw;
        char bytes[16];
        tcgetattr(0, &raw);
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
        ssize_t n = write(1, "!", 1);
        while (n > 0 && (n = read(0, bytes, sizeof bytes)) > 0)
            n = write(1, bytes, (size_t)n);
        _exit(0);
    }
    if (pty_wait_for(s, "!", 10) >= 0)
        return true;
    stop_echo(s);
    return err_set(err, ERR_IO, "the program to compare with did not start");
}

static double
cpu_seconds(pid_t pid)
{
    char path[40], text[600] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *p = strrchr(text, ')');
    long user = 0, system = 0;
    if (!p ||
        sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

// Sends `text` and waits until `sign` comes back; seconds, or -1 after one.
static double
round_trip(struct pty_session *s, const char *text, const char *sign)
{
    double begin = clock_seconds(), left = 1;
    s->tail_size = 0;
    pty_write(s, text);
    while (left > 0 && !memmem(s->tail, s->tail_size, sign, strlen(sign))) {
        left = begin + 1 - clock_seconds();
        pty_read(s, MAX(left, 0.001));
    }
    return left > 0 ? clock_seconds() - begin : -1;
}

static void
read_until(struct pty_session *s, double time)
{
    while (clock_seconds() < time)
        pty_read(s, MAX(time - clock_seconds(), 0.001));
}

// A key that shows on the screen, every 20 ms or so, until the drawing is done; between two of them
// one for the program that only echoes.
static bool
type_while_drawing(struct pty_session *s, struct pty_session *echo, struct times *t,
                   struct err *err)
{
    pty_write(s, ":");
    pty_drain(s, 0.05);
    while (t->key_count < KEYS) {
        // Another where the last line had one: else nothing might have to be sent.
        const char *mark = marks[t->key_count / 20 % 2];
        double begin = clock_seconds(), key = round_trip(s, mark, mark);
        read_until(s, begin + 0.01);
        double echoed = round_trip(echo, "x", "x");
        if (key < 0 || echoed < 0)
            return err_set(err, ERR_IO, "typed key %d did not come back within a second",
                           t->key_count + 1);
        t->keys[t->key_count] = key;
        t->echoes[t->key_count++] = echoed;
        for (int i = 1; t->key_count % 20 == 0 && i < 20; i++)
            pty_write(s, "\177"); // a short line again, and none that a command begins with
        read_until(s, begin + 0.02);
    }
    pty_write(s, "\033");
    pty_drain(s, 0.1);
    return true;
}

static bool
measure_typing(struct pty_session *s, struct times *t, struct err *err)
{
    struct pty_session echo;
    if (!start_echo(&echo, err))
        return false;
    bool ok = type_while_drawing(s, &echo, t, err);
    stop_echo(&echo);
    return ok;
}

static int
count_pictures(const char *home)
{
    char *folder = mem_printf("%s/limn/pictures", home);
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        n += strlen(e->d_name) > 4 && strcmp(e->d_name + strlen(e->d_name) - 4, ".png") == 0;
    if (d)
        closedir(d);
    free(folder);
    return n;
}

static bool
wait_for_picture(struct pty_session *s, const char *home, int before, struct err *err)
{
    double begin = clock_seconds();
    while (count_pictures(home) == before) {
        if (clock_seconds() > begin + 120)
            return err_set(err, ERR_IO, "the drawing did not end");
        pty_read(s, 0.005);
    }
    return true;
}

// Templates, the last one, its variables as they are, drawn.
static bool
draw(struct pty_session *s, int steps, double *begin, struct err *err)
{
    char command[32];
    snprintf(command, sizeof command, ":steps %d\r", steps);
    const char *keys[] = {"4", "G", "\r", "\033[20~", "\033", command};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        pty_write(s, keys[i]);
        pty_drain(s, 0.2);
    }
    *begin = clock_seconds();
    pty_write(s, "\033[20~");
    return pty_wait_for(s, "1 job", 30) >= 0 || err_set(err, ERR_IO, "nothing is drawn");
}

static bool
measure(const char *home, const char *preview, bool typing, struct times *t, struct err *err)
{
    struct pty_session s;
    double begin = clock_seconds(), drawing = 0;
    if (!pty_start(&s, home, preview, err))
        return false;
    bool ok = pty_wait_for(&s, "compose", 10) >= 0 ||
              err_set(err, ERR_IO, "the UI did not start");
    t->first_frame = clock_seconds() - begin;
    pty_drain(&s, 0.5);
    double cpu = cpu_seconds(s.pid), since = clock_seconds();
    while (ok && clock_seconds() < since + 2)
        pty_read(&s, 0.1);
    t->idle_cpu = (cpu_seconds(s.pid) - cpu) / (clock_seconds() - since);
    int before = count_pictures(home);
    ok = ok && draw(&s, typing ? STEPS_TYPED : STEPS, &drawing, err);
    uint64_t bytes = s.bytes;
    ok = ok && (!typing || measure_typing(&s, t, err));
    ok = ok && (typing || wait_for_picture(&s, home, before, err));
    t->seconds = clock_seconds() - drawing;
    t->bytes = s.bytes - bytes;
    pty_finish(&s);
    return ok;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
print_latencies(const char *who, double *seconds, int count)
{
    qsort(seconds, (size_t)count, sizeof *seconds, compare_doubles);
    printf("  %s: median %.1f ms, 99 of 100 within %.1f ms, longest %.1f ms\n", who,
           seconds[count / 2] * 1e3, seconds[count * 99 / 100] * 1e3, seconds[count - 1] * 1e3);
}

int
bench_ui(void)
{
    struct err err = {0};
    struct times typed = {0}, without = {0}, with = {0};
    const char *temporary = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char *home = mem_printf("%s/limn-bench-XXXXXX", temporary);
    if (!mkdtemp(home)) {
        err_errno(&err, ERR_IO, "%s", temporary);
        free(home);
        return command_failed(&err);
    }
    setlinebuf(stdout);
    printf("a terminal of %d x %d cells of %d x %d pixels, with sixels\n", PTY_COLUMNS, PTY_ROWS,
           PTY_CELL_WIDTH, PTY_CELL_HEIGHT);
    bool ok = measure(home, "auto", true, &typed, &err);
    if (ok) {
        printf("first frame after %.0f ms\n", typed.first_frame * 1e3);
        printf("idle: %.1f %% of a core\n", typed.idle_cpu * 100);
        printf("key to screen while drawing, %d keys:\n", typed.key_count);
        print_latencies("limn", typed.keys, typed.key_count);
        print_latencies("a program that only echoes", typed.echoes, typed.key_count);
    }
    // With and without in turn, so that what else the machine does falls on both.
    double sums[2] = {0};
    uint64_t bytes = 0;
    for (int round = 0; ok && round < 3; round++) {
        ok = measure(home, "none", false, &without, &err) &&
             measure(home, "auto", false, &with, &err);
        sums[0] += without.seconds;
        sums[1] += with.seconds;
        bytes = with.bytes;
    }
    if (ok)
        printf("%d steps: %.2f s without previews, %.2f s with (%+.1f %%), %.1f MB of previews\n",
               STEPS, sums[0] / 3, sums[1] / 3, 100 * (sums[1] / sums[0] - 1), (double)bytes / 1e6);
    ok = ok && bench_moves(home, &err);
    char *command = mem_printf("rm -rf '%s'", home);
    if (strchr(home, '\'') || system(command) != 0)
        fprintf(stderr, "limn: %s stays\n", home);
    free(command);
    free(home);
    return ok ? 0 : command_failed(&err);
}
