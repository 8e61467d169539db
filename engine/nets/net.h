// SPDX-License-Identifier: MIT
// The kinds of network limn knows, as a table: the format of their config.json, their parameters,
// and how to run a golden. Code that reads, writes, checks or lists models uses this table and
// depends on no particular network. To add a kind, write its files and one row of nets.def.
#ifndef LIMN_ENGINE_NETS_NET_H
#define LIMN_ENGINE_NETS_NET_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

struct guess; // engine/nets/guess.h

enum { NET_GOLDEN_INPUTS_MAX = 8 };

// The tensors of a golden (engine/model/model_golden.h), in the reference's shapes.
struct net_golden {
    // NULL: the file has no such tensor.
    const struct shape *(*shape)(void *ctx, const char *name);
    void *ctx;
    const char *what; // of a part with two halves: "encoder" in a golden of vae_encoder; else ""
    struct node *inputs[NET_GOLDEN_INPUTS_MAX]; // out: to be filled from the golden
    int count;
    // An integer of the metadata; 0: missing.
    int64_t (*number)(void *ctx, const char *key);
};
// The shape of a tensor, with a leading dimension of 1 added or removed if that gives it `rank`
// dimensions: some writers keep a batch of one, some do not. False: missing, or of another rank.
bool net_golden_shape(const struct net_golden *g, const char *name, int rank, struct shape *out);
struct node *net_golden_input(struct net_golden *g, struct nn *nn, const char *name,
                              struct shape shape, enum dtype dtype);

// Declares the parameters that `build` uses, by building its graph once and discarding it.
bool net_declare(struct params *params, const char *prefix, const void *config,
                 struct node *(*build)(struct nn *nn, const void *config), struct err *err);

struct net {
    const char *class_name; // as diffusers and transformers call it: "UNet2DConditionModel"
    const char *weights;    // stem of the weight files
    // Whether a config.json is of this kind; read() may still refuse its values.
    bool (*accepts)(const struct jv *json);
    size_t config_size;
    // `name` (the file) starts errors. ERR_INPUT.
    bool (*read)(void *config, const struct jv *json, const char *name, struct err *err);
    // Complete: reading it gives the same config. Freed by the caller.
    struct jv *(*write)(const void *config);
    // Adds every parameter to a table that is not laid out yet, under `prefix` ("unet/").
    bool (*declare)(struct params *params, const char *prefix, const void *config,
                    struct err *err);
    // A few words for people: "U-Net, 64x64 pixels, …".
    void (*describe)(const void *config, char *out, size_t size);
    // Other names that files use for the parameters: see struct params_spelling. NULL: none.
    bool (*place)(const void *config, const char *name, int way, struct param_place *out);
    bool (*ignored)(const void *config, const char *tensor);
    // Tensor names, ending with NULL, one of which is in every file of such a network. Other
    // programs' files may have a prefix before it and all others (net_prefix()). NULL: never a
    // prefix.
    const char *const *anchors;
    // Guesses the config.json of a weights file without one from its tensors; what they leave open
    // is as in the published models. Returns NULL if the file holds another network. The member is
    // NULL if it cannot be guessed.
    struct jv *(*guess)(const struct guess *file);
    // Whether the `output` of a golden is computed with its attention_mask, if it has one.
    bool masked;
    // Builds the graph that computes a golden's output. Its inputs are named as the golden's
    // tensors: pictures (N,C,H,W) become (N,H,W,C), and a single number serves all N. NULL with an
    // error if tensors are missing or do not fit the config.
    struct node *(*golden)(struct nn *nn, const void *config, struct net_golden *golden,
                           struct err *err);
};

#define NET(stem) extern const struct net net_##stem;
#include "engine/nets/nets.def"
#undef NET

// The kind of a config.json; ERR_INPUT if it is none of the table's. `name` (the file) starts the
// error.
const struct net *net_of(const struct jv *json, const char *name, struct err *err);

// The prefix of a network's tensor names in a file, such as "text_encoders.qwen3_4b.transformer.";
// "": it has none, or the file holds no such network.
void net_prefix(const struct net *net, const struct safetensors *file,
                char prefix[PARAMS_PREFIX_MAX]);
// The first kind after `after` in the table (NULL: from its start) that a file of weights holds,
// with its guessed *config (freed by the caller). NULL: none.
const struct net *net_guess(const struct safetensors *file, const struct net *after,
                            struct jv **config);

// The networks of one model, each a folder with a config.json.
struct part {
    const char *name;   // the folder: "unet"
    char *prefix;       // of its parameters: "unet/"; owned
    const struct net *net;
    void *config;  // of the net's type; owned
    char *weights; // file for safetensors_open(); NULL: none there; owned
    const struct params_change *change; // added to its weights; borrowed; NULL: none
};

enum { PARTS_MAX = 8 };

struct parts {
    struct part at[PARTS_MAX];
    int count;
};

// Adds the part that a config.json describes; `name` must outlive it, `file` starts errors.
// ERR_INPUT if the kind of network or a value is not supported; the part is added even then.
bool parts_add(struct parts *p, const char *name, const struct jv *json, const char *file,
               struct err *err);
const struct part *parts_find(const struct parts *p, const char *name); // NULL: not there
// The config of a part; NULL if the part is missing or of another kind.
const void *parts_config(const struct parts *p, const char *name, const struct net *net);
void parts_finish(struct parts *p);

#endif
