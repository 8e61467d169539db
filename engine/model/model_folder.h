// SPDX-License-Identifier: MIT
// A model on disk, in diffusers' layout:
//
//     model_index.json     _class_name: the family (if absent, told by the parts); limn's own keys:
//                          text_tokens, reference_tokens (77 each if absent) and
//                          "limn", defaults of drawing (engine/draw/pipeline_defaults.h)
//     PART/                config.json and weights, for each part of the family: unet/,
//                          text_encoder/, super_resolution/ (a second stage, which may hold a
//                          scheduler_config.json of its own)
//     tokenizer/           the files of one kind of tokenizer (engine/text/tokenizers.def)
//     scheduler/scheduler_config.json
//
// Weights may be sharded (….safetensors.index.json) or a variant (….bf16.safetensors, ….fp16…, and
// their shards in either of the two naming schemes in use). Any part may be absent; code that needs
// one reports it.
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

// Reads the configs, not the weights. ERR_INPUT if the family or a network is unknown, if there are
// no parts, or if a config is not supported.
struct model_folder *model_folder_open(const char *path, struct err *err);
void model_folder_close(struct model_folder *m); // NULL is fine

// The weights file with that stem ("diffusion_pytorch_model") in a part's folder: a single file,
// the index of shards, or a variant; freed with free(). NULL: none.
char *model_weights_find(const char *folder, const char *stem);

// Makes all later loads of the denoiser's weights add these LoRA files (engine/model/lora.h). Call
// it at most once.
bool model_folder_change(struct model_folder *m, const struct lora_file *files, int count,
                         struct err *err);

// The path of a file in the folder, whether it exists or not. Freed with free().
char *model_folder_path(const struct model_folder *m, const char *name);

// Whether a file of a model's folder really lies there, or in the store of the hub's cache that the
// folder belongs to (STORE/blobs, STORE/snapshots/…). A model from elsewhere could link to any file
// of the user's, whose content would be passed on with what is made from the model.
bool model_folder_holds(const char *path);

// Declares the parameters of one part; part NULL: of all that exist.
bool model_folder_declare(const struct model_folder *m, const char *part, struct params *params,
                          struct err *err);

// Call it before params_layout(): decides which matrices of a part stay quantised as in its files
// and, given `wish`, which are quantised to that type (engine/nn/params.h).
bool model_folder_choose_blocks(const struct model_folder *m, const char *part,
                                struct params *params, enum dtype wish, struct err *err);

// Fills the block from the weights of a part (NULL: of all that are declared and have weights).
// `report` lists missing, surplus and misshapen weights (the others are loaded); if it is NULL,
// missing and misshapen weights are an error, and surplus ones a line in the log.
bool model_folder_load(const struct model_folder *m, const char *part,
                       const struct params *params, struct buffer *block,
                       struct params_report *report, struct err *err);

// The same for the weights of one part that stay in their files, to be read piece by piece
// (engine/nn/params.h). The folder and `params` must outlive it.
struct model_reader;
struct model_reader *model_folder_read(const struct model_folder *m, const char *part,
                                       const struct params *params, struct err *err);
void model_reader_close(struct model_reader *r); // NULL is fine
const struct weights_source *model_reader_source(const struct model_reader *r);

// Checks, without reading them, that a part has all the weights that `params` declares for it.
// Missing and misshapen weights are an error, surplus ones a line in the log.
bool model_folder_check(const struct model_folder *m, const char *part, const struct params *params,
                        struct err *err);

// Loads the weights of the folder that have the right name and shape and leaves the rest of the
// block unchanged: for training that starts from another model or from scratch.
bool model_folder_load_present(const struct model_folder *m, const struct params *params,
                               struct buffer *block, struct err *err);

// Writes a whole model: configs, index, tokenizer and scheduler as they are in `m`, and the weights
// of every part declared in `params`, from a block with that layout; the files of other parts are
// copied. Matrices and tables are written in `dtype`. index: replaces the folder's own
// model_index.json; NULL: keeps it. Creates the folder if needed; its old files stay until all of
// the new model is written, and are then replaced one by one, the index last.
struct model_folder_save {
    const char *path;
    const struct params *params;
    struct buffer *block;
    enum dtype dtype;
    const struct jv *index;
};
bool model_folder_save(const struct model_folder *m, const struct model_folder_save *s,
                       struct err *err);
// Whether `m` has nothing that model_folder_save() refuses to copy: links out of their folder,
// except to the store of a hub's cache. ERR_INPUT names the first. Call it before hours of
// training.
bool model_folder_can_save(const struct model_folder *m, const struct params *params,
                           struct err *err);

// Compares a part's config with its weights, without a device. *parameters: how many numbers the
// config asks for. A part without weights is an error.
bool model_folder_compare(const struct model_folder *m, const char *part,
                          struct params_report *report, size_t *parameters, struct err *err);

// A hash, as 16 hex digits, of names, shapes and bytes of all weights, however they are sharded.
// For large models it is cached in the user's cache folder as long as the files are unchanged.
bool model_folder_hash(const struct model_folder *m, char out[17], struct err *err);

#endif
