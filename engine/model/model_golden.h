// SPDX-License-Identifier: MIT
// Compares a part of a model with the output of a reference implementation.
//
// A golden is a safetensors file: its metadata `part` names the folder ("unet", "text_encoder"),
// for an autoencoder with the half ("vae_encoder", "vae_decoder"). Tensors are named as the
// arguments in diffusers and transformers, and each kind of network states which it needs (struct
// net, `golden`): a U-Net `sample` (N,C,H,W), `timestep` (N) or one for all,
// `encoder_hidden_states` (N,T,D), and `class_labels` if it takes them; a text encoder `input_ids`
// (N,T). The expected result is `output`. A golden may also hold `attention_mask` (N,T) and the
// result with it, `output_masked`; then `output` is computed without the mask, except for networks
// that always have one (struct net, `masked`). Other tensors are ignored. Numbers may have any
// type, ids any integer type; a leading batch of one may be missing or doubled. Positions shared by
// all samples may be repeated for each: the first sample's are used, as in the reference. For an
// output in f16 or bf16, limn's is rounded to that type before the comparison.
#ifndef LIMN_ENGINE_MODEL_MODEL_GOLDEN_H
#define LIMN_ENGINE_MODEL_MODEL_GOLDEN_H

#include "engine/model/model_folder.h"

struct model_golden_params {
    const struct model_folder *folder;
    const char *golden; // file
    struct device *device;
    enum dtype dtype;   // DTYPE_NONE: f32
    bool plain;         // only plain kernels (struct plan_params)
};

struct model_golden_result {
    const char *part;      // of the folder: "unet"
    double relative_error; // |a-b| / |b| over all elements; the larger one of the file's outputs
    double seconds;        // of the run, without loading
    struct plan_stats stats;
};

bool model_golden_run(const struct model_golden_params *params, struct model_golden_result *result,
                      struct err *err);

// For other readers of goldens: parses an integer of the metadata, 0 if it is not one; rounds n
// values in place to the type a golden is stored in; reads the first n ids of a tensor, ERR_INPUT
// with the file's name if one is not a 32-bit integer.
int64_t model_golden_number(const char *text);
void model_golden_round(enum dtype type, float *values, int64_t n);
bool model_golden_ids(const struct tensor_view *t, int64_t n, int32_t *to, const char *golden,
                      struct err *err);

#endif
