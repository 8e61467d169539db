// SPDX-License-Identifier: MIT
// Models that are put together from files as people have them: a transformer, a text encoder and an
// autoencoder, each in one file, known by their tensors. A small YAML names them:
//
//     class: Flux2KleinPipeline
//     distilled: yes
//     transformer: /somewhere/flux-2-klein-4b-Q8_0.gguf
//     text_encoder: /elsewhere/qwen_3_4b.safetensors
//     vae: /elsewhere/flux2-vae.safetensors
//     tokenizer: /elsewhere/tokenizer.json
//
// and limn draws with a folder of links that is made from it, in the cache, whenever it is opened.
#ifndef LIMN_APP_HUB_ASSEMBLED_H
#define LIMN_APP_HUB_ASSEMBLED_H

#include "engine/base/err.h"

// Writes models/NAME.yaml for these files, in any order; where none is a tokenizer, that of another
// model of the same family here. *path: of the YAML; freed with free(). ERR_INPUT names the file
// that is wrong, or the part that is missing; then nothing is written.
bool assembled_add(const char *name, const char *const *files, int count, bool base, char **path,
                   struct err *err);
// The folder of a YAML, freed with free(); as places_assembled() (app/base/places.h).
char *assembled_folder(const char *yaml, struct err *err);

#endif
