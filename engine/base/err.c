// SPDX-License-Identifier: MIT
#include "engine/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
set_text(struct err *err, enum err_code code, const char *format, va_list args)
{
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    for (char *p = err->text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

bool
err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (!err || err->code != ERR_NONE)
        return false;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    return false;
}

// What the machine lacks is no fault of what was given.
static enum err_code
code_of(int number, enum err_code code)
{
    bool lacks = number == EMFILE || number == ENFILE || number == EIO || number == ENOSPC ||
                 number == EDQUOT || number == EINTR;
    return number == ENOMEM ? ERR_MEMORY : lacks ? ERR_IO : code;
}

bool
err_errno(struct err *err, enum err_code code, const char *format, ...)
{
    int saved = errno;
    if (!err || err->code != ERR_NONE)
        return false;
    code = code_of(saved, code);
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(saved));
    errno = saved;
    return false;
}

bool
err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    char old[ERR_TEXT_MAX];
    memcpy(old, err->text, sizeof old);
    enum err_code code = err->code;
    va_list args;
    va_start(args, format);
    set_text(err, code, format, args);
    va_end(args);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", old);
    return false;
}

void
err_clear(struct err *err)
{
    if (err) {
        err->code = ERR_NONE;
        err->text[0] = 0;
    }
}

int
err_exit_code(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE:
        return 0;
    case ERR_INPUT:
        return 2;
    case ERR_CANCELLED:
        return 130;
    case ERR_IO:
    case ERR_MEMORY:
    case ERR_DEVICE:
    case ERR_UNSUPPORTED:
    case ERR_COUNT:
        break;
    }
    return 1;
}
