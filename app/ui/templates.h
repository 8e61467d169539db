// SPDX-License-Identifier: MIT
// What the view of templates is made of: list, form and sweep (view_templates.c), and what is done
// to the files of one's own (templates_own.c).
#ifndef LIMN_APP_UI_TEMPLATES_H
#define LIMN_APP_UI_TEMPLATES_H

#include <stdbool.h>

#include "app/ui/keys.h"

struct ui;

struct templates_own {
    char *subject; // path of the one that a prompt is about
    char *removed; // path of the last that was taken away
};

struct templates_own *templates_own_of(const struct ui *ui);
void templates_reload(struct ui *ui, const char *path); // and chooses that one; NULL: as it is
// `path`: of the chosen one, NULL: there is none. False: it is none of its requests.
bool templates_own_request(struct ui *ui, enum request request, const char *path);

#endif
