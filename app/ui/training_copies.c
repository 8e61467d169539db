// SPDX-License-Identifier: MIT
// Copies logs and sheets of another machine's training runs, piece by piece, to a folder of this
// machine, from which they are shown.
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ui/background.h"
#include "app/ui/training.h"
#include "app/ui/ui.h"
#include "app/worker/client.h"
#include "app/worker/protocol.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { SHEETS_COPIED_MAX = 24 }; // per run, the newest

// The folder for copies from this host.
static char *
copies_folder(const struct ui *ui)
{
    char *host = mem_strdup(ui_host(ui));
    for (char *c = host; *c; c++)
        if (*c == '/' || (*c == '.' && c == host)) // no other folder, and none that is hidden
            *c = '_';
    char *name = mem_printf("trainings/%s", host), *folder = xdg_path(XDG_CACHE, name);
    free(name);
    free(host);
    return folder;
}

char *
training_copy_folder(const struct ui *ui, const char *id)
{
    char *all = copies_folder(ui), *folder = file_join(all, id);
    free(all);
    return folder;
}

bool
training_is_copy(const struct ui *ui, const struct run *r)
{
    char *folder = training_copy_folder(ui, jv_string(jv_get(r->job, "id"), "")),
         *real = realpath(folder, NULL);
    bool copy = strcmp(r->folder, real ? real : folder) == 0;
    free(real);
    free(folder);
    return copy;
}

static void
request_piece(struct ui *ui, struct run *r, const char *name, off_t from)
{
    client_read(ui_client(ui), jv_string(jv_get(r->job, "id"), ""), name, from);
    r->requested = mem_strdup(name);
    r->from = from;
}

// The size of a file here; 0: there is none; -1: it is not a regular file.
static off_t
local_size(const char *file)
{
    struct stat s = {0};
    return lstat(file, &s) != 0 ? 0 : S_ISREG(s.st_mode) ? s.st_size : -1;
}

void
training_request_log(struct ui *ui, struct run *r)
{
    char *file = file_join(r->folder, "log.jsonl");
    off_t here = local_size(file);
    if (r->copied && r->job && !r->requested && here >= 0 && here < LIMIT_COPIED_LOG_BYTES)
        request_piece(ui, r, "log.jsonl", here);
    free(file);
}

static bool
is_sheet_name(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, "sheet", 5) == 0 && n > 9 && n < 200 && !strchr(name, '/') &&
           strcmp(name + n - 4, ".png") == 0;
}

// Asks for the newest sheet that has not been copied.
static void
request_sheet(struct ui *ui, struct run *r, const struct jv *names)
{
    size_t n = jv_size(names);
    for (size_t i = n; i > 0 && i + SHEETS_COPIED_MAX > n && !r->requested; i--) {
        const char *name = jv_string(jv_at(names, i - 1), "");
        char *file = file_join(r->folder, name), *part = mem_printf("%s.part", file);
        off_t here = local_size(part);
        if (is_sheet_name(name) && !file_exists(file) && here >= 0 &&
            here < LIMIT_COPIED_SHEET_BYTES)
            request_piece(ui, r, name, here);
        free(part);
        free(file);
    }
}

// --- writing a piece, in the background: the disk may be slow, and sheets are checked

struct piece {
    struct work work;
    char *id, *name; // of the job, of the file
    char *file, *part; // its destination, and where it is written; the same for a log
    bool log, added;
    off_t from, size; // size: of the whole file, as the worker has it
    uint8_t *bytes;
    size_t count;
    struct jv *sheets;
};

static bool
make_folder_of(const char *file)
{
    char *cache = xdg_path(XDG_CACHE, "");
    char *folder = mem_strndup(file, (size_t)(strrchr(file, '/') - file));
    char *made = xdg_make(XDG_CACHE, folder + strlen(cache) + 1, NULL);
    bool ok = made != NULL;
    free(made);
    free(folder);
    free(cache);
    return ok;
}

static off_t
size_limit(const struct piece *p)
{
    return p->log ? LIMIT_COPIED_LOG_BYTES : LIMIT_COPIED_SHEET_BYTES;
}

// Appends the piece; false: the file does not end where it starts, or it cannot be written.
static bool
add_piece(const struct piece *p)
{
    int fd = file_open_private(p->part, O_WRONLY | O_CREAT | O_NOFOLLOW, NULL);
    struct stat s = {0};
    size_t size = MIN(p->count, (size_t)MAX(size_limit(p) - p->from, 0));
    bool fits = fd >= 0 && fstat(fd, &s) == 0 && s.st_size == p->from;
    bool ok = fits && pwrite(fd, p->bytes, size, p->from) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return ok;
}

// Keeps a complete sheet if it is a PNG.
static void
accept_sheet(const char *part, const char *file)
{
    size_t size = 0;
    char *data = file_read(part, LIMIT_COPIED_SHEET_BYTES, &size, NULL);
    if (data && protocol_is_png(data, size))
        rename(part, file);
    else
        unlink(part);
    free(data);
}

static void
write_piece(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct piece *p = (struct piece *)w;
    (void)library, (void)stopping;
    p->added = p->count && make_folder_of(p->file) && add_piece(p);
    if (p->size < p->from && truncate(p->part, 0) < 0) {
        // The log was started over, and the copy could not be emptied.
    }
    // A sheet that is too large stays a partial file, so that it is not requested again.
    off_t here = p->from + (off_t)(p->added ? p->count : 0);
    if (!p->log && here >= p->size && p->size > 0 && p->size <= size_limit(p))
        accept_sheet(p->part, p->file);
}

static void
piece_written(struct ui *ui, struct work *w)
{
    const struct piece *p = (const struct piece *)w;
    struct run *r = training_run(ui, p->id);
    if (!r || !r->requested || strcmp(r->requested, p->name) != 0)
        return;
    free(r->requested);
    r->requested = NULL;
    if (!r->log.folder)
        trainlog_open(&r->log, r->folder, NULL);
    if (p->log && p->added && p->from + (off_t)p->count < p->size)
        training_request_log(ui, r);
    else if (p->log || p->added)
        request_sheet(ui, r, p->sheets);
}

static void
release_piece(struct work *w)
{
    struct piece *p = (struct piece *)w;
    free(p->id);
    free(p->name);
    free(p->file);
    free(p->part);
    free(p->bytes);
    jv_free(p->sheets);
    free(p);
}

void
training_on_piece(struct ui *ui, const struct client_event *e)
{
    struct run *r = training_run(ui, e->id);
    const char *name = jv_string(jv_get(e->data, "name"), "");
    off_t from = (off_t)jv_integer(jv_get(e->data, "from"), 0);
    // Only the requested piece, and only for a copy.
    if (!r || !r->copied || !r->requested || strcmp(r->requested, name) != 0 || r->from != from)
        return;
    struct piece *p = mem_zalloc(sizeof *p);
    p->work = (struct work){.run = write_piece, .done = piece_written, .release = release_piece};
    p->work.bytes = e->png_size;
    p->id = mem_strdup(e->id);
    p->name = mem_strdup(name);
    p->log = strcmp(name, "log.jsonl") == 0;
    p->file = file_join(r->folder, name);
    p->part = mem_printf("%s%s", p->file, p->log ? "" : ".part");
    p->from = from;
    p->size = (off_t)jv_integer(jv_get(e->data, "size"), 0);
    p->bytes = mem_try_calloc(MAX(e->png_size, 1), 1, "a piece of a training's log", NULL);
    p->count = p->bytes ? e->png_size : 0;
    if (p->count)
        memcpy(p->bytes, e->png, p->count);
    p->sheets = jv_copy(jv_get(e->data, "sheets"));
    r->from = -1; // accept no other piece meanwhile
    background_put(ui_arrivals(ui), &p->work);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); // ids begin with the date
}

static int
is_copied_run(const struct dirent *e)
{
    return job_is_id(e->d_name);
}

void
training_remove_copy(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *file = file_join(folder, e->d_name);
        if (strcmp(e->d_name, "log.jsonl") == 0 || strncmp(e->d_name, "sheet", 5) == 0)
            unlink(file);
        free(file);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

void
training_sweep_copies(const struct ui *ui)
{
    struct dirent **entries = NULL;
    char *all = copies_folder(ui);
    int n = scandir(all, &entries, is_copied_run, by_name);
    for (int i = 0; i < n; i++) {
        char *folder = file_join(all, entries[i]->d_name);
        if (i < n - LIMIT_COPIED_RUNS)
            training_remove_copy(folder);
        free(folder);
        free(entries[i]);
    }
    free(entries);
    free(all);
}
