// SPDX-License-Identifier: MIT
// The calls themselves: each asks shim.c whether it fails, and else is what it was.
#undef _FILE_OFFSET_BITS // both names of each call are here
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/shim.h"

// Their declarations here would have to match those of every C library's headers, attributes and
// all.
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"

#define CALLER __builtin_return_address(0)
#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
        real = (__typeof__(&name))shim_real(#name)
#define FAILS(kind, result)                                                                        \
    if (shim_fails(kind, CALLER))                                                                  \
    return result

// --- memory

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *
malloc(size_t size)
{
    FAILS(KIND_MEMORY, NULL);
    return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    FAILS(KIND_MEMORY, NULL);
    return __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
    FAILS(KIND_MEMORY, NULL);
    return __libc_realloc(old, size);
}

void *
memalign(size_t alignment, size_t size)
{
    FAILS(KIND_MEMORY, NULL);
    return __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    FAILS(KIND_MEMORY, NULL);
    return __libc_memalign(alignment, size);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
    int kept = errno;
    bool fails = shim_fails(KIND_MEMORY, CALLER);
    void *p = fails ? NULL : __libc_memalign(alignment, size);
    errno = kept;
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}

void *
mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    if (!(flags & MAP_FIXED))
        FAILS(KIND_MAP, MAP_FAILED);
    return real(at, size, protection, flags, fd, offset);
}

void *
mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
    REAL(mmap64);
    if (!(flags & MAP_FIXED))
        FAILS(KIND_MAP, MAP_FAILED);
    return real(at, size, protection, flags, fd, offset);
}

// --- opening

static bool
opening_fails(int flags, void *caller)
{
    bool creates = (flags & O_CREAT) != 0;
    return shim_fails(KIND_OPEN, caller) || (creates && shim_fails(KIND_CREATE, caller));
}

static int
open_at(int folder, const char *path, int flags, mode_t mode, void *caller)
{
    REAL(openat);
    return opening_fails(flags, caller) ? -1 : real(folder, path, flags, mode);
}

static mode_t
mode_in(int flags, va_list args)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN(name, arguments, folder)                                                              \
    int name arguments                                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_in(flags, args);                                                        \
        va_end(args);                                                                              \
        return open_at(folder, path, flags, mode, CALLER);                                         \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int folder, const char *path, int flags, ...), folder)
OPEN(openat64, (int folder, const char *path, int flags, ...), folder)

int
__open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0, CALLER);
}

int
__open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0, CALLER);
}

int
__openat_2(int folder, const char *path, int flags)
{
    return open_at(folder, path, flags, 0, CALLER);
}

DIR *
opendir(const char *path)
{
    REAL(opendir);
    FAILS(KIND_OPEN, NULL);
    return real(path);
}

int
mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    FAILS(KIND_CREATE, -1);
    return real(path, mode);
}

// openat2 has no function of its own.
long
syscall(long number, ...)
{
    REAL(syscall);
    va_list args;
    long a[6];
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_openat2)
        FAILS(KIND_OPEN, -1);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// --- reading and writing

#define READS shim_kind(fd, KIND_READ_FILE, KIND_READ_STREAM)
#define WRITES shim_kind(fd, KIND_WRITE_FILE, KIND_WRITE_STREAM)
#define MOVE(name, arguments, kind, call)                                                          \
    ssize_t name arguments                                                                         \
    {                                                                                              \
        REAL(name);                                                                                \
        size_t n = shim_size(kind, size, CALLER);                                                  \
        return n == SIZE_MAX && size != SIZE_MAX ? -1 : real call;                                 \
    }
MOVE(read, (int fd, void *p, size_t size), READS, (fd, p, n))
MOVE(pread, (int fd, void *p, size_t size, off_t at), READS, (fd, p, n, at))
MOVE(pread64, (int fd, void *p, size_t size, off64_t at), READS, (fd, p, n, at))
MOVE(recv, (int fd, void *p, size_t size, int flags), READS, (fd, p, n, flags))
MOVE(write, (int fd, const void *p, size_t size), WRITES, (fd, p, n))
MOVE(pwrite, (int fd, const void *p, size_t size, off_t at), WRITES, (fd, p, n, at))
MOVE(pwrite64, (int fd, const void *p, size_t size, off64_t at), WRITES, (fd, p, n, at))
MOVE(send, (int fd, const void *p, size_t size, int flags), WRITES, (fd, p, n, flags))

ssize_t
__read_chk(int fd, void *p, size_t size, size_t room)
{
    return size > room ? (abort(), -1) : read(fd, p, size);
}

ssize_t
readv(int fd, const struct iovec *pieces, int count)
{
    REAL(readv);
    FAILS(READS, -1);
    return real(fd, pieces, count);
}

ssize_t
writev(int fd, const struct iovec *pieces, int count)
{
    REAL(writev);
    FAILS(WRITES, -1);
    return real(fd, pieces, count);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
    REAL(sendmsg);
    FAILS(KIND_MESSAGE, -1);
    return real(fd, m, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
    REAL(recvmsg);
    FAILS(KIND_MESSAGE, -1);
    return real(fd, m, flags);
}

// --- streams: what the C library does for them behind these calls is done here

enum { STREAMS_MAX = 64 };
static struct {
    FILE *stream;
    int fd;
} streams[STREAMS_MAX];
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t
stream_read(void *cookie, char *p, size_t size)
{
    return read((int)(intptr_t)cookie, p, size);
}

// A stream's write function says 0, not -1, where nothing was written.
static ssize_t
stream_write(void *cookie, const char *p, size_t size)
{
    ssize_t n = write((int)(intptr_t)cookie, p, size);
    return n < 0 ? 0 : n;
}

static int
stream_seek(void *cookie, off64_t *at, int from)
{
    *at = lseek64((int)(intptr_t)cookie, *at, from);
    return *at < 0 ? -1 : 0;
}

static int
stream_close(void *cookie)
{
    int fd = (int)(intptr_t)cookie;
    pthread_mutex_lock(&streams_lock);
    for (int i = 0; i < STREAMS_MAX; i++)
        if (streams[i].stream && streams[i].fd == fd)
            streams[i].stream = NULL;
    pthread_mutex_unlock(&streams_lock);
    return close(fd);
}

FILE *
fdopen(int fd, const char *mode)
{
    REAL(fdopen);
    static const cookie_io_functions_t calls = {stream_read, stream_write, stream_seek,
                                                stream_close};
    pthread_mutex_lock(&streams_lock);
    int i = 0;
    while (i < STREAMS_MAX && streams[i].stream)
        i++;
    FILE *f = i < STREAMS_MAX ? fopencookie((void *)(intptr_t)fd, mode, calls) : real(fd, mode);
    if (f && i < STREAMS_MAX) {
        streams[i].stream = f;
        streams[i].fd = fd;
    }
    pthread_mutex_unlock(&streams_lock);
    return f;
}

int
fileno(FILE *f)
{
    REAL(fileno);
    int fd = -1;
    pthread_mutex_lock(&streams_lock);
    for (int i = 0; i < STREAMS_MAX; i++)
        if (streams[i].stream == f)
            fd = streams[i].fd;
    pthread_mutex_unlock(&streams_lock);
    return fd < 0 ? real(f) : fd;
}

static FILE *
open_stream(const char *path, const char *mode, void *caller)
{
    bool plus = strchr(mode, '+') != NULL;
    int flags = *mode == 'r' ? 0 : O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
    flags |= plus ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    flags |= strchr(mode, 'e') ? O_CLOEXEC : 0;
    flags |= strchr(mode, 'x') ? O_EXCL : 0;
    int fd = open_at(AT_FDCWD, path, flags, 0666, caller);
    FILE *f = fd < 0 ? NULL : fdopen(fd, mode);
    if (fd >= 0 && !f)
        close(fd);
    return f;
}

FILE *
fopen(const char *path, const char *mode)
{
    return open_stream(path, mode, CALLER);
}

FILE *
fopen64(const char *path, const char *mode)
{
    return open_stream(path, mode, CALLER);
}

// --- what becomes of files

#define CALL(result, name, arguments, kind, failed, call)                                          \
    result name arguments                                                                          \
    {                                                                                              \
        REAL(name);                                                                                \
        FAILS(kind, failed);                                                                       \
        return real call;                                                                          \
    }
CALL(int, fsync, (int fd), KIND_SYNC, -1, (fd))
CALL(int, fdatasync, (int fd), KIND_SYNC, -1, (fd))
CALL(int, rename, (const char *a, const char *b), KIND_RENAME, -1, (a, b))
CALL(int, renameat, (int i, const char *a, int j, const char *b), KIND_RENAME, -1, (i, a, j, b))
CALL(int, renameat2, (int i, const char *a, int j, const char *b, unsigned how), KIND_RENAME, -1,
     (i, a, j, b, how))
CALL(int, link, (const char *a, const char *b), KIND_RENAME, -1, (a, b))
CALL(int, unlink, (const char *path), KIND_UNLINK, -1, (path))
CALL(int, unlinkat, (int folder, const char *path, int flags), KIND_UNLINK, -1,
     (folder, path, flags))
CALL(int, ftruncate, (int fd, off_t size), KIND_TRUNCATE, -1, (fd, size))
CALL(int, ftruncate64, (int fd, off64_t size), KIND_TRUNCATE, -1, (fd, size))
CALL(int, flock, (int fd, int how), KIND_LOCK, -1, (fd, how))

// Linux closes a file also when it says that it could not.
int
close(int fd)
{
    REAL(close);
    bool fails = shim_fails(shim_kind(fd, KIND_CLOSE, KIND_NONE), CALLER);
    int failed = errno, result = real(fd);
    if (!fails)
        return result;
    errno = failed;
    return -1;
}

static int
control(int fd, int command, void *argument, void *caller)
{
    REAL(fcntl64);
    bool lock = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK;
    bool copy = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    if ((lock && shim_fails(KIND_LOCK, caller)) || (copy && shim_fails(KIND_DESCRIPTOR, caller)))
        return -1;
    return real(fd, command, argument);
}

#define CONTROL(name)                                                                              \
    int name(int fd, int command, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, command);                                                                   \
        void *argument = va_arg(args, void *);                                                     \
        va_end(args);                                                                              \
        return control(fd, command, argument, CALLER);                                             \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

CALL(int, pipe, (int ends[2]), KIND_DESCRIPTOR, -1, (ends))
CALL(int, pipe2, (int ends[2], int flags), KIND_DESCRIPTOR, -1, (ends, flags))
CALL(int, socketpair, (int a, int b, int c, int ends[2]), KIND_DESCRIPTOR, -1, (a, b, c, ends))
CALL(int, socket, (int a, int b, int c), KIND_DESCRIPTOR, -1, (a, b, c))
CALL(int, eventfd, (unsigned value, int flags), KIND_DESCRIPTOR, -1, (value, flags))
CALL(int, dup, (int fd), KIND_DESCRIPTOR, -1, (fd))

// --- waiting

#define WAITING(may, kind) ((may) ? (kind) : KIND_NONE)
CALL(int, poll, (struct pollfd *fds, nfds_t count, int ms), WAITING(ms != 0, KIND_POLL), -1,
     (fds, count, ms))
CALL(int, ppoll, (struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *s),
     WAITING(!t || t->tv_sec || t->tv_nsec, KIND_POLL), -1, (fds, n, t, s))
CALL(int, select, (int n, fd_set *a, fd_set *b, fd_set *c, struct timeval *t),
     WAITING(!t || t->tv_sec || t->tv_usec, KIND_POLL), -1, (n, a, b, c, t))
CALL(pid_t, waitpid, (pid_t pid, int *status, int how), WAITING(!(how & WNOHANG), KIND_WAIT), -1,
     (pid, status, how))

int
__poll_chk(struct pollfd *fds, nfds_t count, int ms, size_t room)
{
    return count > room / sizeof *fds ? (abort(), -1) : poll(fds, count, ms);
}

// --- threads and processes

int
pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *arg)
{
    REAL(pthread_create);
    return shim_fails(KIND_THREAD, CALLER) ? errno : real(thread, how, run, arg);
}

pid_t
fork(void)
{
    REAL(fork);
    FAILS(KIND_PROCESS, -1);
    pid_t pid = real();
    if (pid == 0)
        shim_forked();
    return pid;
}

int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
            const posix_spawnattr_t *how, char *const *argv, char *const *environment)
{
    REAL(posix_spawn);
    return shim_fails(KIND_PROCESS, CALLER) ? errno
                                            : real(pid, path, actions, how, argv, environment);
}

int
posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *how, char *const *argv, char *const *environment)
{
    REAL(posix_spawnp);
    return shim_fails(KIND_PROCESS, CALLER) ? errno
                                            : real(pid, file, actions, how, argv, environment);
}

int
prctl(int what, ...)
{
    REAL(prctl);
    va_list args;
    unsigned long a[4];
    va_start(args, what);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    if (what == PR_SET_NAME)
        shim_named((const char *)a[0]);
    return real(what, a[0], a[1], a[2], a[3]);
}
