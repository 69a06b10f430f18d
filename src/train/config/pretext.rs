//! `[pretext]`: learning without labels, in place of the losses of `[loss]`.

use serde::{Deserialize, Serialize};

use super::ranges;
use crate::data::Views;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PretextMethod {
    /// Labels are used: `[loss]`.
    #[default]
    None,
    Moco,
    SimClr,
    Byol,
    SimSiam,
    VicReg,
    Dino,
}

/// In this section 0 stands for what the method's paper uses, wherever a number says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretextSection {
    /// none, moco (version 2), simclr, byol, simsiam, vicreg or dino.
    pub method: PretextMethod,
    /// How the two views of a photo differ: moco, byol (vicreg's and dino's too), keeps-colour, or own for [augment].
    pub views: Views,
    /// Photos of a batch, each in two views.
    pub batch: usize,
    /// Length of what the projector gives (dino: before its prototypes), and its inner width; 0 for the paper's.
    pub dim: usize,
    pub hidden: usize,
    /// Of moco, simclr and dino's student; 0 for the paper's.
    pub temperature: f64,
    /// Share that the followed network keeps in a step, of moco, byol and dino; 0 for the paper's.
    pub momentum: f64,
    /// Keys that moco compares with.
    pub queue: usize,
    /// Whether simclr leaves the positive out of the candidates, which small batches gain from.
    pub decoupled: bool,
    /// Of dino.
    pub prototypes: usize,
    /// Epochs between two looks at how well nearest neighbours agree; 0 never looks.
    pub probe_epochs: usize,
    /// How many neighbours vote.
    pub probe_neighbours: usize,
}

impl Default for PretextSection {
    fn default() -> Self {
        Self {
            method: PretextMethod::None,
            views: Views::Moco,
            batch: 64,
            dim: 0,
            hidden: 0,
            temperature: 0.0,
            momentum: 0.0,
            queue: 4096,
            decoupled: false,
            prototypes: 1024,
            probe_epochs: 1,
            probe_neighbours: 20,
        }
    }
}

impl PretextSection {
    pub fn is_on(&self) -> bool {
        self.method != PretextMethod::None
    }

    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[
            ("pretext.batch", self.batch, 2, 65_536),
            ("pretext.dim", self.dim, 0, 65_536),
            ("pretext.hidden", self.hidden, 0, 65_536),
            ("pretext.queue", self.queue, 2, 1 << 20),
            ("pretext.prototypes", self.prototypes, 2, 1 << 20),
            ("pretext.probe_neighbours", self.probe_neighbours, 1, 1000),
        ])?;
        ranges::numbers(&[
            ("pretext.temperature", self.temperature, 0.0, 10.0),
            ("pretext.momentum", self.momentum, 0.0, 1.0),
        ])?;
        let usual = Self::default();
        let of = |methods: &[PretextMethod]| methods.contains(&self.method);
        use PretextMethod::{Byol, Dino, Moco, SimClr};
        let settings = [
            ("temperature", self.temperature != 0.0, of(&[Moco, SimClr, Dino]), "moco, simclr or dino"),
            ("momentum", self.momentum != 0.0, of(&[Moco, Byol, Dino]), "moco, byol or dino"),
            ("queue", self.queue != usual.queue, of(&[Moco]), "moco"),
            ("decoupled", self.decoupled, of(&[SimClr]), "simclr"),
            ("prototypes", self.prototypes != usual.prototypes, of(&[Dino]), "dino"),
            ("views", self.views != usual.views, self.is_on(), "one that is on"),
            ("batch", self.batch != usual.batch, self.is_on(), "one that is on"),
        ];
        for (name, changed, used, methods) in settings {
            if changed && !used {
                return Err(format!("pretext.{name} has no effect unless pretext.method is {methods}"));
            }
        }
        if self.method == Moco && !self.queue.is_multiple_of(self.batch) {
            return Err(format!("pretext.queue ({}) must be a multiple of pretext.batch ({})", self.queue, self.batch));
        }
        Ok(())
    }

    /// Student's temperature.
    pub fn temperature(&self) -> f64 {
        match self.method {
            _ if self.temperature > 0.0 => self.temperature,
            PretextMethod::Moco => 0.2,
            _ => 0.1,
        }
    }

    pub fn momentum(&self) -> f64 {
        match self.method {
            _ if self.momentum > 0.0 => self.momentum,
            PretextMethod::Moco => 0.999,
            PretextMethod::Byol => 0.99,
            _ => 0.996,
        }
    }

    pub fn dim(&self) -> usize {
        match self.method {
            _ if self.dim > 0 => self.dim,
            PretextMethod::Moco | PretextMethod::SimClr => 128,
            PretextMethod::SimSiam => 2048,
            PretextMethod::VicReg => 8192,
            _ => 256,
        }
    }

    /// The projector's inner width for a backbone of so many channels.
    pub fn hidden(&self, channels: usize) -> usize {
        match self.method {
            _ if self.hidden > 0 => self.hidden,
            PretextMethod::Byol => 4096,
            PretextMethod::SimSiam | PretextMethod::Dino => 2048,
            PretextMethod::VicReg => 8192,
            _ => channels,
        }
    }
}
