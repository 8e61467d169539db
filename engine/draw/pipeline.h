// SPDX-License-Identifier: MIT
// From instruction to picture: the stages of a family one after another, the denoiser under a
// sampler, and, where the model folder has one, the second pass that enlarges.
//
// Thread: one thread at a time per pipeline; `cancel` may be set from any thread or a signal
// handler; callbacks come on the thread that called pipeline_run().
#ifndef LIMN_ENGINE_DRAW_PIPELINE_H
#define LIMN_ENGINE_DRAW_PIPELINE_H

#include <stdatomic.h>

#include "engine/device/device.h"
#include "engine/model/lora.h"
#include "engine/text/instruction.h"

struct pipeline;

// What the sides may be of models that draw any size, pixels.
enum { PIPELINE_SIDE_LEAST = 64, PIPELINE_SIDE_MOST = 2048 };

struct pipeline_info {
    char name[128];        // of the model folder
    char hash[17];         // 16 hex digits over names, shapes and bytes of all weights
    int size;              // pixels a side of the base model, 64
    int final_size;        // after super-resolution; = size without
    int channels;          // of a picture: 3, or 4 where alpha is drawn
    int grain;             // any size is drawn whose sides are multiples of it; 0: these two alone
    int reference_max;     // 0: a plain text-to-image model
    int marker_max;        // largest k whose [ref#k] is one token
    int feature_width;     // of pipeline_features(); 0: it has none
    size_t parameters;
};

// A picture of any size; sRGB, row-major. Borrowed.
struct pipeline_picture {
    int width, height;
    const uint8_t *rgb;   // height*width*3; where it is transparent, as it looks on white
    const uint8_t *alpha; // height*width; NULL: it is opaque
};

// Pictures that were drawn: sRGB, count*height*width*channels.
struct pipeline_pictures {
    int count, width, height;
    int channels; // 3, or 4: RGB and alpha, not premultiplied
    uint8_t *pixels;
};

// How much a reference counts: its part in every attention is `weight` times what it would be (the
// logarithm is added to the scores of its tokens), in the steps from `from` to before `to`, shares
// of all in [0,1]; in the others it is 0. With weight 0 it is as if its pictures were not there.
struct pipeline_weight {
    int marker;
    double weight, from, to;
};

// How guidance combines predictions; engine/diffusion/guidance.h holds the formulas.
struct pipeline_request {
    const struct instruction *instruction; // checked by the caller; pictures of any size, not NULL
    uint64_t seed;                         // picture i of the batch uses seed + i
    int count;                             // pictures, 0 means 1
    int steps;                             // 0: the model's default
    // Both 0: the model's final size; where it draws any size, the first reference's after it was
    // made to fit, or the shape of `start`. A model that draws one size has square pictures.
    int width, height;
    const char *sampler;                   // NULL: the model's default; a sampler_choice()
    const char *spacing;                   // NULL: the model's default; a spacing_choice()
    const char *guidance;                  // NULL: the model's default; a guidance_choice()
    double scale;                          // guidance weight, < 0: default; 1: none
    double context_scale;                  // for "separate" and "interleaved", < 0: default
    // What guidance pulls away from, checked as `instruction` is; NULL: the empty text.
    const struct instruction *negative;
    // What the noise is mixed into at the start, cut to the picture's shape; NULL: noise alone. At
    // `strength` 0 it comes back as it is, at 1 it is ignored; < 0: 0.75, or 1 with a mask. Without
    // `start` it says nothing.
    const struct pipeline_picture *start;
    double strength;
    // Of the shape of `start`: white is drawn anew, black is kept to the pixel. NULL: all is drawn.
    const struct pipeline_picture *mask;
    const struct pipeline_weight *weights; // weight_count of them, a marker at most once
    int weight_count;
    uint64_t variation_seed;               // another noise to turn to, and how far (sampler_vary())
    double variation;                      // 0: not at all
    // After each step with the current estimate of the finished pictures, valid during the call.
    // May be NULL. step in [1,total].
    void (*progress)(void *ctx, int step, int total, double seconds,
                     const struct pipeline_pictures *estimate);
    void *ctx;
    // A file where the latents of a model that draws any size are kept before they are decoded, and
    // from which they are taken where it is there already: one file for one request, which the
    // caller removes when it has the pictures. NULL: none.
    const char *latents;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct pipeline_result {
    struct pipeline_pictures pictures; // pixels freed with free()
    double text_seconds, reference_seconds, denoise_seconds; // where the time went
    size_t peak_bytes; // device memory of weights and plans together
    // What was used where the request left it open.
    int steps;
    char sampler[32], spacing[32], guidance[32];
    double scale, context_scale;
};

// dtype: DTYPE_NONE chooses what is fast on the device. Reading the folder checks it whole.
struct pipeline *pipeline_open(const char *folder, struct device *device, enum dtype dtype,
                               struct err *err);
// How the weights of a model are to be had. Zeroed: as pipeline_open() has them.
struct pipeline_storage {
    enum dtype dtype;
    enum dtype blocks; // dtype_quantised() that matrices are brought into; those that their files
                       // have in blocks stay in theirs
    const struct lora_file *changes; // change_count of them (engine/model/lora.h)
    int change_count;
};
struct pipeline *pipeline_open_as(const char *folder, struct device *device,
                                  const struct pipeline_storage *weights, struct err *err);
void pipeline_close(struct pipeline *p); // NULL is fine
// Whether the model is of this family (engine/families/families.def), NULL: any; ERR_INPUT.
bool pipeline_is_of(const struct pipeline *p, const char *family, struct err *err);
void pipeline_info(const struct pipeline *p, struct pipeline_info *info);
bool pipeline_run(struct pipeline *p, const struct pipeline_request *request,
                  struct pipeline_result *result, struct err *err);

// What pictures are like to this model: its features where references are attended to, pooled
// (engine/nets/unet.h). rgb (count,side,side,3) sRGB -> out (count,feature_width).
bool pipeline_features(struct pipeline *p, const uint8_t *rgb, int count, int side, float *out,
                       struct err *err);

#endif
