// SPDX-License-Identifier: MIT
// limn data: makes training packs and says what is in one.
#include <inttypes.h>
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

static void
usage(FILE *out)
{
    fputs(
        "usage: limn data pack SOURCE OUT [--size N] [--roles LIST] [--workers N]\n"
        "       limn data stats PACK [--json]\n"
        "\n"
        "pack   reads the emoji set (a folder with catalog.jsonl), a folder of pictures with\n"
        "       NAME.txt or NAME.json beside them, or a WebDataset tar, and writes one file that\n"
        "       limn train reads\n"
        "  --size N      pixels a side, 8 to 1024 (64)\n"
        "  --roles LIST  loaders whose view of each picture is packed too, with settings:\n"
        "                LOADER[:KEY=VALUE[..VALUE]]…,… or none\n"
        "                (" DATA_ROLES_DEFAULT ")\n"
        "  --workers N   processes (one a processor)\n"
        "stats  says what is in a pack\n",
        out);
}

static int
bad_usage(const char *what, const char *value)
{
    fprintf(stderr, "limn: data: %s '%s' (see: limn data --help)\n", what, value);
    return 2;
}

// A whole number in [low, high].
static bool
read_int(const char *text, int low, int high, int *value)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < low || v > high)
        return false;
    *value = (int)v;
    return true;
}

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

static int
pack(int argc, char **argv)
{
    struct meter meter = {.terminal = command_terminal(STDERR_FILENO), .start = clock_seconds()};
    struct data_pack_params p = {.progress = show_progress, .ctx = &meter,
                                 .cancel = &command_interrupted};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool option = strncmp(a, "--", 2) == 0;
        if (option && strcmp(a, "--size") && strcmp(a, "--roles") && strcmp(a, "--workers"))
            return bad_usage("unknown option", a);
        if (option && !value)
            return bad_usage("no value for", a);
        if (strcmp(a, "--size") == 0 && !read_int(value, 8, LIMIT_PACK_SIDE, &p.size))
            return bad_usage("--size must lie in 8..1024, not", value);
        if (strcmp(a, "--workers") == 0 && !read_int(value, 1, 64, &p.workers))
            return bad_usage("--workers must lie in 1..64, not", value);
        if (strcmp(a, "--roles") == 0)
            p.roles = strcmp(value, "none") == 0 ? "" : value;
        if (option)
            i++;
        else if (!p.source)
            p.source = a;
        else if (!p.out)
            p.out = a;
        else
            return bad_usage("one argument too many:", a);
    }
    if (!p.source || !p.out)
        return bad_usage("missing", p.source ? "OUT" : "SOURCE");
    struct err err = {0};
    struct data_pack_report report;
    if (!data_pack_make(&p, &report, &err)) {
        if (meter.terminal && meter.shown > 0)
            fputc('\n', stderr);
        return command_failed(&err);
    }
    if (report.unreadable)
        fprintf(stderr, "limn: %zu pictures left out, the first: %s\n", report.unreadable,
                report.first_unreadable.text);
    if (report.without_caption)
        fprintf(stderr, "limn: %zu pictures without a caption left out\n", report.without_caption);
    printf("%s: %zu pictures\n", p.out, report.pictures);
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
    printf("captions: %.1f bytes on average, %zu at most; the first: %s\n",
           (double)sum / pack_count(p), longest, pack_caption(p, 0, text, sizeof text));
    const char *value, *key;
    for (size_t i = 0; (key = pack_metadata_at(p, i, &value)); i++)
        if (has_role(p, key))
            printf("role %s: made by %s\n", key + 5, value);
    putchar('\n');
    print_table(p, counts);
}

static int
stats(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-')
            return bad_usage("unknown option", argv[i]);
        else if (path)
            return bad_usage("one argument too many:", argv[i]);
        else
            path = argv[i];
    }
    if (!path)
        return bad_usage("missing", "PACK");
    struct err err = {0};
    struct pack *p = pack_open(path, &err);
    if (!p)
        return command_failed(&err);
    int *counts = count_records(p);
    if (json)
        print_json(p, counts);
    else
        print_stats(p, counts);
    free(counts);
    pack_close(p);
    return 0;
}

int
cmd_data(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            usage(stdout);
            return 0;
        }
    if (strcmp(what, "pack") == 0)
        return pack(argc - 1, argv + 1);
    if (strcmp(what, "stats") == 0)
        return stats(argc - 1, argv + 1);
    if (!*what) {
        usage(stderr);
        return 2;
    }
    return bad_usage("there is no", what);
}
