//! The parts of the window, one file each.

pub mod compare;
pub mod corrections;
pub mod drop_overlay;
pub mod epsilon;
pub mod evidence;
pub mod filters;
pub mod gallery;
pub mod history;
pub mod knobs;
pub mod matching;
pub mod notices;
pub mod pair;
pub mod palette;
pub mod path_sheet;
pub mod picked;
pub mod preferences;
mod preferences_keys;
pub mod query_photo;
pub mod results;
pub mod rules;
pub mod shortcuts;
pub mod status_bar;
pub mod study;
pub mod top_bar;
pub mod views;
pub mod welcome;
pub mod why;
