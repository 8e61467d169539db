// SPDX-License-Identifier: MIT
// What a confined process can still do: each forbidden thing is tried, in a child, under several
// versions of Landlock up to the kernel's own, with seccomp and without, as kernels of other ages
// offer them. Without both the same attempts succeed, which shows that they were attempts.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "sandbox/confine.h"
#include "sandbox/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
// What has no memory gets NULL, as without the sanitizer, and not the end of the process.
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

static char folder[] = "/tmp/limn-confine-XXXXXX";
static char *allowed, *beside, *fresh;

// Each returns 0 when it could be done, else errno.
static int
result(long value)
{
    return value >= 0 ? 0 : errno;
}

static int
reads(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);
    int got = fd < 0 ? errno : read(fd, &byte, 1) == 1 ? 0 : EIO;
    close(fd);
    return got;
}

static int
read_allowed(void)
{
    return reads(allowed);
}

static int
read_beside(void)
{
    return reads(beside);
}

static int
read_passwd(void)
{
    return reads("/etc/passwd");
}

static int
list_folder(void)
{
    return result(open(folder, O_RDONLY | O_DIRECTORY));
}

static int
create(void)
{
    int fd = open(fresh, O_WRONLY | O_CREAT, 0600);
    int got = result(fd);
    unlink(fresh);
    return got;
}

static int
write_beside(void)
{
    return result(open(beside, O_WRONLY));
}

static int
rename_beside(void)
{
    int got = result(rename(beside, fresh));
    rename(fresh, beside);
    return got;
}

static int
make_folder(void)
{
    int got = result(mkdir(fresh, 0700));
    rmdir(fresh);
    return got;
}

static int
truncate_beside(void)
{
    return result(truncate(beside, 5));
}

static int
socket_inet(void)
{
    return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int
socket_unix(void)
{
    return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int got = result(pid);
    waitpid(pid, NULL, 0);
    return got;
}

static int
executes(void)
{
    char *const argv[] = {"true", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        execv("/bin/true", argv);
        _exit(errno);
    }
    int status = 0;
    if (pid < 0)
        return errno;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int
executes_here(void)
{
    char *const argv[] = {"true", NULL};
    execv("/bin/true", argv);
    return errno;
}

static int
signals_parent(void)
{
    return result(kill(getppid(), 0));
}

static int
traces(void)
{
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
unshares(void)
{
    return result(syscall(SYS_unshare, CLONE_FS));
}

static int
signals_itself(void)
{
    signal(SIGUSR1, SIG_IGN);
    return raise(SIGUSR1) == 0 ? 0 : errno;
}

static void *
nothing(void *arg)
{
    return arg;
}

static int
makes_threads(void)
{
    pthread_t t;
    int got = pthread_create(&t, NULL, nothing, NULL);
    return got ? got : pthread_join(t, NULL);
}

static int
eats(void)
{
    for (int i = 0; i < 400; i++) {
        volatile char *p = malloc(1 << 20);
        if (!p)
            return ENOMEM;
        *p = 1;
    }
    return 0;
}

static int
opens_many(void)
{
    for (int i = 0; i < LIMIT_SANDBOX_DESCRIPTORS - 4; i++)
        if (dup(0) < 0)
            return EINVAL; // too early
    for (int i = 0; i < 4; i++)
        if (dup(0) < 0)
            return errno;
    return 0;
}

enum { NEITHER = 0, SECCOMP = 1, LANDLOCK = 2, TRUNCATES = 4, SCOPES = 8, ALWAYS = 16 };

// What keeps each from being done: any of these.
static const struct {
    const char *name;
    int (*attempt)(void);
    int kept_by, error, other_error;
} attempts[] = {
    {"read what is allowed", read_allowed, NEITHER, 0, 0},
    {"read beside it", read_beside, LANDLOCK, EACCES, EACCES},
    {"read /etc/passwd", read_passwd, LANDLOCK, EACCES, EACCES},
    {"list the folder", list_folder, LANDLOCK, EACCES, EACCES},
    {"create", create, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"open for writing", write_beside, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"rename", rename_beside, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"mkdir", make_folder, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"truncate", truncate_beside, TRUNCATES | SECCOMP, EACCES, EPERM},
    {"socket inet", socket_inet, SECCOMP, EPERM, EPERM},
    {"socket unix", socket_unix, SECCOMP, EPERM, EPERM},
    {"fork", forks, SECCOMP, EPERM, EPERM},
    {"execute in a child", executes, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"execute", executes_here, LANDLOCK | SECCOMP, EACCES, EPERM},
    {"signal the parent", signals_parent, SCOPES | SECCOMP, EPERM, EPERM},
    {"trace", traces, SECCOMP, EPERM, EPERM},
    {"unshare", unshares, SECCOMP, EPERM, EPERM},
    {"signal itself", signals_itself, NEITHER, 0, 0},
    {"threads", makes_threads, NEITHER, 0, 0},
    {"more than its memory", eats, ALWAYS, ENOMEM, ENOMEM},
    {"more than its descriptors", opens_many, ALWAYS, EMFILE, EMFILE},
};

// In a child: its exit status is what `attempt` returned, 200 when it could not be confined.
static int
in_child(const struct confine_kernel *kernel, double seconds, int (*attempt)(void))
{
    const char *const readable[] = {allowed, "/nonexistent/loader.so", NULL};
    const struct confine_rules rules = {readable, seconds, 200};
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        _exit(confine_self(&rules, kernel, &err) ? attempt() : 200);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
what_is_forbidden_fails(void **state)
{
    const struct confine_kernel here = confine_kernel();
    if (!here.landlock && !here.seccomp)
        skip();
    // What changed for what is tried here: none, the first, truncation, scopes, all of this kernel.
    const int versions[] = {0, 1, 3, 6, here.landlock};
    for (size_t k = 0; k < COUNT_OF(versions); k++)
        for (int calls = 0; calls <= here.seccomp; calls++) {
            const int version = MIN(versions[k], here.landlock);
            const struct confine_kernel kernel = {version, calls != 0};
            int kept = ALWAYS | (version ? LANDLOCK : 0) | (version >= 3 ? TRUNCATES : 0) |
                       (version >= 6 ? SCOPES : 0) | (calls ? SECCOMP : 0);
            for (size_t i = 0; i < COUNT_OF(attempts); i++) {
                int status = in_child(&kernel, 10, attempts[i].attempt), got = WEXITSTATUS(status);
                bool forbidden = attempts[i].kept_by & kept;
                bool right = forbidden ? got == attempts[i].error || got == attempts[i].other_error
                                       : got == 0;
                if (!WIFEXITED(status) || !right)
                    fail_msg("Landlock %d, seccomp %d: %s gave status %#x", version, calls,
                             attempts[i].name, status);
            }
        }
}

// Calls that nothing here needs, by number: each fails for lack of rights, whatever its arguments.
static const long others[] = {
    SYS_io_uring_setup,
    SYS_bpf,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_perf_event_open,
    SYS_memfd_create,
    SYS_setns,
    SYS_personality,
    SYS_mount,
    SYS_umount2,
    SYS_chroot,
    SYS_setuid,
    SYS_setgid,
    SYS_kill,
    SYS_tkill,
    SYS_sendmsg,
    SYS_sendto,
    SYS_recvmsg,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept4,
    SYS_shmget,
    SYS_msgget,
    SYS_unlinkat,
    SYS_symlinkat,
    SYS_linkat,
    SYS_mknodat,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_ioctl,
    SYS_inotify_init1,
    SYS_fanotify_init,
    SYS_setpriority,
    SYS_sched_setaffinity,
    SYS_sched_setscheduler,
    SYS_setrlimit,
    SYS_setsid,
    SYS_setpgid,
    SYS_setitimer,
    SYS_timer_create,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_execveat,
    SYS_socketpair,
    SYS_kexec_load,
    SYS_init_module,
    SYS_reboot,
    SYS_swapon,
    SYS_sethostname,
    SYS_clock_settime,
    SYS_syslog,
    SYS_acct,
    SYS_quotactl,
    SYS_pivot_root,
    SYS_vhangup,
};

static int
tries_others(void)
{
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (syscall(others[i], -1L, 0L, 0L, 0L, 0L, 0L) != -1 || errno != EPERM)
            return (int)(i + 1);
    // These say that they are not there, so that the C library tries the ones that can be filtered.
    for (int i = 0; i < 2; i++)
        if (syscall(i ? SYS_clone3 : 437 /* openat2 */, 0L, 0L, 0L) != -1 || errno != ENOSYS)
            return 100 + i;
    return 0;
}

static void
other_calls_fail(void **state)
{
    const struct confine_kernel here = confine_kernel();
    if (!here.seccomp)
        skip();
    int status = in_child(&here, 10, tries_others), got = WEXITSTATUS(status);
    if (status != 0)
        fail_msg("status %#x: call %ld", status,
                 got > 0 && got <= (int)COUNT_OF(others) ? others[got - 1] : -1);
}

static int
spins(void)
{
    for (volatile int on = 1; on;)
        ;
    return 0;
}

static int
puts_it_off(void)
{
    signal(SIGPROF, SIG_IGN);
    signal(SIGXCPU, SIG_IGN);
    return spins();
}

static void
time_is_limited(void **state)
{
    const struct confine_kernel here = confine_kernel();
    int status = in_child(&here, 0.2, spins);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF);
    status = in_child(&here, 0.2, puts_it_off);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
says_yes(int fd, const char *const *readable)
{
    if (write(fd, "yes", 3) != 3)
        _exit(1);
}

static void
ends_itself(void)
{
    raise(SIGKILL);
}

// A keeper whose preparation ends it, as a library does without memory, holds nothing up.
static void
keepers_do_without(void **state)
{
    enum { PATIENCE = 120 };
    const struct sandbox_params params = {.megabytes = 100, .processor_seconds = 10};
    const struct sandbox_wait wait = {clock_seconds() + PATIENCE, NULL};
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        char said[4] = "";
        assert_true(sandbox_start(says_yes, ends_itself, &err));
        struct sandbox *s = sandbox_open(&params, &err);
        if (!s)
            fail_msg("%s", err.text);
        assert_int_equal(sandbox_read(s, said, 3, &wait), SANDBOX_DONE);
        assert_string_equal(said, "yes");
        sandbox_close(s);
    }
}

static int
set_up(void **state)
{
    assert_non_null(mkdtemp(folder));
    allowed = file_join(folder, "allowed");
    beside = file_join(folder, "beside");
    fresh = file_join(folder, "fresh");
    assert_true(file_write(allowed, "yes", 3, NULL));
    assert_true(file_write(beside, "hidden", 6, NULL));
    return 0;
}

static int
tear_down(void **state)
{
    int left = access(beside, F_OK); // nothing could remove it
    unlink(allowed), unlink(beside), unlink(fresh), rmdir(folder);
    free(allowed), free(beside), free(fresh);
    return left;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_forbidden_fails),
        cmocka_unit_test(other_calls_fail),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(keepers_do_without),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
