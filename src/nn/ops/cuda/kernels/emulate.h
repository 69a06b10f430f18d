// Stands in for a GPU in tests: a launch runs block by block, the threads of a block as coroutines that change places
// at barriers, in one order or the other. Whatever depends on that order lacks a barrier.

#define EMULATED
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define FN static inline
#define SHARED static _Thread_local
#define ROOM(name) A *name = (A *)room_of_block
#define KERNEL(name, Args)                                              \
    static void name##_body(const Args a);                              \
    void name(const void *args) { name##_body(*(const Args *)args); }   \
    static void name##_body(const Args a)

#define CROWD 256
#define STACK (64 << 10)
// Bytes after a block's room that nobody may write.
#define GUARD 256

typedef struct {
    unsigned x;
} Index;

static _Thread_local Index threadIdx, blockIdx;
static _Thread_local ucontext_t scheduler, crowd[CROWD];
static _Thread_local char *stacks;
static _Thread_local unsigned char *room_of_block;
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

// `room` bytes of shared memory for each block. 0, or 1 where some threads of a block ended while others waited at a
// barrier, or 2 without memory, or 3 where a block wrote past its room.
static int run(unsigned blocks, size_t room, int backwards) {
    unsigned block, i, alive, ended;
    for (block = 0; block < blocks; block++) {
        blockIdx.x = backwards ? blocks - 1 - block : block;
        // NaN, so that what is read before it is written shows.
        memset(room_of_block, 0xff, room + GUARD);
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
        for (i = 0; i < GUARD; i++) {
            if (room_of_block[room + i] != 0xff) return 3;
        }
    }
    return 0;
}

int emulate(void (*kernel)(const void *), const void *args, unsigned blocks, unsigned room, int backwards) {
    int said;
    if (!stacks && !(stacks = malloc((size_t)CROWD * STACK))) return 2;
    if (!(room_of_block = malloc((size_t)room + GUARD))) return 2;
    running = kernel;
    passed = args;
    said = run(blocks, room, backwards);
    free(room_of_block);
    return said;
}
