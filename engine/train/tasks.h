// SPDX-License-Identifier: MIT
// The mixture of tasks (Instruct-Imagen, Table 1 and A.3.2), which makes examples of multi-modal
// instructions from the pictures of a pack. People write it as YAML; the program passes it as JSON:
//
//   drop_all: 0.1
//   drop_context: 0.1
//   unknown_subject: 0.1
//   style_weights: {game-icons: 0.5}
//   mixture:
//     - name: edge
//       ratio: 0.1
//       compound: false
//       references: [{slot: edge, picture: role.edge, texts: [edge map, "outline of {subject}"]}]
//       texts: ["Draw {subject} along {edge}", …]
//
// A reference's picture is "role.NAME" (the target, processed by that loader), "subject" (the
// target's subject in another style), "style" (another subject in the target's style) or
// "neighbour" (another picture of a cluster that the target is in: retrieval-augmented training,
// paper, section 3.2; all neighbours of an example come from the same cluster). In texts, {subject}
// is the caption, {last word} its last word, {keyword} one of the record's keywords, {style} the
// name of the style in plain words, {style name} as the pack spells it; {a subject} and so on are
// the same with "a" or "an" in front. {SLOT} is the reference, its marker and its own text, as in
// "[ref#1] edge map"; {SLOT.marker} is the marker alone. Marker numbers are drawn at random and
// references come in random order.
//
// style_weights: how often pictures of a style are targets, relative to 1 for styles not named.
// With probability unknown_subject an example with references calls its subject by an invented
// word, so that only the references show what it looks like. compound: the task combines several
// things that each have a task of their own; leave these out to measure a model on what it was
// never taught (recipe.h: zero_shot).
//
// With probability drop_all an example loses text and context, with drop_context only the context
// (paper, section 3.2). An example depends on (seed, index, references) alone. Any thread.
#ifndef LIMN_ENGINE_TRAIN_TASKS_H
#define LIMN_ENGINE_TRAIN_TASKS_H

#include "engine/base/jv.h"
#include "engine/train/pack.h"

enum { EXAMPLE_REFERENCE_MAX = 3, EXAMPLE_TEXT_MAX = 1024 };

struct example {
    char text[EXAMPLE_TEXT_MAX]; // "" when dropped
    int ref_count;
    struct {
        int marker;
        char text[EXAMPLE_TEXT_MAX]; // "[ref#1] edge map"
        const uint8_t *image;        // S*S*3, in the pack
        int record;                  // whose picture it is
    } refs[EXAMPLE_REFERENCE_MAX];
    const uint8_t *target; // S*S*3, in the pack
    const uint8_t *alpha;  // S*S, in the pack; NULL: it has none
    char unknown[16];      // the invented word for its subject; "": the real one
    int task, record, cluster; // cluster: of its neighbours; -1: it has none
    bool text_dropped, context_dropped;
};

struct tasks;

// Keeps `pack`, copies what it needs of the description. zero_shot: compound tasks are never drawn,
// but can be measured. NULL: the error names task and key.
struct tasks *tasks_create(const struct pack *pack, const struct jv *description, bool zero_shot,
                           struct err *err);
void tasks_destroy(struct tasks *t); // NULL is fine
int tasks_count(const struct tasks *t);
const char *tasks_name(const struct tasks *t, int task);

// Call it before training: whether the pack has an example for each number of references that the
// mixture asks for. ERR_INPUT names the tasks that have none.
bool tasks_check(const struct tasks *t, struct err *err);
// Probability that an example of the mixture has this many references after dropping.
double tasks_share(const struct tasks *t, int references);

// Example `index` among those with `references` references. Fails only if no picture of the pack
// fits (for instance, no subject has two styles).
bool tasks_draw(const struct tasks *t, uint64_t seed, uint64_t index, int references,
                struct example *e, struct err *err);

// Examples for measuring: targets from the held-out splits, the tasks with this many references in
// turn, nothing dropped. i in [0, tasks_heldout_count()). Tasks with neighbours have none, because
// clusters hold only training records.
int tasks_heldout_count(const struct tasks *t, int references);
bool tasks_heldout(const struct tasks *t, int references, int i, struct example *e,
                   struct err *err);
// The same for one task and split; with e NULL, returns how many there are.
int tasks_heldout_of(const struct tasks *t, int task, enum pack_split split, int i,
                     struct example *e);

#endif
