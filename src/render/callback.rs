//! A plan as a part of an egui window.

use std::sync::Arc;

use egui::PaintCallbackInfo;
use egui_wgpu::{CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};

use super::plan_renderer::{PlanDraw, PlanGpu};
use super::plan_scene::PlanScene;
use super::style::{PlanLayout, PlanStyle};

/// Makes the pipelines; once, when the window opens, before the first [`PlanCallback`].
pub fn install(state: &RenderState) {
    let gpu = PlanGpu::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(gpu);
}

/// Draws one plan; for `egui_wgpu::Callback::new_paint_callback`.
///
/// Views that are on screen at once need different ids: egui keeps one set of resources for a type of
/// callback, and buffers are kept by id in it.
pub struct PlanCallback {
    view_id: u64,
    scene: Arc<PlanScene>,
    layout: PlanLayout,
    style: PlanStyle,
}

impl PlanCallback {
    /// `layout` is in points from the top left of the callback's rectangle.
    pub fn new(view_id: u64, scene: Arc<PlanScene>, layout: PlanLayout, style: PlanStyle) -> Self {
        Self { view_id, scene, layout, style }
    }
}

impl CallbackTrait for PlanCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(gpu) = resources.get_mut::<PlanGpu>() {
            let draw = PlanDraw {
                scene: &self.scene,
                layout: &self.layout,
                style: &self.style,
                pixels_per_point: screen.pixels_per_point,
            };
            gpu.prepare(device, queue, self.view_id, &draw);
        }
        Vec::new()
    }

    fn finish_prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(gpu) = resources.get_mut::<PlanGpu>() {
            gpu.end_frame();
        }
        Vec::new()
    }

    fn paint(&self, info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let Some(gpu) = resources.get::<PlanGpu>() else { return };
        // The viewport that egui has set is cut off at the window's border and would squeeze a picture that
        // is scrolled partly out; this one starts where the rectangle does, also outside the window.
        let [left, top] = [info.viewport.left(), info.viewport.top()].map(|x| (x * info.pixels_per_point).round());
        gpu.draw(pass, self.view_id, left, top);
    }
}
