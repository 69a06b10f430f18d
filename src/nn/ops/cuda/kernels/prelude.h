// What every kernel begins with. NVRTC reads it for the GPU; the tests read it with the C compiler after emulate.h,
// which is why the kernels keep to plain C: one argument (a struct of 8-byte fields, mirrored in plan.rs), blocks of
// THREADS threads in one dimension, sums through shared memory in a fixed order, no atomics. So results are the same
// bits at every run, and on every device that rounds alike.
//
// Compiled once for each number type: T is what lies in memory, A what is computed in.

#ifndef EMULATED
#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(THREADS) name(const Args a)
#define FN __device__ __forceinline__
#define SHARED __shared__
// Shared memory of the size that the launch says.
#define ROOM(name) extern __shared__ A name[]
#endif

#define THREADS 256

typedef long long I;
typedef unsigned int U;

#if defined(BF16)
typedef unsigned short T;
typedef float A;
#elif defined(F64)
typedef double T;
typedef double A;
#else
typedef float T;
typedef float A;
#endif

#if defined(F64)
#define EXP exp
#define LOG log
#else
#define EXP expf
#define LOG logf
#endif

#if defined(BF16)
typedef union {
    float value;
    U bits;
} Single;

FN A load(const T *from, I i) {
    Single single;
    single.bits = (U)from[i] << 16;
    return single.value;
}

// To the nearest, ties to even; NaN stays NaN.
FN void store(T *to, I i, A value) {
    Single single;
    single.value = value;
    if (value != value) {
        to[i] = (T)((single.bits >> 16) | 0x40);
    } else {
        to[i] = (T)((single.bits + 0x7fff + ((single.bits >> 16) & 1)) >> 16);
    }
}
#else
FN A load(const T *from, I i) { return from[i]; }
FN void store(T *to, I i, A value) { to[i] = value; }
#endif

// The place of this thread among all threads of the launch.
FN I place(void) { return (I)blockIdx.x * THREADS + threadIdx.x; }

// Takes the last digit off `i`, in base `by`. The GPU divides 32 bits several times as fast as 64.
FN I digit(I *i, I by) {
    I all = *i;
    *i = (all | by) <= 0xffffffffLL ? (I)((U)all / (U)by) : all / by;
    return all - *i * by;
}

// Folds the block's values in `sums` into the first `width`, a power of two: each takes those whose places leave the same
// remainder, in a fixed order.
FN void fold_into(A *sums, U width) {
    U half;
    __syncthreads();
    for (half = THREADS / 2; half >= width; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
}

FN void fold(A *sums) { fold_into(sums, 1); }

// The channel of the value at `i` of [images, channels, pixels].
FN I channel_of(I i, I pixels, I channels) {
    if (pixels != 1) digit(&i, pixels);
    return digit(&i, channels);
}

// Where a channel's value number `at` lies in [images, channels, pixels].
FN I offset(U at, U pixels, I channels, I channel) {
    if (pixels == 1) return (I)at * channels + channel;
    return ((I)(at / pixels) * channels + channel) * pixels + at % pixels;
}
