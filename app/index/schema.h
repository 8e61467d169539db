// SPDX-License-Identifier: MIT
// The tables of an index; a file must have them word for word (docs/retrieval.md). Private to
// app/index.
#ifndef LIMN_APP_INDEX_SCHEMA_H
#define LIMN_APP_INDEX_SCHEMA_H

#define INDEX_FORMAT "limn index 1"

// How many vectors one row of `vectors` holds.
enum { INDEX_VECTORS_PER_BLOCK = 1024 };

static const char *const index_tables[] = {
    "CREATE TABLE about(key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE style(id INTEGER PRIMARY KEY, name TEXT NOT NULL, credit TEXT NOT NULL)",
    "CREATE TABLE entry(id INTEGER PRIMARY KEY, name TEXT NOT NULL, keywords TEXT NOT NULL)",
    "CREATE TABLE picture(id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, style INTEGER NOT NULL,"
    " source TEXT NOT NULL, image BLOB NOT NULL)",
    "CREATE TABLE looks(key TEXT PRIMARY KEY, numbers BLOB NOT NULL)",
    "CREATE TABLE vectors(id INTEGER PRIMARY KEY, rows BLOB NOT NULL)",
    "CREATE INDEX picture_entry ON picture(entry)",
    "CREATE VIRTUAL TABLE found USING fts5(name, keywords, content='entry', content_rowid='id',"
    " tokenize='porter unicode61 remove_diacritics 2')",
};

#endif
