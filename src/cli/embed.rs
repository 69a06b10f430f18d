//! `seamline embed`: what a bare backbone says of photos, for checking weights against PyTorch.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::options::DeviceChoice;
use super::{CliError, Output};
use crate::data;
use crate::jobs::hub;
use crate::nn::{self, Arch, PooledBackbone};

#[derive(clap::Args)]
pub struct Arguments {
    /// Photos; each is resized to N x N without letterbox
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A .pth or .safetensors file in torchvision's or timm's naming, or hf:OWNER/NAME on the Hugging Face hub
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// resnet18, resnet34, resnet50, resnet101, seresnet50, seresnext50_32x4d, legacy_seresnet50,
    /// legacy_seresnext50_32x4d or densenet121
    #[arg(long, value_name = "NAME")]
    arch: String,
    /// Side of the network's input in pixels
    #[arg(long, value_name = "N", default_value_t = 224)]
    size: usize,
    /// Print the vector of each cell too
    #[arg(long)]
    cells: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceChoice,
}

#[derive(Serialize)]
struct Answer {
    arch: String,
    size: usize,
    dim: usize,
    grid: [usize; 2],
    images: Vec<Embedded>,
}

#[derive(Serialize)]
struct Embedded {
    path: String,
    pooled: Vec<f32>,
    /// `[cells][dim]`, row by row from the top left.
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<Vec<Vec<f32>>>,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let arch: Arch = arguments.arch.parse().map_err(|error: nn::NnError| CliError::Usage(error.to_string()))?;
    let device = arguments.device.pick()?;
    let backbone = PooledBackbone::load(&hub::weights_file(&arguments.weights)?, arch, arguments.size, &device)?;
    let images =
        arguments.images.iter().map(|path| embed(path, &backbone, arguments)).collect::<Result<Vec<_>, CliError>>()?;
    let grid = backbone.grid();
    let answer = Answer {
        arch: arch.to_string(),
        size: arguments.size,
        dim: backbone.dim(),
        grid: [grid.rows, grid.columns],
        images,
    };
    if arguments.json {
        return output.json(&answer);
    }
    for image in &answer.images {
        let numbers: Vec<String> = image.pooled.iter().map(f32::to_string).collect();
        output.line(format!("{}\t{}", image.path, numbers.join(" ")))?;
        for cell in image.cells.iter().flatten() {
            let numbers: Vec<String> = cell.iter().map(f32::to_string).collect();
            output.line(format!("\t{}", numbers.join(" ")))?;
        }
    }
    Ok(())
}

fn embed(path: &Path, backbone: &PooledBackbone, arguments: &Arguments) -> Result<Embedded, CliError> {
    let size = arguments.size;
    let photo = data::decode_file(path)?;
    let photo = data::resize_exact(&photo, size as u32, size as u32);
    let mut input = vec![0.0; 3 * size * size];
    data::to_chw(&photo, &mut input);
    let features = backbone.embed(&input, 1)?;
    Ok(Embedded {
        path: path.display().to_string(),
        cells: arguments.cells.then(|| features.cells.chunks(features.dim).map(<[f32]>::to_vec).collect()),
        pooled: features.pooled,
    })
}
