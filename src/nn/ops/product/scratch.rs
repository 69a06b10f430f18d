//! Working memory that stays with its thread, so that the steady state maps no fresh pages.

use std::cell::RefCell;

use super::super::elem::Elem;

/// Values per cache line at most (sixteen `f32`), by which a buffer's start may have to move.
const LINE: usize = 64;

/// The number types' own stores of idle buffers.
pub trait Pooled: Sized + 'static {
    fn pool<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R;
}

macro_rules! pooled {
    ($t:ty) => {
        impl Pooled for $t {
            fn pool<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
                thread_local!(static POOL: RefCell<Vec<Vec<$t>>> = const { RefCell::new(Vec::new()) });
                POOL.with_borrow_mut(f)
            }
        }
    };
}
pooled!(f32);
pooled!(f64);

/// Calls `f` with `len` values that start on a cache line and hold anything. Calls may nest, and a task that another
/// task's wait lets in on the same thread gets a buffer of its own.
pub fn with_scratch<T: Elem, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    let wanted = len + LINE;
    let mut buffer = T::pool(|pool| {
        let fits = |b: &Vec<T>| (b.len() < wanted, if b.len() < wanted { usize::MAX - b.len() } else { b.len() });
        let best = (0..pool.len()).rev().min_by_key(|&i| fits(&pool[i]));
        best.map(|i| pool.swap_remove(i)).unwrap_or_default()
    });
    if buffer.len() < wanted {
        // Nothing is worth moving to the larger place.
        buffer.clear();
        buffer.resize(wanted, T::of(0.0));
    }
    let start = buffer.as_ptr().align_offset(LINE).min(LINE);
    let result = f(&mut buffer[start..start + len]);
    T::pool(|pool| pool.push(buffer));
    result
}
