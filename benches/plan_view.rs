//! CPU time of the plan view in a frame: what egui_wgpu spends in preparing and recording it.
//!
//! `cargo bench --bench plan_view`. The bar is 4 ms a frame. Nothing is submitted, so a software driver's
//! drawing is not counted.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use seamline::domain::{Grid, PairMatch, Pixels, SquarePicture, TransportPlan};
use seamline::render::{CellRef, PlanCallback, PlanGpu, PlanLayout, PlanScene, PlanStyle, Side};

const SIZE: [u32; 2] = [1400, 640];
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

fn pair() -> PairMatch {
    let grid = Grid::new(7, 7);
    let mut mass: Vec<f32> = (0..49 * 49).map(|at| (-(((at * 131) % 97) as f32) / 12.0).exp()).collect();
    let sum: f32 = mass.iter().sum();
    mass.iter_mut().for_each(|m| *m /= sum);
    let plan = TransportPlan::new(grid, grid, mass);
    PairMatch {
        row_marginal: plan.row_sums(),
        column_marginal: plan.column_sums(),
        similarity: vec![0.8; 49 * 49],
        plan,
        structural: 0.8,
        global: 0.5,
        score: 1.3,
        iterations: 10,
        marginal_error: 1e-3,
        uniform_fallback: false,
    }
}

fn photo() -> SquarePicture {
    let rgba = (0..320u32 * 320 * 4).map(|at| (at % 251) as u8).collect();
    SquarePicture { pixels: Arc::new(Pixels { width: 320, height: 320, rgba }), content: [0.1, 0.0, 0.9, 1.0] }
}

/// A window without a screen.
struct Window {
    device: wgpu::Device,
    queue: wgpu::Queue,
    renderer: Renderer,
    target: wgpu::TextureView,
}

impl Window {
    fn open() -> Option<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = wait(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).ok()?;
        let (device, queue) = wait(adapter.request_device(&wgpu::DeviceDescriptor::default())).ok()?;
        let mut renderer = Renderer::new(&device, FORMAT, RendererOptions::default());
        renderer.callback_resources.insert(PlanGpu::new(&device, FORMAT));
        let target = device
            .create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
                view_formats: &[],
            })
            .create_view(&wgpu::TextureViewDescriptor::default());
        Some(Self { device, queue, renderer, target })
    }

    /// All that a frame does on the CPU for one plan, up to the finished command buffer.
    fn frame(&mut self, scene: &Arc<PlanScene>, style: PlanStyle) -> wgpu::CommandBuffer {
        let layout = PlanLayout::fit(SIZE[0] as f32, SIZE[1] as f32, 120.0);
        let callback = PlanCallback::new(1, scene.clone(), layout, style);
        let rect = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(SIZE[0] as f32, SIZE[1] as f32));
        let jobs = [egui::ClippedPrimitive {
            clip_rect: rect,
            primitive: egui::epaint::Primitive::Callback(egui_wgpu::Callback::new_paint_callback(rect, callback)),
        }];
        let screen = ScreenDescriptor { size_in_pixels: SIZE, pixels_per_point: 1.0 };
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.renderer.update_buffers(&self.device, &self.queue, &mut encoder, &jobs, &screen);
        let mut pass = encoder
            .begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &self.target,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations::default(),
                })],
                ..Default::default()
            })
            .forget_lifetime();
        self.renderer.render(&mut pass, &jobs, &screen);
        drop(pass);
        encoder.finish()
    }
}

fn benches(c: &mut Criterion) {
    let (pair, query, gallery) = (pair(), photo(), photo());
    c.bench_function("plan scene from a match, 7x7", |b| {
        b.iter(|| PlanScene::new(black_box(&pair), &query, &gallery));
    });

    let Some(mut window) = Window::open() else { return };
    let scene = Arc::new(PlanScene::new(&pair, &query, &gallery));
    let mut group = c.benchmark_group("plan view, CPU of a frame");
    group.bench_function("unchanged", |b| b.iter(|| window.frame(&scene, PlanStyle::default())));
    let mut cell = 0;
    group.bench_function("another cell pointed at", |b| {
        b.iter(|| {
            cell = (cell + 1) % 49;
            let hovered = Some(CellRef { side: Side::Query, cell });
            window.frame(&scene, PlanStyle { hovered, ..PlanStyle::default() })
        });
    });
    // What every step of the epsilon slider costs, on top of the transport.
    group.bench_function("another plan of the same photos", |b| {
        b.iter(|| {
            let scene = Arc::new(PlanScene::new(&pair, &query, &gallery));
            window.frame(&scene, PlanStyle::default())
        });
    });
    group.finish();
}

criterion_group!(plan_view, benches);
criterion_main!(plan_view);
