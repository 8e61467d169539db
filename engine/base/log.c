// SPDX-License-Identifier: MIT
#include "engine/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static log_sink *current_sink;
static void *sink_data;
static enum log_level sink_level;

void
log_set_sink(log_sink *sink, void *data, enum log_level max_level)
{
    current_sink = sink;
    sink_data = data;
    sink_level = max_level;
}

void
log_line(enum log_level level, const char *module, const char *format, ...)
{
    if (!current_sink || level > sink_level)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    current_sink(level, module, text, sink_data);
}
