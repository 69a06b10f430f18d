//! Maps with their channels last. Oracles: the CPU's operations on the same maps with their channels first, direct loops.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use candle_core::{Tensor, Var};
use proptest::prelude::*;

use super::super::plan::{self, Address, Arguments, Channels, Convolve, Direction, Launch, Number, Planes, Windows};
use super::emulated::{NUMBERS, check_epilogue, check_norm, close, flat, noise, norm_by_kernels, tensor};
use super::emulator::{Buffer, Emulated, in_either_order};
use crate::nn::ops::conv::Geometry;
use crate::nn::ops::{self, ConvSpec, Map, Order};

/// `[batches, rows, columns]` to `[batches, columns, rows]`.
fn transposed(x: &[f64], [batches, rows, columns]: [usize; 3]) -> Vec<f64> {
    let at = |batch: usize, row: usize, column: usize| (batch * rows + row) * columns + column;
    let place = |to: usize| at(to / rows / columns, to % rows, to / rows % columns);
    (0..batches * rows * columns).map(|to| x[place(to)]).collect()
}

/// A map `[n, c, pixels]` as it lies in that order, and back.
fn laid(x: &[f64], [n, c, pixels]: [usize; 3], order: Order) -> Vec<f64> {
    if order == Order::ChannelsFirst { x.to_vec() } else { transposed(x, [n, c, pixels]) }
}

fn unlaid(x: &[f64], [n, c, pixels]: [usize; 3], order: Order) -> Vec<f64> {
    if order == Order::ChannelsFirst { x.to_vec() } else { transposed(x, [n, pixels, c]) }
}

const ORDERS: [Order; 2] = [Order::ChannelsFirst, Order::ChannelsLast];

fn gradient_of(y: &Tensor, dy: &[f64], var: &Var) -> Vec<f64> {
    let weighted = (y * tensor(dy, y.dims())).unwrap().sum_all().unwrap();
    flat(weighted.backward().unwrap().get(var).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn transposed_twice_is_the_same_and_once_the_definition(
        batches in 0_usize..4, rows in 1_usize..80, columns in 1_usize..80, seed: u64,
    ) {
        for number in NUMBERS {
            let sizes = [batches, rows, columns];
            let x = noise(seed >> 8, batches * rows * columns, number);
            let got = in_either_order(number, |on| {
                let (from, [there, back]) = (Buffer::of(number, &x), [(); 2].map(|()| Buffer::new(number, x.len())));
                plan::transpose(on, sizes, from.address(), there.address())?;
                plan::transpose(on, [batches, columns, rows], there.address(), back.address())?;
                Ok(vec![there.read(), back.read()])
            });
            prop_assert_eq!(&got[0], &transposed(&x, sizes));
            prop_assert_eq!(&got[1], &x);
        }
    }

    #[test]
    fn normalisation_of_neighbouring_channels_is_the_cpus(
        images in 1_usize..4, pixels in 2_usize..60, channels in 1_usize..80, seed: u64, given: bool, relu: bool,
    ) {
        let sizes = Channels::of([images, channels, pixels], Order::ChannelsLast);
        prop_assert_eq!((sizes.pixels, sizes.values()), (1, images * pixels));
        for number in NUMBERS {
            check_norm(number, sizes, seed >> 8, given, relu);
        }
    }

    #[test]
    fn normalisation_is_the_same_in_either_order(
        images in 1_usize..4, pixels in 2_usize..30, channels in 1_usize..40, seed: u64, relu: bool,
    ) {
        let whole = [images, channels, pixels];
        let each = |n| noise((seed >> 8) + n, images * channels * pixels, Number::F32);
        let (x, residual, dy) = (each(1), each(2), each(3));
        let (weight, bias) = (noise(seed >> 9, channels, Number::F32), noise(seed >> 10, channels, Number::F32));
        let [first, last] = ORDERS.map(|order| {
            let [x, residual, dy] = [&x, &residual, &dy].map(|v| laid(v, whole, order));
            let sizes = Channels::of(whole, order);
            let mut all = norm_by_kernels(Number::F32, sizes, [&x, &weight, &bias, &residual, &dy], None, relu);
            for map in all.iter_mut().filter(|all| all.len() == sizes.total() && all.len() > channels) {
                *map = unlaid(map, whole, order);
            }
            all
        });
        for (first, last) in first.iter().zip(&last) {
            close("either order", Number::F32, last, first);
        }
    }

    #[test]
    fn sums_of_neighbouring_channels_and_what_follows_are_the_definition(
        values in 0_usize..300, channels in 1_usize..80, seed: u64, relu: bool, parts: [bool; 2],
    ) {
        for number in NUMBERS {
            check_epilogue(number, Channels { images: values, channels, pixels: 1 }, seed >> 8, relu, parts);
        }
    }

    #[test]
    fn pools_of_either_order_are_the_cpus(
        images in 1_usize..3, channels in 1_usize..6, height in 1_usize..12, width in 1_usize..12,
        kernel in 1_usize..5, stride in 1_usize..4, padding in 0_usize..3, out in (1_usize..6, 1_usize..6), seed: u64,
    ) {
        let padding = padding.min(kernel / 2);
        let shape = [images, channels, height, width];
        let fits = height + 2 * padding >= kernel && width + 2 * padding >= kernel;
        for (number, order) in NUMBERS.into_iter().flat_map(|number| ORDERS.map(|order| (number, order))) {
            if fits {
                check_pools(number, order, shape, (kernel, stride, padding), seed >> 8);
            }
            check_mean(number, order, shape, out, None, seed >> 8);
            check_mean(number, order, shape, (1, 1), None, seed >> 8);
        }
    }

    #[test]
    fn weighed_channels_of_either_order_are_the_cpus(
        images in 0_usize..3, channels in 1_usize..40, pixels in 1_usize..30, seed: u64,
    ) {
        let (whole, seed) = ([images, channels, pixels], seed >> 8);
        for (number, order) in NUMBERS.into_iter().flat_map(|number| ORDERS.map(|order| (number, order))) {
            let [x, dy] = [1, 2].map(|n| noise(seed + n, images * channels * pixels, number));
            let factors = noise(seed + 3, images * channels, number);
            let sizes = Planes::of(whole, order);
            let got = in_either_order(number, |on| {
                let [x, dy] = [&x, &dy].map(|v| Buffer::of(number, &laid(v, whole, order)));
                let (f, [y, dx]) = (Buffer::of(number, &factors), [(); 2].map(|()| Buffer::new(number, sizes.total())));
                let sums = Buffer::new(number, factors.len());
                plan::scale(on, sizes, x.address(), f.address(), y.address())?;
                plan::scale(on, sizes, dy.address(), f.address(), dx.address())?;
                plan::plane_sums(on, sizes, x.address(), dy.address(), sums.address(), 1.0)?;
                Ok(vec![unlaid(&y.read(), whole, order), unlaid(&dx.read(), whole, order), sums.read()])
            });
            let x = Var::from_tensor(&tensor(&x, &[images, channels, pixels, 1])).unwrap();
            let f = Var::from_tensor(&tensor(&factors, &[images, channels])).unwrap();
            let y = ops::scale_channels(&x, &f).unwrap();
            close("product", number, &got[0], &flat(&y));
            if images > 0 {
                close("product's gradient", number, &got[1], &gradient_of(&y, &dy, &x));
                close("factors' gradient", number, &got[2], &gradient_of(&y, &dy, &f));
            }
        }
    }

    #[test]
    fn convolutions_reach_the_library_as_it_takes_them(
        images in 1_usize..3, depth in 1_usize..4, each in 1_usize..4, groups in 1_usize..4,
        size in (3_usize..8, 3_usize..8), kernel in (1_usize..4, 1_usize..4), stride in 1_usize..3,
        padding in 0_usize..2, dilation in 1_usize..3, seed: u64,
    ) {
        let spec = ConvSpec { stride: (stride, 1), padding: (padding, 1), dilation: (dilation, 1), groups };
        prop_assume!(size.0 + 2 * padding > dilation * (kernel.0 - 1) && size.1 + 2 > kernel.1 - 1);
        let x = [images, depth * groups, size.0, size.1];
        let w = [each * groups, depth, kernel.0, kernel.1];
        for number in NUMBERS {
            check_convolution(number, x, w, spec, seed >> 8);
        }
    }
}

#[test]
fn long_and_wide_maps_with_their_channels_last_are_normalised_alike() {
    for (values, channels) in [(3000, 40), (9001, 3), (9001, 1), (130, 300), (2, 1025)] {
        let sizes = Channels { images: values, channels, pixels: 1 };
        check_norm(Number::F32, sizes, 21, false, true);
        check_norm(Number::Bf16, sizes, 22, true, false);
    }
    let parts = |values, channels| Channels { images: values, channels, pixels: 1 }.parts();
    assert_eq!([parts(3000, 40), parts(9001, 3), parts(130, 300), parts(1 << 20, 2048)], [24, 9, 2, 16]);
}

fn windows([n, c, height, width]: [usize; 4], order: Order, out: (usize, usize)) -> Windows {
    let Planes { planes, inner, .. } = Planes::of([n, c, height * width], order);
    Windows { planes, height, width, inner, rows: out.0, columns: out.1, sliding: None }
}

fn check_pools(number: Number, order: Order, shape: [usize; 4], sliding: (usize, usize, usize), seed: u64) {
    let ([n, c, height, width], (kernel, stride, padding)) = (shape, sliding);
    let count = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    let out = (count(height), count(width));
    let windows = Windows { sliding: Some(sliding), ..windows(shape, order, out) };
    let (inside, outside) = ([n, c, height * width], [n, c, out.0 * out.1]);
    // Few levels, so that there are ties.
    let x: Vec<f64> = noise(seed, windows.inputs(), Number::F64).iter().map(|v| (v * 5.0).round()).collect();
    let dy = noise(seed + 1, windows.outputs(), number);
    let got = in_either_order(number, |on| {
        let (x, dy) = (Buffer::of(number, &laid(&x, inside, order)), Buffer::of(number, &laid(&dy, outside, order)));
        let (y, winners) = (Buffer::new(number, windows.outputs()), Buffer::new(Number::F32, windows.outputs()));
        let dx = Buffer::new(number, windows.inputs());
        plan::max_pool(on, windows, x.address(), y.address(), winners.address())?;
        plan::max_pool_gradient(on, windows, dy.address(), winners.address(), dx.address())?;
        Ok(vec![unlaid(&y.read(), outside, order), unlaid(&dx.read(), inside, order)])
    });
    let var = Var::from_tensor(&tensor(&x, &shape)).unwrap();
    let y = ops::max_pool2d(&var, kernel, stride, padding).unwrap();
    assert_eq!(got[0], flat(&y));
    close("max-pool gradient", number, &got[1], &gradient_of(&y, &dy, &var));
    check_mean(number, order, shape, out, Some(sliding), seed);
}

fn check_mean(
    number: Number,
    order: Order,
    shape: [usize; 4],
    out: (usize, usize),
    sliding: Option<(usize, usize, usize)>,
    seed: u64,
) {
    let [n, c, height, width] = shape;
    let windows = Windows { sliding, ..windows(shape, order, out) };
    let (inside, outside) = ([n, c, height * width], [n, c, out.0 * out.1]);
    let (x, dy) = (noise(seed + 2, windows.inputs(), number), noise(seed + 3, windows.outputs(), number));
    let got = in_either_order(number, |on| {
        let (x, dy) = (Buffer::of(number, &laid(&x, inside, order)), Buffer::of(number, &laid(&dy, outside, order)));
        let (y, dx) = (Buffer::new(number, windows.outputs()), Buffer::new(number, windows.inputs()));
        plan::avg_pool(on, windows, x.address(), y.address())?;
        plan::avg_pool_gradient(on, windows, dy.address(), dx.address())?;
        Ok(vec![unlaid(&y.read(), outside, order), unlaid(&dx.read(), inside, order)])
    });
    let var = Var::from_tensor(&tensor(&x, &shape)).unwrap();
    let y = match sliding {
        Some((kernel, stride, padding)) => ops::avg_pool2d(&var, kernel, stride, padding),
        None => ops::adaptive_avg_pool2d(&var, out),
    };
    let y = y.unwrap();
    close("mean", number, &got[0], &flat(&y));
    close("mean's gradient", number, &got[1], &gradient_of(&y, &dy, &var));
}

/// What the library says to maps with their channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Takes,
    /// At once.
    Declines,
    /// Only when it is to compute.
    Refuses,
}

/// Stands in for cuDNN: direct loops over operands as the order asked for has them.
struct Library<'a> {
    on: &'a Emulated,
    answer: Answer,
    buffers: RefCell<HashMap<Address, Weak<Buffer>>>,
    computed: RefCell<Vec<Order>>,
}

impl<'a> Library<'a> {
    fn new(on: &'a Emulated, answer: Answer) -> Self {
        Self { on, answer, buffers: RefCell::default(), computed: RefCell::default() }
    }

    fn keep(&self, buffer: Buffer) -> Rc<Buffer> {
        let buffer = Rc::new(buffer);
        self.buffers.borrow_mut().insert(buffer.address(), Rc::downgrade(&buffer));
        buffer
    }

    fn at(&self, address: Address) -> Result<Rc<Buffer>, String> {
        let buffer = self.buffers.borrow().get(&address).and_then(Weak::upgrade);
        buffer.ok_or_else(|| "an address of memory that is not there or no longer".to_owned())
    }
}

impl Launch for Library<'_> {
    type Error = String;

    fn room(&self) -> Result<usize, String> {
        self.on.room()
    }

    fn launch_with<A: Arguments>(
        &self,
        kernel: &'static str,
        blocks: usize,
        shared: usize,
        arguments: A,
    ) -> Result<(), String> {
        self.on.launch_with(kernel, blocks, shared, arguments)
    }
}

impl Convolve for Library<'_> {
    type Scratch = Rc<Buffer>;

    fn scratch(&self, values: usize) -> Result<(Rc<Buffer>, Address), String> {
        let buffer = self.keep(Buffer::new(self.on.number, values));
        let address = buffer.address();
        Ok((buffer, address))
    }

    fn offers(&self, _: Direction, order: Order, _: &Geometry) -> Result<bool, String> {
        Ok(order == Order::ChannelsFirst || self.answer != Answer::Declines)
    }

    fn compute(
        &self,
        direction: Direction,
        order: Order,
        g: &Geometry,
        from: [Address; 2],
        to: Address,
    ) -> Result<bool, String> {
        if order == Order::ChannelsLast && self.answer == Answer::Refuses {
            return Ok(false);
        }
        self.computed.borrow_mut().push(order);
        let (a, b) = (self.at(from[0])?.read(), self.at(from[1])?.read());
        let (place, [rows, columns]) = (
            |[n, c, y, x]: [usize; 4], [channels, height, width]: [usize; 3]| match order {
                Order::ChannelsFirst => ((n * channels + c) * height + y) * width + x,
                Order::ChannelsLast => ((n * height + y) * width + x) * channels + c,
            },
            [g.out.0, g.out.1],
        );
        let sizes = match direction {
            Direction::Forward => g.images * g.filters * g.pixels(),
            Direction::Data => g.images * g.channels * g.height * g.width,
            Direction::Filter => g.filters * g.terms(),
        };
        let mut sums = vec![0.0; sizes];
        for (n, f, row, column) in cross([g.images, g.filters, rows, columns]) {
            for (_, c, i, j) in cross([1, g.depth(), g.kernel.0, g.kernel.1]) {
                let (y, x) = (row * g.stride.0 + i * g.dilation.0, column * g.stride.1 + j * g.dilation.1);
                let (Some(y), Some(x)) = (y.checked_sub(g.top), x.checked_sub(g.left)) else { continue };
                if y >= g.height || x >= g.width {
                    continue;
                }
                let channel = f / (g.filters / g.groups) * g.depth() + c;
                let input = place([n, channel, y, x], [g.channels, g.height, g.width]);
                let weight = place([f, c, i, j], [g.depth(), g.kernel.0, g.kernel.1]);
                let output = place([n, f, row, column], [g.filters, rows, columns]);
                match direction {
                    Direction::Forward => sums[output] += a[input] * b[weight],
                    Direction::Data => sums[input] += a[weight] * b[output],
                    Direction::Filter => sums[weight] += a[input] * b[output],
                }
            }
        }
        self.at(to)?.write(&sums);
        Ok(true)
    }
}

fn cross([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    (0..a * b * c * d).map(move |i| (i / d / c / b, i / d / c % b, i / d % c, i % d))
}

fn check_convolution(number: Number, x_shape: [usize; 4], w_shape: [usize; 4], spec: ConvSpec, seed: u64) {
    let (n, c, height, width) = x_shape.into();
    let (x, w) = (noise(seed, x_shape.iter().product(), number), noise(seed + 1, w_shape.iter().product(), number));
    let vars = [(&x, &x_shape), (&w, &w_shape)].map(|(v, shape)| Var::from_tensor(&tensor(v, shape)).unwrap());
    let y = ops::conv2d(&vars[0], &vars[1], None, spec).unwrap();
    let (ph, pw) = spec.padding;
    let g = Geometry::new(&Map::first(&vars[0]), &vars[1], spec, [ph, ph, pw, pw]).unwrap();
    let dy = noise(seed + 2, y.elem_count(), number);
    let wanted = [flat(&y), gradient_of(&y, &dy, &vars[0]), gradient_of(&y, &dy, &vars[1])];
    let (inside, outside) = ([n, c, height * width], [n, g.filters, g.pixels()]);
    for order in ORDERS {
        for answer in [Answer::Takes, Answer::Declines, Answer::Refuses] {
            let got = in_either_order(number, |on| {
                let on = Library::new(on, answer);
                let input = on.keep(Buffer::of(number, &laid(&x, inside, order)));
                let (weight, gradient) =
                    (on.keep(Buffer::of(number, &w)), on.keep(Buffer::of(number, &laid(&dy, outside, order))));
                let [y, dx, dw] = [dy.len(), x.len(), w.len()].map(|len| on.keep(Buffer::new(number, len)));
                let steps = [
                    (Direction::Forward, [&input, &weight], &y),
                    (Direction::Data, [&weight, &gradient], &dx),
                    (Direction::Filter, [&input, &gradient], &dw),
                ];
                for (direction, from, to) in steps {
                    plan::convolve(&on, direction, order, &g, from.map(|b| b.address()), to.address())?;
                }
                let asked = if answer == Answer::Takes { order } else { Order::ChannelsFirst };
                assert_eq!(*on.computed.borrow(), [asked; 3], "{order:?}, {answer:?}");
                Ok(vec![unlaid(&y.read(), outside, order), unlaid(&dx.read(), inside, order), dw.read()])
            });
            for (what, (got, wanted)) in ["y", "dx", "dw"].iter().zip(got.iter().zip(&wanted)) {
                close(&format!("{what}, {order:?}, {answer:?}"), number, got, wanted);
            }
        }
    }
}
