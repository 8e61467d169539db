// SPDX-License-Identifier: MIT
// What SQLite says of the soundness of a database file.
#ifndef LIMN_APP_BASE_DATABASE_H
#define LIMN_APP_BASE_DATABASE_H

struct sqlite3;

// Runs PRAGMA quick_check up to the first thing it finds. Returns SQLITE_OK: the file is sound;
// SQLITE_CORRUPT or SQLITE_NOTADB: it is damaged; any other primary result code: SQLite could not
// tell, because it could not read (SQLITE_NOMEM, SQLITE_IOERR, SQLITE_BUSY, SQLITE_CANTOPEN, ...).
int database_check(struct sqlite3 *db);

#endif
