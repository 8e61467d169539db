// SPDX-License-Identifier: MIT
// Families of models: which networks they consist of and how these are connected. A family only
// connects what engine/nets provides; a new one is one file and one row of families.def
// (docs/families.md).
#ifndef LIMN_ENGINE_FAMILIES_FAMILY_H
#define LIMN_ENGINE_FAMILIES_FAMILY_H

#include "engine/base/limits.h"
#include "engine/families/port.h"
#include "engine/nets/net.h"

// When a stage runs, and the ports that every stage of a kind has, whatever the family:
enum stage_kind {
    STAGE_NONE = 0,
    // Once for each text. in: ids (1,T) i32, perhaps mask (1,T) f32, 0 for padding. Its outputs are
    // given to the steps; those of the empty text also with "empty." before their names.
    STAGE_TEXT,
    // Once for each text, if the denoiser derives something from it before its steps. in: the
    // outputs of STAGE_TEXT that it needs. Its own outputs go wherever those go.
    STAGE_CONDITION,
    // Once for the references of an instruction. in: image (R,S,S,3) f32 in [-1,1], reference.NAME
    // (R,…) for each output NAME of STAGE_TEXT that it needs, run on each reference's own text. Its
    // outputs are passed to the steps that have references. In families that draw any size each
    // reference has its own size and its own run: image (1,H,W,3); its outputs are passed to the
    // steps with "reference.K." before their names, K from 0. If key.weighted: log_weight (1,R)
    // f32, the logarithm of the factor on each reference's share of attention.
    STAGE_REFERENCES,
    // Once or more per step. in: sample (N,h,w,C) f32, timestep (N) f32; if the part enlarges,
    // low (N,h,w,C) f32 and noise_level (N) f32. out: prediction (N,h,w,model_channels) f32.
    STAGE_STEP,
    // Once at the end. in: sample (N,h,w,C) f32. out: picture (N,H,W,channels) f32 in about
    // [-1,1].
    STAGE_DECODE,
    // Once, for a picture to start from: the inverse. in: picture (N,H,W,channels) f32 in
    // [-1,1]. out: sample (N,h,w,C) f32.
    STAGE_ENCODE,
    // Pictures to vectors, for finding similar ones (families that take references). in: as
    // STAGE_REFERENCES. out: features (R,F) f32, F of feature_width().
    STAGE_FEATURES,
    STAGE_KIND_COUNT
};

struct picture_size {
    int height, width; // pixels
};

// What distinguishes one plan from another. Fields that a kind does not use are zero.
struct stage_key {
    enum stage_kind kind;
    const char *part; // steps, decoding, encoding: of which pass, family->denoiser or ->enlarger
    int batch;        // steps, decoding, encoding: pictures
    int references;   // references and steps: R
    int tokens;       // of the text that is encoded, or of the conditioning text
    bool weighted;    // references and steps: references have different weights
    // In families that draw any size: of the picture, of the one reference of STAGE_REFERENCES, and
    // of a step's references.
    struct picture_size size, reference[LIMIT_INSTRUCTION_REFERENCES];
    int copy;         // distinguishes otherwise equal plans that must both keep their inputs
};

struct family_part {
    const char *name; // the folder: "unet"
    enum dtype dtype; // its products always compute in this type; DTYPE_NONE: the model's type
    const struct net *net; // for models assembled from files; NULL: not supported
};

// The size of what a pass draws, before it is decoded.
struct latent {
    int height, width, channels;
    int model_channels; // of a prediction: channels, or twice as many with learned variance
};

// What distinguishes one training graph from another.
struct training_key {
    int batch, references;             // N examples, each with R references
    int text_tokens, reference_tokens; // T and U
    int32_t end, pad;                  // the tokenizer's ids; the empty text is `end` and padding
    int side;                          // pixels a side of the second pass's crops
};

// How a family is trained: the text encoder and the denoiser in one graph.
struct family_training {
    // Prefixes of the parameters that encode words; they are frozen together. Ends with NULL.
    const char *const *words;
    // in: sample (N,h,w,C) f32, timestep (N) f32, text (N,T) i32; with references image (N R,S,S,3)
    // f32 in [-1,1] and reference.text (N R,U) i32; if the text's thumbnail can be dropped, heard
    // (N,1,1,1) f32: 1 keeps it, 0 replaces it by that of the empty text.
    // Returns the prediction (N,h,w,C).
    struct node *(*pictures)(struct nn *nn, const struct parts *parts,
                             const struct training_key *key, struct ports *ports);
    // S, pixels a side of the pictures predicted from text alone; 0: not supported by a model that
    // lacks words_need, a phrase for error messages.
    int (*words_size)(const struct parts *parts);
    const char *words_need;
    // in: text (N,T) i32. Returns pictures (N,S,S,3) f32.
    struct node *(*from_words)(struct nn *nn, const struct parts *parts,
                               const struct training_key *key, struct ports *ports);
    // Pixels a side of what the second pass draws, if it can be trained; 0: not supported by a
    // model that lacks enlarged_need.
    int (*enlarged_size)(const struct parts *parts);
    const char *enlarged_need;
    // in: sample, low (N,side,side,C) f32, timestep, noise_level (N) f32. Returns the prediction.
    struct node *(*enlarged)(struct nn *nn, const struct parts *parts,
                             const struct training_key *key, struct ports *ports);
};

// Defaults for drawing, where neither the model's folder nor the request gives a value.
struct family_defaults {
    int steps;
    double scale;     // of guidance
    bool no_guidance; // distilled: guidance does not apply
    // Of the second pass; zeros in families that have none.
    int super_steps;
    double super_scale, super_noise_level; // a timestep
};

struct family {
    const char *name;              // "limn"
    const char *const *classes;    // _class_name of model_index.json; ends with NULL
    const struct family_part *parts; // in the order of their weights; ends with a zeroed one
    const char *denoiser, *text;   // parts that are trained and listed
    const char *enlarger;          // part of the second pass, if a model has it; NULL: never
    // scheduler_config.json for models assembled from files; NULL: not supported.
    const char *scheduler;
    // How a picture is aligned when it is enlarged: by pixel centres (engine/diffusion/cascade.h),
    // or by corner pixels.
    bool enlarged_by_centres;
    // Whether the parts fit each other and suffice for drawing; each was checked on its own before.
    bool (*check)(const struct parts *parts, const char *folder, struct err *err);
    // Pixels a side that the denoiser draws and, if there is an enlarger, that it does; 0 without a
    // denoiser.
    void (*sizes)(const struct parts *parts, int *size, int *final_size);
    // size: for families that draw any size.
    struct latent (*latent)(const struct parts *parts, const char *part, struct picture_size size);
    // Channels of a picture: 4 with alpha, with colours on white. NULL: 3.
    int (*channels)(const struct parts *parts);
    // For families that draw any size: both sides are multiples of this many pixels. NULL: only the
    // sizes of sizes().
    int (*grain)(const struct parts *parts);
    // Text put before and after each prompt, and the word for [ref#k] in it: "image" gives "image
    // r", r the marker's rank. NULL: nothing; markers are tokens of the vocabulary.
    const char *before, *after, *marker_word;
    int text_tokens;               // length to which texts are padded; 0: 77
    int references;                // at most; 0: 8
    bool guided_with_references;   // the branch without text keeps the references
    // Flow matching's shift for a picture with this many tokens; NULL: the scheduler's own.
    double (*shift)(int64_t tokens, int steps);
    struct family_defaults (*defaults)(const struct jv *index); // index: model_index.json, or NULL
    // For previews: how many positions of the latent, in each direction, are averaged before
    // decoding, so that a preview costs little. NULL: an estimate is already a picture.
    int (*preview)(const struct latent *latent);
    int (*vocabulary)(const struct parts *parts);  // size of the text encoder's vocabulary
    // Whether a model with these parts has such a stage; without STAGE_REFERENCES it accepts no
    // references.
    bool (*has)(const struct parts *parts, enum stage_kind kind);
    // The only part whose weights a stage uses; for STAGE_STEP it is key->part. NULL: none. While a
    // stage is held its part is on the device; otherwise the part may be unloaded.
    const char *part[STAGE_KIND_COUNT];
    const struct family_training *training; // NULL: it cannot be trained
    int (*feature_width)(const struct parts *parts); // of STAGE_FEATURES; NULL: not supported
    // Adds the stage's graph and declares its ports.
    void (*build[STAGE_KIND_COUNT])(struct nn *nn, const struct parts *parts,
                                    const struct stage_key *key, struct ports *ports);
};

#define FAMILY(stem) extern const struct family family_##stem;
#include "engine/families/families.def"
#undef FAMILY

const struct family *family_number(int i); // from 0; NULL: there are fewer
// The family whose models can be assembled from files and have a part with this network; *part:
// that part's name. NULL: none.
const struct family *family_with(const struct net *net, const char **part);
// The family of a model_index.json (NULL: of a folder without one). ERR_INPUT if no family
// implements its _class_name. `name` (the file) starts the error.
const struct family *family_of(const struct jv *index, const char *name, struct err *err);

#endif
