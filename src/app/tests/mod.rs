//! The window driven by a scripted background: press, drag and type; look at what was asked; tell an event; look at
//! what the screen says. No file is read and no thread is made.

mod compose;
pub mod fake;
pub mod fake_runs;
mod gallery;
mod goes_with;
mod knobs;
pub mod stage;
mod views;

mod corrections;
mod desk;
mod evidence;
mod keys;
mod layout;
mod photos;
mod plans;
mod results;
mod shelf;
mod study;
mod training;
mod what_if;
