//! Feature maps with cells of another photo's.

use candle_core::{Device, Tensor};

use super::gradients::{photos, small};
use super::heads::{config, heads};
use crate::domain::Grid;
use crate::nn::{Embedder, EmbedderConfig, Encoder, Mode, ModelCard};

const SIZE: usize = 64;

fn network(config: &EmbedderConfig) -> (Embedder, Encoder) {
    let embedder = Embedder::new(config, 7, &Device::Cpu).unwrap();
    let x = Tensor::from_vec(photos(5, SIZE), (5, 3, SIZE, SIZE), &Device::Cpu).unwrap();
    for _ in 0..5 {
        embedder.forward(&x, Mode::Train).unwrap();
    }
    let encoder = embedder.to_encoder(&ModelCard::new("test", embedder.config(), SIZE)).unwrap();
    (embedder, encoder)
}

fn unit(vector: &[f64]) -> Vec<f64> {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    vector.iter().map(|v| v / length).collect()
}

#[track_caller]
fn near(got: &[f32], wanted: impl IntoIterator<Item = f64>, what: &str) {
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((f64::from(*got) - wanted).abs() < 2e-4, "{what}: {got} {wanted}");
    }
}

/// Oracle: the embedder's cells before normalisation, replaced and averaged by hand in 64 bits.
#[test]
fn cells_are_replaced_before_the_map_is_pooled() {
    let (embedder, encoder) = network(&small(3));
    let grid = encoder.grid();
    let (values, dim) = (photos(2, SIZE), encoder.dim());
    let x = Tensor::from_vec(values.clone(), (2, 3, SIZE, SIZE), &Device::Cpu).unwrap();
    let out = embedder.forward(&x, Mode::Eval).unwrap().cells.flatten_from(2).unwrap().transpose(1, 2).unwrap();
    let raw: Vec<Vec<Vec<f32>>> = out.to_vec3().unwrap();
    let raw: Vec<Vec<Vec<f64>>> = raw
        .into_iter()
        .map(|photo| photo.into_iter().map(|cell| cell.into_iter().map(f64::from).collect()).collect())
        .collect();
    let last = grid.cells() - 1;
    for pairs in [vec![], vec![(0, last)], (0..=last).map(|cell| (cell, (cell + 1) % (last + 1))).collect()] {
        let got = encoder.encode_exchanged(&values, None, &pairs, [grid; 2]).unwrap();
        let mut cells = raw[0].clone();
        pairs.iter().for_each(|&(cell, from): &(usize, usize)| cells[cell] = raw[1][from].clone());
        for (got, wanted) in got.cells.chunks(dim).zip(&cells) {
            near(got, unit(wanted), "cell");
        }
        let mean: Vec<f64> =
            (0..dim).map(|channel| cells.iter().map(|cell| cell[channel]).sum::<f64>() / cells.len() as f64).collect();
        near(&got.globals, unit(&mean), "global");
        assert_eq!((got.grid, got.len()), (grid, 1));
    }
}

/// Oracle: pooling knows no order, so a photo that takes all cells of another, shuffled, has the other's global vector;
/// and one that takes none is itself.
#[test]
fn every_head_pools_what_is_there_after_the_exchange() {
    for head in heads() {
        let (_, encoder) = network(&config(&head));
        let (values, grid, dim) = (photos(2, SIZE), encoder.grid(), encoder.dim());
        let kind = Some(1);
        let whole = encoder.encode_as(&values, &[kind; 2]).unwrap();
        let widened = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let none = encoder.encode_exchanged(&values, kind, &[], [grid; 2]).unwrap();
        near(&none.globals, widened(whole.global_of(0)), "nothing taken");
        let count = grid.cells();
        let turned: Vec<(usize, usize)> = (0..count).map(|cell| (cell, count - 1 - cell)).collect();
        let all = encoder.encode_exchanged(&values, kind, &turned, [grid; 2]).unwrap();
        near(&all.globals, widened(whole.global_of(1)), "all taken");
        for &(cell, from) in &turned {
            let other = &whole.cells_of(1)[from * dim..(from + 1) * dim];
            near(&all.cells[cell * dim..(cell + 1) * dim], widened(other), "cell");
        }
        let one = encoder.encode_exchanged(&values, kind, &turned[..1], [grid; 2]).unwrap();
        assert!(one.globals != none.globals && one.globals != all.globals, "{head:?}");
    }
}

#[test]
fn another_grid_changes_its_share_of_the_map_and_a_wrong_batch_is_refused() {
    let (_, encoder) = network(&small(3));
    let (values, own) = (photos(2, SIZE), encoder.grid());
    let whole = encoder.encode(&values, 2).unwrap();
    let coarse = Grid::new(1, 1);
    // The one cell of a 1 x 1 grid is the mean of all: so is then every cell, and the global vector is the other photo's.
    let all = encoder.encode_exchanged(&values, None, &[(0, 0)], [coarse; 2]).unwrap();
    let other: Vec<f64> = whole.global_of(1).iter().map(|&v| f64::from(v)).collect();
    near(&all.globals, other.clone(), "global");
    for cell in all.cells.chunks(encoder.dim()) {
        near(cell, other.clone(), "cell");
    }
    let error = encoder.encode_exchanged(&values[1..], None, &[], [own; 2]).unwrap_err().to_string();
    assert!(error.contains('2'), "{error}");
}
