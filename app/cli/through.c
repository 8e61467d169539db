// SPDX-License-Identifier: MIT
#include "app/cli/through.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/streams.h"
#include "app/cli/commands.h"
#include "app/worker/order.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { HELD_OUTPUT_MAX = 64 << 10 };

// --- what a command is sent with

void
command_request_begin(struct command_request *r, const char *host)
{
    *r = (struct command_request){.host = host, .words = jv_array(), .about = jv_object()};
}

void
command_request_finish(struct command_request *r)
{
    for (int i = 0; i < r->file_count; i++) {
        free(r->files[i].path);
        free(r->files[i].data);
    }
    jv_free(r->words);
    jv_free(r->about);
    *r = (struct command_request){0};
}

void
command_request_word(struct command_request *r, const char *text)
{
    jv_append(r->words, jv_from_string(text));
}

// A word with a file; its name there ends as it does here, and is unique by its number.
static bool
add_file(struct command_request *r, const char *before, const struct command_request_file *file,
         struct err *err)
{
    const char *last = file_basename(file->path);
    size_t length = strlen(last), cut = length > 80 ? length - 80 : 0;
    if (r->file_count == (int)COUNT_OF(r->files) ||
        (file->result && r->result_count == LIMIT_ORDER_RESULTS)) {
        free(file->data);
        return err_set(err, ERR_INPUT, "%s is one file too many: a command takes at most %d",
                       file->path, file->result ? LIMIT_ORDER_RESULTS : (int)COUNT_OF(r->files));
    }
    struct jv *word = jv_object();
    char *name = mem_printf("%d-%s", r->file_count, last + cut);
    for (char *c = name; *c; c++) // it becomes part of words that other readers take apart
        if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.", *c))
            *c = '_';
    jv_set(word, "before", jv_from_string(before));
    jv_set(word, "name", jv_from_string(name));
    if (!file->result)
        jv_set(word, "hash", jv_from_string(file->hash));
    jv_append(r->words, word);
    r->files[r->file_count] = *file;
    r->files[r->file_count++].path = mem_strdup(file->path);
    r->result_count += file->result;
    free(name);
    return true;
}

bool
command_request_send_file(struct command_request *r, const char *before, const char *path,
                          struct err *err)
{
    struct command_request_file file = {.path = (char *)(uintptr_t)path};
    struct err own = {0};
    file.data = file_read(path, LIMIT_ORDER_FILE_BYTES, &file.size, &own);
    if (!file.data) // a file that is not there is the user's to mend
        return err_set(err, ERR_INPUT, "%s", own.text);
    job_hash(file.data, file.size, file.hash);
    return add_file(r, before, &file, err);
}

// A file that the command makes, which is fetched.
static bool
add_result(struct command_request *r, const char *before, const char *path, struct err *err)
{
    struct command_request_file file = {.path = (char *)(uintptr_t)path, .result = true};
    return file_out_check(path, err) && add_file(r, before, &file, err);
}

static void
add_environment(struct jv *out, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (getenv(names[i]))
            jv_set(out, names[i], jv_from_string(getenv(names[i])));
}

void
command_request_start(const struct command_request *r, struct client *c, const char *id,
                      bool detach)
{
    struct jv *environment = jv_object();
    char folder[4096];
    for (int i = 0; i < r->file_count; i++)
        if (!r->files[i].result)
            client_offer_blob(c, r->files[i].data, r->files[i].size, r->files[i].hash);
    add_environment(environment, order_variables);
    struct client_command command = {.words = r->words, .environment = environment,
                                     .about = r->about, .where = r->host, .detach = detach};
    if (!r->host) {
        add_environment(environment, order_places);
        command.folder = getcwd(folder, sizeof folder) ? folder : "/";
    }
    for (int fd = 1; fd <= 2; fd++)
        command.terminal[fd] = !detach && isatty(fd);
    client_command(c, id, &command);
    jv_free(environment);
}

bool
command_request_given(struct command_request *r, const struct given *given, struct err *err)
{
    const struct option *o = given->option;
    char name[40], *before;
    bool ok = true;
    if (!o) {
        command_request_word(r, given->value);
        return true;
    }
    option_text(o, name);
    if (strcmp(name, "--host") == 0 || strcmp(name, "--detach") == 0)
        return true;
    before = mem_printf("%s%s", name, given->value ? "=" : "");
    if (r->host && o->file == OPTION_SENT) {
        ok = command_request_send_file(r, before, given->value, err);
    } else if (r->host && o->file == OPTION_FETCHED) {
        ok = add_result(r, before, given->value, err);
    } else {
        char *word = mem_printf("%s%s", before, given->value ? given->value : "");
        command_request_word(r, word);
        free(word);
    }
    free(before);
    return ok;
}

// Options, and then words behind --, so that one may begin with a dash.
static bool
add_command_line(struct command_request *r, const struct command_line *line, struct err *err)
{
    bool ok = true;
    for (int words = 0; words < 2; words++) {
        if (words && line->word_count)
            command_request_word(r, "--");
        for (int i = 0; ok && i < line->given_count; i++)
            if (words == !line->given[i].option)
                ok = command_request_given(r, &line->given[i], err);
    }
    return ok;
}

bool
command_request_from(struct command_request *r, const struct command_line *line, struct err *err)
{
    for (int i = 1; i < line->depth; i++)
        command_request_word(r, line->path[i]->name);
    bool train = strcmp(line->path[1]->name, "train") == 0;
    return train && (r->host || line->detach) ? train_request(r, line, err)
                                              : add_command_line(r, line, err);
}

// --- running

struct running {
    struct client *client;
    const struct command_request *command_request; // NULL: one that is followed
    const char *id, *command, *host;
    bool ended, begun;
    int code;
    bool quiet;      // what it says is only shown if it fails
    char *held_output;
    size_t held_size;
};

// The first two are passed on, as the command itself would take them; the third ends this process.
static void
on_interrupt(int number)
{
    if (atomic_fetch_add(&command_interrupted, 1) > 1) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

static volatile sig_atomic_t stop_asked;

static void
on_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

static void
write_all(int fd, const char *bytes, size_t size)
{
    // Where nobody reads it any more the command goes on, as it would by itself.
    if (!streams_write(fd, bytes, size) && fd == STDOUT_FILENO)
        command_output_lost(errno);
}

// To a terminal through the filter (command_filter_output()): progress may move along the line and
// clear it, and nothing else. A file gets every byte.
static void
show(int fd, const char *bytes, size_t size)
{
    FILE *out = fd == STDERR_FILENO ? stderr : stdout;
    if (!isatty(fd)) {
        write_all(fd, bytes, size);
    } else if (size) {
        fwrite(bytes, 1, size, out);
        fflush(out);
    }
}

static void
on_output(struct running *r, const struct client_event *e)
{
    int fd = jv_integer(jv_get(e->data, "stream"), 1) == 2 ? STDERR_FILENO : STDOUT_FILENO;
    if (r->quiet && r->held_size + e->png_size <= HELD_OUTPUT_MAX) {
        r->held_output = mem_realloc(r->held_output, r->held_size + e->png_size);
        if (e->png_size)
            memcpy(r->held_output + r->held_size, e->png, e->png_size);
        r->held_size += e->png_size;
    } else if (!r->quiet) {
        show(fd, (const char *)e->png, e->png_size);
    }
}

static bool
on_file(const struct running *r, const struct client_event *e, struct err *err)
{
    int index = 0;
    for (int i = 0; r->command_request && i < r->command_request->file_count; i++) {
        const struct command_request_file *f = &r->command_request->files[i];
        if (f->result && index++ == e->index)
            return file_write(f->path, e->png, e->png_size, err);
    }
    return err_set(err, ERR_IO, "a file arrived that was not requested");
}

static bool
on_ended(struct running *r, const struct client_event *e, struct err *err)
{
    const char *text = jv_string(jv_get(e->data, "text"), "");
    r->ended = true;
    r->code = (int)jv_integer(jv_get(e->data, "code"), 1) & 0xFF;
    if (!*text)
        return true;
    // A code of bad input stays one.
    return err_set(err, r->code == 2 ? ERR_INPUT : ERR_DEVICE, "%s%s%s", r->host ? r->host : "",
                   r->host ? ": " : "", text);
}

// A worker of an earlier limn would not answer at all.
static bool
on_hello(const struct running *r, const struct client_event *e, struct err *err)
{
    const struct jv *names = jv_get(e->data, "commands");
    for (size_t i = 0; i < jv_size(names); i++)
        if (strcmp(jv_string(jv_at(names, i), ""), r->command) == 0)
            return true;
    return err_set(err, ERR_UNSUPPORTED,
                   "%s runs limn %s, whose worker has no limn %s; this is limn %s: install the "
                   "same version on both sides",
                   r->host ? r->host : "the worker", jv_string(jv_get(e->data, "version"), "?"),
                   r->command, LIMN_VERSION);
}

static bool
on_event(struct running *r, const struct client_event *e, struct err *err)
{
    if (e->type == CLIENT_LOST) {
        bool saves = r->begun && strcmp(r->command, "train") == 0;
        return err_set(err, e->err.code, "%s%s", e->err.text,
                       saves ? "; the training saves and stops, --resume continues it" : "");
    }
    if (e->type == CLIENT_HELLO)
        return on_hello(r, e, err);
    if (e->type == CLIENT_LOG && getenv("LIMN_LOG"))
        fprintf(stderr, "limn: %s\n", jv_string(jv_get(e->data, "text"), ""));
    if (strcmp(e->id, r->id) != 0)
        return true;
    if (e->type == CLIENT_RUNNING)
        r->begun = true;
    if (e->type == CLIENT_OUTPUT)
        on_output(r, e);
    return e->type == CLIENT_FILE    ? on_file(r, e, err)
           : e->type == CLIENT_ENDED ? on_ended(r, e, err)
                                     : true;
}

// Ctrl-Z: what computes rests as long as this does.
static void
pause_both(const struct running *r)
{
    stop_asked = 0; // a Ctrl-Z that comes from here on is another one
    for (int on = 1; on >= 0; on--) {
        client_pause(r->client, r->id, on);
        if (on)
            raise(SIGSTOP);
    }
}

// `detach_on_interrupt`: an interrupt ends the looking, not the command.
static bool
follow(struct running *r, bool detach_on_interrupt, struct err *err)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    int passed = 0;
    bool ok = true;
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    struct sigaction stop = {.sa_handler = on_stop};
    if (!detach_on_interrupt)
        sigaction(SIGTSTP, &stop, NULL);
    while (ok && !r->ended) {
        if (stop_asked)
            pause_both(r);
        int asked = atomic_load(&command_interrupted);
        if (asked && (detach_on_interrupt || !client_ready(r->client))) {
            r->code = detach_on_interrupt ? 0 : 130;
            return err_set(err, ERR_CANCELLED, "stopped");
        }
        for (; passed < asked; passed++)
            client_interrupt(r->client, r->id);
        struct client_event e;
        client_wait(r->client, 200); // an interrupt may come just before it waits
        while (ok && !r->ended && client_next(r->client, &e)) {
            ok = on_event(r, &e, err);
            client_event_free(&e);
        }
    }
    return ok;
}

int
through_follow(struct client *c, const char *host, const char *id, struct err *err)
{
    struct running r = {.client = c, .id = id, .host = host, .command = "train"};
    client_follow(c, id);
    follow(&r, true, err);
    return r.code;
}

// Its sentence is in what it said, unless there was no room for that.
static bool
has_error_line(const struct running *r)
{
    return r->held_size && memmem(r->held_output, r->held_size, "limn: ", 6);
}

// Begins it and leaves it alone. One that ends at once, for want of a pack or a device, is seen to
// do so: it is watched until a moment after its first words, which come when it trains, or say why
// not.
static bool
start_detached(struct running *r, struct err *err)
{
    enum { POLLS = 8, POLLS_MAX = 150, POLL_MS = 200 };
    bool ok = true, following = false;
    r->quiet = true;
    for (int i = 0, all = 0; ok && !r->ended && i < POLLS && all < POLLS_MAX;
         i += r->held_size > 0, all += r->begun) {
        struct client_event e;
        if (atomic_load(&command_interrupted))
            return err_set(err, ERR_CANCELLED, "stopped");
        client_wait(r->client, POLL_MS);
        while (ok && !r->ended && client_next(r->client, &e)) {
            ok = on_event(r, &e, err);
            client_event_free(&e);
        }
        if (r->begun && !following) {
            following = true;
            client_follow(r->client, r->id);
        }
    }
    if (r->ended && r->code && !has_error_line(r))
        ok = err_set(err, ERR_DEVICE,
                     "it ended with exit code %d, and its message could not be kept "
                     "(is the disk full?)",
                     r->code);
    if (r->ended)
        show(r->code ? STDERR_FILENO : STDOUT_FILENO, r->held_output, r->held_size);
    if (!ok || r->ended)
        return ok;
    const char *option = r->host ? " --host " : "", *host = r->host ? r->host : "";
    printf("%s is running in the background; watch it with: limn jobs attach %s%s%s; "
           "save and stop it with: limn jobs stop %s%s%s\n",
           r->id, r->id, option, host, r->id, option, host);
    return true;
}

// Its last words as an error: what a failed command says is "limn: sentence".
static bool
set_error_from(const struct running *r, const char *output, struct err *err)
{
    const char *sentence = strncmp(output, "limn: ", 6) == 0 ? output + 6 : output;
    return err_set(err,
                   r->code == 2     ? ERR_INPUT
                   : r->code == 130 ? ERR_CANCELLED
                                    : ERR_DEVICE,
                   "%.*s", (int)strcspn(sentence, "\n"),
                   *sentence ? sentence : "it failed without a message");
}

bool
through_capture(const char *host, const char *const *words, char **output, struct err *err)
{
    struct command_request command_request = {0};
    struct job id = JOB_EMPTY;
    job_name(&id);
    command_request_begin(&command_request, host);
    for (int i = 0; words[i]; i++)
        command_request_word(&command_request, words[i]);
    struct client_params p = {.host = host, .alone = true};
    struct running r = {.command_request = &command_request,
                        .id = id.id,
                        .command = words[0],
                        .host = host,
                        .quiet = true};
    r.client = client_open(&p, err);
    if (r.client)
        command_request_start(&command_request, r.client, id.id, false);
    bool ok = r.client && follow(&r, false, err);
    *output = mem_strndup(r.held_output ? r.held_output : "", r.held_size);
    if (ok && r.code)
        ok = set_error_from(&r, *output, err);
    client_close(r.client);
    command_request_finish(&command_request);
    free(r.held_output);
    return ok;
}

int
through_run(const struct command_line *line)
{
    struct err err = {0};
    struct command_request command_request = {0};
    struct job id = JOB_EMPTY;
    job_name(&id);
    command_request_begin(&command_request, line->host);
    bool ok = command_request_from(&command_request, line, &err);
    struct client_params p = {.host = line->host, .alone = !line->detach};
    struct running r = {.command_request = &command_request,
                        .id = id.id,
                        .command = line->path[1]->name,
                        .host = line->host};
    r.client = ok ? client_open(&p, &err) : NULL;
    if (r.client) {
        command_request_start(&command_request, r.client, id.id, line->detach);
        ok = line->detach ? start_detached(&r, &err) : follow(&r, false, &err);
    } else {
        ok = false;
    }
    client_close(r.client);
    command_request_finish(&command_request);
    free(r.held_output);
    return ok ? r.code : command_failed(&err);
}
