// SPDX-License-Identifier: MIT
#include "app/base/time_text.h"

#include <string.h>
#include <time.h>

void
time_text(int64_t seconds, const char *format, char out[TIME_TEXT_MAX])
{
    enum { YEAR_MAX = 9999 };
    struct tm day;
    time_t t = (time_t)seconds;
    strcpy(out, "?");
    if (t != seconds || !localtime_r(&t, &day) || day.tm_year + 1900 > YEAR_MAX ||
        !strftime(out, TIME_TEXT_MAX, format, &day))
        strcpy(out, "?");
}
