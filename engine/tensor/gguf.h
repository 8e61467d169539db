// SPDX-License-Identifier: MIT
// GGUF files (llama.cpp): a header of keys and values, names, shapes and places of tensors, then
// their data. Private to engine/tensor; safetensors_open() takes both formats.
#ifndef LIMN_ENGINE_TENSOR_GGUF_H
#define LIMN_ENGINE_TENSOR_GGUF_H

#include "engine/base/gguf_values.h"
#include "engine/tensor/safetensors.h"

struct gguf {
    struct tensor_view *tensors; // names are owned
    size_t count;
};

// The tensors of a file in memory, which must live as long as they are used. Every number of the
// header is checked before it is used. Dimensions are reversed: rows come first here. Fails with
// ERR_INPUT; call gguf_finish() in any case.
bool gguf_read(struct gguf *g, const void *data, size_t size, const char *path, struct err *err);
void gguf_finish(struct gguf *g); // zeroed is fine

#endif
