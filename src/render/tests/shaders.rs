//! Shaders without a device: they are valid, and mean the same structs as the Rust side.

use std::mem::offset_of;

use wgpu::naga;

use crate::render::gpu_types::{FlowInstance, PlanUniforms, RIBBON_VERTICES, SEGMENTS};
use crate::render::shader::{ENTRIES, resolve};

fn module(path: &str) -> naga::Module {
    let source = resolve(path);
    naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{path}: {}", e.emit_to_string(&source)))
}

#[test]
fn every_shader_is_valid_on_a_device_without_any_extra() {
    for path in ENTRIES {
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module(path)).unwrap_or_else(|e| panic!("{path}: {e:?}"));
    }
}

#[test]
fn an_import_is_joined_once_and_leaves_no_trace() {
    for path in ENTRIES {
        let source = resolve(path);
        assert!(!source.contains("#import"), "{path}");
        assert_eq!(source.matches("struct PlanUniforms").count(), 1, "{path}");
    }
}

#[test]
fn the_uniforms_lie_where_the_shader_reads_them() {
    macro_rules! offsets {
        ($($field:ident),* $(,)?) => { vec![$((stringify!($field), offset_of!(PlanUniforms, $field))),*] };
    }
    let rust = offsets![
        query_rect,
        gallery_rect,
        query_content,
        gallery_content,
        padding,
        query_window,
        nearest,
        gallery_window,
        heat_scale,
        query_grid,
        gallery_grid,
        view_size,
        pixels_per_point,
        corner_radius,
        pointed,
        pointed_query,
        pointed_gallery,
        pointed_max,
        amount,
        opacity,
        least_share,
        photo,
        heat_opacity,
        lit_heat_opacity,
        grid_opacity,
        heat_floor,
        blend,
        was_least_share,
        was_pointed_max,
        unused,
    ];
    for path in ENTRIES {
        let module = module(path);
        let (members, span) = module
            .types
            .iter()
            .find_map(|(_, ty)| match &ty.inner {
                naga::TypeInner::Struct { members, span } if ty.name.as_deref() == Some("PlanUniforms") => {
                    Some((members, *span))
                }
                _ => None,
            })
            .expect("the shader has the uniforms");
        let shader: Vec<(&str, usize)> =
            members.iter().map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize)).collect();
        assert_eq!(shader, rust, "{path}");
        assert_eq!(span as usize, size_of::<PlanUniforms>(), "{path}");
    }
}

#[test]
fn flow_instances_lie_where_the_shader_reads_them() {
    let rust = [
        ("start", offset_of!(FlowInstance, start)),
        ("end", offset_of!(FlowInstance, end)),
        ("shares", offset_of!(FlowInstance, shares)),
        ("cells", offset_of!(FlowInstance, cells)),
        ("color", offset_of!(FlowInstance, color)),
        ("was_shares", offset_of!(FlowInstance, was_shares)),
        ("was_heights", offset_of!(FlowInstance, was_heights)),
    ];
    let module = module("plan_ribbon.wgsl");
    let members = module
        .types
        .iter()
        .find_map(|(_, ty)| match &ty.inner {
            naga::TypeInner::Struct { members, .. } if ty.name.as_deref() == Some("FlowInstance") => Some(members),
            _ => None,
        })
        .expect("the shader has the instances");
    assert_eq!(members.len(), rust.len());
    for (member, (attribute, (name, offset))) in members.iter().zip(FlowInstance::ATTRIBUTES.iter().zip(rust)) {
        assert_eq!(member.name.as_deref(), Some(name));
        let Some(naga::Binding::Location { location, .. }) = member.binding else { panic!("{name} has no location") };
        assert_eq!((attribute.shader_location, attribute.offset as usize), (location, offset), "{name}");
        let scalar = |kind, count| match module.types[member.ty].inner {
            naga::TypeInner::Vector { size, scalar } => scalar.kind == kind && size as u32 == count,
            _ => false,
        };
        let agrees = match attribute.format {
            wgpu::VertexFormat::Float32x2 => scalar(naga::ScalarKind::Float, 2),
            wgpu::VertexFormat::Float32x3 => scalar(naga::ScalarKind::Float, 3),
            wgpu::VertexFormat::Unorm8x4 => scalar(naga::ScalarKind::Float, 4),
            wgpu::VertexFormat::Uint32x2 => scalar(naga::ScalarKind::Uint, 2),
            _ => false,
        };
        assert!(agrees, "{name} is read as another type");
    }
}

#[test]
fn a_ribbon_has_as_many_segments_on_both_sides() {
    assert!(resolve("plan_ribbon.wgsl").contains(&format!("const SEGMENTS: u32 = {SEGMENTS}u;")));
    assert_eq!(RIBBON_VERTICES, 2 * SEGMENTS + 2);
}
