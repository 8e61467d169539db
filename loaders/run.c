// SPDX-License-Identifier: MIT
// Running a loader, here or in a child that may crash, hang or eat memory as it likes.
//
// The child sends back one struct answer over a pipe, then the pixels or the sentence.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "loaders/host.h"

struct answer {
    int32_t code, width, height;
    char error[256];
};

static bool
acceptable(const struct limn_picture *p)
{
    return p->pixels && p->width >= 1 && p->height >= 1 && p->width <= LIMIT_PICTURE_SIDE &&
           p->height <= LIMIT_PICTURE_SIDE &&
               (int64_t)p->width * p->height <= LIMIT_PICTURE_PIXELS &&
           p->stride >= 4 * (size_t)p->width;
}

struct image *
loader_run_here(const struct loader_entry *e, const struct image *in,
                const struct loader_values *values, struct err *err)
{
    struct image *rgba = image_convert(in, IMAGE_RGBA8, 0xFFFFFF, err), *result = NULL;
    if (!rgba)
        return NULL;
    struct limn_picture from = {rgba->width, rgba->height, rgba->stride, rgba->pixels}, out = {0};
    char error[256] = "";
    if (e->loader->run(&from, values->v, &out, error, sizeof error) != 0) {
        error[sizeof error - 1] = 0;
        err_set(err, ERR_INPUT, "loader %s: %s", e->loader->name, *error ? error : "failed");
    } else if (!acceptable(&out)) {
        err_set(err, ERR_INPUT, "loader %s gave a picture of impossible size", e->loader->name);
    } else {
        result = image_create(out.width, out.height, IMAGE_RGBA8, err);
        for (int y = 0; result && y < out.height; y++)
            memcpy(image_row(result, y), out.pixels + (size_t)y * out.stride,
                   4 * (size_t)out.width);
        e->loader->release(&out);
    }
    image_unref(rgba);
    return result;
}

static bool
write_all(int fd, const void *data, size_t size)
{
    for (const char *p = data; size > 0;) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static void
limit(int what, rlim_t value)
{
    struct rlimit l = {value, value};
    setrlimit(what, &l);
}

#if defined(__SANITIZE_ADDRESS__)
// What has no memory gets NULL, as without the sanitizer, and not the end of the process.
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

// Bytes of address space this process has already; a worker with a model mapped has gigabytes, and
// one under a sanitizer terabytes, which the loader is not to blame for.
static rlim_t
address_space(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

_Noreturn static void
child(const struct loader_entry *e, const struct image *in, const struct loader_values *values,
      const struct loader_limits *limits, int fd)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        signal(signals[i], SIG_DFL);
    // The worker speaks its protocol over stdin and stdout: a loader that prints must not.
    int nowhere = open("/dev/null", O_RDWR);
    for (int i = 0; nowhere >= 0 && i < 3; i++)
        if (i != fd)
            dup2(nowhere, i);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, address_space() + ((rlim_t)limits->megabytes << 20));
    struct err err = {0};
    struct image *out = loader_run_here(e, in, values, &err);
    struct answer a = {.code = out ? 0 : 1};
    if (out) {
        a.width = out->width;
        a.height = out->height;
    }
    snprintf(a.error, sizeof a.error, "%.255s", err.text);
    bool ok = write_all(fd, &a, sizeof a);
    if (ok && out)
        ok = write_all(fd, out->pixels, out->stride * (size_t)out->height);
    _exit(ok ? 0 : 1);
}

// 1 done, 0 the other side closed, -1 time is over, -2 stopped.
static int
read_all(int fd, void *data, size_t size, double deadline, const atomic_int *stop)
{
    enum { LOOK_MS = 50 };
    for (char *p = data; size > 0;) {
        double left = deadline - clock_seconds();
        struct pollfd poll_fd = {fd, POLLIN, 0};
        if (left <= 0)
            return -1;
        if (stop && atomic_load(stop))
            return -2;
        int wait = (int)(left * 1000) + 1;
        if (poll(&poll_fd, 1, stop ? MIN(wait, LOOK_MS) : wait) <= 0)
            continue;
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        p += n;
        size -= (size_t)n;
    }
    return 1;
}

struct image *
loader_run(const struct loader_entry *e, const struct image *in, const struct loader_values *values,
           struct err *err)
{
    const struct loader_limits limits = loader_limits_here(NULL);
    return loader_run_limited(e, in, values, &limits, err);
}

static double
limit_from(const char *variable, double usual, double least, double most)
{
    static atomic_int warned;
    const char *text = getenv(variable);
    if (!text || !*text)
        return usual;
    char *end;
    double v = strtod(text, &end);
    if (!*end && v >= least && v <= most)
        return v;
    if (!atomic_exchange(&warned, 1))
        log_line(LOG_WARN, "loaders",
                 "%s is '%.40s', it must be a number in %g..%g: the limit stays %g", variable, text,
                 least, most, usual);
    return usual;
}

struct loader_limits
loader_limits_here(const atomic_int *stop)
{
    return (struct loader_limits){
        .seconds = limit_from("LIMN_LOADER_SECONDS", LIMIT_LOADER_SECONDS, 0.1, 86400),
        .megabytes = (int)limit_from("LIMN_LOADER_MEMORY", LIMIT_LOADER_MEGABYTES, 1, 1000000),
        .stop = stop};
}

struct image *
loader_run_limited(const struct loader_entry *e, const struct image *in,
                   const struct loader_values *values, const struct loader_limits *limits,
                   struct err *err)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) != 0) {
        err_errno(err, ERR_IO, "loader %s: no pipe", e->loader->name);
        return NULL;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        child(e, in, values, limits, fd[1]);
    }
    close(fd[1]);
    struct image *out = NULL;
    struct answer a = {0};
    double deadline = clock_seconds() + limits->seconds;
    int got = pid > 0 ? read_all(fd[0], &a, sizeof a, deadline, limits->stop) : 0;
    a.error[sizeof a.error - 1] = 0;
    if (got == 1 && a.code == 0) {
        out = image_create(a.width, a.height, IMAGE_RGBA8, err);
        if (out)
            got = read_all(fd[0], out->pixels, out->stride * (size_t)out->height, deadline,
                           limits->stop);
    }
    close(fd[0]);
    int status = 0;
    if (pid > 0) {
        if (got != 1)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    bool ok = out && got == 1;
    if (pid < 0)
        err_set(err, ERR_IO, "loader %s: no process to run it in", e->loader->name);
    else if (got == -1)
        err_set(err, ERR_INPUT, "loader %s took more than %g seconds and was stopped",
                e->loader->name, limits->seconds);
    else if (got == -2)
        err_set(err, ERR_CANCELLED, "loader %s was stopped", e->loader->name);
    else if (got == 0)
        err_set(err, ERR_INPUT, "loader %s crashed (%s)", e->loader->name, e->path);
    else if (a.code != 0)
        err_set(err, ERR_INPUT, "%s", a.error);
    if (ok)
        return out;
    image_unref(out);
    return NULL;
}
