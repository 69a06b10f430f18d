// Element by element: rectified linear units with relu'(0) = 0, what follows a convolution, sums over channels.

typedef struct {
    const T *x;
    const T *other; // null where there is none
    T *y;
    I total;
} Rectify;

KERNEL(rectify, Rectify) {
    I i = place();
    A value;
    if (i >= a.total) return;
    value = load(a.x, i);
    if (a.other) value += load(a.other, i);
    // Written so that NaN passes through.
    store(a.y, i, value < 0 ? (A)0 : value);
}

typedef struct {
    const T *y, *dy;
    T *dx;
    I total;
} Mask;

KERNEL(mask, Mask) {
    I i = place();
    if (i >= a.total) return;
    store(a.dx, i, load(a.y, i) > 0 ? load(a.dy, i) : (A)0);
}

typedef struct {
    T *y; // changed in place
    const T *bias, *residual; // null where there is none
    I channels, pixels, total, relu;
} Epilogue;

KERNEL(epilogue, Epilogue) {
    I i = place();
    A value;
    if (i >= a.total) return;
    value = load(a.y, i);
    if (a.bias) value += load(a.bias, i / a.pixels % a.channels);
    if (a.residual) value += load(a.residual, i);
    if (a.relu && value < 0) value = 0;
    store(a.y, i, value);
}

typedef struct {
    const T *x;
    A *partial; // [channels, parts]
    I channels, pixels, values, parts, length;
} ChannelSums;

KERNEL(channel_sums, ChannelSums) {
    SHARED A sums[THREADS];
    I channel = blockIdx.x / a.parts, part = blockIdx.x % a.parts;
    U at, to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    A sum = 0;
    for (at = (U)(part * a.length) + threadIdx.x; at < to; at += THREADS) {
        sum += load(a.x, ((I)(at / (U)a.pixels) * a.channels + channel) * a.pixels + at % (U)a.pixels);
    }
    sums[threadIdx.x] = sum;
    fold(sums);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums[0];
}

typedef struct {
    const A *partial;
    T *sums; // [channels]
    I channels, parts;
} ChannelJoin;

KERNEL(channel_join, ChannelJoin) {
    I channel = place(), part;
    A sum = 0;
    if (channel >= a.channels) return;
    for (part = 0; part < a.parts; part++) sum += a.partial[channel * a.parts + part];
    store(a.sums, channel, sum);
}
