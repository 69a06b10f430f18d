//! What goes well with a garment: the choice of that list, which garment it is about, the kinds in it, and how far the
//! model can be believed.

use std::collections::BTreeSet;

use egui::{Color32, Popup, Rect, RichText, Ui, Vec2};

use super::filters::title_of;
use crate::domain::filter::KIND;
use crate::domain::{FacetValues, FilterTest, Garment, Goal, Hit, KindKnown, PhotoId, Ranking, goal};
use crate::ui::command::{Action, Command};
use crate::ui::context::Ctx;
use crate::ui::figures::{count, counted};
use crate::ui::shelf::ShelfCommand;
use crate::ui::state::Query;
use crate::ui::thumbs::Thumb;
use crate::ui::tokens::{radius, space};
use crate::ui::widgets::button::{PushButton, chip_named};
use crate::ui::widgets::plan_view::Squares;
use crate::ui::widgets::segmented::{Choice, segmented_named};
use crate::ui::widgets::{described, dim_label, fitted, menu_row, picture, whole_uv};

/// Points across that the choice of the list takes.
const CHOICE: f32 = 214.0;
const MENU: f32 = 260.0;

fn send(ctx: &Ctx<'_>, goal: Goal) {
    ctx.send(Command::Shelf(ShelfCommand::Goal(goal)));
}

/// "Same product | Goes well with", and with which garment.
pub fn choice_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let goes_with = ctx.session.goes_with();
    let hover = Action::GoesWith.hover_text(ui.ctx());
    ui.scope(|ui| {
        ui.set_max_width(CHOICE);
        let choices = [
            Choice { text: "Same product", name: "List the same product", meaning: "Photos of what the photo shows" },
            Choice { text: "Goes well with", name: "List what goes well with it", meaning: &hover },
        ];
        match segmented_named(ui, ctx.tokens, &choices, usize::from(goes_with)) {
            Some(0) => send(ctx, Goal::SameProduct),
            Some(_) => send(ctx, Goal::GoesWith { of: None }),
            None => {}
        }
    });
    if let Goal::GoesWith { of } = &ctx.session.shelf.options.goal {
        garment_ui(ui, ctx, query, of.as_ref());
    }
}

/// A photo of the gallery, for people.
fn name_of(query: &Query, photo: &PhotoId) -> String {
    let known = query.example_names.get(photo).cloned();
    known.unwrap_or_else(|| photo.as_str().rsplit('/').next().unwrap_or(photo.as_str()).to_owned())
}

/// Which garment it is that products are to go with.
fn garment_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, of: Option<&PhotoId>) {
    let text = of.map_or_else(|| "The photo's garment".to_owned(), |photo| name_of(query, photo));
    let name = format!("Goes with: {text}");
    let button = PushButton::new(&text).name(&name).caret().show(ui, ctx.tokens);
    Popup::menu(&button.on_hover_text("Choose the garment that the products are to go with")).width(MENU).show(|ui| {
        ui.set_width(MENU);
        let key = Action::GoesWithResult.key_text(ui.ctx()).unwrap_or_default();
        if menu_row(ui, ctx.tokens, "The photo's garment", "").clicked() {
            send(ctx, Goal::GoesWith { of: None });
        }
        if let Some(selected) = &query.selected
            && menu_row(ui, ctx.tokens, "The shown result", &key).clicked()
        {
            send(ctx, Goal::GoesWith { of: Some(selected.clone()) });
        }
    });
}

/// The kinds in the list with their counts, and what the list is worth.
pub fn kinds_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query) {
    let Some(garment) = query.ranking.as_ref().and_then(|ranking| ranking.shelf.garment.as_ref()) else { return };
    let shelf = &ctx.session.shelf;
    let chosen: BTreeSet<String> = match shelf.options.filters.get(KIND) {
        Some(FilterTest::OneOf(values)) => values.clone(),
        _ => BTreeSet::new(),
    };
    let values = match shelf.facets.get(KIND).map(|facet| &facet.values) {
        Some(FacetValues::Text { values, .. }) => values.as_slice(),
        _ => &[],
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = Vec2::splat(space::XS);
        for (kind, products) in
            values.iter().filter(|(kind, _)| !kind.is_empty() && Some(kind) != garment.kind.as_ref())
        {
            let on = chosen.contains(kind);
            let name = format!("Only {kind}, {}", counted(*products, "product"));
            let response = chip_named(ui, ctx.tokens, &format!("{kind} {}", count(*products)), &name, on);
            if response.on_hover_text(name).clicked() {
                let mut chosen = chosen.clone();
                if !chosen.remove(kind) {
                    chosen.insert(kind.clone());
                }
                let test = Some(FilterTest::OneOf(chosen));
                ctx.send(Command::Shelf(ShelfCommand::Filter { column: KIND.to_owned(), test }));
            }
        }
    });
    dim_label(ui, ctx.tokens, garment_words(garment));
    if let Some(project) = ctx.session.project.open() {
        dim_label(ui, ctx.tokens, project.model.outfits.words());
    }
}

/// Of which kind the garment is taken to be, and why.
fn garment_words(garment: &Garment) -> String {
    let Some(kind) = &garment.kind else { return "The products have no kinds, so none is of another kind".to_owned() };
    let left_out = format!("{} is left out, the garment's own kind", title_of(kind));
    match garment.known_by {
        KindKnown::Product | KindKnown::Photo => left_out,
        KindKnown::Person => format!("{left_out}, as you said"),
        KindKnown::Likeness => {
            format!("{left_out}, by what looks most like it; “Kind” beside the photos corrects that")
        }
    }
}

/// Why nothing is listed.
pub fn nothing_words(ranking: &Ranking) -> Option<String> {
    let garment = ranking.shelf.garment.as_ref()?;
    Some(match &garment.kind {
        None => garment_words(garment),
        Some(_) if !ranking.shelf.options.filters.is_empty() => {
            let all: Vec<String> = ranking.shelf.options.filters.iter().map(ToString::to_string).collect();
            format!("No product of another kind passes these filters: {}", all.join("; "))
        }
        Some(kind) => format!("The project has no product of another kind than {kind}"),
    })
}

/// "Distance 0.871; the smaller, the better they go together".
pub fn distance_words(hit: &Hit) -> String {
    format!("Distance {:.3}; the smaller, the better they go together", goal::distance_of(hit.global))
}

/// The garment beside the chosen product; there is no plan between them.
pub fn pair_ui(ui: &mut Ui, ctx: &Ctx<'_>, query: &Query, hit: &Hit, layout: Squares) {
    match &ctx.session.shelf.options.goal {
        Goal::GoesWith { of: Some(photo) } => photo_ui(ui, ctx, photo, layout.query),
        _ => crop_ui(ui, ctx, query, layout.query),
    }
    photo_ui(ui, ctx, &hit.photo, layout.gallery);
    described(ui, layout.query, "garment", egui::Role::Image, "The garment");
    described(ui, layout.gallery, "company", egui::Role::Image, "What goes with it");
    ui.add_space(space::XS);
    ui.label(RichText::new(distance_words(hit)).color(ctx.tokens.text));
    dim_label(ui, ctx.tokens, "Whole garments are compared, so there is no plan between their cells");
}

fn photo_ui(ui: &Ui, ctx: &Ctx<'_>, photo: &PhotoId, square: Rect) {
    ui.painter().rect_filled(square, radius::TILE, ctx.tokens.photo);
    if let Thumb::Ready(texture) = ctx.thumbs.get(photo, square.width() * ui.pixels_per_point()) {
        let inside = fitted(texture.size_vec2(), square.shrink(space::XS));
        picture(ui.painter(), inside, radius::CONTROL, texture.id());
    }
}

/// The searched part of the photo, as large as beside a plan.
fn crop_ui(ui: &Ui, ctx: &Ctx<'_>, query: &Query, square: Rect) {
    ui.painter().rect_filled(square, radius::TILE, ctx.tokens.chip);
    let (Some(info), Some(texture), Some(crop)) = (&query.info, &query.texture, query.shown_crop()) else { return };
    let (width, height) = (info.width as f32, info.height as f32);
    let part = Rect::from_min_size(egui::pos2(crop.x, crop.y), Vec2::new(crop.width, crop.height));
    let scale = Vec2::new(1.0 / width, 1.0 / height);
    let uv = Rect::from_min_max((part.min.to_vec2() * scale).to_pos2(), (part.max.to_vec2() * scale).to_pos2());
    let shape = egui::epaint::RectShape::filled(fitted(part.size(), square), radius::TILE, Color32::WHITE);
    ui.painter().add(shape.with_texture(texture.id(), uv.intersect(whole_uv())));
}
