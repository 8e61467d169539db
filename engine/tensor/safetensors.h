// SPDX-License-Identifier: MIT
// Safetensors files: 8 bytes little-endian header length, a JSON header {name: {dtype, shape,
// data_offsets}, "__metadata__": {…}}, then the data. Reading maps the file; every number of the
// header is checked before it is used (offsets inside the file, no overlap, size = shape x dtype
// without overflow, names unique), so a malformed file is an error and never a bad pointer.
#ifndef LIMN_ENGINE_TENSOR_SAFETENSORS_H
#define LIMN_ENGINE_TENSOR_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/tensor/dtype.h"
#include "engine/tensor/shape.h"

struct packed_type;

struct tensor_view {
    const char *name;
    enum dtype dtype;   // DTYPE_NONE: one not known here, which matters where the tensor is needed
    struct shape shape; // dimensions may be 0 here
    const void *data;   // aligned to the element where the file is; size bytes; mapped, read-only
    size_t size;        // bytes
    const char *type;   // of one that was read: as the file calls it ("F8_E4M3")
    // Not NULL: weights in blocks or in 8 bits (engine/tensor/packed.h); dtype is DTYPE_NONE then.
    const struct packed_type *packed;
};

struct safetensors;

// Opens FILE.safetensors, a GGUF file, known by its first bytes (without its keys and values), or
// FILE.safetensors.index.json (sharded: every shard it names, from the same folder, is mapped and
// the tensors are found as if they were in one file). Limits: those of engine/base/limits.h, rank
// at most SHAPE_RANK_MAX.
struct safetensors *safetensors_open(const char *path, struct err *err);
void safetensors_close(struct safetensors *st); // NULL is fine
// Whether the files are still as long as they were. Call it after reading their data and before
// using it (engine/base/file.h, file_map_check()).
bool safetensors_check(const struct safetensors *st, struct err *err);
// Whether, besides, nobody has written to them since: for files that stay in use for long.
bool safetensors_unchanged(const struct safetensors *st, struct err *err);

// A number that changes with the files: which they are, their sizes and times of change; their data
// is not read. False: they were changed so recently that another change could have the same time.
bool safetensors_stamp(const struct safetensors *st, uint64_t *stamp);

size_t safetensors_count(const struct safetensors *st);
const struct tensor_view *safetensors_at(const struct safetensors *st, size_t i); // by offset order
const struct tensor_view *safetensors_find(const struct safetensors *st, const char *name);
const char *safetensors_metadata(const struct safetensors *st, const char *key); // NULL: none
size_t safetensors_metadata_count(const struct safetensors *st);
const char *safetensors_metadata_at(const struct safetensors *st, size_t i, const char **value);

// Writing: tensors in the order given, data aligned to 64 bytes, the file renamed into place when
// complete. `metadata` is pairs key, value, …, NULL; may be NULL.
bool safetensors_write(const char *path, const struct tensor_view *tensors, size_t count,
                       const char *const *metadata, struct err *err);

// The same for data that does not fit in memory: declare all tensors (data is ignored), then give
// their bytes in order, in pieces of any size, then commit.
struct safetensors_writer;
struct safetensors_writer *safetensors_writer_open(const char *path,
                                                   const struct tensor_view *tensors, size_t count,
                                                   const char *const *metadata, struct err *err);
bool safetensors_writer_put(struct safetensors_writer *w, const void *data, size_t size,
                            struct err *err);
// Fails when fewer or more bytes were given than declared. Frees w in every case.
bool safetensors_writer_commit(struct safetensors_writer *w, struct err *err);
// The same; the old file is kept as `previous` (file_out_commit_keeping()).
bool safetensors_writer_commit_keeping(struct safetensors_writer *w, const char *previous,
                                       struct err *err);
void safetensors_writer_abort(struct safetensors_writer *w); // NULL is fine

#endif
