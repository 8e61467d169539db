// SPDX-License-Identifier: MIT
// The interface to oneDNN, for both of its C APIs (2.x and 3.x). Only dnnl_api.h, which serves
// dnnl*.c, includes the library's own header. Names start with onednn_ because dnnl_ belongs to the
// library.
//
// A call is one prepared product: a primitive, with a reorder for each argument whose layout is not
// the one the primitive wants. Tensors keep the engine's layouts (channels last, weights as in
// checkpoints); layouts chosen by the library exist only inside a call.
//
//     struct onednn_call *c = onednn_call_create(&params);   // NULL: not supported
//     size_t n = onednn_call_scratch(c);                      // working memory of a run
//     onednn_call_run(c, (void *[]){x, w, bias, y}, scratch);
//     onednn_call_destroy(c);
//
// Calls are independent of each other; each may be run by one thread at a time (it uses the OpenMP
// pool).
#ifndef LIMN_ENGINE_DEVICE_CPU_DNNL_H
#define LIMN_ENGINE_DEVICE_CPU_DNNL_H

#include "engine/device/cpu/cpu.h"

enum onednn_kind {
    ONEDNN_NONE = 0,
    ONEDNN_MATMUL,
    ONEDNN_CONV,        // forward
    ONEDNN_CONV_GRAD_X, // computes SOURCE from WEIGHTS and RESULT
    ONEDNN_CONV_GRAD_W, // computes WEIGHTS from SOURCE and RESULT
    ONEDNN_KIND_COUNT
};

// Named by their place in the forward direction, whichever of them is computed.
enum onednn_which { ONEDNN_SOURCE, ONEDNN_WEIGHTS, ONEDNN_BIAS, ONEDNN_RESULT, ONEDNN_ARGS };

enum { ONEDNN_RANK_MAX = 4 };

// One tensor. Dimensions in the library's order: pictures (N,C,H,W), convolution weights (K,C,k,k),
// matrices (M,K) (K,N) (M,N) or with one leading batch; strides, in elements, give their actual
// layout.
struct onednn_arg {
    int rank; // 0: this argument is absent (bias)
    int64_t dim[ONEDNN_RANK_MAX], stride[ONEDNN_RANK_MAX];
    enum dtype dtype;  // f32 or bf16
    enum dtype inside; // the primitive's own type; DTYPE_NONE: dtype, or f32 if it must
    bool any;          // the library chooses the layout, and the call reorders
    bool constant;     // never changes: reordered once, in the first run, and kept
    const void *at;    // of a constant: its address during the call's life; NULL: not known yet
};

struct onednn_params {
    enum onednn_kind kind;
    struct onednn_arg arg[ONEDNN_ARGS];
    int stride, pad; // convolutions
};

struct onednn_call;

bool onednn_available(void);

// NULL if the library has only its slow reference implementation for this, or is not built in.
struct onednn_call *onednn_call_create(const struct onednn_params *params);
void onednn_call_destroy(struct onednn_call *c); // NULL is fine

size_t onednn_call_scratch(const struct onednn_call *c); // bytes, 64-byte aligned
// Bytes of packed constant arguments that it keeps, without those shared with an earlier call.
size_t onednn_call_packed(const struct onednn_call *c);

// data[i]: the tensors in the order of enum onednn_which, NULL where absent.
void onednn_call_run(struct onednn_call *c, void *const data[ONEDNN_ARGS], void *scratch);

// "brgconv:avx512_core_bf16", and which arguments are reordered; for benchmarks and logs. The
// call's.
const char *onednn_call_name(const struct onednn_call *c);

// FLOP/s of a large square matrix product of this type, the best of several after a warm-up: the
// machine's own rate in `limn bench`. 0 and an error if it cannot be measured.
double cpu_matmul_rate(enum dtype dtype, struct err *err);

// The version as text, "2.6.3"; "" without the library.
const char *onednn_version(void);

// Whether the library uses this processor's matrix units (AMX) for bf16.
bool onednn_has_matrix_units(void);

// Each file of kernels adds its own to the table.
void onednn_add_conv(struct cpu_table *t);
void onednn_add_matmul(struct cpu_table *t);
// Attention and its gradient, with this processor's kernels between the products
// (attention_rows.h).
struct attention_tile;
void onednn_add_attention(struct cpu_table *t, const struct attention_tile *tile);
void onednn_add_attention_grad(struct cpu_table *t, const struct attention_tile *tile);

#endif
