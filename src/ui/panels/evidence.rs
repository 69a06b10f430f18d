//! An evidence file, read-only: the stored match, and what of it verifies.

use egui::{
    Align, Align2, Frame, Layout, Margin, Panel, Pos2, RichText, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo,
};

use super::views;
use super::why::{Sums, shown_flows};
use crate::jobs::types::{CheckState, EvidenceCheck, EvidenceRecord, EvidenceReport, utc_text};
use crate::ui::command::Command;
use crate::ui::context::Ctx;
use crate::ui::fonts::icon;
use crate::ui::inspect::SortBy;
use crate::ui::study::{Evidence, StudyCommand};
use crate::ui::tokens::{self, size, space};
use crate::ui::widgets::button::PushButton;
use crate::ui::widgets::plan_view::{Squares, pointed_words};
use crate::ui::widgets::{clipped_text, dim_label, section_label};

/// Width of what is told beside the plan.
const SIDE: f32 = 420.0;

pub fn evidence_ui(ui: &mut Ui, ctx: &Ctx<'_>, evidence: &Evidence) {
    banner_ui(ui, ctx, &evidence.report);
    let frame = Frame::new().fill(ctx.tokens.ground).inner_margin(Margin::same(space::L as i8));
    let width = SIDE.min(ui.available_width() * 0.45);
    Panel::right("evidence checks").exact_size(width).resizable(false).frame(frame).show(ui, |ui| {
        ScrollArea::vertical().id_salt("evidence").auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::XS + 2.0;
            checks_ui(ui, ctx, &evidence.report);
            ui.add_space(space::M);
            record_ui(ui, ctx, &evidence.report);
        });
    });
    egui::CentralPanel::default().frame(frame).show(ui, |ui| match_ui(ui, ctx, evidence));
}

fn banner_ui(ui: &mut Ui, ctx: &Ctx<'_>, report: &EvidenceReport) {
    let tokens = ctx.tokens;
    let frame = Frame::new().fill(tokens.accent_soft).inner_margin(Margin::symmetric(space::L as i8, space::XS as i8));
    Panel::top("evidence banner").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.set_height(size::CONTROL);
            let name = report.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let text = format!("Read-only evidence: {name}");
            ui.label(RichText::new(icon::INFO).font(tokens::icon()).color(tokens.accent));
            ui.label(RichText::new(&text).font(tokens::strong()).color(tokens.accent))
                .on_hover_text(report.path.display().to_string());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let button = PushButton::new("Close").icon(icon::X).name("Close evidence").key(Some("Esc".to_owned()));
                if button.show(ui, tokens).on_hover_text("Back to what was shown before").clicked() {
                    ctx.send(Command::Study(StudyCommand::CloseEvidence));
                }
            });
        });
    });
}

fn match_ui(ui: &mut Ui, ctx: &Ctx<'_>, evidence: &Evidence) {
    let plan = &evidence.plan;
    let record = &evidence.report.record;
    let pair = &plan.info.pair;
    ui.label(RichText::new(&record.product.name).font(tokens::title()).color(ctx.tokens.text));
    let weight = record.options.structural_weight;
    dim_label(
        ui,
        ctx.tokens,
        format!(
            "Stored score {:.4} = {:.4} global + {weight:.2} × {:.4} structural",
            pair.score, pair.global, pair.structural
        ),
    );
    ui.add_space(space::XS);
    let width = ui.available_width();
    let height = Squares::height_for(width, (ui.available_height() * 0.62).max(140.0));
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, height), Sense::hover());
    views::picture_ui(ui, ctx, plan, Squares::fit(rect));
    let pointed = ctx.session.pointed.and_then(|pointed| pointed_words(plan, pointed));
    dim_label(ui, ctx.tokens, pointed.unwrap_or_else(|| "Point at a cell to see only where its mass goes".to_owned()));
    views::controls_ui(ui, ctx, plan);
    ui.add_space(space::S);
    flows_ui(ui, ctx, plan);
}

/// The plan's textual twin.
fn flows_ui(ui: &mut Ui, ctx: &Ctx<'_>, plan: &crate::ui::state::Plan) {
    let pair = &plan.info.pair;
    let flows = shown_flows(pair, &ctx.prefs.ribbons, None, SortBy::Mass, false);
    let sums = Sums::of(pair, &flows);
    section_label(ui, ctx.tokens, "Stored contributions");
    dim_label(ui, ctx.tokens, format!("Structural score: {:.4}", sums.total));
    let (query, gallery) = (pair.plan.query(), pair.plan.gallery());
    let lines = flows.len() + 1;
    ScrollArea::vertical().id_salt("stored flows").auto_shrink(false).show_rows(ui, 20.0, lines, |ui, rows| {
        for row in rows {
            let words = match flows.get(row) {
                Some(flow) => format!(
                    "{} to {}: mass {:.4} × similarity {:.3} = {:.4}",
                    query.name(flow.query),
                    gallery.name(flow.gallery),
                    flow.mass,
                    pair.similarity[flow.query * gallery.cells() + flow.gallery],
                    sums.shown[row]
                ),
                None => format!("{} more: {:.4}", sums.rest_count, sums.rest),
            };
            dim_label(ui, ctx.tokens, words);
        }
    });
}

fn checks_ui(ui: &mut Ui, ctx: &Ctx<'_>, report: &EvidenceReport) {
    section_label(ui, ctx.tokens, "Verification");
    let color = if report.verifies() { ctx.tokens.up } else { ctx.tokens.danger };
    ui.add(egui::Label::new(RichText::new(report.summary()).font(tokens::strong()).color(color)).wrap());
    for check in &report.checks {
        check_ui(ui, ctx, check);
    }
    let text = "Hashes find what was changed after the writing. They are no signature: who rewrites all of a file can \
                make one that verifies";
    ui.add(egui::Label::new(RichText::new(text).font(tokens::small()).color(ctx.tokens.dim)).wrap());
}

fn check_ui(ui: &mut Ui, ctx: &Ctx<'_>, check: &EvidenceCheck) {
    let tokens = ctx.tokens;
    let (sign, word, color) = match check.state {
        CheckState::Passes => (icon::CHECK_CIRCLE, "passes", tokens.up),
        CheckState::Fails => (icon::X_CIRCLE, "fails", tokens.danger),
        CheckState::Skipped => (icon::MINUS, "was not made", tokens.dim),
    };
    let room = ui.available_width() - 28.0;
    let says = ui.painter().layout(check.says.clone(), tokens::small(), tokens.dim, room);
    let height = 18.0 + says.size().y + space::XS;
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), height), Sense::hover());
    let words = format!("{} {word}: {}", check.what, check.says);
    response.widget_info(|| WidgetInfo::labeled(Role::Row, true, &words));
    let painter = ui.painter();
    painter.text(rect.min + Vec2::new(2.0, 1.0), Align2::LEFT_TOP, sign, tokens::icon(), color);
    let left = rect.left() + 26.0;
    let at = Pos2::new(left, rect.top() + 1.0);
    clipped_text(painter, at, &check.what, tokens::strong(), tokens.text, room);
    painter.galley(Pos2::new(left, rect.top() + 18.0), says, tokens.dim);
}

fn record_ui(ui: &mut Ui, ctx: &Ctx<'_>, report: &EvidenceReport) {
    section_label(ui, ctx.tokens, "Record");
    for (name, value) in record_lines(&report.record) {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::S;
            dim_label(ui, ctx.tokens, name);
            ui.label(RichText::new(value).font(tokens::body()).color(ctx.tokens.text));
        });
    }
}

/// What a record says, line by line.
pub fn record_lines(record: &EvidenceRecord) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("Product", format!("{} ({}, {})", record.product.name, record.product.kind, record.product.product))];
    for (name, photo) in [("Street photo", &record.query), ("Product photo", &record.gallery)] {
        let crop = photo
            .crop
            .map_or_else(|| "the whole".to_owned(), |crop| format!("part {crop} (x, y, width, height in pixels)"));
        let turns = match photo.edit.quarter_turns % 4 {
            0 => "",
            1 => ", turned right",
            2 => ", turned upside down",
            _ => ", turned left",
        };
        let mirrored = if photo.edit.flipped { ", mirrored" } else { "" };
        lines.push((name, format!("{}{turns}{mirrored}, {crop}", photo.name)));
    }
    for further in &record.further {
        lines.push((further.role.name(), further.photo.name.clone()));
    }
    if let Some(paint) = &record.paint {
        let sides = [("street photo", &paint.query), ("product photo", &paint.gallery)];
        let painted = sides.into_iter().filter(|(_, paint)| paint.as_ref().is_some_and(|paint| !paint.is_blank()));
        let names: Vec<&str> = painted.map(|(name, _)| name).collect();
        lines.push(("Painted", if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }));
    }
    if let Some(rank) = record.rank {
        let words =
            format!("{} of {}, {} before structure; as recorded", rank.rank, rank.gallery_size, rank.global_rank);
        lines.push(("Rank", words));
    }
    let decision = match &record.decision {
        Some(said) => {
            let what = if said.same_product { "Same product" } else { "Not this product" };
            format!("{what}, said by {} on {}", said.author, utc_text(said.at_ms))
        }
        None => "None".to_owned(),
    };
    lines.push(("Decision", decision));
    lines.push(("Model", format!("{}, checkpoint {}", record.model.name, record.model.checkpoint)));
    let options = &record.options;
    lines.push((
        "Settings",
        format!(
            "epsilon {}, structural weight {}, re-ranked {}",
            options.epsilon, options.structural_weight, options.rerank
        ),
    ));
    if let Some(project) = &record.project {
        lines.push(("Project", project.clone()));
    }
    lines.push(("Written", format!("{} by {}", utc_text(record.made_ms), record.program)));
    lines
}
