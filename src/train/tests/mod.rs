//! The loop on a wardrobe of a few painted squares, and one step against PyTorch's.

mod corrections;
mod networks;
mod observing;
mod reference;
mod runs;
mod wardrobe;
