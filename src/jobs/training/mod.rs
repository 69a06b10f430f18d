//! What the Train workspace needs besides the thread that trains: recipes, data, and the folders of runs.

pub mod data;
pub mod live;
pub mod recipes;
pub mod runs;
