// SPDX-License-Identifier: MIT
// What every program with commands does: signals, threads, the log, errors.
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/base/streams.h"
#include "app/base/text.h"
#include "app/cli/commands.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"

atomic_int command_interrupted;
const char *command_where;

static bool terminals[3];

void
command_set_terminal(int fd)
{
    if (fd > 0 && fd < (int)COUNT_OF(terminals))
        terminals[fd] = true;
}

bool
command_terminal(int fd)
{
    return isatty(fd) || (fd > 0 && fd < (int)COUNT_OF(terminals) && terminals[fd]);
}

char *
command_sanitise(char *text)
{
    return text_line(text);
}

void
command_say(FILE *out, const char *format, ...)
{
    char *line = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&line, format, args) >= 0)
        fprintf(out, "%s\n", text_line(line));
    va_end(args);
    free(line);
}

// --- filtered output

static struct filtered_stream {
    int fd;
    struct text_stream stream;
} filtered[2] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};

static int output_lost; // errno of it; 0: not lost

void
command_output_lost(int number)
{
    output_lost = output_lost ? output_lost : number;
}

static bool
write_filtered(const struct filtered_stream *d, const char *bytes, size_t size)
{
    bool ok = streams_write(d->fd, bytes, size);
    if (!ok && d->fd == STDOUT_FILENO) // the stream keeps no errno
        command_output_lost(errno);
    return ok;
}

static ssize_t
filter_write(void *cookie, const char *bytes, size_t size)
{
    struct filtered_stream *d = cookie;
    char *out = mem_alloc(size + sizeof d->stream.pending);
    size_t n = text_stream(&d->stream, bytes, size, !command_terminal(d->fd), out);
    bool ok = write_filtered(d, out, n);
    free(out);
    return ok ? (ssize_t)size : 0;
}

// What waits for the rest of a character that will not come.
static void
filter_flush(struct filtered_stream *d)
{
    char out[sizeof d->stream.pending];
    write_filtered(d, out, text_stream_end(&d->stream, !command_terminal(d->fd), out));
}

void
command_filter_output(void)
{
    static const cookie_io_functions_t functions = {.write = filter_write};
    static bool open;
    if (open)
        return;
    open = true;
    FILE *out = fopencookie(&filtered[0], "w", functions);
    FILE *errors = fopencookie(&filtered[1], "w", functions);
    if (out) {
        setvbuf(out, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, BUFSIZ);
        stdout = out;
    }
    if (errors) {
        setvbuf(errors, NULL, _IONBF, 0); // progress lines have no end
        stderr = errors;
    }
}

int
command_failed(const struct err *err)
{
    struct err copy = *err;
    if (err->code != ERR_CANCELLED)
        fprintf(stderr, "limn: %s%s%s\n", command_where ? command_where : "",
                command_where ? ": " : "", command_sanitise(copy.text));
    return err_exit_code(err);
}

int
command_end(int code)
{
    errno = 0;
    if (fflush(stdout) != 0)
        command_output_lost(errno);
    if (ferror(stdout))
        command_output_lost(EIO);
    for (size_t i = 0; i < COUNT_OF(filtered); i++)
        filter_flush(&filtered[i]);
    // Who reads no further, as head does, knows it.
    if (output_lost && output_lost != EPIPE)
        fprintf(stderr, "limn: standard output%s%s\n", output_lost == EBADF ? " is closed" : ": ",
                output_lost == EBADF ? "" : strerror(output_lost));
    return output_lost && code == 0 ? 1 : code;
}

// The first asks politely; a second one while the first is being obeyed ends at once.
static void
on_interrupt(int signal_number)
{
    if (atomic_fetch_add(&command_interrupted, 1) > 0) {
        file_out_abort_all();
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
}

static void
exit_interrupted(int signal_number)
{
    (void)signal_number;
    file_out_abort_all();
    _exit(130);
}

void
command_interrupt_ends(void)
{
    struct sigaction end = {.sa_handler = exit_interrupted};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    if (atomic_load(&command_interrupted))
        exit_interrupted(SIGINT);
}

static void
log_to_stderr(enum log_level level, const char *module, const char *text, void *data)
{
    (void)level, (void)data;
    fprintf(stderr, "limn: %s: %s\n", module, text);
}

// libgomp's threads spin for a long time before they sleep, which on a machine with other work to
// do makes a step many times slower: the thread that is waited for is not running. A short spin is
// better, a shorter one where more wants to run already than there are cores: neither costs much
// where the load is not what it was (docs/performance.md). libgomp reads its settings before
// main(), so this is for the processes that this one starts. So are the number of threads and their
// stacks, where the environment asks for what the machine does not have.
static char **restart_argv; // the command line of a process that was started without them

static bool
limit_spinning(void)
{
    double load = 0;
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return false;
    bool busy = getloadavg(&load, 1) == 1 && load > (double)sysconf(_SC_NPROCESSORS_ONLN);
    return setenv("GOMP_SPINCOUNT", busy ? "1000" : "3000", 1) == 0;
}

// libgomp ends the process when it cannot have as many threads as it was told.
static bool
limit_thread_count(void)
{
    const char *text = getenv("OMP_NUM_THREADS");
    long most = MAX(LIMIT_THREADS, sysconf(_SC_NPROCESSORS_ONLN));
    char number[24];
    snprintf(number, sizeof number, "%ld", most);
    return text && strtol(text, NULL, 10) > most && setenv("OMP_NUM_THREADS", number, 1) == 0;
}

// As libgomp reads it: a number of KiB, or with a letter behind it of bytes, KiB, MiB or GiB. 0: it
// is none.
static double
stack_megabytes(const char *text)
{
    char *end;
    double v = strtod(text, &end) / 1024;
    switch (end[strspn(end, " \t")]) {
    case 'b': case 'B': return v / 1024;
    case 'k': case 'K': case 0: return v;
    case 'm': case 'M': return v * 1024;
    case 'g': case 'G': return v * 1024 * 1024;
    default: return 0;
    }
}

// In a stack of a few KiB oneDNN ends by a signal; terabytes are not to be had. Without a wish it
// is that of `ulimit -s`.
static bool
limit_stacks(void)
{
    const char *own = getenv("OMP_STACKSIZE"), *text = own ? own : getenv("GOMP_STACKSIZE");
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &limit);
    double mb = text ? stack_megabytes(text) : (double)limit.rlim_cur / (1 << 20);
    if (!text && limit.rlim_cur == RLIM_INFINITY)
        return false;
    return !(mb >= LIMIT_STACK_LEAST_MEGABYTES && mb <= LIMIT_STACK_MOST_MEGABYTES) &&
           setenv("OMP_STACKSIZE", "8M", 1) == 0;
}

static void
limit_threads(char **argv)
{
    bool spins = limit_spinning(), count = limit_thread_count(), stacks = limit_stacks();
    restart_argv = spins || count || stacks ? argv : NULL;
}

void
command_will_compute(void)
{
    if (restart_argv)
        execv("/proc/self/exe", restart_argv); // if that fails we go on as we are
}

// Where address space is limited, one arena: glibc gives every thread one of its own and takes 128
// MiB to lay it out, which another thread then lacks for its code (oneDNN crashes) or its stack.
static void
limit_arenas(void)
{
    struct rlimit memory;
    if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur != RLIM_INFINITY)
        mallopt(M_ARENA_MAX, 1);
}

// A sentence and an exit code, past streams and handlers of exit, which may want memory in their
// turn.
void
command_end_without_memory(void)
{
    static const char message[] = "limn: out of memory\n";
    file_out_abort_all();
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) {
        // Nobody is there to see it.
    }
    _exit(1);
}

void
command_start(char **argv)
{
    streams_open();
    limit_threads(argv);
    limit_arenas();
    mem_end_with(command_end_without_memory);
    mem_end_uncaught();
    const char *verbose = getenv("LIMN_LOG");
    log_set_sink(log_to_stderr, NULL, !verbose || !*verbose            ? LOG_NOTICE
                                      : strcmp(verbose, "debug") == 0 ? LOG_DEBUG
                                                                      : LOG_INFO);
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    file_map_guard();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error of its write
}
