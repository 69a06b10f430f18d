//! Checkpoints and other files, whole and broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use tempfile::TempDir;

use super::gradients::{photos, small};
use crate::nn::checkpoint::{self, Precision};
use crate::nn::{Arch, Backbone, BackboneConfig, Embedder, Encoder, Mode, ModelCard, NnError, Params, PooledBackbone};

const SIZE: usize = 32;

fn embedder(seed: u64) -> Embedder {
    Embedder::new(&small(3), seed, &Device::Cpu).unwrap()
}

fn card() -> ModelCard {
    let mut card = ModelCard::new("test", &small(3), SIZE);
    card.kinds = ["shirt", "dress", "bag"].map(str::to_owned).to_vec();
    card.metrics.insert("recall@1".to_owned(), 0.5);
    card.seed = 7;
    card
}

fn saved(precision: Precision) -> TempDir {
    let dir = TempDir::new().unwrap();
    embedder(7).save(dir.path(), &card(), precision).unwrap();
    dir
}

fn said(dir: &Path) -> String {
    let said = Encoder::load(dir, &Device::Cpu).unwrap_err().to_string();
    assert!(!said.contains('\n') && said.contains(&dir.display().to_string()), "{said}");
    said
}

fn global(embedder: &Embedder) -> Vec<f32> {
    let x = Tensor::from_vec(photos(2, SIZE), (2, 3, SIZE, SIZE), &Device::Cpu).unwrap();
    embedder.forward(&x, Mode::Eval).unwrap().global.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_checkpoint_comes_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let before = embedder(7);
    let x = Tensor::from_vec(photos(2, SIZE), (2, 3, SIZE, SIZE), &Device::Cpu).unwrap();
    before.forward(&x, Mode::Train).unwrap();
    let id = before.save(&dir.path().join("deep/er"), &card(), Precision::F32).unwrap();
    let dir = dir.path().join("deep/er");

    let (after, found) = Embedder::load(&dir, &Device::Cpu).unwrap();
    assert_eq!(found, card());
    assert_eq!(global(&after), global(&before));
    let names = |embedder: &Embedder| embedder.params.trainable().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));

    let encoder = Encoder::load(&dir, &Device::Cpu).unwrap();
    assert_eq!((encoder.checkpoint(), encoder.card(), encoder.input_size()), (&id, &card(), SIZE));
    assert_eq!(before.to_encoder(&card()).unwrap().checkpoint(), &id);
    assert_eq!(checkpoint::read_card(&dir).unwrap(), (card(), Some(id.clone())));
    assert_eq!(id.as_str(), &blake3::hash(&fs::read(dir.join("weights.safetensors")).unwrap()).to_hex()[..16]);
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn sixteen_bits_take_half_the_room_and_say_nearly_the_same() {
    let (half, single) = (saved(Precision::F16), saved(Precision::F32));
    let size = |dir: &TempDir| fs::metadata(dir.path().join("weights.safetensors")).unwrap().len() as f64;
    let embedder = embedder(7);
    let wide = embedder.params.iter().map(|(_, p)| if p.var.rank() > 1 { p.var.elem_count() * 2 } else { 0 });
    assert_eq!(size(&single) - size(&half), wide.sum::<usize>() as f64 + difference_of_headers(&half, &single));
    let encode =
        |dir: &TempDir| Encoder::load(dir.path(), &Device::Cpu).unwrap().encode(&photos(1, SIZE), 1).unwrap().globals;
    let error = encode(&half).iter().zip(encode(&single)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error > 0.0 && error < 5e-3, "{error}");
}

fn difference_of_headers(half: &TempDir, single: &TempDir) -> f64 {
    let header = |dir: &TempDir| {
        let bytes = fs::read(dir.path().join("weights.safetensors")).unwrap();
        u64::from_le_bytes(*bytes.first_chunk().unwrap()) as f64
    };
    header(single) - header(half)
}

#[test]
fn values_that_no_checkpoint_may_hold_are_refused_when_saving() {
    let dir = TempDir::new().unwrap();
    let broken = embedder(7);
    let var = &broken.params.get("embedding.bias").unwrap().var;
    var.set(&Tensor::full(f32::NAN, var.dims(), &Device::Cpu).unwrap()).unwrap();
    let error = broken.save(dir.path(), &card(), Precision::F16).unwrap_err().to_string();
    assert!(error.contains("`embedding.bias` holds values that are not finite"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // A kernel too large for 16 bits keeps its 32.
    let large = embedder(7);
    let var = &large.params.get("embedding.weight").unwrap().var;
    var.set(&Tensor::full(1e6f32, var.dims(), &Device::Cpu).unwrap()).unwrap();
    large.save(dir.path(), &card(), Precision::F16).unwrap();
    assert!(Embedder::load(dir.path(), &Device::Cpu).is_ok());
}

#[test]
fn a_torn_pair_is_recognised_and_the_newer_card_used() {
    let (old, new) = (saved(Precision::F16), TempDir::new().unwrap());
    let newer = ModelCard { name: "newer".to_owned(), ..card() };
    let id = embedder(8).save(new.path(), &newer, Precision::F16).unwrap();
    // Power went after the weights' rename and before the card's.
    fs::copy(new.path().join("weights.safetensors"), old.path().join("weights.safetensors")).unwrap();
    assert!(said(old.path()).contains("not the ones that the model card names"));
    fs::copy(new.path().join("model.json"), old.path().join("model.json.partial")).unwrap();
    let encoder = Encoder::load(old.path(), &Device::Cpu).unwrap();
    assert_eq!((encoder.checkpoint(), encoder.card().name.as_str()), (&id, "newer"));
}

#[test]
fn saving_again_replaces_and_a_failed_save_keeps_the_old() {
    let dir = saved(Precision::F16);
    let id = embedder(8).save(dir.path(), &card(), Precision::F16).unwrap();
    assert_eq!(Encoder::load(dir.path(), &Device::Cpu).unwrap().checkpoint(), &id);
    // Its provisional name is taken by a folder, so the card cannot be written.
    fs::create_dir(dir.path().join("model.json.partial")).unwrap();
    let error = embedder(9).save(dir.path(), &card(), Precision::F16).unwrap_err();
    assert!(matches!(error, NnError::Write { .. }) && error.to_string().contains("model.json"), "{error}");
    assert_eq!(Encoder::load(dir.path(), &Device::Cpu).unwrap().checkpoint(), &id);
}

#[test]
fn each_broken_checkpoint_gets_its_sentence() {
    let none = TempDir::new().unwrap();
    assert!(said(none.path()).contains("cannot read the model card"));
    let weights = |dir: &TempDir| dir.path().join("weights.safetensors");

    let dir = saved(Precision::F16);
    fs::remove_file(weights(&dir)).unwrap();
    assert!(said(dir.path()).contains("cannot read the weights"));
    fs::write(weights(&dir), b"").unwrap();
    assert!(said(dir.path()).contains("the file is empty"));
    fs::remove_file(weights(&dir)).unwrap();
    fs::create_dir(weights(&dir)).unwrap();
    assert!(said(dir.path()).contains("this is a folder"));

    let edit = |change: &dyn Fn(&mut serde_json::Value)| {
        let dir = saved(Precision::F16);
        let path = dir.path().join("model.json");
        let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(path, json.to_string()).unwrap();
        said(dir.path())
    };
    for (pointer, value, wanted) in [
        ("/config/backbone/width", 1u64 << 40, "a width of"),
        ("/config/backbone/width", 8, "of the wrong shape"),
        ("/config/backbone/last_stride", 3, "must be 1 or 2"),
        ("/config/dim", 5, "of the wrong shape (`embedding.bias [6] instead of [5]`"),
        ("/config/dim", 1 << 40, "an embedding of"),
        ("/config/classes", 4, "3 kinds for 4 classes"),
        ("/input_size", 1 << 40, "an input size of"),
        ("/input_size", 0, "an input size of"),
    ] {
        let found = edit(&|json| *json.pointer_mut(pointer).unwrap() = value.into());
        assert!(found.contains(wanted), "{found}");
    }
    let found = edit(&|json| json["config"]["backbone"]["arch"] = "resnet34".into());
    assert!(found.contains("do not fit resnet34") && found.contains("missing (`backbone.layer1.2."), "{found}");
    let found = edit(&|json| json["config"]["backbone"]["arch"] = "vgg16".into());
    assert!(found.contains("cannot use the model card") && found.contains("vgg16"), "{found}");

    let dir = saved(Precision::F16);
    fs::write(dir.path().join("model.json"), vec![b' '; 2 << 20]).unwrap();
    assert!(said(dir.path()).contains("larger than 1 MiB"));
}

fn without_hash(dir: &Path) {
    let path = dir.join("model.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["checkpoint"] = serde_json::Value::Null;
    fs::write(path, json.to_string()).unwrap();
}

/// Card and weights of a small network.
static WHOLE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_weights_never_panic(
        cut in any::<Option<prop::sample::Index>>(),
        damage in prop::collection::vec((0..4000usize, any::<u8>()), 1..4),
    ) {
        let dir = TempDir::new().unwrap();
        let (card, mut bytes) = WHOLE.get_or_init(|| {
            let dir = saved(Precision::F16);
            // The hash would catch everything; a card written by hand has none.
            without_hash(dir.path());
            ["model.json", "weights.safetensors"].map(|name| fs::read(dir.path().join(name)).unwrap()).into()
        }).clone();
        fs::write(dir.path().join("model.json"), card).unwrap();
        let path = dir.path().join("weights.safetensors");
        for (place, value) in damage {
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        if let Err(error) = Encoder::load(dir.path(), &Device::Cpu) {
            let said = error.to_string();
            prop_assert!(said.contains("weights.safetensors") && !said.contains('\n'), "{}", said);
        }
    }
}

/// Weights of a backbone under torchvision's names, as a file of others may hold them.
fn backbone(dir: &Path, name: &str, arch: Arch, rename: impl Fn(&str) -> String) -> PathBuf {
    let config = BackboneConfig { width: 2, ..BackboneConfig::new(arch) };
    let mut params = Params::new(3, &Device::Cpu);
    Backbone::new(&mut params, "", &config).unwrap();
    let mut tensors: BTreeMap<String, Tensor> =
        params.tensors().unwrap().into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    let head = Tensor::zeros((10, config.out_channels()), DType::F32, &Device::Cpu).unwrap();
    tensors.insert(rename("fc.weight"), head);
    let path = dir.join(name);
    candle_core::safetensors::save(&tensors.into_iter().collect::<std::collections::HashMap<_, _>>(), &path).unwrap();
    path
}

#[test]
fn a_backbone_is_found_under_every_usual_prefix() {
    let dir = TempDir::new().unwrap();
    let images = photos(2, 48);
    let embed = |path: &Path| {
        let net = PooledBackbone::load(path, Arch::ResNet18, 48, &Device::Cpu).unwrap();
        (net.embed(&images, 2).unwrap(), net.report().clone())
    };
    let (plain, report) = embed(&backbone(dir.path(), "plain.safetensors", Arch::ResNet18, str::to_owned));
    assert_eq!(report.unexpected, ["fc.weight"]);
    for prefix in ["module.", "backbone.", "module.encoder_q.", "model.backbone."] {
        let path = backbone(dir.path(), "p.safetensors", Arch::ResNet18, |name| format!("{prefix}{name}"));
        assert_eq!(embed(&path).0, plain, "{prefix}");
    }
    assert_eq!((plain.dim, plain.grid.rows, plain.grid.columns), (16, 2, 2));
    for (image, pooled) in plain.pooled.chunks(16).enumerate() {
        for (channel, value) in pooled.iter().enumerate() {
            let cells = (0..4).map(|cell| plain.cells[(image * 4 + cell) * 16 + channel]);
            assert!((cells.sum::<f32>() / 4.0 - value).abs() < 1e-6);
        }
    }
    // Our own checkpoints hold a backbone as well.
    let own = TempDir::new().unwrap();
    embedder(7).save(own.path(), &card(), Precision::F32).unwrap();
    let net = PooledBackbone::load(&own.path().join("weights.safetensors"), Arch::ResNet18, 48, &Device::Cpu).unwrap();
    assert_eq!(net.dim(), 32);
}

#[test]
fn another_architecture_is_named() {
    let dir = TempDir::new().unwrap();
    let path = backbone(dir.path(), "deep.safetensors", Arch::ResNet34, str::to_owned);
    let load = |path: &Path, arch| PooledBackbone::load(path, arch, 64, &Device::Cpu).unwrap_err().to_string();
    // All of resnet18's names are in it, in its shapes.
    let said = load(&path, Arch::ResNet18);
    assert!(said.contains("they are resnet34 of width 2's, not resnet18 of width 2's"), "{said}");
    assert!(said.ends_with("deep.safetensors"), "{said}");
    let path = backbone(dir.path(), "other.safetensors", Arch::ResNet18, |name| format!("features.{name}x"));
    let said = load(&path, Arch::ResNet50);
    assert!(said.contains("do not fit resnet50: 265 missing (`bn1.bias`, `bn1.running_mean`"), "{said}");
    assert!(said.contains("unexpected (`features."), "{said}");
    let said = PooledBackbone::load(&path, Arch::ResNet50, 5, &Device::Cpu).unwrap_err().to_string();
    assert!(said.contains("5 x 5"), "{said}");
    assert!("resnet19".parse::<Arch>().unwrap_err().to_string().contains("resnet18, resnet34"));
}

#[test]
fn an_embedder_starts_from_a_backbone_of_others() {
    let dir = TempDir::new().unwrap();
    let path = backbone(dir.path(), "b.safetensors", Arch::ResNet18, |name| format!("module.{name}"));
    let mut config = small(3);
    config.backbone.width = 2;
    let mut ours = Embedder::new(&config, 7, &Device::Cpu).unwrap();
    let heads = ours.params.get("embedding.weight").unwrap().var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let report = ours.load_backbone(&path).unwrap();
    assert!(report.is_complete() && report.unexpected == ["fc.weight"], "{report}");
    let theirs = crate::nn::weights::read_backbone(&path).unwrap();
    for (name, tensor) in theirs.iter().filter(|(name, _)| *name != "fc.weight") {
        let var = &ours.params.get(&format!("backbone.{name}")).unwrap().var;
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(flat(var), flat(tensor), "{name}");
    }
    let after = ours.params.get("embedding.weight").unwrap().var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(heads, after);
    assert!(embedder(7).load_backbone(&path).unwrap_err().to_string().contains("of width 2"));
}
