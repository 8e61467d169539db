// SPDX-License-Identifier: MIT
#include "engine/diffusion/cascade.h"

#include <math.h>

#include "engine/base/mem.h"

// The two pixels of `from` between which pixel i of `to` lies, and the weight of the second.
static void
bilinear_taps(int i, int from, int to, int *a, int *b, float *share)
{
    double at = (i + 0.5) * from / to - 0.5;
    at = fmin(fmax(at, 0), from - 1);
    *a = (int)at;
    *b = MIN(*a + 1, from - 1);
    *share = (float)(at - *a);
}

void
cascade_enlarge(const float *low, int from, int to, int channels, struct cascade_window w,
                float *out)
{
    for (int y = 0; y < w.side; y++) {
        int y0, y1;
        float fy;
        bilinear_taps(w.top + y, from, to, &y0, &y1, &fy);
        for (int x = 0; x < w.side; x++) {
            int x0, x1;
            float fx;
            bilinear_taps(w.left + x, from, to, &x0, &x1, &fx);
            for (int c = 0; c < channels; c++) {
                float a = low[(y0 * from + x0) * channels + c];
                float b = low[(y0 * from + x1) * channels + c];
                float d = low[(y1 * from + x0) * channels + c];
                float e = low[(y1 * from + x1) * channels + c];
                float upper = a + (b - a) * fx, lower = d + (e - d) * fx;
                *out++ = upper + (lower - upper) * fy;
            }
        }
    }
}
