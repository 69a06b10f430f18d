mod backbones;
mod files;
mod gradients;
mod heads;
mod layers;
mod parity;
