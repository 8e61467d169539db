// SPDX-License-Identifier: MIT
// What can go wrong with a driver, injected: every call of a kind fails once, at its first, second,
// … time, until the work is done without a failure. Each time the answer is a sentence, the process
// lives, and nothing is left behind (the validation layers say so when the device closes). Damaged
// pipeline caches are made anew.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"
#include "tests/vulkan/stay.h"

static struct vk_calls real;
static int left; // calls until the one that fails; 0: none does
static VkResult fault;
static bool
now(void)
{
    return left > 0 && --left == 0;
}

#define FAILING(name, parameters, arguments)                                                       \
    static VKAPI_ATTR VkResult VKAPI_CALL failing_##name parameters                                \
    {                                                                                              \
        return now() ? fault : real.name arguments;                                                \
    }
FAILING(AllocateMemory, (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a,
                         VkDeviceMemory *m), (d, i, a, m))
FAILING(CreateBuffer, (VkDevice d, const VkBufferCreateInfo *i, const VkAllocationCallbacks *a,
                       VkBuffer *b), (d, i, a, b))
FAILING(BindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o), (d, b, m, o))
FAILING(MapMemory,
        (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, VkMemoryMapFlags f,
         void **p),
        (d, m, o, s, f, p))
FAILING(CreateShaderModule, (VkDevice d, const VkShaderModuleCreateInfo *i,
                             const VkAllocationCallbacks *a, VkShaderModule *m), (d, i, a, m))
FAILING(CreateComputePipelines, (VkDevice d, VkPipelineCache c, uint32_t n,
                                 const VkComputePipelineCreateInfo *i,
                                 const VkAllocationCallbacks *a, VkPipeline *p), (d, c, n, i, a, p))
FAILING(CreateDescriptorPool, (VkDevice d, const VkDescriptorPoolCreateInfo *i,
                               const VkAllocationCallbacks *a, VkDescriptorPool *p), (d, i, a, p))
FAILING(AllocateDescriptorSets, (VkDevice d, const VkDescriptorSetAllocateInfo *i,
                                 VkDescriptorSet *s), (d, i, s))
FAILING(CreateCommandPool, (VkDevice d, const VkCommandPoolCreateInfo *i,
                            const VkAllocationCallbacks *a, VkCommandPool *p), (d, i, a, p))
FAILING(AllocateCommandBuffers, (VkDevice d, const VkCommandBufferAllocateInfo *i,
                                 VkCommandBuffer *c), (d, i, c))
FAILING(CreateSemaphore, (VkDevice d, const VkSemaphoreCreateInfo *i,
                          const VkAllocationCallbacks *a, VkSemaphore *s), (d, i, a, s))
FAILING(CreateDescriptorSetLayout, (VkDevice d, const VkDescriptorSetLayoutCreateInfo *i,
                                    const VkAllocationCallbacks *a, VkDescriptorSetLayout *l),
        (d, i, a, l))
FAILING(CreatePipelineLayout, (VkDevice d, const VkPipelineLayoutCreateInfo *i,
                               const VkAllocationCallbacks *a, VkPipelineLayout *l), (d, i, a, l))
FAILING(CreatePipelineCache, (VkDevice d, const VkPipelineCacheCreateInfo *i,
                              const VkAllocationCallbacks *a, VkPipelineCache *c), (d, i, a, c))
FAILING(QueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *i, VkFence f), (q, n, i, f))
FAILING(WaitSemaphores, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t t), (d, i, t))
FAILING(CreateDevice, (VkPhysicalDevice p, const VkDeviceCreateInfo *i,
                       const VkAllocationCallbacks *a, VkDevice *d), (p, i, a, d))

enum kind { MEMORY, LOST_SUBMIT, LOST_WAIT, NO_COMPUTE, LITTLE_LEFT, LAZY, KINDS };
static enum kind kind;

static VKAPI_ATTR void VKAPI_CALL
families_that_draw(VkPhysicalDevice p, uint32_t *count, VkQueueFamilyProperties *list)
{
    real.GetPhysicalDeviceQueueFamilyProperties(p, count, list);
    for (uint32_t i = 0; list && i < *count; i++)
        list[i].queueFlags = VK_QUEUE_GRAPHICS_BIT;
}

// Somebody else uses all but 3 MiB of the device's memory.
static VKAPI_ATTR void VKAPI_CALL
little_left(VkPhysicalDevice p, VkPhysicalDeviceMemoryProperties2 *m)
{
    real.GetPhysicalDeviceMemoryProperties2(p, m);
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = m->pNext;
    for (uint32_t i = 0; budget && i < m->memoryProperties.memoryHeapCount; i++) {
        budget->heapBudget[i] = 8 << 20;
        budget->heapUsage[i] = 5 << 20;
    }
}

// A driver that forgets one dispatch.
static VKAPI_ATTR void VKAPI_CALL
lazy_dispatch(VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z)
{
    if (!now())
        real.CmdDispatch(c, x, y, z);
}

// Called for the instance's functions, then for the device's.
static void
hook(struct vk_calls *vk)
{
    // Those of the device are known at the second call: keep what is there now.
#define PUT(name)                                                                                  \
    if (vk->name && vk->name != failing_##name) {                                                  \
        real.name = vk->name;                                                                      \
        vk->name = failing_##name;                                                                 \
    }
    if (kind == MEMORY) {
        PUT(AllocateMemory) PUT(CreateBuffer) PUT(BindBufferMemory) PUT(MapMemory)
        PUT(CreateShaderModule) PUT(CreateComputePipelines) PUT(CreateDescriptorPool)
        PUT(AllocateDescriptorSets) PUT(CreateCommandPool) PUT(AllocateCommandBuffers)
        PUT(CreateSemaphore) PUT(CreateDescriptorSetLayout) PUT(CreatePipelineLayout)
        PUT(CreatePipelineCache) PUT(CreateDevice)
    } else if (kind == LOST_SUBMIT) {
        PUT(QueueSubmit)
    } else if (kind == LOST_WAIT) {
        PUT(WaitSemaphores)
    } else if (kind == LITTLE_LEFT) {
        if (vk->GetPhysicalDeviceMemoryProperties2 != little_left) {
            real.GetPhysicalDeviceMemoryProperties2 = vk->GetPhysicalDeviceMemoryProperties2;
            vk->GetPhysicalDeviceMemoryProperties2 = little_left;
        }
    } else if (kind == LAZY) {
        if (vk->CmdDispatch && vk->CmdDispatch != lazy_dispatch) {
            real.CmdDispatch = vk->CmdDispatch;
            vk->CmdDispatch = lazy_dispatch;
        }
    } else if (kind == NO_COMPUTE) {
        if (vk->GetPhysicalDeviceQueueFamilyProperties != families_that_draw) {
            real.GetPhysicalDeviceQueueFamilyProperties =
                vk->GetPhysicalDeviceQueueFamilyProperties;
            vk->GetPhysicalDeviceQueueFamilyProperties = families_that_draw;
        }
    }
}

// Opens, multiplies two matrices, reads and closes. Products split, so that working memory,
// constants and several dispatches are part of it.
static bool
work(struct err *err)
{
    struct device *d = device_open("vulkan", err);
    if (!d)
        return false;
    struct graph *g = graph_create();
    struct node *a = graph_input(g, "a", SHAPE(3, 2000), DTYPE_F32);
    struct node *t = graph_input(g, "t", SHAPE(3), DTYPE_F32);
    struct node *y = op_matmul(g, a, false, a, true, NULL, DTYPE_NONE);
    struct node *z = op_timestep_embed(g, t, 8, 10000, 0, true);
    graph_output(g, y);
    graph_output(g, z);
    struct plan *p = plan_create(g, &(struct plan_params){.device = d}, err);
    float ones[6000], got[9] = {0};
    for (int i = 0; i < 6000; i++)
        ones[i] = 1;
    bool ok = p && plan_write(p, a, ones, err) && plan_write(p, t, ones, err) && plan_run(p, err) &&
              plan_read(p, y, got, err);
    if (ok)
        assert_true(got[0] == 2000 && got[8] == 2000);
    plan_destroy(p);
    graph_destroy(g);
    device_close(d);
    return ok;
}

// The nth call fails, n = 1, 2, …, until none is left to fail; how many did.
static int
every_call(const char *words)
{
    for (int n = 1; n < 500; n++) {
        struct err err = {0};
        left = n;
        layer_messages = 0;
        bool ok = work(&err);
        if (layer_messages)
            fail_msg("call %d failing leaves: %s", n, layer_message);
        if (ok)
            return n - 1;
        if (err.code == ERR_NONE || !strstr(err.text, words) || strchr(err.text, '\n'))
            fail_msg("call %d: '%s' does not say '%s'", n, err.text, words);
    }
    fail_msg("the work never gets done");
    return 0;
}

static void
memory_runs_out_anywhere(void **state)
{
    (void)state;
    kind = MEMORY;
    fault = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    assert_true(every_call("") > 20);
    fault = VK_ERROR_OUT_OF_HOST_MEMORY;
    assert_true(every_call("") > 20);
}

static void
the_device_is_lost_anywhere(void **state)
{
    (void)state;
    fault = VK_ERROR_DEVICE_LOST;
    kind = LOST_SUBMIT;
    assert_true(every_call("lost") >= 1);
    kind = LOST_WAIT;
    assert_true(every_call("lost") >= 1);
}

static void
a_driver_that_cannot_compute(void **state)
{
    (void)state;
    struct err err = {0};
    kind = NO_COMPUTE;
    left = 0;
    assert_false(work(&err));
    assert_non_null(strstr(err.text, "no queue that computes"));
    struct device_info list[8];
    int count = device_list(list, 8);
    assert_true(count >= 2 && strstr(list[0].reason, "no queue that computes"));
    kind = KINDS;
}

static void
nothing_is_taken_beyond_the_budget(void **state)
{
    (void)state;
    struct err err = {0};
    kind = LITTLE_LEFT;
    left = 0;
    struct device *d = device_open("vulkan", &err);
    assert_non_null(d);
    vk_of(d)->offer.memory_budget = true; // little_left() answers
    assert_null(buffer_create_weights(d, 5 << 20, "weights", &err));
    assert_int_equal(err.code, ERR_MEMORY);
    if (!strstr(err.text, "weights: 5.0 MiB are needed, 2.0 MiB too many") ||
        !strstr(err.text, "3 of them free") || !strstr(err.text, "--offload"))
        fail_msg("'%s' does not say what is missing", err.text);
    kind = KINDS;
    device_close(d);
}

// LIMN_SHADOW finds the dispatch that was left out, whichever it is, and names the op.
static void
shadow_mode_names_what_differs(void **state)
{
    (void)state;
    struct err err = {0};
    layer_messages = 0;
    setenv("LIMN_SHADOW", "1", 1);
    setenv("LIMN_VULKAN_MATRIX", "0", 1); // trying units would dispatch, too
    kind = LAZY;
    left = 0;
    if (!work(&err))
        fail_msg("a good driver: %s", err.text);
    int found = 0;
    for (int n = 1; n < 10; n++) {
        left = n;
        err_clear(&err);
        bool ok = work(&err);
        if (left > 0) // there were fewer
            break;
        if (ok) // working memory may hold the same numbers from the run before
            continue;
        if (!strstr(err.text, "matmul") && !strstr(err.text, "timestep_embed"))
            fail_msg("'%s' does not say which op", err.text);
        found++;
    }
    kind = KINDS;
    unsetenv("LIMN_SHADOW");
    unsetenv("LIMN_VULKAN_MATRIX");
    assert_in_range(found, 2, 8);
    if (layer_messages)
        fail_msg("left behind: %s", layer_message);
}

static void
no_driver_at_all(void **state)
{
    (void)state;
    struct err err = {0};
    kind = KINDS;
    char *old = getenv("VK_ICD_FILENAMES") ? mem_strdup(getenv("VK_ICD_FILENAMES")) : NULL;
    setenv("VK_ICD_FILENAMES", "/nonexistent.json", 1);
    setenv("VK_DRIVER_FILES", "/nonexistent.json", 1);
    bool ok = work(&err);
    unsetenv("VK_DRIVER_FILES");
    unsetenv("VK_ICD_FILENAMES");
    if (old)
        setenv("VK_ICD_FILENAMES", old, 1);
    free(old);
    assert_false(ok);
    assert_true(err.text[0] && !strchr(err.text, '\n'));
    err_clear(&err);
    assert_null(device_open("vulkan:99", &err));
    assert_int_equal(err.code, ERR_INPUT);
    err_clear(&err);
    assert_null(device_open("vulkan:x", &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static char *
cache_file(void)
{
    char *found = NULL, *folder = mem_printf("%s/limn", getenv("XDG_CACHE_HOME"));
    char *command = mem_printf("ls %s/vulkan-*.bin 2>/dev/null", folder);
    char line[400] = "";
    FILE *f = popen(command, "r");
    if (f && fgets(line, sizeof line, f))
        found = mem_strndup(line, strcspn(line, "\n"));
    if (f)
        pclose(f);
    free(command);
    free(folder);
    return found;
}

static void
damaged_caches_are_made_anew(void **state)
{
    (void)state;
    struct err err = {0};
    kind = KINDS;
    assert_true(work(&err));
    char *path = cache_file();
    assert_non_null(path);
    size_t size;
    char *good = file_read(path, 1 << 26, &size, &err);
    assert_non_null(good);
    for (int damage = 0; damage < 5; damage++) {
        char *bad = mem_alloc(size + 16);
        size_t length = size;
        memcpy(bad, good, size);
        if (damage == 0)
            length = 0;
        else if (damage == 1)
            length = size / 2;
        else if (damage == 2)
            bad[size - 1] ^= 0x55;
        else if (damage == 3)
            memset(bad, 0xFF, size);
        else
            memset(bad + size, 1, 16), length = size + 16;
        assert_true(file_write(path, bad, length, &err));
        layer_messages = 0;
        if (!work(&err) || layer_messages)
            fail_msg("damage %d: %s %s", damage, err.text, layer_messages ? layer_message : "");
        free(bad);
    }
    // A folder where the file should be, and one that cannot be written.
    unlink(path);
    free(good);
    free(path);
    char *old = mem_strdup(getenv("XDG_CACHE_HOME"));
    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    assert_true(work(&err));
    setenv("XDG_CACHE_HOME", old, 1);
    free(old);
}

int
main(void)
{
    struct err err = {0};
    stay_loaded();
    char folder[] = "/tmp/limn-vulkan-XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    struct device *d = device_open("vulkan", &err);
    if (!d) {
        printf("skipped: %s\n", err.text);
        return 77;
    }
    device_close(d);
    watch_layers();
    vk_test_hook = hook;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out_anywhere),
        cmocka_unit_test(the_device_is_lost_anywhere),
        cmocka_unit_test(a_driver_that_cannot_compute),
        cmocka_unit_test(nothing_is_taken_beyond_the_budget),
        cmocka_unit_test(shadow_mode_names_what_differs),
        cmocka_unit_test(no_driver_at_all),
        cmocka_unit_test(damaged_caches_are_made_anew),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *command = mem_printf("rm -rf %s", folder);
    if (system(command))
        failed++;
    free(command);
    return failed;
}
