// SPDX-License-Identifier: MIT
// Runs a fuzz target where there is no libFuzzer: every file given once, then, for a number of
// seconds, changed and joined ones, always the same for the same seed. Unlike libFuzzer it does not
// learn what an input reaches, so it finds what lies near the files.
//     fuzz_NAME [-s SECONDS] [-n SEED] [-d DICTIONARY] FILE|FOLDER …
// An input that ends the process or takes longer than 20 s is left in ./fuzz-NAME-failed.
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20, TOO_LONG_SECONDS = 20, CHANGES_MAX = 6 };

struct bytes {
    uint8_t *data;
    size_t size;
};

static struct bytes *inputs, *words;
static int input_count, input_capacity, word_count, word_capacity;
static struct rng rng;
static uint8_t current[INPUT_MAX];
static size_t current_size;
static char failed[512];

int LLVMFuzzerInitialize(int *argc, char ***argv);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void
keep_current(void)
{
    FILE *f = fopen(failed, "w");
    if (!f)
        return;
    fwrite(current, 1, current_size, f);
    fclose(f);
    fprintf(stderr, "the input is in %s\n", failed);
}

static void
on_signal(int number)
{
    if (number == SIGALRM)
        fprintf(stderr, "no end after %d s\n", TOO_LONG_SECONDS);
    else
        fprintf(stderr, "ended by signal %d\n", number);
    keep_current();
    _exit(1);
}

static void
run(void)
{
    alarm(TOO_LONG_SECONDS);
    LLVMFuzzerTestOneInput(current, current_size);
    alarm(0);
}

// --- files

static void
read_file(const char *path)
{
    struct err err = {0};
    size_t size = 0;
    char *data = file_read(path, INPUT_MAX, &size, &err);
    if (!data) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    struct bytes b = {(uint8_t *)data, size};
    ARRAY_PUSH(inputs, input_count, input_capacity, b);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_path(const char *path)
{
    struct dirent **entries = NULL;
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        read_file(path);
        return;
    }
    int count = scandir(path, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        char *name = file_join(path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            read_path(name);
        free(name);
        free(entries[i]);
    }
    free(entries);
}

// A word of libFuzzer's dictionaries: [name=]"text", in it \\, \" and \xAB.
static void
read_word(const char *line)
{
    const char *p = strchr(line, '"');
    struct bytes b = {mem_alloc(strlen(line) + 1), 0};
    for (p = p ? p + 1 : ""; *p && *p != '"'; p++) {
        unsigned value = (unsigned char)*p;
        if (*p == '\\' && p[1] == 'x' && sscanf(p + 2, "%2x", &value) == 1)
            p += 3;
        else if (*p == '\\' && p[1])
            value = (unsigned char)*++p;
        b.data[b.size++] = (uint8_t)value;
    }
    if (b.size && *line != '#')
        ARRAY_PUSH(words, word_count, word_capacity, b);
    else
        free(b.data);
}

static void
read_dictionary(const char *path)
{
    struct err err = {0};
    char *rest = NULL, *text = file_read(path, INPUT_MAX, NULL, &err);
    if (!text) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        read_word(line);
    free(text);
}

// --- changing

static size_t
below(size_t bound)
{
    return (size_t)rng_below(&rng, bound ? bound : 1);
}

// 1 and up to bound - 1 more, at most `most`.
static size_t
some(size_t bound, size_t most)
{
    size_t n = 1 + below(bound);
    return n < most ? n : most;
}

// Puts bytes in, over what is there or before it.
static void
put(size_t at, const uint8_t *data, size_t size, bool over)
{
    size = MIN(size, INPUT_MAX - at);
    size_t tail = over ? MIN(size, current_size - at) : 0; // of what is there, replaced
    size_t rest = MIN(current_size - at - tail, INPUT_MAX - at - size);
    memmove(current + at + size, current + at + tail, rest);
    memmove(current + at, data, size);
    current_size = at + size + rest;
}

static void
change_byte(void)
{
    static const uint8_t telling[] = {0,  1,  9,  10,  32,  34,  44,  45,  47,
                                      58, 91, 93, 123, 125, 127, 128, 254, 255};
    if (current_size)
        current[below(current_size)] =
            below(2) ? (uint8_t)below(256) : telling[below(sizeof telling)];
}

static void
flip_bit(void)
{
    if (current_size)
        current[below(current_size)] ^= (uint8_t)(1 << below(8));
}

static void
cut(void)
{
    size_t at = below(current_size), size = some(below(4) ? 16 : current_size, current_size - at);
    memmove(current + at, current + at + size, current_size - at - size);
    current_size -= size;
}

static void
repeat(void)
{
    size_t from = below(current_size), size = some(64, current_size - from);
    uint8_t part[64];
    memcpy(part, current + from, size);
    put(below(current_size + 1), part, size, false);
}

static void
put_word(void)
{
    const struct bytes *w = word_count ? &words[below((size_t)word_count)] : NULL;
    if (w)
        put(below(current_size + 1), w->data, w->size, below(2) == 0);
}

static void
put_number(void)
{
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "2147483647",
                                          "2147483648",
                                          "-2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "1e308",
                                          "0.5",
                                          "65536"};
    const char *text = numbers[below(COUNT_OF(numbers))];
    size_t at = 0;
    for (int i = 0; i < 64 && current_size && !(current[at] >= '0' && current[at] <= '9'); i++)
        at = below(current_size);
    put(at, (const uint8_t *)text, strlen(text), below(2) == 0);
}

static void
put_size(void)
{
    uint8_t bytes[8];
    uint64_t value = below(2) ? rng_below(&rng, 1 + current_size) : UINT64_MAX >> below(64);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    if (current_size)
        put(below(current_size), bytes, (size_t)1 << below(4), true);
}

static void
join(void)
{
    const struct bytes *other = &inputs[below((size_t)input_count)];
    size_t from = below(other->size);
    put(below(current_size + 1), other->data + from, some(4096, other->size - from), false);
}

static void
change(void)
{
    static void (*const ways[])(void) = {change_byte, change_byte, flip_bit, cut,        repeat,
                                         put_word,    put_word,    join,     put_number, put_size};
    const struct bytes *from = &inputs[below((size_t)input_count)];
    memcpy(current, from->data, from->size);
    current_size = from->size;
    for (size_t i = 0, n = 1 + below(CHANGES_MAX); i < n; i++)
        if (current_size)
            ways[below(COUNT_OF(ways))]();
}

static long
run_changed(double seconds)
{
    double end = clock_seconds() + seconds;
    long count = 0;
    for (; input_count && clock_seconds() < end; count++) {
        change();
        run();
    }
    return count;
}

static void
listen_for_the_end(const char *program)
{
    static const int signals[] = {SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const char *name = strrchr(program, '/');
    char *here = getcwd(NULL, 0);
    snprintf(failed, sizeof failed, "%s/%s-failed", here ? here : ".", name ? name + 1 : program);
    free(here);
    // A sanitizer that ends the process by itself calls back; without one there are the signals.
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(keep_current);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (signals[i] == SIGALRM || signals[i] == SIGABRT || !__sanitizer_set_death_callback)
            signal(signals[i], on_signal);
}

int
main(int argc, char **argv)
{
    double seconds = 0;
    uint64_t seed = 1;
    for (int o; (o = getopt(argc, argv, "s:n:d:")) != -1;)
        if (o == 's')
            seconds = atof(optarg);
        else if (o == 'n')
            seed = strtoull(optarg, NULL, 10);
        else if (o == 'd')
            read_dictionary(optarg);
        else
            return 2;
    for (int i = optind; i < argc; i++)
        read_path(argv[i]);
    rng_init(&rng, seed, RNG_STREAM_TEST);
    listen_for_the_end(argv[0]);
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 0; i < input_count; i++) {
        memcpy(current, inputs[i].data, inputs[i].size);
        current_size = inputs[i].size;
        run();
    }
    long changed = run_changed(seconds);
    fprintf(stderr, "%d files, %ld changed ones in %.0f s\n", input_count, changed, seconds);
    for (int i = 0; i < input_count; i++)
        free(inputs[i].data);
    for (int i = 0; i < word_count; i++)
        free(words[i].data);
    free(inputs);
    free(words);
    return input_count ? 0 : 2;
}
