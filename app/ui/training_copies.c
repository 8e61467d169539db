// SPDX-License-Identifier: MIT
// Logs and sheets of another machine's trainings, copied piece by piece to a folder of this one,
// which is then looked at.
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ui/training.h"
#include "app/worker/client.h"
#include "app/worker/protocol.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { SHEETS_COPIED_MAX = 24 }; // of another machine's training, the newest

// Where the logs of another machine's trainings are copied to.
static char *
copies_folder(const struct ui *ui)
{
    char *host = mem_strdup(ui_host(ui));
    for (char *c = host; *c; c++)
        if (*c == '/')
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

// Whether a run lies where copies of its job do; only there anything is written or removed.
bool
training_is_copy(const struct ui *ui, const struct run *r)
{
    char *folder = training_copy_folder(ui, jv_string(jv_get(r->job, "id"), "")),
         *whole = realpath(folder, NULL);
    bool copy = strcmp(r->folder, whole ? whole : folder) == 0;
    free(whole);
    free(folder);
    return copy;
}

static void
ask_piece(struct ui *ui, struct run *r, const char *name, off_t from)
{
    client_read(ui_client(ui), jv_string(jv_get(r->job, "id"), ""), name, from);
    r->asked = mem_strdup(name);
    r->from = from;
}

// Bytes of a file that are here; 0 when there is none, -1 when it is no file that can be added to.
static off_t
bytes_here(const char *file)
{
    struct stat s = {0};
    return lstat(file, &s) != 0 ? 0 : S_ISREG(s.st_mode) ? s.st_size : -1;
}

void
training_ask_log(struct ui *ui, struct run *r)
{
    char *file = file_join(r->folder, "log.jsonl");
    off_t here = bytes_here(file);
    if (r->copied && r->job && !r->asked && here >= 0 && here < LIMIT_COPIED_LOG_BYTES)
        ask_piece(ui, r, "log.jsonl", here);
    free(file);
}

static bool
is_sheet_name(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, "sheet", 5) == 0 && n > 9 && n < 200 && !strchr(name, '/') &&
           strcmp(name + n - 4, ".png") == 0;
}

// The newest sheet that has not been copied.
static void
ask_sheet(struct ui *ui, struct run *r, const struct jv *names)
{
    size_t n = jv_size(names);
    for (size_t i = n; i > 0 && i + SHEETS_COPIED_MAX > n && !r->asked; i--) {
        const char *name = jv_string(jv_at(names, i - 1), "");
        char *file = file_join(r->folder, name), *part = mem_printf("%s.part", file);
        off_t here = bytes_here(part);
        if (is_sheet_name(name) && !file_exists(file) && here >= 0 &&
            here < LIMIT_COPIED_SHEET_BYTES)
            ask_piece(ui, r, name, here);
        free(part);
        free(file);
    }
}

static bool
make_copy_folder(const struct ui *ui, const char *id)
{
    char *folder = training_copy_folder(ui, id), *cache = xdg_path(XDG_CACHE, "");
    char *made = xdg_make(XDG_CACHE, folder + strlen(cache) + 1, NULL);
    bool ok = made != NULL;
    free(made);
    free(cache);
    free(folder);
    return ok;
}

// Adds a piece behind what is here; false: it does not fit there.
static bool
add_piece(const char *file, off_t from, const struct client_event *e, off_t most)
{
    int fd = file_open_private(file, O_WRONLY | O_CREAT | O_NOFOLLOW, NULL);
    struct stat s = {0};
    size_t size = MIN(e->png_size, (size_t)MAX(most - from, 0));
    bool fits = fd >= 0 && fstat(fd, &s) == 0 && s.st_size == from;
    bool ok = fits && pwrite(fd, e->png, size, from) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return ok;
}

// A sheet that is whole: a PNG, or it is not kept.
static void
keep_sheet(const char *part, const char *file)
{
    size_t size = 0;
    char *data = file_read(part, LIMIT_COPIED_SHEET_BYTES, &size, NULL);
    if (data && protocol_is_png(data, size))
        rename(part, file);
    else
        unlink(part);
    free(data);
}

void
training_take_piece(struct ui *ui, const struct client_event *e)
{
    struct run *r = training_run(ui, e->id);
    const char *name = jv_string(jv_get(e->data, "name"), "");
    off_t from = (off_t)jv_integer(jv_get(e->data, "from"), 0);
    off_t size = (off_t)jv_integer(jv_get(e->data, "size"), 0);
    bool log = strcmp(name, "log.jsonl") == 0;
    // Only what was asked for, of a copy, and where it goes on.
    if (!r || !r->copied || !r->asked || strcmp(r->asked, name) != 0 || r->from != from)
        return;
    free(r->asked);
    r->asked = NULL;
    char *file = file_join(r->folder, name), *part = mem_printf("%s%s", file, log ? "" : ".part");
    off_t most = log ? LIMIT_COPIED_LOG_BYTES : LIMIT_COPIED_SHEET_BYTES;
    bool added = e->png_size && make_copy_folder(ui, e->id) && add_piece(part, from, e, most);
    off_t here = from + (off_t)(added ? e->png_size : 0);
    if (size < from && truncate(part, 0) < 0) {
        // A log that was begun anew; the next question starts from what is there.
    }
    // One that is too large stays a part, so that it is not asked for again.
    if (!log && here >= size && size > 0 && size <= most)
        keep_sheet(part, file);
    free(part);
    free(file);
    if (!r->log.folder)
        trainlog_open(&r->log, r->folder, NULL);
    if (log && added && here < size)
        training_ask_log(ui, r);
    else if (log || added)
        ask_sheet(ui, r, jv_get(e->data, "sheets"));
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

// Copies of the oldest trainings go: they are there still.
void
training_tidy_copies(const struct ui *ui)
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
