//! The loop on a wardrobe of a few painted squares, and one step against PyTorch's.

mod backprop;
mod behind;
mod corrections;
mod methods;
mod networks;
mod observing;
mod overfit;
mod policy;
mod recipes;
mod reference;
mod runs;
mod wardrobe;
