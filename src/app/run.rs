//! Opens the window.

use std::path::PathBuf;
use std::sync::Arc;

use egui_wgpu::SurfaceConfig;

use super::App;
use crate::jobs::Backend;

/// Makes the background, given what wakes the window.
pub type BackendFactory =
    Box<dyn FnOnce(Arc<dyn Fn() + Send + Sync>) -> Result<Box<dyn Backend>, Box<dyn std::error::Error + Send + Sync>>>;

/// Shows the window until it is closed. `project`: the folder to open, instead of that of last time. `evidence`: a file
/// to show first.
pub fn run(project: Option<PathBuf>, evidence: Option<PathBuf>, backend: BackendFactory) -> eframe::Result {
    let icon =
        eframe::icon_data::from_png_bytes(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/icon.png")))
            .unwrap_or_default();
    let viewport = egui::ViewportBuilder::default()
        .with_app_id("seamline")
        .with_title("Seamline")
        .with_icon(icon)
        .with_inner_size([1440.0, 900.0])
        .with_min_inner_size([960.0, 600.0])
        .with_drag_and_drop(true);
    let wgpu_options = egui_wgpu::WgpuConfiguration::default().with_surface_config(SurfaceConfig::HIGH_THROUGHPUT);
    let options = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        wgpu_options,
        system_font_fallback: false,
        event_loop_builder: Some(Box::new(prefer_x11)),
        ..eframe::NativeOptions::default()
    };
    eframe::run_native(
        "seamline",
        options,
        Box::new(|cc| {
            let ctx = cc.egui_ctx.clone();
            let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || ctx.request_repaint());
            let mut app = App::new(cc, backend(wake)?, project);
            if let Some(path) = evidence {
                app.open_evidence(path);
            }
            Ok(Box::new(app))
        }),
    )
}

/// winit 0.30 takes no dropped files on Wayland; XWayland does.
fn prefer_x11(builder: &mut winit::event_loop::EventLoopBuilder<eframe::UserEvent>) {
    #[cfg(all(unix, not(target_os = "macos")))]
    if std::env::var_os("DISPLAY").is_some() {
        use winit::platform::x11::EventLoopBuilderExtX11 as _;
        builder.with_x11();
    }
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    let _ = builder;
}
