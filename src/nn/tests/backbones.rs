//! Every backbone as training and searching see it.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use tempfile::TempDir;

use super::gradients::{loss, photos, slopes_agree, small};
use crate::nn::{
    Arch, Backbone, BackboneConfig, Embedder, EmbedderConfig, Mode, ModelCard, Params, PooledBackbone, weights,
};

fn config(arch: Arch) -> EmbedderConfig {
    EmbedderConfig { backbone: BackboneConfig { width: 4, ..BackboneConfig::new(arch) }, ..small(3) }
}

#[test]
fn every_variable_of_every_backbone_gets_a_gradient() {
    for arch in Arch::ALL {
        let embedder = Embedder::new(&config(arch), 7, &Device::Cpu).unwrap();
        let x = Tensor::from_vec(photos(4, 48), (4, 3, 48, 48), &Device::Cpu).unwrap();
        let gradients = loss(&embedder, &x, Mode::Train).backward().unwrap();
        for (name, var) in embedder.params.trainable() {
            let gradient = gradients.get(var.as_tensor()).unwrap_or_else(|| panic!("{arch} {name} has no gradient"));
            let size = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size > 1e-12 && size.is_finite(), "{arch} {name} has a gradient of {size}");
        }
    }
}

/// Oracle: central differences in 64 bits, through gates, dense layers, transitions and their pooling.
#[test]
fn gradients_of_gates_and_dense_layers_equal_finite_differences() {
    let gate = |name: &str| {
        ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"].map(|leaf| format!("backbone.layer2.0.{name}.{leaf}"))
    };
    let dense = [
        "conv0.weight",
        "denseblock1.denselayer2.norm1.weight",
        "denseblock1.denselayer2.conv1.weight",
        "denseblock2.denselayer12.conv2.weight",
        "transition2.norm.bias",
        "transition3.conv.weight",
        "norm5.weight",
    ]
    .map(|name| format!("backbone.features.{name}"));
    let cases = [
        (Arch::SeResNet50, gate("se").to_vec()),
        (Arch::SeResNeXt50, vec!["backbone.layer1.0.conv2.weight".to_owned()]),
        (Arch::LegacySeResNet50, gate("se_module").to_vec()),
        (Arch::LegacySeResNeXt50, vec!["backbone.layer0.conv1.weight".to_owned()]),
        (Arch::DenseNet121, dense.to_vec()),
    ];
    for (arch, names) in cases {
        let mut config = config(arch);
        config.backbone.last_stride = 1;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        slopes_agree(config, &names, 33);
    }
}

#[test]
fn every_encoder_says_what_its_embedder_says_on_any_grid() {
    let (n, size) = (2, 64);
    for arch in Arch::ALL {
        let embedder = Embedder::new(&config(arch), 7, &Device::Cpu).unwrap();
        let values = photos(n, size);
        let x = Tensor::from_vec(values.clone(), (n, 3, size, size), &Device::Cpu).unwrap();
        for _ in 0..3 {
            embedder.forward(&x, Mode::Train).unwrap();
        }
        let encoder = embedder.to_encoder(&ModelCard::new("test", embedder.config(), size)).unwrap();
        let features = encoder.encode(&values, n).unwrap();
        let global: Vec<f32> =
            embedder.forward(&x, Mode::Eval).unwrap().global.flatten_all().unwrap().to_vec1().unwrap();
        assert!(features.globals.iter().zip(&global).all(|(a, b)| (a - b).abs() < 1e-4), "{arch}");
        let regridded = encoder.with_grid(4, 3).unwrap().encode(&values, n).unwrap();
        assert_eq!(
            (regridded.grid.rows, regridded.grid.columns, regridded.cells_of(1).len()),
            (4, 3, 12 * regridded.dim)
        );
    }
}

/// Weights of a backbone under the names of a file.
fn write(dir: &TempDir, arch: Arch, rename: impl Fn(&str) -> String) -> std::path::PathBuf {
    let config = BackboneConfig { width: 4, ..BackboneConfig::new(arch) };
    let mut params = Params::new(3, &Device::Cpu);
    Backbone::new(&mut params, "", &config).unwrap();
    let tensors: HashMap<String, Tensor> =
        params.tensors().unwrap().into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    let path = dir.path().join("w.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

#[test]
fn each_family_s_file_is_read_and_taken_for_no_other() {
    let dir = TempDir::new().unwrap();
    for arch in Arch::ALL {
        for prefix in ["", "module.", "model.encoder_q."] {
            let path = write(&dir, arch, |name| format!("{prefix}{name}"));
            let net = PooledBackbone::load(&path, arch, 48, &Device::Cpu).unwrap();
            let wanted = BackboneConfig { width: 4, ..BackboneConfig::new(arch) };
            assert_eq!((net.dim(), net.grid().rows), (wanted.out_channels(), wanted.map_side(48)), "{arch}");
        }
        let path = write(&dir, arch, str::to_owned);
        for other in Arch::ALL.into_iter().filter(|other| *other != arch) {
            let said = PooledBackbone::load(&path, other, 48, &Device::Cpu).unwrap_err().to_string();
            let expected = format!("they are {arch} of width 4's, not {other} of width 4's");
            assert!(said.contains(&expected), "{said}");
        }
    }
}

#[test]
fn torchvision_s_first_dense_names_are_read_too() {
    let dir = TempDir::new().unwrap();
    let old = |name: &str| {
        let Some((before, after)) = name.split_once("denselayer") else { return name.to_owned() };
        let after = ["norm1", "norm2", "conv1", "conv2"]
            .into_iter()
            .fold(after.to_owned(), |after, new| after.replace(new, &format!("{}.{}", &new[..4], &new[4..])));
        format!("{before}denselayer{after}")
    };
    assert_eq!(
        old("features.denseblock1.denselayer12.conv2.weight"),
        "features.denseblock1.denselayer12.conv.2.weight"
    );
    let read = |path: &std::path::Path| -> BTreeMap<String, Vec<f32>> {
        weights::read_backbone(path)
            .unwrap()
            .into_iter()
            .map(|(name, tensor)| (name, tensor.flatten_all().unwrap().to_vec1().unwrap()))
            .collect()
    };
    let new = read(&write(&dir, Arch::DenseNet121, str::to_owned));
    assert_eq!(read(&write(&dir, Arch::DenseNet121, old)), new);
}

#[test]
fn a_deeper_network_s_file_is_not_taken_for_a_shallower_one() {
    let dir = TempDir::new().unwrap();
    let path = write(&dir, Arch::ResNet34, str::to_owned);
    let error = Embedder::new(&config(Arch::ResNet18), 1, &Device::Cpu).unwrap().load_backbone(&path).unwrap_err();
    assert!(error.to_string().contains("they are resnet34 of width 4's"), "{error}");
    let odd = BackboneConfig { width: 5, ..BackboneConfig::new(Arch::DenseNet121) };
    assert!(odd.problem().unwrap().contains("must be even"));
    assert!(Backbone::new(&mut Params::with_dtype(1, DType::F32, &Device::Cpu), "", &odd).is_err());
}
