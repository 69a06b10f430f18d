//! The innermost loop of every convolution: one tile of sums held in registers, in the best instructions the processor
//! has, chosen at run time (AVX-512, AVX2 with FMA, or whatever the compiler makes of the portable loop, NEON included).

use std::sync::OnceLock;

use super::super::elem::Elem;

/// `tile(rows, depth, a, b, c, stride, add)`: for `rows` rows and all columns of a tile,
/// `c[r * stride + j] (+)= sum over d of a[d * Kernel::rows + r] * b[d * Kernel::columns + j]`.
///
/// # Safety
/// `rows` is between 1 and `Kernel::rows`; `a` holds `depth * Kernel::rows` values, `b` holds `depth * Kernel::columns`,
/// `c` may be read and written over `rows` rows; the processor has the kernel's instructions.
type Tile<T> = unsafe fn(usize, usize, *const T, *const T, *mut T, usize, bool);

/// A register tile and the function that fills it.
#[derive(Clone, Copy)]
pub struct Kernel<T> {
    pub rows: usize,
    pub columns: usize,
    tile: Tile<T>,
}

/// The three operands of one tile; see [`Tile`].
pub struct Operands<'a, T> {
    pub a: &'a [T],
    pub b: &'a [T],
    pub c: &'a mut [T],
    pub stride: usize,
}

impl<T> Kernel<T> {
    /// Fills one tile; `add` keeps what `c` holds.
    #[inline]
    pub fn run(&self, rows: usize, depth: usize, operands: Operands<'_, T>, add: bool) {
        let Operands { a, b, c, stride } = operands;
        assert!((1..=self.rows).contains(&rows) && stride >= self.columns);
        assert!(a.len() >= depth * self.rows && b.len() >= depth * self.columns);
        assert!(c.len() >= (rows - 1) * stride + self.columns);
        // SAFETY: the lengths were just checked, and a kernel is only made where its instructions were found.
        unsafe { (self.tile)(rows, depth, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), stride, add) }
    }
}

/// Side of the squares that [`Kernels::transpose`] turns over.
pub const LINES: usize = 8;

/// `transpose(from, to, row, blocks)`: `to[i * row + j] = from[j][i]` for `i` below `LINES * blocks`.
///
/// # Safety
/// Each of `from` may be read over `LINES * blocks` values, `to` written over `(LINES * blocks - 1) * row + LINES`, rows
/// in their order where they overlap; the processor has the function's instructions.
pub type Transpose<T> = unsafe fn([*const T; LINES], *mut T, usize, usize);

/// Which number types have kernels, best first.
pub trait Kernels: Sized + 'static {
    fn kernels() -> Vec<Kernel<Self>>;
    /// The first of them, looked for once.
    fn best() -> Kernel<Self>;
    /// Turns columns into rows, where the processor has instructions for it.
    fn transpose() -> Option<Transpose<Self>> {
        None
    }
}

impl Kernels for f32 {
    fn best() -> Kernel<Self> {
        static BEST: OnceLock<Kernel<f32>> = OnceLock::new();
        *BEST.get_or_init(|| Self::kernels()[0])
    }

    fn transpose() -> Option<Transpose<Self>> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") {
            return Some(x86::transpose);
        }
        None
    }

    fn kernels() -> Vec<Kernel<Self>> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                all.push(Kernel { rows: 12, columns: 32, tile: x86::avx512 });
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Kernel { rows: 6, columns: 16, tile: x86::avx2 });
            }
        }
        all.push(Kernel { rows: 4, columns: 8, tile: portable::<f32> });
        all
    }
}

impl Kernels for f64 {
    fn best() -> Kernel<Self> {
        static BEST: OnceLock<Kernel<f64>> = OnceLock::new();
        *BEST.get_or_init(|| Self::kernels()[0])
    }

    fn kernels() -> Vec<Kernel<Self>> {
        vec![Kernel { rows: 4, columns: 8, tile: portable::<f64> }]
    }
}

/// For any processor and number type.
unsafe fn portable<T: Elem>(rows: usize, depth: usize, a: *const T, b: *const T, c: *mut T, stride: usize, add: bool) {
    let mut sums = [[T::of(0.0); 8]; 4];
    // SAFETY: by the caller's promise `a` and `b` hold this many values.
    let (a, b) = unsafe { (std::slice::from_raw_parts(a, depth * 4), std::slice::from_raw_parts(b, depth * 8)) };
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(8)) {
        for (sums, &a) in sums.iter_mut().zip(a) {
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    for (r, sums) in sums.iter().enumerate().take(rows) {
        // SAFETY: by the caller's promise each of the `rows` rows of `c` holds a tile's columns.
        let row = unsafe { std::slice::from_raw_parts_mut(c.add(r * stride), 8) };
        for (c, &sum) in row.iter_mut().zip(sums) {
            *c = if add { *c + sum } else { sum };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// See [`super::Transpose`].
    #[target_feature(enable = "avx")]
    pub unsafe fn transpose(mut from: [*const f32; 8], mut to: *mut f32, row: usize, blocks: usize) {
        for _ in 0..blocks {
            // SAFETY: within what the caller promises for this block.
            let [a, b, c, d, e, f, g, h] = from.map(|line| unsafe { _mm256_loadu_ps(line) });
            // Pairs of lines, then fours, then the halves of all eight.
            let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let (ef0, ef1) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
            let (gh0, gh1) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
            let low = [
                _mm256_shuffle_ps::<0x44>(ab0, cd0),
                _mm256_shuffle_ps::<0xEE>(ab0, cd0),
                _mm256_shuffle_ps::<0x44>(ab1, cd1),
                _mm256_shuffle_ps::<0xEE>(ab1, cd1),
            ];
            let high = [
                _mm256_shuffle_ps::<0x44>(ef0, gh0),
                _mm256_shuffle_ps::<0xEE>(ef0, gh0),
                _mm256_shuffle_ps::<0x44>(ef1, gh1),
                _mm256_shuffle_ps::<0xEE>(ef1, gh1),
            ];
            for i in 0..4 {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(to.add(i * row), _mm256_permute2f128_ps::<0x20>(low[i], high[i])) };
            }
            for i in 0..4 {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(to.add((4 + i) * row), _mm256_permute2f128_ps::<0x31>(low[i], high[i])) };
            }
            from = from.map(|line| line.wrapping_add(8));
            to = to.wrapping_add(8 * row);
        }
    }

    /// A kernel of `$rows` rows and two vectors of `$lanes` columns, and one copy of its loop for every smaller number
    /// of rows, so that no work is spent on rows that are not there.
    macro_rules! kernel {
        ($name:ident, $inner:ident, $feature:literal, $rows:literal, $lanes:literal, $zero:ident, $load:ident,
         $store:ident, $set:ident, $add:ident, $fma:ident, $($r:literal)+) => {
            pub unsafe fn $name(
                rows: usize,
                depth: usize,
                a: *const f32,
                b: *const f32,
                c: *mut f32,
                stride: usize,
                add: bool,
            ) {
                // SAFETY: the caller's promise is that of the function called.
                unsafe {
                    match rows {
                        $($r => $inner::<$r>(depth, a, b, c, stride, add),)+
                        _ => {}
                    }
                }
            }

            #[target_feature(enable = $feature)]
            unsafe fn $inner<const R: usize>(
                depth: usize,
                mut a: *const f32,
                mut b: *const f32,
                c: *mut f32,
                stride: usize,
                add: bool,
            ) {
                let mut sums = [[$zero(); 2]; R];
                for _ in 0..depth {
                    // SAFETY: `a` and `b` hold `depth` steps of this size by the caller's promise.
                    unsafe {
                        let (b0, b1) = ($load(b), $load(b.add($lanes)));
                        for r in 0..R {
                            let v = $set(*a.add(r));
                            sums[r][0] = $fma(v, b0, sums[r][0]);
                            sums[r][1] = $fma(v, b1, sums[r][1]);
                        }
                        a = a.add($rows);
                        b = b.add(2 * $lanes);
                    }
                }
                for r in 0..R {
                    for half in 0..2 {
                        // SAFETY: row `r` of `c` holds two vectors by the caller's promise.
                        unsafe {
                            let at = c.add(r * stride + half * $lanes);
                            let sum = if add { $add($load(at), sums[r][half]) } else { sums[r][half] };
                            $store(at, sum);
                        }
                    }
                }
            }
        };
    }

    kernel!(
        avx2, avx2_rows, "avx2,fma", 6, 8, _mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps,
        _mm256_add_ps, _mm256_fmadd_ps, 1 2 3 4 5 6
    );
    kernel!(
        avx512, avx512_rows, "avx512f", 12, 16, _mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps,
        _mm512_add_ps, _mm512_fmadd_ps, 1 2 3 4 5 6 7 8 9 10 11 12
    );
}
