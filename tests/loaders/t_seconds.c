// SPDX-License-Identifier: MIT
// How long a picture may take: decoders that stand still (SIGSTOP) go on within the limit and are
// believed, or are given up at it. All wait at once, and compute nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/image/codec.h"

enum { SIDE = LIMIT_RESULT_SIDE, CASES = 4 };

struct patience {
    bool result;  // a worker's
    double still; // seconds; 0: for ever
    pthread_t thread;
    pid_t decoder;
    double took;
    struct image *image;
    struct err err;
    atomic_bool done;
};

static char folder[] = "/tmp/limn-seconds-XXXXXX";
static void *png;
static size_t png_size;

static void *
look(void *arg)
{
    struct patience *p = arg;
    double began = clock_seconds();
    p->image = p->result ? look_decode_result(png, png_size, "picture", NULL, &p->err)
                         : look_decode(png, png_size, "picture", NULL, &p->err);
    p->took = clock_seconds() - began;
    atomic_store(&p->done, true);
    return NULL;
}

// A decoder of this program's, known by the folder that its keeper was started in, and not stopped
// yet.
static pid_t
find_decoder(const struct patience *known, int count)
{
    DIR *d = opendir("/proc");
    pid_t found = 0;
    for (struct dirent *e; !found && (e = readdir(d));) {
        char path[300], text[64] = "", cwd[256] = "";
        pid_t pid = atoi(e->d_name);
        snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
        FILE *f = pid > 1 ? fopen(path, "re") : NULL;
        bool named = f && fgets(text, sizeof text, f) && strcmp(text, "limn-look\n") == 0;
        if (f)
            fclose(f);
        snprintf(path, sizeof path, "/proc/%s/cwd", e->d_name);
        bool ours = named && readlink(path, cwd, sizeof cwd - 1) > 0 && strcmp(cwd, folder) == 0;
        for (int i = 0; i < count; i++)
            ours = ours && known[i].decoder != pid;
        found = ours ? pid : 0;
    }
    closedir(d);
    return found;
}

// Begins to look, until the decoder was stopped before it was through.
static void
begin(struct patience *p, int at)
{
    for (int tries = 0; tries < 50; tries++) {
        atomic_store(&p[at].done, false);
        assert_int_equal(pthread_create(&p[at].thread, NULL, look, &p[at]), 0);
        while (!atomic_load(&p[at].done) && !(p[at].decoder = find_decoder(p, at)))
            ;
        if (p[at].decoder && kill(p[at].decoder, SIGSTOP) == 0 && !atomic_load(&p[at].done))
            return;
        pthread_join(p[at].thread, NULL);
        image_unref(p[at].image);
        p[at].decoder = 0;
    }
    fail_msg("no decoder could be stopped");
}

static void
decoders_that_stand_still(void **state)
{
    (void)state;
    static struct patience p[CASES] = {{.still = LIMIT_LOOK_SECONDS - 2},
                                       {.still = 0},
                                       {.result = true, .still = LIMIT_RESULT_SECONDS - 1},
                                       {.result = true, .still = 0}};
    double began[CASES];
    for (int i = 0; i < CASES; i++) {
        begin(p, i);
        began[i] = clock_seconds();
    }
    for (int open = 2; open;) {
        usleep(20000);
        for (int i = 0; i < CASES; i++)
            if (p[i].still > 0 && clock_seconds() > began[i] + p[i].still) {
                kill(p[i].decoder, SIGCONT);
                p[i].still = -p[i].still;
                open--;
            }
    }
    for (int i = 0; i < CASES; i++) {
        int limit = p[i].result ? LIMIT_RESULT_SECONDS : LIMIT_LOOK_SECONDS;
        char *says = mem_printf("picture: its decoder took more than %d s", limit);
        pthread_join(p[i].thread, NULL);
        if (p[i].still < 0 ? !p[i].image : p[i].image || !strstr(p[i].err.text, says))
            fail_msg("case %d after %.2f s: %s", i, p[i].took, p[i].err.text);
        if (p[i].still == 0 && (p[i].took < limit || p[i].took > limit + 5))
            fail_msg("case %d took %.2f s", i, p[i].took);
        image_unref(p[i].image);
        free(says);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decoders_that_stand_still)};
    if (!mkdtemp(folder) || chdir(folder) != 0 || !look_start(NULL))
        return 1;
    struct image *picture = image_create(SIDE, SIDE, IMAGE_RGBA8, NULL);
    for (size_t i = 0; i < picture->stride * SIDE; i++)
        picture->pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    png = codec_encode_png(picture, NULL, &png_size, NULL);
    image_unref(picture);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(png);
    if (chdir("/") == 0)
        rmdir(folder);
    return failed;
}
