//! Unregularised transport by a primal network simplex.
//!
//! The tree is kept strongly feasible (Cunningham 1976; Ahuja, Magnanti and Orlin, Network Flows, section
//! 11.6): every tree arc that carries nothing points to the root. Then no sequence of degenerate pivots can
//! come back to itself, which plain simplex does on the ties that equal weights are full of.

use super::problem::{check, marginal_errors, total_cost};
use super::tree::{Arc, Tree};
use super::{OtError, Solution};

/// The plan of least cost; `iterations` counts pivots.
pub fn exact(cost: &[f64], a: &[f64], b: &[f64]) -> Result<Solution<f64>, OtError> {
    let balanced = check(cost, a, b)?;
    if balanced.largest_cost > f64::MAX / 1e16 {
        return Err(OtError::Range { largest: balanced.largest_cost, epsilon: 0.0 });
    }
    let mut simplex = Simplex::new(cost, a, &balanced.columns, balanced.largest_cost);
    let limit = 1000 + 50 * cost.len();
    let mut pivots = 0;
    while let Some(entering) = simplex.entering() {
        if pivots == limit {
            return Err(OtError::Unsettled { pivots });
        }
        simplex.pivot(entering);
        pivots += 1;
    }
    let mut plan = simplex.flow;
    plan.truncate(cost.len());
    let (row_error, column_error) = marginal_errors(&plan, a, b);
    Ok(Solution { cost: total_cost(&plan, cost), plan, iterations: pivots, row_error, column_error })
}

/// Nodes: rows, then columns, then the root. Arcs: one for each entry of the cost, then one for each node
/// to or from the root, so dear that an optimal plan does not use it.
struct Simplex<'a> {
    network: Network<'a>,
    flow: Vec<f64>,
    tree: Tree,
    /// A reduced cost nearer to zero than this is rounding.
    slack: f64,
    block: usize,
    next: usize,
}

struct Network<'a> {
    cost: &'a [f64],
    rows: usize,
    b: &'a [f64],
    dear: f64,
}

impl Network<'_> {
    fn arc(&self, index: usize) -> Arc {
        let columns = self.b.len();
        if index < self.cost.len() {
            return Arc { from: index / columns, to: self.rows + index % columns, cost: self.cost[index] };
        }
        let node = index - self.cost.len();
        let root = self.rows + columns;
        // An empty column's arc carries nothing, so a strongly feasible tree has it point to the root.
        if node < self.rows || self.b[node - self.rows] == 0.0 {
            Arc { from: node, to: root, cost: self.dear }
        } else {
            Arc { from: root, to: node, cost: self.dear }
        }
    }
}

impl<'a> Simplex<'a> {
    fn new(cost: &'a [f64], a: &[f64], b: &'a [f64], largest_cost: f64) -> Self {
        let (rows, nodes) = (a.len(), a.len() + b.len());
        let scale = if largest_cost > 0.0 { largest_cost } else { 1.0 };
        let network = Network { cost, rows, b, dear: scale * (nodes + 1) as f64 };
        let mut flow = vec![0.0; cost.len() + nodes];
        for (slot, &weight) in flow[cost.len()..].iter_mut().zip(a.iter().chain(b)) {
            *slot = weight;
        }
        let mut tree = Tree::new(nodes + 1);
        for node in 0..nodes {
            let arc = cost.len() + node;
            tree.attach(node, nodes, arc, network.arc(arc).from == node);
            tree.settle(node, &|arc| network.arc(arc));
        }
        let slack = 8.0 * f64::EPSILON * network.dear;
        let block = ((cost.len() as f64).sqrt().ceil() as usize).max(10);
        Self { network, flow, tree, slack, block, next: 0 }
    }

    /// The arc of most negative reduced cost in the first block of arcs that has one.
    fn entering(&mut self) -> Option<usize> {
        let arcs = self.network.cost.len();
        let (rows, columns) = (self.network.rows, self.network.b.len());
        // Arcs lead from rows to columns.
        let (tails, heads) = self.tree.potential.split_at(rows);
        let mut best = (-self.slack, None);
        let (mut seen, mut left_in_block) = (0, self.block);
        while seen < arcs {
            // The rest of a row, so that only the columns' potentials change from arc to arc.
            let (row, from) = (self.next / columns, self.next % columns);
            let length = (columns - from).min(left_in_block).min(arcs - seen);
            let costs = &self.network.cost[self.next..self.next + length];
            let heads = &heads[from..from + length];
            let reduced = |cost: f64, head: f64| cost + tails[row] - head;
            let least = least(costs, heads, &reduced);
            if least < best.0 {
                let place = costs.iter().zip(heads).position(|(&cost, &head)| reduced(cost, head) == least);
                best = (least, place.map(|place| self.next + place));
            }
            self.next = if self.next + length == arcs { 0 } else { self.next + length };
            seen += length;
            left_in_block -= length;
            if left_in_block == 0 {
                if best.1.is_some() {
                    break;
                }
                left_in_block = self.block;
            }
        }
        best.1
    }

    /// Sends as much as possible around the cycle that `entering` closes, and lets one emptied arc leave:
    /// the last one met when the cycle is walked from its join along the entering arc, which keeps the tree
    /// strongly feasible.
    fn pivot(&mut self, entering: usize) {
        let Arc { from, to, .. } = self.network.arc(entering);
        let join = self.tree.join(from, to);
        let tree = &self.tree;
        let mut amount = f64::INFINITY;
        let mut out = None;
        // Mass comes down from the join to `from`, against arcs that point up, and goes up again from `to`,
        // against arcs that point down; only those shrink.
        let mut node = from;
        while node != join {
            if tree.upward[node] && self.flow[tree.arc[node]] < amount {
                amount = self.flow[tree.arc[node]];
                out = Some((node, true));
            }
            node = tree.parent[node];
        }
        node = to;
        while node != join {
            if !tree.upward[node] && self.flow[tree.arc[node]] <= amount {
                amount = self.flow[tree.arc[node]];
                out = Some((node, false));
            }
            node = tree.parent[node];
        }
        // Every cycle of this network has an arc that shrinks, since no cost is minus infinity: all arcs
        // lead from rows to columns or through the root, so a cycle runs against at least one of them.
        let Some((out, below_from)) = out else { return };

        if amount > 0.0 {
            self.flow[entering] += amount;
            for (start, down) in [(from, true), (to, false)] {
                node = start;
                while node != join {
                    let sign = if tree.upward[node] == down { -amount } else { amount };
                    self.flow[tree.arc[node]] += sign;
                    node = tree.parent[node];
                }
            }
        }
        let (node, parent) = if below_from { (from, to) } else { (to, from) };
        let network = &self.network;
        self.tree.rehang(out, node, parent, entering, &|arc| network.arc(arc));
    }
}

/// The least of `f` over pairs, by lanes that the compiler computes at once. No value is NaN, for costs are finite.
#[inline(always)]
fn least(a: &[f64], b: &[f64], f: &impl Fn(f64, f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let lower = |a: f64, b: f64| if b < a { b } else { a };
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [f64::INFINITY; LANES];
    for (a, b) in a.iter().zip(b) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane = lower(*lane, f(a, b));
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b));
    lanes.into_iter().chain(rest).fold(f64::INFINITY, lower)
}
