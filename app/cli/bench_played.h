// SPDX-License-Identifier: MIT
// A sixel terminal emulated on a pseudo-terminal with limn running in it: `limn bench ui` types
// into it and reads from it.
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
    uint64_t bytes, text_bytes; // received: all; without sixels
    bool sixels;                // inside a sixel sequence
    char before;                // the last byte
    char tail[PLAYED_TAIL + 1]; // the last bytes received
    size_t held;
    double last; // when something was last received, clock_seconds()
};

// Starts limn with all its files in the folder `home`.
bool played_start(struct played *s, const char *home, const char *preview, struct err *err);
void played_finish(struct played *s); // it quits, or is killed after ten seconds
void played_put(struct played *s, const char *keys);
// Reads what arrives within `seconds` and answers the terminal queries in it; false: nothing
// arrived.
bool played_take(struct played *s, double seconds);
// Reads until `text` appears; returns the seconds it took, or -1.
double played_wait_for(struct played *s, const char *text, double seconds);
void played_settle(struct played *s, double quiet); // until `quiet` seconds pass without output

// Measures the bytes sent per cursor move in every view that has a list: fills the lists, moves in
// them, prints one line per view.
bool bench_moves(const char *home, struct err *err);

#endif
