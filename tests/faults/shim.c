// SPDX-License-Identifier: MIT
// Calls of the C library that fail. Loaded with LD_PRELOAD it counts the calls of each kind, in
// each kind of process, and has some of them fail as the kernel would let them fail:
//
//     FAULT_PAGE=FILE    counts, and what was hit, as faults.py reads them; all processes share it
//     FAULT=ROLE:KIND:N:HOW:TIMES   the N-th call (from 1) of that kind in processes of that role,
//     and
//                                   those behind it, TIMES in all; HOW is an errno or "short"
//     FAULT_SLOW=read:TEXT:MS   or write: what limn itself reads of files with TEXT in their paths,
//                               or writes to them, takes MS milliseconds a call
//     FAULT_SITES=DEPTH   also from where each call came, by the DEPTH innermost callers: the first
//                         call from each place is kept
//
// Nothing is counted before main(), nor what the C library does inside of itself (how it makes a
// thread's stack, say), but streams: those are opened here, so that what goes through them is seen.
#include "tests/faults/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kind_names[KIND_COUNT] = {
#define KIND(name, text) text,
#include "tests/faults/kinds.def"
#undef KIND
};

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_LIMN] = "limn",   [ROLE_WORKER] = "worker", [ROLE_COMMAND] = "command",
    [ROLE_FORK] = "fork",   [ROLE_KEEPER] = "keeper", [ROLE_LOOK] = "look",
    [ROLE_OTHER] = "other",
};

enum { SITES_MAX = 1 << 16, DEPTH_MAX = 48, OWN_FRAMES = 4 };

// What faults.py reads: native integers, in this order.
struct page {
    atomic_uint hits; // calls that failed
    atomic_uint n;    // of the first one
    atomic_uint counts[ROLE_COUNT][KIND_COUNT];
    char where[256]; // the caller of the first one: file+offset, function
    struct site {
        _Atomic uint64_t key; // 0: free
        atomic_uint role, kind, n;
    } sites[SITES_MAX];
};

static struct page *page;
static enum role role = ROLE_OTHER;
static struct {
    enum role role;
    enum kind kind;
    unsigned first, times;
    int number; // errno; 0: short
} wish = {.role = ROLE_OTHER};
static int depth; // of sites; 0: they are not kept
static struct {
    enum kind kind;
    char text[100];
    unsigned ms;
} slow = {.kind = KIND_NONE};

void *
shim_real(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    if (!p)
        _exit(111);
    return p;
}

static int
index_of(const char *const *names, int count, const char *text, size_t n)
{
    for (int i = 0; i < count; i++)
        if (strlen(names[i]) == n && strncmp(names[i], text, n) == 0)
            return i;
    fprintf(stderr, "shim: '%.*s' in $FAULT is unknown\n", (int)n, text);
    _exit(111);
}

static int
errno_of(const char *text)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"EIO", EIO},     {"EINTR", EINTR},
                 {"EMFILE", EMFILE}, {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"ENOLCK", ENOLCK},
                 {"EPERM", EPERM},   {"short", 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, text) == 0)
            return known[i].number;
    fprintf(stderr, "shim: '%s' in $FAULT is unknown\n", text);
    _exit(111);
}

static void
read_wish(const char *text)
{
    char how[16] = "";
    const char *kind = strchr(text, ':'), *rest = kind ? strchr(kind + 1, ':') : NULL;
    if (!rest || sscanf(rest, ":%u:%15[^:]:%u", &wish.first, how, &wish.times) != 3)
        _exit(111);
    wish.kind = index_of(kind_names, KIND_COUNT, kind + 1, (size_t)(rest - kind - 1));
    wish.number = errno_of(how);
    wish.role = index_of(role_names, ROLE_COUNT, text, (size_t)(kind - text));
}

static void
read_slow(const char *text)
{
    char kind[8] = "";
    if (sscanf(text, "%7[^:]:%99[^:]:%u", kind, slow.text, &slow.ms) != 3)
        _exit(111);
    slow.kind = *kind == 'r' ? KIND_READ_FILE : KIND_WRITE_FILE;
}

static enum role
role_of(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    bool itself = strcmp(argv[0], "/proc/self/exe") == 0;
    if (!itself && strcmp(slash ? slash + 1 : argv[0], "limn") != 0)
        return ROLE_OTHER;
    if (argc < 2 || strcmp(argv[1], "worker") != 0)
        return ROLE_LIMN;
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--run") == 0)
            return ROLE_COMMAND;
    return ROLE_WORKER;
}

static void
begin(int argc, char **argv)
{
    const char *file = getenv("FAULT_PAGE"), *fault = getenv("FAULT"), *late = getenv("FAULT_SLOW");
    enum role own = role_of(argc, argv);
    int fd = file && own != ROLE_OTHER ? open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return;
    if (ftruncate(fd, sizeof *page) == 0)
        page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED || !page)
        _exit(111);
    if (fault && *fault)
        read_wish(fault);
    if (late && *late && own == ROLE_LIMN)
        read_slow(late);
    const char *sites = getenv("FAULT_SITES");
    void *warm[1]; // the first time it loads what unwinds
    if (sites && backtrace(warm, 1) > 0)
        depth = atoi(sites);
    role = own;
}

// --- main() is where it begins

static int (*real_main)(int, char **, char **);

static int
main_here(int argc, char **argv, char **environment)
{
    begin(argc, argv);
    return real_main(argc, argv, environment);
}

int __libc_start_main(int (*first)(int, char **, char **), int argc, char **argv,
                      int (*init)(int, char **, char **), void (*fini)(void), void (*ended)(void),
                      void *stack);
int
__libc_start_main(int (*first)(int, char **, char **), int argc, char **argv,
                  int (*init)(int, char **, char **), void (*fini)(void), void (*ended)(void),
                  void *stack)
{
    __typeof__(&__libc_start_main) real = shim_real("__libc_start_main");
    real_main = first;
    return real(main_here, argc, argv, init, fini, ended, stack);
}

void
shim_forked(void)
{
    if (role != ROLE_OTHER)
        role = ROLE_FORK;
}

void
shim_named(const char *name)
{
    if (strcmp(name, "limn-look") == 0)
        role = ROLE_LOOK;
    else if (strcmp(name, "limn-keeper") == 0)
        role = ROLE_KEEPER;
    else if (strcmp(name, "limn-sandbox") == 0)
        role = ROLE_KEEPER;
}

// --- counting

static void
remember(unsigned n, void *caller)
{
    Dl_info info = {0};
    if (atomic_fetch_add(&page->hits, 1) > 0)
        return;
    atomic_store(&page->n, n);
    if (dladdr(caller, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        snprintf(page->where, sizeof page->where, "%s+0x%zx %s", slash ? slash + 1 : info.dli_fname,
                 (size_t)((char *)caller - (char *)info.dli_fbase),
                 info.dli_sname ? info.dli_sname : "");
    }
}

// Where in which file an address is, wherever that was loaded to.
static uint64_t
place_of(void *address)
{
    struct dl_find_object found;
    if (_dl_find_object(address, &found) != 0)
        return 0;
    uintptr_t start = (uintptr_t)found.dlfo_map_start, end = (uintptr_t)found.dlfo_map_end;
    return ((uintptr_t)address - start) ^ (uint64_t)(end - start) << 32;
}

// Keeps the first call from each place.
static void
keep_site(enum kind kind, unsigned n)
{
    static _Thread_local bool inside;
    void *frames[DEPTH_MAX + OWN_FRAMES];
    if (!depth || inside)
        return;
    inside = true;
    int kept = errno, count = backtrace(frames, depth + OWN_FRAMES);
    uint64_t key = (uint64_t)role * KIND_COUNT + (uint64_t)kind + 1;
    for (int i = OWN_FRAMES; i < count; i++)
        key = ((key ^ place_of(frames[i])) * 0x9FB21C651E98DF25u) ^ (key >> 29);
    errno = kept;
    inside = false;
    for (size_t i = key % SITES_MAX, tries = 0; tries < 64; i = (i + 1) % SITES_MAX, tries++) {
        struct site *s = &page->sites[i];
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&s->key, &none, key | 1)) {
            atomic_store(&s->role, role);
            atomic_store(&s->kind, kind);
            atomic_store(&s->n, n);
        }
        if (none == 0 || none == (key | 1))
            return;
    }
}

static bool
hit(enum kind kind, void *caller)
{
    if (!page || role == ROLE_OTHER)
        return false;
    unsigned n = atomic_fetch_add(&page->counts[role][kind], 1) + 1;
    keep_site(kind, n);
    if (role != wish.role || kind != wish.kind || n < wish.first || n - wish.first >= wish.times)
        return false;
    remember(n, caller);
    return true;
}

bool
shim_fails(enum kind kind, void *caller)
{
    if (kind == KIND_NONE || !hit(kind, caller))
        return false;
    errno = wish.number;
    return true;
}

size_t
shim_size(enum kind kind, size_t size, void *caller)
{
    if (kind == KIND_NONE || !hit(kind, caller))
        return size;
    if (wish.number == 0)
        return size > 1 ? size / 2 : size;
    errno = wish.number;
    return SIZE_MAX;
}

static bool
is_stream_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        return role == ROLE_LOOK; // which may not ask, and has one
    return type == SOCK_STREAM;
}

// A disk that takes its time, and a child of limn's that has none of it.
static void
be_slow(int fd, enum kind kind)
{
    char link[40], path[4096];
    if (kind != slow.kind || role != ROLE_LIMN)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    if (strstr(path, slow.text))
        usleep(slow.ms * 1000);
}

// A regular file gives no EINTR, a pipe or a terminal is never full; others (eventfd and their
// like) take all or nothing, and fail in no way that could be met here.
enum kind
shim_kind(int fd, enum kind file, enum kind stream)
{
    struct stat st;
    int kept = errno, flags;
    enum kind kind = KIND_NONE;
    if (fd < 0 || fstat(fd, &st) != 0)
        kind = KIND_NONE;
    else if (S_ISREG(st.st_mode))
        be_slow(fd, kind = file);
    else if (S_ISFIFO(st.st_mode) || (S_ISSOCK(st.st_mode) && is_stream_socket(fd)) ||
             (S_ISCHR(st.st_mode) && isatty(fd)))
        kind = stream;
    // Only what would wait is interrupted.
    if (kind == stream && wish.kind == stream && wish.number == EINTR &&
        ((flags = fcntl(fd, F_GETFL)) < 0 || flags & O_NONBLOCK))
        kind = KIND_NONE;
    errno = kept;
    return kind;
}
