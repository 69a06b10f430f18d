//! Whole networks in 8 bits. Oracle: the same network in 32 bits.

use candle_core::Device;

use super::gradients::{photos, small};
use crate::domain::{Arithmetic, Layer};
use crate::nn::{Arch, BackboneConfig, CellFeatures, Embedder, EmbedderConfig, Encoder, ModelCard};

const SIZE: usize = 64;

fn encoders(arch: Arch, width: usize) -> [Result<Encoder, crate::nn::NnError>; 2] {
    let config = EmbedderConfig { backbone: BackboneConfig { width, ..BackboneConfig::new(arch) }, ..small(3) };
    let embedder = Embedder::new(&config, 5, &Device::Cpu).unwrap();
    let kinds = (0..config.classes).map(|class| class.to_string()).collect();
    let card = ModelCard { kinds, ..ModelCard::new("int8", &config, SIZE) };
    [Arithmetic::F32, Arithmetic::Int8].map(|arithmetic| embedder.to_encoder_in(&card, arithmetic))
}

fn least_cosine(a: &CellFeatures, b: &CellFeatures) -> f32 {
    let dot = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let rows = |a: &CellFeatures| [a.cells.clone(), a.globals.clone()].concat();
    let (one, other) = (rows(a), rows(b));
    one.chunks(a.dim).zip(other.chunks(a.dim)).map(dot).fold(1.0, f32::min)
}

/// Grouped, gated, with bottlenecks and without.
#[test]
fn every_residual_network_says_almost_the_same_in_8_bits_and_the_same_in_any_batch() {
    let images = photos(3, SIZE);
    for arch in [Arch::ResNet18, Arch::ResNet50, Arch::SeResNet50, Arch::SeResNeXt50] {
        let [exact, rounded] = encoders(arch, 16).map(Result::unwrap);
        let (all, found) = (exact.encode(&images, 3).unwrap(), rounded.encode(&images, 3).unwrap());
        let cosine = least_cosine(&all, &found);
        assert!(cosine > 0.99 && found != all, "{arch}: {cosine}");
        let alone = rounded.encode(&images[3 * SIZE * SIZE..][..3 * SIZE * SIZE], 1).unwrap();
        assert_eq!(alone.cells_of(0), found.cells_of(1), "{arch}");
        assert_eq!(alone.global_of(0), found.global_of(1), "{arch}");
        let layer = |encoder: &Encoder| encoder.encode_layer(Layer::Second, &images, 3).unwrap();
        assert!(least_cosine(&layer(&exact), &layer(&rounded)) > 0.99, "{arch}");
        assert_eq!((exact.arithmetic(), rounded.arithmetic()), (Arithmetic::F32, Arithmetic::Int8));
        assert_eq!(exact.checkpoint(), rounded.checkpoint());
        assert_eq!(rounded.place(), format!("{}, in int8", exact.place()));
    }
}

#[test]
fn a_network_without_a_plan_is_refused_in_8_bits() {
    let [exact, rounded] = encoders(Arch::DenseNet121, 4);
    assert!(exact.is_ok());
    let said = rounded.unwrap_err().to_string();
    assert!(said.contains("dense layers") && said.contains("8-bit"), "{said}");
}

#[test]
fn sixteen_bits_are_refused_where_there_is_no_gpu() {
    let embedder = Embedder::new(&small(3), 5, &Device::Cpu).unwrap();
    let kinds = (0..3).map(|class| class.to_string()).collect();
    let card = ModelCard { kinds, ..ModelCard::new("bf16", &small(3), SIZE) };
    let said = embedder.to_encoder_in(&card, Arithmetic::Bf16).unwrap_err().to_string();
    assert!(said.contains("CUDA") && said.contains("CPU") && said.contains("f32"), "{said}");
}
