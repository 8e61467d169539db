// SPDX-License-Identifier: MIT
// Times for people.
#ifndef LIMN_APP_BASE_TIME_TEXT_H
#define LIMN_APP_BASE_TIME_TEXT_H

#include <stdint.h>

enum { TIME_TEXT_MAX = 40 };

// Seconds since 1970 as local time, in a format of strftime(); "?" where the calendar has no such
// time.
void time_text(int64_t seconds, const char *format, char out[TIME_TEXT_MAX]);

#endif
