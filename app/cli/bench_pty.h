// SPDX-License-Identifier: MIT
// A sixel terminal emulated on a pseudo-terminal with limn running in it: `limn bench ui` types
// into it and reads from it.
#ifndef LIMN_APP_CLI_BENCH_PTY_H
#define LIMN_APP_CLI_BENCH_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/base/err.h"

enum {
    PTY_COLUMNS = 120,
    PTY_ROWS = 40,
    PTY_CELL_WIDTH = 10,
    PTY_CELL_HEIGHT = 20,
    PTY_TAIL = 65536
};

struct pty_session {
    int fd;
    pid_t pid;
    uint64_t bytes, text_bytes; // received: all; without sixels
    bool sixels;                // inside a sixel sequence
    char before;                // the last byte
    char tail[PTY_TAIL + 1]; // the last bytes received
    size_t tail_size;
    double last; // when something was last received, clock_seconds()
};

// Starts limn with all its files in the folder `home`.
bool pty_start(struct pty_session *s, const char *home, const char *preview, struct err *err);
void pty_finish(struct pty_session *s); // it quits, or is killed after ten seconds
void pty_write(struct pty_session *s, const char *keys);
// Reads what arrives within `seconds` and answers the terminal queries in it; false: nothing
// arrived.
bool pty_read(struct pty_session *s, double seconds);
// Reads until `text` appears; returns the seconds it took, or -1.
double pty_wait_for(struct pty_session *s, const char *text, double seconds);
void pty_drain(struct pty_session *s, double quiet); // until `quiet` seconds pass without output

// Measures the bytes sent per cursor move in every view that has a list: fills the lists, moves in
// them, prints one line per view.
bool bench_moves(const char *home, struct err *err);

#endif
