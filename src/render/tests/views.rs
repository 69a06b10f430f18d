//! The other ways to look at a plan: as a matrix, as the query rebuilt, zoomed in, and on its way to another plan.

use crate::domain::{Grid, PairMatch, Pixels};
use crate::render::{
    CellPaint, MatrixMap, PlanLayout, PlanScene, PlanStyle, Rebuild, Side, Window, cpu_twin, matrix_pixels, range_of,
    rebuilt, sequential, value_of,
};

use super::support::{WHOLE, pair, photo, plain, single, smooth_pair};

/// Sums of squared-off distances, so that neighbours differ: an uneven plan between unlike grids.
fn uneven(query: Grid, gallery: Grid) -> PairMatch {
    let mut mass: Vec<f32> = (0..query.cells() * gallery.cells()).map(|at| ((at * 7919) % 97) as f32).collect();
    let sum: f32 = mass.iter().sum();
    mass.iter_mut().for_each(|m| *m /= sum);
    pair(query, gallery, mass)
}

#[test]
fn a_matrix_has_a_pixel_for_each_pair_rows_for_the_query_and_its_ends_are_the_ends_of_the_scale() {
    let match_ = uneven(Grid::new(2, 3), Grid::new(4, 2));
    for map in [MatrixMap::Mass, MatrixMap::Similarity, MatrixMap::Contribution] {
        let picture = matrix_pixels(&match_, map);
        assert_eq!((picture.width, picture.height), (8, 6));
        let [low, high] = range_of(&match_, map);
        for q in 0..6 {
            for g in 0..8 {
                let value = value_of(&match_, map, q, g);
                let naive = match map {
                    MatrixMap::Mass => match_.plan.at(q, g),
                    MatrixMap::Similarity => match_.similarity[q * 8 + g],
                    MatrixMap::Contribution => match_.contribution(q, g),
                };
                assert_eq!(value, naive);
                let expected = sequential((naive - low) / (high - low)).map(|c| (c * 255.0).round() as u8);
                let at = (q * 8 + g) * 4;
                assert_eq!(picture.rgba[at..at + 3], expected, "{map:?} {q} {g}");
            }
        }
    }
    let total: f32 = (0..48).map(|at| value_of(&match_, MatrixMap::Contribution, at / 8, at % 8)).sum();
    assert!((total - match_.structural).abs() < 1e-5);
    assert_eq!(range_of(&match_, MatrixMap::Mass)[0], 0.0);
}

#[test]
fn a_matrix_of_one_value_is_drawn() {
    let flat = pair(Grid::new(1, 1), Grid::new(1, 1), vec![0.0]);
    assert_eq!(matrix_pixels(&flat, MatrixMap::Mass).rgba.len(), 4);
}

fn pixel(picture: &Pixels, x: usize, y: usize) -> [u8; 3] {
    let at = (y * picture.width as usize + x) * 4;
    [picture.rgba[at], picture.rgba[at + 1], picture.rgba[at + 2]]
}

#[test]
fn an_identity_plan_rebuilds_the_gallery_photo_itself() {
    let grid = Grid::new(7, 7);
    let mut mass = vec![0.0; 49 * 49];
    (0..49).for_each(|cell| mass[cell * 49 + cell] = 1.0 / 49.0);
    let gallery = photo(224, WHOLE);
    for rebuild in [Rebuild::Mixture, Rebuild::Best] {
        let picture = rebuilt(&pair(grid, grid, mass.clone()), &gallery, rebuild);
        assert_eq!((picture.width, picture.height), (224, 224));
        assert!(picture.rgba == gallery.pixels.rgba, "{rebuild:?}");
    }
}

#[test]
fn a_rebuilt_cell_is_the_mixture_that_a_plain_loop_gives() {
    // One colour a gallery cell, so that the mixture can be told without any patch.
    let (query, gallery) = (Grid::new(3, 2), Grid::new(2, 4));
    let match_ = uneven(query, gallery);
    let color = |cell: usize| [(cell * 31 % 256) as u8, (cell * 77 % 256) as u8, (255 - cell * 30) as u8];
    let side = 64;
    let rgba = (0..side * side)
        .flat_map(|at| {
            let [r, g, b] = color((at / side) * 2 / side * 4 + (at % side) * 4 / side);
            [r, g, b, 255]
        })
        .collect();
    let mut photo = plain([0; 3]);
    photo.pixels = std::sync::Arc::new(Pixels { width: side as u32, height: side as u32, rgba });
    for rebuild in [Rebuild::Mixture, Rebuild::Best] {
        let picture = rebuilt(&match_, &photo, rebuild);
        for q in 0..6 {
            let row = match_.plan.row(q);
            let expected: [f64; 3] = std::array::from_fn(|channel| match rebuild {
                Rebuild::Mixture => {
                    let total: f64 = row.iter().map(|&m| f64::from(m)).sum();
                    row.iter().enumerate().map(|(g, &m)| f64::from(m) / total * f64::from(color(g)[channel])).sum()
                }
                Rebuild::Best => {
                    let best = (0..8).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("eight cells");
                    f64::from(color(best)[channel])
                }
            });
            let (row, column) = query.place(q);
            let (w, h) = (picture.width as usize / 2, picture.height as usize / 3);
            let got = pixel(&picture, column * w + w / 2, row * h + h / 2);
            for (got, expected) in got.into_iter().zip(expected) {
                assert!((f64::from(got) - expected).abs() <= 1.6, "{rebuild:?} {q}: {got} {expected}");
            }
        }
    }
}

#[test]
fn a_query_cell_without_mass_is_grey() {
    let picture = rebuilt(&single(Grid::new(1, 2), Grid::new(1, 1), 0, 0), &plain([10, 20, 30]), Rebuild::Mixture);
    assert_eq!(pixel(&picture, 3, 3), [10, 20, 30]);
    assert_eq!(pixel(&picture, picture.width as usize - 3, 3), [128; 3]);
}

#[test]
fn a_window_and_its_inverse_agree() {
    let window = Window { left: 0.25, top: 0.5, size: 0.4 };
    let [u, v] = window.seen(window.place([0.3, 0.8]));
    assert!((u - 0.3).abs() < 1e-6 && (v - 0.8).abs() < 1e-6);
    assert_eq!(Window::WHOLE.seen([0.2, 0.9]), [0.2, 0.9]);
}

/// A plan, and what it turns into: with other masses, pairs that vanish and pairs that come.
fn turning() -> (PlanScene, PlanScene, PlanScene) {
    let grid = Grid::new(4, 3);
    let (first, mut second) = (smooth_pair(grid, grid), uneven(grid, grid));
    let mut mass = second.plan.mass().to_vec();
    mass.iter_mut().step_by(5).for_each(|m| *m = 0.0);
    second = pair(grid, grid, mass);
    let picture = photo(32, WHOLE);
    let before = PlanScene::new(&first, &picture, &picture);
    let after = PlanScene::new(&second, &picture, &picture);
    let morph = PlanScene::from_before(&second, &picture, &picture, &before, 1.0);
    (before, after, morph)
}

fn drawn(scene: &PlanScene, blend: f32) -> Vec<(usize, usize, [f32; 5])> {
    let style = PlanStyle { blend, max_ribbons: 30, ..PlanStyle::default() };
    let mut all: Vec<_> = scene
        .drawn(&style)
        .into_iter()
        .filter(|(_, opacity)| *opacity > 0.0)
        .map(|(f, opacity)| (f.query, f.gallery, [f.share, f.share_of_row, f.start[1], f.end[1], opacity]))
        .collect();
    all.sort_by_key(|(q, g, _)| (*q, *g));
    all
}

#[test]
fn a_morph_begins_as_the_plan_before_and_ends_as_the_new_one() {
    let (before, after, morph) = turning();
    for (scene, blend) in [(&before, 0.0), (&after, 1.0)] {
        let (expected, got) = (drawn(scene, 1.0), drawn(&morph, blend));
        assert_eq!(got.len(), expected.len(), "{blend}");
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!((got.0, got.1), (expected.0, expected.1));
            assert!(got.2.iter().zip(expected.2).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?} {expected:?}");
        }
    }
    for side in [Side::Query, Side::Gallery] {
        for cell in 0..12 {
            assert!((morph.side(side).at(cell, 0.0).1 - before.side(side).at(cell, 1.0).1).abs() < 1e-5);
            assert_eq!(morph.side(side).at(cell, 1.0), after.side(side).at(cell, 1.0));
        }
    }
}

#[test]
fn half_way_every_share_lies_half_way_and_a_second_morph_goes_on_from_there() {
    let (before, after, morph) = turning();
    for at in 0..144 {
        let half = 0.5 * (before.now.shares[at] + after.now.shares[at]);
        let flow = morph.flows().iter().find(|f| f.query * 12 + f.gallery == at).map(|f| f.at(0.5));
        assert!((flow.map_or(0.0, |f| f.share) - half).abs() < 1e-6);
    }
    let picture = photo(32, WHOLE);
    let back = PlanScene::from_before(&smooth_pair(Grid::new(4, 3), Grid::new(4, 3)), &picture, &picture, &morph, 0.5);
    let largest = (0..144).map(|at| 0.5 * (before.now.shares[at] + after.now.shares[at])).fold(0.0, f32::max);
    for flow in back.flows() {
        let at = flow.query * 12 + flow.gallery;
        let half = 0.5 * (before.now.shares[at] + after.now.shares[at]) / largest;
        assert!((flow.was.shares[0] - half).abs() < 1e-5);
    }
}

#[test]
fn plans_of_other_cells_do_not_turn_into_each_other() {
    let picture = photo(16, WHOLE);
    let before = PlanScene::new(&smooth_pair(Grid::new(3, 3), Grid::new(3, 3)), &picture, &picture);
    let other = smooth_pair(Grid::new(5, 5), Grid::new(5, 5));
    let scene = PlanScene::from_before(&other, &picture, &picture, &before, 1.0);
    assert_eq!(drawn(&scene, 0.0), drawn(&scene, 1.0));
}

/// Compares with the picture that was looked at once and found good; `UPDATE_SNAPSHOTS=1` writes it.
fn as_looked_at(name: &str, width: u32, height: u32, rgba: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/pictures/{name}.png"));
    let picture = image::RgbaImage::from_raw(width, height, rgba.to_vec()).expect("as many bytes as the size says");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for pictures");
        picture.save(&path).expect("the picture is written");
    }
    let stored = image::open(&path).unwrap_or_else(|error| panic!("{name}: {error}")).to_rgba8();
    assert_eq!(stored.dimensions(), picture.dimensions(), "{name}");
    let off: u64 = stored.as_raw().iter().zip(picture.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = off as f64 / stored.as_raw().len() as f64;
    assert!(mean < 0.5, "{name}: mean difference {mean:.2}");
}

#[test]
fn every_view_looks_as_it_was_found_good() {
    let grid = Grid::new(7, 7);
    let (first, second) = (smooth_pair(grid, grid), uneven(grid, grid));
    let (query, gallery) = (photo(96, [0.2, 0.0, 0.8, 1.0]), photo(64, WHOLE));
    let scene = PlanScene::new(&first, &query, &gallery);
    let morph = PlanScene::from_before(&second, &query, &gallery, &scene, 1.0);
    let near = Window { left: 0.3, top: 0.4, size: 0.25 };
    let resting = PlanStyle::default();
    let styles = [
        ("ribbons", &scene, resting.clone()),
        ("colours", &scene, PlanStyle { ribbons: false, paint: CellPaint::Paired, ..resting.clone() }),
        ("heat", &scene, PlanStyle { ribbons: false, paint: CellPaint::Heat, ..resting.clone() }),
        ("zoomed", &scene, PlanStyle { query_window: near, nearest: true, ..resting.clone() }),
        ("half-way", &morph, PlanStyle { blend: 0.5, ..resting }),
    ];
    for (name, scene, style) in styles {
        let layout = PlanLayout::fit(220.0, 96.0, 24.0);
        let drawn = cpu_twin::draw(scene, &layout, &style, [220, 96], 1.0).expect("a picture");
        as_looked_at(name, 220, 96, drawn.data());
    }
    let matrix = matrix_pixels(&first, MatrixMap::Mass);
    as_looked_at("matrix", matrix.width, matrix.height, &matrix.rgba);
    let again = rebuilt(&first, &gallery, Rebuild::Mixture);
    as_looked_at("rebuilt", again.width, again.height, &again.rgba);
}
