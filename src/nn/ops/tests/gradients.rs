use super::*;

#[test]
fn convolution_gradients_equal_finite_differences() {
    let spec = |stride, dilation, groups| ConvSpec { stride, padding: (0, 0), dilation, groups };
    for (x, w, spec, pad) in [
        ([2, 3, 5, 7], [4, 3, 3, 3], spec((1, 1), (1, 1), 1), [1, 1, 1, 1]),
        ([1, 1, 6, 5], [3, 1, 2, 3], spec((2, 1), (1, 1), 1), [0, 1, 2, 0]),
        ([2, 4, 7, 6], [6, 2, 3, 2], spec((2, 2), (2, 1), 2), [2, 1, 0, 3]),
        ([1, 3, 5, 5], [3, 1, 3, 3], spec((1, 1), (1, 1), 3), [1, 1, 1, 1]),
        ([2, 5, 4, 3], [7, 5, 1, 1], spec((1, 1), (1, 1), 1), [0; 4]),
        ([1, 2, 7, 7], [3, 2, 1, 1], spec((2, 3), (1, 1), 1), [0; 4]),
        ([1, 2, 9, 8], [2, 2, 3, 3], spec((3, 2), (2, 2), 1), [2, 2, 1, 2]),
    ] {
        let inputs = [noise(1, &x), noise(2, &w), noise(3, &[w[0]])];
        check_gradients(&inputs, |t| conv2d_padded(&t[0], &t[1], Some(&t[2]), spec, pad));
    }
}

#[test]
fn pooling_gradients_equal_finite_differences() {
    let x = noise(1, &[2, 2, 7, 5]);
    check_gradients(std::slice::from_ref(&x), |t| max_pool2d(&t[0], 3, 2, 1));
    check_gradients(std::slice::from_ref(&x), |t| max_pool2d(&t[0], 2, 3, 0));
    check_gradients(std::slice::from_ref(&x), |t| avg_pool2d(&t[0], 3, 2, 1));
    check_gradients(std::slice::from_ref(&x), |t| avg_pool2d(&t[0], 2, 2, 0));
    check_gradients(std::slice::from_ref(&x), |t| adaptive_avg_pool2d(&t[0], (3, 4)));
    check_gradients(std::slice::from_ref(&x), |t| max_pool2d_ceil(&t[0], 3, 2));
    check_gradients(std::slice::from_ref(&x), |t| max_pool2d_ceil(&t[0], 2, 2));
    check_gradients(std::slice::from_ref(&x), |t| global_max_pool(&t[0]));
    check_gradients(&[x], |t| global_avg_pool(&t[0]));
}

#[test]
fn batch_norm_gradients_equal_finite_differences() {
    for shape in [[3, 2, 5, 3], [1, 1, 4, 5], [2, 3, 1, 1]] {
        let c = shape[1];
        let inputs = [noise(1, &shape), noise(2, &[c]), noise(3, &[c]), noise(4, &shape)];
        check_gradients(&inputs[..3], |t| Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3)?.0));
        check_gradients(&inputs, |t| Ok(batch_norm_train_relu(&t[0], &t[1], &t[2], 1e-3, Some(&t[3]))?.0));
        let (mean, var) = (noise(5, &[c]), noise(6, &[c]).abs().unwrap());
        check_gradients(&inputs[..3], |t| batch_norm_eval(&t[0], &t[1], &t[2], &mean, &var, 1e-3));
        check_gradients(&inputs, |t| {
            let residual = Taped::enter(&t[3])?;
            let x = Taped::enter(&t[0])?;
            x.batch_norm_eval([&t[1], &t[2], &mean, &var], 1e-3, After::AddRelu(&residual))?.leave()
        });
    }
    let inputs = [noise(1, &[4, 3]), noise(2, &[3]), noise(3, &[3])];
    check_gradients(&inputs, |t| Ok(batch_norm_train(&t[0], &t[1], &t[2], 1e-3)?.0));
    let inputs = [noise(1, &[2, 3, 5, 5]), noise(2, &[3]), noise(3, &[3])];
    check_gradients(&inputs, |t| Ok(batch_norm_train_relu(&t[0], &t[1], &t[2], 1e-3, None)?.0));
}

#[test]
fn the_other_gradients_equal_finite_differences() {
    let (a, b) = (noise(1, &[2, 3, 4, 5]), noise(2, &[2, 3, 4, 5]));
    check_gradients(std::slice::from_ref(&a), |t| relu(&t[0]));
    check_gradients(&[a.clone(), b], |t| add_relu(&t[0], &t[1]));
    let inputs = [noise(1, &[3, 5]), noise(2, &[4, 5]), noise(3, &[4])];
    check_gradients(&inputs, |t| linear(&t[0], &t[1], Some(&t[2])));
    check_gradients(&inputs[..2], |t| linear(&t[0], &t[1], None));
    check_gradients(std::slice::from_ref(&a), |t| upsample_bilinear2d(&t[0], (9, 7), true));
    check_gradients(std::slice::from_ref(&a), |t| upsample_bilinear2d(&t[0], (3, 8), false));
    check_gradients(&[a.clone(), noise(3, &[2, 3])], |t| scale_channels(&t[0], &t[1]));
    let inputs = [a, noise(4, &[2, 3, 1, 1]), noise(5, &[2]), noise(6, &[3, 2, 1, 1]), noise(7, &[3])];
    check_gradients(&inputs, |t| squeeze_excite(&t[0], [&t[1], &t[2], &t[3], &t[4]]));
}

/// One chain through every operation: a cut graph would leave a variable without gradient.
#[test]
fn gradients_reach_every_variable_through_all_operations() {
    let var = |seed, shape: &[usize]| Var::from_tensor(&noise(seed, shape).to_dtype(DType::F32).unwrap()).unwrap();
    let (w1, w2, b2) = (var(1, &[4, 3, 3, 3]), var(2, &[4, 4, 3, 3]), var(3, &[4]));
    let (g1, s1, g2, s2) = (var(4, &[4]), var(5, &[4]), var(6, &[4]), var(7, &[4]));
    let (wl, bl) = (var(8, &[2, 4]), var(9, &[2]));
    let x = noise(10, &[2, 3, 24, 24]).to_dtype(DType::F32).unwrap();
    let run = || -> Result<Tensor> {
        let y = conv2d(&x, &w1, None, ConvSpec::square(2, 1))?;
        let y = max_pool2d(&batch_norm_train_relu(&y, &g1, &s1, 1e-5, None)?.0, 3, 2, 1)?;
        let z = conv2d(&y, &w2, Some(&b2), ConvSpec::square(1, 1))?;
        let z = batch_norm_eval(&z, &g2, &s2, &b2.zeros_like()?, &b2.ones_like()?, 1e-5)?;
        let z = relu(&add_relu(&z, &y)?)?;
        let z = avg_pool2d(&upsample_bilinear2d(&z, (12, 12), true)?, 3, 2, 0)?;
        linear(&global_avg_pool(&z)?, &wl, Some(&bl))?.sqr()?.sum_all()
    };
    let grads = run().unwrap().backward().unwrap();
    for (i, v) in [&w1, &w2, &b2, &g1, &s1, &g2, &s2, &wl, &bl].into_iter().enumerate() {
        let g = flat(grads.get(v).unwrap_or_else(|| panic!("variable {i} received no gradient")));
        assert!(g.iter().any(|g| *g != 0.0), "the gradient of variable {i} is zero");
    }
}
