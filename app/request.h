// SPDX-License-Identifier: MIT
// One drawing job: an instruction with its pictures and all parameters, however it was asked for (a
// template, a picture limn made before, the command line), and what is written into the result.
#ifndef LIMN_APP_REQUEST_H
#define LIMN_APP_REQUEST_H

#include "app/template.h"
#include "engine/base/jv.h"
#include "engine/model/instruction.h"
#include "loaders/host.h"

// Where a reference's picture came from, for the record.
struct request_source {
    char *path, *loader, *settings[TEMPLATE_SETTINGS_MAX];
    int setting_count;
};

struct request {
    struct instruction instruction; // pictures loaded, as the model will see them
    struct request_source sources[INSTRUCTION_REFERENCE_MAX];
    int64_t seed; // -1: choose one
    int steps, count, size;
    char *guidance, *sampler; // NULL: the model's
    double scale, context_scale; // < 0: the model's
    char *model_hash; // of a picture that is drawn again; NULL otherwise
};

void request_finish(struct request *r); // zeroed is fine
#define REQUEST_EMPTY ((struct request){.seed = -1, .scale = -1, .context_scale = -1})

// Fills the template's variables, reads its pictures and runs its loaders.
bool request_from_template(struct request *r, const struct template *t,
                           const struct loader_host *loaders, struct err *err);

// Adds a reference: a picture file, a loader (NULL: none) with settings "key=value", and own words
// (NULL: the loader's role, or "image"). Pictures over 512 pixels are reduced.
struct request_reference {
    int marker;
    const char *path, *words, *loader;
    const char *const *settings;
    int setting_count;
};
bool request_add(struct request *r, const struct request_reference *ref,
                 const struct loader_host *loaders, struct err *err);

// Whether a PNG holds a request; false without error set: it holds none.
bool request_from_png(struct request *r, const char *path, struct err *err);

// The request as JSON text for the PNG, with what the pipeline chose and made. Freed with free().
struct request_made {
    const char *model, *model_hash, *sampler, *guidance, *device;
    int index, steps, size;
    double scale, context_scale;
    int64_t seed;
};
char *request_text(const struct request *r, const struct request_made *made, struct err *err);

#endif
