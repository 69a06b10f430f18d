//! Every colour and size of the window. No other file of this room has either.

use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2, Visuals};

/// Steps of the spacing scale, in points.
pub mod space {
    pub const XS: f32 = 4.0;
    pub const S: f32 = 8.0;
    pub const M: f32 = 12.0;
    pub const L: f32 = 16.0;
    pub const XL: f32 = 24.0;
}

/// Sizes of the type scale, in points.
pub mod text {
    pub const HERO: f32 = 22.0;
    pub const TITLE: f32 = 15.0;
    pub const BODY: f32 = 13.0;
    pub const SMALL: f32 = 11.5;
    pub const LABEL: f32 = 11.0;
    pub const ICON: f32 = 15.0;
    pub const ICON_HERO: f32 = 40.0;
}

pub mod radius {
    pub const CONTROL: u8 = 6;
    pub const TILE: u8 = 8;
    pub const BADGE: u8 = 5;
    pub const SHEET: u8 = 10;
}

/// Sizes of bars, controls and pictures, in points.
pub mod size {
    pub const TOP_BAR: f32 = 44.0;
    pub const STATUS_BAR: f32 = 24.0;
    pub const CONTROL: f32 = 26.0;
    pub const CHIP: f32 = 24.0;
    pub const SLIDER_ROW: f32 = 34.0;
    pub const SLIDER_RAIL: f32 = 3.0;
    pub const SLIDER_KNOB: f32 = 7.0;
    pub const BAR: f32 = 4.0;
    pub const PROGRESS: f32 = 5.0;
    pub const HAIR: f32 = 1.0;
    pub const RING: f32 = 2.0;
    pub const TILE_MIN: f32 = 118.0;
    pub const TILE_MAX: f32 = 196.0;
    pub const TILE_TEXT: f32 = 60.0;
    pub const TABLE_ROW: f32 = 22.0;
    pub const HANDLE: f32 = 4.0;
    pub const HANDLE_GRAB: f32 = 8.0;
    pub const LEGEND_KEY: f32 = 24.0;
    pub const SWATCH: f32 = 8.0;
    pub const EXAMPLE: f32 = 104.0;
    pub const NOTICE: f32 = 360.0;
    pub const SHEET: f32 = 640.0;
    pub const PALETTE: f32 = 600.0;
    pub const PALETTE_LIST: f32 = 396.0;
    pub const PALETTE_ROW: f32 = 30.0;
    pub const SEARCH_FIELD: f32 = 226.0;
    pub const WELCOME: f32 = 720.0;
    pub const PLAN_GAP_SHARE: f32 = 0.16;
    pub const PLAN_SIDE_MAX: f32 = 620.0;
    pub const DOT: f32 = 7.0;
    pub const MATRIX_BAR: f32 = 26.0;
    /// A photo beside the matrix is at least so large.
    pub const MATRIX_PHOTO: f32 = 64.0;
    pub const SCALE: f32 = 200.0;
    pub const SCALE_TEXT: f32 = 44.0;
    pub const QUERY_PHOTO_MAX: f32 = 300.0;
}

/// How long a change of place takes, in seconds; nothing moves with reduced motion.
pub const SLIDE_SECS: f64 = 0.28;
/// How long one plan takes to turn into another.
pub const MORPH_SECS: f64 = 0.2;
/// How long a notice that asks for nothing stays, in seconds.
pub const NOTICE_SECS: f64 = 6.0;

/// The colours of one theme.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    pub dark: bool,
    pub ground: Color32,
    pub panel: Color32,
    pub text: Color32,
    pub dim: Color32,
    pub line: Color32,
    pub accent: Color32,
    pub accent_soft: Color32,
    /// Text on a filled accent.
    pub on_accent: Color32,
    pub up: Color32,
    pub down: Color32,
    pub chip: Color32,
    pub chip_hover: Color32,
    /// The ground of a photo, and the padding around one.
    pub photo: Color32,
    /// Text and lines on `photo`, the same in both themes.
    pub on_photo: Color32,
    pub on_photo_dim: Color32,
    pub badge: Color32,
    pub badge_line: Color32,
    pub up_on_photo: Color32,
    pub down_on_photo: Color32,
    /// The global part of a score bar, next to the structural part in `accent`.
    pub bar_global: Color32,
    pub knob: Color32,
    pub danger: Color32,
    /// Over the part of a photo that is not searched.
    pub veil: Color32,
    /// Over the whole window while a file hovers.
    pub overlay: Color32,
    pub grid_line: Color32,
    pub handle: Color32,
    pub handle_line: Color32,
    /// Who gains, on photos: two hues that colour-blind people tell apart, always with a mark.
    pub gain: Color32,
    pub loss: Color32,
    pub shadow: Color32,
    /// Lines of charts, in the order of their use; the first is the accent.
    pub series: [Color32; 6],
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

impl Tokens {
    pub fn light() -> Self {
        Self {
            dark: false,
            ground: rgb(0xf4f4f1),
            panel: rgb(0xffffff),
            text: rgb(0x1b1c1f),
            dim: rgb(0x63666c),
            line: rgb(0xe3e3df),
            accent: rgb(0x5146d8),
            accent_soft: rgb(0xe9e7fb),
            on_accent: rgb(0xffffff),
            up: rgb(0x1f7a6d),
            down: rgb(0x9a5300),
            chip: rgb(0xeaeae5),
            chip_hover: rgb(0xe0e0da),
            bar_global: rgb(0x76797f),
            knob: rgb(0xffffff),
            danger: rgb(0xb3261e),
            overlay: Color32::from_rgba_premultiplied(0xe6, 0xe6, 0xe3, 0xf0),
            shadow: Color32::from_black_alpha(28),
            series: [0x5146d8, 0x0f766e, 0xb45309, 0xa21c6f, 0x1d74c4, 0x5b5f66].map(rgb),
            ..Self::shared()
        }
    }

    pub fn dark() -> Self {
        Self {
            dark: true,
            ground: rgb(0x131315),
            panel: rgb(0x1b1b1e),
            text: rgb(0xececea),
            dim: rgb(0x9b9ca2),
            line: rgb(0x2c2c31),
            accent: rgb(0x9a90ff),
            accent_soft: rgb(0x2b2849),
            on_accent: rgb(0x131315),
            up: rgb(0x5cc9b6),
            down: rgb(0xe0a458),
            chip: rgb(0x26262a),
            chip_hover: rgb(0x303036),
            bar_global: rgb(0x97989e),
            knob: rgb(0x26262a),
            danger: rgb(0xff8a80),
            overlay: Color32::from_rgba_premultiplied(0x12, 0x12, 0x14, 0xf0),
            shadow: Color32::from_black_alpha(120),
            series: [0x9a90ff, 0x5cc9b6, 0xe0a458, 0xf08cc0, 0x6cb6f5, 0xa9abb3].map(rgb),
            ..Self::shared()
        }
    }

    /// What lies on photos, which look the same in both themes.
    fn shared() -> Self {
        let none = Color32::TRANSPARENT;
        Self {
            dark: false,
            ground: none,
            panel: none,
            text: none,
            dim: none,
            line: none,
            accent: none,
            accent_soft: none,
            on_accent: none,
            up: none,
            down: none,
            chip: none,
            chip_hover: none,
            photo: rgb(0xf9f9f7),
            on_photo: rgb(0x1b1c1f),
            on_photo_dim: rgb(0x63666c),
            badge: Color32::from_rgba_premultiplied(0xf6, 0xf6, 0xf6, 0xf6),
            badge_line: Color32::from_black_alpha(18),
            up_on_photo: rgb(0x1f7a6d),
            down_on_photo: rgb(0x9a5300),
            bar_global: none,
            knob: none,
            danger: none,
            veil: Color32::from_black_alpha(118),
            overlay: none,
            grid_line: Color32::from_white_alpha(51),
            handle: rgb(0xffffff),
            handle_line: rgb(0x3a3b40),
            gain: rgb(0x1f6fd6),
            loss: rgb(0xe06a00),
            shadow: none,
            series: [none; 6],
        }
    }

    pub fn of(theme: Theme) -> Self {
        match theme {
            Theme::Light => Self::light(),
            Theme::Dark => Self::dark(),
        }
    }

    /// Over the window while the palette is open; lighter than under a sheet, since results show through.
    /// Over what is chosen together with others.
    pub fn picked(&self) -> Color32 {
        self.accent.gamma_multiply(0.16)
    }

    pub fn veil_soft(&self) -> Color32 {
        Color32::from_black_alpha(if self.dark { 96 } else { 48 })
    }

    pub fn hairline(&self) -> Stroke {
        Stroke::new(size::HAIR, self.line)
    }

    pub fn ring(&self) -> Stroke {
        Stroke::new(size::RING, self.accent)
    }

    pub fn sheet_shadow(&self) -> Shadow {
        Shadow { offset: [0, 6], blur: 24, spread: 0, color: self.shadow }
    }
}

/// A colour of the plan, which `render` computes.
pub fn opaque([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// The same, in 0..=1 a channel.
pub fn srgb(color: [f32; 3]) -> Color32 {
    let [r, g, b] = color.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8);
    opaque([r, g, b])
}

/// The semibold cut of the text face.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// Icons in outline.
pub fn icons() -> FontFamily {
    FontFamily::Name("icons".into())
}

/// Icons filled, for states that are on.
pub fn icons_fill() -> FontFamily {
    FontFamily::Name("icons-fill".into())
}

pub fn body() -> FontId {
    FontId::new(text::BODY, FontFamily::Proportional)
}

pub fn strong() -> FontId {
    FontId::new(text::BODY, semibold())
}

pub fn small() -> FontId {
    FontId::new(text::SMALL, FontFamily::Proportional)
}

pub fn small_strong() -> FontId {
    FontId::new(text::SMALL, semibold())
}

pub fn title() -> FontId {
    FontId::new(text::TITLE, semibold())
}

/// What is typed into the palette.
pub fn title_plain() -> FontId {
    FontId::new(text::TITLE, FontFamily::Proportional)
}

pub fn hero() -> FontId {
    FontId::new(text::HERO, semibold())
}

pub fn label() -> FontId {
    FontId::new(text::LABEL, semibold())
}

/// The smallest size, for figures beside others.
pub fn label_plain() -> FontId {
    FontId::new(text::LABEL, FontFamily::Proportional)
}

pub fn icon() -> FontId {
    FontId::new(text::ICON, icons())
}

/// Gives egui's own widgets the same colours and sizes.
pub fn install(ctx: &egui::Context) {
    for theme in [Theme::Light, Theme::Dark] {
        ctx.style_mut_of(theme, |style| apply(style, &Tokens::of(theme)));
    }
}

fn apply(style: &mut Style, tokens: &Tokens) {
    style.text_styles = [
        (TextStyle::Heading, title()),
        (TextStyle::Body, body()),
        (TextStyle::Button, body()),
        (TextStyle::Monospace, body()),
        (TextStyle::Small, small()),
    ]
    .into();
    style.drag_value_text_style = TextStyle::Body;

    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(space::S, space::S);
    spacing.button_padding = Vec2::new(9.0, space::XS);
    spacing.interact_size = Vec2::new(size::CONTROL, size::CONTROL);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.menu_width = 260.0;
    spacing.tooltip_width = 320.0;
    spacing.scroll.floating = true;
    spacing.scroll.bar_width = 8.0;
    spacing.scroll.floating_width = 4.0;
    spacing.scroll.foreground_color = false;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style.visuals = visuals(tokens);
}

fn visuals(tokens: &Tokens) -> Visuals {
    let mut visuals = if tokens.dark { Visuals::dark() } else { Visuals::light() };
    let control = CornerRadius::same(radius::CONTROL);
    visuals.panel_fill = tokens.ground;
    visuals.window_fill = tokens.panel;
    visuals.window_stroke = tokens.hairline();
    visuals.window_corner_radius = CornerRadius::same(radius::SHEET);
    visuals.menu_corner_radius = CornerRadius::same(radius::TILE);
    visuals.window_shadow = tokens.sheet_shadow();
    visuals.popup_shadow = tokens.sheet_shadow();
    visuals.extreme_bg_color = tokens.panel;
    visuals.faint_bg_color = tokens.chip;
    visuals.weak_text_color = Some(tokens.dim);
    visuals.hyperlink_color = tokens.accent;
    visuals.warn_fg_color = tokens.down;
    visuals.error_fg_color = tokens.danger;
    visuals.selection.bg_fill = tokens.accent_soft;
    visuals.selection.stroke = Stroke::new(size::HAIR, tokens.accent);
    let states = [
        (&mut visuals.widgets.noninteractive, tokens.chip, tokens.hairline()),
        (&mut visuals.widgets.inactive, tokens.chip, Stroke::NONE),
        (&mut visuals.widgets.hovered, tokens.chip_hover, Stroke::NONE),
        (&mut visuals.widgets.active, tokens.chip_hover, Stroke::NONE),
        (&mut visuals.widgets.open, tokens.chip_hover, Stroke::NONE),
    ];
    for (state, fill, stroke) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = stroke;
        state.fg_stroke = Stroke::new(size::HAIR, tokens.text);
        state.corner_radius = control;
        state.expansion = 0.0;
    }
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.1 relative luminance.
    fn luminance(color: Color32) -> f64 {
        let channel = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(color.r()) + 0.7152 * channel(color.g()) + 0.0722 * channel(color.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    /// As eyes without one kind of cones see it: Machado, Oliveira and Fernandes 2009, severity 1.0, on linear light.
    fn seen_without(matrix: [[f64; 3]; 3], color: Color32) -> [f64; 3] {
        let linear = |v: u8| (f64::from(v) / 255.0).powf(2.2);
        let rgb = [linear(color.r()), linear(color.g()), linear(color.b())];
        matrix.map(|row| row.iter().zip(rgb).map(|(m, c)| m * c).sum::<f64>().clamp(0.0, 1.0).powf(1.0 / 2.2))
    }

    #[test]
    fn the_first_lines_of_a_chart_differ_for_eyes_of_every_kind() {
        let none = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let protan =
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]];
        let deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
        for t in [Tokens::light(), Tokens::dark()] {
            for (index, &color) in t.series.iter().enumerate() {
                let ratio = contrast(color, t.panel);
                assert!(ratio >= 3.0, "line {index}, dark {}: contrast {ratio:.2}", t.dark);
            }
            for matrix in [none, protan, deutan] {
                for a in 0..3 {
                    for b in a + 1..3 {
                        let [x, y] = [a, b].map(|index| seen_without(matrix, t.series[index]));
                        let apart = x.iter().zip(y).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                        assert!(apart >= 0.25, "lines {a} and {b}, dark {}: {apart:.2}", t.dark);
                    }
                }
            }
        }
    }

    #[test]
    fn text_stands_out_from_its_ground_in_both_themes() {
        for t in [Tokens::light(), Tokens::dark()] {
            let pairs = [
                (t.text, t.ground),
                (t.text, t.panel),
                (t.text, t.chip),
                (t.text, t.chip_hover),
                (t.dim, t.ground),
                (t.dim, t.panel),
                (t.accent, t.accent_soft),
                (t.accent, t.panel),
                (t.on_accent, t.accent),
                (t.up, t.ground),
                (t.down, t.ground),
                (t.danger, t.panel),
                (t.on_photo, t.photo),
                (t.on_photo_dim, t.photo),
                (t.up_on_photo, t.photo),
                (t.down_on_photo, t.photo),
            ];
            for (index, (text, ground)) in pairs.into_iter().enumerate() {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "pair {index}, dark {}: contrast {ratio:.2}", t.dark);
            }
        }
    }
}
