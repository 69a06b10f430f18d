// Batch normalisation over [images, channels, pixels], with the residual sum and the ReLU that may follow it.
//
// A channel's values are counted 0 .. images * pixels and cut into `parts` pieces of `length`; a block sums one piece,
// then a thread a channel joins the pieces in order (Chan, Golub and LeVeque 1979 for the squares).

FN I offset(U at, U pixels, I channels, I channel) { return ((I)(at / pixels) * channels + channel) * pixels + at % pixels; }

typedef struct {
    const T *x;
    A *partial; // [channels, parts, 2]: mean, sum of squares about it
    I channels, pixels, values, parts, length;
} Moments;

KERNEL(norm_moments, Moments) {
    SHARED A sums[THREADS];
    I channel = blockIdx.x / a.parts, part = blockIdx.x % a.parts;
    U from = (U)(part * a.length), at;
    U to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    U count = to > from ? to - from : 0;
    A sum = 0, mean, value;
    for (at = from + threadIdx.x; at < to; at += THREADS) sum += load(a.x, offset(at, (U)a.pixels, a.channels, channel));
    sums[threadIdx.x] = sum;
    fold(sums);
    mean = count > 0 ? sums[0] / (A)count : (A)0;
    __syncthreads();
    sum = 0;
    for (at = from + threadIdx.x; at < to; at += THREADS) {
        value = load(a.x, offset(at, (U)a.pixels, a.channels, channel)) - mean;
        sum += value * value;
    }
    sums[threadIdx.x] = sum;
    fold(sums);
    if (threadIdx.x == 0) {
        a.partial[2 * blockIdx.x] = mean;
        a.partial[2 * blockIdx.x + 1] = sums[0];
    }
}

typedef struct {
    const A *partial;
    A *mean, *variance, *unbiased; // [channels]; the variance is biased, as it is used
    I channels, values, parts, length;
} Join;

KERNEL(norm_join, Join) {
    I channel = place(), part;
    A mean = 0, squares = 0, seen = 0;
    if (channel >= a.channels) return;
    for (part = 0; part < a.parts; part++) {
        I from = part * a.length;
        I to = from + a.length < a.values ? from + a.length : a.values;
        A count = to > from ? (A)(to - from) : (A)0;
        A other = a.partial[2 * (channel * a.parts + part)];
        A apart = other - mean;
        if (count == 0) continue;
        squares += a.partial[2 * (channel * a.parts + part) + 1] + apart * apart * (seen * count / (seen + count));
        mean += apart * (count / (seen + count));
        seen += count;
    }
    a.mean[channel] = mean;
    a.variance[channel] = squares / seen;
    a.unbiased[channel] = squares / (seen - 1);
}

typedef struct {
    const A *mean, *variance, *weight, *bias;
    A *slope, *shift; // [channels]: y = slope x + shift
    I channels;
    double epsilon;
} Slope;

KERNEL(norm_slope, Slope) {
    I channel = place();
    double slope;
    if (channel >= a.channels) return;
    slope = (double)a.weight[channel] / sqrt((double)a.variance[channel] + a.epsilon);
    a.slope[channel] = (A)slope;
    a.shift[channel] = (A)((double)a.bias[channel] - (double)a.mean[channel] * slope);
}

typedef struct {
    const T *x;
    const T *residual; // null where there is none
    T *y;
    const A *slope, *shift;
    I channels, pixels, total, relu;
} Apply;

KERNEL(norm_apply, Apply) {
    I i = place(), channel;
    A value;
    if (i >= a.total) return;
    channel = i / a.pixels % a.channels;
    value = load(a.x, i) * a.slope[channel] + a.shift[channel];
    if (a.residual) value += load(a.residual, i);
    // Written so that NaN passes through.
    if (a.relu && value < 0) value = 0;
    store(a.y, i, value);
}

typedef struct {
    const T *x, *y, *dy;
    const A *mean;
    A *partial; // [channels, parts, 2]: sum of dy, sum of dy (x - mean)
    I channels, pixels, values, parts, length, relu;
} GradientSums;

KERNEL(norm_gradient_sums, GradientSums) {
    SHARED A sums[THREADS];
    SHARED A products[THREADS];
    I channel = blockIdx.x / a.parts, part = blockIdx.x % a.parts, i;
    U at, to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    A sum = 0, product = 0, mean = a.mean[channel], gradient;
    for (at = (U)(part * a.length) + threadIdx.x; at < to; at += THREADS) {
        i = offset(at, (U)a.pixels, a.channels, channel);
        gradient = a.relu && !(load(a.y, i) > 0) ? (A)0 : load(a.dy, i);
        sum += gradient;
        product += gradient * (load(a.x, i) - mean);
    }
    sums[threadIdx.x] = sum;
    products[threadIdx.x] = product;
    fold(sums);
    fold(products);
    if (threadIdx.x == 0) {
        a.partial[2 * blockIdx.x] = sums[0];
        a.partial[2 * blockIdx.x + 1] = products[0];
    }
}

typedef struct {
    const A *partial, *variance, *weight;
    A *dweight, *dbias;        // [channels]
    A *slope, *lean, *shift;   // [channels]: dx = slope dy + lean (x - mean) + shift
    I channels, values, parts;
    I fixed; // nothing flows back through given moments
    double epsilon;
} GradientJoin;

KERNEL(norm_gradient_join, GradientJoin) {
    I channel = place(), part;
    double sum = 0, product = 0, inverse, slope;
    if (channel >= a.channels) return;
    for (part = 0; part < a.parts; part++) {
        sum += (double)a.partial[2 * (channel * a.parts + part)];
        product += (double)a.partial[2 * (channel * a.parts + part) + 1];
    }
    inverse = 1.0 / sqrt((double)a.variance[channel] + a.epsilon);
    slope = (double)a.weight[channel] * inverse;
    a.dweight[channel] = (A)(product * inverse);
    a.dbias[channel] = (A)sum;
    a.slope[channel] = (A)slope;
    a.lean[channel] = a.fixed ? (A)0 : (A)(-slope * (product * inverse * inverse / (double)a.values));
    a.shift[channel] = a.fixed ? (A)0 : (A)(-slope * (sum / (double)a.values));
}

typedef struct {
    const T *x, *y, *dy;
    T *dx;
    T *behind; // the gradient behind the ReLU, which the residual gets; null where nobody asks
    const A *mean, *slope, *lean, *shift;
    I channels, pixels, total, relu;
} GradientInput;

KERNEL(norm_gradient_input, GradientInput) {
    I i = place(), channel;
    A gradient;
    if (i >= a.total) return;
    channel = i / a.pixels % a.channels;
    gradient = a.relu && !(load(a.y, i) > 0) ? (A)0 : load(a.dy, i);
    if (a.behind) store(a.behind, i, gradient);
    store(a.dx, i, a.slope[channel] * gradient + (a.lean[channel] * (load(a.x, i) - a.mean[channel]) + a.shift[channel]));
}
