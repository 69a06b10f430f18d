//! Pixels: the GPU against its CPU twin, and both against what must be seen.

use tiny_skia::{Color, Pixmap};

use crate::domain::{Grid, MatchOptions};
use crate::render::offscreen::{Device, Picture};
use crate::render::plan_renderer::{PlanDraw, PlanGpu};
use crate::render::{
    CellPaint, CellRef, Painter, PlanLayout, PlanScene, PlanSheet, PlanStyle, SheetTheme, Side, Window, cpu_twin,
    flow_color, plan_png,
};

use super::support::{WHOLE, layout, photo, plain, single, smooth_pair, smooth_scene};

const SIZE: [u32; 2] = [600, 260];
const SCALE: f32 = 2.0;

fn both(scene: &PlanScene, style: &PlanStyle) -> (Pixmap, Pixmap) {
    let ground = Color::from_rgba8(244, 244, 241, 255);
    let layout = layout();
    let picture = Picture { scene, layout: &layout, style, size_px: SIZE, pixels_per_point: SCALE, ground };
    let gpu = picture.draw_on_gpu().expect("scripts/test provides a software Vulkan driver");
    let mut cpu = Pixmap::new(SIZE[0], SIZE[1]).expect("a size");
    cpu.fill(ground);
    picture.draw_on_cpu(&mut cpu);
    (gpu, cpu)
}

/// Mean difference of a channel, and the share of pixels in which some channel is off by more than a tenth.
fn difference(a: &Pixmap, b: &Pixmap) -> (f64, f64) {
    let mut sum = 0.0;
    let mut far = 0;
    for (a, b) in a.data().chunks_exact(4).zip(b.data().chunks_exact(4)) {
        let off = |i: usize| a[i].abs_diff(b[i]);
        sum += (0..4).map(|i| f64::from(off(i))).sum::<f64>();
        far += usize::from((0..4).any(|i| off(i) > 25));
    }
    let pixels = a.data().len() as f64 / 4.0;
    (sum / (4.0 * pixels), far as f64 / pixels)
}

#[test]
fn the_gpu_and_its_cpu_twin_draw_the_same_picture() {
    let scene = smooth_scene();
    let resting = PlanStyle::default();
    let hovered = |side, cell| Some(CellRef { side, cell });
    let styles = [
        ("resting", resting.clone()),
        ("many ribbons", PlanStyle { threshold: 0.0, max_ribbons: 200, ..resting.clone() }),
        ("photos only", PlanStyle { ribbons: false, heat: false, ..resting.clone() }),
        ("overlay only", PlanStyle { photos: false, grid_lines: false, opacity: 0.7, ..resting.clone() }),
        ("query cell", PlanStyle { hovered: hovered(Side::Query, 17), ..resting.clone() }),
        ("gallery cell", PlanStyle { hovered: hovered(Side::Gallery, 9), ..resting.clone() }),
        ("half faded", PlanStyle { hovered: hovered(Side::Gallery, 9), hover_amount: 0.5, ..resting.clone() }),
        ("paired colours", PlanStyle { ribbons: false, paint: CellPaint::Paired, ..resting.clone() }),
        ("marginal heat", PlanStyle { ribbons: false, paint: CellPaint::Heat, ..resting.clone() }),
        (
            "heat of a cell's row",
            PlanStyle { paint: CellPaint::Heat, hovered: hovered(Side::Query, 17), ..resting.clone() },
        ),
        ("zoomed", PlanStyle { query_window: NEAR, gallery_window: FAR, ..resting.clone() }),
        ("pixels", PlanStyle { query_window: NEAR, gallery_window: FAR, nearest: true, ..resting.clone() }),
        ("one flow", PlanStyle { hovered_flow: Some((17, 9)), corner_radius: 0.0, ..resting.clone() }),
    ];
    for (name, style) in styles {
        let (gpu, cpu) = both(&scene, &style);
        let (mean, far) = difference(&gpu, &cpu);
        // tiny-skia counts an edge's coverage in quarters, the shader continuously.
        assert!(mean < 0.9 && far < 0.006, "{name}: mean difference {mean:.3}, {:.3} % far off", 100.0 * far);
        // The comparison can fail: the same scene with another layer off is far away.
        let other = PlanStyle { ribbons: !style.ribbons, heat: !style.heat, ..style };
        let (mean, _) = difference(&gpu, &both(&scene, &other).1);
        assert!(mean > 1.8, "{name}: the layers make a difference of only {mean:.3}");
    }
}

const NEAR: Window = Window { left: 0.31, top: 0.42, size: 0.19 };
const FAR: Window = Window { left: 0.05, top: 0.0, size: 0.8 };

#[test]
fn both_draw_the_same_on_the_way_from_one_plan_to_another() {
    let (query, gallery) = (Grid::new(5, 7), Grid::new(6, 4));
    let pictures = (photo(96, [0.15, 0.0, 0.85, 1.0]), photo(64, [0.0, 0.1, 1.0, 0.9]));
    let mut mass = smooth_pair(query, gallery).plan.mass().to_vec();
    mass.reverse();
    mass.iter_mut().step_by(3).for_each(|m| *m = 0.0);
    let reversed = super::support::pair(query, gallery, mass);
    let scene = PlanScene::from_before(&reversed, &pictures.0, &pictures.1, &smooth_scene(), 1.0);
    let hovered = Some(CellRef { side: Side::Gallery, cell: 9 });
    for (blend, hovered, paint) in [
        (0.0, None, CellPaint::Tint),
        (0.4, None, CellPaint::Paired),
        (0.7, hovered, CellPaint::Tint),
        (1.0, None, CellPaint::Heat),
    ] {
        let style = PlanStyle { blend, hovered, paint, ..PlanStyle::default() };
        let (gpu, cpu) = both(&scene, &style);
        let (mean, far) = difference(&gpu, &cpu);
        assert!(mean < 0.9 && far < 0.006, "{blend}: mean difference {mean:.3}, {:.3} % far off", 100.0 * far);
        let (mean, _) = difference(&gpu, &both(&scene, &PlanStyle { blend: 1.0 - blend, ..style }).1);
        assert!(mean > 0.9 || blend == 0.4, "{blend}: the blend makes a difference of only {mean:.3}");
    }
}

#[test]
fn a_photo_that_is_zoomed_into_shows_squares_where_asked_and_shades_where_not() {
    let scene = smooth_scene();
    let bare = PlanStyle { ribbons: false, heat: false, grid_lines: false, query_window: NEAR, ..PlanStyle::default() };
    let colors = |nearest| {
        let (gpu, _) = both(&scene, &PlanStyle { nearest, ..bare.clone() });
        let [left, _, right, bottom] = layout().query.map(|x| x * SCALE);
        let row: std::collections::BTreeSet<[u8; 3]> =
            (left as u32 + 20..right as u32 - 20).map(|x| pixel(&gpu, x as f32, bottom / 2.0)).collect();
        row.len()
    };
    // 0.19 of 96 pixels are about 18.
    assert!(colors(true) <= 19 && colors(false) > 40, "{} {}", colors(true), colors(false));
}

#[test]
fn large_photos_in_small_squares_are_averaged_alike() {
    let pair = smooth_pair(Grid::new(4, 4), Grid::new(4, 4));
    let scene = PlanScene::new(&pair, &photo(1000, WHOLE), &photo(431, [0.0, 0.2, 1.0, 0.8]));
    let (gpu, cpu) = both(&scene, &PlanStyle { ribbons: false, heat: false, ..PlanStyle::default() });
    let (mean, far) = difference(&gpu, &cpu);
    assert!(mean < 0.5 && far < 0.004, "mean difference {mean:.3}, {:.3} % far off", 100.0 * far);
}

fn pixel(picture: &Pixmap, x: f32, y: f32) -> [u8; 3] {
    let at = picture.pixel(x as u32, y as u32).expect("inside").demultiply();
    [at.red(), at.green(), at.blue()]
}

#[test]
fn an_asymmetric_match_is_drawn_from_left_to_right_by_both() {
    // From the query's top right to the gallery's bottom left; the mirrored pair would be elsewhere.
    let (query, gallery) = (Grid::new(3, 3), Grid::new(2, 5));
    let scene = PlanScene::new(&single(query, gallery, 2, 5), &plain([255; 3]), &plain([255; 3]));
    let style = PlanStyle { heat: false, grid_lines: false, ..PlanStyle::default() };
    let (gpu, cpu) = both(&scene, &style);
    let layout = layout();
    let at = |square: [f32; 4], u: f32, v: f32| {
        let [left, top, right, bottom] = square.map(|x| x * SCALE);
        (left + u * (right - left), top + v * (bottom - top))
    };
    let expected = flow_color(5.0 / 6.0, 1.0 / 6.0);
    for picture in [&gpu, &cpu] {
        for (x, y) in [at(layout.query, 5.0 / 6.0, 1.0 / 6.0), at(layout.gallery, 0.1, 0.75)] {
            for (got, expected) in pixel(picture, x, y).into_iter().zip(expected) {
                assert!((f32::from(got) - 255.0 * expected).abs() < 30.0, "{:?}", pixel(picture, x, y));
            }
        }
        for (x, y) in [at(layout.query, 1.0 / 6.0, 5.0 / 6.0), at(layout.gallery, 0.9, 0.25)] {
            assert_eq!(pixel(picture, x, y), [255; 3], "nothing is there");
        }
    }
}

#[test]
fn a_ribbon_below_the_threshold_leaves_no_pixel() {
    let mut mass = vec![0.0; 16];
    (mass[3], mass[12]) = (0.9, 0.1);
    let pair = super::support::pair(Grid::new(2, 2), Grid::new(2, 2), mass);
    let heavy_only = {
        let mut mass = vec![0.0; 16];
        mass[3] = 0.9;
        super::support::pair(Grid::new(2, 2), Grid::new(2, 2), mass)
    };
    let style = PlanStyle { heat: false, threshold: 0.2, ..PlanStyle::default() };
    let scene = |pair| PlanScene::new(pair, &plain([255; 3]), &plain([255; 3]));
    let (gpu, cpu) = both(&scene(&pair), &style);
    let (gpu_heavy, cpu_heavy) = both(&scene(&heavy_only), &style);
    assert!(gpu.data() == gpu_heavy.data() && cpu.data() == cpu_heavy.data());
    let (gpu_all, _) = both(&scene(&pair), &PlanStyle { threshold: 0.05, ..style });
    assert!(gpu.data() != gpu_all.data());
}

#[test]
fn views_without_area_draw_nothing_and_do_not_panic() {
    let scene = smooth_scene();
    let device = Device::open().expect("scripts/test provides a software Vulkan driver");
    let mut gpu = PlanGpu::new(&device.device, wgpu::TextureFormat::Rgba8Unorm);
    let style = PlanStyle::default();
    let square = [0.0, 0.0, 50.0, 50.0];
    for layout in [
        PlanLayout { query: [0.0; 4], gallery: [0.0; 4] },
        PlanLayout { query: square, gallery: [60.0, 0.0, 60.0, 50.0] },
        PlanLayout { query: square, gallery: [60.0, 50.0, 110.0, 0.0] },
        PlanLayout { query: [f32::NAN; 4], gallery: square },
        PlanLayout { query: square, gallery: [0.0, 0.0, 1e9, 1e9] },
        PlanLayout { query: square, gallery: [0.0, 0.0, f32::INFINITY, 1.0] },
    ] {
        let ground = Color::from_rgba8(10, 20, 30, 255);
        let draw = PlanDraw { scene: &scene, layout: &layout, style: &style, pixels_per_point: 1.0 };
        gpu.prepare(&device.device, &device.queue, 7, &draw);
        let picture = device.picture([64, 64], ground, |pass| gpu.draw(pass, 7, 0.0, 0.0)).expect("a picture");
        assert!(picture.pixels().iter().all(|p| (p.red(), p.green(), p.blue()) == (10, 20, 30)), "{layout:?}");
        assert!(cpu_twin::draw(&scene, &layout, &style, [64, 64], f32::NAN).is_some());
        if layout.gallery[2] < 1e8 {
            let picture = cpu_twin::draw(&scene, &layout, &style, [64, 64], 1.0).expect("a picture");
            assert!(picture.pixels().iter().all(|p| p.alpha() == 0), "{layout:?}");
        }
        gpu.end_frame();
    }
    assert!(cpu_twin::draw(&scene, &layout(), &style, [0, 10], 1.0).is_none());
}

#[test]
fn buffers_are_kept_by_view_and_freed_when_it_is_gone() {
    let device = Device::open().expect("scripts/test provides a software Vulkan driver");
    let mut gpu = PlanGpu::new(&device.device, wgpu::TextureFormat::Rgba8Unorm);
    let (first, second) = (smooth_scene(), smooth_scene());
    let (layout, style) = (layout(), PlanStyle::default());
    let draw = |scene| PlanDraw { scene, layout: &layout, style: &style, pixels_per_point: 1.0 };
    gpu.prepare(&device.device, &device.queue, 1, &draw(&first));
    gpu.prepare(&device.device, &device.queue, 2, &draw(&second));
    gpu.end_frame();
    gpu.end_frame();
    assert_eq!(gpu.view_count(), 2);
    let buffers = gpu.instances(1);

    // Pointing at something, another threshold or another size write a uniform and leave the buffers.
    let pointing =
        PlanStyle { hovered: Some(CellRef { side: Side::Query, cell: 3 }), threshold: 0.4, ..PlanStyle::default() };
    let larger = PlanLayout::fit(320.0, 140.0, 20.0);
    let moved = PlanDraw { scene: &first, layout: &larger, style: &pointing, pixels_per_point: 1.5 };
    gpu.prepare(&device.device, &device.queue, 1, &moved);
    gpu.end_frame();
    assert_eq!(gpu.instances(1), buffers);
    gpu.prepare(&device.device, &device.queue, 1, &draw(&second));
    gpu.end_frame();
    assert_ne!(gpu.instances(1), buffers, "another scene has other buffers");
    gpu.prepare(&device.device, &device.queue, 1, &draw(&second));
    gpu.end_frame();
    assert_eq!(gpu.view_count(), 1, "a view that is not drawn any more is freed");
}

fn sheet(style: PlanStyle, theme: SheetTheme, painter: Painter, width_px: u32) -> image::RgbaImage {
    let pair = smooth_pair(Grid::new(7, 7), Grid::new(7, 7));
    let (query, gallery) = (photo(96, [0.2, 0.0, 0.8, 1.0]), photo(96, WHOLE));
    let options = MatchOptions::default();
    let sheet = PlanSheet {
        pair: &pair,
        query: &query,
        gallery: &gallery,
        title: "Breton long sleeve",
        query_name: "street/a-very-long-name-that-does-not-fit-below-a-photo-of-this-size-at-all-000017_0.jpg",
        gallery_name: "shop/000017_0.jpg",
        options: &options,
        style,
        theme,
        width_px,
    };
    plan_png(&sheet, painter).expect("a sheet")
}

#[test]
fn a_sheet_is_the_same_with_and_without_a_graphics_device() {
    let gpu = sheet(PlanStyle::default(), SheetTheme::LIGHT, Painter::Gpu, 800);
    let cpu = sheet(PlanStyle::default(), SheetTheme::LIGHT, Painter::Cpu, 800);
    assert_eq!(gpu.dimensions(), cpu.dimensions());
    let off: u64 = gpu.as_raw().iter().zip(cpu.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = off as f64 / gpu.as_raw().len() as f64;
    assert!(mean < 0.9, "mean difference {mean}");
    assert_eq!(gpu, sheet(PlanStyle::default(), SheetTheme::LIGHT, Painter::Gpu, 800), "a sheet repeats");
}

#[test]
fn a_sheet_of_every_view_has_its_own_legend() {
    let views = [CellPaint::Tint, CellPaint::Paired, CellPaint::Heat].map(|paint| {
        let style = PlanStyle { ribbons: paint == CellPaint::Tint, paint, ..PlanStyle::default() };
        sheet(style, SheetTheme::LIGHT, Painter::Cpu, 800)
    });
    let legend = |picture: &image::RgbaImage| {
        // Between the photos and the contributions.
        let bottom = picture.height();
        image::imageops::crop_imm(picture, 28, bottom - 240, 744, 100).to_image()
    };
    for (one, other) in [(0, 1), (1, 2), (0, 2)] {
        assert_eq!(views[one].dimensions(), views[other].dimensions());
        assert_ne!(legend(&views[one]), legend(&views[other]));
    }
}

#[test]
fn a_sheet_has_text_and_legend_below_its_photos_and_is_opaque() {
    for theme in [SheetTheme::LIGHT, SheetTheme::DARK] {
        let picture = sheet(PlanStyle::default(), theme, Painter::Cpu, 800);
        assert!(picture.pixels().all(|p| p[3] == 255));
        let [r, g, b] = theme.ground;
        let inked = |from: u32, to: u32| {
            picture.enumerate_pixels().filter(|(_, y, p)| (from..to).contains(y) && p.0 != [r, g, b, 255]).count()
        };
        assert!(inked(20, 80) > 1500, "heading");
        let bottom = picture.height();
        assert!(inked(bottom - 130, bottom - 28) > 2500, "contributions");
        assert_eq!(inked(0, 14) + inked(bottom - 14, bottom), 0, "nothing runs into the margins");
        assert!(picture.enumerate_pixels().filter(|(x, _, _)| *x >= 800 - 20).all(|(_, _, p)| p.0 == [r, g, b, 255]));
    }
}

#[test]
fn a_sheet_that_is_too_large_is_refused_in_words() {
    let pair = smooth_pair(Grid::new(2, 2), Grid::new(2, 2));
    let (photo, options) = (photo(8, WHOLE), MatchOptions::default());
    let sheet = |width_px| {
        let sheet = PlanSheet {
            pair: &pair,
            query: &photo,
            gallery: &photo,
            title: "",
            query_name: "",
            gallery_name: "",
            options: &options,
            style: PlanStyle::default(),
            theme: SheetTheme::DARK,
            width_px,
        };
        plan_png(&sheet, Painter::Cpu).map(|p| p.dimensions()).map_err(|e| e.to_string())
    };
    assert!(sheet(9000).unwrap_err().ends_with("pixels is more than can be drawn"));
    assert!(sheet(0).is_err());
    assert_eq!(sheet(400).expect("a small one").0, 400);
}
