mod pictures;
mod results;
mod scene;
mod shaders;
mod support;
mod views;
mod window;
