// SPDX-License-Identifier: MIT
// A cache of picture files for the screen: decoded and reduced on a thread of its own, so that keys
// never wait for a disk or a decoder.
#ifndef LIMN_APP_UI_PICTURES_H
#define LIMN_APP_UI_PICTURES_H

#include "renderer/image/image.h"

struct pictures;

enum { PICTURES_KEPT = 400, PICTURES_BYTES_MAX = 96 << 20 };

struct pictures *pictures_open(struct err *err); // NULL: no thread
void pictures_close(struct pictures *p); // waits for the decoder; NULL is fine
int
pictures_fd(const struct pictures *p); // when it is readable, call pictures_ready()
void pictures_ready(struct pictures *p);

// The picture, its longer side at most `side` pixels; borrowed until the next call. NULL: not
// decoded yet, or it failed: then *failed (failed may be NULL) is the reason, which stays until the
// file changes.
struct image *pictures_get(struct pictures *p, const char *file, int side, const char **failed);
// Drops queued pictures that were not asked for since the last call; call it once per screen.
void pictures_turn(struct pictures *p);
bool pictures_busy(struct pictures *p); // something is queued or being decoded

#endif
