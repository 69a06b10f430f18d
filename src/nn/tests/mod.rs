mod files;
mod gradients;
mod layers;
mod parity;
