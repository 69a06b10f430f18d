//! Inner products of a query with many rows of 16-bit floats, summed in 32 bits.
//!
//! A row's product depends on that row alone, never on its neighbours or on how rows are shared out among threads.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// One product for each row of `rows`, which has `query.len()` columns.
pub fn products(query: &[f32], rows: &[f16], out: &mut [f32]) {
    assert_eq!(rows.len(), query.len() * out.len(), "whole rows");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
        for (product, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
            // SAFETY: the processor has the three extensions, and row and query have the same length.
            *product = unsafe { wide(query, row) };
        }
        return;
    }
    portable(query, rows, out);
}

/// The same without special instructions.
pub fn portable(query: &[f32], rows: &[f16], out: &mut [f32]) {
    let mut row32 = vec![0.0; query.len()];
    for (product, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        row.convert_to_f32_slice(&mut row32);
        // Eight sums instead of one: faster, and closer to the true sum.
        let mut sums = [0.0; 8];
        for (q, r) in query.chunks(8).zip(row32.chunks(8)) {
            q.iter().zip(r).zip(&mut sums).for_each(|((q, r), sum)| *sum += q * r);
        }
        *product = sums.iter().sum();
    }
}

/// # Safety
/// Needs AVX2, FMA and F16C, and slices of one length.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn wide(query: &[f32], row: &[f16]) -> f32 {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_add_ps, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };
    let whole = query.len() / 16 * 16;
    let (mut even, mut odd) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for at in (0..whole).step_by(16) {
        // SAFETY: at + 16 is within both slices.
        unsafe {
            let low = _mm256_cvtph_ps(_mm_loadu_si128(row.as_ptr().add(at).cast()));
            let high = _mm256_cvtph_ps(_mm_loadu_si128(row.as_ptr().add(at + 8).cast()));
            even = _mm256_fmadd_ps(_mm256_loadu_ps(query.as_ptr().add(at)), low, even);
            odd = _mm256_fmadd_ps(_mm256_loadu_ps(query.as_ptr().add(at + 8)), high, odd);
        }
    }
    let mut sums = [0.0_f32; 8];
    // SAFETY: `sums` has room for the eight numbers.
    unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), _mm256_add_ps(even, odd)) };
    let rest: f32 = query[whole..].iter().zip(&row[whole..]).map(|(q, r)| q * r.to_f32()).sum();
    sums.iter().sum::<f32>() + rest
}
