//! The bar at the top: where you are, and with what.

use egui::{Align, Frame, Layout, Margin, Panel, Popup, Rect, RichText, Ui};

use crate::jobs::types::ModelInfo;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::desk::Desk;
use crate::ui::fonts::icon;
use crate::ui::layout::Workspace;
use crate::ui::state::ProjectState;
use crate::ui::tokens::{self, radius, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_icon, pressable, sent};
use crate::ui::widgets::{dim_label, focus_ring, icon_text, keycap, keycap_width};

use super::palette::unavailable;

pub fn top_bar_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let tokens = ctx.tokens;
    let frame = Frame::new().fill(tokens.panel).inner_margin(Margin::symmetric(space::L as i8, 0));
    Panel::top("top bar").exact_size(size::TOP_BAR).frame(frame).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            ui.label(RichText::new("Seamline").font(tokens::title()).color(tokens.text));
            ui.add_space(space::XS);
            tabs_ui(ui, ctx);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                action_icon(ui, ctx, Action::Preferences, true);
                let theme = if tokens.dark { icon::SUN } else { icon::MOON };
                sent(ui, ctx, Action::ToggleTheme, PushButton::icon_only(theme, Action::ToggleTheme.entry().name));
                ui.add_space(space::XS);
                chips_ui(ui, ctx);
                ui.add_space(space::XS);
                search_ui(ui, ctx);
                ui.spacing_mut().item_spacing.x = 0.0;
                for action in [Action::LaterSearch, Action::EarlierSearch] {
                    action_icon(ui, ctx, action, unavailable(action, ctx).is_none());
                }
            });
        });
    });
}

/// One tab for each workspace.
fn tabs_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let spacing = std::mem::take(&mut ui.spacing_mut().item_spacing.x);
    for workspace in Workspace::ALL {
        let action = Action::Show(workspace);
        let on = ctx.session.workspace == workspace;
        let color = if on { ctx.tokens.text } else { ctx.tokens.dim };
        let galley = ui.painter().layout_no_wrap(workspace.name().to_owned(), tokens::body(), color);
        // Work that goes on out of sight.
        let busy = workspace == Workspace::Train && !on && ctx.activity.live.is_some();
        let dot = if busy { size::DOT + space::XS } else { 0.0 };
        let width = galley.size().x + dot + 2.0 * space::M;
        let (rect, response) = ui.allocate_exact_size(egui::vec2(width, size::TOP_BAR), egui::Sense::click());
        response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, on, workspace.name()));
        if response.hovered() && !on {
            ui.painter().rect_filled(rect.shrink2(egui::vec2(2.0, 8.0)), radius::CONTROL, ctx.tokens.chip);
        }
        let text = egui::pos2(rect.left() + space::M, rect.center().y - galley.size().y / 2.0);
        let end = text.x + galley.size().x;
        ui.painter().galley(text, galley, color);
        if busy {
            let at = egui::pos2(end + space::XS + size::DOT / 2.0, rect.center().y);
            ui.painter().circle_filled(at, size::DOT / 2.0, ctx.tokens.accent);
        }
        if on {
            let line = Rect::from_min_max(
                egui::pos2(rect.left() + space::M - 2.0, rect.bottom() - size::RING),
                egui::pos2(rect.right() - space::M + 2.0, rect.bottom()),
            );
            ui.painter().rect_filled(line, 0, ctx.tokens.accent);
        }
        if response.has_focus() {
            focus_ring(ui.painter(), ctx.tokens, rect.shrink2(egui::vec2(3.0, 8.0)), radius::CONTROL);
        }
        let hover = action.hover_text(ui.ctx());
        if response.on_hover_text(if busy { format!("{hover}; a run is under way") } else { hover }).clicked() && !on {
            ctx.act(action);
        }
    }
    ui.spacing_mut().item_spacing.x = spacing;
}

/// Looks like a field and opens the palette.
fn search_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let tokens = ctx.tokens;
    let entry = Action::Palette.entry();
    if ui.available_width() < size::SEARCH_FIELD + 120.0 {
        action_icon(ui, ctx, Action::Palette, true);
        return;
    }
    let (_, rect) = ui.allocate_space(egui::vec2(size::SEARCH_FIELD, size::CONTROL));
    let response = pressable(ui, rect, ui.scope_id().with("search field"), entry.name);
    let painter = ui.painter();
    let fill = if response.hovered() { tokens.chip_hover } else { tokens.chip };
    painter.rect_filled(rect, radius::CONTROL, fill);
    let y = rect.center().y;
    icon_text(painter, egui::pos2(rect.left() + space::L, y), entry.icon, tokens.dim);
    let galley = painter.layout_no_wrap(entry.name.to_owned(), tokens::body(), tokens.dim);
    painter.galley(egui::pos2(rect.left() + space::XL + space::XS, y - galley.size().y / 2.0), galley, tokens.dim);
    if let Some(key) = Action::Palette.key_text(ui.ctx()) {
        let left = rect.right() - keycap_width(painter, &key) - space::S;
        keycap(painter, egui::pos2(left, y), &key, tokens.dim, tokens.dim.gamma_multiply(0.4));
    }
    if response.has_focus() {
        focus_ring(painter, tokens, rect, radius::CONTROL);
    }
    if response.on_hover_text(Action::Palette.hover_text(ui.ctx())).clicked() {
        ctx.act(Action::Palette);
    }
}

fn chips_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let narrow = ui.available_width() < 560.0;
    if let ProjectState::Open(project) = &ctx.session.project {
        if !narrow {
            let device = PushButton::new(&project.device).icon(icon::CPU).look(Look::Ghost);
            device.show(ui, ctx.tokens).on_hover_text("What the model runs on");
        }
        let text = model_text(&project.model);
        let button = PushButton::new(&text).icon(icon::CUBE).name("Model").caret().show(ui, ctx.tokens);
        let hover = format!("The model that searches: {text}, checkpoint {}", project.model.checkpoint);
        Popup::menu(&button.on_hover_text(hover)).show(|ui| models_ui(ui, ctx, &project.models, &project.model));
    }
    let name = match &ctx.session.project {
        ProjectState::Open(project) => project.name.as_str(),
        ProjectState::Opening => "Opening…",
        ProjectState::Failed(_) => "No project",
    };
    super::gallery::read_only_ui(ui, ctx);
    let button = PushButton::new(name).icon(icon::HANGER).name("Project").caret().show(ui, ctx.tokens);
    let path = ctx.session.project_path().map_or_else(|| name.to_owned(), |path| path.display().to_string());
    Popup::menu(&button.on_hover_text(path)).show(|ui| project_ui(ui, ctx));
}

/// "resnet18-atelier · 0.91".
fn model_text(model: &ModelInfo) -> String {
    model.recall_at_1.map_or_else(|| model.name.clone(), |recall| format!("{} · {recall:.2}", model.name))
}

fn models_ui(ui: &mut Ui, ctx: &Ctx<'_>, models: &[ModelInfo], present: &ModelInfo) {
    ui.set_min_width(280.0);
    dim_label(ui, ctx.tokens, "Models of this project, with recall@1 on the test split");
    for model in models {
        let on = model.checkpoint == present.checkpoint;
        let text = format!("{}  {}", if on { icon::CHECK } else { "\u{2003}" }, model.name);
        let recall = model.recall_at_1.map_or_else(|| "not measured".to_owned(), |recall| format!("{recall:.3}"));
        let button = egui::Button::selectable(on, text).right_text(RichText::new(recall).color(ctx.tokens.dim));
        let response = ui.add_sized([ui.available_width(), size::CONTROL], button);
        if response.on_hover_text(format!("Checkpoint {}", model.checkpoint)).clicked() && !on {
            ctx.send(Command::UseModel(model.checkpoint.clone()));
        }
    }
}

fn menu_item(ui: &mut Ui, ctx: &Ctx<'_>, action: Action) {
    let entry = action.entry();
    let mut button = egui::Button::new(entry.name);
    if let Some(key) = action.key_text(ui.ctx()) {
        button = button.right_text(RichText::new(key).color(ctx.tokens.dim));
    }
    if ui.add_sized([ui.available_width(), size::CONTROL], button.frame_when_inactive(false)).clicked() {
        ctx.act(action);
    }
}

fn project_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    ui.set_min_width(260.0);
    if let Some(project) = ctx.session.project.open() {
        let count = crate::ui::figures::counted(project.gallery_photos, "photo");
        dim_label(ui, ctx.tokens, format!("{} in {count}", crate::ui::figures::counted(project.products, "product")));
        dim_label(ui, ctx.tokens, project.path.display().to_string());
    }
    super::gallery::folder_ui(ui, ctx, |ui, action| menu_item(ui, ctx, action));
    menu_item(ui, ctx, Action::OpenGallery);
    let desk = &ctx.session.desk;
    let others = desk.recent.iter().filter(|recent| Some(&recent.path) != ctx.session.project_path());
    for recent in others.take(5) {
        let button = egui::Button::new(&recent.name).frame_when_inactive(false);
        let size = [ui.available_width(), size::CONTROL];
        let response = ui.add_enabled_ui(recent.gone.is_none(), |ui| ui.add_sized(size, button)).inner;
        let path = recent.path.display().to_string();
        let why = recent.gone.as_ref().map_or_else(|| path.clone(), |gone| format!("{gone}: {path}"));
        if response.on_hover_text(&path).on_disabled_hover_text(why).clicked() {
            ctx.send(Command::Desk(Desk::OpenRecent(recent.path.clone())));
        }
    }
    menu_item(ui, ctx, Action::OpenProject);
    if !ctx.session.project.open().is_some_and(|project| project.is_sample) {
        menu_item(ui, ctx, Action::UseSample);
    }
}
