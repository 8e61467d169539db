// SPDX-License-Identifier: MIT
// A pack: training pictures as one mapped safetensors file.
//
//     images            u8 [n,S,S,3]   pictures on white, sRGB
//     alpha             u8 [n,S,S]     opacity, 255: opaque; where it is 0, `images` has the white
//                                      ground. May be missing
//     role.NAME         u8 [n,S,S,3]   the pictures after a loader: edge, mask, sketch
//     subject, style    i32 [n]        subject and drawing style, numbered; -1: unknown
//     split             u8 [n]         enum pack_split
//     clusters          i32 [m,k]      sets of k similar records, all of split PACK_TRAIN
//                                      (engine/retrieval/clusters.h). May be missing
//     text.NAME         u8 [bytes]     UTF-8 texts of NAME (caption, keywords, or source: the file
//                                      the picture was made from, may be missing), concatenated
//     text.NAME.ends    i64 [n]        where each of them ends
//     metadata          format "limn pack 1", size, styles (JSON list of names), how the roles
//                       were made
//
// keywords are separated by commas. 2 <= k <= LIMIT_CLUSTER_PICTURES. Read-only; any thread.
#ifndef LIMN_ENGINE_TRAIN_PACK_H
#define LIMN_ENGINE_TRAIN_PACK_H

#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/jv.h"

enum pack_split {
    PACK_TRAIN = 0,
    PACK_HELDOUT_SUBJECT, // a subject that is not trained on in any style
    PACK_HELDOUT_PAIR,    // this subject in this style is not trained on
    PACK_HELDOUT_STYLE,   // a style that is not trained on
    PACK_SPLIT_COUNT
};
extern const char *const pack_split_names[PACK_SPLIT_COUNT];

struct pack;

// Checks every size, offset, index and text of the file, so that the accessors below cannot fail.
// NULL: ERR_INPUT with the file's name.
struct pack *pack_open(const char *path, struct err *err);
void pack_close(struct pack *p); // NULL is fine
// Pictures and texts are read directly from the mapped file. False with ERR_IO if the file has been
// truncated since: discard what was read from it. Everything else was copied when it was checked.
bool pack_check(const struct pack *p, struct err *err);

int pack_count(const struct pack *p);
int pack_size(const struct pack *p); // S, pixels a side
const uint8_t *pack_image(const struct pack *p, int record);
const uint8_t *pack_alpha(const struct pack *p, int record); // S*S; NULL: the pack has none
const uint8_t *pack_role(const struct pack *p, const char *role, int record); // NULL: no such role
int pack_subject(const struct pack *p, int record);
int pack_style(const struct pack *p, int record);
enum pack_split pack_split(const struct pack *p, int record);
int pack_style_count(const struct pack *p);
const char *pack_style_name(const struct pack *p, int style);
int pack_subject_count(const struct pack *p); // largest subject + 1

int pack_cluster_count(const struct pack *p); // 0: it has none
int pack_cluster_size(const struct pack *p);  // k
const int32_t *pack_cluster(const struct pack *p, int cluster); // k different records

// Copies at most size-1 bytes, in whole UTF-8 characters, and a final 0; returns `text`.
char *pack_caption(const struct pack *p, int record, char *text, size_t size);
char *pack_keywords(const struct pack *p, int record, char *text, size_t size);
char *pack_source(const struct pack *p, int record, char *text, size_t size); // "": unknown

const char *pack_metadata(const struct pack *p, const char *key); // NULL: none
// Entry i of the metadata; NULL when there are no more.
const char *pack_metadata_at(const struct pack *p, size_t i, const char **value);

#endif
