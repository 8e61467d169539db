// SPDX-License-Identifier: MIT
#include "app/data/tar.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { BLOCK = 512 };

// Offsets of the fields of a header that matter here.
enum { AT_SIZE = 124, AT_CHECKSUM = 148, AT_TYPE = 156, AT_MAGIC = 257, AT_PREFIX = 345 };

// Octal digits, or big-endian binary when the first bit is set (GNU, for large files).
static bool
read_number(const unsigned char *field, size_t n, uint64_t *value)
{
    *value = 0;
    if (field[0] & 0x80) {
        for (size_t i = 0; i < n; i++) {
            if (*value >> 55)
                return false;
            *value = *value << 8 | (i ? field[i] : field[i] & 0x7Fu);
        }
        return true;
    }
    size_t i = 0;
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    return i == n || field[i] == 0 || field[i] == ' ';
}

static bool
checksum_fits(const unsigned char *header)
{
    uint64_t sum = 0, stated;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + 8 ? ' ' : header[i];
    return read_number(header + AT_CHECKSUM, 8, &stated) && stated == sum;
}

// The path of a pax header's records "LENGTH path=VALUE\n"; NULL: none.
static char *
pax_path(const unsigned char *data, size_t size)
{
    size_t at = 0;
    char *path = NULL;
    while (at < size) {
        size_t length = 0, i = at;
        while (i < size && data[i] >= '0' && data[i] <= '9' && length <= size)
            length = 10 * length + (size_t)(data[i++] - '0');
        if (length == 0 || length > size - at || i >= at + length || data[i] != ' ')
            break;
        const char *record = (const char *)data + i + 1;
        size_t n = at + length - i - 1;
        if (n > 6 && memcmp(record, "path=", 5) == 0) {
            free(path);
            path = mem_strndup(record + 5, MIN(n - 6, (size_t)LIMIT_TAR_NAME_BYTES));
        }
        at += length;
    }
    return path;
}

static char *
header_name(const unsigned char *h)
{
    const char *name = (const char *)h, *prefix = (const char *)h + AT_PREFIX;
    bool ustar = memcmp(h + AT_MAGIC, "ustar", 5) == 0 && h[AT_MAGIC + 5] == 0;
    if (ustar && *prefix)
        return mem_printf("%.155s/%.100s", prefix, name);
    return mem_strndup(name, 100);
}

// What the file is packed with, by its first bytes, and what unpacks it; NULL: nothing known.
static const char *
unpacker(const struct file_map *map)
{
    static const struct {
        const char *magic;
        size_t size;
        const char *command;
    } kinds[] = {{"\x1F\x8B", 2, "gunzip"},
                 {"BZh", 3, "bunzip2"},
                 {"\xFD" "7zXZ\0", 6, "unxz"},
                 {"\x28\xB5\x2F\xFD", 4, "unzstd"},
                 {"PK\3\4", 4, "unzip"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (map->size >= kinds[i].size && memcmp(map->data, kinds[i].magic, kinds[i].size) == 0)
            return kinds[i].command;
    return NULL;
}

static bool
is_file(const unsigned char *h)
{
    return h[AT_TYPE] == '0' || h[AT_TYPE] == 0 || h[AT_TYPE] == '7';
}

// After the entries: the archive is whole, or it is said what is wrong with it. `end`: its two
// blocks of zeros, or some of them, were there.
static bool
check_end(const struct file_map *map, size_t at, bool end, const char *path, struct err *err)
{
    if (map->size < BLOCK)
        return err_set(err, ERR_INPUT, "%s: too short for a tar archive", path);
    if (!end && at < map->size)
        return err_set(err, ERR_INPUT, "%s: the archive ends inside a header, at byte %zu", path,
                       map->size);
    return true;
}

bool
data_tar_open(struct data_tar *tar, const char *path, size_t most, struct err *err)
{
    *tar = (struct data_tar){0};
    char *long_name = NULL;
    bool ok = file_map(&tar->map, path, err);
    size_t at = 0;
    bool end = false;
    const char *command = ok ? unpacker(&tar->map) : NULL;
    if (command)
        ok = err_set(err, ERR_INPUT, "%s: this archive is compressed: unpack it first with %s",
                     path, command);
    static const unsigned char zeros[BLOCK];
    while (ok && at + BLOCK <= tar->map.size) {
        const unsigned char *h = tar->map.data + at;
        uint64_t size = 0;
        end = memcmp(h, zeros, BLOCK) == 0;
        if (end)
            break;
        at += BLOCK;
        if (!checksum_fits(h) || !read_number(h + AT_SIZE, 12, &size)) {
            ok = err_set(err, ERR_INPUT, "%s: not a tar archive, or damaged at byte %zu", path,
                         at - BLOCK);
        } else if (size > tar->map.size - at) {
            ok = err_set(err, ERR_INPUT, "%s: the archive ends inside an entry", path);
        } else if (is_file(h) && tar->count == most) {
            ok = err_set(err, ERR_INPUT, "%s: more than %zu files in it", path, most);
        } else if (h[AT_TYPE] == 'L' || h[AT_TYPE] == 'x') {
            free(long_name);
            long_name = h[AT_TYPE] == 'x'
                            ? pax_path(tar->map.data + at, (size_t)size)
                            : mem_strndup((const char *)tar->map.data + at,
                                          MIN((size_t)size, (size_t)LIMIT_TAR_NAME_BYTES));
        } else if (h[AT_TYPE] != 'K' && h[AT_TYPE] != 'g') { // a long link's, or of all entries
            char *name = long_name ? long_name : header_name(h);
            long_name = NULL;
            if (strncmp(name, "./", 2) == 0)
                memmove(name, name + 2, strlen(name) - 1);
            struct data_tar_entry e = {name, tar->map.data + at, (size_t)size};
            if (is_file(h))
                ARRAY_PUSH(tar->entries, tar->count, tar->capacity, e);
            else
                free(name); // folders, links, devices
        }
        if (ok)
            at += ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
    }
    ok = ok && check_end(&tar->map, at, end, path, err);
    free(long_name);
    if (!ok)
        data_tar_close(tar);
    return ok;
}

void
data_tar_close(struct data_tar *tar)
{
    for (size_t i = 0; i < tar->count; i++)
        free(tar->entries[i].name);
    free(tar->entries);
    free(tar->by_name);
    file_unmap(&tar->map);
    *tar = (struct data_tar){0};
}

static int
by_name(const void *a, const void *b)
{
    return strcmp((*(const struct data_tar_entry *const *)a)->name,
                  (*(const struct data_tar_entry *const *)b)->name);
}

static void
sort_names(struct data_tar *tar)
{
    tar->by_name = mem_alloc((tar->count + 1) * sizeof *tar->by_name);
    for (size_t i = 0; i < tar->count; i++)
        tar->by_name[i] = &tar->entries[i];
    qsort(tar->by_name, tar->count, sizeof *tar->by_name, by_name);
}

const struct data_tar_entry *
data_tar_find(struct data_tar *tar, const char *name)
{
    const struct data_tar_entry key = {.name = (char *)(uintptr_t)name}, *k = &key;
    if (!tar->by_name)
        sort_names(tar);
    const struct data_tar_entry **found =
        bsearch(&k, tar->by_name, tar->count, sizeof *tar->by_name, by_name);
    return found ? *found : NULL;
}
