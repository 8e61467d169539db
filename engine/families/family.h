// SPDX-License-Identifier: MIT
// Families of models: which networks make one up and how they are joined. A family only connects
// what engine/nets holds; a new one is one file and one row of families.def (docs/families.md).
#ifndef LIMN_ENGINE_FAMILIES_FAMILY_H
#define LIMN_ENGINE_FAMILIES_FAMILY_H

#include "engine/base/limits.h"
#include "engine/families/port.h"
#include "engine/nets/net.h"

// When a stage runs. Ports that every stage of a kind has, whatever the family:
enum stage_kind {
    STAGE_NONE = 0,
    // Once for each text. in: ids (1,T) i32, perhaps mask (1,T) f32, 0 for padding. Its outputs are
    // given to the steps; those of the empty text also with "empty." before their names.
    STAGE_TEXT,
    // Once for each text, where the denoiser works something out of it before its steps. in: what
    // it wants of STAGE_TEXT's outputs. Its own go where those go.
    STAGE_CONDITION,
    // Once for the references of an instruction. in: image (R,S,S,3) f32 in [-1,1], reference.NAME
    // (R,…) for what it wants of STAGE_TEXT's output NAME, run on each reference's own text. Its
    // outputs are given to the steps that have references. Where a family draws any size each
    // reference, of its own size, is one run: image (1,H,W,3); outputs are given to the steps with
    // "reference.K." before their names, K from 0. When key.weighted: log_weight (1,R) f32,
    // the logarithm of what each reference's part in attention is multiplied with.
    STAGE_REFERENCES,
    // Once or more per step. in: sample (N,h,w,C) f32, timestep (N) f32; where the part enlarges,
    // low (N,h,w,C) f32 and noise_level (N) f32. out: prediction (N,h,w,model_channels) f32.
    STAGE_STEP,
    // Once at the end. in: sample (N,h,w,C) f32. out: picture (N,H,W,channels) f32 in about
    // [-1,1].
    STAGE_DECODE,
    // Once, for a picture to start from: the way back. in: picture (N,H,W,channels) f32 in
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

// What tells one plan from another. Zero where a kind has no use for it.
struct stage_key {
    enum stage_kind kind;
    const char *part; // steps, decoding, encoding: of which pass, family->denoiser or ->enlarger
    int batch;        // steps, decoding, encoding: pictures
    int references;   // references and steps: R
    int tokens;       // of the text that is encoded, or that conditions
    bool weighted;    // references and steps: some count more or less than others
    // Of families that draw any size: of the picture, of the one reference of STAGE_REFERENCES, and
    // of a step's references.
    struct picture_size size, reference[LIMIT_INSTRUCTION_REFERENCES];
    int copy;         // plans that are the same but for this, where both must hold their inputs
};

struct family_part {
    const char *name; // the folder: "unet"
    enum dtype dtype; // its products compute in this type whatever others do; DTYPE_NONE: as they
    const struct net *net; // of models that are put together from files; NULL: none are
};

// What a pass draws, before it is decoded.
struct latent {
    int height, width, channels;
    int model_channels; // of a prediction: channels, or twice as many with learned variance
};

// What a graph of training is made for.
struct training_key {
    int batch, references;             // N examples, each with R references
    int text_tokens, reference_tokens; // T and U
    int32_t end, pad;                  // ids of the tokenizer; the empty text is an end and padding
    int side;                          // pixels of the crops that a second pass learns from
};

// How a family is trained: the text encoder and the denoiser in one graph.
struct family_training {
    // Names of parameters that know words start so; they are frozen together. Ends with NULL.
    const char *const *words;
    // in: sample (N,h,w,C) f32, timestep (N) f32, text (N,T) i32; with references image (N R,S,S,3)
    // f32 in [-1,1] and reference.text (N R,U) i32; where a text's own view of the picture can be
    // left out, heard (N,1,1,1) f32: 1 it is there, 0 it is that of the empty text.
    // Returns the prediction (N,h,w,C).
    struct node *(*pictures)(struct nn *nn, const struct parts *parts,
                             const struct training_key *key, struct ports *ports);
    // Pixels a side of the pictures S that are learned from words alone; 0: none are, for that
    // takes what words_need says, as people know it.
    int (*words_size)(const struct parts *parts);
    const char *words_need;
    // in: text (N,T) i32. Returns pictures (N,S,S,3) f32.
    struct node *(*from_words)(struct nn *nn, const struct parts *parts,
                               const struct training_key *key, struct ports *ports);
    // Pixels a side of what the second pass draws, if it can be trained; 0: that takes what
    // enlarged_need says.
    int (*enlarged_size)(const struct parts *parts);
    const char *enlarged_need;
    // in: sample, low (N,side,side,C) f32, timestep, noise_level (N) f32. Returns the prediction.
    struct node *(*enlarged)(struct nn *nn, const struct parts *parts,
                             const struct training_key *key, struct ports *ports);
};

// How a model likes to be drawn with, where neither its folder nor the request says.
struct family_defaults {
    int steps;
    double scale;     // of guidance
    bool no_guidance; // distilled: guidance has no sense
    // Of the second pass; zeros in families that have none.
    int super_steps;
    double super_scale, super_noise_level; // a timestep
};

struct family {
    const char *name;              // "limn"
    const char *const *classes;    // _class_name of model_index.json; ends with NULL
    const struct family_part *parts; // in the order of their weights; ends with a zeroed one
    const char *denoiser, *text;   // of these, what is trained and listed
    const char *enlarger;          // the second pass, where a model has it; NULL: never
    // scheduler_config.json of models that are put together from files; NULL: none are.
    const char *scheduler;
    // How a picture is laid on the larger one: centres of pixels on centres
    // (engine/diffusion/cascade.h), or corner pixels on corner pixels.
    bool enlarged_by_centres;
    // That the parts fit each other and suffice for drawing; each for itself has been checked.
    bool (*check)(const struct parts *parts, const char *folder, struct err *err);
    // Pixels a side of what the denoiser and, as far as there is one, the enlarger draws; 0 without
    // a denoiser.
    void (*sizes)(const struct parts *parts, int *size, int *final_size);
    // size: of families that draw any size.
    struct latent (*latent)(const struct parts *parts, const char *part, struct picture_size size);
    // Of a picture: 4 where alpha is drawn, which is then laid on white. NULL: 3.
    int (*channels)(const struct parts *parts);
    // Pixels that both sides are multiples of, of a family that draws any size; NULL: sizes() says
    // all there is.
    int (*grain)(const struct parts *parts);
    // What texts stand between, and what [ref#k] is called in them: with "image" it is "image r", r
    // its place in the order of the markers. NULL: nothing; markers are tokens of the vocabulary.
    const char *before, *after, *marker_word;
    int text_tokens;               // texts are padded to; 0: 77
    int references;                // it takes at most; 0: 8
    bool guided_with_references;   // guidance without text keeps them
    // The shift of flow matching for a picture of so many tokens; NULL: the scheduler's own.
    double (*shift)(int64_t tokens, int steps);
    struct family_defaults (*defaults)(const struct jv *index); // index: model_index.json, or NULL
    // For estimates on the way to a picture: how many places of the latent a side become one before
    // they are decoded, so that looking costs little. NULL: an estimate is a picture already.
    int (*preview)(const struct latent *latent);
    int (*vocabulary)(const struct parts *parts);  // ids that the text encoder knows
    // Whether a model of these parts has such a stage; without STAGE_REFERENCES it takes none.
    bool (*has)(const struct parts *parts, enum stage_kind kind);
    // The part whose weights a stage binds, the only one; a step's is key->part. NULL: none. While
    // such a stage is held its part is on the device; at other times it may leave.
    const char *part[STAGE_KIND_COUNT];
    const struct family_training *training; // NULL: limn draws with it only
    int (*feature_width)(const struct parts *parts); // of STAGE_FEATURES; NULL: it has none
    // Adds the stage's graph and says what its ends are.
    void (*build[STAGE_KIND_COUNT])(struct nn *nn, const struct parts *parts,
                                    const struct stage_key *key, struct ports *ports);
};

#define FAMILY(stem) extern const struct family family_##stem;
#include "engine/families/families.def"
#undef FAMILY

// The family whose models can be put together from files, with a part that is such a network;
// *part: which. NULL: there is none.
const struct family *family_with(const struct net *net, const char **part);
// The family of a model_index.json, NULL: of a folder without one. ERR_INPUT when no family draws
// its _class_name. `name` (the file) starts the error.
const struct family *family_of(const struct jv *index, const char *name, struct err *err);

#endif
