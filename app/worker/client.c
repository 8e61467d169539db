// SPDX-License-Identifier: MIT
#include "app/base/process.h"
#include "app/worker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/base/text.h"
#include "app/worker/client_parts.h"
#include "app/worker/protocol.h"
#include "app/worker/wire.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// --- starting

static char **
split_words(const char *text, int *count)
{
    char **words = NULL, *copy = mem_strdup(text), *rest = NULL;
    int n = 0, capacity = 0;
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        ARRAY_PUSH(words, n, capacity, mem_strdup(w));
    free(copy);
    *count = n;
    return words;
}

// The command line, NULL at its end.
static char **
command_of(const struct client *c)
{
    char **argv = NULL;
    int count = 0, capacity = 0;
    if (c->host) {
        const char *ssh = getenv("LIMN_SSH"), *remote = getenv("LIMN_REMOTE");
        int words = 0;
        char **list = split_words(ssh && *ssh ? ssh : "ssh", &words);
        for (int i = 0; i < words; i++)
            ARRAY_PUSH(argv, count, capacity, list[i]);
        free(list);
        // No terminal; notice a dead line; pictures compress badly, so no -C.
        static const char *const options[] = {"-T", "-o", "ServerAliveInterval=15"};
        for (size_t i = 0; i < COUNT_OF(options); i++)
            ARRAY_PUSH(argv, count, capacity, mem_strdup(options[i]));
        if (c->quiet_ssh) {
            ARRAY_PUSH(argv, count, capacity, mem_strdup("-o"));
            ARRAY_PUSH(argv, count, capacity, mem_strdup("BatchMode=yes"));
        }
        ARRAY_PUSH(argv, count, capacity, mem_strdup("--"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup(c->host));
        ARRAY_PUSH(argv, count, capacity, mem_printf("%s worker --stdio%s",
                                                     remote && *remote ? remote : "limn",
                                                     c->alone ? " --alone" : ""));
    } else {
        ARRAY_PUSH(argv, count, capacity, mem_strdup(c->program ? c->program : "/proc/self/exe"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup("worker"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup("--stdio"));
        if (c->alone)
            ARRAY_PUSH(argv, count, capacity, mem_strdup("--alone"));
    }
    ARRAY_PUSH(argv, count, capacity, NULL);
    return argv;
}

static void
exec_worker(char **argv, int in, int out, int errors, bool keep_terminal)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    // Out of the terminal's reach: this side handles Ctrl-C and a closed window. But an ssh that
    // may ask for a password needs the terminal.
    if (!keep_terminal)
        setsid();
    else
        signal(SIGINT, SIG_IGN); // it must carry the interrupt to the other end
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool
start(struct client *c, struct err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errors[2] = {-1, -1};
    char **argv = command_of(c);
    bool ok = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
              pipe2(errors, O_CLOEXEC) == 0;
    if (!ok)
        err_errno(err, ERR_IO, "no pipe to a worker");
    c->pid = ok ? fork() : -1;
    if (ok && c->pid < 0)
        ok = err_errno(err, ERR_IO, "no process for a worker");
    if (ok && c->pid == 0)
        exec_worker(argv, in[0], out[1], errors[1], c->host && !c->quiet_ssh);
    int ends[6] = {in[0], out[1], errors[1], in[1], out[0], errors[0]};
    for (int i = 0; i < (ok ? 3 : 6); i++)
        if (ends[i] >= 0)
            close(ends[i]);
    for (char **a = argv; *a; a++)
        free(*a);
    free(argv);
    if (!ok) {
        c->pid = 0;
        return false;
    }
    c->out = in[1];
    c->in = out[0];
    c->errors = errors[0];
    fcntl(c->errors, F_SETFL, fcntl(c->errors, F_GETFL) | O_NONBLOCK);
    c->wire = wire_open(c->in, c->out);
    wire_expect_greeting(c->wire);
    wire_set_limit(c->wire, protocol_payload_limit_of_worker);
    c->ready = c->ended = c->gone = c->lost_reported = false;
    c->expected_count = c->refused = 0;
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        c->blobs[i].wanted = c->blobs[i].sent = false;
    c->commands_pending = c->commands_repeat = c->describe_pending = false;
    c->stderr_size = 0;
    c->stderr_tail[0] = 0;
    c->lost = (struct err){0};
    struct jv *hello = wire_head("hello");
    jv_set(hello, "protocol", jv_from_integer(WIRE_PROTOCOL));
    jv_set(hello, "version", jv_from_string(LIMN_VERSION));
    jv_set(hello, "hangup", jv_from_string(c->alone ? "stop" : "finish"));
    wire_send(c->wire, hello, NULL, 0);
    wire_flush(c->wire);
    return true;
}

// HOST or USER@HOST, without characters that mean something to a shell: ssh's own configuration may
// pass both to one, and only newer versions of ssh check them first.
static bool
is_host_name(const char *host)
{
    enum { HOST_MAX = 64 + 1 + 255 };
    static const char special[] = "'\"`$;&<>|(){}";
    const char *at = strrchr(host, '@'), *host_part = at ? at + 1 : host;
    bool ok = *host_part && *host_part != '-' && *host != '-' && at != host &&
              strlen(host) <= HOST_MAX && !strchr(host_part, '\\');
    for (const char *c = host; ok && *c; c++)
        ok = (unsigned char)*c > ' ' && *c != 0x7f && !strchr(special, *c);
    return ok;
}

struct client *
client_open(const struct client_params *params, struct err *err)
{
    struct client *c = mem_zalloc(sizeof *c);
    c->host = params->host ? mem_strdup(params->host) : NULL;
    c->program = params->program ? mem_strdup(params->program) : NULL;
    c->alone = params->alone;
    c->quiet_ssh = params->quiet_ssh;
    c->in = c->out = c->errors = -1;
    if (c->host && !is_host_name(c->host))
        err_set(err, ERR_INPUT, "--host is '%.60s', but must be HOST or USER@HOST", c->host);
    else if (start(c, err))
        return c;
    client_close(c);
    return NULL;
}

// --- ending

void
client_read_errors(struct client *c)
{
    char bytes[1024];
    ssize_t n = c->errors >= 0 ? read(c->errors, bytes, sizeof bytes) : 0;
    if (n == 0 && c->errors >= 0) {
        close(c->errors);
        c->errors = -1;
    }
    for (; n > 0; n = read(c->errors, bytes, sizeof bytes)) {
        size_t size = (size_t)n;
        if (c->stderr_size + size >= STDERR_TAIL) {
            size_t drop = MIN(c->stderr_size, c->stderr_size + size + 1 - STDERR_TAIL);
            memmove(c->stderr_tail, c->stderr_tail + drop, c->stderr_size - drop);
            c->stderr_size -= drop;
        }
        memcpy(c->stderr_tail + c->stderr_size, bytes, size);
        c->stderr_size += size;
        c->stderr_tail[c->stderr_size] = 0;
    }
}

// The last line that is not empty, made harmless.
static void
last_line(const char *text, char *out, size_t size)
{
    out[0] = 0;
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        if (n)
            snprintf(out, size, "%.*s", (int)MIN(n, 200), text);
        text += n;
        text += strspn(text, "\r\n");
    }
    if (strncmp(out, "limn: ", 6) == 0)
        memmove(out, out + 6, strlen(out + 6) + 1);
    text_line(out);
}

// How a worker ended, as an error.
void
client_describe_end(struct client *c, int status, struct err *err)
{
    char tail[256], end[PROCESS_END_TEXT];
    last_line(c->stderr_tail[0] ? c->stderr_tail : wire_noise(c->wire), tail, sizeof tail);
    const char *who = c->host ? c->host : "the worker";
    if (c->lost.code != ERR_NONE && (!c->host || c->ready))
        err_set(err, c->lost.code, "%s%s%s", c->host ? c->host : "", c->host ? ": " : "",
                c->lost.text);
    else if (c->host && !c->ready && WIFEXITED(status) && WEXITSTATUS(status) == 127)
        err_set(err, ERR_UNSUPPORTED,
                "%s: there is no limn in the search path there (%s); install it, "
                "or name it in $LIMN_REMOTE",
                c->host, tail[0] ? tail : "exit code 127");
    else if (c->host && WIFEXITED(status) && WEXITSTATUS(status) == 255)
        err_set(err, ERR_IO, "%s: %s", c->host, tail[0] ? tail : "ssh lost the connection");
    else if (c->host && !c->ready)
        err_set(err, ERR_UNSUPPORTED, "%s: what answered is not a limn worker%s%s", c->host,
                tail[0] ? ": " : "", tail);
    else if (WIFSIGNALED(status)) {
        process_end_text(WTERMSIG(status), !c->host, end);
        err_set(err, ERR_DEVICE, "%s was ended by %s%s%s", who, end, tail[0] ? ": " : "", tail);
    } else
        err_set(err, ERR_DEVICE, "%s ended (exit code %d)%s%s", who, WEXITSTATUS(status),
                tail[0] ? ": " : "", tail);
}

static void
close_fds(struct client *c)
{
    int *fds[] = {&c->in, &c->out, &c->errors};
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

// Waits for the child, which has closed its end or is to end, and kills it after `ms` milliseconds.
int
client_reap(struct client *c, int ms)
{
    int status = 0;
    close(c->out); // tells it to end, if it has not
    c->out = -1;
    for (int i = 0; c->pid > 0 && i < ms / 10; i++) {
        if (waitpid(c->pid, &status, WNOHANG) != 0) {
            c->pid = 0;
            break;
        }
        client_read_errors(c);
        poll(NULL, 0, 10);
    }
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, &status, 0);
    }
    c->pid = 0;
    client_read_errors(c);
    return status;
}

void
client_close(struct client *c)
{
    if (!c)
        return;
    if (c->wire && !c->ended) {
        wire_flush(c->wire);
        if (c->host && !c->ready)
            kill(c->pid, SIGTERM); // it may be asking for a password
        if (c->alone) {
            // It may be in the middle of a step, and ends after it, or is killed if that takes too
            // long.
            client_reap(c, CLOSE_MS);
        } else {
            // With jobs to finish it continues on its own, and is no longer waited for.
            close(c->out);
            c->out = -1;
            for (int i = 0; i < 50 && waitpid(c->pid, NULL, WNOHANG) == 0; i++)
                poll(NULL, 0, 2);
        }
    }
    wire_close(c->wire);
    close_fds(c);
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        free(c->blobs[i].data);
    free(c->expected);
    free(c->host);
    free(c->program);
    free(c);
}

bool
client_restart(struct client *c, struct err *err)
{
    wire_close(c->wire);
    c->wire = NULL;
    close_fds(c);
    c->quiet_ssh = true; // the screen is in use by now
    return start(c, err);
}

bool
client_alive(const struct client *c)
{
    return c && c->wire && !c->ended;
}

bool
client_ready(const struct client *c)
{
    return client_alive(c) && c->ready;
}

// --- waiting

static void
begin_turn(struct client *c)
{
    c->turn_began = clock_seconds();
    c->turn_events = 0;
}

bool
client_has_buffered(const struct client *c)
{
    return client_alive(c) && (c->gone || wire_has_buffered(c->wire));
}

int
client_fds(struct client *c, struct pollfd *fds)
{
    int count = 0;
    if (!client_alive(c))
        return 0;
    begin_turn(c);
    fds[count++] = (struct pollfd){.fd = c->in, .events = POLLIN};
    if (c->errors >= 0)
        fds[count++] = (struct pollfd){.fd = c->errors, .events = POLLIN};
    if (wire_queued(c->wire))
        fds[count++] = (struct pollfd){.fd = c->out, .events = POLLOUT};
    return count;
}

bool
client_wait(struct client *c, int milliseconds)
{
    struct pollfd fds[CLIENT_FDS];
    int count = client_fds(c, fds);
    return client_has_buffered(c) || (count && poll(fds, (nfds_t)count, milliseconds) > 0);
}
