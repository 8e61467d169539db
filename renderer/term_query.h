// SPDX-License-Identifier: MIT
// Asks a terminal what it can do: escape queries with a time limit; the terminal's mode is always
// restored. If TERM is dumb or not set, nothing is asked.
#ifndef LIMN_RENDERER_TERM_QUERY_H
#define LIMN_RENDERER_TERM_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TERM_QUERY_MS = 300,          // for all answers together
    TERM_LATE_MS = 1500,          // after which no answer is waited for
    TERM_CELL_WIDTH_GUESS = 10,   // pixels, for terminals that do not say
    TERM_CELL_HEIGHT_GUESS = 20,
    TERM_COLOURS_GUESS = 256,
};

struct term_info {
    bool answered;               // the terminal answered DA1
    bool sixel;                  // its answer contains 4
    bool kitty;                  // it answered the query of kitty's graphics protocol
    bool multiplexer;            // screen or tmux is in between: it redraws what it understood
    int columns, rows;           // 80 x 24 when unknown
    int cell_width, cell_height; // pixels, guessed when unknown
    int colours;                 // sixel colour registers, guessed when unknown
    bool light;                  // it reported a background nearer to white than to black
    char typed[128];             // what the user typed meanwhile
    size_t typed_count;
    bool cell_size_known; // the cell size is its answer, not a guess
    int outstanding;      // answers that have not come yet
    int64_t query_time;   // when they were asked for (milliseconds of the monotonic clock)
};

// `fd`: the terminal, open for reading and writing. Fills *info with guesses first; false if fd is
// not a terminal, this process is not in its foreground, or no answer came in time.
bool term_query(int fd, int timeout_ms, struct term_info *info);

// A whole sequence (ESC [ …, ESC _ …, ESC ] …) that came later, among the keys: if it answers a
// question of term_query(), *info is updated; true.
bool term_answer(const char *sequence, struct term_info *info);

// Whether the user has typed something that has not been read yet.
bool term_typed_ahead(int fd);
// Gives typed keys back to the terminal's next reader, if the system allows it.
void term_unread(int fd, struct term_info *info);
// At the end: waits, until TERM_LATE_MS after the query, for outstanding answers, so that the shell
// does not read them as input. `more`: other answers (CSI 0 n) that the caller waits for. Keys
// typed meanwhile are given back.
void term_drain(int fd, struct term_info *info, int more);

#endif
