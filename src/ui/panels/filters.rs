//! The row above the results: a chip for each column to filter by, folding, and the rules.

use std::collections::BTreeSet;

use egui::{
    Align, DragValue, Key, Layout, Popup, PopupCloseBehavior, Rect, Response, RichText, ScrollArea, Sense, Ui, Vec2,
};

use super::rules::rules_chip_ui;
use crate::domain::{Facet, FacetValues, FilterTest, FoldOptions};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::shelf::ShelfCommand;
use crate::ui::state::Query;
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::{PushButton, sent};
use crate::ui::widgets::{dim_label, menu_row, named};

/// Columns that have a chip wherever a project has them.
const USUAL: [&str; 8] = ["kind", "category", "colour", "color", "price", "brand", "size", "in_stock"];
/// More values than this can be searched by typing.
const TYPED_FROM: usize = 12;
/// Values in sight at once.
const ROWS: usize = 12;
const MENU_WIDTH: f32 = 252.0;

/// "in_stock" reads "In stock".
pub fn title_of(column: &str) -> String {
    let words = column.replace(['_', '-'], " ");
    let mut letters = words.trim().chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn set(ctx: &Ctx<'_>, column: &str, test: Option<FilterTest>) {
    ctx.send(Command::Shelf(ShelfCommand::Filter { column: column.to_owned(), test }));
}

pub fn filters_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let shelf = &ctx.session.shelf;
    let (shown, others) = split(ctx);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS + 2.0);
        super::goes_with::choice_ui(ui, ctx, query);
        for facet in shown {
            chip_ui(ui, ctx, facet);
        }
        // A filter whose column is gone, as after another import, can still be taken away.
        for filter in shelf.options.filters.iter().filter(|filter| shelf.facets.get(&filter.column).is_none()) {
            let text = format!("{}: {}", title_of(&filter.column), filter.test.words());
            let button = PushButton::new(&text).selected(true).show(ui, ctx.tokens);
            if button.on_hover_text("No product has this column; press to take the filter away").clicked() {
                set(ctx, &filter.column, None);
            }
        }
        if !others.is_empty() {
            more_ui(ui, ctx, &others);
        }
        if !shelf.options.filters.is_empty() {
            let entry = Action::ClearFilters.entry();
            let look = crate::ui::widgets::button::Look::Ghost;
            sent(ui, ctx, Action::ClearFilters, PushButton::new(entry.name).icon(entry.icon).look(look));
        }
        fold_ui(ui, ctx, query);
        rules_chip_ui(ui, ctx, query);
    });
}

/// Columns with a chip, and the others.
fn split<'a>(ctx: &'a Ctx<'_>) -> (Vec<&'a Facet>, Vec<&'a Facet>) {
    let shelf = &ctx.session.shelf;
    let has_chip = |facet: &&Facet| {
        USUAL.contains(&facet.column.to_lowercase().as_str())
            || shelf.columns.contains(&facet.column)
            || shelf.options.filters.get(&facet.column).is_some()
    };
    let (mut shown, others): (Vec<&Facet>, Vec<&Facet>) = shelf.facets.columns.iter().partition(has_chip);
    let usual = |facet: &&Facet| USUAL.iter().position(|name| *name == facet.column.to_lowercase());
    shown.sort_by_key(|facet| usual(facet).unwrap_or(USUAL.len()));
    (shown, others)
}

fn chip_text(ctx: &Ctx<'_>, facet: &Facet) -> String {
    let title = title_of(&facet.column);
    match ctx.session.shelf.options.filters.get(&facet.column) {
        None => title,
        Some(test) => {
            let words = format!("{title}: {}", test.words());
            if words.chars().count() > 34 {
                let short: String = words.chars().take(33).collect();
                format!("{}…", short.trim_end())
            } else {
                words
            }
        }
    }
}

fn chip_ui(ui: &mut Ui, ctx: &Ctx<'_>, facet: &Facet) {
    let on = ctx.session.shelf.options.filters.get(&facet.column).is_some();
    let text = chip_text(ctx, facet);
    let name = format!("Filter by {}", title_of(&facet.column).to_lowercase());
    let button = PushButton::new(&text).name(&name).selected(on).show(ui, ctx.tokens);
    let id = Popup::default_response_id(&button);
    if is_wanted(ui, ctx, &facet.column) {
        Popup::open_id(ui.ctx(), id);
    }
    let hover = match ctx.session.shelf.options.filters.get(&facet.column) {
        Some(test) => test.words(),
        None => format!("Show only products by {}", title_of(&facet.column).to_lowercase()),
    };
    menu(&button.on_hover_text(hover)).show(|ui| facet_ui(ui, ctx, facet));
}

fn menu(button: &Response) -> Popup<'_> {
    Popup::menu(button).close_behavior(PopupCloseBehavior::CloseOnClickOutside).width(MENU_WIDTH)
}

/// Whether a key or another menu asked for this one, just now.
fn is_wanted(ui: &Ui, ctx: &Ctx<'_>, column: &str) -> bool {
    let (wish, wanted) = &ctx.session.shelf.menu_wanted;
    let id = egui::Id::unique("filter menu wanted");
    let seen: u64 = ui.data(|data| data.get_temp(id)).unwrap_or(0);
    if *wish == seen || wanted != column {
        return false;
    }
    ui.data_mut(|data| data.insert_temp(id, *wish));
    true
}

fn facet_ui(ui: &mut Ui, ctx: &Ctx<'_>, facet: &Facet) {
    ui.set_width(MENU_WIDTH);
    let column = &facet.column;
    let test = ctx.session.shelf.options.filters.get(column);
    ui.horizontal(|ui| {
        ui.label(RichText::new(title_of(column)).font(tokens::strong()).color(ctx.tokens.text));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let clear = ui.add_enabled(test.is_some(), egui::Button::new("Clear").small());
            if clear.clicked() {
                set(ctx, column, None);
            }
        });
    });
    match &facet.values {
        FacetValues::Text { values, more } => values_ui(ui, ctx, column, values, *more, test),
        FacetValues::Number { low, high, bins } => range_ui(ui, ctx, column, [*low, *high], bins, test),
    }
}

fn values_ui(
    ui: &mut Ui,
    ctx: &Ctx<'_>,
    column: &str,
    values: &[(String, usize)],
    more: usize,
    test: Option<&FilterTest>,
) {
    let chosen: BTreeSet<String> = match test {
        Some(FilterTest::OneOf(values)) => values.clone(),
        _ => BTreeSet::new(),
    };
    let id = egui::Id::unique(("filter typed", column));
    let mut typed: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    if values.len() > TYPED_FROM {
        let field = egui::TextEdit::singleline(&mut typed).hint_text("Type to find").desired_width(f32::INFINITY);
        let response = named(ui, &format!("Find in {}", title_of(column).to_lowercase()), field);
        if ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        if response.changed() {
            ui.data_mut(|data| data.insert_temp(id, typed.clone()));
        }
    }
    let wanted = typed.trim().to_lowercase();
    let fitting: Vec<&(String, usize)> = values
        .iter()
        .filter(|(value, _)| wanted.is_empty() || words_of(value).to_lowercase().contains(&wanted))
        .collect();
    if fitting.is_empty() {
        dim_label(ui, ctx.tokens, "No value fits");
    }
    let height = size::CONTROL * fitting.len().min(ROWS) as f32;
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().max_height(height).min_scrolled_height(height);
    area.show_rows(ui, size::CONTROL, fitting.len(), |ui, rows| {
        for (value, n) in &fitting[rows] {
            let mut on = chosen.contains(value);
            let before = on;
            ui.horizontal(|ui| {
                ui.set_height(size::CONTROL);
                let text = words_of(value);
                let box_ = egui::Checkbox::new(&mut on, text.clone());
                let response = ui.add(box_);
                response.widget_info(|| {
                    egui::WidgetInfo::selected(
                        egui::Role::CheckBox,
                        true,
                        before,
                        format!("{text}, {}", counted(*n, "product")),
                    )
                });
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.label(RichText::new(count(*n)).font(tokens::small()).color(ctx.tokens.dim));
                });
            });
            if on != before {
                let mut chosen = chosen.clone();
                if on {
                    chosen.insert(value.clone())
                } else {
                    chosen.remove(value)
                };
                set(ctx, column, Some(FilterTest::OneOf(chosen)));
            }
        }
    });
    if more > 0 {
        dim_label(ui, ctx.tokens, format!("{} rarer values are not listed", count(more)));
    }
    // Enter on the typed text takes the only value that fits.
    if let [(value, _)] = fitting[..]
        && !wanted.is_empty()
        && ui.input(|input| input.key_pressed(Key::Enter))
        && !chosen.contains(value)
    {
        let mut chosen = chosen;
        chosen.insert(value.clone());
        set(ctx, column, Some(FilterTest::OneOf(chosen)));
    }
}

fn words_of(value: &str) -> String {
    if value.is_empty() { "No value".to_owned() } else { value.to_owned() }
}

fn range_ui(ui: &mut Ui, ctx: &Ctx<'_>, column: &str, ends: [f64; 2], bins: &[usize], test: Option<&FilterTest>) {
    let (low, high) = match test {
        Some(FilterTest::Between { low, high }) => (*low, *high),
        _ => (None, None),
    };
    let (mut from, mut to) = (low.unwrap_or(ends[0]), high.unwrap_or(ends[1]));
    histogram_ui(ui, ctx, column, ends, bins, [from, to]);
    let span = (ends[1] - ends[0]).max(1e-9);
    let decimals = if span > 20.0 { 0 } else { 2 };
    let title = title_of(column);
    let before = [from, to];
    ui.horizontal(|ui| {
        for (name, value, range) in [("from", &mut from, ends[0]..=before[1]), ("to", &mut to, before[0]..=ends[1])] {
            dim_label(ui, ctx.tokens, name);
            let drag = DragValue::new(value)
                .range(range)
                .speed(span / 200.0)
                .max_decimals(decimals)
                .update_while_editing(false);
            named(ui, &format!("{title} {name}"), drag);
        }
    });
    if [from, to] != before {
        // An end that is not moved stays open, so that what is added later is within it.
        let side = |value: f64, end: f64| (value != end).then_some(value);
        let test = FilterTest::Between { low: side(from, ends[0]), high: side(to, ends[1]) };
        set(ctx, column, Some(test));
    }
}

/// How many products lie where, the chosen part in the accent colour.
fn histogram_ui(ui: &mut Ui, ctx: &Ctx<'_>, column: &str, ends: [f64; 2], bins: &[usize], chosen: [f64; 2]) {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 44.0), Sense::hover());
    let number = |n: f64| format!("{n:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    let total: usize = bins.iter().sum();
    let words =
        format!("{} of {}: {} to {}", title_of(column), counted(total, "product"), number(ends[0]), number(ends[1]));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &words));
    let bars = Rect::from_min_max(rect.min, egui::pos2(rect.right(), rect.bottom() - 14.0));
    let most = bins.iter().copied().max().unwrap_or(0).max(1) as f32;
    let wide = bars.width() / bins.len().max(1) as f32;
    for (index, &n) in bins.iter().enumerate() {
        let middle = ends[0] + (ends[1] - ends[0]) * (index as f64 + 0.5) / bins.len() as f64;
        let inside = middle >= chosen[0] && middle <= chosen[1];
        let left = bars.left() + wide * index as f32;
        let height = (n as f32 / most * bars.height()).max(if n > 0 { 1.5 } else { 0.0 });
        let bar = Rect::from_min_max(
            egui::pos2(left + 0.5, bars.bottom() - height),
            egui::pos2(left + wide - 0.5, bars.bottom()),
        );
        ui.painter().rect_filled(bar, 1, if inside { ctx.tokens.accent } else { ctx.tokens.line });
    }
    ui.painter().hline(bars.x_range(), bars.bottom(), ctx.tokens.hairline());
    let (font, color) = (tokens::small(), ctx.tokens.dim);
    ui.painter().text(rect.left_bottom(), egui::Align2::LEFT_BOTTOM, number(ends[0]), font.clone(), color);
    ui.painter().text(rect.right_bottom(), egui::Align2::RIGHT_BOTTOM, number(ends[1]), font, color);
    response.on_hover_text(words);
}

fn more_ui(ui: &mut Ui, ctx: &Ctx<'_>, others: &[&Facet]) {
    let button = PushButton::new("More").name("More filters").caret().show(ui, ctx.tokens);
    Popup::menu(&button.on_hover_text("Filter by any other column")).width(200.0).show(|ui| {
        ui.set_width(200.0);
        let height = size::CONTROL * others.len().min(14) as f32;
        let area = ScrollArea::vertical().max_height(height).min_scrolled_height(height);
        area.show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for facet in others {
                let values = match &facet.values {
                    FacetValues::Text { values, more } => count(values.len() + more),
                    FacetValues::Number { .. } => "range".to_owned(),
                };
                if menu_row(ui, ctx.tokens, &title_of(&facet.column), &values).clicked() {
                    ctx.send(Command::Shelf(ShelfCommand::ShowColumn(facet.column.clone())));
                }
            }
        });
    });
}

fn fold_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let fold = ctx.session.shelf.options.fold;
    let folded = query.ranking.as_ref().map_or(0, |ranking| ranking.shelf.folds.len());
    let text = match (fold.on, folded) {
        (true, folded) => format!("Near duplicates folded: {}", count(folded)),
        (false, _) => "Near duplicates shown".to_owned(),
    };
    let button = PushButton::new(&text).name("Near duplicates").show(ui, ctx.tokens);
    menu(&button.on_hover_text(Action::FoldDuplicates.hover_text(ui.ctx()))).show(|ui| {
        ui.set_width(MENU_WIDTH);
        let mut on = fold.on;
        let key = Action::FoldDuplicates.key_text(ui.ctx()).unwrap_or_default();
        if ui.checkbox(&mut on, format!("Fold near duplicates ({key})")).changed() {
            ctx.act(Action::FoldDuplicates);
        }
        dim_label(ui, ctx.tokens, "Photos of one product share a tile");
        ui.add_enabled_ui(fold.on, |ui| {
            let mut cosine = fold.cosine;
            ui.horizontal(|ui| {
                dim_label(ui, ctx.tokens, "Near from cosine");
                let drag = DragValue::new(&mut cosine)
                    .range(0.5..=1.0)
                    .speed(0.002)
                    .fixed_decimals(3)
                    .update_while_editing(false);
                named(ui, "Near from cosine", drag)
                    .on_hover_text("Photos whose global vectors agree at least so well are near duplicates");
            });
            let mut colourways = fold.colourways;
            ui.checkbox(&mut colourways, "The same design in other colours")
                .on_hover_text("Told by a column such as item_group_id, or by names that differ in the colour only");
            if cosine != fold.cosine || colourways != fold.colourways {
                ctx.send(Command::Shelf(ShelfCommand::Fold(FoldOptions { cosine, colourways, ..fold })));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_read_as_words() {
        assert_eq!(title_of("in_stock"), "In stock");
        assert_eq!(title_of("kind"), "Kind");
        assert_eq!(title_of(""), "");
    }
}
