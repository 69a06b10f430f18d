//! The terminal's composition root: one file per subcommand, the same jobs as the window.
//!
//! Results go to stdout, everything else to stderr. Exit code 0 is success, 1 a failure that one sentence on
//! stderr explains, 2 wrong use.

mod bench;
mod devices;
mod embed;
mod evidence;
mod goes_with;
mod import;
mod index;
mod models;
mod options;
mod outfits;
mod output;
mod picture;
mod plan;
mod runs;
mod sample;
mod search;
mod session;
mod train;
mod transport;
mod window;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub use output::{CliError, Output};

#[derive(Parser)]
#[command(name = "seamline", version, about = "Finds the shop product in a street photo and shows why it matches")]
#[command(after_help = "Without a command the window opens. Where no project is named, the sample wardrobe is used.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// An evidence file, which the window shows read-only
    #[arg(value_name = "FILE.seamline")]
    file: Option<std::path::PathBuf>,
    /// Open the window on this project
    #[arg(long, value_name = "DIR")]
    project: Option<std::path::PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Draw the sample wardrobe into a folder and make a project of it
    Sample(sample::Arguments),
    /// Embed the shop photos of a project, so that it can be searched
    Index(index::Arguments),
    /// Make a project of a folder of product photos, or bring it up to date
    Import(import::Arguments),
    /// Rank the products of a project by how well they match a photo
    Search(search::Arguments),
    /// Compare two photos cell by cell
    Plan(plan::Arguments),
    /// Check an evidence file
    Evidence(evidence::Arguments),
    /// Solve an optimal-transport problem given as JSON
    Transport(transport::Arguments),
    /// Train a model on a project
    Train(train::Arguments),
    /// List the training runs of a project and compare them
    Runs(runs::Arguments),
    /// Measure how well a model knows what is worn together, or write the sample's outfits
    Outfits(outfits::Arguments),
    /// List the models that ship and those of a project
    Models(models::Arguments),
    /// List the devices that `--device` can name, with their memory
    Devices(devices::Arguments),
    /// Print the pooled backbone vector of photos
    Embed(embed::Arguments),
    /// Time the parts that matter
    Bench(bench::Arguments),
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let mut output = Output;
    let result = match arguments.command {
        None => window::run(arguments.project, arguments.file, &mut output),
        Some(Command::Sample(arguments)) => sample::run(&arguments, &mut output),
        Some(Command::Index(arguments)) => index::run(&arguments, &mut output),
        Some(Command::Import(arguments)) => import::run(&arguments, &mut output),
        Some(Command::Search(arguments)) => search::run(&arguments, &mut output),
        Some(Command::Plan(arguments)) => plan::run(&arguments, &mut output),
        Some(Command::Evidence(arguments)) => evidence::run(&arguments, &mut output),
        Some(Command::Transport(arguments)) => transport::run(&arguments, &mut output),
        Some(Command::Train(arguments)) => train::run(&arguments, &mut output),
        Some(Command::Runs(arguments)) => runs::run(&arguments, &mut output),
        Some(Command::Outfits(arguments)) => outfits::run(&arguments, &mut output),
        Some(Command::Models(arguments)) => models::run(&arguments, &mut output),
        Some(Command::Devices(arguments)) => devices::run(&arguments, &mut output),
        Some(Command::Embed(arguments)) => embed::run(&arguments, &mut output),
        Some(Command::Bench(arguments)) => bench::run(&arguments, &mut output),
    };
    output::finish(result)
}
