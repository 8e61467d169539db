// SPDX-License-Identifier: MIT
// Sources of training pictures: pictures with captions, not decoded yet. Three kinds:
//
//   the emoji set   a folder with catalog.jsonl, splits.json and STYLE.tar
//   a folder        pictures anywhere below it, each with NAME.txt (its caption) or NAME.json
//   an archive      the same in one .tar (WebDataset: entries of one record share the name up to
//                   the first dot)
//
// NAME.json: {"caption": text, "keywords": [text, …] or "a, b", "subject": text, "style": text,
// "split": "train" | "heldout_subject" | "heldout_pair" | "heldout_style"}; only caption (or
// "text") is needed. Pictures with the same "subject" show the same thing; those with the same
// "style" were drawn in the same style.
#ifndef LIMN_APP_DATA_SOURCE_H
#define LIMN_APP_DATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "app/data/tar.h"
#include "engine/base/jv.h"
#include "engine/train/pack.h"

struct data_record {
    char *name;    // for messages, and the file to read when `data` is NULL
    char *caption, *keywords; // valid UTF-8, keywords separated by commas
    int subject, style;       // -1: not known
    enum pack_split split;
    const unsigned char *data; // in one of the source's archives
    size_t size;
};

struct data_source {
    struct data_record *records;
    size_t count, capacity;
    char **styles, **subjects;
    size_t style_count, style_capacity, subject_count, subject_capacity;
    struct jv *style_numbers, *subject_numbers; // by name; NULL: there are none
    bool names;             // as in data_source_open()
    size_t without_caption; // pictures left out for having none
    size_t bad_captions;    // pictures left out: caption not UTF-8, invalid JSON, or behind a link
                            // that leads out of the folder; the first:
    struct err first_bad_caption;
    char *licence;          // text of LICENSES.md beside the data; may be NULL
    struct data_tar *archives;
    size_t archive_count;
};

// `names`: a picture without a caption gets the words of its file's name ("arrow-left.png").
bool data_source_open(struct data_source *s, const char *path, bool names, struct err *err);
// Several sources as one (gather.c): styles and subjects with the same name are the same, and what
// one of them holds out is held out in all.
bool data_source_gather(struct data_source *s, const char *const *paths, size_t count, bool names,
                        struct err *err);
// Training pictures whose pixels equal those of a held-out picture are held out with it: some sets
// share drawings. pixels[i]: a digest of record i's pixels; 0: record i is not used.
void data_source_hold_out_duplicates(struct data_source *s, const uint64_t *pixels);
void data_source_close(struct data_source *s); // zeroed is fine
// False with ERR_IO if an archive has been truncated since it was opened: data read from it is not
// to be trusted.
bool data_source_check(const struct data_source *s, struct err *err);

// For the readers of the kinds.
bool data_source_open_emoji(struct data_source *s, const char *folder, struct err *err);
// `most`: files, LIMIT_SOURCE_FILES or LIMIT_TAR_ENTRIES (tests give less); one more is an error.
bool data_source_open_folder(struct data_source *s, const char *path, size_t most,
                             struct err *err);
bool data_source_open_archive(struct data_source *s, const char *path, size_t most,
                              struct err *err);
// The number of a style or subject, which is added if new.
int data_source_style(struct data_source *s, const char *name);
int data_source_subject(struct data_source *s, const char *name);
// One line of text with single spaces, cut at a word; NULL when it is not UTF-8. Freed with free().
char *data_source_words(const char *text, size_t limit);

#endif
