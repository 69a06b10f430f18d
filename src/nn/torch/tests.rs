//! Files that PyTorch 2.15 wrote (`tests/fixtures/pth/make.py`), and the same files damaged.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use candle_core::Tensor;
use proptest::prelude::*;

use super::pickle::{self, Pickle};
use super::view::{View, check_total};
use super::zipped;
use crate::nn::weights::{self, Number};

const FILES: [&str; 6] =
    ["plain.pth", "wrapped.pth", "hostile.pth", "whole-object.pth", "before-1.6.pth", "torchscript.pth"];

fn path(name: &str) -> String {
    format!("{}/tests/fixtures/pth/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn read(name: &str) -> BTreeMap<String, Tensor> {
    weights::read(Path::new(&path(name))).unwrap()
}

fn refusal(name: &str) -> String {
    let said = weights::read(Path::new(&path(name))).unwrap_err().to_string();
    assert!(said.ends_with(name), "{said}");
    said
}

/// What `counted` of the script fills in.
fn counted(shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|index| index as f32 * 0.5).collect();
    Tensor::from_vec(values, shape, &candle_core::Device::Cpu).unwrap()
}

fn assert_counted(tensor: &Tensor, shape: &[usize]) {
    assert_eq!(tensor.dims(), shape);
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(flat(tensor), flat(&counted(shape)));
}

#[test]
fn every_number_type_stride_and_shared_storage_is_read() {
    let tensors = read("plain.pth");
    let shapes: [(&str, &[usize]); 9] = [
        ("single", &[2, 3]),
        ("half", &[4]),
        ("brain", &[4]),
        ("double", &[3, 1, 2]),
        ("scalar", &[]),
        ("parameter", &[2, 2]),
        ("transposed", &[2, 3, 4, 5]),
        ("first_half", &[3, 4]),
        ("second_half_minus_six", &[3, 4]),
    ];
    // The counter of batches is an integer.
    assert_eq!(tensors.len(), shapes.len());
    for (name, shape) in shapes {
        assert_counted(&tensors[name], shape);
    }
}

#[test]
fn a_state_dict_is_found_inside_a_training_scripts_checkpoint() {
    let tensors = read("wrapped.pth");
    let names: Vec<_> = tensors.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "module.bn1.bias",
            "module.bn1.running_mean",
            "module.bn1.running_var",
            "module.bn1.weight",
            "module.conv1.bias",
            "module.conv1.weight"
        ]
    );
    assert_counted(&tensors["module.conv1.weight"], &[2, 1, 3, 3]);
    assert_counted(&tensors["module.bn1.weight"], &[2]);
}

#[test]
fn the_format_from_before_1_6_is_read_too() {
    let tensors = read("before-1.6.pth");
    assert_eq!(tensors.len(), 1);
    assert_counted(&tensors["weight"], &[3]);
}

#[test]
fn a_pickle_that_calls_for_code_is_refused_by_name_and_nothing_runs() {
    let said = refusal("hostile.pth");
    assert!(said.contains("asks to call `posix.system`") && said.contains("nothing was run"), "{said}");
    assert!(!Path::new("/tmp/seamline-was-run").exists());
}

#[test]
fn whole_objects_and_programs_are_answered_with_what_to_do() {
    let said = refusal("whole-object.pth");
    assert!(said.contains("torch.nn.modules.linear.Linear") && said.contains("state_dict instead"), "{said}");
    let said = refusal("torchscript.pth");
    assert!(said.contains("TorchScript") && said.contains("state_dict instead"), "{said}");
}

fn read_bytes(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, String> {
    let path = Path::new("damaged.pth");
    let tensors = super::read(bytes, path).unwrap_or_else(|| weights::from_safetensors(bytes, path));
    tensors.map_err(|error| error.to_string())
}

#[test]
fn every_truncation_is_an_error_and_none_a_panic() {
    for name in FILES {
        let whole = bytes(name);
        for length in 0..whole.len() {
            let said = read_bytes(&whole[..length]).expect_err("a cut file is never whole");
            assert!(said.contains("damaged.pth") && !said.contains('\n'), "{name} cut to {length}: {said}");
        }
    }
}

fn damaged(whole: &[u8], damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, value) in damage {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    bytes
}

/// The pickle inside a zipped file, past the archive's checksum.
fn program(name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes(name))).unwrap();
    let stem = name.trim_end_matches(".pth");
    let mut program = Vec::new();
    archive.by_name(&format!("{stem}/data.pkl")).unwrap().read_to_end(&mut program).unwrap();
    program
}

/// Takes all that a damaged pickle may say, with no storage to read.
fn look_through(pickle: &Pickle) {
    let Some(views) = pickle.state_dict() else { return };
    if check_total(&views, 1 << 12).is_ok() {
        for (name, view) in &views {
            let _ = view.values(name, &[0; 64]);
        }
    }
    let _ = (pickle.texts(), pickle.integer(), pickle.flag("x"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_never_panics(
        file in 0..FILES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let _ = read_bytes(&damaged(&bytes(FILES[file]), &damage));
    }

    #[test]
    fn a_damaged_pickle_never_panics(
        file in 0..4usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        if let Ok(pickle) = pickle::walk(&damaged(&program(FILES[file]), &damage)) {
            look_through(&pickle);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(pickle) = pickle::walk(&bytes) {
            look_through(&pickle);
        }
        let mut zipped = b"PK\x03\x04".to_vec();
        zipped.extend(&bytes);
        let _ = read_bytes(&zipped);
        let mut old = bytes_of_magic();
        old.extend(bytes);
        let _ = read_bytes(&old);
    }
}

fn bytes_of_magic() -> Vec<u8> {
    bytes("before-1.6.pth")[..20].to_vec()
}

fn said(program: &[u8]) -> String {
    pickle::walk(program).err().unwrap_or_else(|| "nothing".to_owned())
}

#[test]
fn hostile_pickles_cost_neither_memory_nor_time() {
    // A text, a number and bytes that claim gigabytes.
    assert_eq!(said(b"\x80\x02X\xff\xff\xff\xff."), "the pickle is cut off");
    assert_eq!(said(b"\x80\x02\x8b\xff\xff\xff\x7f."), "the pickle is cut off");
    assert_eq!(said(b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "the pickle is cut off");
    // Each list holds the former twice: two to the thirtieth values, were they copied.
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    for depth in 0..30u8 {
        laughs.extend([b'h', depth, b'h', depth, 0x86, b'q', depth + 1]);
    }
    laughs.push(b'.');
    assert!(pickle::walk(&laughs).is_ok());
    // A dictionary that lies in itself under every wrapper's name.
    let mut own = b"\x80\x02}q\x00(".to_vec();
    for name in ["state_dict", "model", "net", "module", "teacher"] {
        own.push(b'X');
        own.extend((name.len() as u32).to_le_bytes());
        own.extend(name.as_bytes());
        own.extend(b"h\x00");
    }
    own.extend(b"u.");
    assert!(pickle::walk(&own).unwrap().state_dict().is_none());
    // More values than any file needs.
    assert_eq!(said(&[b'N'; 2_000_000]), "the pickle holds too many values");
    assert_eq!(said(&[b'('; 2_000_000]), "the pickle holds too many values");
}

#[test]
fn what_pytorch_never_writes_is_refused() {
    for (program, wanted) in [
        (&b"cos\nsystem\n(S'ls'\ntR."[..], "instruction 0x53"),
        (b"\x80\x02cos\nsystem\n)R.", "asks to call `os.system`"),
        (b"\x80\x02cbuiltins\neval\n)R.", "asks to call `builtins.eval`"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93)\x81.", "asks to call `os.system`"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor of the pickle is damaged"),
        (b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)NtR.", "the pickle is damaged"),
        (b"\x80\x02).)", "nothing"),
        (b"\x80\x02R.", "the pickle is damaged"),
        (b"\x80\x02Nh\x00.", "the pickle is damaged"),
        (b"\x80\x02NNa.", "the pickle is damaged"),
        (b"\x80\x02}(Nu.", "the pickle is damaged"),
        (b"\x80\x02N00.", "the pickle is damaged"),
    ] {
        let found = said(program);
        assert!(found.contains(wanted), "{found}");
    }
}

fn view(shape: &[usize], strides: &[usize], offset: usize) -> View {
    let (shape, strides) = (shape.to_vec(), strides.to_vec());
    View { storage: "0".to_owned(), number: Number::F32, offset, shape, strides }
}

#[test]
fn a_view_stays_inside_its_storage() {
    let storage: Vec<u8> = (0..6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    assert_eq!(view(&[2, 3], &[3, 1], 0).values("x", &storage).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(view(&[3, 2], &[1, 3], 0).values("x", &storage).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(view(&[2, 2], &[0, 1], 4).values("x", &storage).unwrap(), [4.0, 5.0, 4.0, 5.0]);
    assert_eq!(view(&[0, 9], &[9, 1], 99).values("x", &storage).unwrap(), [0.0; 0]);
    for outside in [
        view(&[2, 3], &[3, 1], 1),
        view(&[7], &[1], 0),
        view(&[1], &[1], 6),
        view(&[], &[], usize::MAX),
        view(&[2], &[usize::MAX], 1),
        view(&[usize::MAX, 2], &[1, 1], 0),
    ] {
        assert!(outside.values("x", &storage).unwrap_err().contains("outside its storage"), "{outside:?}");
    }
}

#[test]
fn a_small_file_cannot_unfold_to_a_large_one() {
    // One number, seen a thousand million times.
    let views = BTreeMap::from([("x".to_owned(), view(&[1_000_000_000], &[0], 0))]);
    assert!(check_total(&views, 4096).unwrap_err().contains("more values than the file can hold"));
    let views: BTreeMap<_, _> = (0..100).map(|name| (name.to_string(), view(&[1000], &[1], 0))).collect();
    assert!(check_total(&views, 8000).is_err());
    assert!(check_total(&views, 400_000).is_ok());
}

#[test]
fn a_zip_archive_of_something_else_is_no_file_of_weights() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("letter.txt", zip::write::SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let said = zipped::read(&bytes, Path::new("letter.zip")).unwrap_err().to_string();
    assert!(said.contains("not one of PyTorch's") && said.ends_with("letter.zip"), "{said}");
}
