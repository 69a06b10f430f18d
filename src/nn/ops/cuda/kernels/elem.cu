// Element by element: rectified linear units with relu'(0) = 0, what follows a convolution, channels weighed, sums over
// channels. And maps from one order of their axes to the other.

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
    if (a.bias) value += load(a.bias, channel_of(i, a.pixels, a.channels));
    if (a.residual) value += load(a.residual, i);
    if (a.relu && value < 0) value = 0;
    store(a.y, i, value);
}

typedef struct {
    const T *x;
    A *partial; // [channels, parts]
    I channels, pixels, values, parts, length, width;
} ChannelSums;

// As the moments of norm.cu are summed.
KERNEL(channel_sums, ChannelSums) {
    SHARED A sums[THREADS];
    U width = (U)a.width, step = THREADS / width, at;
    I part = blockIdx.x % (U)a.parts, channel = (I)(blockIdx.x / (U)a.parts) * width + threadIdx.x % width;
    U to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    A sum = 0;
    if (channel >= a.channels) to = 0;
    for (at = (U)(part * a.length) + threadIdx.x / width; at < to; at += step) {
        sum += load(a.x, offset(at, (U)a.pixels, a.channels, channel));
    }
    sums[threadIdx.x] = sum;
    fold_into(sums, width);
    if (threadIdx.x < width && channel < a.channels) a.partial[channel * a.parts + part] = sums[threadIdx.x];
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

typedef struct {
    const T *x;
    const T *factors; // [planes, inner]
    T *y;
    I pixels, inner, total;
} Scale;

// [planes, pixels, inner] times its factors.
KERNEL(scale, Scale) {
    I i = place(), rest = i, lane;
    if (i >= a.total) return;
    lane = digit(&rest, a.inner);
    digit(&rest, a.pixels);
    store(a.y, i, load(a.x, i) * load(a.factors, rest * a.inner + lane));
}

typedef struct {
    const T *x;
    const T *other; // null for ones
    T *sums;        // [planes, inner]
    I pixels, inner, width;
    double share; // what the sums are multiplied by
} PlaneSums;

// Sums over the pixels of [planes, pixels, inner], a block to a plane and `width` neighbours of it.
KERNEL(plane_sums, PlaneSums) {
    SHARED A sums[THREADS];
    U width = (U)a.width, step = THREADS / width, groups = (U)((a.inner + a.width - 1) / a.width);
    I plane = blockIdx.x / groups, lane = (I)(blockIdx.x % groups) * width + threadIdx.x % width, at, i;
    A sum = 0;
    if (lane < a.inner) {
        for (at = threadIdx.x / width; at < a.pixels; at += step) {
            i = (plane * a.pixels + at) * a.inner + lane;
            sum += a.other ? load(a.x, i) * load(a.other, i) : load(a.x, i);
        }
    }
    sums[threadIdx.x] = sum;
    fold_into(sums, width);
    if (threadIdx.x < width && lane < a.inner) store(a.sums, plane * a.inner + lane, sums[threadIdx.x] * (A)a.share);
}

#define TILE 32

typedef struct {
    const T *from; // [batches, rows, columns]
    T *to;         // [batches, columns, rows]
    I rows, columns;
} Transpose;

// A block turns a tile, so that both sides are read and written along their rows; a column more than the tile has keeps
// its reading across clear of one bank of memory.
KERNEL(transpose, Transpose) {
    SHARED T tile[TILE * (TILE + 1)];
    U across = (U)((a.columns + TILE - 1) / TILE), down = (U)((a.rows + TILE - 1) / TILE);
    I left = (I)(blockIdx.x % across) * TILE, top = (I)(blockIdx.x / across % down) * TILE;
    I batch = blockIdx.x / across / down * a.rows * a.columns;
    U x = threadIdx.x % TILE, y;
    for (y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE) {
        if (top + y < a.rows && left + x < a.columns) {
            tile[y * (TILE + 1) + x] = a.from[batch + (top + y) * a.columns + left + x];
        }
    }
    __syncthreads();
    for (y = threadIdx.x / TILE; y < TILE; y += THREADS / TILE) {
        if (left + y < a.columns && top + x < a.rows) {
            a.to[batch + (left + y) * a.rows + top + x] = tile[x * (TILE + 1) + y];
        }
    }
}
