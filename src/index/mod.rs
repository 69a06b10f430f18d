//! The gallery as the network sees it, kept on disk, and the search through it.
//!
//! `build` embeds photos into `features/<checkpoint>/index.seam` and re-embeds only what changed; `GalleryIndex` maps
//! that file into memory; `Searcher` finds the exact best matches by global vectors and re-ranks the first by
//! structural matching. `Columns` holds what products are filtered by, `rules` and `fold` rearrange what was found. An
//! index in use stays as it is while its successor is built beside it.

mod broken;
mod build;
mod columns;
pub mod combine;
mod compare;
mod dot;
mod embed;
mod epsilon;
mod error;
mod fold;
mod format;
mod rules;
mod search;
mod stored;
pub mod suggest;

pub use build::{BuildReport, GalleryPhoto, begun, build, current};
pub use columns::{Columns, Effects, RowRules};
pub use compare::{
    Beside, KeptPairs, LayerCells, Pairs, embed_layer, explain_features, global_cosine, on_grid, regridded,
};
pub use embed::{Embed, embed_photo};
pub use error::IndexError;
pub use fold::{Alike, designs, fold};
pub use rules::{Arranged, arrange};
pub use search::{Beyond, Scope, Searcher};
pub use stored::{GalleryIndex, IndexedPhoto};

#[cfg(test)]
mod tests;
