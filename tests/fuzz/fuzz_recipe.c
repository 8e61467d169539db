// SPDX-License-Identifier: MIT
// A training recipe in YAML, and its learning rates.
#include <math.h>
#include <stdlib.h>

#include "app/base/config.h"
#include "engine/train/recipe.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct recipe r = {0};
    struct jv *json = config_read(fuzz_file("r.yaml", data, size), &err);
    fuzz_said(json, &err);
    if (json && recipe_read(&r, json, "r.yaml", &err))
        for (int64_t t = 0; t < 3; t++)
            if (!isfinite(recipe_lr(&r, t * r.steps / 2)))
                abort();
    fuzz_said("", &err);
    recipe_finish(&r);
    jv_free(json);
    return 0;
}
