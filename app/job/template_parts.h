// SPDX-License-Identifier: MIT
// What template.c and template_read.c share. Private to app/job.
#ifndef LIMN_APP_JOB_TEMPLATE_PARTS_H
#define LIMN_APP_JOB_TEMPLATE_PARTS_H

#include "app/job/template.h"

bool template_check_value(const struct template_variable *v, const char *value, char *why,
                          size_t size);
bool template_next_variable(const char *text, size_t from, size_t *at, size_t *length,
                            char name[32], char *fault, size_t fault_size);
const struct template_variable *template_find_variable(const struct template *t, const char *name);
bool template_error_at(const struct template *t, int line, int column, struct err *err,
                       const char *text);

bool template_name_check(const char *name, struct err *err); // ERR_INPUT: not a valid template name
bool template_reads_back(const char *path, struct err *err); // as a job, with its defaults

#endif
