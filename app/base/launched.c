// SPDX-License-Identifier: MIT
#include "app/base/launched.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/install.h"
#include "engine/base/mem.h"
#include "mpi/group_mpi.h"

bool
launched_by_mpi(void)
{
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        const char *size = getenv(sizes[i]);
        if (size)
            return atoi(size) > 1;
    }
    return getenv("PMIX_RANK") != NULL; // how many there are the module asks
}

// In the build folder, when this program runs from there, or where it was installed.
static char *
find_module(void)
{
    const char *build = install_build_folder();
    return build ? mem_printf("%s/mpi/limn-mpi.so", build)
                 : mem_strdup(LIMN_LIBEXEC "/limn-mpi.so");
}

static bool
join(const char *module, const struct group **group, struct err *err)
{
    if (access(module, F_OK) != 0)
        return err_set(err, ERR_UNSUPPORTED, "several processes were started together, but this "
                       "limn was built without MPI: install libopenmpi-dev or libmpich-dev and "
                       "build it again");
    void *handle = dlopen(module, RTLD_NOW | RTLD_GLOBAL); // MPI's own modules look for its names
    limn_group_join_fn *join_fn = handle ? (limn_group_join_fn *)dlsym(handle, "limn_group_join")
                                         : NULL;
    if (!join_fn)
        return err_set(err, ERR_UNSUPPORTED, "%s: %s", module, dlerror());
    *group = join_fn();
    return *group || err_set(err, ERR_UNSUPPORTED, "%s: this MPI takes programs of one thread only",
                             module);
}

bool
launched_join(const struct group **group, struct err *err)
{
    *group = NULL;
    if (!launched_by_mpi())
        return true;
    char *module = find_module();
    bool ok = join(module, group, err);
    free(module);
    return ok;
}
