//! `seamline devices`: where networks can run here.

use super::{CliError, Output};
use crate::nn::device::{Survey, survey};

#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let Survey { devices, without_gpu, int8 } = survey();
    if arguments.json {
        let devices: Vec<_> = devices
            .iter()
            .map(|found| {
                serde_json::json!({ "name": found.name, "label": found.label, "memory_bytes": found.memory_bytes })
            })
            .collect();
        return output.json(&serde_json::json!({ "devices": devices, "without_gpu": without_gpu, "int8": int8 }));
    }
    for found in &devices {
        let memory = found.memory_bytes.map_or(String::new(), |bytes| format!(", {} MB", bytes >> 20));
        output.line(format!("{:<8} {}{memory}", found.name, found.label))?;
    }
    if let Some(sentence) = without_gpu {
        output.note(format!("No GPU: {sentence}"));
    }
    output.note(int8);
    Ok(())
}
