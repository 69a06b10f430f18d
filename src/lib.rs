//! Seamline finds the shop product in a street photo and shows *why* it matches.
//!
//! A photo is cut into a grid of cells, each with a vector from a convolutional network. Photos of the gallery are
//! first ranked by their global vectors; the first of them are then compared cell by cell with optimal transport,
//! whose plan is both a better score and the explanation (DIML, Zhao et al., ICCV 2021).
//!
//! # The house
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`domain`] | plain data and rules: ids, photos, labels, plans, rankings |
//! | [`synth`] | the sample wardrobe: shop shots and street scenes, drawn with known correspondences |
//! | [`ot`] | optimal transport on slices: Sinkhorn, exact, structural score |
//! | [`nn`] | networks on candle, with our own trainable operations; weights and checkpoints |
//! | [`data`] | files to batches: decoding that survives hostile files, augmentation, sampling |
//! | [`project`] | what is saved: SQLite store, label log, undo history |
//! | [`index`] | photos to a searchable store; global and structural search |
//! | [`train`] | losses, optimizers, the trainer, fine-tuning on corrections |
//! | [`eval`] | retrieval metrics, protocols, correctness of plans |
//! | [`jobs`] | the only room that makes threads: what the window asks for and is told |
//! | [`render`] | the plan drawn by wgpu, and its twin on the CPU |
//! | [`ui`] | panels and widgets: they read a context and send commands |
//! | [`app`] | composition root of the window |
//! | [`cli`] | composition root of the terminal |
//!
//! # Who may use whom
//!
//! `domain` is used by all. `ot`, `nn` and `data` know only it; `index`, `train` and `eval` are built on them and on
//! `project`; `jobs` joins those; `render` knows only `domain`; `ui` sees `render` and the types of `jobs`, and never a
//! tensor, a thread, a file or a database. `app` and `cli` put everything together. `tests/layers.rs` holds this.

pub mod app;
pub mod cli;
pub mod data;
pub mod domain;
pub mod eval;
pub mod index;
pub mod jobs;
pub mod nn;
pub mod ot;
pub mod project;
pub mod render;
pub mod synth;
pub mod train;
pub mod ui;
