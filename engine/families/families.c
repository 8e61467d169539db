// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/families/family.h"

static const struct family *const families[] = {
#define FAMILY(stem) &family_##stem,
#include "engine/families/families.def"
#undef FAMILY
};

const struct family *
family_with(const struct net *net, const char **part)
{
    for (size_t i = 0; net && i < COUNT_OF(families); i++)
        for (const struct family_part *p = families[i]->parts; p->name; p++)
            if (p->net == net) {
                *part = p->name;
                return families[i];
            }
    return NULL;
}

const struct family *
family_number(int i)
{
    return i < (int)COUNT_OF(families) ? families[i] : NULL;
}

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
    char *known = mem_strdup(families[0]->classes[0]);
    for (size_t i = 1; i < COUNT_OF(families); i++) {
        char *longer = mem_printf("%s%s%s", known, i + 1 < COUNT_OF(families) ? ", " : " and ",
                                  families[i]->classes[0]);
        free(known);
        known = longer;
    }
    err_set(err, ERR_INPUT, "%s: limn draws with %s, not with %.80s", name, known, class_name);
    free(known);
    return NULL;
}
