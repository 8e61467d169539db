// SPDX-License-Identifier: MIT
// limn data: makes training packs and says what is in one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/data/pack.h"
#include "app/data/roles.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/train/pack.h"

struct meter {
    bool terminal;
    double start, shown;
    size_t tenth;
};

// One line that changes on a terminal, a line every tenth of the work elsewhere.
static void
show_progress(void *ctx, size_t done, size_t total)
{
    struct meter *m = ctx;
    double t = clock_seconds(), rate = (double)done / (t - m->start + 1e-9);
    if (done == 0)
        return;
    if (m->terminal ? t - m->shown < 0.1 && done < total : 10 * done / total <= m->tenth)
        return;
    m->shown = t;
    m->tenth = 10 * done / total;
    fprintf(stderr, "%s%zu of %zu pictures, %.0f a second, %.0f s to go%s", m->terminal ? "\r" : "",
            done, total, rate, (double)(total - done) / rate, m->terminal ? "\033[K" : "\n");
    if (m->terminal && done == total)
        fputc('\n', stderr);
}

struct pack_options {
    const char *roles;
    int size, workers;
    bool names;
};

static int
run_pack(const struct command_line *line)
{
    const struct pack_options *o = line->values;
    struct meter meter = {.terminal = command_terminal(STDERR_FILENO), .start = clock_seconds()};
    int sources = line->word_count - 1;
    struct data_pack_params p = {.sources = line->words, .source_count = (size_t)sources,
                                 .out = line->words[sources], .size = o->size,
                                 .workers = o->workers, .names = o->names,
                                 .roles = strcmp(o->roles, "none") == 0 ? "" : o->roles,
                                 .progress = show_progress, .ctx = &meter,
                                 .cancel = &command_interrupted};
    struct err err = {0};
    struct data_pack_report report;
    if (!data_pack_make(&p, &report, &err)) {
        if (meter.terminal && meter.shown > 0)
            fputc('\n', stderr);
        return command_failed(&err);
    }
    if (report.unreadable)
        command_say(stderr, "limn: %zu pictures left out, the first: %s", report.unreadable,
                report.first_unreadable.text);
    if (report.bad_captions)
        fprintf(stderr, "limn: %zu pictures left out for their captions, the first: %s\n",
                report.bad_captions, report.first_bad_caption.text);
    if (report.without_caption)
        fprintf(stderr, "limn: %zu pictures without a caption left out\n", report.without_caption);
    command_say(stdout, "%s: %zu pictures", p.out, report.pictures);
    return 0;
}

// How many records by style (the last column: no style) and split.
static int *
count_records(const struct pack *p)
{
    int columns = pack_style_count(p) + 1;
    int *counts = mem_zalloc((size_t)columns * PACK_SPLIT_COUNT * sizeof *counts);
    for (int i = 0; i < pack_count(p); i++) {
        int style = pack_style(p, i) < 0 ? columns - 1 : pack_style(p, i);
        counts[style * PACK_SPLIT_COUNT + (int)pack_split(p, i)]++;
    }
    return counts;
}

static bool
has_role(const struct pack *p, const char *key)
{
    return strncmp(key, "role.", 5) == 0 && pack_role(p, key + 5, 0);
}

static void
print_table(const struct pack *p, const int *counts)
{
    printf("%-16s", "style");
    for (int s = 0; s < PACK_SPLIT_COUNT; s++)
        printf(" %17s", pack_split_names[s]);
    putchar('\n');
    for (int k = 0; k <= pack_style_count(p); k++) {
        const int *row = counts + k * PACK_SPLIT_COUNT;
        if (k == pack_style_count(p) && row[0] + row[1] + row[2] + row[3] == 0)
            break;
        printf("%-16s", k < pack_style_count(p) ? pack_style_name(p, k) : "(none)");
        for (int s = 0; s < PACK_SPLIT_COUNT; s++)
            printf(" %17d", row[s]);
        putchar('\n');
    }
    printf("%-16s", "all");
    for (int s = 0; s < PACK_SPLIT_COUNT; s++) {
        int sum = 0;
        for (int k = 0; k <= pack_style_count(p); k++)
            sum += counts[k * PACK_SPLIT_COUNT + s];
        printf(" %17d", sum);
    }
    putchar('\n');
}

static void
print_json(const struct pack *p, const int *counts)
{
    struct jv *root = jv_object(), *styles = jv_object(), *roles = jv_object();
    jv_set(root, "pictures", jv_from_integer(pack_count(p)));
    jv_set(root, "size", jv_from_integer(pack_size(p)));
    jv_set(root, "subjects", jv_from_integer(pack_subject_count(p)));
    for (int k = 0; k <= pack_style_count(p); k++) {
        struct jv *row = jv_object();
        for (int s = 0; s < PACK_SPLIT_COUNT; s++)
            jv_set(row, pack_split_names[s], jv_from_integer(counts[k * PACK_SPLIT_COUNT + s]));
        jv_set(styles, k < pack_style_count(p) ? pack_style_name(p, k) : "", row);
    }
    const char *value, *key;
    for (size_t i = 0; (key = pack_metadata_at(p, i, &value)); i++)
        if (has_role(p, key))
            jv_set(roles, key + 5, jv_from_string(value));
    jv_set(root, "styles", styles);
    jv_set(root, "roles", roles);
    char *text = jv_text(root, 2);
    puts(text);
    free(text);
    jv_free(root);
}

static void
print_stats(const struct pack *p, const int *counts)
{
    char text[1024];
    size_t longest = 0, sum = 0;
    for (int i = 0; i < pack_count(p); i++) {
        size_t n = strlen(pack_caption(p, i, text, sizeof text));
        longest = MAX(longest, n);
        sum += n;
    }
    printf("%d pictures of %d x %d, %d subjects, %d styles\n", pack_count(p), pack_size(p),
           pack_size(p), pack_subject_count(p), pack_style_count(p));
    command_say(stdout, "captions: %.1f bytes on average, %zu at most; the first: %s",
           (double)sum / pack_count(p), longest, pack_caption(p, 0, text, sizeof text));
    const char *value, *key;
    for (size_t i = 0; (key = pack_metadata_at(p, i, &value)); i++)
        if (has_role(p, key))
            command_say(stdout, "role %s: made by %s", key + 5, value);
    putchar('\n');
    print_table(p, counts);
}

struct stats_options {
    bool json;
};

static int
run_stats(const struct command_line *line)
{
    const struct stats_options *o = line->values;
    struct err err = {0};
    struct pack *p = pack_open(line->words[0], &err);
    if (!p)
        return command_failed(&err);
    int *counts = count_records(p);
    if (o->json)
        print_json(p, counts);
    else
        print_stats(p, counts);
    free(counts);
    pack_close(p);
    return 0;
}

static const struct option pack_options[] = {
    {OPTION_WHOLE("size", "N", 8, LIMIT_PACK_SIDE, struct pack_options, size, "pixels a side"),
     .fallback = "64"},
    {OPTION_TEXT("roles", "LIST", struct pack_options, roles,
                 "loaders whose view of each picture is packed too: LOADER[:KEY=VALUE[..VALUE]]…,… "
                 "or none"),
     .fallback = DATA_ROLES_DEFAULT},
    {OPTION_SWITCH("names", struct pack_options, names,
                   "name pictures without a caption after their files: fox-face.png is a fox "
                   "face")},
    {OPTION_WHOLE("workers", "N", 1, 64, struct pack_options, workers,
                  "processes; default: one per processor")},
    {0},
};

static const struct argument pack_words[] = {
    {"SOURCE", "a folder of pictures with captions, a WebDataset tar, or the emoji set; several "
               "make one pack",
     COMPLETE_FILE, .many = true},
    {"OUT", "the pack to write: a new name or a regular file, but none of the sources",
     COMPLETE_FILE},
    {0},
};

static const struct option stats_options[] = {
    {OPTION_SWITCH("json", struct stats_options, json, "as JSON on standard output")},
    {0},
};

static const struct argument stats_words[] = {
    {"PACK", "a file that limn data pack made", COMPLETE_FILE},
    {0},
};

static const struct command pack_command = {
    .name = "pack",
    .summary = "make a training pack",
    .about = "Read the emoji set (a folder with catalog.jsonl), a folder of pictures with "
             "NAME.txt or NAME.json beside them, or a WebDataset tar, and write one file "
             "that limn train reads. Subjects and styles that have the same name in several "
             "sources are the same; what one source holds out is held out of all.",
    .options = pack_options,
    .arguments = pack_words,
    .size = sizeof(struct pack_options),
    .run = run_pack,
    .computes = true,
    .away = "all paths are that machine's",
};

static const struct command stats_command = {
    .name = "stats",
    .summary = "describe a pack",
    .options = stats_options,
    .arguments = stats_words,
    .size = sizeof(struct stats_options),
    .run = run_stats,
    .computes = true,
    .away = "the pack is that machine's",
};

const struct command command_data = {
    .name = "data",
    .summary = "make a training pack, or describe one",
    .commands = (const struct command *const[]){&pack_command, &stats_command,
                                                 &command_data_clusters,
                                                 &command_data_examples, NULL},
    .computes = true,
};
