// Steps of the optimizers, of all parameters in one launch; each element in 64 bits and rounded once, in the order of the
// CPU's own: compiled without fused multiply-add, they give the same bits. Weights are never bf16.

// A parameter. Its values are cut into pieces, a block to each; `begin` is the number of the first one.
typedef struct {
    T *weight;
    const T *gradient;
    T *first, *second; // moments; `second` under AdamW only
    I total, begin;
    double rate, decay;
    double trust; // of LARS; 0 where it does not fit the step to the weights' length
} Entry;

// The parameter of this block: the last one that begins at it or before.
FN const Entry *mine(const Entry *entries, I count) {
    I low = 0, high = count - 1, middle;
    while (low < high) {
        middle = (low + high + 1) / 2;
        if (entries[middle].begin <= (I)blockIdx.x) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return entries + low;
}

FN I from(const Entry *e, I length) { return ((I)blockIdx.x - e->begin) * length; }
FN I upto(const Entry *e, I length) {
    I end = from(e, length) + length;
    return end < e->total ? end : e->total;
}

// The block's values together, in a fixed order.
FN double together(double *sums, double value) {
    U half;
    __syncthreads();
    sums[threadIdx.x] = value;
    __syncthreads();
    for (half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

typedef struct {
    const Entry *entries;
    double *partial; // [blocks]
    I count, length;
} Squares;

// A block sums the squares of its piece of a gradient.
KERNEL(squares, Squares) {
    SHARED double sums[THREADS];
    const Entry *e = mine(a.entries, a.count);
    I at, end = upto(e, a.length);
    double sum = 0, value;
    for (at = from(e, a.length) + threadIdx.x; at < end; at += THREADS) {
        value = (double)load(e->gradient, at);
        sum += value * value;
    }
    sum = together(sums, sum);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sum;
}

typedef struct {
    const double *partial; // [blocks]
    double *norm;          // [2]: the length of all gradients, and what makes them at most `limit` long
    I blocks;
    double limit; // 0 for none
} Clip;

KERNEL(clip, Clip) {
    SHARED double sums[THREADS];
    I block;
    double sum = 0, norm;
    for (block = threadIdx.x; block < a.blocks; block += THREADS) sum += a.partial[block];
    norm = sqrt(together(sums, sum));
    if (threadIdx.x != 0) return;
    a.norm[0] = norm;
    a.norm[1] = a.limit > 0 && norm > a.limit ? a.limit / norm : 1.0;
}

typedef struct {
    const Entry *entries;
    const double *scale; // of the gradients; absent for 1
    double *partial;     // [blocks, 2]
    I count, length;
} Lengths;

// A block sums the squares of its piece of a parameter, and of the gradient with its decay.
KERNEL(lengths, Lengths) {
    SHARED double sums[THREADS];
    const Entry *e = mine(a.entries, a.count);
    I at, end = upto(e, a.length);
    double scale = a.scale ? *a.scale : 1.0, weights = 0, gradients = 0, weight, gradient;
    for (at = from(e, a.length) + threadIdx.x; at < end; at += THREADS) {
        weight = (double)e->weight[at];
        gradient = (double)e->gradient[at] * scale + e->decay * weight;
        weights += weight * weight;
        gradients += gradient * gradient;
    }
    weights = together(sums, weights);
    gradients = together(sums, gradients);
    if (threadIdx.x != 0) return;
    a.partial[2 * (I)blockIdx.x] = weights;
    a.partial[2 * (I)blockIdx.x + 1] = gradients;
}

typedef struct {
    const Entry *entries;
    const double *partial; // [blocks, 2]
    double *fit;           // [count]
    I count, blocks;
} Fit;

// What LARS multiplies each parameter's gradient with; 1 where weights or gradient are all zeros. A block to each.
KERNEL(fit, Fit) {
    SHARED double sums[THREADS];
    const Entry *e = a.entries + blockIdx.x;
    I block, end = (I)blockIdx.x + 1 < a.count ? e[1].begin : a.blocks;
    double weights = 0, gradients = 0;
    for (block = e->begin + threadIdx.x; block < end; block += THREADS) {
        weights += a.partial[2 * block];
        gradients += a.partial[2 * block + 1];
    }
    weights = together(sums, weights);
    gradients = together(sums, gradients);
    if (threadIdx.x != 0) return;
    a.fit[blockIdx.x] =
        e->trust > 0 && weights > 0 && gradients > 0 ? e->trust * sqrt(weights) / sqrt(gradients) : 1.0;
}

typedef struct {
    const Entry *entries;
    const double *scale; // of the gradients; absent for 1
    const double *fit;   // of each parameter, under LARS; absent for 1
    I count, length;
    double momentum;
} Sgd;

KERNEL(sgd, Sgd) {
    const Entry *e = mine(a.entries, a.count);
    I at, end = upto(e, a.length);
    double fit = a.fit ? a.fit[e - a.entries] : 1.0;
    double scale = fit * (a.scale ? *a.scale : 1.0), decay = fit * e->decay, gradient, velocity;
    for (at = from(e, a.length) + threadIdx.x; at < end; at += THREADS) {
        gradient = (double)e->gradient[at] * scale + decay * (double)e->weight[at];
        velocity = a.momentum * (double)e->first[at] + gradient;
        e->first[at] = (T)velocity;
        e->weight[at] = (T)((double)e->weight[at] - e->rate * velocity);
    }
}

typedef struct {
    const Entry *entries;
    const double *scale; // of the gradients; absent for 1
    I count, length;
    double beta1, beta2, epsilon;
    double unbias; // 1 - beta1^step
    double root;   // sqrt(1 - beta2^step)
} AdamW;

KERNEL(adamw, AdamW) {
    const Entry *e = mine(a.entries, a.count);
    I at, end = upto(e, a.length);
    double scale = a.scale ? *a.scale : 1.0, keep = 1.0 - e->rate * e->decay, size = e->rate / a.unbias;
    double gradient, first, second;
    for (at = from(e, a.length) + threadIdx.x; at < end; at += THREADS) {
        gradient = (double)e->gradient[at] * scale;
        first = a.beta1 * (double)e->first[at] + (1.0 - a.beta1) * gradient;
        second = a.beta2 * (double)e->second[at] + (1.0 - a.beta2) * gradient * gradient;
        e->first[at] = (T)first;
        e->second[at] = (T)second;
        e->weight[at] = (T)((double)e->weight[at] * keep - size * first / (sqrt(second) / a.root + a.epsilon));
    }
}
