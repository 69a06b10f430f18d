//! 3x3 convolution of stride 1 and the gradient of its data by F(4x4, 3x3) (`winograd`), between ordinary maps and with
//! weights that are new each time: what a network that learns needs. The transformed inputs of a task's tiles lie as the
//! matrix product's right factor lies once packed, the weights as its left one, so each of the 36 points is one product.

use rayon::prelude::*;

use super::{
    conv::Geometry,
    conv_core::{Target, store, with_padding, written},
    elem::{Elem, simd},
    product::{Kernel, LINES, Operands, with_scratch},
    winograd::{self, IN, OUT, POINTS, input_line, output_line, weight_line},
};

/// Rows of weights whose products are turned into outputs together; a multiple of every kernel's rows.
const ROWS: usize = 48;
/// Tasks a convolution is cut into where its size allows.
const TASKS: usize = 8;
/// Fewer channels than this do not earn the transforms of inputs and outputs.
const NARROWEST: usize = 16;

/// Whether a convolution and the gradient of its data are computed this way; by the sizes of one image alone.
pub fn fits(g: &Geometry) -> bool {
    let plain = g.kernel == (3, 3) && g.stride == (1, 1) && g.dilation == (1, 1) && g.groups == 1;
    let padded = [g.top, g.bottom, g.left, g.right] == [1; 4];
    plain && padded && g.channels.min(g.filters) >= NARROWEST && winograd::fits(g.height, g.width)
}

pub fn forward<T: Elem>(g: &Geometry, x: &[T], w: &[T]) -> Vec<T> {
    let layer = Layer { channels: g.channels, filters: g.filters, size: g.out, turned: false };
    let len = g.images * g.filters * g.pixels();
    written(len, |y| layer.run(x, w, y, false))
}

/// As [`super::conv_core::data_gradient`]: the convolution of the result's gradient with the weights turned about.
pub fn data_gradient<T: Elem>(g: &Geometry, w: &[T], dy: &[T], sum: Option<Vec<T>>) -> Vec<T> {
    let layer = Layer { channels: g.filters, filters: g.channels, size: g.out, turned: true };
    let len = g.images * g.channels * g.pixels();
    match sum {
        None => written(len, |dx| layer.run(dy, w, dx, false)),
        Some(mut sum) => {
            assert_eq!(sum.len(), len, "a sum of another map's gradients");
            layer.run(dy, w, &Target::over(&mut sum), true);
            sum
        }
    }
}

/// A convolution from `channels` to `filters`.
struct Layer {
    channels: usize,
    filters: usize,
    size: (usize, usize),
    /// The weights are given as `[channels, filters, 3, 3]`, and each kernel is turned about.
    turned: bool,
}

impl Layer {
    fn run<T: Elem>(&self, x: &[T], w: &[T], y: &Target<T>, add: bool) {
        let (kernel, (height, width)) = (T::best(), self.size);
        let (down, across) = (height.div_ceil(OUT), width.div_ceil(OUT));
        let total = x.len() / (self.channels * height * width) * down * across;
        // Two panels of tiles share each part of the weights that is read.
        let panels = if total >= 2 * kernel.columns * TASKS / 2 { 2 } else { 1 };
        let each = panels * kernel.columns;
        let packed = POINTS * self.channels * kernel.rows;
        with_scratch(self.filters.div_ceil(kernel.rows) * packed, |u: &mut [T]| {
            u.par_chunks_mut(packed).enumerate().for_each(|(panel, u)| {
                let first = panel * kernel.rows;
                weights(w, self, first..self.filters.min(first + kernel.rows), kernel.rows, u);
            });
            let u: &[T] = u;
            // Whole tiles everywhere, and two columns more, for lines are read eight wide.
            let pad = [1, OUT * down + 1 - height, 1, OUT * across + 3 - width];
            with_padding(x, self.size, pad, |x, ph, pw| {
                let place = |tile: usize| (tile / (down * across), tile / across % down * OUT, tile % across * OUT);
                (0..total.div_ceil(each)).into_par_iter().with_max_len(1).for_each(|task| {
                    let tiles = task * each..total.min((task + 1) * each);
                    with_scratch(POINTS * self.channels * each, |v: &mut [T]| {
                        // [point][panel][channel][tile]
                        let step = self.channels * each;
                        for first in (0..tiles.len().next_multiple_of(kernel.columns)).step_by(LINES) {
                            let mut at: [usize; LINES] = std::array::from_fn(|lane| {
                                let (image, row, column) = place((tiles.start + first + lane).min(tiles.end - 1));
                                (image * self.channels * ph + row) * pw + column
                            });
                            let (panel, lane) = (first / kernel.columns, first % kernel.columns);
                            for channel in 0..self.channels {
                                let to = (panel * self.channels + channel) * kernel.columns + lane;
                                input(x, at, pw, &mut v[to..], step);
                                at = at.map(|at| at + ph * pw);
                            }
                        }
                        with_scratch(POINTS * ROWS * each, |m: &mut [T]| {
                            for rows in (0..self.filters).step_by(ROWS) {
                                let rows = rows..self.filters.min(rows + ROWS);
                                self.products(&kernel, u, v, m, rows.clone(), (tiles.len(), each));
                                for (row, filter) in rows.enumerate() {
                                    for first in (0..tiles.len()).step_by(LINES) {
                                        let mut lines = [[T::ZERO; OUT * OUT]; LINES];
                                        output(&m[row * each + first..], ROWS * each, &mut lines);
                                        let last = tiles.end.min(tiles.start + first + LINES);
                                        for (tile, lines) in (tiles.start + first..last).zip(&lines) {
                                            self.put(y, lines, filter, place(tile), add);
                                        }
                                    }
                                }
                            }
                        });
                    });
                });
            });
        });
    }

    /// `m[point][row][tile] = Σ_channels u[row][point][channel] v[point][channel][tile]`.
    fn products<T: Elem>(
        &self,
        kernel: &Kernel<T>,
        u: &[T],
        v: &[T],
        m: &mut [T],
        rows: std::ops::Range<usize>,
        (tiles, each): (usize, usize),
    ) {
        let (left, right) = (self.channels * kernel.rows, self.channels * kernel.columns);
        for point in 0..POINTS {
            for panel in 0..tiles.div_ceil(kernel.columns) {
                let b = &v[point * self.channels * each + panel * right..][..right];
                for row in rows.clone().step_by(kernel.rows) {
                    let a = &u[(row / kernel.rows * POINTS + point) * left..][..left];
                    let c = &mut m[(point * ROWS + row - rows.start) * each + panel * kernel.columns..];
                    let here = kernel.rows.min(rows.end - row);
                    kernel.run(here, self.channels, Operands { a, b, c, stride: each }, false);
                }
            }
        }
    }

    /// Puts a tile of outputs to its place; what lies beyond the map is left out.
    fn put<T: Elem>(
        &self,
        y: &Target<T>,
        lines: &[T; OUT * OUT],
        filter: usize,
        (image, row, column): (usize, usize, usize),
        add: bool,
    ) {
        let (height, width) = self.size;
        let columns = OUT.min(width - column);
        for (down, line) in lines.as_chunks::<OUT>().0.iter().enumerate().take(OUT.min(height - row)) {
            let start = ((image * self.filters + filter) * height + row + down) * width + column;
            // SAFETY: a tile's outputs are its task's alone, and tiles do not overlap.
            let places = unsafe { y.run(start, columns) };
            match places.first_chunk_mut::<OUT>() {
                Some(places) => store(places, line, add),
                None => store(places, &line[..columns], add),
            }
        }
    }
}

simd! {
    /// `G g Gᵀ` of some rows of weights, in 64 bits and rounded once, to `[point][channel][row]`; rows that fill up the
    /// panel become zeros.
    fn weights<T>(w: &[T], layer: &Layer, rows: std::ops::Range<usize>, panel: usize, u: &mut [T]) -> () {
        let (row_step, step) = if layer.turned { (9, layer.filters * 9) } else { (layer.channels * 9, 9) };
        if rows.len() < panel {
            u.fill(T::ZERO);
        }
        for first in (0..layer.channels).step_by(LINES) {
            let channels = first..layer.channels.min(first + LINES);
            for (lane, row) in rows.clone().enumerate() {
                let mut taps = [[[0.0; LINES]; 3]; 3];
                for (i, channel) in channels.clone().enumerate() {
                    for (tap, w) in w[row * row_step + channel * step..][..9].iter().enumerate() {
                        let tap = if layer.turned { 8 - tap } else { tap };
                        taps[tap % 3][tap / 3][i] = w.to_f64();
                    }
                }
                // Columns first, then rows. Without `map`, whose closures are compiled without vectors.
                let [left, middle, right] = taps;
                let (left, middle, right) =
                    (weight_line::<T, LINES>(left), weight_line::<T, LINES>(middle), weight_line::<T, LINES>(right));
                for (line, ((left, middle), right)) in left.iter().zip(&middle).zip(&right).enumerate() {
                    for (column, values) in weight_line::<T, LINES>([*left, *middle, *right]).iter().enumerate() {
                        let at = (line * IN + column) * layer.channels;
                        let u = &mut u[(at + first) * panel..(at + channels.end) * panel];
                        for (u, &value) in u.chunks_exact_mut(panel).zip(values) {
                            u[lane] = T::of(value);
                        }
                    }
                }
            }
        }
    }
}

simd! {
    /// `Bᵀ d B` of one channel of eight tiles, whose first inputs lie at `at`, to 36 places a step apart.
    fn input<T>(x: &[T], at: [usize; LINES], pw: usize, v: &mut [T], step: usize) -> () {
        let mut window = [[[T::ZERO; LINES]; LINES]; IN];
        match T::transpose() {
            Some(transpose) => {
                let farthest = at.iter().max().map_or(0, |most| most + (IN - 1) * pw + LINES);
                assert!(farthest <= x.len(), "a tile reaches beyond the image");
                for (row, line) in window.iter_mut().enumerate() {
                    // SAFETY: eight values from each place on lie inside as just checked, and `line` holds eight by eight.
                    unsafe { transpose(at.map(|at| x.as_ptr().add(at + row * pw)), line.as_mut_ptr().cast(), LINES, 1) };
                }
            }
            None => {
                for (tile, at) in at.into_iter().enumerate() {
                    for (row, line) in window.iter_mut().enumerate() {
                        line.iter_mut().zip(&x[at + row * pw..][..IN]).for_each(|(values, &x)| values[tile] = x);
                    }
                }
            }
        }
        let turned: [[[T; LINES]; IN]; IN] =
            std::array::from_fn(|column| input_line(std::array::from_fn(|row| window[row][column])));
        for row in 0..IN {
            let line = input_line(std::array::from_fn(|column| turned[column][row]));
            for (column, values) in line.iter().enumerate() {
                v[(row * IN + column) * step..][..LINES].copy_from_slice(values);
            }
        }
    }
}

simd! {
    /// `Aᵀ m A` of one filter of eight tiles, from 36 places a step apart.
    fn output<T>(m: &[T], step: usize, out: &mut [[T; OUT * OUT]; LINES]) -> () {
        let at = |row: usize, column: usize| -> [T; LINES] {
            std::array::from_fn(|i| m[(row * IN + column) * step..][..LINES][i])
        };
        let turned: [[[T; LINES]; OUT]; IN] =
            std::array::from_fn(|column| output_line(std::array::from_fn(|row| at(row, column))));
        let mut lines = [[T::ZERO; LINES]; OUT * OUT];
        for row in 0..OUT {
            let line = output_line(std::array::from_fn(|column| turned[column][row]));
            lines[row * OUT..][..OUT].copy_from_slice(&line);
        }
        match T::transpose() {
            Some(transpose) => {
                for half in [0, LINES] {
                    let from = std::array::from_fn(|i| lines[half + i].as_ptr());
                    // SAFETY: eight lines of eight are turned into the first or second half of eight tiles.
                    unsafe { transpose(from, out.as_mut_ptr().cast::<T>().add(half), OUT * OUT, 1) };
                }
            }
            None => {
                for (tile, out) in out.iter_mut().enumerate() {
                    out.iter_mut().zip(&lines).for_each(|(out, line)| *out = line[tile]);
                }
            }
        }
    }
}
