// SPDX-License-Identifier: MIT
#include "engine/train/words.h"

bool
words_build(struct network *n, const struct network_params *p, struct err *err)
{
    const struct unet_config *c = network_unet(p->folder);
    int64_t side = c->thumbnail_size, batch = p->batch;
    *n = (struct network){0};
    if (!side)
        return err_set(err, ERR_INPUT, "%s: the stage 'words' needs text_thumbnail_size in "
                       "unet/config.json", p->folder->path);
    struct graph *g = n->g = graph_create();
    n->nn = (struct nn){.g = g, .params = p->params, .dtype = p->dtype,
                        .checkpoint = p->checkpoint_activations};
    n->target = graph_input(g, "target", SHAPE(batch, side, side, 3), DTYPE_F32);
    n->weight = graph_input(g, "weight", SHAPE(batch, 1, 1, 1), DTYPE_F32);
    n->text = graph_input(g, "text", SHAPE(batch, p->text_tokens), DTYPE_I32);
    network_encode_text(n, p, n->text, &n->prediction);
    nn_segment_end(&n->nn);
    network_add_loss(n, p);
    if (graph_error(g)->code != ERR_NONE)
        return err_set(err, graph_error(g)->code, "%s", graph_error(g)->text);
    return network_add_gradients(g, &n->nn, n->loss, false, err);
}

void
words_thumbnail(const uint8_t *rgb, int from, float *out, int to)
{
    int block = from / to;
    for (int y = 0; y < to; y++)
        for (int x = 0; x < to; x++)
            for (int c = 0; c < 3; c++) {
                int sum = 0;
                for (int i = 0; i < block * block; i++)
                    sum += rgb[3 * ((y * block + i / block) * from + x * block + i % block) + c];
                out[3 * (y * to + x) + c] = (float)(sum / (127.5 * block * block) - 1);
            }
}
