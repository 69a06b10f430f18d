mod files;
mod gradients;
mod parity;
