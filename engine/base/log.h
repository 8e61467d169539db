// SPDX-License-Identifier: MIT
// Log lines from the library to the program that uses it. Silent until a sink is set; the library
// itself never prints.
#ifndef LIMN_ENGINE_BASE_LOG_H
#define LIMN_ENGINE_BASE_LOG_H

// NOTICE: the result differs from what was asked for; the user is always told. Levels after it are
// for the log alone.
enum log_level {
    LOG_NONE = 0,
    LOG_ERROR,
    LOG_NOTICE,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG
};

typedef void log_sink(enum log_level level, const char *module, const char *text, void *data);

// Thread: call before other threads start. The sink may be called from any thread.
void log_set_sink(log_sink *sink, void *data, enum log_level max_level);

__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *module,
                                                    const char *format, ...);

#endif
