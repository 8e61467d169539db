// SPDX-License-Identifier: MIT
// The index of a sharded safetensors file; two good shards, an empty one and a folder lie beside
// it.
#include <stdlib.h>
#include <sys/stat.h>

#include "engine/tensor/safetensors.h"
#include "tests/fuzz/fuzz.h"

static void
write_shard(const char *name, const char *tensor)
{
    static const float numbers[4] = {1, 2, 3, 4};
    struct err err = {0};
    const struct tensor_view views[] = {{tensor, DTYPE_F32, SHAPE(2, 2), numbers, 0},
                                        {"empty", DTYPE_U8, SHAPE(0), numbers, 0}};
    if (!safetensors_write(fuzz_path(name), views, tensor[0] == 'a' ? 2 : 1, NULL, &err))
        abort();
}

void
fuzz_begin(void)
{
    write_shard("s1.safetensors", "a");
    write_shard("s2.safetensors", "b");
    fuzz_file("none.safetensors", "", 0);
    mkdir(fuzz_path("folder"), 0700);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    const char *path = fuzz_file("m.safetensors.index.json", data, size);
    struct safetensors *s = safetensors_open(path, &err);
    fuzz_said(s, &err);
    if (!s)
        return 0;
    for (size_t i = 0; i < safetensors_count(s); i++)
        fuzz_use(safetensors_at(s, i)->data, safetensors_at(s, i)->size);
    safetensors_close(s);
    return 0;
}
