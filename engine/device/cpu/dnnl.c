// SPDX-License-Identifier: MIT
#include "engine/device/cpu/dnnl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

#ifdef HAVE_DNNL

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "engine/device/cpu/dnnl_api.h"
#include "engine/device/cpu/dnnl_kept.h"

// --- the call

enum { ALIGNMENT = 64 };

struct argument {
    dnnl_memory_t outer, inner;   // in the tensor's layout; in the primitive's (may be the same)
    dnnl_primitive_t reorder;     // NULL: inner is outer
    dnnl_memory_t via;            // in a layout between the two, see needs_detour(); or NULL
    dnnl_primitive_t detour;      // outer to via; then `reorder` is via to inner
    size_t via_offset, via_size;
    void *at;                     // where outer points now
    size_t offset, size;          // of inner: in scratch, or the kept copy
    struct onednn_kept *kept;     // the copy of a constant
    bool constant, ready, result; // ready: the copy is filled
};

struct onednn_call {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t pad; // the library's scratchpad, shared by the primitive and the reorders
    struct argument argument[ONEDNN_ARGS];
    dnnl_exec_arg_t exec[ONEDNN_ARGS + 1];
    int exec_count;
    void *scratch_at;
    size_t pad_size, scratch, packed;
    char name[96];
};

static dnnl_engine_t the_engine;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void
engine_open(void)
{
    if (dnnl_engine_create(&the_engine, dnnl_cpu, 0) != dnnl_success)
        the_engine = NULL;
}

dnnl_engine_t
onednn_engine(void)
{
    pthread_once(&engine_once, engine_open);
    return the_engine;
}

static dnnl_data_type_t
data_type(enum dtype t)
{
    return t == DTYPE_F32 ? dnnl_f32 : t == DTYPE_BF16 ? dnnl_bf16 : dnnl_data_type_undef;
}

// The library's numbers for an argument of this kind of call: to pass it, and to query its layout.
struct arg_id {
    int exec;
    dnnl_query_t query;
};

static struct arg_id
arg_id(enum onednn_kind kind, enum onednn_which which)
{
    bool backward = kind == ONEDNN_CONV_GRAD_X || kind == ONEDNN_CONV_GRAD_W;
    switch (which) {
    case ONEDNN_SOURCE:
        return kind == ONEDNN_CONV_GRAD_X
                   ? (struct arg_id){DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md}
                   : (struct arg_id){DNNL_ARG_SRC, dnnl_query_src_md};
    case ONEDNN_WEIGHTS:
        return kind == ONEDNN_CONV_GRAD_W
                   ? (struct arg_id){DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md}
                   : (struct arg_id){DNNL_ARG_WEIGHTS, dnnl_query_weights_md};
    case ONEDNN_BIAS:
        return (struct arg_id){DNNL_ARG_BIAS, dnnl_query_weights_md}; // index 1
    case ONEDNN_RESULT:
        return backward ? (struct arg_id){DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}
                        : (struct arg_id){DNNL_ARG_DST, dnnl_query_dst_md};
    case ONEDNN_ARGS:
        break;
    }
    return (struct arg_id){0};
}

static enum onednn_which
computed(enum onednn_kind kind)
{
    return kind == ONEDNN_CONV_GRAD_X   ? ONEDNN_SOURCE
           : kind == ONEDNN_CONV_GRAD_W ? ONEDNN_WEIGHTS
                                        : ONEDNN_RESULT;
}

// The layout offered to the library for one argument.
static bool
layout_offer(dnnl_memory_desc_t *md, const struct onednn_arg *a, enum dtype inside)
{
    return layout_init(md, a->rank, a->dim, data_type(inside), a->any ? NULL : a->stride);
}

static enum dtype
inside_of(const struct onednn_arg *a)
{
    return a->inside == DTYPE_NONE ? a->dtype : a->inside;
}

static dnnl_primitive_desc_t
describe(const struct onednn_params *p, dnnl_primitive_attr_t attr)
{
    dnnl_memory_desc_t md[ONEDNN_ARGS] = {0}, hint_weights = {0};
    dnnl_primitive_desc_t pd = NULL, hint = NULL;
    dnnl_engine_t engine = onednn_engine();
    struct conv_geometry g = {.stride = {p->stride, p->stride}, .pad = {p->pad, p->pad}};
    const struct onednn_arg *weights = &p->arg[ONEDNN_WEIGHTS];
    bool has_bias = p->arg[ONEDNN_BIAS].rank > 0, ok = true;
    for (int i = 0; i < ONEDNN_ARGS; i++)
        if (p->arg[i].rank > 0)
            ok = ok && layout_offer(&md[i], &p->arg[i], inside_of(&p->arg[i]));
    if (!ok)
        goto out;
    layout_ref src = LAYOUT(md[ONEDNN_SOURCE]), w = LAYOUT(md[ONEDNN_WEIGHTS]);
    layout_ref bias = has_bias ? LAYOUT(md[ONEDNN_BIAS]) : NULL, dst = LAYOUT(md[ONEDNN_RESULT]);
    if (p->kind == ONEDNN_CONV_GRAD_X || p->kind == ONEDNN_CONV_GRAD_W) {
        // Backward primitives need the forward one as a hint; its weights have the result's type.
        if (!layout_init(&hint_weights, weights->rank, weights->dim,
                         data_type(inside_of(&p->arg[ONEDNN_RESULT])), NULL) ||
            conv_pd(&hint, engine, src, LAYOUT(hint_weights), NULL, dst, &g, NULL) != dnnl_success)
            goto out;
    }
    dnnl_status_t status = dnnl_unimplemented;
    switch (p->kind) {
    case ONEDNN_MATMUL:
        status = matmul_pd(&pd, engine, src, w, bias, dst, attr);
        break;
    case ONEDNN_CONV:
        status = conv_pd(&pd, engine, src, w, bias, dst, &g, attr);
        break;
    case ONEDNN_CONV_GRAD_X:
        status = conv_grad_x_pd(&pd, engine, src, w, dst, &g, hint, attr);
        break;
    case ONEDNN_CONV_GRAD_W:
        status = conv_grad_w_pd(&pd, engine, src, w, dst, &g, hint, attr);
        break;
    case ONEDNN_NONE:
    case ONEDNN_KIND_COUNT:
        break;
    }
    if (status != dnnl_success)
        pd = NULL;
out:
    if (hint != NULL)
        dnnl_primitive_desc_destroy(hint);
    layout_finish(&hint_weights);
    for (int i = 0; i < ONEDNN_ARGS; i++)
        layout_finish(&md[i]);
    return pd;
}

static const char *
pd_name(dnnl_primitive_desc_t pd)
{
    const char *name = "";
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return name;
}

// Bytes of scratchpad a primitive asks for.
static size_t
pd_pad(dnnl_primitive_desc_t pd)
{
    layout_ref md = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    return md == NULL ? 0 : dnnl_memory_desc_get_size(md);
}

static size_t
align(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

// The forward primitives for bf16 want weights as AcdB..a2b, and the library reorders from the
// checkpoints' layout to that at 3 to 7 GB/s. Through ABcd8b16a2b, whose 16x16 tiles suit both
// sides, it is three times as fast, which matters where pictures are small and weights large.
static bool
needs_detour(const struct onednn_params *p, int i)
{
    const struct onednn_arg *a = &p->arg[i];
    return p->kind == ONEDNN_CONV && i == ONEDNN_WEIGHTS && !a->constant &&
           inside_of(a) == DTYPE_BF16 && a->dim[0] >= 16 && a->dim[1] >= 16 && a->dim[2] > 1;
}

static bool
reorder_init(struct onednn_call *c, dnnl_primitive_t *to, layout_ref from, layout_ref into,
             dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_reorder_primitive_desc_create(&pd, from, onednn_engine(), into, onednn_engine(),
                                           attr) != dnnl_success)
        return false;
    bool ok = dnnl_primitive_create(to, pd) == dnnl_success;
    c->pad_size = MAX(c->pad_size, pd_pad(pd));
    dnnl_primitive_desc_destroy(pd);
    return ok;
}

// Memory objects of one argument and, when the layouts differ, the reorder between them.
static bool
argument_init(struct onednn_call *c, const struct onednn_params *p, int i,
              dnnl_primitive_desc_t pd, dnnl_primitive_attr_t attr)
{
    const struct onednn_arg *a = &p->arg[i];
    struct argument *to = &c->argument[i];
    struct arg_id id = arg_id(p->kind, (enum onednn_which)i);
    dnnl_memory_desc_t outer = {0}, via = {0};
    bool ok = false;
    to->result = computed(p->kind) == (enum onednn_which)i;
    to->constant = a->constant && !to->result;
    layout_ref inner = dnnl_primitive_desc_query_md(pd, id.query, i == ONEDNN_BIAS);
    if (inner == NULL || !layout_init(&outer, a->rank, a->dim, data_type(a->dtype), a->stride) ||
        !memory_init(&to->outer, LAYOUT(outer)))
        goto out;
    to->inner = to->outer;
    if (!dnnl_memory_desc_equal(LAYOUT(outer), inner)) {
        layout_ref from = to->result ? inner : LAYOUT(outer);
        layout_ref into = to->result ? LAYOUT(outer) : inner;
        to->inner = NULL;
        if (!memory_init(&to->inner, inner))
            goto out;
        if (needs_detour(p, i)) {
            if (!layout_init_tag(&via, a->rank, a->dim, data_type(inside_of(a)),
                                 dnnl_ABcd8b16a2b) ||
                !memory_init(&to->via, LAYOUT(via)) ||
                !reorder_init(c, &to->detour, from, LAYOUT(via), attr))
                goto out;
            from = LAYOUT(via);
            to->via_size = align(dnnl_memory_desc_get_size(from));
        }
        if (!reorder_init(c, &to->reorder, from, into, attr))
            goto out;
        to->size = align(dnnl_memory_desc_get_size(inner));
    }
    c->exec[c->exec_count++] = (dnnl_exec_arg_t){id.exec, to->inner};
    ok = true;
out:
    layout_finish(&via);
    layout_finish(&outer);
    return ok;
}

static bool
call_init(struct onednn_call *c, const struct onednn_params *p, dnnl_primitive_attr_t attr,
          dnnl_primitive_desc_t pd)
{
    // The library's reference loops are no faster than ours, and they come last in its list.
    if (strncmp(pd_name(pd), "ref", 3) == 0)
        return false;
    if (dnnl_primitive_create(&c->primitive, pd) != dnnl_success ||
        dnnl_stream_create(&c->stream, onednn_engine(), dnnl_stream_default_flags) != dnnl_success)
        return false;
    c->pad_size = pd_pad(pd);
    for (int i = 0; i < ONEDNN_ARGS; i++)
        if (p->arg[i].rank > 0 && !argument_init(c, p, i, pd, attr))
            return false;
    dnnl_memory_desc_t pad = {0};
    bool ok = layout_init(&pad, 1, (int64_t[]){(int64_t)MAX(c->pad_size, 1)}, dnnl_u8,
                          (int64_t[]){1}) &&
              memory_init(&c->pad, LAYOUT(pad));
    layout_finish(&pad);
    c->exec[c->exec_count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, c->pad};
    c->scratch = align(c->pad_size);
    int used = snprintf(c->name, sizeof c->name, "%s", pd_name(pd));
    for (int i = 0; i < ONEDNN_ARGS; i++) {
        struct argument *a = &c->argument[i];
        if (a->reorder == NULL)
            continue;
        if (used < (int)sizeof c->name - 8)
            used += snprintf(c->name + used, sizeof c->name - (size_t)used, " %c%s", "xwby"[i],
                             a->constant ? "(once)" : "");
        if (a->constant && p->arg[i].at == cpu_dummy_data) {
            c->packed += a->size;
        } else if (a->constant) {
            a->kept = onednn_kept_get(p->arg[i].at, a->outer, a->inner, a->size, &c->packed);
            ok = ok && a->kept != NULL &&
                 dnnl_memory_set_data_handle(a->inner, onednn_kept_data(a->kept)) == dnnl_success;
        } else {
            a->offset = c->scratch;
            a->via_offset = a->offset + a->size;
            c->scratch += a->size + a->via_size;
        }
    }
    return ok;
}

static struct onednn_call *
call_create(const struct onednn_params *p)
{
    struct onednn_call *c = mem_zalloc(sizeof *c);
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool ok = dnnl_primitive_attr_create(&attr) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) ==
                  dnnl_success &&
              (pd = describe(p, attr)) != NULL && call_init(c, p, attr, pd);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    if (!ok) {
        onednn_call_destroy(c);
        return NULL;
    }
    return c;
}

// oneDNN does not check whether it got memory for the code it generates, and crashes where address
// space is limited (ulimit -v). One call takes less than ROOM; if that much is not free, the node
// is left to the plain kernels.
static bool
has_room(void)
{
    enum { ROOM = 32 << 20 };
    static atomic_flag warned = ATOMIC_FLAG_INIT;
    void *p = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED && !atomic_flag_test_and_set(&warned))
        log_line(LOG_WARN, "cpu", "memory is short: matrix products will be slow");
    return p != MAP_FAILED && munmap(p, ROOM) == 0;
}

struct onednn_call *
onednn_call_create(const struct onednn_params *p)
{
    if (onednn_engine() == NULL || !has_room())
        return NULL;
    struct onednn_call *c = call_create(p);
    if (c != NULL || p->arg[computed(p->kind)].inside != DTYPE_NONE)
        return c;
    // Processors without bf16: compute in f32 and convert on the way in and out. Much slower than a
    // model in f32 would be (2.x converts element by element), but still much faster than the plain
    // kernels.
    struct onednn_params wide = *p;
    for (int i = 0; i < ONEDNN_ARGS; i++)
        wide.arg[i].inside = DTYPE_F32;
    return call_create(&wide);
}

void
onednn_call_destroy(struct onednn_call *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < ONEDNN_ARGS; i++) {
        struct argument *a = &c->argument[i];
        if (a->reorder != NULL)
            dnnl_primitive_destroy(a->reorder);
        if (a->detour != NULL)
            dnnl_primitive_destroy(a->detour);
        if (a->via != NULL)
            dnnl_memory_destroy(a->via);
        if (a->inner != NULL && a->inner != a->outer)
            dnnl_memory_destroy(a->inner);
        if (a->outer != NULL)
            dnnl_memory_destroy(a->outer);
        onednn_kept_release(a->kept);
    }
    if (c->pad != NULL)
        dnnl_memory_destroy(c->pad);
    if (c->stream != NULL)
        dnnl_stream_destroy(c->stream);
    if (c->primitive != NULL)
        dnnl_primitive_destroy(c->primitive);
    free(c);
}

size_t
onednn_call_scratch(const struct onednn_call *c)
{
    return c->scratch;
}

size_t
onednn_call_packed(const struct onednn_call *c)
{
    return c->packed;
}

const char *
onednn_call_name(const struct onednn_call *c)
{
    return c->name;
}

static void
execute(struct onednn_call *c, dnnl_primitive_t primitive, int count, const dnnl_exec_arg_t *args)
{
    dnnl_status_t status = dnnl_primitive_execute(primitive, c->stream, count, args);
    require(status == dnnl_success);
}

static void
copy(struct onednn_call *c, dnnl_primitive_t how, dnnl_memory_t from, dnnl_memory_t to)
{
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, c->pad}};
    execute(c, how, 3, args);
}

static void
reorder(struct onednn_call *c, const struct argument *a)
{
    if (a->result) {
        copy(c, a->reorder, a->inner, a->outer);
    } else if (a->via != NULL) {
        copy(c, a->detour, a->outer, a->via);
        copy(c, a->reorder, a->via, a->inner);
    } else {
        copy(c, a->reorder, a->outer, a->inner);
    }
}

void
onednn_call_run(struct onednn_call *c, void *const data[ONEDNN_ARGS], void *scratch)
{
    // Pointers rarely change from run to run, and passing them to the library takes time.
    if (c->scratch_at != scratch && scratch != NULL) {
        dnnl_memory_set_data_handle(c->pad, scratch);
        for (int i = 0; i < ONEDNN_ARGS; i++) {
            const struct argument *a = &c->argument[i];
            if (a->reorder != NULL && !a->constant)
                dnnl_memory_set_data_handle(a->inner, (char *)scratch + a->offset);
            if (a->via != NULL)
                dnnl_memory_set_data_handle(a->via, (char *)scratch + a->via_offset);
        }
        c->scratch_at = scratch;
    }
    for (int i = 0; i < ONEDNN_ARGS; i++) {
        struct argument *a = &c->argument[i];
        if (a->outer == NULL)
            continue;
        if (a->at != data[i]) {
            dnnl_memory_set_data_handle(a->outer, data[i]);
            a->at = data[i];
        }
        if (a->reorder == NULL || a->result || a->ready)
            continue;
        // Kept copies are filled in the first run, when the weights are in memory.
        if (!a->kept || onednn_kept_begin(a->kept)) {
            reorder(c, a);
            onednn_kept_end(a->kept);
        }
        a->ready = a->constant;
    }
    execute(c, c->primitive, c->exec_count, c->exec);
    for (int i = 0; i < ONEDNN_ARGS; i++)
        if (c->argument[i].result && c->argument[i].reorder != NULL)
            reorder(c, &c->argument[i]);
}

bool
onednn_available(void)
{
    return onednn_engine() != NULL;
}

const char *
onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

bool
onednn_has_matrix_units(void)
{
    return dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core_amx;
}

#else // without the library nothing is ever created

bool
onednn_available(void)
{
    return false;
}

const char *
onednn_version(void)
{
    return "";
}

bool
onednn_has_matrix_units(void)
{
    return false;
}

struct onednn_call *
onednn_call_create(const struct onednn_params *params)
{
    (void)params;
    return NULL;
}

void
onednn_call_destroy(struct onednn_call *c)
{
    (void)c;
}

size_t
onednn_call_scratch(const struct onednn_call *c)
{
    (void)c;
    return 0;
}

size_t
onednn_call_packed(const struct onednn_call *c)
{
    (void)c;
    return 0;
}

void
onednn_call_run(struct onednn_call *c, void *const data[ONEDNN_ARGS], void *scratch)
{
    (void)c, (void)data, (void)scratch;
}

const char *
onednn_call_name(const struct onednn_call *c)
{
    (void)c;
    return "";
}

#endif

void
cpu_add_dnnl(struct cpu_table *t)
{
    if (!onednn_available())
        return;
    onednn_add_conv(t);
    onednn_add_matmul(t);
}
