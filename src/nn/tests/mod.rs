mod backbones;
mod exchange;
mod files;
pub(super) mod gradients;
mod heads;
mod int8;
mod layers;
mod parity;
mod worn;
