// SPDX-License-Identifier: MIT
// Every limit that limn sets to what comes from outside, in one place: a file, a host, a terminal, the
// environment. Each is tested at its edge; docs/security.md says what happens beyond it.
// A name says what is limited and in which unit.
#ifndef LIMN_ENGINE_BASE_LIMITS_H
#define LIMN_ENGINE_BASE_LIMITS_H

// What people write: templates, recipes, lists of words.
enum {
    LIMIT_YAML_BYTES = 1 << 20,  // of a YAML file
    LIMIT_YAML_DEPTH = 32,       // maps and lists in one another
    LIMIT_YAML_VALUES = 100000,  // in one file, keys too
    LIMIT_LIST_BYTES = 1 << 20,  // of a file of choices or of a sweep's values
    LIMIT_LIST_LINES = 65536,    // choices of a variable, values of a sweep
    LIMIT_FILLED_BYTES = 4096,   // of a text of a template once its {{variables}} are filled in
    LIMIT_LINKS = 40,            // symbolic links on the way to a file that another file names
};

#endif
