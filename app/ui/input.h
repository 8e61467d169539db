// SPDX-License-Identifier: MIT
// Turns bytes into keys and pasted text.
#ifndef LIMN_APP_UI_INPUT_H
#define LIMN_APP_UI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

struct ui;

struct input {
    char partial[8]; // bytes of an incomplete character
    int partial_count;
    wint_t pushed; // a key put back by input_unget(); 0: none
    char *paste;   // text being pasted; NULL: none
    size_t paste_size;
    double paste_came; // when its last character arrived, by ui_now()
    char sequence[64]; // an unknown one, while it is incomplete; "": none (dispatch.c)
    double sequence_began;
};

// OK, KEY_CODE_YES or ERR, like get_wch().
int input_key(struct ui *ui, wint_t *key);
void input_unget(struct ui *ui, wint_t key); // at most one
void input_paste_begin(struct ui *ui);
void input_paste_key(struct ui *ui, wint_t key);
void input_paste_end(struct ui *ui);
bool input_paste_is_late(const struct ui *ui); // its end is overdue

#endif
