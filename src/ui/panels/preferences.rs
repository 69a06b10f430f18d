//! How a person likes the window: looks, memory, device, layout, and every key.

use egui::{Align, Frame, Id, Layout, Margin, Modal, RichText, ScrollArea, Ui};

use super::preferences_keys::keys_ui;
use crate::domain::Arithmetic;
use crate::jobs::types::{DeviceChoice, DeviceFound, DeviceSurvey};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::desk::{Desk, Page};
use crate::ui::figures::megabytes;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, action_icon, sent};
use crate::ui::widgets::segmented::segmented;
use crate::ui::widgets::{button::PushButton, dim_label};

/// Sizes of everything that can be chosen, 1 = as the system says.
pub const SCALES: [f32; 7] = [0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0];
/// Megabytes that the program may hold.
pub const BUDGETS_MB: [u32; 5] = [512, 1024, 2048, 4096, 8192];

pub fn preferences_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let Some(page) = ctx.session.desk.preferences else { return };
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(space::L as i8)).corner_radius(radius::SHEET);
    let screen = ui.ctx().content_rect();
    let shown = Modal::new(Id::unique("preferences")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(size::SHEET.min(screen.width() - 4.0 * space::L));
        ui.horizontal(|ui| {
            ui.label(RichText::new("Preferences").font(tokens::title()).color(ctx.tokens.text));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| action_icon(ui, ctx, Action::Back, true));
        });
        let pages = [("General", "Looks, memory, device and layout"), ("Shortcuts", "Which key does what")];
        let all = [Page::General, Page::Shortcuts];
        let on = all.iter().position(|other| *other == page).unwrap_or(0);
        if let Some(index) = segmented(ui, ctx.tokens, &pages, on) {
            ctx.send(Command::Desk(Desk::Preferences(Some(all[index]))));
        }
        ui.add_space(space::S);
        // The sheet keeps its size from page to page.
        let height = (screen.height() - 200.0).clamp(240.0, 470.0);
        ui.allocate_ui(egui::Vec2::new(ui.available_width(), height), |ui| {
            ui.set_min_height(height);
            match page {
                Page::General => {
                    ScrollArea::vertical().id_salt("general").auto_shrink(false).show(ui, |ui| general_ui(ui, ctx));
                }
                Page::Shortcuts => keys_ui(ui, ctx),
            }
        });
    });
    if shown.backdrop_response.clicked() {
        ctx.act(Action::Back);
    }
}

/// A name at the left, what is chosen at the right.
fn row_ui(ui: &mut Ui, ctx: &Ctx<'_>, name: &str, content: impl FnOnce(&mut Ui)) {
    let width = ui.available_width();
    ui.horizontal_top(|ui| {
        ui.allocate_ui(egui::Vec2::new((width * 0.26).max(110.0), size::CONTROL), |ui| {
            ui.set_min_width((width * 0.26).max(110.0));
            ui.add_space(5.0);
            ui.label(RichText::new(name).color(ctx.tokens.text));
        });
        ui.vertical(|ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = space::XS;
            content(ui);
        });
    });
    ui.add_space(space::S);
}

fn choice_ui<T: Copy + PartialEq>(ui: &mut Ui, ctx: &Ctx<'_>, choices: &[(String, &str, T)], on: T) -> Option<T> {
    let names: Vec<(&str, &str)> = choices.iter().map(|(name, meaning, _)| (name.as_str(), *meaning)).collect();
    // What none of them is, is shown as none.
    let index = choices.iter().position(|choice| choice.2 == on).unwrap_or(usize::MAX);
    segmented(ui, ctx.tokens, &names, index).map(|index| choices[index].2)
}

fn general_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    row_ui(ui, ctx, "Theme", |ui| {
        let choices = [
            ("System".to_owned(), "As the system says", egui::ThemePreference::System),
            ("Light".to_owned(), "Always light", egui::ThemePreference::Light),
            ("Dark".to_owned(), "Always dark", egui::ThemePreference::Dark),
        ];
        if let Some(theme) = choice_ui(ui, ctx, &choices, ctx.prefs.theme) {
            ctx.send(Command::SetTheme(theme));
        }
    });
    row_ui(ui, ctx, "Size", |ui| {
        let choices =
            SCALES.map(|scale| (format!("{:.0} %", scale * 100.0), "Size of texts, buttons and pictures", scale));
        let nearest = SCALES.into_iter().find(|scale| (scale - ctx.prefs.scale).abs() < 0.005);
        if let Some(scale) = choice_ui(ui, ctx, &choices, nearest.unwrap_or(0.0)) {
            ctx.send(Command::Desk(Desk::SetScale(scale)));
        }
        let words =
            format!("{:.0} % now; Ctrl + and Ctrl − change it too, Ctrl 0 puts it back", ctx.prefs.scale * 100.0);
        dim_label(ui, ctx.tokens, words);
    });
    row_ui(ui, ctx, "Motion", |ui| {
        let mut reduced = ctx.prefs.reduced_motion;
        if ui.checkbox(&mut reduced, "Reduce motion").on_hover_text("Nothing slides, fades or morphs").changed() {
            ctx.send(Command::SetReducedMotion(reduced));
        }
    });
    row_ui(ui, ctx, "Memory", |ui| {
        let choices = BUDGETS_MB.map(|mb| {
            let name = if mb < 1024 { format!("{mb} MB") } else { format!("{} GB", mb / 1024) };
            (name, "The most that the program is to hold", mb)
        });
        if let Some(mb) = choice_ui(ui, ctx, &choices, ctx.prefs.memory_mb) {
            ctx.send(Command::Desk(Desk::SetMemoryBudget(mb)));
        }
        let (held, most) = (ctx.thumbs.bytes() as u64, ctx.thumbs.budget_bytes() as u64);
        let words = format!("Thumbnails give way first: they hold {} of {} now", megabytes(held), megabytes(most));
        dim_label(ui, ctx.tokens, words);
    });
    row_ui(ui, ctx, "Device", |ui| device_ui(ui, ctx));
    row_ui(ui, ctx, "Precision", |ui| precision_ui(ui, ctx));
    row_ui(ui, ctx, "Layout", |ui| {
        ui.horizontal_wrapped(|ui| {
            for action in [Action::SaveLayout, Action::RestoreLayout, Action::ResetLayout] {
                let enabled = action != Action::RestoreLayout || ctx.session.saved_layouts.is_some();
                sent(ui, ctx, action, PushButton::new(action.entry().name).enabled(enabled).look(Look::Plain));
            }
        });
    });
}

/// Where the model may be asked to run, with what each is.
fn device_choices(found: &[DeviceFound]) -> Vec<(String, String, DeviceChoice)> {
    let auto = "A GPU where this build and machine have one, else the CPU".to_owned();
    let mut choices = vec![("Auto".to_owned(), auto, DeviceChoice::Auto)];
    let is_cpu = |found: &&DeviceFound| found.choice == DeviceChoice::Cpu;
    let cpu = found.iter().find(is_cpu).map_or_else(|| "The processor".to_owned(), |cpu| cpu.label.clone());
    choices.push(("CPU".to_owned(), cpu, DeviceChoice::Cpu));
    for device in found {
        if let DeviceChoice::Gpu(index) = device.choice {
            let memory = device.memory_bytes.map_or(String::new(), |bytes| format!(", {}", megabytes(bytes)));
            choices.push((format!("GPU {index}"), format!("{}{memory}", device.label), device.choice));
        }
    }
    choices
}

fn alert_ui(ui: &mut Ui, ctx: &Ctx<'_>, sentence: &str) {
    let label = ui.add(egui::Label::new(RichText::new(sentence).font(tokens::small()).color(ctx.tokens.danger)).wrap());
    ui.ctx().accesskit_node_builder(label.id, |node| node.set_role(egui::Role::Alert));
}

/// What the model of the open project computes in.
fn precision_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let desk = &ctx.session.desk;
    let Some(project) = ctx.session.project.open() else {
        dim_label(ui, ctx.tokens, "Each project has its own; none is open");
        return;
    };
    let mut choices = vec![
        ("32 bits".to_owned(), "Floating point, on any device", Arithmetic::F32),
        ("8 bits".to_owned(), "Products of 8-bit integers, on the CPU alone", Arithmetic::Int8),
    ];
    let on_gpu =
        |survey: &DeviceSurvey| survey.devices.iter().any(|found| matches!(found.choice, DeviceChoice::Gpu(_)));
    if desk.devices.as_ref().is_some_and(on_gpu) {
        choices.insert(1, ("16 bits".to_owned(), "Floating point (bfloat16), on a GPU alone", Arithmetic::Bf16));
    }
    if let Some(arithmetic) = choice_ui(ui, ctx, &choices, desk.arithmetic_asked.unwrap_or(project.arithmetic)) {
        ctx.send(Command::Desk(Desk::UseArithmetic(arithmetic)));
    }
    if let Some(survey) = &desk.devices {
        dim_label(ui, ctx.tokens, survey.int8.as_str());
    }
    if let Some(sentence) = &desk.arithmetic_failed {
        alert_ui(ui, ctx, sentence);
    } else if desk.arithmetic_asked.is_some() {
        dim_label(ui, ctx.tokens, "Embedding the photos in it…");
    } else {
        dim_label(ui, ctx.tokens, "Photos that were never embedded in the other one are embedded again");
    }
}

fn device_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let desk = &ctx.session.desk;
    let found = desk.devices.as_ref();
    let all = device_choices(found.map_or(&[], |survey| &survey.devices));
    let choices: Vec<_> = all.iter().map(|(name, what, choice)| (name.clone(), what.as_str(), *choice)).collect();
    if let Some(device) = choice_ui(ui, ctx, &choices, desk.device_asked.unwrap_or(ctx.prefs.device)) {
        ctx.send(Command::Desk(Desk::UseDevice(device)));
    }
    for (name, what, choice) in &all {
        if matches!(choice, DeviceChoice::Gpu(_)) {
            dim_label(ui, ctx.tokens, format!("{name}: {what}"));
        }
    }
    let words = match found {
        None => Some("Looking for GPUs…".to_owned()),
        Some(survey) => survey.without_gpu.as_ref().map(|reason| format!("No GPU: {reason}")),
    };
    if let Some(words) = words {
        dim_label(ui, ctx.tokens, words);
    }
    if let Some(sentence) = &desk.device_failed {
        alert_ui(ui, ctx, sentence);
    } else if desk.device_asked.is_some() {
        dim_label(ui, ctx.tokens, "Moving the model there…");
    }
    if let Some(project) = ctx.session.project.open() {
        dim_label(ui, ctx.tokens, format!("The model runs on {}", project.device));
    }
}
