// SPDX-License-Identifier: MIT
// Inside the Vulkan device. Private to engine/device/vulkan and its tests.
//
//   load.c      the library, opened at run time
//   context.c   instance, choice of a device, the queue
//   offer.c     what each device offers
//   memory.c    buffers, staging, copies, waiting
//   pipeline.c  shaders with their constants to pipelines; the cache on disk
//   dispatch.c  what builders of ops fill: dispatches, bindings, grids
//   record.c    steps to dispatches, barriers between them, one command buffer a plan
//   packing.c   weights of convolutions in the order that products like, in place
//   offload.c   weights that stay with the host
//   shadow.c    every node against its plain kernel
//   measure.c   what the device can do at most
//   device.c    the table engine/device/plan.h asks for
//   ops_*.c     what each op dispatches
//
// One queue, one thread. Work is ordered by submission; the host waits only in vk_wait(), called by
// reads, by host writes and at the end of a plan that can report bad data.
#ifndef LIMN_ENGINE_DEVICE_VULKAN_VK_H
#define LIMN_ENGINE_DEVICE_VULKAN_VK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "engine/device/plan.h"

#define GLOBAL(name) PFN_vk##name name;
#define INSTANCE(name) PFN_vk##name name;
#define DEVICE(name) PFN_vk##name name;
struct vk_calls {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
    PFN_vkVoidFunction GetCooperativeMatrixProperties; // of KHR_cooperative_matrix; may be NULL
    PFN_vkCreateDebugUtilsMessengerEXT CreateDebugUtilsMessengerEXT;   // may be NULL
    PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT; // may be NULL
#include "engine/device/vulkan/calls.def"
};
#undef GLOBAL
#undef INSTANCE
#undef DEVICE

enum vk_shader {
    VK_SHADER_NONE = 0,
#define SHADER(name) VK_SHADER_##name,
#include "engine/device/vulkan/shaders.def"
#undef SHADER
    VK_SHADER_COUNT
};

enum {
    VK_BINDINGS = 8,         // result, up to six sources, working memory or one more source
    VK_SPEC_MAX = 24,        // specialization constants of a shader
    VK_PUSH_WORDS = 32,      // 128 bytes, what every device has
    VK_QUERIES_MAX = 1 << 15,
    VK_STAGING_BYTES = 16 << 20,
    // Rounds of all loops of one invocation. Mesa's llvmpipe silently ends a shader's loops after
    // 65535, so builders split longer work on serial devices.
    VK_ROUNDS_MAX = 32768,
};

// Sizes of the matrices a device multiplies at once; m = 0: none.
struct vk_unit {
    uint32_t m, n, k;
};

// What a physical device offers. Read without opening it.
struct vk_offer {
    char name[256];
    uint32_t vendor, device, driver;
    uint8_t uuid[VK_UUID_SIZE];
    VkPhysicalDeviceType type;
    uint32_t api;
    size_t memory;        // bytes of the largest device-local heap
    size_t available;     // bytes of it that are free, as far as the driver says; else = memory
    size_t allocation_max; // bytes of one allocation that the driver guarantees
    size_t memory_max;    // of the largest buffer: drivers may grant more at once than they promise
    size_t buffer_max;    // bytes one binding can reach
    uint32_t offset_alignment;
    uint32_t subgroup;    // invocations
    bool shuffle;         // a subgroup's invocations can read each other's registers
    bool subgroup_fixed;  // a shader can ask for full subgroups of just that size
    struct vk_unit f16_unit, bf16_unit; // into f32, by subgroup
    uint32_t shared_bytes, group_max;
    uint32_t grid_max;    // workgroups in x
    int queue_family;     // with compute; -1: none
    bool storage16, f16_arithmetic, memory_budget, timestamps;
    float tick;           // nanoseconds per timestamp
    char refusal[160];    // why it cannot be used, "" when it can
};

struct vk_pipeline; // in pipeline.c

// Whether products of a type use matrix units. EMULATED (LIMN_VULKAN_MATRIX=emulate, f16 only) is
// for tests.
enum vk_matrix { VK_MATRIX_NONE = 0, VK_MATRIX_UNITS, VK_MATRIX_EMULATED };

struct vk_device {
    struct vk_calls vk;
    void *library;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    struct vk_offer offer;
    VkPhysicalDeviceMemoryProperties memory;
    VkCommandPool commands, copies;
    VkSemaphore timeline;
    uint64_t submitted, finished; // values of the timeline
    bool lost;
    bool shadow; // LIMN_SHADOW=1
    enum vk_matrix matrix_f16, matrix_bf16;
    bool serial; // no shared memory and no barriers in shaders, shuffles instead: a software driver
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    size_t cache_loaded; // bytes
    size_t part;         // bytes of a part of weights, set by tests; 0: as the device allows
    struct vk_pipeline *pipelines;
    int pipeline_count, pipeline_capacity;
    VkShaderModule modules[VK_SHADER_COUNT];
    struct vk_block *blocks; // of small memories, see memory.c
    struct vk_memory *staging;
    VkCommandBuffer copy_commands;
};

// Weights of a convolution: `lines` rows of `inner` places for each of `taps` taps, in checkpoints
// (lines, inner, taps), packed (lines, taps, inner).
struct vk_packing {
    struct vk_memory *memory;
    size_t offset; // bytes
    uint32_t lines, inner, taps;
    enum dtype type;
};

struct vk_memory {
    VkBuffer buffer;
    VkDeviceMemory memory;  // its own, or
    struct vk_block *block; // the block it lies in: units [first, first + units)
    int first, units;
    size_t size;
    void *mapped; // NULL: the host cannot reach it
    struct vk_memory *next;    // the bytes behind this one's, see vk_weights_create()
    struct vk_packing *packed; // ranges of it that are packed now (packing.c)
    int packed_count, packed_capacity;
};

// --- load.c

// Loads the library and its global functions. ERR_UNSUPPORTED with the reason.
bool vk_load(struct vk_calls *vk, void **library, struct err *err);
bool vk_load_instance(struct vk_calls *vk, VkInstance instance, struct err *err);
bool vk_load_device(struct vk_calls *vk, VkDevice device, struct err *err);

// NULL in the program. Tests set it to put failing calls in place of real ones; called when the
// functions of an instance, and again when those of a device, are known.
extern void (*vk_test_hook)(struct vk_calls *vk);

// --- offer.c
void vk_read_offer(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o);
bool vk_has_units(const struct vk_offer *o); // for matrices

// --- context.c
// What every physical device offers, usable or not: at most max; the count, -1 without a driver.
int vk_list_offers(struct vk_offer *list, int max, struct err *err);
// "vulkan" takes the best device, "vulkan:N" the Nth that vk_list_offers() lists.
bool vk_context_open(struct vk_device *d, const char *name, struct err *err);
void vk_context_close(struct vk_device *d); // of whatever is open
// Sets the error of a failed call: what could not be done, and why. Notes a lost device. Returns
// false.
bool vk_failed(struct vk_device *d, VkResult result, const char *what, struct err *err);

// --- memory.c
enum vk_use { VK_USE_DEVICE = 0, VK_USE_HOST }; // HOST: mapped, for staging
struct vk_memory *vk_memory_create(struct vk_device *d, size_t size, enum vk_use use,
                                   const char *what, struct err *err);
size_t vk_room(struct vk_device *d); // bytes of device memory that are free now
// Weights may be larger than one allocation (2 to 4 GiB on many drivers): then they are several
// parts, linked by `next`, of multiples of BUFFER_SEGMENT bytes. Other memory is one part.
struct vk_memory *vk_weights_create(struct vk_device *d, size_t size, enum vk_use use,
                                    struct err *err);
// The part that holds the byte at *offset, which becomes its offset in the part.
struct vk_memory *vk_part(struct vk_memory *m, size_t *offset);
void vk_memory_destroy(struct vk_device *d, struct vk_memory *m); // all parts; NULL is fine; waits
void vk_blocks_free(struct vk_device *d); // when every memory is gone
// The calls below are about one part.
bool vk_memory_write(struct vk_device *d, struct vk_memory *m, size_t offset, const void *data,
                     size_t size, struct err *err);
bool vk_memory_read(struct vk_device *d, struct vk_memory *m, size_t offset, void *data,
                    size_t size, struct err *err);
bool vk_memory_copy(struct vk_device *d, struct vk_memory *to, size_t to_offset,
                    struct vk_memory *from, size_t from_offset, size_t size, struct err *err);
bool vk_memory_zero(struct vk_device *d, struct vk_memory *m, struct err *err);
// Submits recorded commands; work submitted later sees their results.
bool vk_submit(struct vk_device *d, VkCommandBuffer commands, struct err *err);
// Until everything submitted is done, or up to one value of the timeline. Every wait of the host is
// in here.
bool vk_wait(struct vk_device *d, struct err *err);
bool vk_wait_for(struct vk_device *d, uint64_t value, struct err *err);
// Waits, before something is freed, until nothing is running, even on a lost device.
void vk_wait_idle(struct vk_device *d);
// Makes everything before visible to everything after, on the device.
void vk_barrier(const struct vk_device *d, VkCommandBuffer commands);
// Makes everything before visible to the host once it has waited: the end of every submission.
void vk_barrier_to_host(const struct vk_device *d, VkCommandBuffer commands);

// --- pipeline.c
struct vk_variant {
    enum vk_shader shader;
    uint32_t spec[VK_SPEC_MAX];
    int spec_count;
    uint32_t subgroup; // full subgroups of this many invocations; 0: driver's choice
};
bool vk_pipelines_open(struct vk_device *d, struct err *err);
void vk_pipelines_close(struct vk_device *d); // writes the cache when it has grown
VkPipeline vk_pipeline(struct vk_device *d, const struct vk_variant *v, struct err *err);

// --- dispatch.c: what an op's builder fills
struct vk_range {
    struct vk_memory *memory;
    size_t offset, size; // bytes; size 0: not bound
};

struct vk_dispatch {
    struct vk_variant variant;
    struct vk_range range[VK_BINDINGS]; // 0 is written; others are read unless `writes` says so
    unsigned writes;                    // bit i: binding i is written (0 always is)
    bool packed;                        // binding 2 is read as packed weights
    uint32_t push[VK_PUSH_WORDS];
    uint32_t groups[3];
    bool fill;                          // no shader: range 0 becomes zeros
    bool copy;                          // no shader: range 1 is copied to range 0
    int step;                           // of the plan; -1: not part of one
};

// A plan being made: dispatches are added in order.
struct vk_builder {
    struct vk_device *d;
    struct plan *plan;
    int step;
    struct vk_dispatch *list;
    int count, capacity;
    size_t scratch;      // bytes of working memory the largest step asks for
    float *constants;    // of all steps
    int constant_count, constant_capacity;
    bool uses_status;    // may report bad data through the status word
    bool constant;       // weights may be packed in place
    struct vk_packing *packing; // weights that the plan wants packed
    int packing_count, packing_capacity;
    struct err *err;
};

// Adds a dispatch, zeroed except `step`; valid until the next call.
struct vk_dispatch *vk_add(struct vk_builder *b, enum vk_shader shader);
// Binds a node's memory at a slot of the dispatch, sets its type and first element.
void vk_bind(struct vk_builder *b, struct vk_dispatch *x, int slot, const struct node *n);
// Binds bytes [offset, offset+size) of the plan's working memory as f32.
void vk_bind_scratch(struct vk_builder *b, struct vk_dispatch *x, int slot, size_t offset,
                     size_t size);
void vk_bind_scratch_as(struct vk_builder *b, struct vk_dispatch *x, int slot, size_t offset,
                        size_t size, enum dtype type);
// Numbers known when the plan is made; copied.
void vk_bind_constant(struct vk_builder *b, struct vk_dispatch *x, int slot, const float *values,
                      size_t count);
// Bytes of what shaders count a binding's first element in: elements, or half words of blocks.
size_t vk_unit_bytes(enum dtype type);
// Binds bytes [offset, offset+size) of any memory.
void vk_bind_memory(struct vk_builder *b, struct vk_dispatch *x, int slot, struct vk_memory *m,
                    size_t offset, size_t size, enum dtype type);
// The step's result becomes zeros.
void vk_add_zeros(struct vk_builder *b, const struct node *n);
void vk_bind_status(struct vk_builder *b, struct vk_dispatch *x, int slot);
// Size of the workgroup and number of groups for `count` invocations in a row.
void vk_line(const struct vk_builder *b, struct vk_dispatch *x, uint64_t count);
// Whether the bindings in `slots` (bit i: binding i) can be read and written four elements at a
// time from their first one on, `count` in all (QUADS in shaders/head.glsl). Never on serial
// devices, which pay for each element.
bool vk_quads(const struct vk_builder *b, const struct vk_dispatch *x, uint64_t count,
              unsigned slots);
// Groups of `lanes` (a power of two) invocations, one a row; one invocation a row on serial
// devices, unless the rounds of its loops, `work` in all, would be too many for one.
void vk_rows(const struct vk_builder *b, struct vk_dispatch *x, uint64_t rows, uint32_t lanes,
             uint64_t work);

// Specialization constants every shader has; an op's own start at VK_SPEC_OWN.
enum { VK_SPEC_X = 0, VK_SPEC_Y, VK_SPEC_TYPE, VK_SPEC_OWN = VK_SPEC_TYPE + VK_BINDINGS };
// Words of the push constants every shader has: first element of each binding, then the op's own.
enum { VK_PUSH_OWN = VK_BINDINGS };
// Stand for memories of a plan that do not exist yet while builders run; recording the plan
// resolves them.
extern struct vk_memory vk_scratch_unresolved, vk_constants_unresolved;
// Own constants and words, in order.
void vk_spec(struct vk_dispatch *x, uint32_t value);
void vk_push(struct vk_dispatch *x, int word, uint32_t value);  // word counted from VK_PUSH_OWN
void vk_push_f(struct vk_dispatch *x, int word, float value);

// Builders by op; NULL: the device cannot run it.
typedef bool vk_build_fn(struct vk_builder *b, const struct node *n);
extern vk_build_fn *const vk_build[OP_COUNT];

// --- record.c

// A descriptor set whose first binding is all of m.
bool vk_one_set(struct vk_device *d, const struct vk_memory *m, VkDescriptorPool *pool,
                VkDescriptorSet *set, struct err *err);

// Dispatches that belong to no plan: runs them in order and waits.
bool vk_run_once(struct vk_device *d, struct vk_dispatch *list, int count, struct err *err);

// --- packing.c
// A dispatch that copies count elements, walked as three axes, innermost first, from one order to
// another. The caller binds: 0 the result, 1 the source.
struct vk_dispatch *vk_add_reorder(struct vk_builder *b, const uint32_t size[3],
                                   const uint32_t to[3], const uint32_t from[3]);
size_t vk_packing_size(const struct vk_packing *p); // bytes
// Puts those of these weights that are not packed yet into packed order.
bool vk_pack(struct vk_device *d, const struct vk_packing *list, int count, struct err *err);
// Puts everything in this part back into the order of checkpoints. Call it before the part is read
// or written in any other way.
bool vk_unpack(struct vk_device *d, struct vk_memory *m, struct err *err);

// --- offload.c
// Bytes of the ring for these dispatches, 0: none of them reads `weights`.
size_t vk_offload_ring(const struct vk_dispatch *list, int count, const struct vk_memory *weights);
// Inserts the copies before the dispatches that need them; replaces the list.
void vk_offload_apply(struct vk_dispatch **list, int *count, const struct vk_memory *weights,
                      struct vk_memory *ring);

// --- shadow.c

// Runs one step with `run` and with the plain kernel; an error if they differ.
bool vk_shadow_step(struct plan *p, int step,
                    bool (*run)(struct plan *p, int step, struct err *err), struct err *err);

// --- measure.c

// FLOP per second (a multiply-add counts as 2) of products whose sources have this type; *how: what
// was measured.
bool vk_rate(struct vk_device *d, enum dtype type, double *flops, const char **how,
             struct err *err);
// --- ops_product.c

// Whether products of this type use matrix units, and the sizes of their matrices.
enum vk_matrix vk_matrix_of(const struct vk_device *d, enum dtype type, struct vk_unit *unit);

// --- record.c: a plan, for the table in device.c

bool vk_plan_prepare(struct plan *p, struct err *err);
size_t vk_step_scratch(const struct device *d, const struct node *n); // bytes; makes nothing
void vk_plan_release(struct plan *p);
bool vk_plan_run(struct plan *p, struct err *err);
void vk_plan_profile(struct plan *p, bool on);
int vk_plan_times(const struct plan *p, struct plan_time *times, int max);

static inline struct vk_device *
vk_of(const struct device *d)
{
    return d->state;
}

#endif
