// SPDX-License-Identifier: MIT
// limn data clusters: pictures that are alike, for retrieval-augmented training.
#include <stdio.h>
#include <stdlib.h>

#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/cli/meter.h"
#include "app/index/cluster_make.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"

struct clusters_options {
    const char *model, *device;
    int nearest, keep;
    double duplicate;
    bool json;
};

static void
print_json(const char *out, const struct cluster_make_report *r)
{
    struct jv *j = jv_object();
    jv_set(j, "file", jv_from_string(out));
    jv_set(j, "pictures", jv_from_integer((int64_t)r->pictures));
    jv_set(j, "clusters", jv_from_integer((int64_t)r->clusters));
    jv_set(j, "clustered", jv_from_integer((int64_t)r->clustered));
    jv_set(j, "same_subject", jv_from_number(r->same_subject));
    jv_set(j, "same_style", jv_from_number(r->same_style));
    char *text = jv_text(j, 2);
    puts(text);
    free(text);
    jv_free(j);
}

static int
run_clusters(const struct command_line *line)
{
    const struct clusters_options *o = line->values;
    struct meter meter = meter_open();
    struct err err = {0};
    struct cluster_make_report r;
    char *model = places_model(o->model, &err);
    const struct cluster_make m = {.pack = line->words[0], .out = line->words[1], .model = model,
                                   .device = o->device, .nearest = o->nearest, .keep = o->keep,
                                   .duplicate = o->duplicate, .progress = meter_show,
                                   .ctx = &meter, .cancel = &command_interrupted};
    bool ok = model && cluster_make(&m, &r, &err);
    free(model);
    if (!ok)
        return command_failed(&err);
    if (o->json)
        print_json(m.out, &r);
    else
        command_say(stdout,
                    "%s: %zu clusters of %d among %zu pictures for training, %zu of which are in "
                    "one; of the neighbours %.0f %% show the same subject, %.0f %% are of the same "
                    "style", m.out, r.clusters, o->keep, r.pictures, r.clustered,
                    100 * r.same_subject, 100 * r.same_style);
    return 0;
}

static const struct option clusters_options[] = {
    {OPTION_TEXT("model", "FOLDER", struct clusters_options, model,
                 "whose features the pictures are compared by: a name from limn models, or a "
                 "folder"),
     .complete = COMPLETE_MODEL},
    {OPTION_TEXT("device", "NAME", struct clusters_options, device, "device to compute on"),
     .fallback = "auto", .complete = COMPLETE_DEVICE},
    {OPTION_WHOLE("nearest", "N", 2, 1000, struct clusters_options, nearest,
                  "how many of the nearest pictures to consider for each, itself included"),
     .fallback = "10"},
    {OPTION_WHOLE("keep", "N", 2, LIMIT_CLUSTER_PICTURES, struct clusters_options, keep,
                  "pictures in a cluster; smaller clusters are dropped"),
     .fallback = "5"},
    {OPTION_REAL("duplicate", "X", 0, 2, struct clusters_options, duplicate,
                 "pictures at most this far apart (1 - cosine) count as one"),
     .fallback = "0.02"},
    {OPTION_SWITCH("json", struct clusters_options, json, "a report as JSON")},
    {0},
};

static const struct argument clusters_words[] = {
    {"PACK", "a file that limn data pack made", COMPLETE_FILE},
    {"OUT", "the pack to write, with clusters: a new name or another file", COMPLETE_FILE},
    {0},
};

const struct command command_data_clusters = {
    .name = "clusters",
    .summary = "add clusters of pictures that are alike to a pack",
    .about = "Copy a pack and add clusters: for each training picture, the pictures that a model "
             "finds most like it, duplicates left out. From them, tasks whose references are "
             "neighbours (recipes/retrieval.yaml) learn to draw a picture with similar ones as "
             "references.",
    .options = clusters_options,
    .arguments = clusters_words,
    .size = sizeof(struct clusters_options),
    .run = run_clusters,
    .computes = true,
    .away = "pack and model are that machine's",
};
