// SPDX-License-Identifier: MIT
#include "app/ui/editor.h"

#include <stdlib.h>
#include <string.h>

#include "app/ui/ui.h"
#include "engine/base/mem.h"

struct editor_call {
    const char *command;
    bool ok;
};

static void
run(void *ctx)
{
    struct editor_call *e = ctx;
    e->ok = system(e->command) == 0;
}

// Quotes any text as one word for the shell.
static char *
quoted(const char *text)
{
    char *out = mem_alloc(4 * strlen(text) + 3), *o = out;
    *o++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            memcpy(o, "'\\''", 4);
            o += 4;
        } else {
            *o++ = *text;
        }
    }
    *o++ = '\'';
    *o = 0;
    return out;
}

bool
editor_run(struct ui *ui, const char *file)
{
    const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");
    const char *editor = visual && *visual ? visual : plain && *plain ? plain : "vi";
    char *word = quoted(file), *command = mem_printf("%s %s", editor, word);
    struct editor_call e = {command, false};
    ui_suspend(ui, run, &e);
    free(command);
    free(word);
    return e.ok;
}
