// SPDX-License-Identifier: MIT
// Weights that share their bits, as GGUF files hold them: every tensor's numbers, and what kind of
// network the file is taken for (limn models add).
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/nets/net.h"
#include "engine/tensor/packed.h"
#include "engine/tensor/safetensors.h"
#include "tests/fuzz/fuzz.h"

enum { WEIGHTS_MOST = 1 << 16 };

static void
unpack(const struct tensor_view *v)
{
    const int block = v->packed->weights;
    int64_t count = MIN(shape_count(&v->shape), WEIGHTS_MOST) / block * block;
    float *out = malloc((size_t)count * sizeof *out + 1);
    packed_unpack(v->packed, v->data, 0, count, out);
    fuzz_use(out, (size_t)count * sizeof *out);
    free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct jv *config = NULL;
    struct safetensors *s = safetensors_open(fuzz_file("a.gguf", data, size), &err);
    fuzz_said(s, &err);
    if (!s)
        return 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor_view *v = safetensors_at(s, i);
        char text[SHAPE_TEXT_MAX];
        fuzz_use(v->data, v->size);
        fuzz_use_text(shape_text(&v->shape, text));
        if (v->packed)
            unpack(v);
    }
    for (const struct net *net = NULL; (net = net_guess(s, net, &config));) {
        if (!config)
            abort();
        jv_free(config);
    }
    safetensors_close(s);
    return 0;
}
