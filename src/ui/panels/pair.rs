//! The chosen product beside the street photo: why it stands where it stands, and what you say about it.

use egui::{Align, Layout, Popup, Pos2, RichText, ScrollArea, Sense, Ui, Vec2};

use super::{goes_with, notices, results, study, views};
use crate::domain::{Hit, Ranking};
use crate::jobs::types::Mark;
use crate::ui::command::{Action, Command};
use crate::ui::compose::QueryAction;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::layout::{self, Pane, heights};
use crate::ui::state::{Plan, Query, Said};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{Look, PushButton, action_button, sent};
use crate::ui::widgets::plan_view::{Squares, empty_plan, pointed_words};
use crate::ui::widgets::tile::price;
use crate::ui::widgets::{clipped_text, dim_label};

/// The chosen hit of the present ranking.
pub fn chosen<'a>(ctx: &'a Ctx<'_>) -> Option<(&'a Query, &'a Ranking, &'a Hit)> {
    let query = ctx.session.query.as_ref()?;
    let ranking = query.ranking.as_ref()?;
    let hit = ranking.hits.get(query.selected_place()?)?;
    Some((query, ranking, hit))
}

/// The plan of the chosen hit, once it is here; what all panes beside the picture are about.
pub fn shown_plan<'a>(ctx: &'a Ctx<'_>) -> Option<(&'a Plan, &'a Ranking)> {
    let (query, ranking, hit) = chosen(ctx)?;
    let plan = query.plan.as_ref().filter(|plan| plan.photo == hit.photo)?;
    Some((plan, ranking))
}

pub fn match_ui(ui: &mut Ui, ctx: &Ctx<'_>) {
    let top = ui.max_rect().top();
    layout::padded_ui(ui, |ui| match (chosen(ctx), &ctx.session.query) {
        (Some((query, ranking, hit)), _) => chosen_ui(ui, ctx, top, query, ranking, hit),
        (None, Some(query)) => nothing_chosen_ui(ui, ctx, top, query),
        (None, None) => {}
    });
}

fn nothing_chosen_ui(ui: &mut Ui, ctx: &Ctx<'_>, top: f32, query: &Query) {
    let text = if query.failed.is_some() { "No match to show" } else { "Matching…" };
    ui.horizontal(|ui| {
        ui.set_height(size::CONTROL);
        ui.label(RichText::new(text).font(tokens::title()).color(ctx.tokens.dim));
    });
    ui.add_space(space::XS);
    let layout = picture_layout(ui, top);
    if query.failed.is_none() {
        empty_plan(ui, ctx, layout);
    }
}

fn chosen_ui(ui: &mut Ui, ctx: &Ctx<'_>, top: f32, query: &Query, ranking: &Ranking, hit: &Hit) {
    heading_ui(ui, ctx, query, ranking, hit);
    actions_ui(ui, ctx, query, hit);
    ui.add_space(space::XS);
    let failed = query.plan_failed.as_ref().filter(|(photo, _)| photo == &hit.photo);
    let layout = picture_layout(ui, top);
    if ctx.session.goes_with() {
        goes_with::pair_ui(ui, ctx, query, hit, layout);
        return;
    }
    match (shown_plan(ctx), failed) {
        (Some((plan, _)), _) => plan_ui(ui, ctx, plan, layout),
        (None, Some((_, failure))) => {
            let room = layout.whole();
            let mut child = ui.new_child(egui::UiBuilder::new().max_rect(room));
            notices::failure_card_ui(&mut child, ctx, failure);
        }
        (None, None) => empty_plan(ui, ctx, layout),
    }
}

/// Takes the room of the two photos, leaving some for the lines below; `top` is where the pane begins.
fn picture_layout(ui: &mut Ui, top: f32) -> Squares {
    let width = ui.available_width();
    let foot = foot_height(ui);
    let height = Squares::height_for(width, (ui.available_height() - foot).max(100.0));
    let whole = ui.cursor().top() - top + Squares::height_for(width, f32::INFINITY) + foot + space::M;
    heights::tell(ui, Pane::Match, whole);
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, height), Sense::hover());
    Squares::fit(rect)
}

fn foot_id() -> egui::Id {
    egui::Id::unique("foot of the plan")
}

/// How high the lines below the picture are, as the frame before had them.
fn foot_height(ui: &Ui) -> f32 {
    ui.data(|data| data.get_temp(foot_id())).unwrap_or(80.0)
}

fn heading_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, ranking: &Ranking, hit: &Hit) {
    let product = query.products.get(&hit.product);
    let name = product.map_or(hit.product.as_str(), |product| product.name.as_str());
    let mut words = format!("rank {}", hit.rank);
    if hit.structural.is_some() {
        words += &match hit.global_rank {
            same if same == hit.rank => ", the same before structure".to_owned(),
            before => format!(", was {before} before structure"),
        };
    }
    if let Some(gap) = results::gap_below(ranking, hit.rank) {
        words += &format!("  ·  {gap:.3} above rank {}", hit.rank + 1);
    }
    if let Some(price) = product.and_then(price) {
        words += &format!("  ·  {price}");
    }
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), size::CONTROL), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Heading, true, format!("{name}, {words}")));
    let at = Pos2::new(rect.left(), rect.center().y - 9.0);
    let taken = clipped_text(ui.painter(), at, name, tokens::title(), ctx.tokens.text, rect.width() * 0.7);
    let at = Pos2::new(rect.left() + taken + space::S, rect.center().y - 6.0);
    clipped_text(ui.painter(), at, &words, tokens::small(), ctx.tokens.dim, rect.right() - at.x);
    response.on_hover_text(words);
}

fn actions_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, hit: &Hit) {
    let said = ctx.session.said(&hit.product);
    let width = ui.available_width();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS + 2.0;
        if ctx.session.goes_with() {
            // Nothing here is said of the same product.
            kind_ui(ui, ctx, query, hit);
            return;
        }
        for (action, on) in [(Action::SameProduct, Said::Same), (Action::NotThis, Said::Not)] {
            let entry = action.entry();
            let button = PushButton::new(entry.name).key(action.key_text(ui.ctx())).selected(said == Some(on));
            let button = if width < 500.0 { button } else { button.icon(entry.icon) };
            sent(ui, ctx, action, button);
        }
        for (action, on) in [
            (QueryAction::Like, query.recipe.liked.contains(&hit.photo)),
            (QueryAction::Dislike, query.recipe.disliked.contains(&hit.photo)),
        ] {
            let action = Action::Query(action);
            let entry = action.entry();
            sent(ui, ctx, action, PushButton::icon_only(entry.icon, entry.name).selected(on));
        }
        kind_ui(ui, ctx, query, hit);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if width < 660.0 {
                crate::ui::widgets::button::action_icon(ui, ctx, Action::SavePlan, true);
            } else {
                action_button(ui, ctx, Action::SavePlan, Look::Plain);
            }
        });
    });
}

/// What kind of garment a photo shows.
fn kind_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, hit: &Hit) {
    let Some(project) = ctx.session.project.open() else { return };
    let button = PushButton::new("Kind").icon(icon::TAG).name("Set kind").caret().show(ui, ctx.tokens);
    let street = query.project_photo.as_ref().and_then(|photo| ctx.session.corrected_kind(photo));
    let given = query.products.get(&hit.product).map(|product| product.kind.as_str());
    let shop = ctx.session.corrected_kind(&hit.photo).or(given);
    Popup::menu(&button.on_hover_text("Say what kind of garment a photo shows")).show(|ui| {
        ui.set_min_width(200.0);
        let list = |ui: &mut Ui, present: Option<&str>, make: &dyn Fn(String) -> Mark| {
            ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
                for kind in &project.kinds {
                    let on = present == Some(kind.as_str());
                    let text = format!("{}  {kind}", if on { icon::CHECK } else { "\u{2003}" });
                    let button = egui::Button::selectable(on, text);
                    if ui.add_sized([ui.available_width(), size::CHIP], button).clicked() && !on {
                        ctx.send(Command::Mark(make(kind.clone())));
                    }
                }
            });
        };
        dim_label(ui, ctx.tokens, "The street photo's crop shows");
        list(ui, street, &Mark::Kind);
        ui.separator();
        ui.menu_button("The product photo shows", |ui| {
            list(ui, shop, &|name| Mark::GalleryKind { photo: hit.photo.clone(), name });
        });
    });
}

fn plan_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan, layout: Squares) {
    views::picture_ui(ui, ctx, plan, layout);
    let begun = ui.min_rect().bottom();
    caption_ui(ui, ctx, plan);
    study::warning_ui(ui, ctx);
    views::controls_ui(ui, ctx, plan);
    if let Some(query) = &ctx.session.query {
        study::entries_ui(ui, ctx, query);
    }
    let foot = (ui.min_rect().bottom() - begun).round();
    if foot_height(ui) != foot {
        ui.data_mut(|data| data.insert_temp(foot_id(), foot));
        ui.request_repaint();
    }
}

/// One line under the picture: the pointed cell in words, or what can be done.
fn caption_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &Plan) {
    let pointed = ctx.session.pointed.and_then(|pointed| pointed_words(plan, pointed));
    let color = if pointed.is_some() { ctx.tokens.text } else { ctx.tokens.dim };
    let text = pointed.unwrap_or_else(|| "Point at a cell to see only where its mass goes".to_owned());
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 16.0), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &text));
    clipped_text(ui.painter(), rect.min, &text, tokens::small(), color, rect.width());
}
