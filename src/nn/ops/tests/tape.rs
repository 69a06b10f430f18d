//! Oracles: finite differences in `f64`, and the same network of plain tensors.

use super::*;

fn spec(stride: usize, kernel: usize) -> ConvSpec {
    ConvSpec::square(stride, kernel / 2)
}

/// A block whose input goes two ways, with a shortcut of its own or without.
fn block(x: &Taped, t: &[Tensor], shortcut: bool) -> Result<Taped> {
    let y = x.conv2d(&t[1], spec(1, 3))?.batch_norm_train(&t[2], &t[3], 1e-3, After::Relu)?.0;
    let y = y.conv2d(&t[4], spec(1, 1))?;
    let passed = if shortcut { x.conv2d(&t[4], spec(1, 1))? } else { x.clone() };
    Ok(y.batch_norm_train(&t[2], &t[3], 1e-3, After::AddRelu(&passed))?.0)
}

fn inputs() -> Vec<Tensor> {
    let shapes: [&[usize]; 5] = [&[2, 3, 4, 5], &[3, 3, 3, 3], &[3], &[3], &[3, 3, 1, 1]];
    shapes.iter().enumerate().map(|(i, shape)| noise(i as u64 + 1, shape)).collect()
}

#[test]
fn gradients_of_maps_that_go_two_ways_equal_finite_differences() {
    for shortcut in [false, true] {
        check_gradients(&inputs(), |t| block(&Taped::enter(&t[0])?, t, shortcut)?.leave());
    }
    // A map used by every operation there is, and by itself twice.
    check_gradients(&inputs(), |t| {
        let x = block(&Taped::enter(&t[0])?, t, false)?;
        let y = x.cat(&x.conv2d(&t[1], spec(1, 3))?)?.cat(&x)?;
        let z = y.max_pool2d(3, 2, 1)?.add_relu(&y.max_pool2d(3, 2, 1)?)?;
        let z = z.cat(&y.conv2d(&noise(9, &[2, 9, 3, 3]), spec(2, 3))?)?;
        z.cat(&y.max_pool2d_ceil(3, 2)?.through(|y| upsample_bilinear2d(y, (2, 3), false))?)?.leave()
    });
}

/// Oracle: the same with plain tensors and candle's own sums of gradients.
#[test]
fn a_taped_network_gives_the_gradients_of_a_plain_one() {
    let vars: Vec<Var> = inputs().iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let t: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let plain = || -> Result<Tensor> {
        let y = batch_norm_train(&conv2d(&t[0], &t[1], None, spec(1, 3))?, &t[2], &t[3], 1e-3)?.0;
        let y = conv2d(&relu(&y)?, &t[4], None, spec(1, 1))?;
        add_relu(&batch_norm_train(&y, &t[2], &t[3], 1e-3)?.0, &t[0])
    };
    let taped = || block(&Taped::enter(&t[0])?, &t, false)?.leave();
    let gradients = |y: Tensor| (y.sqr().unwrap().sum_all().unwrap()).backward().unwrap();
    let (a, b) = (gradients(taped().unwrap()), gradients(plain().unwrap()));
    for var in &vars {
        close(&flat(a.get(var).unwrap()), &flat(b.get(var).unwrap()), 1e-12);
    }
}

#[test]
fn a_graph_can_be_gone_back_through_twice() {
    let vars: Vec<Var> = inputs().iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let t: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss =
        block(&Taped::enter(&t[0]).unwrap(), &t, true).unwrap().leave().unwrap().sqr().unwrap().sum_all().unwrap();
    let (first, second) = (loss.backward().unwrap(), loss.backward().unwrap());
    for var in &vars {
        assert_eq!(flat(first.get(var).unwrap()), flat(second.get(var).unwrap()));
    }
}

#[test]
fn only_what_is_trainable_gets_a_gradient() {
    let t = inputs();
    let (w, x) = (Var::from_tensor(&t[1]).unwrap(), Taped::enter(&t[0]).unwrap());
    let frozen = x.conv2d(&t[4], spec(1, 1)).unwrap();
    assert!(!frozen.leave().unwrap().track_op());
    let y = frozen.conv2d(&w, spec(1, 3)).unwrap().batch_norm_train(&t[2], &t[3], 1e-3, After::AddRelu(&x)).unwrap().0;
    let grads = y.leave().unwrap().sum_all().unwrap().backward().unwrap();
    assert!(flat(grads.get(&w).unwrap()).iter().any(|g| *g != 0.0));
    assert!(t.iter().all(|t| grads.get(t).is_none()));
}

#[test]
fn the_thread_count_does_not_change_a_bit_of_a_block() {
    let vars: Vec<Var> = inputs().iter().map(|t| Var::from_tensor(&t.to_dtype(DType::F32).unwrap()).unwrap()).collect();
    let t: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let y = block(&Taped::enter(&t[0]).unwrap(), &t, true).unwrap().max_pool2d(3, 2, 1).unwrap();
            let y = y.leave().unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let mut all = flat(&y);
            vars.iter().for_each(|v| all.extend(flat(grads.get(v).unwrap())));
            all
        })
    };
    let one = run(1);
    assert!(one.iter().all(|v| v.is_finite()) && one == run(2) && one == run(5));
}

/// Oracle: candle's own `backward`, but for the order of sums; a weight used twice, one of plain tensors as well, and one that is none.
#[test]
fn gradients_kept_as_they_are_given_are_those_of_candle() {
    let vars: Vec<Var> = inputs().iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let t: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let half = (&t[4] * 0.5).unwrap();
    let y = block(&Taped::enter(&t[0]).unwrap(), &t, true).unwrap().conv2d(&half, spec(1, 1)).unwrap();
    let plain = conv2d(&t[0], &t[1], None, spec(1, 3)).unwrap().sqr().unwrap().sum_all().unwrap();
    let loss = (y.leave().unwrap().sqr().unwrap().sum_all().unwrap() + plain).unwrap();
    let (kept, candles) = (backward(&loss).unwrap(), loss.backward().unwrap());
    for var in &vars {
        close(&flat(kept.get(var).unwrap()), &flat(candles.get(var).unwrap()), 1e-14);
    }
    assert!(candles.get(&half).is_none() && kept.get(&half).is_none());
    // The layers' weights alone are kept aside, and only while `backward` runs.
    let again = loss.backward().unwrap();
    assert!(vars.iter().all(|var| flat(again.get(var).unwrap()) == flat(candles.get(var).unwrap())));
}
