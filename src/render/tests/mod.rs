mod pictures;
mod scene;
mod shaders;
mod support;
mod window;
