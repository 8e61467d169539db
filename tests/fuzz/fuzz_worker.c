// SPDX-License-Identifier: MIT
// A hostile limn before a worker: whatever it sends (frames.h), the worker answers and ends. Its
// children do not start, there is no model to draw with, and a job that went on without its limn is
// in the records. Loaders and the machine are looked at once, not for every input.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/worker/describe.h"
#include "engine/base/file.h"
#include "loaders/look.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/fuzz.h"

pid_t __wrap_fork(void);
pid_t __real_fork(void);
struct loader_host *__wrap_loader_host_open(void);
struct loader_host *__real_loader_host_open(void);
void __wrap_loader_host_close(struct loader_host *h);
struct jv *__wrap_describe_machine(void);
struct jv *__real_describe_machine(void);

static struct loader_host *host;
static struct jv *machine;

struct loader_host *
__wrap_loader_host_open(void)
{
    return host;
}

void
__wrap_loader_host_close(struct loader_host *h)
{
    (void)h;
}

struct jv *
__wrap_describe_machine(void)
{
    return jv_copy(machine);
}

static bool no_more_forks; // once the sandbox's keeper is there, which begins its own

pid_t
__wrap_fork(void)
{
    if (!no_more_forks)
        return __real_fork();
    errno = EAGAIN;
    return -1;
}

static int input, output; // the process's own

void
fuzz_begin(void)
{
    if (!look_start(NULL))
        abort();
    no_more_forks = true;
    setenv("LIMN_MODEL", fuzz_path("no-model"), 1);
    setenv("LIMN_LOADER_PATH", fuzz_path("no-loaders"), 1);
    setenv("VK_DRIVER_FILES", "/dev/null", 1);
    host = __real_loader_host_open();
    machine = __real_describe_machine();
    input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

// A finished training that nobody follows, and a picture that nobody has fetched.
static void
leave_something(void)
{
    static const char record[] =
        "{\"words\":[\"train\",\"x.yaml\"],\"folder\":\"/tmp\",\"process\":\"x\","
        "\"about\":{\"output\":\"run\"},\"environment\":{\"NO_COLOR\":\"1\"}}";
    file_make_folders(fuzz_path("limn/jobs/ab"), NULL);
    file_make_folders(fuzz_path("limn/spool"), NULL);
    fuzz_file("limn/jobs/ab/record.json", record, sizeof record - 1);
    fuzz_file("limn/jobs/ab/output", "hi\n", 3);
    fuzz_file("limn/spool/ab-0.png", "x", 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[] = {(char *)"worker", (char *)"--stdio", (char *)"--alone", NULL};
    size_t said = 0;
    if (size < 2)
        return 0;
    uint8_t *frames = frames_of("", data + 1, size - 1, &said);
    leave_something();
    int in = fuzz_pipe(frames, said), out = fuzz_pipe("", 0);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    struct command_line line;
    struct err err = {0};
    if (!command_line_read(&line, &command_program, false, 3, argv, &err))
        abort();
    command_of(&line)->run(&line);
    command_line_finish(&line);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    close(in);
    close(out);
    free(frames);
    return 0;
}
