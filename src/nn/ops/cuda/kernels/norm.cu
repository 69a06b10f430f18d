// Batch normalisation over [images, channels, pixels], with the residual sum and the ReLU that may follow it.
//
// A channel's values are counted 0 .. images * pixels and cut into `parts` pieces of `length`; a block sums one piece of
// `width` channels, then a thread a channel joins the pieces in order (Chan, Golub and LeVeque 1979 for the squares).
//
// Neighbouring threads read neighbouring values: those of one channel, or, where a channel has one pixel to an image (a
// map whose channels come last is so described, its pixels as images), those of `width` channels, a power of two.

typedef struct {
    const T *x;
    A *partial; // [channels, parts, 2]: mean, sum of squares about it
    I channels, pixels, values, parts, length, width;
} Moments;

KERNEL(norm_moments, Moments) {
    SHARED A sums[THREADS];
    U width = (U)a.width, step = THREADS / width, lane = threadIdx.x % width, at;
    I part = blockIdx.x % (U)a.parts, channel = (I)(blockIdx.x / (U)a.parts) * width + lane;
    U from = (U)(part * a.length);
    U to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    U count = to > from ? to - from : 0;
    A sum = 0, mean, value;
    if (channel >= a.channels) to = from;
    for (at = from + threadIdx.x / width; at < to; at += step) {
        sum += load(a.x, offset(at, (U)a.pixels, a.channels, channel));
    }
    sums[threadIdx.x] = sum;
    fold_into(sums, width);
    mean = count > 0 ? sums[lane] / (A)count : (A)0;
    __syncthreads();
    sum = 0;
    for (at = from + threadIdx.x / width; at < to; at += step) {
        value = load(a.x, offset(at, (U)a.pixels, a.channels, channel)) - mean;
        sum += value * value;
    }
    sums[threadIdx.x] = sum;
    fold_into(sums, width);
    if (threadIdx.x < width && channel < a.channels) {
        a.partial[2 * (channel * a.parts + part)] = mean;
        a.partial[2 * (channel * a.parts + part) + 1] = sums[threadIdx.x];
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
    channel = channel_of(i, a.pixels, a.channels);
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
    I channels, pixels, values, parts, length, width, relu;
} GradientSums;

KERNEL(norm_gradient_sums, GradientSums) {
    SHARED A sums[THREADS];
    SHARED A products[THREADS];
    U width = (U)a.width, step = THREADS / width, at;
    I part = blockIdx.x % (U)a.parts, channel = (I)(blockIdx.x / (U)a.parts) * width + threadIdx.x % width, i;
    U to = (U)((part + 1) * a.length < a.values ? (part + 1) * a.length : a.values);
    A sum = 0, product = 0, mean = channel < a.channels ? a.mean[channel] : (A)0, gradient;
    if (channel >= a.channels) to = 0;
    for (at = (U)(part * a.length) + threadIdx.x / width; at < to; at += step) {
        i = offset(at, (U)a.pixels, a.channels, channel);
        gradient = a.relu && !(load(a.y, i) > 0) ? (A)0 : load(a.dy, i);
        sum += gradient;
        product += gradient * (load(a.x, i) - mean);
    }
    sums[threadIdx.x] = sum;
    products[threadIdx.x] = product;
    fold_into(sums, width);
    fold_into(products, width);
    if (threadIdx.x < width && channel < a.channels) {
        a.partial[2 * (channel * a.parts + part)] = sums[threadIdx.x];
        a.partial[2 * (channel * a.parts + part) + 1] = products[threadIdx.x];
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
    channel = channel_of(i, a.pixels, a.channels);
    gradient = a.relu && !(load(a.y, i) > 0) ? (A)0 : load(a.dy, i);
    if (a.behind) store(a.behind, i, gradient);
    store(a.dx, i, a.slope[channel] * gradient + (a.lean[channel] * (load(a.x, i) - a.mean[channel]) + a.shift[channel]));
}
