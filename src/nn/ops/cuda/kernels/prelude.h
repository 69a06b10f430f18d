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

// Folds the block's values in `sums` into sums[0], in a fixed order.
FN void fold(A *sums) {
    U half;
    __syncthreads();
    for (half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
}
