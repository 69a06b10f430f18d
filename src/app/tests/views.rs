//! The views of a plan, zooming into them, and the list beside them.

use std::collections::BTreeSet;

use egui::{Event as Input, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::kittest::{NodeT, Queryable as _};

use super::fake;
use super::plans::{cell, rows};
use super::stage::Staged;
use crate::render::{MatrixMap, Rebuild, Window};
use crate::ui::Command;
use crate::ui::inspect::{Inspect, Mode, SortBy, Zoom};
use crate::ui::state::Pointed;

fn inspect(stage: &Staged) -> Inspect {
    stage.harness.state().prefs().inspect
}

fn zoom(stage: &Staged) -> Zoom {
    stage.harness.state().session().zoom
}

fn pointed(stage: &Staged) -> Option<Pointed> {
    stage.harness.state().session().pointed
}

#[test]
fn number_keys_and_clicks_switch_the_view_and_the_same_key_again_its_overlay() {
    let mut stage = Staged::searched();
    let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
    for (key, mode) in keys.into_iter().zip(Mode::ALL).rev() {
        stage.press(key);
        assert_eq!(inspect(&stage).mode, mode);
        assert!(inspect(&stage).overlay, "{mode:?} comes with its overlay");
    }
    stage.press(Key::Num1);
    assert!(!inspect(&stage).overlay && stage.sees_part("The photos alone; 1 shows the overlay again"));
    stage.press(Key::Num1);
    assert!(inspect(&stage).overlay && stage.sees_part("Width: mass"));
    for (name, mode) in [("Colours", Mode::Colours), ("Heat", Mode::Heat), ("Matrix", Mode::Matrix)] {
        stage.click(name);
        assert_eq!(inspect(&stage).mode, mode);
    }
    stage.press(Key::Num6);
    assert!(!stage.harness.state().prefs().view.grid);
    assert_eq!(stage.asked_for(), [], "looking is the window's own business");
}

#[test]
fn every_view_says_what_its_colours_mean_with_range_and_unit() {
    let mut stage = Staged::searched();
    let most = format!("{:.3}", fake::pair(&stage.options()).plan.max());
    for (mode, parts) in [
        (Mode::Ribbons, vec![format!("Width: mass, 0 … {most}"), "Tint: cell’s mass, 0 …".into()]),
        (Mode::Colours, vec!["Colour: place in the street photo".into(), "Opacity: cell’s mass, 0 …".into()]),
        (Mode::Heat, vec!["Scale of the street photo’s masses, 0.000 …".into(), "Scale of the product’s".into()]),
        (Mode::Matrix, vec![format!("Scale of mass, 0.000 … {most}"), "Bars: cell’s mass, line: asked for".into()]),
        (Mode::Rebuilt, vec!["painted with all product cells that its mass goes to, mixed by mass".into()]),
    ] {
        stage.harness.state_mut().prefs.inspect.mode = mode;
        stage.harness.run();
        for part in parts {
            assert!(stage.sees_part(&part), "{mode:?}: {part}");
        }
    }
}

/// The middle of a pair of cells in the matrix.
fn pair(stage: &Staged, q: usize, g: usize) -> Pos2 {
    let rect = stage.harness.get_by_label_contains("Plan matrix").rect();
    rect.min + rect.size() * Vec2::new(g as f32 + 0.5, q as f32 + 0.5) / 49.0
}

#[test]
fn a_pair_that_is_pointed_at_in_the_matrix_is_pointed_at_everywhere() {
    let mut stage = Staged::searched();
    stage.press(Key::Num4);
    assert!(stage.sees_part("Plan matrix, mass, 49 × 49 cells"));
    stage.harness.hover_at(pair(&stage, 17, 24));
    stage.harness.run();
    assert_eq!(pointed(&stage), Some(Pointed::Flow(17, 24)));
    assert!(stage.sees_part("D3 to D4: mass"), "in words");
    assert!(rows(&stage).iter().any(|row| row.contains(" more")), "the list stays whole");
    stage.harness.remove_cursor();
    stage.harness.run();
    assert_eq!(pointed(&stage), None);
    // The photos beside the matrix point at a row.
    stage.harness.hover_at(cell(&stage, "Street photo cells", 17));
    stage.harness.run();
    assert_eq!(pointed(&stage), Some(Pointed::Query(17)));
}

#[test]
fn the_matrix_is_walked_with_the_arrow_keys_and_shows_three_maps() {
    let mut stage = Staged::searched();
    stage.press(Key::Num4);
    stage.harness.get_by_label_contains("Plan matrix").focus();
    stage.harness.run();
    stage.press(Key::ArrowDown);
    let Some(Pointed::Flow(q, g)) = pointed(&stage) else { panic!("the walk begins at the heaviest pair") };
    let plan = fake::pair(&stage.options()).plan;
    assert_eq!(plan.at(q, g), plan.max());
    stage.press(Key::ArrowDown);
    stage.press(Key::ArrowRight);
    stage.press(Key::ArrowRight);
    assert_eq!(pointed(&stage), Some(Pointed::Flow(q + 1, g + 2)));
    for (name, map) in [("Similarity", MatrixMap::Similarity), ("Contribution", MatrixMap::Contribution)] {
        stage.click(name);
        assert_eq!(inspect(&stage).map, map);
        assert!(stage.sees_part(&format!("Plan matrix, {}", name.to_lowercase())));
    }
    assert!(stage.sees_part("Marginal of the street photo: asked for and reached, off by 0.0000"));
}

#[test]
fn the_rebuilt_photo_points_at_street_cells_and_is_painted_in_two_ways() {
    let mut stage = Staged::searched();
    stage.press(Key::Num5);
    stage.harness.hover_at(cell(&stage, "Rebuilt street photo cells", 24));
    stage.harness.run();
    assert_eq!(pointed(&stage), Some(Pointed::Query(24)));
    stage.click("Best cell");
    assert_eq!(inspect(&stage).rebuild, Rebuild::Best);
    assert!(stage.sees_part("painted with the one product cell that most of its mass goes to"));
}

#[test]
fn keys_zoom_both_photos_and_the_zoom_stays_while_flipping_through_results() {
    let mut stage = Staged::searched();
    stage.press(Key::Plus);
    let near = zoom(&stage);
    assert!((near.query.size - 1.0 / 1.5).abs() < 1e-6 && near.query == near.gallery);
    assert!(stage.sees_part("Street photo cells, 7 × 7, zoomed 1.5 ×"));
    stage.press(Key::ArrowRight);
    stage.serve();
    assert_eq!(zoom(&stage), near, "another product, the same part");
    stage.press(Key::Minus);
    assert!(zoom(&stage).is_whole());
    stage.press(Key::Plus);
    stage.press(Key::Num0);
    assert!(zoom(&stage).is_whole());
    stage.click("Zoom in");
    assert!(!zoom(&stage).is_whole());
    stage.drop_file("/tmp/other.jpg");
    assert!(zoom(&stage).is_whole(), "another photo is seen whole");
}

#[test]
fn the_wheel_zooms_one_photo_around_the_pointer_and_both_where_they_are_linked() {
    let mut stage = Staged::searched();
    let at = cell(&stage, "Street photo cells", 0);
    let wheel = || Input::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: Vec2::new(0.0, 120.0),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
    };
    stage.harness.hover_at(at);
    stage.harness.run();
    stage.harness.event(wheel());
    stage.harness.run();
    let one = zoom(&stage);
    assert!(one.query.size < 0.8 && one.gallery == Window::WHOLE, "{one:?}");
    assert_eq!(pointed(&stage), Some(Pointed::Query(0)), "the cell under the pointer stays there");
    stage.click("Zoom together");
    stage.harness.hover_at(at);
    stage.harness.run();
    stage.harness.event(wheel());
    stage.harness.run();
    assert!(zoom(&stage).gallery.size < 0.8);
}

#[test]
fn a_zoomed_photo_is_moved_with_the_middle_button() {
    let mut stage = Staged::searched();
    stage.press(Key::Plus);
    stage.press(Key::Plus);
    let before = zoom(&stage).query;
    let from = cell(&stage, "Street photo cells", 24);
    let button =
        |pos, pressed| Input::PointerButton { pos, button: PointerButton::Middle, pressed, modifiers: Modifiers::NONE };
    stage.harness.hover_at(from);
    stage.harness.run();
    stage.harness.event(button(from, true));
    stage.harness.run();
    let to = from + Vec2::new(30.0, 12.0);
    stage.harness.hover_at(to);
    stage.harness.run();
    stage.harness.event(button(to, false));
    stage.harness.run();
    let after = zoom(&stage).query;
    assert!(after.left < before.left && after.top < before.top && after.size == before.size, "{before:?} {after:?}");
}

#[test]
fn a_cell_of_a_zoomed_photo_is_the_one_that_is_seen_there() {
    let mut stage = Staged::searched();
    stage.harness.state_mut().session.zoom.query = Window { left: 0.5, top: 0.25, size: 0.5 };
    stage.harness.run();
    let rect = stage.harness.get_by_label_contains("Street photo cells").rect();
    stage.harness.hover_at(rect.min + rect.size() * Vec2::new(0.9, 0.9));
    stage.harness.run();
    // 0.95 across and 0.7 down the whole photo.
    assert_eq!(pointed(&stage), Some(Pointed::Query(4 * 7 + 6)));
}

#[test]
fn the_pixels_key_switches_the_filter() {
    let mut stage = Staged::searched();
    stage.press(Key::Num7);
    assert!(inspect(&stage).nearest);
    stage.click("Pixels");
    assert!(!inspect(&stage).nearest);
}

#[test]
fn the_list_is_sorted_by_a_click_and_by_the_keyboard_and_can_show_all() {
    let mut stage = Staged::searched();
    stage.click("Sort by similarity");
    assert_eq!(inspect(&stage).sort, SortBy::Similarity);
    stage.harness.get_by_label("Sort by contribution").focus();
    stage.harness.run();
    stage.press(Key::Enter);
    assert_eq!(inspect(&stage).sort, SortBy::Contribution);
    assert!(rows(&stage).iter().any(|row| row.contains(" more")));
    stage.click("List all pairs");
    assert!(!rows(&stage).iter().any(|row| row.contains(" more")), "nothing is left out");
    let all = fake::pair(&stage.options()).plan.mass().iter().filter(|&&mass| mass > 0.0).count();
    assert!(stage.sees(&format!("Contributions, {} listed", crate::ui::figures::count(all))));
}

#[test]
fn the_list_is_walked_with_the_arrow_keys_and_a_clicked_row_stays() {
    let mut stage = Staged::searched();
    stage.harness.get_by_label_contains("Contributions, ").focus();
    stage.harness.run();
    stage.asked();
    let names: Vec<String> = rows(&stage).into_iter().filter(|row| row.contains(" to ")).collect();
    let pair = |row: &str| row.split(',').next().unwrap_or_default().to_owned();
    stage.press(Key::ArrowDown);
    assert!(stage.sees_part(&format!("{}: mass", pair(&names[0]))), "in words under the picture");
    stage.press(Key::ArrowDown);
    stage.press(Key::ArrowDown);
    assert!(stage.sees_part(&format!("{}: mass", pair(&names[2]))));
    for _ in 0..12 {
        stage.press(Key::ArrowDown);
    }
    let Some(Pointed::Flow(q, g)) = pointed(&stage) else { panic!("a row") };
    let grid = crate::domain::Grid::new(7, 7);
    let name = format!("{} to {}", grid.name(q), grid.name(g));
    assert!(rows(&stage).iter().any(|row| row.starts_with(&name)), "the row is in sight");
    assert_eq!(stage.asked_for(), [], "the same result is shown");
    stage.press(Key::Escape);
    assert_eq!(pointed(&stage), None);
    // The first may be half out of sight.
    let row = rows(&stage).into_iter().filter(|row| row.contains(" to ")).nth(1).expect("rows");
    stage.click(&row);
    stage.harness.remove_cursor();
    stage.harness.run();
    assert!(matches!(pointed(&stage), Some(Pointed::Flow(..))), "a clicked row stays pointed at");
}

#[test]
fn the_list_is_copied_as_text_that_adds_up() {
    let mut stage = Staged::searched();
    stage.harness.event(Input::Copy);
    let mut text = None;
    for _ in 0..6 {
        stage.harness.step();
        let commands = &stage.harness.output().platform_output.commands;
        text = text.or(commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        }));
    }
    let text = text.expect("something was copied");
    let table: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(table[0], ["Cells", "Mass", "Similarity", "Contribution", "Of structural"]);
    assert!(table.iter().all(|line| line.len() == 5));
    let part = |line: &Vec<&str>| line[3].parse::<f64>().expect("a number");
    let (total, parts) = table[1..].split_last().expect("rows");
    assert_eq!(total[0], "Structural score");
    assert!((parts.iter().map(part).sum::<f64>() - part(total)).abs() < 1e-9);
    assert!(stage.sees("Copied the contributions as text"));
}

#[test]
fn another_epsilon_turns_the_plan_into_the_new_one_unless_motion_is_reduced() {
    for reduced in [false, true] {
        let mut stage = Staged::searched();
        stage.obey(Command::SetReducedMotion(reduced));
        let options = crate::domain::MatchOptions { epsilon: 0.4, ..stage.options() };
        let query = stage.query();
        stage.obey(Command::SetOptions(options));
        let before = stage
            .harness
            .state()
            .session()
            .query
            .as_ref()
            .expect("a query")
            .plan
            .as_ref()
            .expect("a plan")
            .scene
            .clone();
        stage.push(fake::plan(query, &fake::photo(2), options));
        stage.harness.step();
        let blend = |stage: &Staged| {
            let plan = stage.harness.state().session().query.as_ref().expect("a query").plan.as_ref().expect("a plan");
            assert!(!std::sync::Arc::ptr_eq(&plan.scene, &before), "the new plan");
            plan.blend(stage.harness.ctx.input(|input| input.time), reduced)
        };
        let begun = blend(&stage);
        stage.harness.run();
        stage.harness.run_steps(20);
        if reduced {
            assert_eq!(begun, 1.0);
        } else {
            assert!(begun < 0.5, "{begun}");
        }
        assert_eq!(blend(&stage), 1.0);
    }
}

/// The name of what holds the keyboard.
fn focused(stage: &Staged) -> Option<String> {
    let mut open = vec![stage.harness.root()];
    while let Some(node) = open.pop() {
        let access = NodeT::accesskit_node(&node);
        if access.is_focused() {
            return access.label();
        }
        open.extend(NodeT::children(&node));
    }
    None
}

#[test]
fn the_tab_key_reaches_every_view_of_the_plan() {
    let mut stage = Staged::searched();
    let mut reached = BTreeSet::new();
    for mode in [Mode::Ribbons, Mode::Matrix, Mode::Rebuilt] {
        // Not by its key: the walk may have ended in a figure that is typed over.
        stage.harness.state_mut().prefs.inspect.mode = mode;
        for _ in 0..150 {
            stage.press(Key::Tab);
            reached.extend(focused(&stage));
        }
    }
    for part in [
        "Street photo cells",
        "Product photo cells",
        "Contributions, ",
        "Plan matrix",
        "Rebuilt street photo",
        "Sort by mass",
        "Colours",
    ] {
        assert!(reached.iter().any(|name| name.starts_with(part)), "{part}: {reached:?}");
    }
}
