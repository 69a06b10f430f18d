//! How maps lie in memory: channels in blocks of sixteen, a block's values of one pixel side by side.

/// Channels of a block: two vectors of AVX2, one of AVX-512, one cache line.
pub const LANES: usize = 16;

/// The map of one image, `[blocks][height + 2 halo][width + 2 halo][lanes]`. The halo holds zeros that no step writes, so
/// that a convolution reads its padding like any pixel; so do the places of channels that fill up the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub halo: usize,
    /// [`LANES`], or all channels for a photo.
    pub lanes: usize,
    /// From an image to the next, where these are not all its channels; else 0.
    pub apart: usize,
}

impl Map {
    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(self.lanes)
    }

    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// From a pixel to the one below.
    pub fn row(&self) -> usize {
        (self.width + 2 * self.halo) * self.lanes
    }

    /// From a block to the next.
    pub fn plane(&self) -> usize {
        (self.height + 2 * self.halo) * self.row()
    }

    /// From an image to the next.
    pub fn image(&self) -> usize {
        if self.apart > 0 { self.apart } else { self.blocks() * self.plane() }
    }

    /// The first value of a pixel in the first block; negative places down to the halo's are fine.
    pub fn at(&self, y: isize, x: isize) -> usize {
        let inside = |v: isize| (v + self.halo as isize) as usize;
        inside(y) * self.row() + inside(x) * self.lanes
    }
}

/// Memory that the tasks of one step read and write.
#[derive(Clone, Copy)]
pub struct Space<'a> {
    start: *mut f32,
    len: usize,
    of: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: every access goes through the unsafe `get` and `get_mut`, whose callers promise that no place is written by one
// task while another reads or writes it.
unsafe impl Send for Space<'_> {}
// SAFETY: as above.
unsafe impl Sync for Space<'_> {}

impl<'a> Space<'a> {
    pub fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), of: std::marker::PhantomData }
    }

    /// The part from `from` on, `len` long.
    pub fn part(&self, from: usize, len: usize) -> Self {
        assert!(from + len <= self.len, "a map beyond its memory");
        // SAFETY: within the memory as just checked.
        Self { start: unsafe { self.start.add(from) }, len, of: self.of }
    }

    /// `len` values from `at` on.
    ///
    /// # Safety
    /// No task writes any of them while the answer is in use.
    pub unsafe fn get(&self, at: usize, len: usize) -> &'a [f32] {
        assert!(at + len <= self.len, "a read beyond a map");
        // SAFETY: within the memory as just checked, and not written by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.add(at), len) }
    }

    /// As [`Self::get`], to be written.
    ///
    /// # Safety
    /// No other task reads or writes any of them while the answer is in use.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn get_mut(&self, at: usize, len: usize) -> &'a mut [f32] {
        assert!(at + len <= self.len, "a write beyond a map");
        // SAFETY: within the memory as just checked, and exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }

    pub fn start(&self) -> *mut f32 {
        self.start
    }

    pub fn len(&self) -> usize {
        self.len
    }
}
