// Entropic transport between the cells of pairs of photos in the log domain, as ot/sinkhorn.rs has it on the CPU: a block
// solves a pair by itself. Potentials, logarithms of weights and costs are in units of epsilon, so that an exponent is
// a difference. They lie in the block's shared memory; so do the costs where there is room for them.

typedef struct {
    const T *cost;  // [pairs, rows, columns]
    const T *a, *b; // [pairs, rows] and [pairs, columns]
    T *plan;        // [pairs, rows, columns]
    U *taken;       // iterations of each pair; null where nobody asks
    I rows, columns, most;
    I held; // whether the costs lie in shared memory
    double epsilon, tolerance;
} Sinkhorn;

// The logarithm of no mass: finite, so that no difference of two is undefined, and so low that its exponential is 0.
#define LOWEST ((A)-1e30)
// No cost or weight is this large; potentials stay within a few times the largest cost.
#define LARGEST ((A)1e20)

struct Costs {
    const T *from;
    const A *held; // null where the costs are read again and again
    I columns, pitch;
    A scale;
};

FN A cost_at(const struct Costs *costs, I row, I column) {
    if (costs->held) return costs->held[row * costs->pitch + column];
    return load(costs->from, row * costs->columns + column) * costs->scale;
}

// What `line` and the k-th potential of the other side add up to.
FN A sum_at(const struct Costs *costs, const A *other, I line, I k, int by_rows) {
    return other[k] - (by_rows ? cost_at(costs, line, k) : cost_at(costs, k, line));
}

// For each row (or column) the logarithm of the sum of exp(other - cost) over its columns (or rows). A team of threads
// shares a line where there are fewer lines than threads; its parts are joined in their order.
FN void soft_maxima(const struct Costs *costs, const A *other, A *to, A *parts, I lines, I length, int by_rows) {
    I team = 1, base, line, k, member;
    A *mine = parts + threadIdx.x;
    A largest, sum, value;
    while (team < 32 && 2 * team * lines <= THREADS) team *= 2;
    member = threadIdx.x % team;
    for (base = 0; base < lines; base += THREADS / team) {
        line = base + threadIdx.x / team;
        largest = LOWEST;
        for (k = member; line < lines && k < length; k += team) {
            value = sum_at(costs, other, line, k, by_rows);
            if (value > largest) largest = value;
        }
        *mine = largest;
        __syncthreads();
        for (k = 0; k < team; k++) {
            if (mine[k - member] > largest) largest = mine[k - member];
        }
        sum = 0;
        for (k = member; line < lines && k < length; k += team) {
            sum += EXP(sum_at(costs, other, line, k, by_rows) - largest);
        }
        __syncthreads();
        *mine = sum;
        __syncthreads();
        if (line < lines && member == 0) {
            for (k = 1; k < team; k++) sum += mine[k];
            to[line] = largest + LOG(sum);
        }
        __syncthreads();
    }
}

// The mass of one side, or less than 0 where a weight is no weight.
FN double mass_of(const T *weights, I count) {
    double sum = 0;
    I i;
    A weight;
    for (i = 0; i < count; i++) {
        weight = load(weights, i);
        if (!(weight >= 0 && weight < LARGEST)) return -1;
        sum += (double)weight;
    }
    return sum;
}

KERNEL(sinkhorn, Sinkhorn) {
    ROOM(room);
    A *u = room, *v = u + a.rows, *log_a = v + a.columns, *log_b = log_a + a.rows, *soft = log_b + a.columns;
    A *parts = soft + a.columns, *held = parts + THREADS;
    I pair = blockIdx.x, size = a.rows * a.columns, i, taken;
    const T *row_weights = a.a + pair * a.rows, *column_weights = a.b + pair * a.columns;
    T *plan = a.plan + pair * size;
    A wrong = 0, value, share, error;
    double row_mass, column_mass;
    struct Costs costs;
    costs.from = a.cost + pair * size;
    costs.held = a.held ? held : 0;
    costs.columns = a.columns;
    // An odd pitch, so that threads on different rows meet different banks.
    costs.pitch = a.columns | 1;
    costs.scale = (A)(1.0 / a.epsilon);

    for (i = threadIdx.x; i < size; i += THREADS) {
        value = load(costs.from, i) * costs.scale;
        if (!(value > -LARGEST && value < LARGEST)) wrong = 1;
        if (a.held) held[i / a.columns * costs.pitch + i % a.columns] = value;
    }
    if (threadIdx.x == 0) {
        row_mass = mass_of(row_weights, a.rows);
        column_mass = mass_of(column_weights, a.columns);
        if (!(row_mass > 0 && column_mass > 0)) wrong = 1;
        // Columns hold exactly the rows' mass: otherwise an iteration drifts for ever.
        soft[0] = (A)(row_mass / column_mass);
    }
    parts[threadIdx.x] = wrong;
    fold(parts);
    wrong = parts[0];
    share = soft[0];
    __syncthreads();
    if (wrong != 0) {
        // Found by the loss, which is no number either; nothing is brought to the host for it.
        for (i = threadIdx.x; i < size; i += THREADS) store(plan, i, (A)sqrt(-1.0));
        if (a.taken && threadIdx.x == 0) a.taken[pair] = 0;
        return;
    }
    for (i = threadIdx.x; i < a.rows; i += THREADS) {
        value = load(row_weights, i);
        log_a[i] = value > 0 ? LOG(value) : LOWEST;
        u[i] = 0;
    }
    for (i = threadIdx.x; i < a.columns; i += THREADS) {
        value = load(column_weights, i) * share;
        log_b[i] = value > 0 ? LOG(value) : LOWEST;
        v[i] = 0;
    }
    __syncthreads();

    for (taken = 0; taken < a.most; taken++) {
        soft_maxima(&costs, u, soft, parts, a.columns, a.rows, 0);
        if (taken > 0 && a.tolerance > 0) {
            error = 0;
            for (i = threadIdx.x; i < a.columns; i += THREADS) {
                value = EXP(v[i] + soft[i]) - load(column_weights, i) * share;
                error += value < 0 ? -value : value;
            }
            parts[threadIdx.x] = error;
            fold(parts);
            error = parts[0];
            __syncthreads();
            if (error < (A)a.tolerance) break;
        }
        for (i = threadIdx.x; i < a.columns; i += THREADS) v[i] = log_b[i] - soft[i];
        __syncthreads();
        soft_maxima(&costs, v, u, parts, a.rows, a.columns, 1);
        for (i = threadIdx.x; i < a.rows; i += THREADS) u[i] = log_a[i] - u[i];
        __syncthreads();
    }
    for (i = threadIdx.x; i < size; i += THREADS) {
        store(plan, i, EXP(u[i / a.columns] + v[i % a.columns] - cost_at(&costs, i / a.columns, i % a.columns)));
    }
    if (a.taken && threadIdx.x == 0) a.taken[pair] = (U)taken;
}
