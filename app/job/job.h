// SPDX-License-Identifier: MIT
// A drawing job as people ask for it: the instruction, its pictures still as files, and all
// parameters (parameters.h). Made from a template, from a picture limn drew, from the command line
// or in the UI; sent to a worker (docs/worker.md), which decodes the pictures, runs the loaders
// and draws.
#ifndef LIMN_APP_JOB_JOB_H
#define LIMN_APP_JOB_JOB_H

#include <stdint.h>

#include "app/base/value.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/text/instruction.h"

enum { JOB_HASH_TEXT = 64 + 1, JOB_ID_TEXT = 40 };
#define JOB_SEED_MAX ((int64_t)1 << 53) // what JSON numbers carry exactly

// What a picture is for.
enum job_use {
    JOB_REFERENCE = 0, // [ref#K] of the instruction
    JOB_AWAY,          // to steer away from, with `negative`, in which it is [ref#K]
    JOB_START,         // where the drawing starts; `strength` says how far it goes
    JOB_MASK,          // which parts of it are redrawn (white) or kept (black)
    JOB_USE_COUNT
};

struct job_reference {
    enum job_use use;
    int marker;   // K; 0 for JOB_START and JOB_MASK
    char *words;  // own text; NULL: the loader's role, or "image"
    char *file;   // path, for people and records; only its last part leaves this machine
    char *within; // folder that `file` must lie below: a template named it; NULL: a person did
    bool embedded; // the data came inside a picture: `file` is only its name there, not a path
    char *where;  // "FILE:LINE:COLUMN", put before errors about it; NULL: none
    char *loader; // NULL: the picture as it is
    char *settings[LIMIT_TEMPLATE_SETTINGS]; // "key=value"
    int setting_count;
    char *credit; // author, if it came from an index; NULL: not known
    bool retrieved; // it was chosen for `words`, from an index
    bool processed; // the loader has been run: `data` is its result
    uint8_t *data;  // the picture file's bytes; NULL: not read yet
    size_t size;
    char hash[JOB_HASH_TEXT]; // SHA-256 of the data in hexadecimal; "": not read yet
};

struct job {
    char id[JOB_ID_TEXT]; // unique among all jobs; chosen by job_name()
    char *instruction;
    struct job_reference references[LIMIT_JOB_INPUTS];
    int reference_count;
    char *model_hash; // of the model that drew the picture being redrawn; else NULL
    char *drawn_by;   // the name of that model where the picture was drawn; else NULL
    char *template;   // the name of the template it was made from; NULL: not known
    // Parameters. What is not set is decided by the model, the machine or, for the seed,
    // job_resolve().
#define PARAMETER(kind, field, empty, low, high, names, argument, names_a, where, group, label,    \
                  help)                                                                            \
    VALUE_FIELD_##kind field;
#include "app/job/parameters.def"
#undef PARAMETER
};

extern const struct job job_empty; // nothing in it, nothing set
#define JOB_EMPTY job_empty
void job_finish(struct job *j); // zeroed is fine
void job_copy(struct job *out, const struct job *j); // deep; same id

const char *job_use_name(enum job_use use); // "reference", "away", "start", "mask"
int job_use_limit(enum job_use use);       // how many a job may have
enum job_use job_use_from_name(const char *name); // JOB_USE_COUNT: none
// What people call it: "[ref#2]", "the mask".
void job_reference_name(const struct job_reference *r, char *out, size_t size);

// Its name in the text of a drawing: "[ref#2]" for a reference, otherwise its key: "away-1",
// "start", "mask".
enum { JOB_KEY_TEXT = 16 };
void job_reference_label(const struct job_reference *r, char out[JOB_KEY_TEXT]);
// Its key in templates, and its name among the files of a saved one: "2", "away-1", "start",
// "mask".
void job_reference_key(const struct job_reference *r, char out[JOB_KEY_TEXT]);
bool job_read_key(const char *key, enum job_use *use,
                  int *marker); // its inverse; false: not a key

// A new, empty picture. NULL if the job has job_use_limit() of that use already.
struct job_reference *job_add_for(struct job *j, enum job_use use, int marker);
struct job_reference *job_add(struct job *j, int marker); // a reference
void job_remove(struct job *j, int index);
struct job_reference *job_find_for(struct job *j, enum job_use use, int marker); // NULL: none
struct job_reference *job_find(struct job *j, int marker); // a reference
int job_count(const struct job *j, enum job_use use);

// Drops its bytes, so that job_read() reads the file again, which may have changed.
void job_drop_data(struct job_reference *r);
// Marks a picture that came inside another one: its file is only a name, and its bytes are the only
// copy.
void job_embed(struct job_reference *r, const char *path);
// Clears the parameters that only the user may decide: model, device, number type, where weights
// are kept.
void job_clear_local(struct job *j);
// Whether the text inside a picture has a format known to this version (limn writes format 1).
bool job_check_format(const struct jv *root, const char *name, struct err *err);
// The job inside a PNG that limn made. False with no error set: there is none. The file may come
// from a stranger: its model, device and number type are ignored, and its references are the bytes
// inside it.
bool job_from_png(struct job *j, const char *path, struct err *err);
bool job_is_png(const char *path); // by its first bytes
bool job_from_png_in(struct job *j, const void *png, size_t size, const char *name,
                     struct err *err);

// Reads and hashes the picture files not read yet. A file that does not begin like a picture is
// refused: ERR_INPUT names it.
bool job_read(struct job *j, struct err *err);
// The instruction as a model sees it, or, for JOB_AWAY, `negative` with a marker for each picture
// it does not name. Each picture is a reference of 1 x 1 without pixels. Not checked. Call
// instruction_finish() afterwards, after a failure too.
bool job_instruction(const struct job *j, enum job_use use, struct instruction *out,
                     struct err *err);
// Checks what can be checked without pictures: markers match references, parameters are in range.
bool job_check(const struct job *j, struct err *err);
// The same for a job about to be drawn: parameters that apply to pictures (strength, ref_weight)
// must have those pictures, which a template may leave to its user.
bool job_check_complete(const struct job *j, struct err *err);
// Fills in what must be decided before it is sent: id, seed, count.
void job_resolve(struct job *j);
void job_name(struct job *j); // a new id
bool job_is_hash(const char *text); // 64 digits of lower case
bool job_is_id(const char *text); // valid as an id, which becomes part of file names

// JSON without the pictures' bytes; job_parse() is the inverse. `full`: with paths and places, for
// storing; otherwise with the files' names alone, for sending. `name` begins errors, among them
// values of the wrong type.
struct jv *job_json(const struct job *j, bool full);
bool job_parse(struct job *j, const struct jv *v, const char *name, struct err *err);

// SHA-256 in hexadecimal.
void job_hash(const void *data, size_t size, char out[JOB_HASH_TEXT]);

#endif
