//! Oracle: the product written as three loops.

use super::*;

fn numbers<T: Elem>(seed: usize, len: usize) -> Vec<T> {
    (0..len).map(|i| T::of(((i * 7919 + seed * 104_729) % 1009) as f64 / 504.5 - 1.0)).collect()
}

fn check<T: Elem>(tolerance: f64) {
    for kernel in T::kernels() {
        for (m, n, k) in [(1, 1, 1), (5, 17, 3), (6, 16, 300), (13, 50, 7), (100, 33, 600), (25, 400, 40), (3, 2, 0)] {
            let (a, b) = (numbers::<T>(1, m * k), numbers::<T>(2, k * n));
            let at: Vec<usize> = (0..k).collect();
            let depth_at: Vec<usize> = (0..k).map(|d| d * n).collect();
            let column_at: Vec<usize> = (0..n).collect();
            let mut packed = vec![T::of(0.0); packed_len(&kernel, m, k)];
            pack_rows(&kernel, Rows { values: &a, rows: m, row_step: k, at: &at }, &mut packed);
            let columns = Columns { values: &b, depth_at: &depth_at, column_at: &column_at };
            for split in [false, true] {
                let mut c = vec![0.0; m * n];
                for share in shares(&kernel, m, n, k, 5, split) {
                    compute(&kernel, m, &packed, &columns, &share, |block, stride| {
                        for (r, row) in share.rows.clone().enumerate() {
                            for (j, column) in share.columns.clone().enumerate() {
                                c[row * n + column] += block[r * stride + j].to_f64();
                            }
                        }
                    });
                }
                for i in 0..m {
                    for j in 0..n {
                        let sum: f64 = (0..k).map(|d| a[i * k + d].to_f64() * b[d * n + j].to_f64()).sum();
                        assert!((c[i * n + j] - sum).abs() <= tolerance * (1.0 + k as f64), "{m}x{n}x{k} at {i},{j}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_kernel_of_this_processor_equals_three_loops() {
    check::<f32>(1e-6);
    check::<f64>(1e-14);
}

#[test]
fn a_buffer_comes_back_and_is_aligned() {
    let first = with_scratch(1000, |b: &mut [f32]| {
        assert_eq!(b.len(), 1000);
        let outer = b.as_ptr() as usize;
        assert_eq!(outer % 64, 0);
        with_scratch(1000, |b: &mut [f32]| assert_ne!(b.as_ptr() as usize, outer));
        outer
    });
    let again = with_scratch(900, |b: &mut [f32]| b.as_ptr() as usize);
    let other = with_scratch(900, |b: &mut [f32]| b.as_ptr() as usize);
    assert_eq!(again, other);
    assert!(first != 0);
}

/// Packing from every kind of place: stretches of pixels, scattered columns over runs of lines of every length, neither.
/// Oracle: the definition, element by element.
#[test]
fn packed_columns_are_the_columns_whatever_lies_behind_them() {
    fn check<T: Elem>() {
        let values = numbers::<T>(3, 4000);
        let runs = |lengths: &[usize], gap: usize| {
            let mut at = 0;
            let mut all = Vec::new();
            for &length in lengths {
                all.extend(at..at + length);
                at += length + gap;
            }
            all
        };
        let depths: Vec<Vec<usize>> = vec![
            runs(&[1], 0),
            runs(&[8], 0),
            runs(&[7, 9, 8, 1, 16, 23, 3], 5),
            runs(&[9, 8], 2),
            runs(&[100], 0),
            (0..40).map(|d| 2 * d).collect(),
            (0..40).rev().collect(),
        ];
        let columns: Vec<Vec<usize>> = vec![
            (0..35).collect(),
            (0..50).map(|c| c * 61).collect(),
            (0..33).map(|c| c / 3 * 50 + c % 3).collect(),
            vec![7],
        ];
        for depth_at in &depths {
            for column_at in &columns {
                for width in [4, 6, 8, 12, 16, 32] {
                    let panels = column_at.len().div_ceil(width);
                    let mark = T::of(77.0);
                    let mut packed = vec![mark; panels * width * depth_at.len() + 16];
                    let len = packed.len() - 16;
                    pack_columns(width, &Columns { values: &values, depth_at, column_at }, &mut packed[..len]);
                    for panel in 0..panels {
                        for (d, &deep) in depth_at.iter().enumerate() {
                            for j in 0..width {
                                let column = column_at[(panel * width + j).min(column_at.len() - 1)];
                                let found = packed[(panel * depth_at.len() + d) * width + j];
                                assert!(found == values[deep + column], "width {width}, panel {panel}, {d}, {j}");
                            }
                        }
                    }
                    assert!(packed[len..].iter().all(|v| *v == mark), "width {width} writes behind its end");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}
