//! Runs our kernels on the CPU: the C compiler reads their sources after `emulate.h`, and the plans of `plan.rs` are
//! launched on ordinary memory.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::mem::transmute;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use half::bf16;

use super::super::plan::{Address, Arguments, Launch, Module, Number, PRELUDE};

type Kernel = unsafe extern "C" fn(*const c_void);
type Emulate = unsafe extern "C" fn(Kernel, *const c_void, c_uint, c_uint, c_int) -> c_int;

/// One number type; blocks and threads in their order or the other way round.
#[derive(Clone, Copy)]
pub struct Emulated {
    pub number: Number,
    pub backwards: bool,
    /// Numbers that a block's shared memory holds.
    pub room: usize,
}

impl Launch for Emulated {
    type Error = String;

    fn room(&self) -> Result<usize, String> {
        Ok(self.room)
    }

    fn launch_with<A: Arguments>(
        &self,
        kernel: &'static str,
        blocks: usize,
        shared: usize,
        arguments: A,
    ) -> Result<(), String> {
        if shared > self.room {
            return Err(format!("{kernel}: {shared} numbers of shared memory where there is room for {}", self.room));
        }
        let library = library(A::MODULE, self.number)?;
        let name = CString::new(kernel).map_err(|e| e.to_string())?;
        let (kernel, emulate) = (symbol(library, &name)?, symbol(library, c"emulate")?);
        // SAFETY: both symbols are functions of these types in the library that was just compiled from `emulate.h`.
        let (kernel, emulate): (Kernel, Emulate) =
            unsafe { (transmute::<*mut c_void, Kernel>(kernel), transmute::<*mut c_void, Emulate>(emulate)) };
        let (blocks, shared) = (c_uint::try_from(blocks), c_uint::try_from(shared * self.number.computed()));
        let (blocks, shared) = (blocks.map_err(|e| e.to_string())?, shared.map_err(|e| e.to_string())?);
        // SAFETY: `Arguments` is the kernel's struct bit for bit; the addresses in it are those of `Buffer`s that the
        // test keeps until after the call.
        match unsafe { emulate(kernel, (&raw const arguments).cast(), blocks, shared, c_int::from(self.backwards)) } {
            0 => Ok(()),
            1 => Err(format!("{name:?}: some threads ended while others waited at a barrier")),
            3 => Err(format!("{name:?}: a block wrote past its shared memory")),
            other => Err(format!("{name:?}: the emulator answered {other}")),
        }
    }
}

/// The compiled sources of a module; each is compiled once and never unloaded.
fn library(module: Module, number: Number) -> Result<usize, String> {
    static LIBRARIES: OnceLock<Mutex<HashMap<(Module, Number), usize>>> = OnceLock::new();
    let mut libraries = LIBRARIES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&library) = libraries.get(&(module, number)) {
        return Ok(library);
    }
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (source, object) = (folder.path().join("kernels.c"), folder.path().join("kernels.so"));
    std::fs::write(&source, [include_str!("../kernels/emulate.h"), PRELUDE, module.source()].concat())
        .map_err(|e| e.to_string())?;
    let said = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Werror", "-Wno-unused-function", "-Wno-unused-variable"])
        .args(["-ffp-contract=off", "-shared", "-fPIC", number.define(), "-o"])
        .args([&object, &source])
        .arg("-lm")
        .output()
        .map_err(|e| e.to_string())?;
    if !said.status.success() {
        return Err(format!("{} does not compile as C:\n{}", module.name(), String::from_utf8_lossy(&said.stderr)));
    }
    let path = CString::new(object.to_string_lossy().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: a path that ends in zero; the library runs nothing on loading.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        return Err(format!("{} does not load", object.display()));
    }
    libraries.insert((module, number), library as usize);
    Ok(library as usize)
}

fn symbol(library: usize, name: &CStr) -> Result<*mut c_void, String> {
    // SAFETY: a library that `dlopen` gave and that is never closed, and a name that ends in zero.
    let symbol = unsafe { libc::dlsym(library as *mut c_void, name.as_ptr()) };
    if symbol.is_null() { Err(format!("there is no kernel {name:?}")) } else { Ok(symbol) }
}

/// Bytes of shared memory in a block of an H100 (CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability").
const ROOM: usize = 227 << 10;

/// Words after every buffer that nobody may write; read as numbers they are NaN.
const GUARD: usize = 64;

/// Memory that kernels write.
pub struct Buffer {
    number: Number,
    words: Vec<Cell<u64>>,
    len: usize,
}

impl Buffer {
    /// Of NaN, so that what is not written shows.
    pub fn new(number: Number, len: usize) -> Self {
        let words = (len * size(number)).div_ceil(8) + GUARD;
        Self { number, words: vec![Cell::new(u64::MAX); words], len }
    }

    pub fn of(number: Number, values: &[f64]) -> Self {
        let buffer = Self::new(number, values.len());
        buffer.write(values);
        buffer
    }

    pub fn write(&self, values: &[f64]) {
        assert_eq!(values.len(), self.len);
        let bytes: Vec<u8> = match self.number {
            Number::F32 => values.iter().flat_map(|v| (*v as f32).to_ne_bytes()).collect(),
            Number::F64 => values.iter().flat_map(|v| v.to_ne_bytes()).collect(),
            Number::Bf16 => values.iter().flat_map(|v| bf16::from_f64(*v).to_ne_bytes()).collect(),
        };
        for (word, bytes) in self.words.iter().zip(bytes.chunks(8)) {
            let mut whole = [0xff; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.set(u64::from_ne_bytes(whole));
        }
    }

    pub fn address(&self) -> Address {
        self.words.as_ptr() as Address
    }

    pub fn read(&self) -> Vec<f64> {
        let used = (self.len * size(self.number)).div_ceil(8);
        assert!(self.words[used..].iter().all(|word| word.get() == u64::MAX), "written past the end of a buffer");
        let bytes: Vec<u8> = self.words[..used].iter().flat_map(|word| word.get().to_ne_bytes()).collect();
        bytes
            .chunks_exact(size(self.number))
            .take(self.len)
            .map(|b| match self.number {
                Number::F32 => f64::from(f32::from_ne_bytes([b[0], b[1], b[2], b[3]])),
                Number::F64 => f64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
                Number::Bf16 => bf16::from_ne_bytes([b[0], b[1]]).to_f64(),
            })
            .collect()
    }

    /// As 32-bit integers.
    pub fn read_integers(&self) -> Vec<u32> {
        assert_eq!(self.number, Number::F32, "integers lie in buffers of 32 bits");
        let used = self.len.div_ceil(2);
        let bytes: Vec<u8> = self.words[..used].iter().flat_map(|word| word.get().to_ne_bytes()).collect();
        bytes.chunks_exact(4).take(self.len).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect()
    }
}

fn size(number: Number) -> usize {
    match number {
        Number::F32 => 4,
        Number::F64 => 8,
        Number::Bf16 => 2,
    }
}

/// What is computed in where `number` lies in memory.
pub fn wide(number: Number) -> Number {
    if number == Number::Bf16 { Number::F32 } else { number }
}

/// What `work` gives with blocks and threads in either order, which must be the same bits.
pub fn in_either_order(number: Number, work: impl Fn(&Emulated) -> Result<Vec<Vec<f64>>, String>) -> Vec<Vec<f64>> {
    let run = |backwards| {
        work(&Emulated { number, backwards, room: ROOM / number.computed() }).unwrap_or_else(|e| panic!("{e}"))
    };
    let (there, back) = (run(false), run(true));
    let bits = |all: &[Vec<f64>]| all.iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&there), bits(&back), "the result depends on the order of threads: a barrier is missing");
    there
}
