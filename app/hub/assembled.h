// SPDX-License-Identifier: MIT
// Models assembled from single files: a transformer, a text encoder and an autoencoder, each
// recognised by its tensors. A small YAML file lists them:
//
//     class: Flux2KleinPipeline
//     distilled: yes
//     transformer: /somewhere/flux-2-klein-4b-Q8_0.gguf
//     text_encoder: /elsewhere/qwen_3_4b.safetensors
//     vae: /elsewhere/flux2-vae.safetensors
//     tokenizer: /elsewhere/tokenizer.json
//
// When the model is opened, limn makes a folder of links to these files in the cache and opens that
// as a model folder.
#ifndef LIMN_APP_HUB_ASSEMBLED_H
#define LIMN_APP_HUB_ASSEMBLED_H

#include "engine/base/err.h"

// Writes models/NAME.yaml for these files (app/hub/assembly.h), given in any order; if none is a
// tokenizer, it uses one inside the text encoder's file, beside it, or of another installed model
// of the same family. *path: of the YAML, freed with free(). ERR_INPUT
// names the wrong file or the missing part; then nothing is written.
bool assembled_add(const char *name, const char *const *files, int count, bool base, char **path,
                   struct err *err);
// The model folder of such a YAML, freed with free(); as places_assembled() (app/base/places.h).
char *assembled_folder(const char *yaml, struct err *err);

#endif
