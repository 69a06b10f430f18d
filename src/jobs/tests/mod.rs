//! The real backend on a tiny drawn sample and a tiny network with random weights.

mod desk;
mod evidence;
mod flows;
mod gallery;
mod goes_with;
mod knobs;
mod parts;
mod precision;
mod recipes;
mod runs;
mod shelf;
mod studies;
mod swapping;
mod training;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use crossbeam_channel::{Receiver, unbounded};

use crate::domain::{CheckpointId, MatchOptions, PhotoId, QueryId, Recipe, ShelfOptions};
use crate::jobs::{
    Backend, DrawPlan, Event, ProjectSummary, QueryPhoto, Request, SearchRequest, Setup, WakeCallback, Workers,
};
use crate::nn::{Arch, BackboneConfig, Embedder, EmbedderConfig, ModelCard, Precision, checkpoint};
use crate::synth::SampleSpec;

/// Longer than any of these takes on a slow machine; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(120);

fn tiny_spec() -> SampleSpec {
    SampleSpec { products: 8, seed: 3, long_side: 80 }
}

/// Saves a small network with random weights as a model.
fn save_model(dir: &Path, name: &str, seed: u64) -> CheckpointId {
    let kinds: Vec<String> = crate::synth::kinds().into_iter().map(str::to_owned).collect();
    let backbone = BackboneConfig { width: 4, ..BackboneConfig::new(Arch::ResNet18) };
    let config = EmbedderConfig::new(backbone, 8, kinds.len());
    let embedder = Embedder::new(&config, seed, &Device::Cpu).unwrap();
    let card = ModelCard { kinds, ..ModelCard::new(name, &config, 64) };
    checkpoint::save(dir, &card, &embedder.params.tensors().unwrap(), Precision::F16).unwrap()
}

/// A machine on which Seamline runs for the first time: models, and an empty place for data.
struct Machine {
    dir: tempfile::TempDir,
    model: CheckpointId,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = save_model(&dir.path().join("models/tiny"), "tiny", 1);
        Self { dir, model }
    }

    /// With the sample already drawn.
    fn with_sample() -> Self {
        let machine = Self::new();
        let sample = machine.sample();
        let drawn =
            crate::synth::write_sample(&sample, &tiny_spec(), &crate::domain::StopFlag::new(), &|_| {}).unwrap();
        assert_eq!(drawn.products, 8);
        machine
    }

    fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn sample(&self) -> PathBuf {
        self.data().join("sample")
    }

    fn start(&self) -> Window {
        let (woken, wakes) = unbounded();
        let wake: WakeCallback = Arc::new(move || {
            let _ = woken.send(());
        });
        let draw_plan: DrawPlan =
            Box::new(|plan, view| Ok(format!("{} {:?}", plan.hit.photo, view.overlay).into_bytes()));
        let workers = Workers::start(Setup {
            data_dir: self.data(),
            model_dirs: vec![self.models()],
            device: "cpu".to_owned(),
            sample: tiny_spec(),
            draw_plan,
            save_sheet: Box::new(|_, _| Err("nobody draws here".to_owned())),
            wake,
        })
        .unwrap();
        Window { workers, wakes, seen: Vec::new() }
    }
}

/// What the window does, without the window: asks, and takes events when it is woken.
struct Window {
    workers: Workers,
    wakes: Receiver<()>,
    seen: Vec<Event>,
}

impl Window {
    fn ask(&mut self, request: Request) {
        self.workers.submit(request);
    }

    /// The next event for which `wanted` answers. Those before it are kept in `seen`.
    fn wait<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            while let Some(event) = self.workers.try_next() {
                let found = wanted(&event);
                self.seen.push(event);
                if let Some(found) = found {
                    return found;
                }
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            if self.wakes.recv_timeout(left).is_err() {
                panic!("nothing came; before that: {:?}", self.seen);
            }
        }
    }

    /// [`Self::wait`] where no failure may come before.
    fn wait_unless_failed<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        self.wait(|event| match event {
            Event::Failed(failure) => panic!("{failure:?}"),
            _ => wanted(event),
        })
    }

    /// Opens a project and gives its summary.
    fn open(&mut self, path: Option<PathBuf>) -> Arc<ProjectSummary> {
        self.ask(Request::OpenProject { path });
        self.wait_unless_failed(|event| match event {
            Event::ProjectOpened(summary) => Some(Arc::clone(summary)),
            _ => None,
        })
    }

    fn search(&mut self, query: u64, photo: QueryPhoto) -> QueryId {
        let query = QueryId(query);
        let options = MatchOptions { rerank: 6, ..MatchOptions::default() };
        self.ask(Request::Search(SearchRequest {
            query,
            photo,
            crop: None,
            options,
            limit: 10,
            shelf: ShelfOptions::default(),
            again: None,
            recipe: Recipe::default(),
            also: Vec::new(),
        }));
        query
    }
}

fn street(product: usize) -> PhotoId {
    PhotoId::new(format!("street/p{product:04}_0.jpg"))
}

fn shop(product: usize) -> PhotoId {
    PhotoId::new(format!("shop/p{product:04}_0.jpg"))
}
