//! The parts of the window, one file each.

pub mod corrections;
pub mod drop_overlay;
pub mod left;
pub mod matching;
pub mod notices;
pub mod pair;
pub mod path_sheet;
pub mod query_photo;
pub mod results;
pub mod shortcuts;
pub mod status_bar;
pub mod top_bar;
pub mod welcome;
pub mod why;

use egui::{Frame, Margin};

use super::tokens::{Tokens, space};

/// How wide the side panels are at first, for a window of some width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sides {
    pub left: f32,
    pub right: f32,
    /// The most that each may take, so that the results keep some room.
    pub left_max: f32,
    pub right_max: f32,
}

impl Sides {
    pub fn of(width: f32) -> Self {
        let left = (width * 0.175).clamp(212.0, 300.0);
        let right = (width * 0.42).clamp(360.0, 1100.0);
        Self { left, right, left_max: (width * 0.3).max(left), right_max: (width - left - 300.0).max(right) }
    }
}

/// The ground and margin of a side panel.
fn panel_frame(tokens: &Tokens) -> Frame {
    Frame::new().fill(tokens.ground).inner_margin(Margin::symmetric(space::L as i8, space::M as i8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_room_from_the_narrowest_to_the_widest_window() {
        for width in [960.0, 1280.0, 1440.0, 2560.0, 3840.0] {
            let sides = Sides::of(width);
            assert!(width - sides.left - sides.right >= 300.0, "{width}: {sides:?}");
            assert!(sides.left_max >= sides.left && sides.right_max >= sides.right);
        }
    }
}
