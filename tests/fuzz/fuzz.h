// SPDX-License-Identifier: MIT
// What the fuzz targets share. A target is a file that gives bytes to one of limn's readers as a
// file, a host or a terminal would, through the functions that the program calls. It is linked with
// libFuzzer (tests/fuzz/run) or with driver.c (the build with sanitizers).
#ifndef LIMN_TESTS_FUZZ_FUZZ_H
#define LIMN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

// One input. Returns 0; what is wrong ends the process.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Before the first input; HOME and every XDG folder are a new folder by then. For targets that need
// more; the others leave it out.
void fuzz_begin(void);

// The path of a name in that folder, good for the next three calls; and a file there.
const char *fuzz_path(const char *name);
const char *fuzz_file(const char *name, const void *data, size_t size);

// A descriptor that the bytes can be read from, and then the end. Closed by whoever reads.
int fuzz_pipe(const void *data, size_t size);

// Reads every byte, for the sanitizer to see.
void fuzz_use(const void *data, size_t size);
void fuzz_use_text(const char *text); // NULL is fine

// A reader that failed has said why. `made`: what it returned.
struct err;
void fuzz_said(const void *made, const struct err *err);

#endif
