// SPDX-License-Identifier: MIT
// The Vulkan library, opened when it is first asked for.
#include <dlfcn.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

void (*vk_test_hook)(struct vk_calls *vk);

static bool
missing_call(const char *name, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "the Vulkan library has no vk%s: it is older than 1.2",
                   name);
}

bool
vk_load(struct vk_calls *vk, void **library, struct err *err)
{
    static const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "libMoltenVK.dylib"};
    for (size_t i = 0; i < COUNT_OF(names) && !*library; i++)
        *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!*library)
        return err_set(err, ERR_UNSUPPORTED, "there is no Vulkan library (install libvulkan1 and "
                                             "the graphics card's driver)");
    *(void **)&vk->GetInstanceProcAddr = dlsym(*library, "vkGetInstanceProcAddr");
    if (!vk->GetInstanceProcAddr)
        return missing_call("GetInstanceProcAddr", err);
#define GLOBAL(name)                                                                               \
    vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(NULL, "vk" #name);                            \
    if (!vk->name)                                                                                 \
        return missing_call(#name, err);
#define INSTANCE(name)
#define DEVICE(name)
#include "engine/device/vulkan/calls.def"
#undef GLOBAL
#undef INSTANCE
#undef DEVICE
    return true;
}

bool
vk_load_instance(struct vk_calls *vk, VkInstance instance, struct err *err)
{
#define GLOBAL(name)
#define INSTANCE(name)                                                                             \
    vk->name = (PFN_vk##name)vk->GetInstanceProcAddr(instance, "vk" #name);                        \
    if (!vk->name)                                                                                 \
        return missing_call(#name, err);
#define DEVICE(name)
#include "engine/device/vulkan/calls.def"
#undef GLOBAL
#undef INSTANCE
#undef DEVICE
    vk->CreateDebugUtilsMessengerEXT = (PFN_vkCreateDebugUtilsMessengerEXT)vk->GetInstanceProcAddr(
        instance, "vkCreateDebugUtilsMessengerEXT");
    vk->DestroyDebugUtilsMessengerEXT =
        (PFN_vkDestroyDebugUtilsMessengerEXT)vk->GetInstanceProcAddr(
            instance, "vkDestroyDebugUtilsMessengerEXT");
    vk->GetCooperativeMatrixProperties = vk->GetInstanceProcAddr(
        instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    if (vk_test_hook)
        vk_test_hook(vk);
    return true;
}

bool
vk_load_device(struct vk_calls *vk, VkDevice device, struct err *err)
{
#define GLOBAL(name)
#define INSTANCE(name)
#define DEVICE(name)                                                                               \
    vk->name = (PFN_vk##name)vk->GetDeviceProcAddr(device, "vk" #name);                            \
    if (!vk->name)                                                                                 \
        return missing_call(#name, err);
#include "engine/device/vulkan/calls.def"
#undef GLOBAL
#undef INSTANCE
#undef DEVICE
    if (vk_test_hook)
        vk_test_hook(vk);
    return true;
}
