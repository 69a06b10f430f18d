//! Merchandising rules: the chip that counts them, the list behind it, and the menu of a tile.

use egui::{Align, DragValue, Layout, Popup, PopupCloseBehavior, Response, RichText, ScrollArea, Ui};

use super::filters::title_of;
use crate::domain::filter::value_of;
use crate::domain::{Effect, Goal, Hit, ProductRecord, Rule, Subject, Touched};
use crate::project::ShelfEdit;
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{counted, signed};
use crate::ui::fonts::icon;
use crate::ui::shelf::{BOOST, ShelfCommand};
use crate::ui::state::Query;
use crate::ui::tokens::{self, size};
use crate::ui::widgets::button::PushButton;
use crate::ui::widgets::{dim_label, menu_row, named};

const WIDTH: f32 = 340.0;
/// Columns whose values can be ruled from a tile.
const RULED: [&str; 4] = ["brand", "kind", "colour", "color"];

fn edit(ctx: &Ctx<'_>, edit: ShelfEdit) {
    ctx.send(Command::Shelf(ShelfCommand::Edit(edit)));
}

/// What a rule is about, for people.
pub fn subject_words(query: Option<&Query>, subject: &Subject) -> String {
    match subject {
        Subject::Product { product } => query
            .and_then(|query| query.products.get(product))
            .map_or_else(|| product.to_string(), |record| record.name.clone()),
        Subject::Value { column, value } => format!("{}: {value}", title_of(column)),
    }
}

pub fn rules_chip_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let shelf = &ctx.session.shelf;
    let enabled = shelf.rules.iter().filter(|rule| rule.enabled).count();
    let without = shelf.options.without_rules;
    let text = match (without, enabled) {
        (true, _) => "Without rules".to_owned(),
        (false, 0) => "Rules".to_owned(),
        (false, _) => counted(enabled, "rule"),
    };
    let button = PushButton::new(&text).name("Rules").icon(icon::SCALES).selected(without).show(ui, ctx.tokens);
    let hover = match (&query.ranking, without) {
        (_, true) => "The order is shown as it would be without rules".to_owned(),
        (Some(ranking), false) if enabled > 0 => {
            let (touched, excluded) = (ranking.shelf.touched.len(), ranking.shelf.excluded);
            format!("{} moved, {excluded} excluded", counted(touched, "photo"))
        }
        (_, false) => "Merchandising rules of this project".to_owned(),
    };
    let popup = Popup::menu(&button.on_hover_text(hover)).close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    popup.width(WIDTH).show(|ui| rules_ui(ui, ctx, query));
}

fn rules_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    ui.set_width(WIDTH);
    let shelf = &ctx.session.shelf;
    let mut without = shelf.options.without_rules;
    let key = Action::WithoutRules.key_text(ui.ctx()).unwrap_or_default();
    let response = ui.checkbox(&mut without, format!("Without rules ({key})"));
    if response.on_hover_text(Action::WithoutRules.entry().tooltip).changed() {
        ctx.send(Command::Shelf(ShelfCommand::WithoutRules(without)));
    }
    if shelf.rules.is_empty() {
        dim_label(ui, ctx.tokens, "None yet: press P, B, Shift+B or X on a product");
    }
    let height = shelf.rules.len().min(8) as f32 * (size::CONTROL + 18.0);
    ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
        for rule in shelf.rules.iter() {
            rule_ui(ui, ctx, query, rule);
        }
    });
    if let Some(product) = selected_product(query) {
        ui.separator();
        for (column, value) in values_of(product) {
            value_row_ui(ui, ctx, column, value);
        }
    }
    dim_label(ui, ctx.tokens, "They hold for every search; Undo takes a change back");
}

fn rule_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, rule: &Rule) {
    let about = subject_words(Some(query), &rule.subject);
    ui.push_id(rule.id, |ui| {
        ui.horizontal(|ui| {
            let mut enabled = rule.enabled;
            let words = format!("{}: {about}", rule.effect.words());
            let response = ui.add(egui::Checkbox::without_text(&mut enabled));
            response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, rule.enabled, &words));
            if response.on_hover_text("Whether this rule holds").changed() {
                edit(ctx, ShelfEdit::EnableRule { id: rule.id, enabled });
            }
            let color = if rule.enabled { ctx.tokens.text } else { ctx.tokens.dim };
            let symbol = RichText::new(symbol_of(rule.effect)).font(tokens::icon()).color(color);
            ui.label(symbol).on_hover_text(rule.effect.sort_words());
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.set_width(150.0);
                ui.add(egui::Label::new(RichText::new(&about).color(color)).truncate());
                dim_label(ui, ctx.tokens, format!("by {}", rule.author));
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let name = format!("Remove rule: {about}");
                let remove = PushButton::icon_only(icon::X, &name).show(ui, ctx.tokens);
                if remove.on_hover_text("Remove this rule").clicked() {
                    edit(ctx, ShelfEdit::RemoveRule { id: rule.id });
                }
                amount_ui(ui, ctx, rule, &about);
            });
        });
    });
}

fn symbol_of(effect: Effect) -> &'static str {
    match effect {
        Effect::Pin { .. } => icon::PIN,
        Effect::Boost { .. } => icon::TREND_UP,
        Effect::Bury { .. } => icon::TREND_DOWN,
        Effect::Exclude => icon::PROHIBIT,
    }
}

/// The figure of a rule, to drag or to type over.
fn amount_ui(ui: &mut Ui, ctx: &Ctx<'_>, rule: &Rule, about: &str) {
    let changed = match rule.effect {
        Effect::Pin { place } => {
            let mut new = place;
            let drag = DragValue::new(&mut new).range(1..=200).prefix("rank ").update_while_editing(false);
            named(ui, &format!("Rank of {about}"), drag);
            Effect::Pin { place: new }
        }
        Effect::Boost { by } | Effect::Bury { by } => {
            let mut new = by;
            let sign = if matches!(rule.effect, Effect::Boost { .. }) { "+" } else { "−" };
            let drag = DragValue::new(&mut new)
                .range(0.01..=2.0)
                .speed(0.005)
                .fixed_decimals(2)
                .prefix(sign)
                .update_while_editing(false);
            named(ui, &format!("Score for {about}"), drag);
            if matches!(rule.effect, Effect::Boost { .. }) {
                Effect::Boost { by: new }
            } else {
                Effect::Bury { by: new }
            }
        }
        Effect::Exclude => return,
    };
    if changed != rule.effect {
        edit(ctx, ShelfEdit::ChangeRule { id: rule.id, effect: changed });
    }
}

/// What a tile's badge says: symbols of the rules that touched it, and the same in words.
pub fn badge_of(ctx: &Ctx<'_>, touched: &Touched) -> (Vec<&'static str>, String) {
    let mut symbols = Vec::new();
    let mut words = Vec::new();
    for rule in touched.rules.iter().filter_map(|id| ctx.session.shelf.rule(*id)) {
        // A pin moves only the best photo of a product.
        if matches!(rule.effect, Effect::Pin { .. }) && !touched.pinned {
            continue;
        }
        symbols.push(symbol_of(rule.effect));
        words.push(rule.effect.words());
    }
    let mut text = words.join(", ").to_lowercase();
    match touched.rank_without {
        Some(rank) => text += &format!(", rank {rank} without rules"),
        None => text += ", not among the first without rules",
    }
    if touched.offset != 0.0 {
        text += &format!(", score {}", signed(f64::from(touched.offset), 2));
    }
    (symbols, text)
}

/// The menu of a tile: rules about its product and about what it has in common with others.
pub fn tile_menu_ui(response: &Response, ctx: &Ctx<'_>, query: &Query, hit: &Hit) {
    response.context_menu(|ui| {
        ui.set_min_width(230.0);
        let on_tray = ctx.session.shelf.on_tray(&hit.photo);
        let item = |ui: &mut Ui, action: Action, text: &str| {
            let key = action.key_text(ui.ctx()).unwrap_or_default();
            menu_row(ui, ctx.tokens, text, &key).on_hover_text(action.entry().tooltip).clicked()
        };
        let compare = if on_tray { "Take from the comparison" } else { "Compare" };
        if item(ui, Action::Compare, compare) {
            ctx.send(Command::Shelf(ShelfCommand::Compare(hit.photo.clone())));
        }
        if item(ui, Action::GoesWithResult, "Goes well with this") {
            let goal = Goal::GoesWith { of: Some(hit.photo.clone()) };
            ctx.send(Command::Shelf(ShelfCommand::Goal(goal)));
        }
        ui.separator();
        let subject = Subject::Product { product: hit.product.clone() };
        for action in Action::RULES {
            let Some(effect) = action.effect(hit.rank) else { continue };
            let text = action.entry().name;
            let made = ctx.session.shelf.edit_for(&[(subject.clone(), effect)]);
            let text = if matches!(made, ShelfEdit::RemoveRule { .. }) {
                format!("{text}: take back")
            } else {
                text.to_owned()
            };
            if item(ui, action, &text) {
                edit(ctx, made);
            }
        }
        if hit.rank != 1 && menu_row(ui, ctx.tokens, "Pin to rank 1", "").clicked() {
            edit(ctx, ShelfEdit::AddRule { subject, effect: Effect::Pin { place: 1 } });
        }
        if let Some(product) = query.products.get(&hit.product) {
            values_menu_ui(ui, ctx, product);
        }
    });
}

fn selected_product(query: &Query) -> Option<&ProductRecord> {
    let hit = query.ranking.as_ref()?.hits.get(query.selected_place()?)?;
    query.products.get(&hit.product)
}

/// What a product has in common with others, by which these can be ruled.
fn values_of(product: &ProductRecord) -> impl Iterator<Item = (&'static str, &str)> {
    RULED.into_iter().filter_map(|column| Some((column, value_of(product, column)?)))
}

/// Boost, bury or exclude all products with a value of the chosen one.
fn value_row_ui(ui: &mut Ui, ctx: &Ctx<'_>, column: &str, value: &str) {
    let words = format!("{} {value}", title_of(column).to_lowercase());
    ui.horizontal(|ui| {
        ui.set_height(size::CONTROL);
        ui.label(RichText::new(format!("All of {words}")).color(ctx.tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            for (verb, effect) in value_effects().into_iter().rev() {
                let name = format!("{verb} all of {words}");
                let button = PushButton::icon_only(symbol_of(effect), &name).show(ui, ctx.tokens);
                if button.on_hover_text(&name).clicked() {
                    let subject = Subject::Value { column: column.to_owned(), value: value.to_owned() };
                    edit(ctx, ctx.session.shelf.edit_for(&[(subject, effect)]));
                }
            }
        });
    });
}

fn value_effects() -> [(&'static str, Effect); 3] {
    [("Boost", Effect::Boost { by: BOOST }), ("Bury", Effect::Bury { by: BOOST }), ("Exclude", Effect::Exclude)]
}

fn values_menu_ui(ui: &mut Ui, ctx: &Ctx<'_>, product: &ProductRecord) {
    ui.separator();
    for (column, value) in values_of(product) {
        ui.menu_button(format!("All of {} {value}", title_of(column).to_lowercase()), |ui| {
            for (text, effect) in value_effects() {
                if ui.button(text).clicked() {
                    let subject = Subject::Value { column: column.to_owned(), value: value.to_owned() };
                    edit(ctx, ctx.session.shelf.edit_for(&[(subject, effect)]));
                }
            }
        });
    }
}
