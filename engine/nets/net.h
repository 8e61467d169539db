// SPDX-License-Identifier: MIT
// The kinds of network limn knows, as a table: the format of their config.json, their parameters,
// and how to run a golden. Code that reads, writes, checks or lists models goes through this table
// and knows no particular network. A new kind is its files and one row of nets.def.
#ifndef LIMN_ENGINE_NETS_NET_H
#define LIMN_ENGINE_NETS_NET_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

struct guess; // engine/nets/guess.h

enum { NET_GOLDEN_INPUTS_MAX = 8 };

// The tensors of a golden (engine/model/model_golden.h), as the reference shapes them.
struct net_golden {
    // NULL: the file has no such tensor.
    const struct shape *(*shape)(void *ctx, const char *name);
    void *ctx;
    const char *what; // of a part with several answers: "encoder" of a golden of vae_encoder; or ""
    struct node *inputs[NET_GOLDEN_INPUTS_MAX]; // out: to be filled from the golden
    int count;
    // A whole number of the metadata; 0: none there.
    int64_t (*number)(void *ctx, const char *key);
};
// The shape of a tensor with a first dimension of 1 more or fewer than the file has, where that
// makes it one of `rank`: some writers keep the batch of one, some do not. false: there is none of
// that rank.
bool net_golden_shape(const struct net_golden *g, const char *name, int rank, struct shape *out);
struct node *net_golden_input(struct net_golden *g, struct nn *nn, const char *name,
                              struct shape shape, enum dtype dtype);

// Declares what `build` uses: it adds the graph, whose result is not needed.
bool net_declare(struct params *params, const char *prefix, const void *config,
                 struct node *(*build)(struct nn *nn, const void *config), struct err *err);

struct net {
    const char *class_name; // as diffusers and transformers call it: "UNet2DConditionModel"
    const char *weights;    // stem of the weight files
    // Whether a config.json is of this kind; reading it may still refuse its values.
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
    // How files may spell the parameters: see struct params_spelling. NULL: in one way.
    bool (*place)(const void *config, const char *name, int way, struct param_place *out);
    bool (*unread)(const void *config, const char *tensor);
    // Names, ending with NULL, of which each file of such a network has one: in other programs'
    // files something may stand before it and all the others (net_prefix()). NULL: nothing does.
    const char *const *anchors;
    // The config.json of a file of such a network that comes without one, by its tensors; what they
    // do not say is as in the published models. NULL: the file holds another. NULL: none is told.
    struct jv *(*guess)(const struct guess *file);
    // `output` of a golden is the answer under its attention_mask, if it has one.
    bool masked;
    // The graph that answers a golden. Inputs have the names of the golden's tensors: pictures
    // (N,C,H,W) become (N,H,W,C), and a tensor of one number serves all N. NULL with an error where
    // tensors are missing or do not fit the config.
    struct node *(*golden)(struct nn *nn, const void *config, struct net_golden *golden,
                           struct err *err);
};

#define NET(stem) extern const struct net net_##stem;
#include "engine/nets/nets.def"
#undef NET

// The kind of a config.json; ERR_INPUT when there is none. `name` starts the error.
const struct net *net_of(const struct jv *json, const char *name, struct err *err);

// What stands before the names of a network in a file: "text_encoders.qwen3_4b.transformer.", ""
// where nothing does, or where the file holds no such network.
void net_prefix(const struct net *net, const struct safetensors *file,
                char prefix[PARAMS_PREFIX_MAX]);
// The first kind after `after`, NULL: of all, of which a file of weights holds one, with its
// config.json (freed by the caller); NULL: none is told.
const struct net *net_guess(const struct safetensors *file, const struct net *after,
                            struct jv **config);

// The networks of one model, each a folder with a config.json.
struct part {
    const char *name;   // the folder: "unet"
    char *prefix;       // of its parameters: "unet/"; owned
    const struct net *net;
    void *config;  // of the net's type; owned
    char *weights; // file for safetensors_open(); NULL: none there; owned
    const struct params_change *change; // added to its weights; borrowed; NULL: nothing
};

enum { PARTS_MAX = 8 };

struct parts {
    struct part at[PARTS_MAX];
    int count;
};

// Adds the part that a config.json describes; `name` is kept, `file` starts errors. ERR_INPUT when
// no kind of network is known for it, or its values are not; it is added in any case.
bool parts_add(struct parts *p, const char *name, const struct jv *json, const char *file,
               struct err *err);
const struct part *parts_find(const struct parts *p, const char *name); // NULL: not there
// The config of a part, if it is there and of this kind.
const void *parts_config(const struct parts *p, const char *name, const struct net *net);
void parts_finish(struct parts *p);

#endif
