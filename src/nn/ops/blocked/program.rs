//! A frozen network as a list of fused steps over blocked maps: weights packed once, memory assigned once for each size
//! of photo and kept, nothing allocated or cleared while it runs.
//!
//! Any backbone can be written as such a list by [`Builder`]. Every value is a sum in an order that depends on the
//! layer alone, so a photo's map is the same bits whatever it is run with and on however many threads.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

mod profile;

pub use profile::StepTime;

use super::direct::{Direct, Form, Layer};
use super::int8::{self, Dot};
use super::kernel::{self, Run};
use super::map::{LANES, Map, Space};
use super::pixelwise::{self, Gate};
use super::winograd::{self, Winograd};
use crate::nn::ops::conv::ConvSpec;

/// Photos that pass through the steps together: enough for each layer's weights to pay for their way from memory.
const TOGETHER: usize = 8;
/// Memory of idle runs that is kept: one of a search and one of an indexing that goes on beside it.
const KEPT: usize = 2;

/// Some channels of a map that a step writes.
#[derive(Clone, Copy, Debug)]
pub struct View {
    slot: usize,
    block: usize,
    channels: usize,
}

impl View {
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The first `channels` of them.
    pub fn first(self, channels: usize) -> Self {
        assert!(channels <= self.channels, "more channels than there are");
        Self { channels, ..self }
    }

    /// `channels` of them from `from` on, where that is a block's edge.
    pub fn part(self, from: usize, channels: usize) -> Self {
        assert!(from.is_multiple_of(LANES) && from + channels <= self.channels, "a part that is not whole blocks");
        Self { block: self.block + from / LANES, channels, ..self }
    }
}

/// A convolution whose normalisation is folded in, and the ReLU behind it.
pub struct Filters<'a> {
    /// `[filters, channels / groups, kh, kw]`.
    pub weights: &'a [f32],
    /// `[filters]`.
    pub bias: &'a [f32],
    pub kernel: (usize, usize),
    pub spec: ConvSpec,
    pub relu: bool,
}

/// Windows of a pool, the same on both axes.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    /// Whether a window that sticks out on the far side still counts.
    pub ceiling: bool,
}

impl Window {
    /// Windows along an axis of that length, as PyTorch counts them.
    fn after(&self, length: usize) -> usize {
        let span = length + 2 * self.padding - self.kernel;
        if !self.ceiling {
            return span / self.stride + 1;
        }
        let out = span.div_ceil(self.stride) + 1;
        // A window may stick out, but not begin beyond the input.
        if (out - 1) * self.stride >= length + self.padding { out - 1 } else { out }
    }
}

enum Work {
    Direct(Direct, bool),
    /// A map into words of rounded values.
    Round(Dot),
    /// A convolution of them, and the channels of the map before.
    Int8(Direct, Dot, bool, usize),
    Winograd(Winograd, Direct, bool),
    MaxPool(Window),
    MeanPool(Window),
    /// Scale and shift of each channel, then ReLU.
    Scale(Vec<f32>, Vec<f32>),
    Gate(Gate),
}

impl Work {
    /// Whether no value of the result lies below 0, for an input of which that is known or not.
    fn is_positive(&self, input: bool) -> bool {
        match self {
            Self::Direct(_, relu) | Self::Winograd(_, _, relu) | Self::Int8(_, _, relu, _) => *relu,
            Self::Round(_) | Self::Scale(..) | Self::Gate(_) => true,
            Self::MaxPool(_) | Self::MeanPool(_) => input,
        }
    }
}

struct Step {
    work: Work,
    x: View,
    residual: Option<View>,
    y: View,
    /// Output size from the input's.
    size: Size,
}

#[derive(Clone, Copy)]
enum Size {
    Same,
    Conv { kernel: (usize, usize), spec: ConvSpec },
    Pool(Window),
}

impl Size {
    /// `None` where the input is too small.
    fn after(&self, (h, w): (usize, usize)) -> Option<(usize, usize)> {
        match self {
            Self::Same => Some((h, w)),
            Self::Conv { kernel, spec } => {
                let along = |length: usize, kernel: usize, stride: usize, padding: usize, dilation: usize| {
                    Some((length + 2 * padding).checked_sub(dilation * (kernel - 1) + 1)? / stride + 1)
                };
                let h = along(h, kernel.0, spec.stride.0, spec.padding.0, spec.dilation.0)?;
                Some((h, along(w, kernel.1, spec.stride.1, spec.padding.1, spec.dilation.1)?))
            }
            Self::Pool(window) => {
                let fits = h.min(w) + 2 * window.padding >= window.kernel;
                fits.then(|| (window.after(h), window.after(w)))
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Slot {
    channels: usize,
    lanes: usize,
    halo: usize,
    /// No step writes a value below 0.
    positive: bool,
}

/// Puts the steps of a network together.
pub struct Builder {
    slots: Vec<Slot>,
    steps: Vec<Step>,
    /// In 8 bits by this kernel.
    pub(super) int8: Option<Dot>,
}

impl Builder {
    /// A network over photos of that many channels, and the view of them.
    pub fn new(channels: usize) -> (Self, View) {
        let photo = Slot { channels, lanes: channels, halo: 0, positive: false };
        (Self { slots: vec![photo], steps: Vec::new(), int8: None }, View { slot: 0, block: 0, channels })
    }

    /// From now on convolutions of maps without values below 0 are computed in 8 bits, but those of 3x3 that Winograd's
    /// form takes: it saves as many products as 8 bits do, and rounds nothing.
    pub fn in_int8(&mut self) {
        self.int8 = Some(int8::best());
    }

    /// Room for channels that several steps write, each its part. `channels` that are not whole blocks are filled up.
    pub fn room(&mut self, channels: usize) -> View {
        self.slots.push(Slot { channels, lanes: LANES, halo: 0, positive: false });
        View { slot: self.slots.len() - 1, block: 0, channels }
    }

    fn push(
        &mut self,
        work: Work,
        x: View,
        residual: Option<View>,
        into: Option<View>,
        channels: usize,
        size: Size,
    ) -> View {
        let y = into.unwrap_or_else(|| self.room(channels));
        self.slots[y.slot].positive = into.is_none() && work.is_positive(self.slots[x.slot].positive);
        let beyond = |v: View| y.slot != v.slot || y.block >= v.block + v.channels.div_ceil(LANES);
        assert!(y.channels == channels && beyond(x) && residual.is_none_or(beyond), "a step that writes what it reads");
        self.steps.push(Step { work, x, residual, y, size });
        y
    }

    /// A convolution, `+ residual`, and ReLU; over a photo only without groups and dilation. The result lies in `into`
    /// where given.
    pub fn conv(&mut self, x: View, filters: &Filters<'_>, residual: Option<View>, into: Option<View>) -> View {
        let Filters { weights, bias, kernel, spec, relu } = *filters;
        let blocks = self.slots[x.slot].lanes == LANES;
        let fast = blocks && kernel == (3, 3) && spec == ConvSpec { padding: (1, 1), ..ConvSpec::default() };
        let rounds = !fast && self.slots[x.slot].positive;
        let rounded = self.int8.filter(|_| rounds).map(|dot| (dot, self.rounded(x, dot)));
        let slot = &mut self.slots[rounded.map_or(x, |(_, words)| words).slot];
        slot.halo = slot.halo.max(spec.padding.0).max(spec.padding.1);
        if let Some((dot, words)) = rounded {
            let direct = Direct::new(weights, bias, x.channels, Form::Int8(dot), kernel, spec);
            let work = Work::Int8(direct, dot, relu, x.channels);
            return self.push(work, words, residual, into, bias.len(), Size::Conv { kernel, spec });
        }
        let form = if blocks { Form::Blocks } else { Form::Photo };
        let direct = Direct::new(weights, bias, x.channels, form, kernel, spec);
        let work = if fast {
            Work::Winograd(Winograd::new(weights, bias, x.channels), direct, relu)
        } else {
            Work::Direct(direct, relu)
        };
        self.push(work, x, residual, into, bias.len(), Size::Conv { kernel, spec })
    }

    /// The map in words of rounded values, made once for all steps that read it.
    fn rounded(&mut self, x: View, dot: Dot) -> View {
        let same = |step: &&Step| {
            matches!(step.work, Work::Round(_))
                && (step.x.slot, step.x.block, step.x.channels) == (x.slot, x.block, x.channels)
        };
        if let Some(step) = self.steps.iter().find(same) {
            return step.y;
        }
        let lanes = LANES / dot.values;
        let words = self.room(x.channels.div_ceil(LANES) * lanes);
        self.slots[words.slot].lanes = lanes;
        self.push(Work::Round(dot), x, None, Some(words), words.channels, Size::Same)
    }

    /// The largest value of each window; padding never wins.
    pub fn max_pool(&mut self, x: View, window: Window, into: Option<View>) -> View {
        self.push(Work::MaxPool(window), x, None, into, x.channels, Size::Pool(window))
    }

    /// The mean of each window; without padding.
    pub fn mean_pool(&mut self, x: View, window: Window, into: Option<View>) -> View {
        assert!(window.padding == 0 && !window.ceiling, "a mean over padding");
        self.push(Work::MeanPool(window), x, None, into, x.channels, Size::Pool(window))
    }

    /// `relu(x * scale + shift)`, both `[channels]`.
    pub fn scale_relu(&mut self, x: View, scale: &[f32], shift: &[f32]) -> View {
        assert!(scale.len() == x.channels && shift.len() == x.channels, "scales of another width");
        let padded = super::direct::padded;
        self.push(Work::Scale(padded(scale), padded(shift)), x, None, None, x.channels, Size::Same)
    }

    /// `relu(x * sigmoid(w2 relu(w1 mean(x) + b1) + b2) + residual)`, `w1 [inner, channels]` and `w2 [channels, inner]`.
    pub fn gate(&mut self, x: View, layers: [&[f32]; 4], residual: View) -> View {
        let gate = Gate::new(x.channels, layers);
        self.push(Work::Gate(gate), x, Some(residual), None, x.channels, Size::Same)
    }

    pub fn finish(self) -> Program {
        Program { kernel: kernel::best(), slots: self.slots, steps: self.steps, idle: Mutex::new(Vec::new()) }
    }
}

/// Where every map lies for one size of photo and number of photos.
struct Workspace {
    photos: usize,
    size: (usize, usize),
    places: Vec<(Map, usize)>,
    memory: Vec<f32>,
    /// See [`Layer::largest`], `[slots][photos]`.
    largest: Vec<AtomicU32>,
}

/// Parts of a run, of which those between begin and give take the time.
#[derive(Clone, Copy)]
enum Part {
    Begin,
    /// Photos into the first map.
    Take,
    Step(usize),
    /// The last map out.
    Give,
}

/// A frozen network, ready to run.
pub struct Program {
    pub(super) kernel: Run,
    slots: Vec<Slot>,
    steps: Vec<Step>,
    idle: Mutex<Vec<Workspace>>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program of {} steps", self.steps.len())
    }
}

impl Program {
    /// Channels of a photo.
    pub(super) fn channels(&self) -> usize {
        self.slots[0].channels
    }

    /// Runs the photos `[n, channels, h, w]` up to `wanted`: `[n, channels, h', w']` and `(h', w')`; `None` where the
    /// photos are too small for the network.
    pub fn run(
        &self,
        photos: &[f32],
        n: usize,
        size: (usize, usize),
        wanted: View,
    ) -> Option<(Vec<f32>, (usize, usize))> {
        self.run_watched(photos, n, size, wanted, &mut |_| ())
    }

    /// The same; `after` is called behind each part of the work, on this thread.
    fn run_watched(
        &self,
        photos: &[f32],
        n: usize,
        size: (usize, usize),
        wanted: View,
        after: &mut dyn FnMut(Part),
    ) -> Option<(Vec<f32>, (usize, usize))> {
        let sizes = self.sizes(size)?;
        let (h, w) = sizes[wanted.slot];
        let each_in = self.slots[0].channels * size.0 * size.1;
        let each_out = wanted.channels * h * w;
        assert_eq!(photos.len(), n * each_in, "photos of another shape");
        let mut maps = vec![0.0; n * each_out];
        if each_in == 0 || each_out == 0 {
            return Some((maps, (h, w)));
        }
        // A wish for a map that several steps fill ends behind the last of them that fills what is wanted.
        let covers = |y: &View| y.slot == wanted.slot && y.block < wanted.block + wanted.channels.div_ceil(LANES);
        let end = self.steps.iter().rposition(|step| covers(&step.y)).map_or(0, |last| last + 1);
        for (photos, maps) in photos.chunks(TOGETHER * each_in).zip(maps.chunks_mut(TOGETHER * each_out)) {
            let count = photos.len() / each_in;
            let mut workspace = self.workspace(count, size, &sizes);
            let (spaces, largest) = workspace.spaces();
            after(Part::Begin);
            pixelwise::take(photos, &spaces[0].0, spaces[0].1, count);
            after(Part::Take);
            for (number, step) in self.steps[..end].iter().enumerate() {
                step.run(self.kernel, &spaces, largest, count);
                after(Part::Step(number));
            }
            let (map, space) = spaces[wanted.slot];
            let (map, space) = narrowed(map, space, wanted);
            pixelwise::give(&map, space, maps);
            after(Part::Give);
            drop(spaces);
            self.give_back(workspace);
        }
        Some((maps, (h, w)))
    }

    /// Height and width of every slot.
    fn sizes(&self, size: (usize, usize)) -> Option<Vec<(usize, usize)>> {
        let mut sizes = vec![(0, 0); self.slots.len()];
        sizes[0] = size;
        for step in &self.steps {
            sizes[step.y.slot] = step.size.after(sizes[step.x.slot])?;
        }
        Some(sizes)
    }

    /// One that lies idle, or a new one.
    fn workspace(&self, photos: usize, size: (usize, usize), sizes: &[(usize, usize)]) -> Workspace {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match idle.iter().position(|w| (w.photos, w.size) == (photos, size)) {
            Some(found) => idle.swap_remove(found),
            None => self.lay_out(photos, size, sizes),
        }
    }

    fn give_back(&self, workspace: Workspace) {
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() == KEPT {
            idle.remove(0);
        }
        idle.push(workspace);
    }

    /// Gives every slot a place. A slot's place is free again behind the last step that reads it, for slots of the same
    /// shape and halo, so that the zeros of halos stay.
    fn lay_out(&self, photos: usize, size: (usize, usize), sizes: &[(usize, usize)]) -> Workspace {
        let map = |slot: usize| {
            let Slot { channels, lanes, halo, .. } = self.slots[slot];
            Map { channels, height: sizes[slot].0, width: sizes[slot].1, halo, lanes, apart: 0 }
        };
        let mut last = vec![0; self.slots.len()];
        for (number, step) in self.steps.iter().enumerate() {
            for view in [Some(step.x), step.residual, Some(step.y)].into_iter().flatten() {
                last[view.slot] = number;
            }
        }
        let mut places: Vec<Option<usize>> = vec![None; self.slots.len()];
        let mut free: Vec<(Map, usize)> = Vec::new();
        let mut end = 0;
        let mut take = |map: Map, free: &mut Vec<(Map, usize)>| match free.iter().position(|(m, _)| *m == map) {
            Some(found) => free.swap_remove(found).1,
            None => {
                let at = end;
                end += (photos * map.image()).next_multiple_of(LANES);
                at
            }
        };
        places[0] = Some(take(map(0), &mut free));
        for (number, step) in self.steps.iter().enumerate() {
            let slot = step.y.slot;
            if places[slot].is_none() {
                places[slot] = Some(take(map(slot), &mut free));
            }
            for slot in 0..self.slots.len() {
                if let (true, Some(at)) = (last[slot] == number, places[slot]) {
                    free.push((map(slot), at));
                }
            }
        }
        let places: Vec<_> = places.into_iter().enumerate().map(|(slot, at)| (map(slot), at.unwrap_or(0))).collect();
        let largest = (0..places.len() * photos).map(|_| AtomicU32::new(0)).collect();
        Workspace { photos, size, places, memory: vec![0.0; end], largest }
    }
}

impl Workspace {
    fn spaces(&mut self) -> (Vec<(Map, Space<'_>)>, &[AtomicU32]) {
        let photos = self.photos;
        let all = Space::new(&mut self.memory);
        let spaces = self.places.iter().map(|&(map, at)| (map, all.part(at, photos * map.image()))).collect();
        (spaces, &self.largest)
    }
}

/// The map seen through a view: its images stay as far apart, its blocks are fewer.
fn narrowed<'a>(map: Map, space: Space<'a>, view: View) -> (Map, Space<'a>) {
    let from = view.block * map.plane();
    (Map { channels: view.channels, apart: map.image(), ..map }, space.part(from, space.len() - from))
}

impl Step {
    fn run(&self, kernel: Run, spaces: &[(Map, Space<'_>)], largest: &[AtomicU32], photos: usize) {
        let of = |view: View| narrowed(spaces[view.slot].0, spaces[view.slot].1, view);
        let ((x, x_space), (y, y_space)) = (of(self.x), of(self.y));
        let residual = self.residual.map(of);
        let rounded = if matches!(self.work, Work::Round(_)) { self.y.slot } else { self.x.slot };
        let largest = &largest[rounded * photos..][..photos];
        let layer = |relu| Layer { x, x_space, y, y_space, residual, images: photos, relu, largest };
        match &self.work {
            Work::Direct(direct, relu) => direct.run(kernel, &layer(*relu)),
            Work::Round(dot) => int8::round_map(&layer(false), *dot),
            Work::Int8(direct, dot, relu, _) => direct.run(dot.run, &layer(*relu)),
            Work::Winograd(winograd, _, relu) if winograd::fits(y.height, y.width) => {
                winograd.run(kernel, &layer(*relu));
            }
            Work::Winograd(_, direct, relu) => direct.run(kernel, &layer(*relu)),
            Work::MaxPool(window) => pixelwise::max_pool(&layer(false), *window),
            Work::MeanPool(window) => pixelwise::mean_pool(&layer(false), *window),
            Work::Scale(scale, shift) => pixelwise::scale_relu(&layer(true), scale, shift),
            Work::Gate(gate) => gate.run(&layer(true)),
        }
    }
}
