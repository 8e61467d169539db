// SPDX-License-Identifier: MIT
// Ports: the named inputs and outputs of a stage's graph. The code that runs stages connects each
// output to the inputs of the same name (engine/draw/stage.h), so a family wires its stages by
// names alone.
#ifndef LIMN_ENGINE_FAMILIES_PORT_H
#define LIMN_ENGINE_FAMILIES_PORT_H

#include "engine/nn/nn.h"

struct ports {
    struct node **inputs, **outputs;
    int input_count, input_capacity, output_count, output_capacity;
};

struct node *port_input(struct ports *p, struct nn *nn, const char *name, struct shape shape,
                        enum dtype dtype);
void port_output(struct ports *p, struct nn *nn, const char *name, struct node *node);
// Adds a node that has its name already and, if it is an output, is marked as one.
void port_adopt_input(struct ports *p, struct node *node);
void port_adopt_output(struct ports *p, struct node *node);
void ports_finish(struct ports *p);

struct node *ports_find_input(const struct ports *p, const char *name); // NULL: none
struct node *ports_find_output(const struct ports *p, const char *name);

#endif
