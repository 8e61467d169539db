// SPDX-License-Identifier: MIT
// Bytes sent per cursor move in a list, in every view, counting the text around pictures but not
// the pictures. The lists are longer than the screen, so some moves scroll them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/cli/bench_pty.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

enum { MESSAGES = 60, JOBS = 40, TRAININGS = 6, TRAINING_STEPS = 400, MOVES = 50 };
#define QUIET 0.25 // seconds after which nothing more comes of a key

// One that has ended, with a curve of its own.
static bool
make_training(const char *folder, int number, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    for (int i = 1; f && i <= TRAINING_STEPS; i++) {
        double loss = 0.05 + 0.4 * exp(-i / (30.0 * (number + 1))) + 0.01 * sin(i * (number + 2));
        fprintf(f, "{\"step\":%d,\"loss\":%.4f,\"lr\":1e-4,\"seconds\":0.%d,", i, loss, number + 1);
        fprintf(f, "\"tasks\":{\"%s\":%.4f}}\n", i % 2 ? "style" : "subject", loss);
    }
    bool ok = f && fclose(f) == 0 && file_make_folders(folder, err);
    char *file = file_join(folder, "log.jsonl");
    ok = ok && file_write(file, text, size, err);
    free(file);
    free(text);
    return ok;
}

static bool
add_trainings(struct pty_session *s, const char *home, struct err *err)
{
    bool ok = true;
    pty_write(s, "6");
    pty_drain(s, QUIET);
    for (int i = 0; ok && i < TRAININGS; i++) {
        char *folder = mem_printf("%s/training-%d", home, i), *line = mem_printf("a%s\r", folder);
        ok = make_training(folder, i, err);
        pty_write(s, line);
        pty_drain(s, QUIET);
        free(line);
        free(folder);
    }
    return ok;
}

// Messages, jobs, trainings; and the files of the pictures that were drawn before.
static bool
fill_lists(struct pty_session *s, const char *home, struct err *err)
{
    char line[4200];
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(line, sizeof line, ":there is no command number %d\r", i * i);
        pty_write(s, line);
        pty_drain(s, 0.02);
    }
    snprintf(line, sizeof line, "1:cd %s/limn/pictures\r:size 64\r:steps 1\r:retrieve 0\r", home);
    pty_write(s, line);
    pty_drain(s, QUIET);
    for (int i = 0; i < JOBS; i++) {
        pty_write(s, "\007");
        if (pty_wait_for(s, "done", 30) < 0)
            return err_set(err, ERR_IO, "the drawing did not end");
        pty_drain(s, QUIET);
    }
    return add_trainings(s, home, err);
}

static void
measure(struct pty_session *s, const char *name, const char *keys, const char *move)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (const char *k = keys; *k; k++) {
        char key[2] = {*k, 0};
        pty_write(s, key);
        pty_drain(s, 2 * QUIET);
    }
    for (int i = 0; i < MOVES; i++) {
        uint64_t before = s->text_bytes;
        pty_write(s, move);
        pty_drain(s, QUIET);
        uint64_t n = s->text_bytes - before;
        least = n && n < least ? n : least; // at the end of a list nothing moves
        most = n > most ? n : most;
    }
    printf("  %-10s %4d to %4d\n", name, (int)(most ? least : 0), (int)most);
}

bool
bench_moves(const char *home, struct err *err)
{
    static const struct {
        const char *name, *keys, *move;
    } lists[] = {{"files", "1g", "j"}, {"live", "2g", "j"},      {"gallery", "3g", "l"},
                 {"its rows", "g", "j"}, {"templates", "4g", "j"}, {"with klein", "/e\rg", "j"},
                 {"models", "5g", "j"}, {"training", "6g", "j"},  {"log", "7G", "k"},
                 {"help", "8g", "j"}};
    struct pty_session s;
    if (!pty_start(&s, home, "auto", err))
        return false;
    bool ok = pty_wait_for(&s, "compose", 10) >= 0 ||
              err_set(err, ERR_IO, "the UI did not start");
    pty_drain(&s, 2 * QUIET);
    ok = ok && fill_lists(&s, home, err);
    if (ok)
        printf("bytes of a move, without sixels:\n");
    for (size_t i = 0; ok && i < COUNT_OF(lists); i++)
        measure(&s, lists[i].name, lists[i].keys, lists[i].move);
    pty_finish(&s);
    return ok;
}
