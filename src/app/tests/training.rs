//! The Train workspace: choose, start, watch, hold, stop, compare, promote.

use std::sync::Arc;

use egui::{Key, Modifiers, Role, Theme, Vec2};
use egui_kittest::kittest::Queryable as _;

use super::fake;
use super::fake_runs::{RECIPE, checked, curves, data, doing, glance, live, recipes, runs};
use super::stage::Staged;
use crate::domain::{Glance, RunCurves, RunId};
use crate::jobs::{
    Activity, CheckedRecipe, DeviceChoice, DeviceFound, DeviceSurvey, Dialog, Event, Failure, FailureOf, LiveRun,
    Phase, Promoting, Promotion, QueryPhoto, RecipeProblem, Request, RunEnd, RunState, RunSummary, StartFrom,
    TrainingData, TrainingEvent, TrainingRequest, TrainingStart,
};
use crate::ui::Command;
use crate::ui::layout::Workspace;
use crate::ui::training::TrainCommand;

fn told(stage: &mut Staged, event: TrainingEvent) {
    stage.tell(Event::Training(event));
}

fn training(stage: &Staged) -> Vec<TrainingRequest> {
    let asked = stage.asked_for().into_iter();
    asked.filter_map(|request| if let Request::Training(request) = request { Some(request) } else { None }).collect()
}

/// In the workspace, with lists answered.
fn trained_in(mut stage: Staged, runs: Vec<RunSummary>) -> Staged {
    stage.open();
    stage.press_with(Modifiers::COMMAND, Key::Num2);
    assert_eq!(training(&stage), [TrainingRequest::List, TrainingRequest::Watch(true)]);
    told(&mut stage, recipes());
    told(&mut stage, data(None));
    told(&mut stage, TrainingEvent::Runs(Arc::new(runs)));
    answer(&mut stage);
    stage
}

fn trained(runs: Vec<RunSummary>) -> Staged {
    trained_in(Staged::empty(), runs)
}

/// Answers checks and curves until nothing is asked; gives all else.
fn answer(stage: &mut Staged) -> Vec<TrainingRequest> {
    let mut others = Vec::new();
    for _ in 0..10 {
        let asked = training(stage);
        if asked.is_empty() {
            break;
        }
        for request in asked {
            match request {
                TrainingRequest::Check { serial, text } => {
                    told(stage, TrainingEvent::Checked { serial, checked: Arc::new(checked(&text)) });
                }
                TrainingRequest::Curves { run } => {
                    let seed = ["semi-20pct-3", "full-oc-is", "full-oc", "first-light"]
                        .iter()
                        .position(|known| *known == run.as_str())
                        .unwrap_or(4) as u32;
                    told(stage, TrainingEvent::Curves { run, curves: Arc::new(curves(2700, seed)) });
                }
                other => others.push(other),
            }
        }
    }
    others
}

fn type_into(stage: &mut Staged, name: &str, text: &str) {
    type_over(stage, Role::TextInput, name, text);
}

fn type_over(stage: &mut Staged, role: Role, name: &str, text: &str) {
    stage.harness.get_by_role_and_label(role, name).focus();
    stage.harness.run();
    stage.press_with(Modifiers::COMMAND, Key::A);
    stage.harness.get_by_role_and_label(role, name).type_text(text);
    stage.harness.run();
}

#[test]
fn workspaces_are_switched_by_tab_key_and_palette_and_each_keeps_what_it_shows() {
    let mut stage = Staged::searched();
    assert!(stage.harness.get_by_role_and_label(Role::Tab, "Explore").accesskit_node_selected());
    stage.harness.get_by_role_and_label(Role::Tab, "Train").click();
    stage.harness.run();
    assert!(stage.sees("No runs yet") || stage.sees_part("Reading the runs"));
    assert!(!stage.sees_part("Rank 1:"));
    // Keys of the results do nothing while they are out of sight, and Esc does not close them.
    stage.asked();
    stage.press(Key::S);
    stage.press(Key::Escape);
    assert!(stage.asked_for().is_empty());
    stage.press_with(Modifiers::COMMAND, Key::Num1);
    assert!(stage.sees_part("Rank 1:"), "all is as it was");
    stage.press_with(Modifiers::COMMAND, Key::Num2);
    stage.drop_file("/tmp/street/bus.jpg");
    assert_eq!(stage.harness.state().session().workspace, Workspace::Explore, "a photo is searched in Explore");
    stage.asked();
    stage.press(Key::F8);
    assert_eq!(stage.harness.state().session().workspace, Workspace::Train, "nothing is begun out of sight");
    assert!(!training(&stage).iter().any(|request| matches!(request, TrainingRequest::Start(_))));
}

trait Selected {
    fn accesskit_node_selected(&self) -> bool;
}

impl Selected for egui_kittest::Node<'_> {
    fn accesskit_node_selected(&self) -> bool {
        egui_kittest::kittest::NodeT::accesskit_node(self).toggled() == Some(egui::accesskit::Toggled::True)
    }
}

#[test]
fn a_recipe_is_chosen_changed_and_started() {
    let mut stage = trained(Vec::new());
    assert!(stage.sees("Nothing was trained yet") && stage.sees("No runs yet"));
    assert!(stage.sees_part("840 street and 1,680 shop photos of 840 products; 180 held back"));
    type_into(&mut stage, "Learning rate", "3e-4");
    answer(&mut stage);
    stage.press(Key::Enter);
    stage.press(Key::F8);
    let text = RECIPE.replace("1e-3", "3e-4");
    let start = TrainingStart {
        recipe: text,
        data: TrainingData::Project,
        from: StartFrom::Random,
        device: DeviceChoice::Auto,
    };
    assert_eq!(training(&stage), [TrainingRequest::Start(start)]);
}

#[test]
fn a_fault_of_the_recipe_is_said_at_its_field_and_nothing_starts() {
    let mut stage = trained(Vec::new());
    type_into(&mut stage, "Epochs", "0");
    answer(&mut stage);
    assert!(stage.sees_part("schedule.epochs must lie between"), "the sentence stands at the field");
    stage.press(Key::Enter);
    stage.press(Key::F8);
    assert_eq!(training(&stage), []);
    assert!(stage.harness.get_by_label("Start training").accesskit_node_disabled());
    // Something that is no value at all is said too, and an empty field goes back to what held.
    type_into(&mut stage, "Epochs", "soon");
    answer(&mut stage);
    assert!(stage.sees("soon is not a value"));
    type_into(&mut stage, "Epochs", "12");
    answer(&mut stage);
    assert!(!stage.sees_part("is not a value") && !stage.sees_part("must lie between"));
    stage.press(Key::Enter);
    stage.click("Start training");
    let [TrainingRequest::Start(start)] = &training(&stage)[..] else { panic!("one start") };
    assert!(start.recipe.contains("epochs = 12"));
}

trait Disabled {
    fn accesskit_node_disabled(&self) -> bool;
}

impl Disabled for egui_kittest::Node<'_> {
    fn accesskit_node_disabled(&self) -> bool {
        egui_kittest::kittest::NodeT::accesskit_node(self).is_disabled()
    }
}

#[test]
fn answers_about_an_older_text_are_dropped() {
    let mut stage = trained(Vec::new());
    stage.obey(Command::Train(TrainCommand::SetText("[loss]\ntriplet = 2.0\n".into())));
    let [TrainingRequest::Check { serial, .. }] = training(&stage)[..] else { panic!("one check") };
    let wrong = CheckedRecipe {
        problem: Some(RecipeProblem { setting: None, sentence: "old".into() }),
        ..CheckedRecipe::default()
    };
    told(&mut stage, TrainingEvent::Checked { serial: serial - 1, checked: Arc::new(wrong) });
    assert!(!stage.sees("Old"));
    stage.press(Key::F8);
    assert_eq!(training(&stage), [], "the newest text was not looked at yet");
}

#[test]
fn the_recipe_can_be_edited_as_text_opened_and_saved() {
    let mut stage = trained(Vec::new());
    stage.click("Edit as TOML");
    type_over(&mut stage, Role::MultilineTextInput, "Recipe as TOML", "rate = = 1");
    answer(&mut stage);
    assert!(stage.sees_part("in line 1"), "the line is named");
    stage.click("Save recipe…");
    let [Request::AskPath(dialog @ Dialog::SaveRecipe { .. })] = &stage.asked_for()[..] else { panic!("a dialog") };
    stage.tell(Event::PathPicked { dialog: dialog.clone(), path: Some("/tmp/r.toml".into()) });
    assert_eq!(training(&stage), [TrainingRequest::Save { path: "/tmp/r.toml".into(), text: "rate = = 1".into() }]);
    stage.click("Open recipe…");
    stage.asked();
    stage.tell(Event::PathPicked { dialog: Dialog::OpenRecipe, path: Some("/tmp/mine.toml".into()) });
    assert_eq!(training(&stage), [TrainingRequest::Read { path: "/tmp/mine.toml".into() }]);
    told(&mut stage, TrainingEvent::RecipeRead { path: "/tmp/mine.toml".into(), text: RECIPE.into() });
    answer(&mut stage);
    assert!(stage.sees("Recipe: mine.toml"));
    stage.press(Key::F8);
    assert!(matches!(&training(&stage)[..], [TrainingRequest::Start(start)] if start.recipe == RECIPE));
}

#[test]
fn photos_that_cannot_be_trained_on_say_why() {
    let mut stage = trained(Vec::new());
    told(
        &mut stage,
        data(Some("Training needs at least 2 products with both a street and a shop photo, and there are 0")),
    );
    assert!(stage.sees_part("Training needs at least 2 products"));
    stage.press(Key::F8);
    assert_eq!(training(&stage), []);
}

#[test]
fn a_run_is_watched_held_and_stopped() {
    let mut stage = trained(runs());
    told(&mut stage, TrainingEvent::Started { run: "semi-20pct-3".into() });
    stage.doing(doing(live(Phase::Running)));
    assert!(stage.sees("running") && stage.sees("epoch 42 of 60") && stage.sees("11 min left"));
    assert!(stage.sees_part("Loss: total") && stage.sees_part("Retrieval on validation: @1"));
    assert!(stage.sees("What the network sees now") && stage.sees_part("so a search would err"));
    assert!(stage.sees("2 unreadable photos left out"));
    answer(&mut stage);
    stage.press(Key::F8);
    assert!(stage.asked_for().is_empty(), "one training at a time");
    stage.press(Key::F9);
    assert_eq!(training(&stage), [TrainingRequest::Pause(true)]);
    stage.doing(doing(live(Phase::Paused)));
    assert!(stage.sees("paused") && stage.sees("11 min to go"));
    stage.harness.get_by_role_and_label(Role::Button, "Go on").click();
    stage.harness.run();
    assert_eq!(training(&stage), [TrainingRequest::Pause(false)]);
    stage.click("Stop and keep");
    assert_eq!(stage.asked_for(), [Request::StopTraining]);
    stage.doing(doing(live(Phase::Stopping)));
    assert!(stage.sees("stopping…"));
    stage.doing(Activity::default());
    let end =
        RunEnd { run: "semi-20pct-3".into(), finished: false, step: 1863, steps: 2700, seconds: 99.0, skipped: 2 };
    told(&mut stage, TrainingEvent::Ended(Arc::new(end)));
    assert!(stage.sees("stopped") && stage.sees_part("Stopped at step 1,863 of 2,700"));
    assert_eq!(training(&stage), [TrainingRequest::Curves { run: "semi-20pct-3".into() }], "the last steps are read");
    stage.click("Go on with this run");
    let resume = TrainingRequest::Resume { run: "semi-20pct-3".into(), device: DeviceChoice::Auto };
    assert_eq!(training(&stage), [resume]);
}

#[test]
fn a_run_goes_on_while_another_workspace_is_in_sight_and_nobody_looks_at_its_pictures() {
    let mut stage = trained(runs());
    stage.doing(doing(live(Phase::Running)));
    stage.press_with(Modifiers::COMMAND, Key::Num1);
    assert_eq!(training(&stage), [TrainingRequest::Watch(false)]);
    assert!(stage.sees("Training semi-20pct-3: step 1,862 of 2,700"), "the status bar says so");
    stage.doing(Activity::default());
    let end = RunEnd { run: "semi-20pct-3".into(), finished: true, step: 2700, steps: 2700, seconds: 9.0, skipped: 0 };
    told(&mut stage, TrainingEvent::Ended(Arc::new(end)));
    assert!(stage.sees("The run semi-20pct-3 is finished"));
}

#[test]
fn a_run_that_failed_says_why_in_its_place_and_can_go_on() {
    let mut stage = trained(runs());
    stage.doing(doing(live(Phase::Running)));
    let sentence = "The loss became infinite at step 1863; the last good checkpoint is of step 1845";
    let failure = Failure { of: FailureOf::Training, sentence: sentence.into(), details: None };
    stage.tell(Event::Failed(failure));
    stage.doing(Activity::default());
    assert!(stage.sees(sentence) && stage.sees("failed") && stage.sees("Go on with this run"));
    assert!(stage.harness.state().session().notices.is_empty(), "it is said once");
    stage.click("Close what is said of the last run");
    assert!(!stage.sees(sentence));
}

#[test]
fn runs_are_drawn_over_each_other_hidden_and_chosen_by_arrow_keys() {
    let mut stage = trained(runs());
    assert!(stage.sees_part("Checkpoints of semi-20pct-3".to_uppercase().as_str()));
    stage.harness.get_by_role_and_label(Role::CheckBox, "Draw the curves of full-oc-is").click();
    stage.harness.run();
    answer(&mut stage);
    assert!(stage.sees_part("total, full-oc-is") && stage.sees_part("total, semi-20pct-3"));
    stage.click("Take the curves of semi-20pct-3 away");
    assert!(!stage.sees_part("total, semi-20pct-3"));
    // A press on the legend hides a line, and another shows it again.
    let line = || "Loss triplet";
    stage.harness.get_by_role_and_label(Role::Button, line()).click();
    stage.harness.run();
    assert!(stage.harness.state().prefs().curves.hidden.contains("Loss/loss triplet"));
    stage.click(line());
    assert!(stage.harness.state().prefs().curves.hidden.is_empty());
    stage.harness.get_by_label_contains("Run semi-20pct-3:").focus();
    stage.harness.run();
    stage.press(Key::ArrowDown);
    assert_eq!(stage.harness.state().session().train.selected, Some(RunId::new("semi-20pct-2")));
}

#[test]
fn settings_in_which_two_runs_differ_are_listed() {
    let mut stage = trained(runs());
    stage.harness.get_by_role_and_label(Role::Tab, "Differences").click();
    stage.harness.run();
    stage.click("Against: semi-20pct-2");
    stage.harness.get_by_role_and_label(Role::MenuItemRadio, "full-oc-is").click();
    stage.harness.run();
    assert!(stage.sees("data.label_fraction: 0.2 against 1.0") && stage.sees("name: semi-20pct-3 against full-oc-is"));
    assert!(stage.sees_part("other settings are the same"));
}

#[test]
fn a_checkpoint_is_promoted_with_progress_and_the_figures_before_and_after() {
    let mut stage = trained(runs());
    assert!(stage.sees("If promoted") && stage.sees("40, best") || stage.sees("If promoted"));
    stage.click("Promote epoch 40");
    let promote = TrainingRequest::Promote { run: "semi-20pct-3".into(), step: 1800 };
    assert_eq!(training(&stage), [promote]);
    let promoting =
        Promoting { run: "semi-20pct-3".into(), step: 1800, what: "Indexing photos", done: 300, total: 1200 };
    stage.doing(Activity { promoting: Some(promoting), ..Activity::default() });
    assert!(stage.sees("Indexing photos: 300 of 1,200") && stage.sees("The present index serves meanwhile"));
    stage.click("Cancel the promotion");
    assert_eq!(training(&stage), [TrainingRequest::StopPromoting]);
    stage.doing(Activity::default());
    let promotion = Promotion {
        run: "semi-20pct-3".into(),
        step: 1800,
        before: fake::project().model,
        after: fake::model("semi-20pct-3, step 1800", "77aa000000000000", 0.912),
        recall_before: Some([0.86, 0.97]),
        recall_after: Some([0.912, 0.968]),
    };
    told(&mut stage, TrainingEvent::Promoted(Arc::new(promotion)));
    assert!(stage.sees("0.860 → 0.912") && stage.sees("+0.052") && stage.sees("−0.002"));
    assert!(stage.sees("semi-20pct-3, step 1800 searches now: recall@1 on the test split 0.860 → 0.912"));
    let failure = Failure { of: FailureOf::Promotion, sentence: "The disk is full".into(), details: None };
    stage.tell(Event::Failed(failure));
    assert!(stage.sees("It was not promoted") && stage.sees("The disk is full"));
}

#[test]
fn a_picture_of_a_hard_triplet_opens_its_photo_where_labels_are_corrected() {
    let mut stage = trained(runs());
    stage.doing(doing(live(Phase::Running)));
    stage.asked();
    let name = format!("Street photo of {}: street/p000_0.jpg", fake::product(0).product);
    stage.harness.get_all_by_label(&name).next().unwrap().click();
    stage.harness.run();
    assert_eq!(stage.last_search().photo, QueryPhoto::Project("street/p000_0.jpg".into()));
    assert_eq!(stage.harness.state().session().workspace, Workspace::Explore);
}

#[test]
fn another_project_has_other_runs() {
    let mut stage = trained(runs());
    let mut other = fake::project();
    other.path = "/tmp/other".into();
    stage.tell(Event::ProjectOpened(Arc::new(other)));
    assert!(training(&stage).contains(&TrainingRequest::List), "its runs are asked for");
    assert!(!stage.sees_part("semi-20pct-3"));
}

/// Pictures of the workspace, looked at by a person: `SEAMLINE_SHOTS=FOLDER` says where to.
#[test]
fn pictures_of_every_state_are_drawn_without_a_fault() {
    let Some(folder) = std::env::var_os("SEAMLINE_SHOTS") else { return };
    let folder = std::path::PathBuf::from(folder);
    let shot = |stage: &mut Staged, name: &str| {
        stage.harness.run();
        stage.harness.render().unwrap().save(folder.join(format!("E-{name}.png"))).unwrap();
    };
    for (theme, mode) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        for (size, place) in [(Vec2::new(1280.0, 800.0), "1280"), (Vec2::new(2560.0, 1440.0), "2560")] {
            let name = |state: &str| format!("{state}-{mode}-{place}");
            let mut empty = trained_in(Staged::with(size, theme, true), Vec::new());
            shot(&mut empty, &name("empty"));
            let mut stage = trained_in(Staged::with(size, theme, true), runs());
            let mut list = runs();
            list[0].state = RunState::Running;
            told(&mut stage, TrainingEvent::Runs(Arc::new(list)));
            stage.doing(doing(live(Phase::Running)));
            shot(&mut stage, &name("running"));
            stage.doing(doing(without_labels()));
            shot(&mut stage, &name("without-labels"));
            stage.doing(doing(live(Phase::Running)));
            stage.obey(Command::Train(TrainCommand::Show { run: "full-oc-is".into(), shown: true }));
            stage.obey(Command::Train(TrainCommand::Show { run: "full-oc".into(), shown: true }));
            answer(&mut stage);
            stage.obey(Command::ShowPane(crate::ui::layout::Pane::Layers));
            stage.obey(Command::ShowPane(crate::ui::layout::Pane::Differences));
            let at = egui::pos2(size.x * 0.42, size.y * 0.25);
            stage.harness.hover_at(at);
            shot(&mut stage, &name("overlaid"));
            stage.harness.hover_at(egui::pos2(2.0, 2.0));
            let mut idle = trained_in(Staged::with(size, theme, true), runs());
            let failure = Failure {
                of: FailureOf::Training,
                sentence: "The loss became infinite at step 1863; the last good checkpoint is of step 1845".into(),
                details: None,
            };
            idle.tell(Event::Failed(failure));
            type_into(&mut idle, "Epochs", "0");
            answer(&mut idle);
            shot(&mut idle, &name("failed"));
            let promoting =
                Promoting { run: "semi-20pct-3".into(), step: 1800, what: "Indexing photos", done: 300, total: 1200 };
            idle.doing(Activity { promoting: Some(promoting), ..Activity::default() });
            idle.click("Edit as TOML");
            shot(&mut idle, &name("text"));
        }
    }
}

/// A run on two views of each photo.
fn without_labels() -> LiveRun {
    let mut run = live(Phase::Running);
    let seen = glance();
    let pictures = seen.pictures[..16].to_vec();
    run.glance = Some(Arc::new(Glance { pictures, paired: true, triplets: Vec::new(), ..seen }));
    let mut curves = RunCurves { steps: 2700, epochs: 60, ..RunCurves::default() };
    for step in 1..=50 {
        curves.push("loss total", step, 3.0 - 0.01 * step as f64);
        curves.push("validation neighbours' kind", step, 0.5);
    }
    run.curves = Arc::new(curves);
    run
}

#[test]
fn a_run_without_labels_shows_pairs_of_views_and_only_the_charts_that_it_has() {
    let mut stage = trained(runs());
    told(&mut stage, TrainingEvent::Started { run: "semi-20pct-3".into() });
    stage.doing(doing(without_labels()));
    assert!(stage.sees("two views of each photo of step 1,840, after augmentation"));
    assert!(!stage.sees("Hardest triplets"), "without labels no product is right or wrong");
    assert!(stage.sees_part("Loss: total") && stage.sees_part("neighbours agree on the kind"));
    assert!(!stage.sees_part("Hard and dead") && !stage.sees_part("Images per second"));
}

#[test]
fn the_device_menu_offers_what_this_machine_has() {
    let mut stage = Staged::ready();
    stage.press_with(Modifiers::COMMAND, Key::Num2);
    assert!(stage.asked_for().contains(&Request::ListDevices));
    told(&mut stage, recipes());
    told(&mut stage, data(None));
    answer(&mut stage);
    stage.click("Device: As the window: CPU, 2 cores");
    assert!(stage.sees("Looking for GPUs…") && !stage.sees("GPU 0"));
    let found = |choice, label: &str| DeviceFound { choice, label: label.into(), memory_bytes: None };
    let devices = vec![found(DeviceChoice::Cpu, "2 cores"), found(DeviceChoice::Gpu(0), "NVIDIA H100")];
    stage.tell(Event::Devices(DeviceSurvey { devices, ..DeviceSurvey::default() }));
    assert!(stage.sees("GPU 0") && !stage.sees("GPU 1") && !stage.sees("Looking for GPUs…"));
    stage.click("GPU 0");
    assert_eq!(stage.harness.state().session().train.device, DeviceChoice::Gpu(0));
}
