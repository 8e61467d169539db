// SPDX-License-Identifier: MIT
// Picture files for the screen: decoded and reduced on a thread of their own, so that keys never
// wait for a disk or a decoder, and kept while there is room.
#ifndef LIMN_APP_UI_PICTURES_H
#define LIMN_APP_UI_PICTURES_H

#include "renderer/image/image.h"

struct pictures;

enum { PICTURES_KEPT = 400, PICTURES_BYTES_MAX = 96 << 20 };

struct pictures *pictures_open(struct err *err); // NULL: no thread
void pictures_close(struct pictures *p); // NULL is fine
int
pictures_fd(const struct pictures *p); // readable when something is ready: then pictures_ready()
void pictures_ready(struct pictures *p);

// The picture, its longer side at most `side` pixels; borrowed until the next call. NULL: not yet,
// or *failed (may be NULL) has the reason, which stays until the file changes.
struct image *pictures_get(struct pictures *p, const char *file, int side, const char **failed);
// Drops waiting pictures that were not asked for since the last call; call it once per screen.
void pictures_turn(struct pictures *p);
bool pictures_busy(struct pictures *p); // something is waiting, or being decoded

#endif
