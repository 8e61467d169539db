// SPDX-License-Identifier: MIT
// Partial statistics of a group (group_stats.comp), put together (Chan et al. 1979). STATS(i) reads
// them.
vec2 group_statistics(uint n, uint group, uint groups, uint pieces, float eps)
{
    float count = 0.0, mean = 0.0, square = 0.0;
    for (uint p = 0; p < pieces; p++) {
        uint at = ((n * groups + group) * pieces + p) * 3;
        float more = STATS(at), apart = STATS(at + 1) - mean, both = count + more;
        if (more == 0.0)
            continue;
        mean += apart * more / both;
        square += STATS(at + 2) + apart * apart * count * more / both;
        count = both;
    }
    return vec2(mean, 1.0 / sqrt(square / count + eps));
}
