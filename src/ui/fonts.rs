//! The text face and the icons. Nothing is taken from the system, so that pictures repeat everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

use super::tokens;

/// Code points of the icons that are used, by Phosphor's names.
pub mod icon {
    pub const ARROW_DOWN: &str = "\u{e03e}";
    pub const ARROW_LEFT: &str = "\u{e058}";
    pub const ARROW_RIGHT: &str = "\u{e06c}";
    pub const ARROW_UP: &str = "\u{e08e}";
    pub const BROKEN: &str = "\u{e7a8}";
    pub const CARET_DOWN: &str = "\u{e136}";
    pub const CARET_LEFT: &str = "\u{e138}";
    pub const CARET_RIGHT: &str = "\u{e13a}";
    pub const CHECK: &str = "\u{e182}";
    pub const CHECK_CIRCLE: &str = "\u{e184}";
    pub const CLIPBOARD: &str = "\u{e196}";
    pub const CPU: &str = "\u{e610}";
    pub const CUBE: &str = "\u{e1da}";
    pub const FLAME: &str = "\u{e624}";
    pub const FLOPPY: &str = "\u{e248}";
    pub const FOLDER: &str = "\u{e256}";
    pub const GEAR: &str = "\u{e270}";
    pub const GRID: &str = "\u{e296}";
    pub const HANGER: &str = "\u{e7fe}";
    pub const HALF: &str = "\u{e18c}";
    pub const IMAGE: &str = "\u{e2ca}";
    pub const INFO: &str = "\u{e2ce}";
    pub const KEYBOARD: &str = "\u{e2d8}";
    pub const MINUS: &str = "\u{e32a}";
    pub const MOON: &str = "\u{e330}";
    pub const PLAY: &str = "\u{e3d0}";
    pub const PLUS: &str = "\u{e3d4}";
    pub const REDO: &str = "\u{e036}";
    pub const RIBBONS: &str = "\u{e6ec}";
    pub const SEARCH: &str = "\u{e30c}";
    pub const SLIDERS: &str = "\u{e434}";
    pub const STOP: &str = "\u{e46c}";
    pub const SUN: &str = "\u{e472}";
    pub const TAG: &str = "\u{e478}";
    pub const TARGET: &str = "\u{e47c}";
    pub const UNDO: &str = "\u{e038}";
    pub const UPLOAD: &str = "\u{e4c0}";
    pub const WARNING: &str = "\u{e4e0}";
    pub const X: &str = "\u{e4f6}";
    pub const X_CIRCLE: &str = "\u{e4f8}";
    pub const CLOCK: &str = "\u{e1a0}";
    pub const COLUMNS: &str = "\u{e546}";
    pub const DOTS: &str = "\u{e1fe}";
    pub const EXPORT: &str = "\u{eaf0}";
    pub const FUNNEL: &str = "\u{e266}";
    pub const PENCIL: &str = "\u{e3ae}";
    pub const PAUSE: &str = "\u{e39e}";
    pub const PIN: &str = "\u{e3e2}";
    pub const PROHIBIT: &str = "\u{e3de}";
    pub const SCALES: &str = "\u{e750}";
    pub const STACK: &str = "\u{e466}";
    pub const STAR: &str = "\u{e46a}";
    pub const TRASH: &str = "\u{e4a6}";
    pub const TREND_DOWN: &str = "\u{e4ac}";
    pub const TREND_UP: &str = "\u{e4ae}";

    pub const CHECKERBOARD: &str = "\u{e8c4}";
    pub const COPY: &str = "\u{e1ca}";
    pub const CORNERS: &str = "\u{e626}";
    pub const FLIP: &str = "\u{ed6a}";
    pub const IMAGES: &str = "\u{e836}";
    pub const LINK: &str = "\u{e2e2}";
    pub const LIST: &str = "\u{e2f0}";
    pub const MATRIX: &str = "\u{ec8c}";
    pub const PALETTE: &str = "\u{e6c8}";
    pub const PUZZLE: &str = "\u{e596}";
    pub const THUMBS_DOWN: &str = "\u{e48c}";
    pub const THUMBS_UP: &str = "\u{e48e}";
    pub const ZOOM_IN: &str = "\u{e310}";
    pub const ZOOM_OUT: &str = "\u{e30e}";
}

/// Loads the faces that the program carries.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(definitions());
}

fn definitions() -> FontDefinitions {
    let files: [(&str, &'static [u8]); 4] = [
        ("inter", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Inter-Regular.otf"))),
        ("inter-semibold", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Inter-SemiBold.otf"))),
        ("phosphor", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Phosphor.ttf"))),
        ("phosphor-fill", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/Phosphor-Fill.ttf"))),
    ];
    let font_data: BTreeMap<_, _> =
        files.into_iter().map(|(name, bytes)| (name.to_owned(), Arc::new(FontData::from_static(bytes)))).collect();
    let chain = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let families = BTreeMap::from([
        (FontFamily::Proportional, chain(&["inter", "phosphor"])),
        (FontFamily::Monospace, chain(&["inter", "phosphor"])),
        (tokens::semibold(), chain(&["inter-semibold", "phosphor"])),
        (tokens::icons(), chain(&["phosphor", "inter"])),
        (tokens::icons_fill(), chain(&["phosphor-fill", "inter"])),
    ]);
    FontDefinitions { font_data, families }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_each_other_and_every_icon_can_be_drawn() {
        let ctx = egui::Context::default();
        install(&ctx);
        drop(ctx.run_ui(egui::RawInput::default(), |_| {}));
        ctx.fonts_mut(|fonts| {
            for id in [tokens::body(), tokens::strong()] {
                let widths: Vec<f32> = ('0'..='9').map(|digit| fonts.glyph_width(&id, digit)).collect();
                assert!(widths.iter().all(|w| (w - widths[0]).abs() < 0.02), "{widths:?}");
            }
            let icons = [
                icon::ARROW_DOWN,
                icon::ARROW_LEFT,
                icon::ARROW_RIGHT,
                icon::ARROW_UP,
                icon::GEAR,
                icon::SEARCH,
                icon::BROKEN,
                icon::CARET_DOWN,
                icon::CARET_LEFT,
                icon::CARET_RIGHT,
                icon::CHECK,
                icon::CHECK_CIRCLE,
                icon::CLIPBOARD,
                icon::CPU,
                icon::CUBE,
                icon::FLAME,
                icon::FLOPPY,
                icon::FOLDER,
                icon::GRID,
                icon::HANGER,
                icon::HALF,
                icon::IMAGE,
                icon::INFO,
                icon::KEYBOARD,
                icon::MINUS,
                icon::MOON,
                icon::PLAY,
                icon::PLUS,
                icon::REDO,
                icon::RIBBONS,
                icon::SLIDERS,
                icon::STOP,
                icon::SUN,
                icon::TAG,
                icon::TARGET,
                icon::UNDO,
                icon::UPLOAD,
                icon::WARNING,
                icon::X,
                icon::X_CIRCLE,
                icon::CLOCK,
                icon::COLUMNS,
                icon::DOTS,
                icon::EXPORT,
                icon::FUNNEL,
                icon::PENCIL,
                icon::PIN,
                icon::PROHIBIT,
                icon::SCALES,
                icon::STACK,
                icon::STAR,
                icon::TRASH,
                icon::TREND_DOWN,
                icon::TREND_UP,
                icon::CHECKERBOARD,
                icon::COPY,
                icon::CORNERS,
                icon::FLIP,
                icon::IMAGES,
                icon::LINK,
                icon::LIST,
                icon::MATRIX,
                icon::PALETTE,
                icon::PUZZLE,
                icon::THUMBS_DOWN,
                icon::THUMBS_UP,
                icon::ZOOM_IN,
                icon::ZOOM_OUT,
            ];
            for text in icons {
                for family in [tokens::icons(), tokens::icons_fill()] {
                    assert!(fonts.has_glyphs(&egui::FontId::new(14.0, family), text), "{text:?}");
                }
            }
        });
    }
}
