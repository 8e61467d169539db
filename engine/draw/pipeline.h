// SPDX-License-Identifier: MIT
// From instruction to picture: the stages of a family one after another, the denoiser under a
// sampler, and, where the model folder has one, the second pass that enlarges.
//
// Thread: one thread at a time per pipeline; `cancel` may be set from any thread or a signal
// handler; callbacks run on the thread that called pipeline_run().
#ifndef LIMN_ENGINE_DRAW_PIPELINE_H
#define LIMN_ENGINE_DRAW_PIPELINE_H

#include <stdatomic.h>

#include "engine/device/device.h"
#include "engine/model/lora.h"
#include "engine/text/instruction.h"

struct pipeline;

// Limits of a picture's sides for models that draw any size, pixels.
enum { PIPELINE_SIDE_MIN = 64, PIPELINE_SIDE_MAX = 2048 };

struct pipeline_info {
    char name[128];        // of the model folder
    char hash[17];         // 16 hex digits of a hash over names, shapes and bytes of all weights
    int size;              // pixels a side of the base model, 64
    int final_size;        // after super-resolution; equals size without it
    int channels;          // of a picture: 3, or 4 with alpha
    int grain;             // draws any sides that are multiples of it; 0: only the two sizes
    int reference_max;     // 0: a plain text-to-image model
    int marker_max;        // largest k whose [ref#k] is one token
    int feature_width;     // of pipeline_features(); 0: not supported
    size_t parameters;
};

// A picture of any size; sRGB, row-major. Borrowed.
struct pipeline_picture {
    int width, height;
    const uint8_t *rgb;   // height*width*3; of a transparent picture, its colours on white
    const uint8_t *alpha; // height*width; NULL: opaque
};

// Drawn pictures: sRGB, count*height*width*channels.
struct pipeline_pictures {
    int count, width, height;
    int channels; // 3, or 4: RGB and alpha, not premultiplied
    uint8_t *pixels;
};

// How much a reference counts. Its share of every attention is multiplied by `weight` (the
// logarithm is added to its tokens' scores) in the steps from `from` up to, but not including,
// `to`, as fractions of all steps in [0,1]; in the other steps, or with weight 0, it has no effect.
struct pipeline_weight {
    int marker;
    double weight, from, to;
};

// What to draw. Everything it points to is borrowed until pipeline_run() returns. Guidance is
// defined in engine/diffusion/guidance.h.
struct pipeline_request {
    const struct instruction *instruction; // checked by the caller; pictures of any size, not NULL
    uint64_t seed;                         // picture i of the batch uses seed + i
    int count;                             // pictures, 0 means 1
    int steps;                             // 0: the model's default
    // Both 0: the model's final size; if it draws any size, that of `start`, or of the first
    // reference after it was reduced. Models that draw one size draw squares.
    int width, height;
    const char *sampler;                   // NULL: the model's default; a sampler_choice()
    const char *spacing;                   // NULL: the model's default; a spacing_choice()
    const char *guidance;                  // NULL: the model's default; a guidance_choice()
    double scale;                          // guidance weight, < 0: default; 1: none
    double context_scale;                  // for "separate" and "interleaved", < 0: default
    // What guidance steers away from, checked like `instruction`; NULL: the empty text.
    const struct instruction *negative;
    // The picture to start from, cropped to the result's shape; NULL: start from noise alone. At
    // `strength` 0 it is returned unchanged, at 1 it is ignored; < 0: 0.75, or 1 with a mask.
    // Without `start`, strength has no effect.
    const struct pipeline_picture *start;
    double strength;
    // Has the shape of `start`: white is redrawn, black is kept to the pixel. NULL: redraw all.
    const struct pipeline_picture *mask;
    const struct pipeline_weight *weights; // weight_count of them, at most one per marker
    int weight_count;
    uint64_t variation_seed;               // noise of another seed to mix in (sampler_vary())
    double variation;                      // how much of it, in [0,1]
    // Called after each step with the current estimate of the finished pictures, which is valid
    // during the call. May be NULL. step in [1,total].
    void (*progress)(void *ctx, int step, int total, double seconds,
                     const struct pipeline_pictures *estimate);
    void *ctx;
    // For models that draw any size: the file in which latents are saved before they are decoded,
    // and from which they are read if it exists. One file per request; the caller removes it once
    // it has the pictures. NULL: none.
    const char *latents;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct pipeline_result {
    struct pipeline_pictures pictures; // pixels freed with free()
    double text_seconds, reference_seconds, denoise_seconds; // time spent in each
    size_t peak_bytes; // device memory of weights and plans together
    // The values used, including defaults.
    int steps;
    char sampler[32], spacing[32], guidance[32];
    double scale, context_scale;
};

// dtype: DTYPE_NONE chooses the fastest on the device. The whole folder is checked as it is read.
struct pipeline *pipeline_open(const char *folder, struct device *device, enum dtype dtype,
                               struct err *err);
// How a model's weights are stored. Zeroed: as by pipeline_open().
struct pipeline_storage {
    enum dtype dtype;
    enum dtype blocks; // quantise matrices to this type (dtype_quantised()); those quantised in
                       // their files keep the file's type
    const struct lora_file *changes; // change_count of them (engine/model/lora.h)
    int change_count;
    size_t memory; // bytes that weights and plans may have; 0: what the device has
};
struct pipeline *pipeline_open_as(const char *folder, struct device *device,
                                  const struct pipeline_storage *weights, struct err *err);
void pipeline_close(struct pipeline *p); // NULL is fine
// Whether the model belongs to this family (engine/families/families.def), NULL: any; ERR_INPUT.
bool pipeline_is_of(const struct pipeline *p, const char *family, struct err *err);
void pipeline_info(const struct pipeline *p, struct pipeline_info *info);
// The device memory that a drawing will use (on a CPU: the machine's), in bytes, computed without
// allocating: weights, plans, values passed between plans, pictures; on a CPU also whatever else
// the process holds.
struct pipeline_need {
    size_t own;       // part of each of these: what the process held before, on a CPU
    size_t least;     // minimum, with parts loaded one after another and evicted
    size_t most;      // with everything kept for the next picture
    size_t room;      // available now; SIZE_MAX: unknown
    size_t planned;   // what will be taken at the most: what is between these two is used if there
    char part[32];    // the part whose stage needs `least`; "": not computed for this model
    bool streamed;    // with weights of a part kept in host memory
};
// For models that draw any size; all zeros for others. The request as for pipeline_run().
bool pipeline_need(struct pipeline *p, const struct pipeline_request *request,
                   struct pipeline_need *need, struct err *err);
// The same of a model that is not open, for one picture of a size from text and `references`
// pictures of that size, with matrices in `blocks`.
bool pipeline_need_of(const char *folder, struct device *device, enum dtype blocks, int width,
                      int height, int references, struct pipeline_need *need, struct err *err);

// ERR_MEMORY before anything is drawn if pipeline_need() finds too little room; the error says what
// would fit.
bool pipeline_run(struct pipeline *p, const struct pipeline_request *request,
                  struct pipeline_result *result, struct err *err);

// Fits the linear map that previews estimates without the decoder, to the latents and decoded
// pixels of `count` pictures (0: of pictures made here); stores it beside the model and uses it
// from then on. *explained: the share of variance explained, in [0,1]. *path: the file, freed with
// free(). ERR_UNSUPPORTED for models that draw in pixels.
bool pipeline_fit_preview(struct pipeline *p, const struct pipeline_picture *pictures, int count,
                          double *explained, char **path, struct err *err);

// Pictures as the model sees them: its features at the levels that attend to references, pooled
// (engine/nets/unet.h). rgb (count,side,side,3) sRGB -> out (count,feature_width).
bool pipeline_features(struct pipeline *p, const uint8_t *rgb, int count, int side, float *out,
                       struct err *err);

#endif
