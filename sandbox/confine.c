// SPDX-License-Identifier: MIT
#include "sandbox/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef LIMN_HAVE_SECCOMP
#include <linux/seccomp.h>
#include <seccomp.h>
#endif

#include "engine/base/limits.h"
#include "engine/base/mem.h"

// --- Landlock: the kernel's ABI, which older headers lack in part

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum {
    LANDLOCK_VERSION = 1, // flag of create_ruleset
    LANDLOCK_BENEATH = 1, // kind of rule
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    NET_ALL = 3,
    SCOPE_ALL = 3, // abstract sockets, signals
};

struct ruleset {
    uint64_t fs, net, scope;
};

struct rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

// Rights on files by version: 13 at first, then refer, truncate, and ioctl on devices.
static uint64_t
fs_rights(int version)
{
    int count = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    return ((uint64_t)1 << count) - 1;
}

// What any library or decoder may need; nothing in it is private.
static const char *const system_paths[] = {
    "/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib",
    "/nix/store", "/gnu/store", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig",
    "/var/cache/fontconfig", "/usr/share/mime", "/usr/share/icu", "/usr/share/color",
    "/usr/share/zoneinfo", "/dev/null", "/dev/zero", "/dev/urandom", "/sys/devices/system/cpu",
};

// A missing place needs no rule.
static void
allow_reading(int ruleset, const char *path)
{
    struct stat st;
    struct rule rule = {.fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.fd < 0)
        return;
    bool known = fstat(rule.fd, &st) == 0;
    rule.allowed = FS_READ_FILE | (known && S_ISDIR(st.st_mode) ? FS_READ_DIR : 0);
    if (known)
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_BENEATH, &rule, 0);
    close(rule.fd);
}

static bool
restrict_files(const struct confine_rules *rules, int version, struct err *err)
{
    struct ruleset set = {.fs = fs_rights(version), .net = version >= 4 ? NET_ALL : 0,
                          .scope = version >= 6 ? SCOPE_ALL : 0};
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (fd < 0)
        return err_errno(err, ERR_UNSUPPORTED, "Landlock");
    for (size_t i = 0; i < COUNT_OF(system_paths); i++)
        allow_reading(fd, system_paths[i]);
    for (int i = 0; rules->readable && rules->readable[i]; i++)
        allow_reading(fd, rules->readable[i]);
    bool ok = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ||
              err_errno(err, ERR_UNSUPPORTED, "Landlock");
    close(fd);
    return ok;
}

// --- seccomp

#ifdef LIMN_HAVE_SECCOMP
static const char *const allowed_calls[] = {
    // memory
    "brk", "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "mincore", "membarrier",
    // threads
    "exit", "exit_group", "futex", "futex_time64", "futex_waitv", "set_robust_list",
    "get_robust_list", "rseq", "set_tid_address", "set_thread_area", "arch_prctl", "sched_yield",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "getcpu",
    // time
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "nanosleep",
    "gettimeofday", "time", "times", "restart_syscall",
    // what it and the machine are
    "getpid", "getppid", "gettid", "getpgrp", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getrlimit", "ugetrlimit", "getrusage", "getpriority", "sysinfo", "uname",
    "getrandom",
    // its own signals
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "sigaltstack", "pause",
    // files that Landlock lets it read, and descriptors that it has
    "read", "readv", "pread64", "preadv", "write", "writev", "close", "close_range", "lseek",
    "fstat", "fstat64", "newfstatat", "stat", "lstat", "statx", "statfs", "fstatfs", "getdents",
    "getdents64", "readlink", "readlinkat", "access", "faccessat", "faccessat2", "getcwd",
    "fadvise64", "dup", "dup2", "dup3", "pipe", "pipe2", "eventfd2", "poll", "ppoll", "select",
    "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
};

static bool
allow(scmp_filter_ctx filter, const char *name, unsigned count, const struct scmp_arg_cmp *args)
{
    int call = seccomp_syscall_resolve_name(name);
    // A call that this architecture lacks needs no rule.
    if (call == __NR_SCMP_ERROR || call < 0)
        return true;
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, args) == 0;
}

// Calls that are harmless only with some arguments.
static bool
allow_by_arguments(scmp_filter_ctx filter)
{
    enum { CLONE_THREAD_BIT = 0x00010000, PRCTL_SET_VMA = 0x53564d41 };
    const scmp_datum_t writing =
        O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
    const struct scmp_arg_cmp thread[] = {
        {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD_BIT, CLONE_THREAD_BIT}};
    const struct scmp_arg_cmp own_signal[] = {{0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0}};
    const struct scmp_arg_cmp open_read_only[] = {{1, SCMP_CMP_MASKED_EQ, writing, 0}};
    const struct scmp_arg_cmp openat_read_only[] = {{2, SCMP_CMP_MASKED_EQ, writing, 0}};
    const struct scmp_arg_cmp query_only[] = {{0, SCMP_CMP_EQ, 0, 0}, {2, SCMP_CMP_EQ, 0, 0}};
    static const int descriptor_calls[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                           F_SETFD, F_GETFL,         F_SETFL};
    static const int name_calls[] = {PR_SET_NAME, PR_GET_NAME, PRCTL_SET_VMA};
    bool ok = allow(filter, "clone", 1, thread) && allow(filter, "tgkill", 1, own_signal) &&
              allow(filter, "open", 1, open_read_only) &&
              allow(filter, "openat", 1, openat_read_only) &&
              allow(filter, "prlimit64", 2, query_only);
    for (size_t i = 0; ok && i < COUNT_OF(descriptor_calls); i++) {
        const struct scmp_arg_cmp args[] = {{1, SCMP_CMP_EQ, (scmp_datum_t)descriptor_calls[i], 0}};
        ok = allow(filter, "fcntl", 1, args);
    }
    for (size_t i = 0; ok && i < COUNT_OF(name_calls); i++) {
        const struct scmp_arg_cmp args[] = {{0, SCMP_CMP_EQ, (scmp_datum_t)name_calls[i], 0}};
        ok = allow(filter, "prctl", 1, args);
    }
    return ok;
}

static bool
restrict_calls(struct err *err)
{
    // A refused call fails as for lack of rights; "unknown" lets the C library fall back to calls
    // whose arguments a filter can see.
    static const char *const unknown_calls[] = {"clone3", "openat2"};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool ok = filter != NULL;
    for (size_t i = 0; ok && i < COUNT_OF(unknown_calls); i++) {
        int call = seccomp_syscall_resolve_name(unknown_calls[i]);
        if (call >= 0)
            ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0;
    }
    for (size_t i = 0; ok && i < COUNT_OF(allowed_calls); i++)
        ok = allow(filter, allowed_calls[i], 0, NULL);
    ok = ok && allow_by_arguments(filter) && seccomp_load(filter) == 0;
    if (filter)
        seccomp_release(filter);
    return ok || err_set(err, ERR_UNSUPPORTED, "seccomp refuses the filter");
}

static bool
seccomp_available(void)
{
    unsigned action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}
#else
static bool
restrict_calls(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "this build has no seccomp");
}

static bool
seccomp_available(void)
{
    return false;
}
#endif

// --- limits

// Bytes of address space this process has already; a sanitizer's shadow memory takes terabytes,
// which must not count.
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

static void
limit(int what, rlim_t value)
{
    struct rlimit l = {value, value};
    setrlimit(what, &l);
}

static void
set_limits(const struct confine_rules *rules)
{
    double seconds = fmax(0.001, rules->processor_seconds);
    struct itimerval timer = {.it_value = {(time_t)seconds, (suseconds_t)(fmod(seconds, 1) * 1e6)}};
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, LIMIT_SANDBOX_DESCRIPTORS);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_MSGQUEUE, 0);
    limit(RLIMIT_AS, address_space() + ((rlim_t)rules->megabytes << 20));
    // The timer is exact; the limit cannot be put off.
    limit(RLIMIT_CPU, (rlim_t)ceil(seconds) + 1);
    setitimer(ITIMER_PROF, &timer, NULL);
}

struct confine_kernel
confine_kernel(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
    return (struct confine_kernel){.landlock = version > 0 ? (int)version : 0,
                                   .seccomp = seccomp_available()};
}

bool
confine_self(const struct confine_rules *rules, const struct confine_kernel *kernel,
             struct err *err)
{
    set_limits(rules);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(err, ERR_UNSUPPORTED, "no_new_privs");
    return (!kernel->landlock || restrict_files(rules, kernel->landlock, err)) &&
           (!kernel->seccomp || restrict_calls(err));
}
