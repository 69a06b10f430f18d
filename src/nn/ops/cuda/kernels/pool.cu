// Pooling of planes [height, width] to [rows, columns], each pixel of `inner` values that have nothing to do with one
// another: 1 where a plane is a channel, the channels where these come last. Gradients are gathered: a thread an input
// value looks at the windows that cover it, in their order.

typedef struct {
    const T *x;
    T *y;
    U *winners; // each output's pixel in its plane
    I planes, height, width, inner, rows, columns, kernel, stride, padding;
} MaxPool;

FN I least(I a, I b) { return a < b ? a : b; }
FN I most(I a, I b) { return a > b ? a : b; }

KERNEL(max_pool, MaxPool) {
    I i = place(), plane = i, lane = digit(&plane, a.inner), column = digit(&plane, a.columns), row = digit(&plane, a.rows);
    I top, bottom, left, right, y, x;
    const T *from;
    A best, value;
    U winner;
    if (plane >= a.planes) return;
    top = most(row * a.stride - a.padding, 0);
    bottom = least(row * a.stride + a.kernel - a.padding, a.height);
    left = most(column * a.stride - a.padding, 0);
    right = least(column * a.stride + a.kernel - a.padding, a.width);
    from = a.x + plane * a.height * a.width * a.inner + lane;
    winner = (U)(top * a.width + left);
    best = load(from, winner * a.inner);
    for (y = top; y < bottom; y++) {
        for (x = left; x < right; x++) {
            value = load(from, (y * a.width + x) * a.inner);
            // NaN wins, as in PyTorch; of equals the first.
            if (value > best || value != value) {
                best = value;
                winner = (U)(y * a.width + x);
            }
        }
    }
    store(a.y, i, best);
    a.winners[i] = winner;
}

typedef struct {
    const T *dy;
    const U *winners;
    T *dx;
    I planes, height, width, inner, rows, columns, kernel, stride, padding;
} MaxPoolGradient;

// The first output whose window reaches `at`, and the last.
FN I first_window(I at, I kernel, I stride, I padding) {
    I past = at + padding - kernel;
    return past < 0 ? 0 : past / stride + 1;
}
FN I last_window(I at, I stride, I padding, I count) { return least((at + padding) / stride, count - 1); }

KERNEL(max_pool_gradient, MaxPoolGradient) {
    I i = place(), plane = i, lane = digit(&plane, a.inner), x = digit(&plane, a.width), y = digit(&plane, a.height);
    I row, column, out, last_row, last_column;
    A sum = 0;
    if (plane >= a.planes) return;
    last_row = last_window(y, a.stride, a.padding, a.rows);
    last_column = last_window(x, a.stride, a.padding, a.columns);
    for (row = first_window(y, a.kernel, a.stride, a.padding); row <= last_row; row++) {
        for (column = first_window(x, a.kernel, a.stride, a.padding); column <= last_column; column++) {
            out = ((plane * a.rows + row) * a.columns + column) * a.inner + lane;
            if (a.winners[out] == (U)(y * a.width + x)) sum += load(a.dy, out);
        }
    }
    store(a.dx, i, sum);
}

typedef struct {
    const T *from; // x, or dy for the gradient
    T *to;         // y, or dx
    I planes, height, width, inner, rows, columns, kernel, stride, padding;
    I adaptive; // nearly equal windows that cover the input, in place of kernel, stride and padding
} AvgPool;

FN I begin_of(const AvgPool *a, I out, I count, I size) {
    return a->adaptive ? out * size / count : most(out * a->stride - a->padding, 0);
}
FN I end_of(const AvgPool *a, I out, I count, I size) {
    return a->adaptive ? ((out + 1) * size + count - 1) / count
                       : least(out * a->stride + a->kernel - a->padding, size);
}
// What a window's sum is divided by; padding counts as zeros.
FN A share_of(const AvgPool *a, I row, I column) {
    I rows, columns;
    if (!a->adaptive) return (A)(1.0 / (double)(a->kernel * a->kernel));
    rows = end_of(a, row, a->rows, a->height) - begin_of(a, row, a->rows, a->height);
    columns = end_of(a, column, a->columns, a->width) - begin_of(a, column, a->columns, a->width);
    return (A)(1.0 / (double)(rows * columns));
}

KERNEL(avg_pool, AvgPool) {
    I i = place(), plane = i, lane = digit(&plane, a.inner), column = digit(&plane, a.columns), row = digit(&plane, a.rows);
    I y, x, bottom, left, right;
    const T *from;
    A sum = 0;
    if (plane >= a.planes) return;
    from = a.from + plane * a.height * a.width * a.inner + lane;
    bottom = end_of(&a, row, a.rows, a.height);
    left = begin_of(&a, column, a.columns, a.width);
    right = end_of(&a, column, a.columns, a.width);
    for (y = begin_of(&a, row, a.rows, a.height); y < bottom; y++) {
        for (x = left; x < right; x++) sum += load(from, (y * a.width + x) * a.inner);
    }
    store(a.to, i, sum * share_of(&a, row, column));
}

KERNEL(avg_pool_gradient, AvgPool) {
    I i = place(), plane = i, lane = digit(&plane, a.inner), x = digit(&plane, a.width), y = digit(&plane, a.height);
    I row, column, first_row, first_column, last_row, last_column;
    A sum = 0;
    if (plane >= a.planes) return;
    if (a.adaptive) {
        first_row = y * a.rows / a.height;
        first_column = x * a.columns / a.width;
        last_row = least(((y + 1) * a.rows + a.height - 1) / a.height, a.rows) - 1;
        last_column = least(((x + 1) * a.columns + a.width - 1) / a.width, a.columns) - 1;
    } else {
        first_row = first_window(y, a.kernel, a.stride, a.padding);
        first_column = first_window(x, a.kernel, a.stride, a.padding);
        last_row = last_window(y, a.stride, a.padding, a.rows);
        last_column = last_window(x, a.stride, a.padding, a.columns);
    }
    for (row = first_row; row <= last_row; row++) {
        for (column = first_column; column <= last_column; column++) {
            sum += load(a.from, ((plane * a.rows + row) * a.columns + column) * a.inner + lane) * share_of(&a, row, column);
        }
    }
    store(a.to, i, sum);
}
