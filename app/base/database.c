// SPDX-License-Identifier: MIT
#include "app/base/database.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { PRIMARY = 0xFF }; // of an extended result code

// quick_check lists a page that it cannot get as if that were damage: "unable to get the page.
// error code=7" of a tree (7: no memory), "failed to get page 12" of a list.
static int
meaning_of(const char *row)
{
    static const char mark[] = "error code=";
    if (strcmp(row, "ok") == 0)
        return SQLITE_OK;
    if (strstr(row, "failed to get page"))
        return SQLITE_IOERR;
    const char *code = strstr(row, mark);
    int primary = code ? atoi(code + strlen(mark)) & PRIMARY : SQLITE_CORRUPT;
    return primary == SQLITE_NOTADB || primary == SQLITE_OK ? SQLITE_CORRUPT : primary;
}

int
database_check(struct sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const char *row = (const char *)sqlite3_column_text(s, 0);
        code = row ? meaning_of(row) : SQLITE_NOMEM;
    }
    sqlite3_finalize(s);
    return code & PRIMARY;
}
