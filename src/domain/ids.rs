//! Names of things. Text ids are cheap to clone and read the same in SQL, JSON and on screen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// A photo of a project: its path inside the project folder, with `/` between parts.
    PhotoId
}
text_id! {
    /// A product of the shop, as the shop itself names it.
    ProductId
}
text_id! {
    /// One training run; also the name of its folder under `runs/`.
    RunId
}
text_id! {
    /// A set of weights: the first 16 hexadecimal digits of the BLAKE3 hash of the weights file.
    CheckpointId
}

/// One search of this session. A later search has a larger id, so stale answers are recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueryId(pub u64);

impl QueryId {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
