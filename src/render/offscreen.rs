//! Plans as picture files: drawn by a graphics device where one is found, by the CPU otherwise.

use image::RgbaImage;
use tiny_skia::{Color, IntSize, Pixmap};

use super::RenderError;
use super::cpu_twin;
use super::plan_renderer::{PlanDraw, PlanGpu};
use super::plan_scene::PlanScene;
use super::sheet::{PlanSheet, SheetLayout, annotate};
use super::style::{PlanLayout, PlanStyle};

/// Largest side of a sheet, in pixels.
const LARGEST: u32 = 8192;

/// What draws a sheet's plan. Text and legend are drawn by the CPU in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Painter {
    /// The graphics device where there is one that works, else the CPU.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// Draws a whole sheet: both photos with the plan, names, legend and numbers.
pub fn plan_png(sheet: &PlanSheet<'_>, painter: Painter) -> Result<RgbaImage, RenderError> {
    let layout = SheetLayout::new(sheet);
    let [width, height] = layout.size_px();
    let too_large = RenderError::Size { width, height };
    if width > LARGEST || height > LARGEST {
        return Err(too_large);
    }
    let Some(mut page) = Pixmap::new(width, height) else { return Err(too_large) };
    let [r, g, b] = sheet.theme.ground;
    let ground = Color::from_rgba8(r, g, b, 255);
    page.fill(ground);

    let scene = PlanScene::new(sheet.pair, sheet.query, sheet.gallery);
    let picture = Picture {
        scene: &scene,
        layout: &layout.plan,
        style: &sheet.style,
        size_px: [width, height],
        pixels_per_point: layout.pixels_per_point,
        ground,
    };
    match painter {
        Painter::Cpu => picture.draw_on_cpu(&mut page),
        Painter::Gpu => page = picture.draw_on_gpu()?,
        Painter::Auto => match picture.draw_on_gpu() {
            Ok(drawn) => page = drawn,
            Err(error) => {
                tracing::info!("the plan is drawn without a graphics device: {error}");
                picture.draw_on_cpu(&mut page);
            }
        },
    }
    annotate(&mut page, sheet, &scene, &layout);
    // An opaque ground makes premultiplied and straight colours the same.
    RgbaImage::from_raw(width, height, page.take()).ok_or(RenderError::Size { width, height })
}

/// One drawing of a plan on a ground of one colour.
pub(super) struct Picture<'a> {
    pub scene: &'a PlanScene,
    pub layout: &'a PlanLayout,
    pub style: &'a PlanStyle,
    pub size_px: [u32; 2],
    pub pixels_per_point: f32,
    pub ground: Color,
}

impl Picture<'_> {
    pub fn draw_on_cpu(&self, page: &mut Pixmap) {
        cpu_twin::draw_onto(page, self.scene, self.layout, self.style, [0.0, 0.0], self.pixels_per_point);
    }

    pub fn draw_on_gpu(&self) -> Result<Pixmap, RenderError> {
        let device = Device::open()?;
        let [width, height] = self.size_px;
        if width.max(height) > device.device.limits().max_texture_dimension_2d || width.min(height) == 0 {
            return Err(RenderError::Size { width, height });
        }
        let mut gpu = PlanGpu::new(&device.device, FORMAT);
        let draw = PlanDraw {
            scene: self.scene,
            layout: self.layout,
            style: self.style,
            pixels_per_point: self.pixels_per_point,
        };
        gpu.prepare(&device.device, &device.queue, 0, &draw);
        device.picture(self.size_px, self.ground, |pass| gpu.draw(pass, 0, 0.0, 0.0))
    }
}

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// A graphics device without a window.
pub(super) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
}

impl Device {
    /// Any adapter will do, also one that is software; OpenGL only where there is nothing else.
    pub fn open() -> Result<Self, RenderError> {
        let find = |backends: wgpu::Backends| {
            let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
            descriptor.backends &= backends;
            wait(wgpu::Instance::new(descriptor).request_adapter(&wgpu::RequestAdapterOptions::default()))
        };
        let adapter =
            find(wgpu::Backends::PRIMARY).or_else(|_| find(wgpu::Backends::all())).map_err(RenderError::NoAdapter)?;
        let (device, queue) = wait(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("plan picture"),
            required_limits: wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits()),
            ..Default::default()
        }))
        .map_err(RenderError::Device)?;
        Ok(Self { device, queue })
    }

    /// Runs one pass over a cleared target and reads it back.
    pub fn picture(
        &self,
        [width, height]: [u32; 2],
        ground: Color,
        draw: impl FnOnce(&mut wgpu::RenderPass<'_>),
    ) -> Result<Pixmap, RenderError> {
        let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
        let target = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("plan picture"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let row = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("plan picture"),
            size: u64::from(row) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let view = target.create_view(&wgpu::TextureViewDescriptor::default());
            let ground = ground.premultiply();
            let [r, g, b, a] = [ground.red(), ground.green(), ground.blue(), ground.alpha()].map(f64::from);
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("plan picture"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a }),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            draw(&mut pass);
        }
        encoder.copy_texture_to_buffer(
            target.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
            },
            size,
        );
        self.queue.submit([encoder.finish()]);

        let (sender, receiver) = std::sync::mpsc::channel();
        // Nobody listens any more only after an error below, which is told already.
        buffer.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
        let failed = |error: &dyn std::fmt::Display| RenderError::ReadBack(error.to_string());
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| failed(&e))?;
        receiver.recv().map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
        let mapped = buffer.get_mapped_range(..).map_err(|e| failed(&e))?;
        let pixels: Vec<u8> =
            mapped.chunks_exact(row as usize).flat_map(|line| &line[..4 * width as usize]).copied().collect();
        IntSize::from_wh(width, height)
            .and_then(|size| Pixmap::from_vec(pixels, size))
            .ok_or(RenderError::Size { width, height })
    }
}

/// Waits for a future of wgpu, which on native platforms is ready at once.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}
