//! The scene as data: what is shown, where and in which colour.

use crate::domain::{Grid, PairMatch};
use crate::render::plan_scene::centre;
use crate::render::{CellRef, PlanLayout, PlanScene, PlanStyle, Side, flow_color};

use super::support::{WHOLE, layout, pair, photo, plain, single, smooth_pair, smooth_scene};

fn scene(pair: &PairMatch) -> PlanScene {
    PlanScene::new(pair, &plain([200; 3]), &plain([90; 3]))
}

#[test]
fn mass_flows_from_the_query_on_the_left_to_the_gallery_on_the_right() {
    let (query, gallery) = (Grid::new(2, 3), Grid::new(4, 2));
    // From the query's lower left to the gallery's third row, right column.
    let scene = scene(&single(query, gallery, 3, 5));
    let [flow] = scene.flows() else { panic!("one flow: {:?}", scene.flows()) };
    assert_eq!((flow.query, flow.gallery, flow.share), (3, 5, 1.0));
    assert_eq!(flow.start, [1.0 / 6.0, 0.75]);
    assert_eq!(flow.end, [0.75, 0.625]);
}

#[test]
fn no_ribbon_is_shown_below_the_threshold_nor_more_than_asked_for() {
    let scene = smooth_scene();
    for threshold in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let style = PlanStyle { threshold, max_ribbons: usize::MAX, ..PlanStyle::default() };
        let drawn = scene.drawn(&style);
        let expected = scene.flows().iter().filter(|flow| flow.share >= threshold).count();
        assert!(drawn.iter().all(|(flow, _)| flow.share >= threshold));
        assert_eq!((drawn.len(), scene.ribbon_count(&style)), (expected, expected));
    }
    let style = PlanStyle { threshold: 0.0, max_ribbons: 7, ..PlanStyle::default() };
    let drawn = scene.drawn(&style);
    assert_eq!(drawn.len(), 7);
    let lightest = drawn[0].0.share;
    assert_eq!(scene.flows().iter().filter(|flow| flow.share > lightest).count(), 6);
    assert!(scene.drawn(&PlanStyle { ribbons: false, ..style }).is_empty());
}

#[test]
fn opacity_follows_mass_and_heavy_ribbons_are_drawn_last() {
    let scene = smooth_scene();
    let drawn = scene.drawn(&PlanStyle { threshold: 0.0, ..PlanStyle::default() });
    assert!(drawn.windows(2).all(|pair| pair[0].0.mass <= pair[1].0.mass && pair[0].1 <= pair[1].1));
    for (flow, opacity) in &drawn {
        assert!((opacity - (0.14 + 0.62 * flow.share)).abs() < 1e-6);
    }
}

#[test]
fn pointing_at_a_cell_leaves_only_its_row_or_column() {
    let scene = smooth_scene();
    for side in [Side::Query, Side::Gallery] {
        let style = PlanStyle {
            threshold: 0.2,
            max_ribbons: 400,
            hovered: Some(CellRef { side, cell: 9 }),
            ..PlanStyle::default()
        };
        let of_cell = |flow: &crate::render::Flow| match side {
            Side::Query => flow.query == 9,
            Side::Gallery => flow.gallery == 9,
        };
        let drawn = scene.drawn(&style);
        let (lit, faded): (Vec<_>, Vec<_>) = drawn.iter().partition(|(flow, _)| of_cell(flow));
        assert!(!lit.is_empty() && lit.iter().all(|(_, opacity)| *opacity >= 0.3));
        assert!(faded.iter().all(|(_, opacity)| *opacity <= 0.06 * 0.76 + 1e-6));
        // Within the row the threshold counts by the row's own largest, so a light row is seen as well.
        let expected = scene.flows().iter().filter(|f| of_cell(f) && f.share_within(side) >= 0.2).count();
        assert_eq!(lit.len(), expected);
    }
}

#[test]
fn fading_begins_where_nothing_was_pointed_at() {
    let scene = smooth_scene();
    let resting = PlanStyle { threshold: 0.1, ..PlanStyle::default() };
    let begun =
        PlanStyle { hovered: Some(CellRef { side: Side::Query, cell: 9 }), hover_amount: 0.0, ..resting.clone() };
    let opacities = |style: &PlanStyle| {
        let mut all: Vec<(usize, usize, u32)> = scene
            .drawn(style)
            .iter()
            .filter(|(_, opacity)| *opacity > 0.0)
            .map(|(flow, opacity)| (flow.query, flow.gallery, (opacity * 1e4).round() as u32))
            .collect();
        all.sort_unstable();
        all
    };
    assert_eq!(opacities(&begun), opacities(&resting));
}

#[test]
fn one_flow_can_be_pointed_at_even_where_it_is_light() {
    let scene = smooth_scene();
    let lightest = scene.flows()[0];
    let style = PlanStyle { hovered_flow: Some((lightest.query, lightest.gallery)), ..PlanStyle::default() };
    let (flow, opacity) = *scene.drawn(&style).last().expect("it is drawn");
    assert_eq!((flow.query, flow.gallery), (lightest.query, lightest.gallery));
    assert!(opacity >= 0.3);
}

#[test]
fn what_the_scene_does_not_have_cannot_be_pointed_at() {
    let scene = smooth_scene();
    let resting = scene.drawn(&PlanStyle::default());
    for style in [
        PlanStyle { hovered: Some(CellRef { side: Side::Query, cell: 35 }), ..PlanStyle::default() },
        PlanStyle { hovered: Some(CellRef { side: Side::Gallery, cell: 24 }), ..PlanStyle::default() },
        PlanStyle { hovered_flow: Some((0, 24)), ..PlanStyle::default() },
    ] {
        assert_eq!(scene.drawn(&style), resting);
    }
}

#[test]
fn flows_of_one_cell_start_apart_but_inside_it() {
    let (query, gallery) = (Grid::new(7, 7), Grid::new(7, 7));
    let scene = scene(&smooth_pair(query, gallery));
    for cell in 0..query.cells() {
        let [x, y] = centre(query, cell);
        // Of the flows that can be seen; the least differ by less than a number can tell.
        let seen = scene.flows().iter().filter(|f| f.query == cell && f.share > 1e-3);
        let mut starts: Vec<f32> = seen.map(|f| f.start[1]).collect();
        assert!(starts.iter().all(|start| (start - y).abs() < 0.5 / 7.0));
        assert!(scene.flows().iter().filter(|f| f.query == cell).all(|f| f.start[0] == x));
        starts.sort_by(f32::total_cmp);
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "two flows start at one point");
    }
}

#[test]
fn flows_leave_a_cell_in_the_order_in_which_they_arrive() {
    let (query, gallery) = (Grid::new(1, 1), Grid::new(3, 1));
    let scene = scene(&pair(query, gallery, vec![0.2, 0.5, 0.3]));
    let start = |g: usize| scene.flows().iter().find(|f| f.gallery == g).expect("a flow").start[1];
    assert!(start(0) < start(1) && start(1) < start(2));
}

#[test]
fn colours_tell_where_mass_starts() {
    let (query, gallery) = (Grid::new(2, 2), Grid::new(1, 1));
    let scene = scene(&pair(query, gallery, vec![0.25; 4]));
    assert_eq!(scene.color_of(1), flow_color(0.75, 0.25));
    // Cells of the photo's part of the square span the whole disc; padding takes its nearest colour.
    let narrow =
        PlanScene::new(&single(Grid::new(1, 4), gallery, 0, 0), &photo(16, [0.25, 0.0, 0.75, 1.0]), &photo(16, WHOLE));
    assert_eq!(narrow.color_of(0), flow_color(0.0, 0.5));
    assert_eq!(narrow.color_of(1), flow_color(0.25, 0.5));
}

#[test]
fn a_cell_is_found_under_its_own_pixels_only() {
    let scene = smooth_scene();
    let layout = layout();
    let [left, top, right, bottom] = layout.gallery;
    let at = |column: f32, row: f32| (left + (right - left) * column / 4.0, top + (bottom - top) * row / 6.0);
    let (x, y) = at(2.5, 4.5);
    assert_eq!(scene.cell_at(&layout, x, y), Some(CellRef { side: Side::Gallery, cell: 4 * 4 + 2 }));
    let (x, y) = at(0.01, 0.01);
    assert_eq!(scene.cell_at(&layout, x, y), Some(CellRef { side: Side::Gallery, cell: 0 }));
    assert_eq!(scene.cell_at(&layout, 1.0, 1.0 + layout.query[1]), Some(CellRef { side: Side::Query, cell: 0 }));
    assert_eq!(scene.cell_at(&layout, 150.0, 65.0), None, "between the photos");
    assert_eq!(scene.cell_at(&layout, -1.0, 5.0), None);
    let empty = PlanLayout { query: [0.0; 4], gallery: [5.0; 4] };
    assert_eq!(scene.cell_at(&empty, 0.0, 0.0), None);
    assert_eq!(scene.cell_at(&empty, f32::NAN, 0.0), None);
}

#[test]
fn a_plan_without_mass_draws_nothing_and_does_not_fail() {
    let scene = scene(&pair(Grid::new(2, 2), Grid::new(2, 2), vec![0.0; 16]));
    assert!(scene.flows().is_empty());
    assert!(scene.drawn(&PlanStyle { threshold: 0.0, ..PlanStyle::default() }).is_empty());
}
