//! Draws plans with wgpu: pipelines that never change, and for each view the buffers of its scene.

use std::collections::HashMap;
use std::sync::Arc;

use wgpu::util::{DeviceExt as _, TextureDataOrder};

use super::color::{STEPS, bytes, sequential};
use super::gpu_types::{END_VERTICES, FlowInstance, PlanUniforms, RIBBON_VERTICES};
use super::picture::levels;
use super::plan_scene::{PlanScene, SceneSide, Shown};
use super::shader::resolve;
use super::style::{PlanLayout, PlanStyle, Side};
use crate::domain::Pixels;

/// Frames that a view may stay undrawn before its buffers are freed.
const KEEP_FRAMES: u64 = 2;

/// Pipelines for one target format, and what each view drew last.
pub struct PlanGpu {
    pipelines: Pipelines,
    view_layout: wgpu::BindGroupLayout,
    picture_layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    /// The two values of a picture's `side`.
    sides: wgpu::Buffer,
    views: HashMap<u64, View>,
    /// Of a texture or viewport on this device, in pixels.
    largest_side: f32,
    frame: u64,
    /// Whether this frame's end was counted already: every callback reports it.
    frame_ended: bool,
}

struct Pipelines {
    picture: wgpu::RenderPipeline,
    base_ribbon: wgpu::RenderPipeline,
    base_end: wgpu::RenderPipeline,
    lit_ribbon: wgpu::RenderPipeline,
    lit_end: wgpu::RenderPipeline,
}

/// Buffers of one view.
struct View {
    last_frame: u64,
    /// `None` while there is nothing to draw.
    shown: Option<Shown>,
    view_size: [f32; 2],
    uniforms: wgpu::Buffer,
    view_group: wgpu::BindGroup,
    written: Option<PlanUniforms>,
    scene: SceneBuffers,
}

/// What depends on the scene alone.
struct SceneBuffers {
    id: u64,
    query_photo: Photo,
    gallery_photo: Photo,
    query_group: wgpu::BindGroup,
    gallery_group: wgpu::BindGroup,
    /// By mass, then by query cell, then by gallery cell.
    instances: wgpu::Buffer,
    flows: usize,
}

/// A photo's texture; kept while scenes change but the photo does not.
#[derive(Clone)]
struct Photo {
    pixels: Arc<Pixels>,
    view: wgpu::TextureView,
}

impl PlanGpu {
    /// `format` should be in gamma space, as egui's is.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let view_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("plan view"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: wgpu::BufferSize::new(size_of::<PlanUniforms>() as u64),
                },
                count: None,
            }],
        });
        let texture = |binding, filterable| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: wgpu::BindingType::Texture {
                sample_type: wgpu::TextureSampleType::Float { filterable },
                view_dimension: wgpu::TextureViewDimension::D2,
                multisampled: false,
            },
            count: None,
        };
        let picture_layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("plan picture"),
            entries: &[
                texture(0, true),
                wgpu::BindGroupLayoutEntry {
                    binding: 1,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
                    count: None,
                },
                texture(2, false),
                texture(3, false),
                texture(4, false),
                texture(5, false),
            ],
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("plan photo"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..Default::default()
        });
        let sides = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("plan sides"),
            contents: bytemuck::cast_slice(&[0u32, 1u32]),
            usage: wgpu::BufferUsages::VERTEX,
        });
        let pipelines = Pipelines::new(device, format, &view_layout, &picture_layout);
        Self {
            pipelines,
            view_layout,
            picture_layout,
            sampler,
            sides,
            views: HashMap::new(),
            largest_side: device.limits().max_texture_dimension_2d as f32,
            frame: 0,
            frame_ended: true,
        }
    }

    /// Brings a view's buffers up to date. A new scene uploads buffers; a new layout or style writes one
    /// uniform, and only where it changed.
    pub(super) fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, id: u64, draw: &PlanDraw<'_>) {
        if self.frame_ended {
            self.frame += 1;
            self.frame_ended = false;
        }
        let [right, bottom] = draw.layout.extent();
        let view_size = [right, bottom].map(|x| (x * draw.pixels_per_point).ceil().max(1.0));
        let drawable = draw.layout.is_drawable()
            && draw.pixels_per_point > 0.0
            && view_size.iter().all(|&x| x <= self.largest_side)
            && [Side::Query, Side::Gallery]
                .iter()
                .all(|&side| draw.scene.side(side).grid.cells() > 0 && draw.style.window(side).is_drawable());
        if !drawable {
            if let Some(view) = self.views.get_mut(&id) {
                view.shown = None;
                view.last_frame = self.frame;
            }
            return;
        }

        let old = self.views.remove(&id);
        let mut view = match old {
            Some(view) if view.scene.id == draw.scene.id() => view,
            Some(mut view) => {
                view.scene = self.scene_buffers(device, queue, draw.scene, Some(&view.scene));
                view
            }
            None => self.new_view(device, queue, draw.scene),
        };
        let uniforms = PlanUniforms::new(draw.scene, draw.layout, draw.style, view_size, draw.pixels_per_point);
        if view.written != Some(uniforms) {
            queue.write_buffer(&view.uniforms, 0, bytemuck::bytes_of(&uniforms));
            view.written = Some(uniforms);
        }
        view.view_size = view_size;
        view.shown = Some(draw.scene.shown(draw.style));
        view.last_frame = self.frame;
        self.views.insert(id, view);
    }

    /// Frees the buffers of views that were not drawn lately. May be called once for every view.
    pub(super) fn end_frame(&mut self) {
        if !self.frame_ended {
            self.frame_ended = true;
            let oldest = self.frame.saturating_sub(KEEP_FRAMES);
            self.views.retain(|_, view| view.last_frame >= oldest);
        }
    }

    /// Draws a prepared view with its top left at this pixel of the target, which may lie outside it.
    pub(super) fn draw(&self, pass: &mut wgpu::RenderPass<'_>, id: u64, left: f32, top: f32) {
        let Some((view, shown)) = self.views.get(&id).and_then(|view| Some((view, view.shown.as_ref()?))) else {
            return;
        };
        let [width, height] = view.view_size;
        // Further out than a device takes is far out of sight.
        let reach = 2.0 * self.largest_side;
        if left < -reach || top < -reach || left + width > reach - 1.0 || top + height > reach - 1.0 {
            return;
        }
        pass.set_viewport(left, top, width, height, 0.0, 1.0);
        pass.set_bind_group(0, &view.view_group, &[]);

        pass.set_pipeline(&self.pipelines.picture);
        for (side, group) in [(0, &view.scene.query_group), (1, &view.scene.gallery_group)] {
            pass.set_bind_group(1, group, &[]);
            pass.set_vertex_buffer(0, self.sides.slice(4 * side..4 * side + 4));
            pass.draw(0..4, 0..1);
        }

        let base = shown.base.clone();
        let lit = match shown.lit_side {
            Some(Side::Query) => shown.lit.start + view.scene.flows..shown.lit.end + view.scene.flows,
            Some(Side::Gallery) => shown.lit.start + 2 * view.scene.flows..shown.lit.end + 2 * view.scene.flows,
            None => 0..0,
        };
        let p = &self.pipelines;
        for (flows, ribbon, end) in [(base, &p.base_ribbon, &p.base_end), (lit, &p.lit_ribbon, &p.lit_end)] {
            if flows.is_empty() {
                continue;
            }
            let stride = size_of::<FlowInstance>() as u64;
            // A slice and not a first instance, which OpenGL does not have.
            pass.set_vertex_buffer(
                0,
                view.scene.instances.slice(flows.start as u64 * stride..flows.end as u64 * stride),
            );
            for (pipeline, vertices) in [(ribbon, RIBBON_VERTICES), (end, END_VERTICES)] {
                pass.set_pipeline(pipeline);
                pass.draw(0..vertices, 0..flows.len() as u32);
            }
        }
    }

    /// The buffer of a view's flows; equal to itself only.
    #[cfg(test)]
    pub(super) fn instances(&self, id: u64) -> Option<wgpu::Buffer> {
        self.views.get(&id).map(|view| view.scene.instances.clone())
    }

    #[cfg(test)]
    pub(super) fn view_count(&self) -> usize {
        self.views.len()
    }

    fn new_view(&self, device: &wgpu::Device, queue: &wgpu::Queue, scene: &PlanScene) -> View {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("plan uniforms"),
            size: size_of::<PlanUniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let view_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("plan view"),
            layout: &self.view_layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() }],
        });
        View {
            last_frame: self.frame,
            shown: None,
            view_size: [1.0; 2],
            uniforms,
            view_group,
            written: None,
            scene: self.scene_buffers(device, queue, scene, None),
        }
    }

    fn scene_buffers(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scene: &PlanScene,
        old: Option<&SceneBuffers>,
    ) -> SceneBuffers {
        let kept = |pixels: &Arc<Pixels>| {
            let old = old?;
            [&old.query_photo, &old.gallery_photo].into_iter().find(|photo| Arc::ptr_eq(&photo.pixels, pixels)).cloned()
        };
        let photo = |side: &SceneSide| {
            let pixels = &side.picture.pixels;
            kept(pixels).unwrap_or_else(|| Photo { pixels: pixels.clone(), view: photo_texture(device, queue, pixels) })
        };
        let (query_photo, gallery_photo) = (photo(&scene.query), photo(&scene.gallery));
        let (query_cells, gallery_cells) =
            (cell_texture(device, queue, &scene.query), cell_texture(device, queue, &scene.gallery));
        let masses: Vec<[f32; 2]> =
            scene.now.shares.iter().zip(&scene.was().shares).map(|(&now, &was)| [now, was]).collect();
        let masses = texture(
            device,
            queue,
            "plan masses",
            [scene.gallery.grid.cells() as u32, scene.query.grid.cells() as u32],
            wgpu::TextureFormat::Rg32Float,
            bytemuck::cast_slice(&masses),
        );
        let scale: Vec<u8> = (0..STEPS)
            .flat_map(|step| {
                let [r, g, b] = bytes(sequential(step as f32 / (STEPS - 1) as f32));
                [r, g, b, 255]
            })
            .collect();
        let scale = texture(device, queue, "scale", [STEPS as u32, 1], wgpu::TextureFormat::Rgba8Unorm, &scale);
        let group = |photo: &Photo, cells: &wgpu::TextureView| {
            let view =
                |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("plan picture"),
                layout: &self.picture_layout,
                entries: &[
                    view(0, &photo.view),
                    wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&self.sampler) },
                    view(2, cells),
                    view(3, &query_cells),
                    view(4, &masses),
                    view(5, &scale),
                ],
            })
        };

        let flows = scene.flows();
        let order =
            (0..flows.len()).chain(scene.query.by_cell.iter().copied()).chain(scene.gallery.by_cell.iter().copied());
        let instances: Vec<FlowInstance> =
            order.map(|index| FlowInstance::new(&flows[index], scene.color_of(flows[index].query))).collect();
        let instances = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("plan flows"),
            contents: bytemuck::cast_slice(&instances),
            usage: wgpu::BufferUsages::VERTEX,
        });
        SceneBuffers {
            id: scene.id(),
            query_group: group(&query_photo, &query_cells),
            gallery_group: group(&gallery_photo, &gallery_cells),
            query_photo,
            gallery_photo,
            instances,
            flows: flows.len(),
        }
    }
}

/// One drawing: what, where and how.
pub(super) struct PlanDraw<'a> {
    pub scene: &'a PlanScene,
    pub layout: &'a PlanLayout,
    pub style: &'a PlanStyle,
    pub pixels_per_point: f32,
}

impl Pipelines {
    fn new(
        device: &wgpu::Device,
        format: wgpu::TextureFormat,
        view_layout: &wgpu::BindGroupLayout,
        picture_layout: &wgpu::BindGroupLayout,
    ) -> Self {
        let module = |path: &str| {
            device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(path),
                source: wgpu::ShaderSource::Wgsl(resolve(path).into()),
            })
        };
        let layout = |label, groups: &[Option<&wgpu::BindGroupLayout>]| {
            device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(label),
                bind_group_layouts: groups,
                immediate_size: 0,
            })
        };
        let pipeline = |layout: &wgpu::PipelineLayout,
                        module: &wgpu::ShaderModule,
                        vertex: &str,
                        fragment: &str,
                        topology: wgpu::PrimitiveTopology,
                        buffer: wgpu::VertexBufferLayout<'_>| {
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(vertex),
                layout: Some(layout),
                vertex: wgpu::VertexState {
                    module,
                    entry_point: Some(vertex),
                    compilation_options: Default::default(),
                    buffers: &[Some(buffer)],
                },
                primitive: wgpu::PrimitiveState { topology, ..Default::default() },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module,
                    entry_point: Some(fragment),
                    compilation_options: Default::default(),
                    targets: &[Some(wgpu::ColorTargetState {
                        format,
                        blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                        write_mask: wgpu::ColorWrites::ALL,
                    })],
                }),
                multiview_mask: None,
                cache: None,
            })
        };

        let picture_module = module("plan_picture.wgsl");
        let picture = pipeline(
            &layout("plan picture", &[Some(view_layout), Some(picture_layout)]),
            &picture_module,
            "picture_vertex",
            "picture_fragment",
            wgpu::PrimitiveTopology::TriangleStrip,
            wgpu::VertexBufferLayout {
                array_stride: 4,
                step_mode: wgpu::VertexStepMode::Instance,
                attributes: &wgpu::vertex_attr_array![0 => Uint32],
            },
        );
        let ribbon_module = module("plan_ribbon.wgsl");
        let ribbon_layout = layout("plan ribbon", &[Some(view_layout)]);
        let of_flow = |vertex: &str, topology| {
            let buffer = wgpu::VertexBufferLayout {
                array_stride: size_of::<FlowInstance>() as u64,
                step_mode: wgpu::VertexStepMode::Instance,
                attributes: &FlowInstance::ATTRIBUTES,
            };
            pipeline(&ribbon_layout, &ribbon_module, vertex, "edge_fragment", topology, buffer)
        };
        Self {
            picture,
            base_ribbon: of_flow("base_ribbon_vertex", wgpu::PrimitiveTopology::TriangleStrip),
            base_end: of_flow("base_end_vertex", wgpu::PrimitiveTopology::TriangleList),
            lit_ribbon: of_flow("lit_ribbon_vertex", wgpu::PrimitiveTopology::TriangleStrip),
            lit_end: of_flow("lit_end_vertex", wgpu::PrimitiveTopology::TriangleList),
        }
    }
}

fn photo_texture(device: &wgpu::Device, queue: &wgpu::Queue, pixels: &Pixels) -> wgpu::TextureView {
    let largest = device.limits().max_texture_dimension_2d;
    let mut levels = levels(pixels);
    // A photo beyond what the device can hold is shown from its first half that fits.
    let first = levels.iter().position(|level| level.width.max(level.height) <= largest).unwrap_or(levels.len() - 1);
    levels.drain(..first);
    let data: Vec<u8> = levels.iter().flat_map(|level| &level.rgba).copied().collect();
    let texture = device.create_texture_with_data(
        queue,
        &wgpu::TextureDescriptor {
            label: Some("plan photo"),
            size: wgpu::Extent3d { width: levels[0].width, height: levels[0].height, depth_or_array_layers: 1 },
            mip_level_count: levels.len() as u32,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            // Filtered and blended in gamma space, as egui does.
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        },
        TextureDataOrder::LayerMajor,
        &data,
    );
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Colours and shares of the cells; below them those of the plan before.
fn cell_texture(device: &wgpu::Device, queue: &wgpu::Queue, side: &SceneSide) -> wgpu::TextureView {
    let now = side.colors.iter().zip(&side.shares);
    let was = side.was_colors.iter().zip(&side.was_shares);
    let texels: Vec<u8> = now
        .chain(was)
        .flat_map(|(&color, &share)| {
            let [r, g, b] = bytes(color);
            [r, g, b, (share * 255.0).round() as u8]
        })
        .collect();
    let size = [side.grid.columns as u32, 2 * side.grid.rows as u32];
    texture(device, queue, "plan cells", size, wgpu::TextureFormat::Rgba8Unorm, &texels)
}

fn texture(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    label: &str,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
    data: &[u8],
) -> wgpu::TextureView {
    let texture = device.create_texture_with_data(
        queue,
        &wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        },
        TextureDataOrder::LayerMajor,
        data,
    );
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}
