//! Cells of earlier layers. Oracle: the network that is trained, whose normalisations are not folded.

use candle_core::{Device, Tensor};

use super::gradients::{photos, small};
use crate::domain::{Grid, Layer};
use crate::nn::{Arch, Backbone, BackboneConfig, Embedder, EmbedderConfig, Encoder, Mode, ModelCard, NnError};

const SIZE: usize = 48;

fn encoder(config: &EmbedderConfig, size: usize) -> (Encoder, Backbone) {
    let mut embedder = Embedder::new(config, 5, &Device::Cpu).unwrap();
    let kinds = (0..config.classes).map(|class| class.to_string()).collect();
    let card = ModelCard { kinds, ..ModelCard::new("layers", config, size) };
    let encoder = embedder.to_encoder(&card).unwrap();
    (encoder, Backbone::new(&mut embedder.params, "backbone", &config.backbone).unwrap())
}

fn near(got: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-4, "{what}: {got} is not {wanted}");
    }
}

#[test]
fn cells_of_a_layer_are_the_unfolded_networks_map_to_length_1() {
    let deep =
        EmbedderConfig { backbone: BackboneConfig { width: 4, ..BackboneConfig::new(Arch::ResNet50) }, ..small(3) };
    let dense =
        EmbedderConfig { backbone: BackboneConfig { width: 4, ..BackboneConfig::new(Arch::DenseNet121) }, ..small(3) };
    for config in [small(3), deep, dense] {
        let (encoder, network) = encoder(&config, SIZE);
        let images = photos(3, SIZE);
        let x = Tensor::from_vec(images.clone(), (3, 3, SIZE, SIZE), &Device::Cpu).unwrap();
        for (layer, stages) in [(Layer::Second, 2), (Layer::Third, 3)] {
            let got = encoder.encode_layer(layer, &images, 3).unwrap();
            let map = network.features_after(&x, stages, Mode::Eval).unwrap();
            let (_, dim, rows, columns) = map.dims4().unwrap();
            assert_eq!((got.dim, got.grid, got.len()), (dim, Grid::new(rows, columns), 3), "{layer:?}");
            let flat: Vec<f32> = map.flatten_all().unwrap().to_vec1().unwrap();
            for photo in 0..3 {
                let value = |channel: usize, cell: usize| flat[(photo * dim + channel) * rows * columns + cell];
                let unit = |vector: Vec<f32>| {
                    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
                    vector.into_iter().map(|v| v / length).collect::<Vec<f32>>()
                };
                let cells: Vec<f32> =
                    (0..rows * columns).flat_map(|cell| unit((0..dim).map(|c| value(c, cell)).collect())).collect();
                near(got.cells_of(photo), &cells, "cells");
                let mean = (0..dim).map(|c| (0..rows * columns).map(|cell| value(c, cell)).sum::<f32>()).collect();
                near(got.global_of(photo), &unit(mean), "global");
            }
        }
        assert_eq!(encoder.encode_layer(Layer::Last, &images, 3).unwrap(), encoder.encode(&images, 3).unwrap());
    }
}

#[test]
fn a_photo_s_layer_does_not_depend_on_what_it_is_encoded_with() {
    let (encoder, _) = encoder(&small(3), SIZE);
    let images = photos(2, SIZE);
    let both = encoder.encode_layer(Layer::Third, &images, 2).unwrap();
    let second = encoder.encode_layer(Layer::Third, &images[3 * SIZE * SIZE..], 1).unwrap();
    near(both.cells_of(1), second.cells_of(0), "the second photo");
}

#[test]
fn a_map_that_is_too_fine_is_brought_to_fourteen_cells_a_side() {
    // The second stage of 160 pixels has a side of 20.
    let (encoder, _) = encoder(&small(3), 160);
    let got = encoder.encode_layer(Layer::Second, &photos(1, 160), 1).unwrap();
    assert_eq!(got.grid, Grid::new(14, 14));
    assert_eq!(got.cells.len(), 196 * got.dim);
}

#[test]
fn a_wrong_number_of_values_is_refused() {
    let (encoder, _) = encoder(&small(3), SIZE);
    let refused = encoder.encode_layer(Layer::Third, &photos(1, SIZE)[1..], 1);
    assert!(matches!(refused, Err(NnError::Batch { images: 1, .. })));
    assert!(encoder.encode_layer(Layer::Third, &[], 0).unwrap().is_empty());
}

/// Oracle: the products that the architecture's own walk counts, and the run without a clock beside it.
#[test]
fn the_steps_of_a_profile_are_the_whole_network() {
    let archs = [Arch::ResNet18, Arch::ResNet50, Arch::DenseNet121, Arch::SeResNet50, Arch::SeResNeXt50];
    for arch in archs {
        // Dense blocks are planned where they grow by whole blocks of channels.
        let width = if arch == Arch::DenseNet121 { 32 } else { 8 };
        let config = EmbedderConfig { backbone: BackboneConfig { width, ..BackboneConfig::new(arch) }, ..small(3) };
        let (encoder, _) = encoder(&config, 64);
        // More photos than pass through the steps together.
        let n = 9;
        let images = photos(n, 64);
        let steps = encoder.profile(&images, n).unwrap().unwrap();
        let flop: f64 = steps.iter().map(|step| step.flop).sum();
        assert!((flop - 2.0 * n as f64 * config.backbone.macs(64) as f64).abs() < 0.5, "{arch:?}: {flop}");
        assert_eq!(steps.iter().filter(|step| step.algorithm == "stem").count(), 1);
        assert_eq!((steps[0].algorithm, steps[0].input), ("photos in", [3, 64, 64]));
        let last = &steps[steps.len() - 1];
        assert_eq!((last.algorithm, last.output[1..].to_vec()), ("map out", vec![2, 2]));
        assert!(steps.iter().all(|step| step.seconds > 0.0 && (step.flop > 0.0) == step.kernel.is_some()), "{arch:?}");
        // The conversions apart, each step reads what some step before it wrote.
        let mut written = vec![steps[0].output[1..].to_vec()];
        for step in &steps[1..] {
            assert!(written.contains(&step.input[1..].to_vec()), "{step:?}");
            written.push(step.output[1..].to_vec());
        }
    }
    let (encoder, _) = encoder(&small(3), SIZE);
    assert!(matches!(encoder.profile(&photos(1, SIZE)[1..], 1), Err(NnError::Batch { images: 1, .. })));
}
