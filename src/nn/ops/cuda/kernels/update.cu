// Steps of the optimizers, each element in 64 bits and rounded once, in the order of the CPU's own: compiled without
// fused multiply-add, they give the same bits. Weights are never bf16.

typedef struct {
    T *weight;
    const T *gradient;
    T *velocity;
    I total;
    double momentum, rate, decay, scale;
} Sgd;

KERNEL(sgd, Sgd) {
    I i = place();
    double gradient, velocity;
    if (i >= a.total) return;
    gradient = (double)a.gradient[i] * a.scale + a.decay * (double)a.weight[i];
    velocity = a.momentum * (double)a.velocity[i] + gradient;
    a.velocity[i] = (T)velocity;
    a.weight[i] = (T)((double)a.weight[i] - a.rate * velocity);
}

typedef struct {
    T *weight;
    const T *gradient;
    T *first, *second;
    I total;
    double beta1, beta2, epsilon;
    double keep; // 1 - rate * decay
    double size; // rate / (1 - beta1^step)
    double root; // sqrt(1 - beta2^step)
    double scale;
} AdamW;

KERNEL(adamw, AdamW) {
    I i = place();
    double gradient, first, second;
    if (i >= a.total) return;
    gradient = (double)a.gradient[i] * a.scale;
    first = a.beta1 * (double)a.first[i] + (1.0 - a.beta1) * gradient;
    second = a.beta2 * (double)a.second[i] + (1.0 - a.beta2) * gradient * gradient;
    a.first[i] = (T)first;
    a.second[i] = (T)second;
    a.weight[i] = (T)((double)a.weight[i] * a.keep - a.size * first / (sqrt(second) / a.root + a.epsilon));
}

typedef struct {
    const T *x;
    double *partial; // [blocks]
    I total, length;
} Squares;

// A block sums the squares of `length` values.
KERNEL(squares, Squares) {
    SHARED double sums[THREADS];
    I from = (I)blockIdx.x * a.length, at;
    I to = from + a.length < a.total ? from + a.length : a.total;
    U half;
    double sum = 0, value;
    for (at = from + threadIdx.x; at < to; at += THREADS) {
        value = (double)load(a.x, at);
        sum += value * value;
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums[0];
}
