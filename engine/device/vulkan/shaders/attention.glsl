// SPDX-License-Identifier: MIT
// What the attention shaders share (engine/ops/attention.c holds the formulas).
// own: 0 N, 1 T, 2 S, 3 heads, 4 scale, 5..7 strides of the bias by n, head and query
layout(constant_id = 10) const uint D = 32;
layout(constant_id = 11) const uint BIAS = 0;

uint width() { return u(3) * D; }
// First element of query i, or key j, of head h of sample n.
uint query(uint n, uint h, uint i) { return (n * u(1) + i) * width() + h * D; }
uint key(uint n, uint h, uint j) { return (n * u(2) + j) * width() + h * D; }
uint bias_at(uint n, uint h, uint i) { return n * u(5) + h * u(6) + i * u(7); }
// Row of (n,h,i) in the row statistics.
uint stats(uint n, uint h, uint i) { return ((n * u(3) + h) * u(1) + i) * 2; }
