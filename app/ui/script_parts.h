// SPDX-License-Identifier: MIT
// A parsed script (script_read.c), for running it (script.c).
#ifndef LIMN_APP_UI_SCRIPT_PARTS_H
#define LIMN_APP_UI_SCRIPT_PARTS_H

#include <regex.h>
#include <wchar.h>

#include "app/ui/script.h"

enum step_kind {
    STEP_KEYS = 0, // one key
    STEP_TYPE,
    STEP_PASTE,
    STEP_WAIT,
    STEP_GONE,
    STEP_SETTLE,
    STEP_SAVE,
    STEP_SIZE,
    STEP_LIMIT,
    STEP_QUIT
};

struct step {
    enum step_kind kind;
    int line;
    char *text;      // TYPE, PASTE, WAIT, GONE, SAVE
    regex_t pattern; // WAIT, GONE
    wint_t key;      // KEYS
    bool code;
    double number; // LIMIT: seconds; SIZE: columns
    int rows;      // SIZE
};

struct script {
    char *file;
    bool headless;
    struct step *steps;
    int count, capacity, at;
    double limit, until; // seconds; until: deadline of the waiting step, 0: none
    char *failed_on;     // the text of the screen then; NULL: it did not fail
};

#endif
