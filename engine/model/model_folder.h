// SPDX-License-Identifier: MIT
// A model on disk, in diffusers' layout:
//
//     model_index.json     _class_name says which family it is of (without it the parts do); of our
//                          own keys: text_tokens, reference_tokens (77 each when absent) and
//                          "limn", defaults of drawing (engine/draw/pipeline_defaults.h)
//     PART/                config.json and weights, for each part of the family: unet/,
//                          text_encoder/, super_resolution/ (a second stage, which may hold a
//                          scheduler_config.json of its own)
//     tokenizer/           the files of a kind of tokenizer (engine/text/tokenizers.def)
//     scheduler/scheduler_config.json
//
// Weights may be sharded (….safetensors.index.json) or a variant (….bf16.safetensors, ….fp16…, and
// their shards under both names that have been in use). Any part may be absent; code that needs one
// reports it.
#ifndef LIMN_ENGINE_MODEL_MODEL_FOLDER_H
#define LIMN_ENGINE_MODEL_MODEL_FOLDER_H

#include "engine/families/family.h"
#include "engine/model/lora.h"
#include "engine/model/scheduler_config.h"

struct model_folder {
    char *path, *name; // name: the folder's own, or that of a snapshot in the hub's cache
    const struct family *family;
    struct parts parts; // those that are there
    char *tokenizer;    // for tokenizer_open(); NULL: none
    bool has_scheduler;
    struct scheduler_config scheduler, super_scheduler; // the second defaults to the first
    int text_tokens, reference_tokens; // length texts are padded to
    struct jv *index;                  // model_index.json, NULL: none
    struct lora *lora;                 // added to the denoiser's weights; NULL: none
};

// Reads the configs, not the weights. ERR_INPUT if its family or a network is unknown, if it has no
// parts, or if one is not understood.
struct model_folder *model_folder_open(const char *path, struct err *err);
void model_folder_close(struct model_folder *m); // NULL is fine

// The weights of that stem ("diffusion_pytorch_model") in a part's folder, whole, as the index of
// shards, or as a variant; freed with free(). NULL: none.
char *model_weights_find(const char *folder, const char *stem);

// From here on the denoiser's weights are loaded with these changes (engine/model/lora.h). Once.
bool model_folder_change(struct model_folder *m, const struct lora_file *files, int count,
                         struct err *err);

// A file of the folder, whether it exists or not. Freed with free().
char *model_folder_path(const struct model_folder *m, const char *name);

// Declares the parameters of one part, or of all that are there for NULL.
bool model_folder_declare(const struct model_folder *m, const char *part, struct params *params,
                          struct err *err);

// Before params_layout(): which matrices of a part stay quantised as in its files and, given
// `wish`, which are quantised to that type (engine/nn/params.h).
bool model_folder_choose_blocks(const struct model_folder *m, const char *part,
                                struct params *params, enum dtype wish, struct err *err);

// Fills the block from the weights of a part (NULL: of all that are declared and have
// weights). `report` gets what was missing, surplus or misshapen (the others are loaded); where it
// is NULL, missing and misshapen ones are an error, and surplus ones a line in the log.
bool model_folder_load(const struct model_folder *m, const char *part,
                       const struct params *params, struct buffer *block,
                       struct params_report *report, struct err *err);

// The same for weights that stay in their files: of one part, to be read piece by piece
// (engine/nn/params.h). The folder and `params` outlive it.
struct model_reader;
struct model_reader *model_folder_read(const struct model_folder *m, const char *part,
                                       const struct params *params, struct err *err);
void model_reader_close(struct model_reader *r); // NULL is fine
const struct weights_source *model_reader_source(const struct model_reader *r);

// Checks, without reading them, that a part has all the weights that `params` declares for it.
// Missing and misshapen ones are an error, surplus ones a line in the log.
bool model_folder_check(const struct model_folder *m, const char *part, const struct params *params,
                        struct err *err);

// Loads the weights of the folder that have the right name and shape and leaves the rest of the
// block unchanged: for training that starts from another model or from scratch.
bool model_folder_load_present(const struct model_folder *m, const struct params *params,
                               struct buffer *block, struct err *err);

// Writes a whole model: configs, index, tokenizer and scheduler as they are in `m`, and the
// weights of every part that is declared in `params` from a block laid out as it; the files of
// other parts are copied. Matrices and tables in `dtype`. index: model_index.json in place of the
// folder's own; NULL: that one. The folder is made if it is not there; what is in it stays until
// all of the new model is written, and is then replaced file by file, the index last.
struct model_folder_save {
    const char *path;
    const struct params *params;
    struct buffer *block;
    enum dtype dtype;
    const struct jv *index;
};
bool model_folder_save(const struct model_folder *m, const struct model_folder_save *s,
                       struct err *err);
// Whether `m` has nothing that model_folder_save() refuses to copy: links that lead out of their
// folder, but to the store of a hub's cache. ERR_INPUT: the first that does. To be asked before
// hours of training.
bool model_folder_can_save(const struct model_folder *m, const struct params *params,
                           struct err *err);

// Compares config and weights of a part without a device. parameters: how many numbers the config
// asks for. A part without weights is an error.
bool model_folder_compare(const struct model_folder *m, const char *part,
                          struct params_report *report, size_t *parameters, struct err *err);

// 16 hex digits over names, shapes and bytes of all weights; the same however they are sharded. For
// large models it is cached in the user's cache folder while the files are unchanged.
bool model_folder_hash(const struct model_folder *m, char out[17], struct err *err);

#endif
