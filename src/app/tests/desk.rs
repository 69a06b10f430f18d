//! Preferences, and coming back to searches and projects.

use std::sync::Arc;

use egui::{Key, Modifiers, PointerButton, Role};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::stage::Staged;
use crate::domain::{Arithmetic, CropRect, MatchOptions, Stage};
use crate::jobs::{
    Activity, DeviceChoice, DeviceFound, DeviceSurvey, Event, Failure, FailureOf, ProjectSummary, QueryPhoto,
    RecentProject, Request,
};
use crate::ui::Command;

fn file(path: &str) -> QueryPhoto {
    QueryPhoto::File(path.into())
}

/// Drops a photo and answers everything about it.
fn search(stage: &mut Staged, path: &str) {
    stage.drop_file(path);
    answer(stage);
}

fn answer(stage: &mut Staged) {
    let search = stage.last_search();
    stage.answer_search(&search, 20);
    stage.serve();
    stage.asked();
}

#[test]
fn preferences_change_the_look_at_once() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    stage.click("Dark");
    assert_eq!(stage.harness.ctx.theme(), egui::Theme::Dark);
    stage.click("125 %");
    assert!((stage.harness.ctx.zoom_factor() - 1.25).abs() < 1e-6);
    assert!((stage.harness.state().prefs().scale - 1.25).abs() < 1e-6);
    stage.click("100 %");
    stage.click("Reduce motion");
    assert!(stage.harness.state().prefs().reduced_motion);
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    assert!(!stage.sees("Reduce motion"), "the same key closes the sheet");
}

#[test]
fn the_memory_budget_is_shown_and_thumbnails_keep_to_what_is_left_of_it() {
    let mut stage = Staged::searched();
    stage.doing(Activity { memory_bytes: Some(412 << 20), ..Activity::default() });
    assert!(stage.sees("Memory 412 of 2,048 MB"));
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    assert!(stage.sees_part("of 256 MB now"), "an eighth of the budget");
    stage.click("512 MB");
    assert!(stage.sees("Memory 412 of 512 MB") && stage.sees_part("of 64 MB now"));
    stage.doing(Activity { memory_bytes: Some(600 << 20), ..Activity::default() });
    assert!(stage.sees("Memory 600 of 512 MB, over budget") && stage.sees_part("of 24 MB now"));
}

#[test]
fn a_device_is_asked_for_and_taken_over_once_it_is_there() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    assert_eq!(stage.asked_for(), [Request::ListDevices]);
    assert!(stage.sees("Looking for GPUs…") && !stage.sees("GPU 1"));
    let device = |choice, label: &str, memory_bytes| DeviceFound { choice, label: label.into(), memory_bytes };
    let devices = vec![
        device(DeviceChoice::Cpu, "CPU, 2 threads", None),
        device(DeviceChoice::Gpu(0), "NVIDIA H100 80GB HBM3", Some(81_559 << 20)),
        device(DeviceChoice::Gpu(1), "NVIDIA T4", Some(15_360 << 20)),
    ];
    stage.tell(Event::Devices(DeviceSurvey { devices, ..DeviceSurvey::default() }));
    assert!(stage.sees("GPU 0: NVIDIA H100 80GB HBM3, 81,559 MB") && stage.sees("GPU 1: NVIDIA T4, 15,360 MB"));
    assert!(!stage.sees("Looking for GPUs…"));
    stage.click("CPU");
    assert_eq!(stage.asked_for(), [Request::UseDevice { device: DeviceChoice::Cpu }]);
    assert!(stage.sees("Moving the model there…"));
    assert_eq!(stage.harness.state().prefs().device, DeviceChoice::Auto);
    stage.tell(Event::DeviceReady { device: DeviceChoice::Cpu });
    assert_eq!(stage.harness.state().prefs().device, DeviceChoice::Cpu);
    assert!(!stage.sees("Moving the model there…"));
    // One that is not there says so, and all stays as it was.
    stage.click("GPU 1");
    let sentence = "This build has no CUDA, so cuda:1 cannot be used";
    stage.tell(Event::Failed(Failure { of: FailureOf::Device, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence));
    assert_eq!(stage.harness.state().prefs().device, DeviceChoice::Cpu);
    assert!(stage.harness.state().session().notices.is_empty(), "it is said where it was asked");
}

#[test]
fn a_machine_without_a_gpu_says_why() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    let cpu = DeviceFound { choice: DeviceChoice::Cpu, label: "CPU, 2 threads".into(), memory_bytes: None };
    let without_gpu = Some("the NVIDIA driver shows no GPU".into());
    stage.tell(Event::Devices(DeviceSurvey { devices: vec![cpu], without_gpu, ..DeviceSurvey::default() }));
    assert!(stage.sees("No GPU: the NVIDIA driver shows no GPU") && stage.sees("CPU"));
    assert!(!stage.sees_part("GPU 0"));
    // It is looked for once.
    stage.asked();
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    assert_eq!(stage.asked_for(), []);
}

#[test]
fn going_back_shows_the_search_before_as_it_was_asked() {
    let mut stage = Staged::ready();
    search(&mut stage, "/tmp/a.jpg");
    let first = stage.query();
    stage.press(Key::W);
    answer(&mut stage);
    search(&mut stage, "/tmp/b.jpg");
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    let back = stage.last_search();
    assert!(matches!(back.photo, QueryPhoto::Earlier(query) if query > first));
    assert_eq!(back.crop, Some(CropRect::whole(400, 560)));
    stage.answer_search(&back, 20);
    stage.serve();
    stage.asked();
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    let back = stage.last_search();
    assert_eq!(back.crop, None, "the part that the project chose");
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    assert_eq!(stage.asked_for(), [], "there is none before");
    stage.answer_search(&back, 20);
    stage.serve();
    stage.asked();
    stage.click("Later search");
    assert_eq!(stage.last_search().crop, Some(CropRect::whole(400, 560)));
}

#[test]
fn knobs_are_gone_back_through_too_a_run_of_turns_at_once() {
    let mut stage = Staged::searched();
    stage.harness.get_by_role_and_label(Role::Slider, "Epsilon").focus();
    stage.harness.run();
    for _ in 0..4 {
        stage.press(Key::ArrowRight);
    }
    let turned = stage.options();
    assert_ne!(turned, MatchOptions::default());
    stage.asked();
    stage.click("Earlier search");
    assert_eq!(stage.last_search().options, MatchOptions::default());
    assert_eq!(stage.options(), MatchOptions::default());
    stage.click("Later search");
    assert_eq!(stage.last_search().options, turned);
}

#[test]
fn side_buttons_of_a_mouse_go_back_and_forward() {
    let mut stage = Staged::ready();
    search(&mut stage, "/tmp/a.jpg");
    search(&mut stage, "/tmp/b.jpg");
    for (button, name) in [(PointerButton::Extra1, "a.jpg"), (PointerButton::Extra2, "b.jpg")] {
        let pos = stage.harness.ctx.content_rect().center();
        for pressed in [true, false] {
            let event = egui::Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE };
            stage.harness.event(event);
            stage.harness.run();
        }
        assert_eq!(stage.harness.state().session().query.as_ref().unwrap().name, name);
        answer(&mut stage);
    }
}

#[test]
fn from_the_welcome_screen_one_step_back_is_the_last_search() {
    let mut stage = Staged::searched();
    stage.press(Key::Escape);
    assert!(stage.sees("Find the product in a street photo"));
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    assert!(matches!(stage.last_search().photo, QueryPhoto::Earlier(_)));
}

#[test]
fn what_was_chosen_is_chosen_again() {
    let mut stage = Staged::searched();
    stage.press(Key::ArrowRight);
    stage.serve();
    let chosen = stage.harness.state().session().query.as_ref().unwrap().selected.clone();
    search(&mut stage, "/tmp/b.jpg");
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    let back = stage.last_search();
    stage.tell(fake::ranked(back.query, Stage::Structural, back.options, 20));
    assert_eq!(stage.harness.state().session().query.as_ref().unwrap().selected, chosen);
}

#[test]
fn a_photo_that_is_no_longer_kept_is_read_from_its_file_once() {
    let mut stage = Staged::ready();
    search(&mut stage, "/tmp/a.jpg");
    search(&mut stage, "/tmp/b.jpg");
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    let back = stage.last_search();
    let failed = |query| {
        let sentence = "The photo of that search is no longer kept".to_owned();
        Event::Failed(Failure { of: FailureOf::Query(query), sentence, details: None })
    };
    stage.tell(failed(back.query));
    let again = stage.last_search();
    assert_eq!((&again.photo, again.crop), (&file("/tmp/a.jpg"), back.crop));
    stage.tell(failed(again.query));
    assert_eq!(stage.asked_for(), []);
    assert!(stage.sees("The photo of that search is no longer kept"));
}

#[test]
fn another_project_has_no_searches_to_go_back_to() {
    let mut stage = Staged::searched();
    let mut other = fake::project();
    other.path = "/shops/other".into();
    stage.tell(Event::ProjectOpened(Arc::new(other)));
    stage.asked();
    stage.press_with(Modifiers::ALT, Key::ArrowLeft);
    assert_eq!(stage.asked_for(), []);
}

fn recent(name: &str, gone: Option<&str>) -> RecentProject {
    RecentProject { path: format!("/shops/{name}").into(), name: name.into(), gone: gone.map(str::to_owned) }
}

#[test]
fn recent_projects_are_one_click_away_and_vanished_ones_say_why() {
    let mut stage = Staged::ready();
    stage.tell(Event::Recent(vec![recent("Autumn", None), recent("Spring", Some("The folder is not there any more"))]));
    assert!(stage.sees("Spring, The folder is not there any more"));
    stage.asked();
    stage.click("Open Autumn");
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some("/shops/Autumn".into()) }]);
    // By keyboard, too.
    stage.harness.get_by_label("Open Autumn").focus();
    stage.harness.run();
    stage.press(Key::Enter);
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some("/shops/Autumn".into()) }]);
}

#[test]
fn the_menu_of_the_project_offers_the_recent_ones() {
    let mut stage = Staged::searched();
    stage.tell(Event::Recent(vec![recent("Autumn", None)]));
    stage.click("Project");
    stage.asked();
    stage.click("Autumn");
    assert_eq!(stage.asked_for(), [Request::OpenProject { path: Some("/shops/Autumn".into()) }]);
}

#[test]
fn preferences_of_an_older_version_are_read() {
    let old = r#"{"theme": "Dark", "reduced_motion": true}"#;
    let prefs: crate::ui::Prefs = serde_json::from_str(old).unwrap();
    assert!(prefs.reduced_motion && (prefs.scale - 1.0).abs() < 1e-6);
    assert_eq!((prefs.memory_mb, prefs.device), (2048, DeviceChoice::Auto));
}

#[test]
fn a_command_of_the_window_closes_the_palette_before_it_is_done() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::K);
    let chosen = Box::new(Command::Act(crate::ui::command::Action::Preferences));
    stage.obey(Command::Desk(crate::ui::desk::Desk::Chosen(chosen)));
    let desk = &stage.harness.state().session().desk;
    assert!(desk.palette.is_none() && desk.preferences.is_some());
}

#[test]
fn a_precision_is_asked_for_and_one_that_cannot_be_had_says_why() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::Comma);
    let survey = DeviceSurvey { int8: "8-bit arithmetic (int8) runs here by AVX2".into(), ..DeviceSurvey::default() };
    stage.tell(Event::Devices(survey));
    assert!(stage.sees("8-bit arithmetic (int8) runs here by AVX2"));
    stage.asked();
    stage.click("32 bits");
    assert_eq!(stage.asked_for(), [], "it has that");
    stage.click("8 bits");
    assert_eq!(stage.asked_for(), [Request::UseArithmetic { arithmetic: Arithmetic::Int8 }]);
    assert!(stage.sees("Embedding the photos in it…"));
    let sentence = "8-bit arithmetic runs on the CPU alone, not on CUDA 0: choose cpu, or f32";
    stage.tell(Event::Failed(Failure { of: FailureOf::Arithmetic, sentence: sentence.into(), details: None }));
    assert!(stage.sees(sentence) && !stage.sees("Embedding the photos in it…"));
    assert!(stage.harness.state().session().notices.is_empty(), "it is said where it was asked");
    stage.click("8 bits");
    stage.asked();
    let arithmetic = Arithmetic::Int8;
    stage.tell(Event::ProjectOpened(Arc::new(ProjectSummary { arithmetic, ..fake::project() })));
    assert!(!stage.sees(sentence) && !stage.sees("Embedding the photos in it…"));
    stage.asked();
    stage.click("8 bits");
    assert_eq!(stage.asked_for(), []);
}
