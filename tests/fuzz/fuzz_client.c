// SPDX-License-Identifier: MIT
// A hostile worker, here or on another machine, while a picture is drawn or a command runs there.
// The input is what it says (frames.h) behind a byte: how limn was called.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/cli/draw.h"
#include "app/cli/through.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

enum { SHEET = 1, HOST = 2, JSON = 4, QUIET = 8, WAYS = 16 };

// What limn prints is not looked at here.
void
fuzz_begin(void)
{
    if (!look_start(NULL) || !freopen(fuzz_path("printed"), "w", stdout) ||
        chdir(fuzz_path("")) != 0)
        abort();
}

static void
draw_with(uint8_t how)
{
    struct draw_item items[2] = {0};
    for (int i = 0; i < 2; i++) {
        items[i].job = JOB_EMPTY;
        items[i].job.instruction = mem_strdup("a fox");
        items[i].job.seed = 1;
        items[i].job.count = how & SHEET ? 1 : 2;
        items[i].label = how & SHEET ? mem_strdup("seed=1") : NULL;
        strcpy(items[i].job.id, i ? "b" : "a");
    }
    struct draw_params params = {.host = how & HOST ? "h" : NULL,
                                 .output = "o.png",
                                 .json = how & JSON,
                                 .quiet = how & QUIET,
                                 .no_library = true,
                                 .preview = "none"};
    struct err err = {0};
    bool ok = draw(items, how & SHEET ? 2 : 1, 2, NULL, &params, &err);
    fuzz_said(ok ? "" : NULL, &err);
    for (int i = 0; i < 2; i++) {
        job_finish(&items[i].job);
        free(items[i].label);
    }
}

static void
command_with(uint8_t how)
{
    static const char *const lines[][4] = {{"devices", "--host", "h"},
                                           {"jobs", "--host", "h"},
                                           {"jobs", "--host", "h", "--json"},
                                           {"models", "--host", "h"}};
    const char *const *words = lines[how % COUNT_OF(lines)];
    char *argv[5] = {NULL};
    int argc = 0;
    for (; argc < 4 && words[argc]; argc++)
        argv[argc] = (char *)words[argc];
    struct command_line line;
    struct err err = {0};
    if (command_line_read(&line, &command_program, true, argc, argv, &err)) {
        const struct command *c = command_of(&line);
        if (c->computes)
            through_run(&line);
        else
            c->run(&line);
    }
    fuzz_said("", &err);
    command_line_finish(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t said = 0;
    uint8_t *frames = frames_of("limn-worker\n", data + 1, size - 1, &said);
    host_says(frames, said);
    if (data[0] % 32 < WAYS)
        draw_with(data[0]);
    else
        command_with(data[0]);
    free(frames);
    fflush(stdout);
    rewind(stdout);
    return 0;
}
