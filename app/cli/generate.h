// SPDX-License-Identifier: MIT
// The arguments of limn generate and limn instruct, and how they become a template or a job
// (generate_source.c). Drawing and the commands' tables are in cmd_generate.c. Private to app/cli.
// Errors are ERR_INPUT, or of the file that is read.
#ifndef LIMN_APP_CLI_GENERATE_H
#define LIMN_APP_CLI_GENERATE_H

#include "app/base/value.h"
#include "app/cli/draw.h"
#include "app/job/job.h"
#include "app/job/template.h"

struct generate {
    const char *source; // template, PNG or instruction
    struct value_list sets, refs, ref_texts, away, sweeps;
    const char *start, *mask;
    int samples;
    bool no_sweep;
    struct job given; // parameters; its texts are words of the command line
    struct draw_params draw;
};

// The template, with the values (--set) and pictures (--ref) of the command line. Call
// template_finish() in any case.
bool generate_template(const struct generate *g, struct template *t, struct err *err);
// The instruction on the command line, with its references.
bool generate_instruction(const struct generate *g, struct job *j, struct err *err);
// The instruction inside a PNG that limn drew; --ref replaces its reference pictures.
bool generate_picture(const struct generate *g, struct job *j, struct err *err);
// Options that apply to all of these: --ref-text; --start, --mask and --negative-ref.
bool generate_ref_texts(const struct generate *g, struct job *j, struct err *err);
bool generate_extra_pictures(const struct generate *g, struct job *j, struct err *err);

#endif
