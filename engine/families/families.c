// SPDX-License-Identifier: MIT
#include <string.h>

#include "engine/base/mem.h"
#include "engine/families/family.h"

// The first is that of a folder whose model_index.json says nothing.
static const struct family *const families[] = {&family_limn, &family_imagen};

const struct family *
family_of(const struct jv *index, const char *name, struct err *err)
{
    const char *class_name = jv_string(jv_get(index, "_class_name"), NULL);
    if (!class_name)
        return families[0];
    for (size_t i = 0; i < COUNT_OF(families); i++)
        for (const char *const *c = families[i]->classes; *c; c++)
            if (strcmp(*c, class_name) == 0)
                return families[i];
    err_set(err, ERR_INPUT, "%s: limn draws with %s and %s, not with %.80s", name,
            families[0]->classes[0], families[1]->classes[0], class_name);
    return NULL;
}
