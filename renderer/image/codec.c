// SPDX-License-Identifier: MIT
#include "renderer/image/codec.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <vips/vips.h>
#undef MIN // GLib's, which mean the same
#undef MAX

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/tiff.h"

static char start_fault[200]; // "": none

static void
start(void)
{
    // libvips warns on stderr through GLib; whatever matters comes back as an error here.
    g_setenv("VIPS_WARNING", "1", TRUE);
    if (VIPS_INIT("limn")) {
        g_snprintf(start_fault, sizeof start_fault, "%.150s", vips_error_buffer());
        start_fault[strcspn(start_fault, "\n")] = 0;
        if (!*start_fault)
            g_strlcpy(start_fault, "it does not say why", sizeof start_fault);
        return;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoadSvg", FALSE);
    vips_operation_block_set("VipsForeignLoadPpm", FALSE);
    // For BMP only: loader_allowed(). The class is named after ImageMagick's version.
    vips_operation_block_set("VipsForeignLoadMagick", FALSE);
    vips_operation_block_set("VipsForeignLoadMagick7", FALSE);
}

bool
codec_start(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return !*start_fault || err_set(err, ERR_IO, "libvips cannot start: %s", start_fault);
}

// The first line of libvips' error text, which is then cleared.
static void
vips_error_line(char *text, size_t size)
{
    g_strlcpy(text, vips_error_buffer(), size);
    vips_error_clear();
    text[strcspn(text, "\n")] = 0;
}

static bool
vips_failed(struct err *err, const char *name)
{
    char text[200];
    vips_error_line(text, sizeof text);
    if (strstr(text, "creating thread") || strstr(text, "out of memory"))
        return err_set(err, ERR_INPUT, "%s: too little memory or too few threads to decode it (%s)",
                       name, text);
    return err_set(err, ERR_INPUT, "%s: cannot be read as a picture (%s)", name,
                   *text ? text : "unknown format");
}

// For pixels of our own: only memory or a thread can be lacking.
static bool
vips_out_of_memory(struct err *err, const char *what)
{
    char text[200];
    vips_error_line(text, sizeof text);
    return err_set(err, ERR_MEMORY, "%s: not enough memory or threads for it%s%s%s", what,
                   *text ? " (" : "", text, *text ? ")" : "");
}

static bool
size_allowed(const VipsImage *v, const char *name, struct err *err)
{
    int64_t w = vips_image_get_width(v), h = vips_image_get_height(v);
    if (w >= 1 && h >= 1 && w <= LIMIT_PICTURE_SIDE && h <= LIMIT_PICTURE_SIDE &&
        w * h <= LIMIT_PICTURE_PIXELS)
        return true;
    return err_set(err, ERR_INPUT,
                   "%s: %lld x %lld pixels are over the limit of %d a side and %d in all", name,
                   (long long)w, (long long)h, LIMIT_PICTURE_SIDE, LIMIT_PICTURE_PIXELS);
}

// Upright, sRGB, 8 bits. Takes over `v`, returns a new one or NULL.
static VipsImage *
normalise(VipsImage *v)
{
    VipsImage *next = NULL;
    if (vips_autorot(v, &next, NULL))
        goto failed;
    g_object_unref(v);
    v = next;
    next = NULL;
    // An embedded profile describes the numbers; without one, and for grey and sRGB pictures whose
    // profile is broken, the numbers are taken as they are.
    if (vips_image_get_typeof(v, VIPS_META_ICC_NAME) &&
        !vips_icc_transform(v, &next, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL,
                            NULL)) {
        g_object_unref(v);
        v = next;
    } else {
        vips_error_clear();
    }
    next = NULL;
    if (vips_colourspace(v, &next, VIPS_INTERPRETATION_sRGB, NULL))
        goto failed;
    g_object_unref(v);
    v = next;
    next = NULL;
    if (vips_cast(v, &next, VIPS_FORMAT_UCHAR, NULL))
        goto failed;
    g_object_unref(v);
    return next;
failed:
    g_object_unref(v);
    return NULL;
}

// `grey`: one channel stays one channel, else it becomes three.
static struct image *
to_image(VipsImage *v, bool grey, const char *name, struct err *err)
{
    size_t size = 0;
    int bands = vips_image_get_bands(v);
    struct image *image = NULL;
    uint8_t *data = vips_image_write_to_memory(v, &size);
    if (!data) {
        vips_failed(err, name);
        return NULL;
    }
    int w = vips_image_get_width(v), h = vips_image_get_height(v);
    if (bands != 1 && bands != 3 && bands != 4)
        err_set(err, ERR_INPUT, "%s: %d channels are not supported", name, bands);
    else
        image = image_create(w, h, bands == 4           ? IMAGE_RGBA8
                                   : bands == 1 && grey ? IMAGE_GRAY8
                                                        : IMAGE_RGB8, err);
    for (size_t i = 0; image && i < (size_t)w * (size_t)h; i++) {
        if (bands == 1 && !grey)
            memset(image->pixels + 3 * i, data[i], 3);
        else
            memcpy(image->pixels + i * (size_t)bands, data + i * (size_t)bands, (size_t)bands);
    }
    g_free(data);
    return image;
}

bool
codec_is_vector(const void *data, size_t size)
{
    // As libvips looks for it, within the first 1000 bytes; compressed, it may be anything.
    enum { HEAD = 1024 };
    static const unsigned char gzip[] = {0x1f, 0x8b};
    const char *head = data;
    if (size >= 2 && memcmp(data, gzip, 2) == 0)
        return true;
    for (size_t i = 0; i + 4 <= MIN(size, HEAD); i++)
        if (g_ascii_strncasecmp(head + i, "<svg", 4) == 0)
            return true;
    // XML may also be UTF-16 or UTF-32.
    return size >= 2 && memchr(data, 0, MIN(size, HEAD)) &&
           memmem(data, MIN(size, HEAD), "s\0v", 3);
}

static bool
is_png(const void *data, size_t size)
{
    return size >= 8 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0;
}

// PBM, PGM, PPM, PFM. libvips reads them, but given bytes it would ask ImageMagick.
static bool
is_pnm(const char *data, size_t size)
{
    return size > 2 && data[0] == 'P' && data[1] && strchr("123456Ff", data[1]) && data[2] &&
           strchr(" \t\r\n#", data[2]);
}

// The second header begins with its own length; text may begin with BM, too.
static bool
is_bmp(const char *data, size_t size)
{
    static const char lengths[] = {12, 16, 40, 52, 56, 64, 108, 124};
    return size > 18 && memcmp(data, "BM", 2) == 0 && memchr(lengths, data[14], sizeof lengths) &&
           memcmp(data + 15, "\0\0\0", 3) == 0;
}

// libvips refuses a blocked loader only after it has opened the file (a PDF goes through poppler),
// so it must not get that far. ImageMagick reads a hundred formats; it is used for one of them.
static bool
loader_allowed(const void *data, size_t size, const char *name, struct err *err)
{
    static const char prefix[] = "VipsForeignLoad";
    static const char *const allowed[] = {"Png",  "Jpeg", "Nsgif", "Gif",
                                          "Webp", "Tiff", "Heif"};
    if (is_pnm(data, size))
        return true;
    const char *loader = vips_foreign_find_load_buffer(data, size);
    if (!loader)
        return vips_failed(err, name);
    const char *kind = g_str_has_prefix(loader, prefix) ? loader + sizeof prefix - 1 : loader;
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (g_str_has_prefix(kind, allowed[i]))
            return true;
    if (g_str_has_prefix(kind, "Magick") && is_bmp(data, size))
        return true;
    if (!g_str_has_prefix(kind, "Svg"))
        return err_set(err, ERR_INPUT, "%s: not a picture in a supported format", name);
    return codec_is_vector(data, size) ||
           err_set(err, ERR_INPUT, "%s: an SVG that does not begin like one", name);
}

// libvips is not asked, because it would ask every library it has, ImageMagick too: this runs in
// processes in which no decoder should see untrusted bytes.
static bool
has_known_signature(const char *data, size_t size)
{
    static const struct {
        size_t at, length;
        const char *bytes;
    } kinds[] = {
        {0, 8, "\x89PNG\r\n\x1A\n"}, {0, 2, "\xFF\xD8"}, {0, 4, "GIF8"}, {8, 4, "WEBP"},
        {0, 4, "II*\0"}, {0, 4, "MM\0*"}, {0, 4, "II+\0"}, {0, 4, "MM\0+"},
        {4, 7, "ftyphei"}, {4, 7, "ftyphev"}, {4, 8, "ftypmif1"}, {4, 8, "ftypmsf1"},
        {4, 7, "ftypavi"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size > kinds[i].at + kinds[i].length &&
            memcmp(data + kinds[i].at, kinds[i].bytes, kinds[i].length) == 0)
            return true;
    return is_pnm(data, size) || is_bmp(data, size);
}

bool
codec_recognise(const void *data, size_t size, const char *name, struct err *err)
{
    return has_known_signature(data, size) || codec_is_vector(data, size) ||
           err_set(err, ERR_INPUT, "%s: not a picture in a supported format", name);
}

static bool
bytes_allowed(const void *data, size_t size, const char *name, bool png, struct err *err)
{
    if (size > LIMIT_PICTURE_BYTES)
        return err_set(err, ERR_INPUT, "%s: %zu bytes, the limit of a picture file is %d", name,
                       size, LIMIT_PICTURE_BYTES);
    if (png && !is_png(data, size))
        return err_set(err, ERR_INPUT, "%s: not a PNG", name);
    return codec_recognise(data, size, name, err) && tiff_is_readable(data, size, name, err) &&
           codec_start(err) && loader_allowed(data, size, name, err);
}

// Renders a vector drawing at the wanted size. Takes over `v`. A drawing's size is rounded, so the
// scale computed from it may make it too large: then once more.
static VipsImage *
rasterise(VipsImage *v, const void *data, size_t size, const struct codec_options *options)
{
    enum { TRIES = 3 };
    int longer = MAX(vips_image_get_width(v), vips_image_get_height(v));
    int side = MAX(longer, options->vector_least), most = options->vector_most;
    double scale = (double)(most ? MIN(side, most) : side) / longer;
    for (int i = 0; i < TRIES && scale != 1; i++) {
        g_object_unref(v);
        v = NULL;
        if (vips_svgload_buffer((void *)data, size, &v, "scale", scale, NULL))
            return NULL;
        longer = MAX(vips_image_get_width(v), vips_image_get_height(v));
        if (!most || longer <= most)
            break;
        scale *= (double)most / longer;
    }
    return v;
}

static VipsImage *
open_pnm(const void *data, size_t size)
{
    VipsImage *v = NULL;
    VipsSource *source = vips_source_new_from_memory(data, size);
    if (source && vips_ppmload_source(source, &v, "access", VIPS_ACCESS_RANDOM, "memory", TRUE,
                                      "fail_on", VIPS_FAIL_ON_TRUNCATED, NULL))
        v = NULL;
    if (source)
        g_object_unref(source);
    return v;
}

// Opens it and reads its head; NULL with an error that starts with `name`. In memory: libvips would
// put more than 100 MB of pixels into a temporary file, which a child of the sandbox cannot write.
static VipsImage *
open_head(const void *data, size_t size, const char *name, struct err *err)
{
    int pages = 1;
    VipsImage *v = is_pnm(data, size)
                       ? open_pnm(data, size)
                       : vips_image_new_from_buffer(data, size, "", "access", VIPS_ACCESS_RANDOM,
                                                    "memory", TRUE, "fail_on",
                                                    VIPS_FAIL_ON_TRUNCATED, NULL);
    if (!v) {
        vips_failed(err, name);
        return NULL;
    }
    if (vips_image_get_typeof(v, VIPS_META_N_PAGES) &&
        vips_image_get_int(v, VIPS_META_N_PAGES, &pages))
        pages = 1;
    bool ok = size_allowed(v, name, err);
    if (ok && pages > LIMIT_PICTURE_FRAMES)
        ok = err_set(err, ERR_INPUT, "%s: %d frames or pages, the limit is %d", name, pages,
                     LIMIT_PICTURE_FRAMES);
    if (ok)
        return v;
    g_object_unref(v);
    return NULL;
}

struct image *
codec_decode(const void *data, size_t size, const char *name, const struct codec_options *options,
             struct err *err)
{
    static const struct codec_options defaults;
    struct image *image = NULL;
    options = options ? options : &defaults;
    VipsImage *v = bytes_allowed(data, size, name, options->png, err)
                       ? open_head(data, size, name, err)
                       : NULL;
    if (!v)
        return NULL;
    if (codec_is_vector(data, size))
        v = rasterise(v, data, size, options);
    if (v && !size_allowed(v, name, err)) { // as it was rendered
        g_object_unref(v);
        return NULL;
    }
    v = v ? normalise(v) : NULL;
    if (!v) {
        vips_failed(err, name);
        return NULL;
    }
    image = to_image(v, false, name, err);
    g_object_unref(v);
    return image;
}

bool
codec_check_in(const void *data, size_t size, const char *name, struct err *err)
{
    if (size == 0)
        return err_set(err, ERR_INPUT, "%s: the file is empty", name);
    VipsImage *v =
        bytes_allowed(data, size, name, false, err) ? open_head(data, size, name, err) : NULL;
    if (v)
        g_object_unref(v);
    return v != NULL;
}

// A libvips view of our pixels, which must outlive it.
static VipsImage *
from_image(const struct image *image)
{
    int n = image_channels(image->format);
    VipsImage *v = vips_image_new_from_memory(image->pixels, image->stride * (size_t)image->height,
                                              image->width, image->height, n, VIPS_FORMAT_UCHAR);
    if (v)
        v->Type = n == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    return v;
}

struct image *
codec_reduce(const struct image *image, int width, int height, struct err *err)
{
    bool alpha = image->format == IMAGE_RGBA8;
    if (!codec_start(err))
        return NULL;
    VipsImage *chain[5] = {from_image(image)};
    int n = 0;
    bool ok = chain[0] != NULL;
    if (ok && alpha)
        ok = !vips_premultiply(chain[n], &chain[n + 1], NULL) && ++n;
    if (ok)
        ok = !vips_resize(chain[n], &chain[n + 1], (double)width / image->width, "vscale",
                          (double)height / image->height, "kernel", VIPS_KERNEL_LANCZOS3, NULL) &&
             ++n;
    if (ok && alpha)
        ok = !vips_unpremultiply(chain[n], &chain[n + 1], NULL) && ++n;
    if (ok)
        ok = !vips_cast(chain[n], &chain[n + 1], VIPS_FORMAT_UCHAR, NULL) && ++n;
    struct image *out = NULL;
    if (!ok) {
        vips_out_of_memory(err, "a picture cannot be resized");
    } else if (vips_image_get_width(chain[n]) != width ||
               vips_image_get_height(chain[n]) != height) {
        err_set(err, ERR_INPUT, "cannot resize %d x %d pixels to %d x %d", image->width,
                image->height, width, height);
    } else {
        out = to_image(chain[n], true, "resize", err);
    }
    for (int i = 0; i <= n; i++)
        if (chain[i])
            g_object_unref(chain[i]);
    return out;
}
