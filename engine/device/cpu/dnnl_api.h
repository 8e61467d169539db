// SPDX-License-Identifier: MIT
// One interface to oneDNN's two C APIs: layouts of tensors and descriptors of primitives. For
// dnnl*.c, the library's only users; empty without the library.
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_API_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_API_H

#ifdef HAVE_DNNL

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// 2.x passes memory descriptors as pointers to structs and creates primitives in two steps
// (operation descriptor, then primitive descriptor); 3.x passes handles and creates them in one.
// `layout_ref` is what functions take; `LAYOUT(x)` makes one from an owned `dnnl_memory_desc_t x`.

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t layout_ref;
#define LAYOUT(x) (x)
#else
typedef const dnnl_memory_desc_t *layout_ref;
#define LAYOUT(x) (&(x))
#endif

// The layout of a format tag.
static inline bool
layout_init_tag(dnnl_memory_desc_t *md, int rank, const int64_t *dim, dnnl_data_type_t type,
                dnnl_format_tag_t tag)
{
    dnnl_dims_t dims = {0}; // the library's arrays are longer than ours
    for (int i = 0; i < rank; i++)
        dims[i] = dim[i];
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(md, rank, dims, type, tag) == dnnl_success;
#else
    return dnnl_memory_desc_init_by_tag(md, rank, dims, type, tag) == dnnl_success;
#endif
}

// stride NULL: the library's choice
static inline bool
layout_init(dnnl_memory_desc_t *md, int rank, const int64_t *dim, dnnl_data_type_t type,
            const int64_t *stride)
{
    if (stride == NULL)
        return layout_init_tag(md, rank, dim, type, dnnl_format_tag_any);
    dnnl_dims_t dims = {0}, strides = {0};
    for (int i = 0; i < rank; i++) {
        dims[i] = dim[i];
        strides[i] = stride[i];
    }
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(md, rank, dims, type, strides) == dnnl_success;
#else
    return dnnl_memory_desc_init_by_strides(md, rank, dims, type, strides) == dnnl_success;
#endif
}

static inline void
layout_finish(dnnl_memory_desc_t *md)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*md != NULL)
        dnnl_memory_desc_destroy(*md);
    *md = NULL;
#else
    (void)md; // a plain struct
#endif
}

struct conv_geometry {
    dnnl_dims_t stride, dilate, pad;
};

static inline dnnl_status_t
matmul_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, layout_ref src, layout_ref weights,
          layout_ref bias, layout_ref dst, dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(pd, engine, src, weights, bias, dst, attr);
#else
    dnnl_matmul_desc_t desc;
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, src, weights, bias, dst);
    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
#endif
}

static inline dnnl_status_t
conv_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, layout_ref src, layout_ref weights,
        layout_ref bias, layout_ref dst, const struct conv_geometry *g, dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, dnnl_convolution_direct, src, weights, bias, dst,
        g->stride, g->dilate, g->pad, g->pad, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_training, dnnl_convolution_direct, src, weights, bias, dst, g->stride,
        g->dilate, g->pad, g->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
#endif
}

static inline dnnl_status_t
conv_grad_x_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, layout_ref src, layout_ref weights,
               layout_ref dst, const struct conv_geometry *g, dnnl_primitive_desc_t hint,
               dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, src, weights, dst, g->stride, g->dilate, g->pad,
        g->pad, hint, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, src, weights, dst, g->stride, g->dilate, g->pad, g->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, engine, hint);
#endif
}

static inline dnnl_status_t
conv_grad_w_pd(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, layout_ref src, layout_ref weights,
               layout_ref dst, const struct conv_geometry *g, dnnl_primitive_desc_t hint,
               dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, src, weights, NULL, dst, g->stride, g->dilate, g->pad,
        g->pad, hint, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, src, weights, NULL, dst, g->stride, g->dilate, g->pad,
        g->pad);
    return status ? status : dnnl_primitive_desc_create(pd, &desc, attr, engine, hint);
#endif
}

dnnl_engine_t onednn_engine(void); // NULL: the library does not work on this machine

// A memory object without memory behind it; the data handle is set for each run.
static inline bool
memory_init(dnnl_memory_t *m, layout_ref md)
{
    return dnnl_memory_create(m, md, onednn_engine(), DNNL_MEMORY_NONE) == dnnl_success;
}

#endif

#endif
