use proptest::prelude::*;

use super::super::plan::{self, Adam, Entry, Number, PIECE, Table};
use super::emulated::{NUMBERS, noise, rounded};
use super::emulator::{Buffer, Emulated, in_either_order};

/// A parameter of a test; one without a gradient is in no table.
#[derive(Clone, Debug)]
struct Parameter {
    weight: Vec<f64>,
    gradient: Option<Vec<f64>>,
    first: Vec<f64>,
    second: Vec<f64>,
    rate: f64,
    decay: f64,
    trust: f64,
}

fn parameters(seed: u64, sizes: &[usize], number: Number) -> Vec<Parameter> {
    let of = |(place, &len): (usize, &usize)| {
        let seed = seed + 10 * place as u64;
        let positive = |values: Vec<f64>| values.into_iter().map(f64::abs).collect();
        Parameter {
            weight: noise(seed, len, number),
            // The second of four has none.
            gradient: (place % 4 != 1).then(|| noise(seed + 1, len, number)),
            first: noise(seed + 2, len, number),
            second: positive(noise(seed + 3, len, number)),
            rate: 0.01 * (1 + place) as f64,
            decay: if place % 3 == 0 { 0.05 } else { 0.0 },
            trust: if place % 2 == 0 { 0.02 } else { 0.0 },
        }
    };
    sizes.iter().enumerate().map(of).collect()
}

/// The parameters in memory: weight, gradient and moments of each, and the table of those with a gradient.
struct Memory {
    buffers: Vec<[Buffer; 4]>,
    entries: Buffer,
    count: usize,
    blocks: usize,
}

impl Memory {
    fn of(number: Number, parameters: &[Parameter]) -> Self {
        let mut entries = Vec::new();
        let buffers: Vec<[Buffer; 4]> = parameters
            .iter()
            .map(|p| {
                let none = Vec::new();
                let gradient = p.gradient.as_ref().unwrap_or(&none);
                let buffers = [&p.weight, gradient, &p.first, &p.second].map(|values| Buffer::of(number, values));
                if p.gradient.is_some() {
                    let [weight, gradient, first, second] = buffers.each_ref().map(Buffer::address);
                    let (total, begin) = (p.weight.len() as i64, -1);
                    let Parameter { rate, decay, trust, .. } = *p;
                    entries.push(Entry { weight, gradient, first, second, total, begin, rate, decay, trust });
                }
                buffers
            })
            .collect();
        let blocks = plan::lay_out(&mut entries);
        let words: Vec<f64> = entries.iter().flat_map(Entry::words).map(f64::from_bits).collect();
        Self { buffers, entries: Buffer::of(Number::F64, &words), count: entries.len(), blocks }
    }

    fn table(&self) -> Table {
        Table { entries: self.entries.address(), count: self.count, blocks: self.blocks }
    }

    /// Weights and moments of all parameters.
    fn read(&self) -> Vec<Vec<f64>> {
        self.buffers.iter().flat_map(|[weight, _, first, second]| [weight, first, second].map(Buffer::read)).collect()
    }
}

/// As [`Memory::read`] gives it.
fn flat(parameters: &[Parameter]) -> Vec<Vec<f64>> {
    parameters.iter().flat_map(|p| [&p.weight, &p.first, &p.second].map(Clone::clone)).collect()
}

/// The rules as the CPU applies them, each element in 64 bits and rounded once.
fn sgd(p: &mut Parameter, scale: f64, fit: f64, momentum: f64, number: Number) {
    let Some(gradient) = p.gradient.clone() else { return };
    for (i, g) in gradient.into_iter().enumerate() {
        let moved = momentum * p.first[i] + (g * (fit * scale) + fit * p.decay * p.weight[i]);
        p.weight[i] = rounded(p.weight[i] - p.rate * moved, number);
        p.first[i] = rounded(moved, number);
    }
}

fn adamw(p: &mut Parameter, scale: f64, how: Adam, number: Number) {
    let Some(gradient) = p.gradient.clone() else { return };
    let Adam { beta1, beta2, epsilon, unbias, root } = how;
    let (keep, size) = (1.0 - p.rate * p.decay, p.rate / unbias);
    for (i, g) in gradient.into_iter().enumerate() {
        let g = g * scale;
        let (first, second) = (beta1 * p.first[i] + (1.0 - beta1) * g, beta2 * p.second[i] + (1.0 - beta2) * g * g);
        p.weight[i] = rounded(p.weight[i] * keep - size * first / (second.sqrt() / root + epsilon), number);
        (p.first[i], p.second[i]) = (rounded(first, number), rounded(second, number));
    }
}

/// In order of parameters with a gradient: trust times the length of the weights, over that of the gradient.
fn fits(parameters: &[Parameter], scale: f64) -> Vec<f64> {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let of = |p: &Parameter| {
        let gradient = p.gradient.as_ref()?;
        let mut whole = gradient.iter().zip(&p.weight).map(|(g, w)| g * scale + p.decay * w);
        let (weights, gradients) = (length(&mut p.weight.iter().copied()), length(&mut whole));
        let none = p.trust == 0.0 || weights == 0.0 || gradients == 0.0;
        Some(if none { 1.0 } else { p.trust * weights / gradients })
    };
    parameters.iter().filter_map(of).collect()
}

fn check_steps(seed: u64, sizes: &[usize], number: Number, scale: Option<f64>) {
    let start = parameters(seed, sizes, number);
    let factor = scale.unwrap_or(1.0);
    // An absent number is an address of 0.
    let with_scale = |work: &dyn Fn(u64) -> Result<(), String>| {
        let there = scale.map(|scale| Buffer::of(Number::F64, &[scale]));
        work(there.as_ref().map_or(0, Buffer::address))
    };
    let steps = |on: &Emulated, step: &dyn Fn(&Memory, u64) -> Result<(), String>| {
        assert_eq!(on.number, number);
        let memory = Memory::of(number, &start);
        with_scale(&|scale| step(&memory, scale))?;
        Ok::<_, String>(memory.read())
    };

    let got = in_either_order(number, |on| steps(on, &|m, scale| plan::sgd(on, m.table(), scale, 0, 0.8)));
    let mut wanted = start.clone();
    wanted.iter_mut().for_each(|p| sgd(p, factor, 1.0, 0.8, number));
    assert_eq!(got, flat(&wanted), "SGD, {number:?}, {sizes:?}");

    for step in 1..3 {
        let (unbias, root) = (1.0 - f64::powi(0.9, step), (1.0 - f64::powi(0.999, step)).sqrt());
        let how = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, unbias, root };
        let got = in_either_order(number, |on| steps(on, &|m, scale| plan::adamw(on, m.table(), scale, how)));
        let mut wanted = start.clone();
        wanted.iter_mut().for_each(|p| adamw(p, factor, how, number));
        assert_eq!(got, flat(&wanted), "AdamW, {number:?}, {sizes:?}");
    }

    let got = in_either_order(number, |on| {
        let memory = Memory::of(number, &start);
        let fit = Buffer::new(Number::F64, memory.count);
        let partial = Buffer::new(Number::F64, 2 * memory.blocks);
        with_scale(&|scale| {
            plan::lars_fit(on, memory.table(), scale, partial.address(), fit.address())?;
            plan::sgd(on, memory.table(), scale, fit.address(), 0.8)
        })?;
        Ok(std::iter::once(fit.read()).chain(memory.read()).collect())
    });
    for (got, wanted) in got[0].iter().zip(fits(&start, factor)) {
        assert!((got / wanted - 1.0).abs() < 1e-12, "{got} is not {wanted}");
    }
    // The step itself is the rule to the bit, by the lengths that the kernels found.
    let (mut wanted, mut fit) = (start.clone(), got[0].iter());
    for p in wanted.iter_mut().filter(|p| p.gradient.is_some()) {
        sgd(p, factor, *fit.next().unwrap(), 0.8, number);
    }
    assert_eq!(got[1..], flat(&wanted), "LARS, {number:?}, {sizes:?}");
}

#[test]
fn steps_of_many_parameters_are_the_recurrences_bit_for_bit() {
    let sizes = [700, 3, PIECE, PIECE + 1, 1, 2 * PIECE + 77, 0, 9, 255, 257, 0];
    for number in [Number::F32, Number::F64] {
        check_steps(31, &sizes, number, Some(0.7));
        check_steps(131, &sizes, number, None);
    }
}

#[test]
fn zeros_are_given_the_step_of_sgd_by_lars() {
    let mut all = parameters(7, &[300, 300, 300], Number::F32);
    all[0].weight.fill(0.0);
    all[2].gradient = Some(vec![0.0; 300]);
    all[2].decay = 0.0;
    let got = in_either_order(Number::F32, |on| {
        let memory = Memory::of(Number::F32, &all);
        let (fit, partial) = (Buffer::new(Number::F64, 2), Buffer::new(Number::F64, 4));
        plan::lars_fit(on, memory.table(), 0, partial.address(), fit.address())?;
        Ok(vec![fit.read()])
    });
    assert_eq!(got, [[1.0, 1.0]]);
}

fn length_of(number: Number, all: &[Parameter], limit: f64) -> Vec<f64> {
    let got = in_either_order(number, |on| {
        let memory = Memory::of(number, all);
        let (partial, norm) = (Buffer::new(Number::F64, memory.blocks), Buffer::new(Number::F64, 2));
        plan::clip(on, memory.table(), partial.address(), norm.address(), limit)?;
        Ok(vec![norm.read()])
    });
    got[0].clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn steps_of_random_parameters_are_the_recurrences(
        sizes in prop::collection::vec(0_usize..600, 1..12), seed: u32, scale in prop::option::of(0.01_f64..1.0),
    ) {
        check_steps(seed.into(), &sizes, Number::F32, scale);
    }

    #[test]
    fn the_length_of_gradients_takes_every_value_once(
        sizes in prop::collection::vec(0_usize..9000, 1..6), seed: u32, limit in 0.0_f64..60.0,
    ) {
        for number in NUMBERS {
            let all = parameters(seed.into(), &sizes, number);
            let squares: f64 = all.iter().filter_map(|p| p.gradient.as_ref()).flatten().map(|g| g * g).sum();
            let got = length_of(number, &all, limit);
            let close = |got: f64, wanted: f64| (got - wanted).abs() <= 1e-12 * wanted.abs();
            prop_assert!(close(got[0], squares.sqrt()), "{} is not {}", got[0], squares.sqrt());
            let scale = if limit > 0.0 && got[0] > limit { limit / got[0] } else { 1.0 };
            prop_assert_eq!(got[1].to_bits(), scale.to_bits());
        }
    }
}

#[test]
fn a_limit_of_zero_is_none_and_what_is_not_finite_shows() {
    let mut all = parameters(3, &[900, 1, 5000], Number::F32);
    assert_eq!(length_of(Number::F32, &all, 0.0)[1], 1.0);
    for bad in [f64::NAN, f64::INFINITY] {
        all[2].gradient.as_mut().unwrap()[4999] = bad;
        assert!(!length_of(Number::F32, &all, 1.0)[0].is_finite(), "{bad} was lost");
    }
    // Many pieces: more than the joining block has threads.
    let many = parameters(5, &[PIECE * 300 + 5], Number::F64);
    let squares: f64 = many[0].gradient.iter().flatten().map(|g| g * g).sum();
    assert!((length_of(Number::F64, &many, 0.0)[0] / squares.sqrt() - 1.0).abs() < 1e-12);
}
