// SPDX-License-Identifier: MIT
// A loader that tries what it must not, and says how it went: its error is "WHAT: done" or
// "WHAT: refused". ON_LOAD: all of it while it is loaded, and nobody hears of it.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loaders/loader.h"

#define CHOICES                                                                                    \
    "socket|passwd|beside|write|exec|kill-parent|kill-all|fork|environment|answer-size|"           \
    "answer-flood|answer-text|close|spin|eat|stop"
enum {
    SOCKET, PASSWD, BESIDE, WRITE, EXEC, KILL_PARENT, KILL_ALL, FORK, ENVIRONMENT, ANSWER_SIZE,
    ANSWER_FLOOD, ANSWER_TEXT, CLOSE, SPIN, EAT, STOP
};

// As loaders/inside.h has it, for whoever speaks for the host's own code.
struct answer {
    int32_t refused, width, height, format;
    char text[512];
};

static const char *
place(const char *name)
{
    static char path[4096];
    Dl_info self;
    if (!dladdr((void *)place, &self)) // FOLDER/loaders/hostile.so
        return "/nonexistent";
    int n = (int)(strstr(self.dli_fname, "/loaders/") - self.dli_fname);
    snprintf(path, sizeof path, "%.*s/%s", n, self.dli_fname, name);
    return path;
}

static int
call_home(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%.100s", place("home"));
    return fd >= 0 ? connect(fd, (struct sockaddr *)&at, sizeof at) : -1;
}

static int
leave_behind(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    return pid > 0 ? 0 : -1;
}

static int
execute(void)
{
    char *const argv[] = {"touch", (char *)place("executed"), NULL};
    return execv("/usr/bin/touch", argv);
}

// 0: done.
static int
attempt(int what)
{
    switch (what) {
    case SOCKET:
        return call_home();
    case PASSWD:
        return open("/etc/passwd", O_RDONLY) >= 0 ? 0 : -1;
    case BESIDE:
        return open(place("secret"), O_RDONLY) >= 0 ? 0 : -1;
    case WRITE:
        return open(place("written"), O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : -1;
    case EXEC:
        return execute();
    case KILL_PARENT:
        return kill(getppid(), SIGTERM);
    case KILL_ALL:
        return kill(-1, SIGTERM);
    case FORK:
        return leave_behind();
    case ENVIRONMENT:
        return getenv("HOME") || getenv("PATH") || open("/proc/self/environ", O_RDONLY) >= 0 ? 0
                                                                                             : -1;
    default:
        return -1;
    }
}

#ifdef ON_LOAD
__attribute__((constructor)) static void
on_load(void)
{
    for (int what = SOCKET; what <= ENVIRONMENT; what++)
        if (what != EXEC)
            attempt(what);
    attempt(EXEC);
}
#endif

// Writes to the host's socket, which is the child's descriptor 3, in its place.
static void
answer(int32_t refused, int32_t width, int32_t height, int32_t format)
{
    struct answer a = {refused, width, height, format, "\033]0;owned\007\xff\xc2\x9bno end"};
    memset(a.text + strlen(a.text), 'x', sizeof a.text - strlen(a.text));
    if (write(3, &a, sizeof a) < 0)
        _exit(1);
}

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    static const char *const names[] = {"socket",      "passwd",   "beside", "write",      "exec",
                                        "kill-parent", "kill-all", "fork",   "environment"};
    int what = (int)values[0];
    (void)in, (void)out;
    switch (what) {
    case ANSWER_SIZE:
        answer(0, 1 << 30, 1 << 30, 3);
        for (;;)
            pause();
    case ANSWER_FLOOD:
        for (;;)
            answer(0, 16, 16, 3);
    case ANSWER_TEXT:
        answer(1, 0, 0, 0);
        for (;;)
            pause();
    case CLOSE:
        close(3);
        for (;;)
            pause();
    case SPIN:
        for (volatile int on = 1; on;)
            ;
        break;
    case EAT:
        for (size_t n = 0; n < 100000; n++) {
            volatile char *p = malloc(1 << 20);
            if (!p) {
                snprintf(error, error_size, "eat: refused");
                return 1;
            }
            *p = 1;
        }
        break;
    case STOP:
        raise(SIGSTOP);
        for (;;)
            pause();
    default:
        break;
    }
    snprintf(error, error_size, "%s: %s", names[what], attempt(what) == 0 ? "done" : "refused");
    return 1;
}

static void
release(struct limn_picture *out)
{
    (void)out;
}

static const struct limn_param params[] = {
    {"do", "What to try.", LIMN_PARAM_CHOICE, 0, 0, 0, CHOICES},
};

LIMN_LOADER_EXPORT extern const struct limn_loader limn_loader_v1;
const struct limn_loader limn_loader_v1 = {
    .size = sizeof(struct limn_loader),
#ifdef ON_LOAD
    .name = "hostile-on-load",
#else
    .name = "hostile",
#endif
    .role = "test",
    .summary = "Tries what it must not.",
    .params = params,
    .param_count = 1,
    .run = run,
    .release = release,
};
