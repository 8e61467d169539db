// SPDX-License-Identifier: MIT
// All products as one: C (M,N) = sum over outer t and inner k of A(m,t,k) B(n,t,k), where for a
// fixed t both walk memory in equal strides.
//
//   KIND            m                n              t                k
//   0 matmul        row              column         piece of K       place in it
//   1 conv2d        output pixel     output channel tap              input channel
//   2 conv2d_grad_x input pixel      input channel  tap              output channel
//   3 conv2d_grad_w output channel   (tap,channel)  row of a picture output column
//
// own: 0 M, 1 N, 2 outer, 3 inner, 4 K of a matmul; strides: 5 A by m, 6 A by k, 7 A by batch, 8 B
// by n, 9 B by k, 10 B by batch; 11 splits of the outer range; 12 H, 13 W, 14 channels, 15 output
// height, 16 width, 17 channels, 18 kernel, 19 stride, 20 padding, 21 stride of B by t (1, 2). The
// third dimension of the grid is batch * splits.
layout(constant_id = 10) const uint KIND = 0;
layout(constant_id = 11) const uint BIAS = 0;
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)

uint M() { return u(0); }
uint N() { return u(1); }
uint batch() { return gl_WorkGroupID.z / u(11); }
uint split() { return gl_WorkGroupID.z % u(11); }

// Outer range of this split.
uvec2 outer()
{
    uint each = (u(2) + u(11) - 1) / u(11), first = min(split() * each, u(2));
    return uvec2(first, min(first + each, u(2)));
}

// Inner length at t: the last piece of a matmul is shorter.
uint inner(uint t) { return KIND == 0 ? min(u(3), u(4) - t * u(3)) : u(3); }

uint a_step() { return u(6); }
uint b_step() { return u(9); }

// First element of A's walk, and whether there is one.
bool a_first(uint m, uint t, out uint at)
{
    at = 0;
    if (m >= M())
        return false;
    if (KIND == 0) {
        at = batch() * u(7) + m * u(5) + t * u(3) * u(6);
        return true;
    }
    if (KIND == 3) {
        at = t * u(16) * u(17) + m;
        return true;
    }
    int stride = int(u(19)), pad = int(u(20)), ky = int(t / u(18)), kx = int(t % u(18));
    if (KIND == 1) {
        int x = int(m % u(16)) * stride + kx - pad, y = int(m / u(16) % u(15)) * stride + ky - pad;
        at = ((m / u(16) / u(15) * u(12) + uint(y)) * u(13) + uint(x)) * u(14);
        return x >= 0 && y >= 0 && x < int(u(13)) && y < int(u(12));
    }
    int x = int(m % u(13)) + pad - kx, y = int(m / u(13) % u(12)) + pad - ky;
    bool there = x >= 0 && y >= 0 && x % stride == 0 && y % stride == 0;
    x /= stride;
    y /= stride;
    at = ((m / u(13) / u(12) * u(15) + uint(y)) * u(16) + uint(x)) * u(17);
    return there && x < int(u(16)) && y < int(u(15));
}

// The same of B; `first` and `last`: the k that lie inside the picture (KIND 3).
bool b_first(uint n, uint t, out uint at, out uint first, out uint last)
{
    at = 0;
    first = 0;
    last = inner(t);
    if (n >= N())
        return false;
    if (KIND == 0) {
        at = batch() * u(10) + n * u(8) + t * u(3) * u(9);
        return true;
    }
    if (KIND == 1 || KIND == 2) {
        at = n * u(8) + t * u(21);
        return true;
    }
    uint tap = n / u(14), channel = n % u(14);
    int stride = int(u(19)), kx = int(tap % u(18)), ky = int(tap / u(18));
    int y = int(t % u(15)) * stride + ky - int(u(20)), x0 = kx - int(u(20)), w = int(u(13));
    if (y < 0 || y >= int(u(12)) || x0 >= w)
        return false;
    // 0 <= x0 + k stride < w
    first = uint(x0 < 0 ? (-x0 + stride - 1) / stride : 0);
    last = min(last, uint((w - 1 - x0) / stride + 1));
    at = uint(int(((t / u(15) * u(12) + uint(y)) * u(13)) * u(14) + channel) + x0 * int(u(14)));
    return first < last;
}

void finish(uint m, uint n, float sum)
{
    if (m >= M() || n >= N())
        return;
    if (BIAS != 0 && u(11) == 1)
        sum += load3(n);
    if (KIND == 3) // as checkpoints have it: (channel,tap)
        n = n % u(14) * u(18) * u(18) + n / u(14);
    store0((gl_WorkGroupID.z * M() + m) * N() + n, sum);
}
