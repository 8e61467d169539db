// SPDX-License-Identifier: MIT
// A terminal with sixels, played on a pseudo-terminal, with limn in it: what `limn bench ui` types
// into and reads from.
#ifndef LIMN_APP_CLI_BENCH_PLAYED_H
#define LIMN_APP_CLI_BENCH_PLAYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/err.h"

enum {
    PLAYED_COLUMNS = 120,
    PLAYED_ROWS = 40,
    PLAYED_CELL_WIDTH = 10,
    PLAYED_CELL_HEIGHT = 20,
    PLAYED_TAIL = 65536
};

struct played {
    int fd;
    pid_t pid;
    uint64_t bytes, text_bytes; // that came; without sixels
    bool sixels;                // are coming
    char before;                // the last byte
    char tail[PLAYED_TAIL + 1]; // what came last
    size_t held;
    double last; // when something came last
};

// limn with everything that is kept in the folder `home`.
bool played_start(struct played *s, const char *home, const char *preview, struct err *err);
void played_finish(struct played *s); // it quits, or is killed after ten seconds
void played_put(struct played *s, const char *keys);
// Takes in what comes within `seconds`; false: nothing did. Questions are answered.
bool played_take(struct played *s, double seconds);
// Until the text comes by; the time it took, or -1.
double played_wait_for(struct played *s, const char *text, double seconds);
void played_settle(struct played *s, double quiet); // until nothing has come for so many seconds

// Bytes of a move in every view that has a list: makes lists of some length, moves in them, prints
// a line a view.
bool bench_moves(const char *home, struct err *err);

#endif
