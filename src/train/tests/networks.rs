//! Runs on other networks than the usual one.

use std::collections::HashMap;

use candle_core::Device;

use super::runs::{finish, trainer};
use super::wardrobe;
use crate::nn::{Arch, Backbone, BackboneConfig, Encoder, Params, Pooling};
use crate::train::Start;

#[test]
fn every_kind_of_backbone_and_head_is_trained_saved_and_searches() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = wardrobe::write(dir.path(), 6);
    let mut config = wardrobe::recipe();
    config.schedule.epochs = 1;
    config.data.large_epochs = 0;
    config.run.validate_epochs = 1;
    let cases = [
        (Arch::SeResNeXt50, 2, Pooling::Average, false, 0, false),
        (Arch::LegacySeResNet50, 1, Pooling::GeneralisedMean, true, 0, false),
        (Arch::DenseNet121, 2, Pooling::AverageMax, false, 8, true),
    ];
    for (arch, last_stride, pooling, neck, relaxation, projections) in cases {
        let model = &mut config.model;
        (model.arch, model.last_stride, model.pooling) = (arch, last_stride, pooling);
        (model.neck, model.relaxation, model.projections) = (neck, relaxation, projections);
        let run = dir.path().join(arch.name());
        let mut trainer = trainer(&config, &dataset, &run, &Start::Fresh).unwrap();
        let before = trainer.embedder().params.tensors().unwrap();
        let (outcome, _) = finish(&mut trainer);
        assert!(outcome.finished && outcome.validation.is_some(), "{arch}");
        for (name, var) in trainer.embedder().params.trainable() {
            let moved = (var.as_tensor() - &before[name]).unwrap().abs().unwrap().max_all().unwrap();
            assert!(moved.to_scalar::<f32>().unwrap() > 0.0, "{arch}: {name} was never moved");
        }
        let encoder = Encoder::load(&outcome.last, &Device::Cpu).unwrap();
        assert_eq!(encoder.card().config, config.embedder(2));
        let side = if last_stride == 1 { 2 } else { 1 };
        assert_eq!((encoder.grid().rows, encoder.grid().columns), (side, side), "{arch}");
    }
}

#[test]
fn a_run_may_begin_with_a_backbone_that_others_wrote_and_not_with_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let (dataset, mut config) = (wardrobe::write(dir.path(), 6), wardrobe::recipe());
    config.model.arch = Arch::SeResNet50;
    let backbone = BackboneConfig { width: config.model.width, ..BackboneConfig::new(Arch::SeResNet50) };
    let mut params = Params::new(99, &Device::Cpu);
    Backbone::new(&mut params, "", &backbone).unwrap();
    let tensors = params.tensors().unwrap();
    let path = dir.path().join("theirs.safetensors");
    candle_core::safetensors::save(&tensors.clone().into_iter().collect::<HashMap<_, _>>(), &path).unwrap();

    let start = Start::Backbone(path.clone());
    let ready = trainer(&config, &dataset, &dir.path().join("run"), &start).unwrap();
    for (name, tensor) in tensors {
        let ours = ready.embedder().params.get(&format!("backbone.{name}")).unwrap().var.flatten_all().unwrap();
        assert_eq!(ours.to_vec1::<f32>().unwrap(), tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
    }
    config.model.arch = Arch::ResNet50;
    let error = trainer(&config, &dataset, &dir.path().join("other"), &start).err().unwrap().to_string();
    assert!(error.contains("they are seresnet50 of width 4's, not resnet50 of width 4's"), "{error}");
}
