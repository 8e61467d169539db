// SPDX-License-Identifier: MIT
// Instance, the choice of a physical device, the logical device.
//
// Required: Vulkan 1.2, a queue that computes, 16-bit storage. Everything else is used where it is
// offered. LIMN_VULKAN_VALIDATE=1 turns the validation layers on, with synchronization and best
// practices; what they say is logged.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/device/vulkan/matrix.h"
#include "engine/device/vulkan/vk.h"

enum { DEVICES_MAX = 32 };

static const char *
result_text(VkResult r)
{
    switch ((int)r) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        return "the machine has no memory left";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
        return "the device has no memory left";
    case VK_ERROR_INITIALIZATION_FAILED:
        return "the driver could not start";
    case VK_ERROR_DEVICE_LOST:
        return "the device was lost (the driver was reset, or the device removed); it can be "
               "opened "
               "again";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        return "no driver was found for a graphics card";
    case VK_ERROR_LAYER_NOT_PRESENT:
        return "the validation layers are not installed";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
        return "the driver lacks an extension it had offered";
    case VK_ERROR_FEATURE_NOT_PRESENT:
        return "the driver lacks a feature it had offered";
    case VK_ERROR_TOO_MANY_OBJECTS:
        return "the driver allows no more objects";
    default:
        return NULL;
    }
}

bool
vk_failed(struct vk_device *d, VkResult result, const char *what, struct err *err)
{
    if (result == VK_ERROR_DEVICE_LOST)
        d->lost = true;
    const char *text = result_text(result);
    enum err_code code = result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                                 result == VK_ERROR_OUT_OF_HOST_MEMORY
                             ? ERR_MEMORY
                             : ERR_DEVICE;
    if (text)
        return err_set(err, code, "vulkan: %s: %s", what, text);
    return err_set(err, code, "vulkan: %s: the driver reports error %d", what, (int)result);
}

// --- validation layers

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
           const VkDebugUtilsMessengerCallbackDataEXT *data, void *ctx)
{
    (void)types;
    (void)ctx;
    bool bad = severity & (VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT);
    // No fault of ours: what the loader says of other drivers, and that extensions for debugging
    // are on, one of them of an old kind: that is how this message comes here.
    if (!bad || strstr(data->pMessage, "VK_EXT_validation_features") ||
        (data->pMessageIdName && (strstr(data->pMessageIdName, "Loader Message") ||
                                  strstr(data->pMessageIdName, "specialuse-extension"))))
        return VK_FALSE;
    log_line(LOG_WARN, "vulkan", "%s", data->pMessage);
    return VK_FALSE;
}

static bool
instance_has(struct vk_device *d, const char *layer, const char *extension)
{
    uint32_t count = 0;
    bool found = false;
    if (extension) {
        if (d->vk.EnumerateInstanceExtensionProperties(layer, &count, NULL) != VK_SUCCESS)
            return false;
        VkExtensionProperties *list = mem_zalloc((count + 1) * sizeof *list);
        d->vk.EnumerateInstanceExtensionProperties(layer, &count, list);
        for (uint32_t i = 0; i < count; i++)
            found |= strcmp(list[i].extensionName, extension) == 0;
        free(list);
    } else {
        if (d->vk.EnumerateInstanceLayerProperties(&count, NULL) != VK_SUCCESS)
            return false;
        VkLayerProperties *list = mem_zalloc((count + 1) * sizeof *list);
        d->vk.EnumerateInstanceLayerProperties(&count, list);
        for (uint32_t i = 0; i < count; i++)
            found |= strcmp(list[i].layerName, layer) == 0;
        free(list);
    }
    return found;
}

static bool
check_version(struct vk_device *d, struct err *err)
{
    uint32_t version = 0;
    d->vk.EnumerateInstanceVersion(&version);
    return version >= VK_API_VERSION_1_2 ||
           err_set(err, ERR_UNSUPPORTED, "the Vulkan library supports %u.%u; limn needs 1.2",
                   VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
}

static bool
open_instance(struct vk_device *d, struct err *err)
{
    static const char layer[] = "VK_LAYER_KHRONOS_validation";
    const char *wanted = getenv("LIMN_VULKAN_VALIDATE");
    bool validate = wanted && strcmp(wanted, "0") != 0;
    if (validate && !instance_has(d, layer, NULL))
        return vk_failed(d, VK_ERROR_LAYER_NOT_PRESENT, "LIMN_VULKAN_VALIDATE", err);
    if (!check_version(d, err))
        return false;
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "limn",
                             .pEngineName = "limn",
                             .apiVersion = VK_API_VERSION_1_2};
    const VkValidationFeatureEnableEXT enables[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
        VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT};
    VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                        .enabledValidationFeatureCount = COUNT_OF(enables),
                                        .pEnabledValidationFeatures = enables};
    VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .pNext = &features,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message};
    const char *layers[] = {layer};
    const char *extensions[3];
    uint32_t count = 0;
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app};
    if (validate) {
        extensions[count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        if (instance_has(d, layer, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
            extensions[count++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
        info.pNext = &messenger;
        info.enabledLayerCount = 1;
        info.ppEnabledLayerNames = layers;
    }
    // macOS: drivers that are not fully conformant are listed only on request.
    if (instance_has(d, NULL, "VK_KHR_portability_enumeration")) {
        extensions[count++] = "VK_KHR_portability_enumeration";
        info.flags |= 1; // VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR
    }
    info.enabledExtensionCount = count;
    info.ppEnabledExtensionNames = extensions;
    VkResult r = d->vk.CreateInstance(&info, NULL, &d->instance);
    if (r != VK_SUCCESS) {
        d->instance = VK_NULL_HANDLE;
        return vk_failed(d, r, "cannot start", err);
    }
    if (!vk_load_instance(&d->vk, d->instance, err))
        return false;
    messenger.pNext = NULL;
    if (validate && d->vk.CreateDebugUtilsMessengerEXT)
        d->vk.CreateDebugUtilsMessengerEXT(d->instance, &messenger, NULL, &d->messenger);
    return true;
}

// --- the choice

static int
rank(const struct vk_offer *o)
{
    switch ((int)o->type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 0;
    default:
        return 1;
    }
}

static bool
choose(struct vk_device *d, const char *name, struct err *err)
{
    VkPhysicalDevice all[DEVICES_MAX];
    uint32_t count = DEVICES_MAX;
    VkResult r = d->vk.EnumeratePhysicalDevices(d->instance, &count, all);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE)
        return vk_failed(d, r, "cannot list devices", err);
    if (count == 0)
        return err_set(err, ERR_UNSUPPORTED, "no Vulkan driver found a device");
    long wanted = -1;
    if (name && *name) {
        char *end;
        wanted = strtol(name, &end, 10);
        if (end == name || *end || wanted < 0 || wanted >= (long)count)
            return err_set(err, ERR_INPUT, "there is no device vulkan:%.20s (there are 0..%u)",
                           name, count - 1);
    }
    int best = -1;
    struct vk_offer offer, found = {0};
    char refusal[sizeof offer.refusal + sizeof offer.name + 8] = "";
    for (uint32_t i = 0; i < count; i++) {
        if (wanted >= 0 && (long)i != wanted)
            continue;
        vk_read_offer(d, all[i], &offer);
        if (offer.refusal[0]) {
            if (!refusal[0])
                snprintf(refusal, sizeof refusal, "%s: %s", offer.name, offer.refusal);
            continue;
        }
        if (best < 0 || rank(&offer) > rank(&found)) {
            best = (int)i;
            found = offer;
        }
    }
    if (best < 0)
        return err_set(err, ERR_UNSUPPORTED, "vulkan: %s", refusal);
    d->physical = all[best];
    d->offer = found;
    return true;
}

int
vk_list_offers(struct vk_offer *list, int max, struct err *err)
{
    struct vk_device *d = mem_zalloc(sizeof *d);
    VkPhysicalDevice all[DEVICES_MAX];
    uint32_t count = DEVICES_MAX;
    int found = -1;
    if (vk_load(&d->vk, &d->library, err) && open_instance(d, err)) {
        VkResult r = d->vk.EnumeratePhysicalDevices(d->instance, &count, all);
        if (r == VK_SUCCESS || r == VK_INCOMPLETE)
            for (found = 0; found < (int)count && found < max; found++)
                vk_read_offer(d, all[found], &list[found]);
        else
            vk_failed(d, r, "cannot list devices", err);
    }
    vk_context_close(d);
    free(d);
    return found;
}

// --- the device

// The queue, and what submitting to it takes.
static bool
open_queue(struct vk_device *d, struct err *err)
{
    uint32_t family = (uint32_t)d->offer.queue_family;
    d->vk.GetDeviceQueue(d->device, family, 0, &d->queue);
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    d->vk.GetPhysicalDeviceMemoryProperties2(d->physical, &m);
    d->memory = m.memoryProperties;
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = family};
    VkResult r = d->vk.CreateCommandPool(d->device, &pool, NULL, &d->commands);
    pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
    if (r == VK_SUCCESS)
        r = d->vk.CreateCommandPool(d->device, &pool, NULL, &d->copies);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot make a command pool", err);
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                       .pNext = &type};
    r = d->vk.CreateSemaphore(d->device, &semaphore, NULL, &d->timeline);
    return r == VK_SUCCESS || vk_failed(d, r, "cannot make a semaphore", err);
}

static bool
open_device(struct vk_device *d, struct err *err)
{
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = (uint32_t)d->offer.queue_family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .timelineSemaphore = VK_TRUE,
        .vulkanMemoryModel = vk_has_units(&d->offer),
        .shaderFloat16 = d->offer.f16_arithmetic};
    struct matrix_features matrix = {.type = (VkStructureType)MATRIX_STRUCTURE_FEATURES,
                                     .matrix = VK_TRUE};
    struct bf16_features bf16 = {
        .type = (VkStructureType)BF16_STRUCTURE_FEATURES, .type16 = VK_TRUE, .matrix = VK_TRUE};
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .subgroupSizeControl = VK_TRUE,
        .computeFullSubgroups = VK_TRUE};
    VkPhysicalDeviceVulkan11Features v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &v12,
        .storageBuffer16BitAccess = VK_TRUE};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &v11};
    const char *extensions[8];
    uint32_t count = 0;
    if (d->offer.memory_budget)
        extensions[count++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (vk_has_units(&d->offer)) {
        extensions[count++] = VK_MATRIX_EXTENSION;
        matrix.next = v12.pNext;
        v12.pNext = &matrix;
    }
    if (d->offer.bf16_unit.m) {
        extensions[count++] = VK_BF16_EXTENSION;
        bf16.next = v12.pNext;
        v12.pNext = &bf16;
    }
    if (d->offer.subgroup_fixed) {
        extensions[count++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
        sizes.pNext = v12.pNext;
        v12.pNext = &sizes;
    }
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &features,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = count,
                               .ppEnabledExtensionNames = extensions};
    VkResult r = d->vk.CreateDevice(d->physical, &info, NULL, &d->device);
    if (r != VK_SUCCESS) {
        d->device = VK_NULL_HANDLE;
        return vk_failed(d, r, d->offer.name, err);
    }
    return vk_load_device(&d->vk, d->device, err) && open_queue(d, err);
}

bool
vk_context_open(struct vk_device *d, const char *name, struct err *err)
{
    if (!vk_load(&d->vk, &d->library, err) || !open_instance(d, err) || !choose(d, name, err) ||
        !open_device(d, err))
        return false;
    const char *serial = getenv("LIMN_VULKAN_SERIAL");
    d->serial = serial ? strcmp(serial, "0") != 0
                       : d->offer.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    d->serial = d->serial && d->offer.shuffle && d->offer.subgroup <= 16;
    const char *units = getenv("LIMN_VULKAN_MATRIX");
    if (units && strcmp(units, "emulate") == 0)
        d->matrix_f16 = VK_MATRIX_EMULATED;
    else if (!units || strcmp(units, "0") != 0) {
        d->matrix_f16 = d->offer.f16_unit.m ? VK_MATRIX_UNITS : VK_MATRIX_NONE;
        d->matrix_bf16 = d->offer.bf16_unit.m ? VK_MATRIX_UNITS : VK_MATRIX_NONE;
    }
    const char *shadow = getenv("LIMN_SHADOW");
    d->shadow = shadow && strcmp(shadow, "0") != 0;
    return vk_pipelines_open(d, err);
}

void
vk_context_close(struct vk_device *d)
{
    if (d->device && d->vk.DeviceWaitIdle) {
        d->vk.DeviceWaitIdle(d->device);
        vk_pipelines_close(d);
        vk_memory_destroy(d, d->staging);
        vk_blocks_free(d);
        if (d->timeline)
            d->vk.DestroySemaphore(d->device, d->timeline, NULL);
        if (d->commands)
            d->vk.DestroyCommandPool(d->device, d->commands, NULL);
        if (d->copies)
            d->vk.DestroyCommandPool(d->device, d->copies, NULL);
    }
    if (d->device && d->vk.DestroyDevice)
        d->vk.DestroyDevice(d->device, NULL);
    if (d->messenger)
        d->vk.DestroyDebugUtilsMessengerEXT(d->instance, d->messenger, NULL);
    if (d->instance && d->vk.DestroyInstance)
        d->vk.DestroyInstance(d->instance, NULL);
    // The library stays open: drivers leave threads and handlers behind that outlive the instance.
}
