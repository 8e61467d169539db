// SPDX-License-Identifier: MIT
// Three sockets. "control" goes from any process of ours to the keeper: one message per child, with
// two descriptors. "data" is between an owner and its child. The "lifetime" socket is between an
// owner and the keeper: when the owner's end closes or half-closes, the child's group is killed;
// the child's status comes back over it. The keeper's parent, the supervisor, only starts another
// keeper when this one has been killed, because no process of ours with threads may fork one.
#include "sandbox/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "sandbox/confine.h"
#include "sandbox/stack.h"

enum {
    CHILDREN_MAX = 128, STOP_MS = 300,
    PATHS_MAX = 64, PATHS_BYTES = 32 << 10,
};

// What the keeper is told of a child; the paths follow one another in `text`, each with its 0.
struct spawn_request {
    int32_t megabytes, path_count;
    double processor_seconds;
    char text[PATHS_BYTES];
};

static int control = -1; // our end of it; -1: there is no keeper
static struct confine_kernel kernel;
static pid_t owner; // of the keeper

// --- the keeper

struct child {
    pid_t pid; // 0: none
    int lifetime;
};

struct keeper {
    int control, signals;
    sandbox_serve *serve;
    struct child children[CHILDREN_MAX];
};

// Closes everything from descriptor `first` on; a kernel before 5.9 has no call for that.
static void
close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX);
    for (int i = first; i < (most > 0 && most < 65536 ? (int)most : 65536); i++)
        close(i);
}

// Only `fd` stays open, as descriptor 3; 0, 1 and 2 become /dev/null.
static bool
keep_descriptor(int fd)
{
    int moved = fcntl(fd, F_DUPFD, 4);
    int null_fd = open("/dev/null", O_RDWR);
    if (moved < 0 || null_fd < 0)
        return false;
    for (int i = 0; i < 3; i++)
        dup2(null_fd, i);
    dup2(moved, 3);
    close_from(4);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    return true;
}

static void
default_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// Wipes the environment and the command line of this process: decoders must not see them, and ps
// shows what the process is.
static void
wipe_arguments(const char *name)
{
    char text[2048], *part = NULL;
    unsigned long at[4] = {0}; // start and end of the arguments, then of the environment
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    part = strrchr(text, ')'); // after the name: field 3
    for (int field = 2; part && field < 51; field++) {
        part = strchr(part + 1, ' ');
        if (part && field >= 47)
            at[field - 47] = strtoul(part, NULL, 10);
    }
    clearenv();
    if (!part || at[0] == 0 || at[1] <= at[0] || at[3] < at[2])
        return;
    memset((char *)at[2], 0, at[3] - at[2]);
    memset((char *)at[0], 0, at[1] - at[0]);
    snprintf((char *)at[0], at[1] - at[0], "%s", name);
}

// If the machine runs out of memory, this process is killed rather than the keeper or its owner.
static void
prefer_for_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "1000", 4) != 4) {
        // Then it is as likely as others.
    }
    if (fd >= 0)
        close(fd);
}

static void
end_without_memory(void)
{
    _exit(SANDBOX_NO_MEMORY);
}

struct serve_call {
    sandbox_serve *serve;
    const char *const *paths;
};

static void
run_serve(void *call)
{
    const struct serve_call *c = call;
    c->serve(3, c->paths);
}

_Noreturn static void
run_child(const struct keeper *k, const struct spawn_request *r, int data, pid_t keeper)
{
    const char *paths[PATHS_MAX + 1] = {0};
    const char *at = r->text, *end = r->text + sizeof r->text;
    struct err err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL); // before anything else: it does not outlive its keeper
    setsid();
    prctl(PR_SET_NAME, "limn-look");
    prefer_for_oom();
    default_signals();
    mem_end_with(end_without_memory);
    mem_end_uncaught();
    if (getppid() != keeper || !keep_descriptor(data))
        _exit(SANDBOX_UNCONFINED);
    for (int i = 0; i < r->path_count && i < PATHS_MAX && at < end; i++) {
        paths[i] = at;
        at += strnlen(at, (size_t)(end - at)) + 1;
    }
    const struct confine_rules rules = {paths, r->processor_seconds, r->megabytes};
    if (!confine_self(&rules, &kernel, &err))
        _exit(SANDBOX_UNCONFINED);
    struct serve_call call = {k->serve, paths};
    stack_run(run_serve, &call);
    _exit(0);
}

static void
spawn_child(struct keeper *k, const struct spawn_request *r, int data, int lifetime)
{
    struct child *c = k->children;
    while (c < k->children + CHILDREN_MAX && c->pid)
        c++;
    pid_t self = getpid(), pid = c < k->children + CHILDREN_MAX ? fork() : -1;
    if (pid == 0)
        run_child(k, r, data, self);
    const int none = SANDBOX_UNCONFINED << 8; // as waitpid() has it
    close(data);
    if (pid > 0) {
        *c = (struct child){pid, lifetime};
        return;
    }
    if (send(lifetime, &none, sizeof none, MSG_NOSIGNAL) < 0) {
        // Its owner has gone.
    }
    close(lifetime);
}

static bool
receive_request(struct keeper *k)
{
    static struct spawn_request r;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } ancillary = {0};
    struct iovec piece = {&r, sizeof r};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &ancillary,
                       .msg_controllen = sizeof ancillary};
    ssize_t n = recvmsg(k->control, &m, MSG_CMSG_CLOEXEC);
    if (n == 0)
        return false;
    struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    int fds[2];
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof fds))
        return n > 0 || errno == EINTR || errno == EAGAIN;
    memcpy(fds, CMSG_DATA(head), sizeof fds);
    if ((size_t)n < sizeof r)
        memset((char *)&r + n, 0, sizeof r - (size_t)n);
    spawn_child(k, &r, fds[0], fds[1]);
    return true;
}

// Kills processes that have left a child's group, where the kernel has no seccomp to prevent it:
// they have become the keeper's own children.
static void
kill_orphans(const struct keeper *k)
{
    char path[64];
    long pid;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    while (f && fscanf(f, "%ld", &pid) == 1) {
        bool ours = false;
        for (int i = 0; i < CHILDREN_MAX; i++)
            ours = ours || k->children[i].pid == (pid_t)pid;
        if (!ours && pid > 1) {
            kill((pid_t)pid, SIGKILL);
            waitpid((pid_t)pid, NULL, 0);
        }
    }
    if (f)
        fclose(f);
}

static void
reap_children(struct keeper *k)
{
    int status;
    for (struct child *c = k->children; c < k->children + CHILDREN_MAX; c++) {
        if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
            continue;
        kill(-c->pid, SIGKILL);
        c->pid = 0;
        kill_orphans(k);
        if (c->lifetime >= 0 && send(c->lifetime, &status, sizeof status, MSG_NOSIGNAL) < 0) {
            // Its owner has gone.
        }
        if (c->lifetime >= 0)
            close(c->lifetime);
    }
}

// One round of the loop; false: no owner is left.
static bool
keeper_turn(struct keeper *k)
{
    struct pollfd fds[2 + CHILDREN_MAX] = {{k->control, POLLIN, 0}, {k->signals, POLLIN, 0}};
    struct child *of[2 + CHILDREN_MAX];
    nfds_t count = 2;
    for (struct child *c = k->children; c < k->children + CHILDREN_MAX; c++)
        if (c->pid && c->lifetime >= 0) {
            of[count] = c;
            fds[count++] = (struct pollfd){c->lifetime, POLLIN, 0};
        }
    if (poll(fds, count, -1) < 0)
        return errno == EINTR;
    struct signalfd_siginfo info;
    if (fds[1].revents && read(k->signals, &info, sizeof info) < 0)
        return false;
    for (nfds_t i = 2; i < count; i++)
        if (fds[i].revents && of[i]->pid) { // owners send nothing: this is the end
            kill(-of[i]->pid, SIGKILL);
            kill(of[i]->pid, SIGKILL);
            if (fds[i].revents & (POLLHUP | POLLERR)) {
                close(of[i]->lifetime);
                of[i]->lifetime = -1;
            } else {
                int status;
                while (waitpid(of[i]->pid, &status, 0) < 0 && errno == EINTR)
                    ;
                of[i]->pid = 0;
                kill_orphans(k);
                send(of[i]->lifetime, &status, sizeof status, MSG_NOSIGNAL);
                close(of[i]->lifetime);
            }
        }
    reap_children(k);
    return !fds[0].revents || receive_request(k);
}

// `prepared`: counts keepers that have been prepared; shared with the supervisor.
_Noreturn static void
run_keeper(sandbox_serve *serve, void (*prepare)(void), atomic_int *prepared)
{
    static struct keeper k;
    sigset_t child;
    prctl(PR_SET_NAME, "limn-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    k.control = 3;
    k.serve = serve;
    k.signals = signalfd(-1, &child, SFD_CLOEXEC);
    if (k.signals < 0)
        raise(SIGKILL); // its parent tries again
    if (prepare)
        prepare();
    if (prepared)
        atomic_fetch_add(prepared, 1);
    while (k.signals >= 0 && keeper_turn(&k))
        ;
    for (int i = 0; i < CHILDREN_MAX; i++)
        if (k.children[i].pid)
            kill(-k.children[i].pid, SIGKILL);
    kill_orphans(&k);
    _exit(0);
}

// Kills what a killed keeper has left: its children die with it, but their children do not.
static void
kill_descendants(void)
{
    enum { ROUNDS = 1000 };
    static const struct keeper empty;
    for (int i = 0; i < ROUNDS && waitpid(-1, NULL, WNOHANG) >= 0; i++) {
        kill_orphans(&empty);
        usleep(100);
    }
}

// Answers pending requests where there is no process for a keeper either.
static void
refuse_requests(void)
{
    static struct keeper full = {.control = 3};
    struct pollfd fd = {3, POLLIN, 0};
    for (int i = 0; i < CHILDREN_MAX; i++)
        full.children[i].pid = -1;
    while (poll(&fd, 1, 0) > 0 && fd.revents & POLLIN && receive_request(&full))
        ;
}

// The parent of keepers, one after another, until one ends by itself. If preparing ends a keeper (a
// library without memory), the next one does without it: requests would wait for ever. The children
// then report what is missing.
_Noreturn static void
run_supervisor(int control_fd, sandbox_serve *serve, void (*prepare)(void))
{
    enum { PAUSE_US = 100000, TRIES = 3 };
    int failures = 0;
    setsid(); // Ctrl-C is for its owner
    prctl(PR_SET_NAME, "limn-sandbox");
    wipe_arguments("limn-sandbox");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    default_signals();
    if (!keep_descriptor(control_fd))
        _exit(1);
    void *page = mmap(NULL, sizeof(atomic_int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
    atomic_int *prepared = page == MAP_FAILED ? NULL : page;
    for (;;) {
        struct pollfd fd = {3, 0, 0};
        int status = 0, before = prepared ? atomic_load(prepared) : 0;
        if (poll(&fd, 1, 0) > 0) // its owner has gone
            _exit(0);
        pid_t pid = fork();
        if (pid == 0)
            run_keeper(serve, prepare, prepared);
        failures = pid < 0 ? failures + 1 : 0;
        if (failures >= TRIES)
            refuse_requests();
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        kill_descendants();
        if (pid > 0 && WIFEXITED(status))
            _exit(0);
        if (pid > 0 && (!prepared || atomic_load(prepared) == before))
            prepare = NULL;
        usleep(PAUSE_US);
    }
}

// At exit: ends the keeper and waits for it, so that nothing outlives this process.
static void
stop_keeper(void)
{
    struct pollfd fd = {control, POLLIN, 0};
    if (getpid() == owner && shutdown(control, SHUT_WR) == 0)
        poll(&fd, 1, STOP_MS);
}

bool
sandbox_start(sandbox_serve *serve, void (*prepare)(void), struct err *err)
{
    int sockets[2];
    if (control >= 0)
        return true;
    kernel = confine_kernel();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return err_errno(err, ERR_IO, "no socket for the sandbox");
    fflush(NULL);
    // The supervisor is not a child of this process, which may wait for any child of its own.
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        pid_t supervisor = fork();
        if (supervisor == 0)
            run_supervisor(sockets[1], serve, prepare);
        _exit(supervisor < 0 ? errno : 0);
    }
    int failed = errno;
    close(sockets[1]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0 || status != 0) {
        close(sockets[0]);
        errno = pid < 0 ? failed : WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
        return err_errno(err, ERR_IO, "no process for the sandbox");
    }
    control = sockets[0];
    owner = getpid();
    atexit(stop_keeper);
    return true;
}

const char *
sandbox_lacks(void)
{
    struct confine_kernel k = confine_kernel();
    if (!k.landlock && !k.seccomp)
        return "this kernel has neither Landlock nor seccomp: decoders and loaders run with limits "
               "of time and memory only";
    if (!k.landlock)
        return "this kernel has no Landlock: decoders and loaders can read your files, though not "
               "write or send them";
    return k.seccomp ? NULL : "this kernel or build has no seccomp: decoders and loaders can reach "
                              "the network and start programs, though not read your files";
}

// --- owners

static bool
send_request(const struct spawn_request *r, size_t size, int data, int lifetime)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } ancillary = {0};
    const int fds[2] = {data, lifetime};
    struct iovec piece = {(void *)r, size};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &ancillary,
                       .msg_controllen = sizeof ancillary};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    ssize_t n;
    do
        n = sendmsg(control, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

// `r` and its size in bytes; false: too many or too long.
static bool
fill_request(struct spawn_request *r, size_t *size, const struct sandbox_params *p)
{
    size_t used = 0;
    *r = (struct spawn_request){.megabytes = p->megabytes,
                                .processor_seconds = p->processor_seconds};
    for (int i = 0; p->readable && p->readable[i]; i++) {
        size_t n = strlen(p->readable[i]) + 1;
        if (r->path_count == PATHS_MAX || n > sizeof r->text - used)
            return false;
        memcpy(r->text + used, p->readable[i], n);
        used += n;
        r->path_count++;
    }
    *size = offsetof(struct spawn_request, text) + used;
    return true;
}

struct sandbox *
sandbox_open(const struct sandbox_params *params, struct err *err)
{
    int data[2] = {-1, -1}, lifetime[2] = {-1, -1};
    size_t size;
    struct spawn_request *r = mem_alloc(sizeof *r);
    struct sandbox *s = NULL;
    if (control < 0)
        err_set(err, ERR_IO, "the sandbox has not been started");
    else if (!fill_request(r, &size, params))
        err_set(err, ERR_INPUT, "more than %d files, or too long names, for a sandbox", PATHS_MAX);
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) != 0 ||
             socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lifetime) != 0)
        err_errno(err, ERR_IO, "no socket for the sandbox");
    else if (!send_request(r, size, data[1], lifetime[1]))
        err_errno(err, ERR_IO, "the sandbox has ended; start limn again");
    else
        s = mem_alloc(sizeof *s);
    free(r);
    for (int i = s ? 1 : 0; i < 2; i++) {
        if (data[i] >= 0)
            close(data[i]);
        if (lifetime[i] >= 0)
            close(lifetime[i]);
    }
    if (!s)
        return NULL;
    *s = (struct sandbox){data[0], lifetime[0]};
    fcntl(s->data, F_SETFL, O_NONBLOCK);
    return s;
}
