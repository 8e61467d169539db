// SPDX-License-Identifier: MIT
// Messages and their log, prompts, questions.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"

void
ui_log(struct ui *ui, enum role role, const char *text)
{
    struct dialogue *d = &ui->dialogue;
    if (d->log_count == UI_LOG_MAX) {
        free(d->log[0].text);
        memmove(d->log, d->log + 1, (UI_LOG_MAX - 1) * sizeof *d->log);
        d->log_count--;
    }
    d->log[d->log_count++] = (struct log_entry){role, time(NULL), mem_strdup(text)};
}

void
ui_say(struct ui *ui, enum role role, const char *format, ...)
{
    struct dialogue *d = &ui->dialogue;
    va_list args;
    va_start(args, format);
    vsnprintf(d->message, sizeof d->message, format, args);
    va_end(args);
    d->message_role = role;
    d->message_time = ui_now();
    ui->dirty = true;
    if (role == ROLE_ERROR || role == ROLE_WARNING)
        ui_log(ui, role, d->message);
}

void
ui_prompt(struct ui *ui, const char *label, const char *text,
          void (*done)(struct ui *ui, const char *text))
{
    struct dialogue *d = &ui->dialogue;
    palette_free(d->palette); // of the prompt that this one replaces
    d->palette = NULL;
    snprintf(d->prompt_label, sizeof d->prompt_label, "%s", label);
    d->prompt.limit = 1024;
    field_set(&d->prompt, text);
    d->prompt_done = done;
    d->prompt_changed = NULL;
    d->prompt_hint = NULL;
    d->prompting = ui->dirty = true;
}

void
ui_prompt_live(struct ui *ui, const char *label, const char *text,
               void (*changed)(struct ui *ui, const char *text),
               void (*done)(struct ui *ui, const char *text))
{
    ui_prompt(ui, label, text, done);
    ui->dialogue.prompt_changed = changed;
}

void
ui_prompt_hint(struct ui *ui, const char *hint)
{
    ui->dialogue.prompt_hint = hint;
}

void
dialogue_line_changed(struct ui *ui)
{
    struct dialogue *d = &ui->dialogue;
    if (d->palette)
        palette_changed(ui);
    if (d->prompt_changed)
        d->prompt_changed(ui, d->prompt.text);
}

void
ui_ask(struct ui *ui, const char *question, const char *answers,
       void (*answered)(struct ui *ui, char answer))
{
    struct dialogue *d = &ui->dialogue;
    snprintf(d->question, sizeof d->question, "%s", question);
    snprintf(d->answers, sizeof d->answers, "%s", answers);
    d->answered = answered;
    d->asking = ui->dirty = true;
}

const char *
ui_message(const struct ui *ui)
{
    return ui->dialogue.message;
}

void
ui_clear_message(struct ui *ui)
{
    ui->dialogue.message[0] = 0;
}

const struct log_entry *
ui_log_entries(const struct ui *ui, int *count)
{
    *count = ui->dialogue.log_count;
    return ui->dialogue.log;
}
