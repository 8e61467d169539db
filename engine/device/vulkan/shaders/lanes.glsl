// SPDX-License-Identifier: MIT
// Sums and maxima over the lanes of a row. A row has one lane where the device is serial: then
// there is nothing to exchange and no barrier. Every invocation of the workgroup must call them.
shared float exchange[LANES > 1 ? LANES : 1];

float lanes_sum(float x)
{
    if (LANES == 1)
        return x;
    barrier();
    exchange[lane()] = x;
    for (uint step = LANES / 2; step > 0; step /= 2) {
        barrier();
        if (lane() < step)
            exchange[lane()] += exchange[lane() + step];
    }
    barrier();
    return exchange[0];
}

float lanes_max(float x)
{
    if (LANES == 1)
        return x;
    barrier();
    exchange[lane()] = x;
    for (uint step = LANES / 2; step > 0; step /= 2) {
        barrier();
        if (lane() < step)
            exchange[lane()] = max(exchange[lane()], exchange[lane() + step]);
    }
    barrier();
    return exchange[0];
}
