// Stands in for a GPU in tests: a launch runs block by block, the threads of a block as coroutines that change places
// at barriers, in one order or the other. Whatever depends on that order lacks a barrier.

#define EMULATED
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <ucontext.h>

#define FN static inline
#define SHARED static _Thread_local
#define KERNEL(name, Args)                                              \
    static void name##_body(const Args a);                              \
    void name(const void *args) { name##_body(*(const Args *)args); }   \
    static void name##_body(const Args a)

#define CROWD 256
#define STACK (64 << 10)

typedef struct {
    unsigned x;
} Index;

static _Thread_local Index threadIdx, blockIdx;
static _Thread_local ucontext_t scheduler, crowd[CROWD];
static _Thread_local char *stacks;
static _Thread_local int done[CROWD];
static _Thread_local void (*running)(const void *);
static _Thread_local const void *passed;

static void __syncthreads(void) {
    unsigned self = threadIdx.x;
    swapcontext(&crowd[self], &scheduler);
}

static void enter(void) {
    running(passed);
    done[threadIdx.x] = 1;
}

// 0, or 1 where some threads of a block ended while others waited at a barrier, or 2 without memory.
int emulate(void (*kernel)(const void *), const void *args, unsigned blocks, int backwards) {
    unsigned block, i, alive, ended;
    if (!stacks && !(stacks = malloc((size_t)CROWD * STACK))) return 2;
    running = kernel;
    passed = args;
    for (block = 0; block < blocks; block++) {
        blockIdx.x = backwards ? blocks - 1 - block : block;
        for (i = 0; i < CROWD; i++) {
            getcontext(&crowd[i]);
            crowd[i].uc_stack.ss_sp = stacks + (size_t)i * STACK;
            crowd[i].uc_stack.ss_size = STACK;
            crowd[i].uc_link = &scheduler;
            makecontext(&crowd[i], enter, 0);
            done[i] = 0;
        }
        for (alive = CROWD; alive > 0; alive -= ended) {
            ended = 0;
            for (i = 0; i < CROWD; i++) {
                threadIdx.x = backwards ? CROWD - 1 - i : i;
                if (done[threadIdx.x]) continue;
                swapcontext(&scheduler, &crowd[threadIdx.x]);
                ended += done[threadIdx.x];
            }
            if (ended != 0 && ended != alive) return 1;
        }
    }
    return 0;
}
