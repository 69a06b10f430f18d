//! The callback inside egui: placed, scrolled partly out, and without having been installed.

use std::sync::Arc;

use egui::{Color32, Pos2, Rect, Vec2};
use egui_kittest::Harness;

use crate::render::{PlanCallback, PlanScene, PlanStyle, cpu_twin, install};

use super::support::{layout, smooth_scene};

const VIEW: Vec2 = Vec2::new(300.0, 130.0);

struct Window {
    scene: Arc<PlanScene>,
    places: Vec<(u64, Pos2)>,
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        ui.painter().rect_filled(ui.max_rect().expand(100.0), 0, Color32::BLACK);
        for &(id, place) in &self.places {
            let callback = PlanCallback::new(id, self.scene.clone(), layout(), PlanStyle::default());
            let rect = Rect::from_min_size(place, VIEW);
            ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, callback));
        }
    }
}

fn window(places: Vec<(u64, Pos2)>, installed: bool) -> (image::RgbaImage, Arc<PlanScene>) {
    let scene = Arc::new(smooth_scene());
    let shown = scene.clone();
    let mut harness = Harness::builder().with_size([320.0, 300.0]).wgpu().build_eframe(move |cc| {
        if installed {
            install(cc.wgpu_render_state.as_ref().expect("the harness draws with wgpu"));
        }
        Window { scene: shown, places }
    });
    harness.step();
    (harness.render().expect("a picture"), scene)
}

/// Mean difference from the CPU twin at this place of the window, over the part that is inside.
fn off(picture: &image::RgbaImage, scene: &PlanScene, left: i64, top: i64) -> f64 {
    let twin = cpu_twin::draw(scene, &layout(), &PlanStyle::default(), [300, 130], 1.0).expect("a picture");
    let (mut sum, mut count) = (0.0, 0.0);
    for (x, y, got) in picture.enumerate_pixels() {
        let (u, v) = (i64::from(x) - left, i64::from(y) - top);
        if (0..300).contains(&u) && (0..130).contains(&v) {
            let expected = twin.pixel(u as u32, v as u32).expect("inside");
            for (got, expected) in got.0.into_iter().zip([expected.red(), expected.green(), expected.blue()]) {
                sum += f64::from(got.abs_diff(expected));
                count += 3.0;
            }
        }
    }
    sum / count
}

#[test]
fn the_window_shows_the_twins_picture_where_it_was_put() {
    let (picture, scene) = window(vec![(1, Pos2::new(10.0, 20.0))], true);
    let mean = off(&picture, &scene, 10, 20);
    assert!(mean < 0.9, "mean difference {mean}");
    assert!(off(&picture, &scene, 13, 20) > 2.0, "the comparison sees a shift");
}

#[test]
fn a_view_that_is_scrolled_partly_out_is_cut_and_not_squeezed() {
    let (picture, scene) = window(vec![(1, Pos2::new(-70.0, -40.0)), (2, Pos2::new(90.0, 200.0))], true);
    for (left, top) in [(-70, -40), (90, 200)] {
        let mean = off(&picture, &scene, left, top);
        assert!(mean < 0.9, "mean difference {mean} at {left}, {top}");
    }
}

#[test]
fn a_window_without_the_renderer_stays_empty_and_alive() {
    let (picture, _) = window(vec![(1, Pos2::new(10.0, 20.0))], false);
    assert!(picture.pixels().all(|p| p.0 == [0, 0, 0, 255]));
}
