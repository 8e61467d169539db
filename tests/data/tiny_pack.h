// SPDX-License-Identifier: MIT
// A tiny pack for tests: 4 subjects x 3 styles of 4 x 4 pictures. Every byte of picture (record r)
// is r, of role edge 100 + r, of role mask 200 + r, of alpha 50 + r. Subject 3 is held out, (2,
// style 1) is a held-out pair, style 2 is a held-out style. Two clusters: records 0 1 3 and 4 6 0.
#ifndef LIMN_TESTS_DATA_TINY_PACK_H
#define LIMN_TESTS_DATA_TINY_PACK_H

#include "engine/base/err.h"
#include "engine/tensor/safetensors.h"

enum { TINY_SUBJECTS = 4, TINY_STYLES = 3, TINY_COUNT = 12, TINY_SIDE = 4, TINY_TENSORS = 12 };
enum { TINY_CLUSTERS = 2, TINY_CLUSTER = 3 };

// What the pack is made of; change it, then write it.
struct tiny_pack {
    uint8_t images[TINY_COUNT][48], edge[TINY_COUNT][48], mask[TINY_COUNT][48],
        alpha[TINY_COUNT][16], split[TINY_COUNT];
    int32_t subject[TINY_COUNT], style[TINY_COUNT];
    int32_t clusters[TINY_CLUSTERS][TINY_CLUSTER];
    char caption[256], keywords[256];
    int64_t caption_ends[TINY_COUNT], keywords_ends[TINY_COUNT];
    struct tensor_view tensors[TINY_TENSORS];
    const char *metadata[7];
};

static const char *const tiny_names[TINY_SUBJECTS] = {"fox", "red apple",
                                                      "pi\xc3\xb1"
                                                      "ata",
                                                      "moon"};
static const char *const tiny_keywords[TINY_SUBJECTS] = {"animal,forest", "fruit", "", "night,sky"};

static void
tiny_fill(struct tiny_pack *p)
{
    *p = (struct tiny_pack){.metadata = {"format", "limn pack 1", "styles",
                                         "[\"flat\",\"line-art\",\"share\"]", "role.edge", "edge"}};
    size_t captions = 0, keywords = 0;
    for (int r = 0; r < TINY_COUNT; r++) {
        memset(p->images[r], r, sizeof p->images[r]);
        memset(p->edge[r], 100 + r, sizeof p->edge[r]);
        memset(p->mask[r], 200 + r, sizeof p->mask[r]);
        memset(p->alpha[r], 50 + r, sizeof p->alpha[r]);
        int subject = p->subject[r] = r / TINY_STYLES, style = p->style[r] = r % TINY_STYLES;
        p->split[r] = style == 2 ? 3 : subject == 3 ? 1 : subject == 2 && style == 1 ? 2 : 0;
        strcpy(p->caption + captions, tiny_names[subject]);
        captions += strlen(tiny_names[subject]);
        p->caption_ends[r] = (int64_t)captions;
        strcpy(p->keywords + keywords, tiny_keywords[subject]);
        keywords += strlen(tiny_keywords[subject]);
        p->keywords_ends[r] = (int64_t)keywords;
    }
    memcpy(p->clusters, (int32_t[TINY_CLUSTERS][TINY_CLUSTER]){{0, 1, 3}, {4, 6, 0}},
           sizeof p->clusters);
    const struct tensor_view tensors[TINY_TENSORS] = {
        {"text.caption.ends", DTYPE_I64, SHAPE(TINY_COUNT), p->caption_ends, 0},
        {"text.keywords.ends", DTYPE_I64, SHAPE(TINY_COUNT), p->keywords_ends, 0},
        {"subject", DTYPE_I32, SHAPE(TINY_COUNT), p->subject, 0},
        {"style", DTYPE_I32, SHAPE(TINY_COUNT), p->style, 0},
        {"split", DTYPE_U8, SHAPE(TINY_COUNT), p->split, 0},
        {"text.caption", DTYPE_U8, SHAPE((int64_t)captions), p->caption, 0},
        {"text.keywords", DTYPE_U8, SHAPE((int64_t)keywords), p->keywords, 0},
        {"images", DTYPE_U8, SHAPE(TINY_COUNT, TINY_SIDE, TINY_SIDE, 3), p->images, 0},
        {"role.edge", DTYPE_U8, SHAPE(TINY_COUNT, TINY_SIDE, TINY_SIDE, 3), p->edge, 0},
        {"role.mask", DTYPE_U8, SHAPE(TINY_COUNT, TINY_SIDE, TINY_SIDE, 3), p->mask, 0},
        {"alpha", DTYPE_U8, SHAPE(TINY_COUNT, TINY_SIDE, TINY_SIDE), p->alpha, 0},
        {"clusters", DTYPE_I32, SHAPE(TINY_CLUSTERS, TINY_CLUSTER), p->clusters, 0},
    };
    memcpy(p->tensors, tensors, sizeof tensors);
}

static bool
tiny_write(const struct tiny_pack *p, const char *path)
{
    return safetensors_write(path, p->tensors, TINY_TENSORS, p->metadata, NULL);
}

#endif
