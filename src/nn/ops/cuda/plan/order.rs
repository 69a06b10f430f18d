//! Maps whose channels come last, and convolutions of them.

use super::super::super::conv::Geometry;
use super::super::super::map::Order;
use super::{Address, Launch, Transpose, int};

/// Side of the square that a block turns, as in elem.cu.
const TILE: usize = 32;

/// `[batches, rows, columns]` to `[batches, columns, rows]`.
pub fn transpose<L: Launch>(on: &L, sizes: [usize; 3], from: Address, to: Address) -> Result<(), L::Error> {
    let [batches, rows, columns] = sizes;
    let tiles = batches * rows.div_ceil(TILE) * columns.div_ceil(TILE);
    on.launch("transpose", tiles, Transpose { from, to, rows: int(rows), columns: int(columns) })
}

/// What a convolution gives of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `(x, w) -> y`.
    Forward,
    /// `(w, dy) -> dx`.
    Data,
    /// `(x, dy) -> dw`.
    Filter,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Input,
    Weight,
    Output,
}

impl Direction {
    fn operands(self) -> ([Operand; 2], Operand) {
        use Operand::{Input, Output, Weight};
        match self {
            Self::Forward => ([Input, Weight], Output),
            Self::Data => ([Weight, Output], Input),
            Self::Filter => ([Input, Output], Weight),
        }
    }
}

impl Operand {
    /// `[batches, channels, pixels]` of the operand with its channels first.
    fn sizes(self, g: &Geometry) -> [usize; 3] {
        match self {
            Self::Input => [g.images, g.channels, g.height * g.width],
            Self::Weight => [g.filters, g.depth(), g.kernel.0 * g.kernel.1],
            Self::Output => [g.images, g.filters, g.pixels()],
        }
    }
}

/// A library of convolutions, beside the kernels.
pub trait Convolve: Launch {
    /// Memory, until it is dropped and what was launched before that has run.
    type Scratch;

    /// Memory for so many values, not written yet.
    fn scratch(&self, values: usize) -> Result<(Self::Scratch, Address), Self::Error>;

    /// Whether [`Self::compute`] may know a way.
    fn offers(&self, direction: Direction, order: Order, geometry: &Geometry) -> Result<bool, Self::Error>;

    /// A convolution of maps in that order; with channels last, the weight is `[O, kh, kw, C / groups]`. False where
    /// the library has no way after all; with channels first that is an error.
    fn compute(
        &self,
        direction: Direction,
        order: Order,
        geometry: &Geometry,
        from: [Address; 2],
        to: Address,
    ) -> Result<bool, Self::Error>;
}

/// Computes what `direction` says of maps in that order and a weight `[O, C / groups, kh, kw]`, in the order of operands
/// that it names. Where the library has no way for maps with their channels last, it gets them with their channels first.
pub fn convolve<L: Convolve>(
    on: &L,
    direction: Direction,
    order: Order,
    geometry: &Geometry,
    from: [Address; 2],
    to: Address,
) -> Result<(), L::Error> {
    if order == Order::ChannelsFirst
        || !(on.offers(direction, order, geometry)? && turned(on, direction, order, order, geometry, from, to)?)
    {
        turned(on, direction, order, Order::ChannelsFirst, geometry, from, to)?;
    }
    Ok(())
}

/// The same by the library's convolution of maps in the order `asked`: turns whatever lies otherwise.
fn turned<L: Convolve>(
    on: &L,
    direction: Direction,
    order: Order,
    asked: Order,
    geometry: &Geometry,
    from: [Address; 2],
    to: Address,
) -> Result<bool, L::Error> {
    let (operands, result) = direction.operands();
    // As an operand lies, and as it is asked for: whether the channels go from first to last or the other way.
    let turn = |operand: Operand| {
        let lies = if operand == Operand::Weight { Order::ChannelsFirst } else { order };
        let [batches, channels, pixels] = operand.sizes(geometry);
        let moves = lies != asked && channels > 1 && pixels > 1;
        moves.then_some(match lies {
            Order::ChannelsFirst => [batches, channels, pixels],
            Order::ChannelsLast => [batches, pixels, channels],
        })
    };
    let mut kept = Vec::new();
    let mut addresses = from;
    for (address, operand) in addresses.iter_mut().zip(operands) {
        if let Some(sizes) = turn(operand) {
            let (scratch, place) = on.scratch(sizes.iter().product())?;
            transpose(on, sizes, *address, place)?;
            *address = place;
            kept.push(scratch);
        }
    }
    let Some([batches, rows, columns]) = turn(result) else {
        return on.compute(direction, asked, geometry, addresses, to);
    };
    let (_kept, place) = on.scratch(batches * rows * columns)?;
    let done = on.compute(direction, asked, geometry, addresses, place)?;
    if done {
        transpose(on, [batches, columns, rows], place, to)?;
    }
    Ok(done)
}
