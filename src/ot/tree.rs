//! The rooted spanning tree of a network simplex: which arc hangs each node on its parent, how deep it
//! lies, and its potential.

/// No node.
pub(super) const NONE: usize = usize::MAX;

/// An arc as the tree sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    pub from: usize,
    pub to: usize,
    pub cost: f64,
}

pub(super) struct Tree {
    pub parent: Vec<usize>,
    /// The arc between a node and its parent.
    pub arc: Vec<usize>,
    /// Whether that arc points from the node to its parent.
    pub upward: Vec<bool>,
    pub depth: Vec<u32>,
    /// For a tree arc, potential of its head less potential of its tail is its cost.
    pub potential: Vec<f64>,
    first_child: Vec<usize>,
    next_sibling: Vec<usize>,
    previous_sibling: Vec<usize>,
}

impl Tree {
    pub fn new(nodes: usize) -> Self {
        Self {
            parent: vec![NONE; nodes],
            arc: vec![NONE; nodes],
            upward: vec![false; nodes],
            depth: vec![0; nodes],
            potential: vec![0.0; nodes],
            first_child: vec![NONE; nodes],
            next_sibling: vec![NONE; nodes],
            previous_sibling: vec![NONE; nodes],
        }
    }

    /// Hangs `node`, which hangs nowhere, on `parent`.
    pub fn attach(&mut self, node: usize, parent: usize, arc: usize, upward: bool) {
        self.parent[node] = parent;
        self.arc[node] = arc;
        self.upward[node] = upward;
        let next = self.first_child[parent];
        self.next_sibling[node] = next;
        self.previous_sibling[node] = NONE;
        if next != NONE {
            self.previous_sibling[next] = node;
        }
        self.first_child[parent] = node;
    }

    fn detach(&mut self, node: usize) {
        let (previous, next) = (self.previous_sibling[node], self.next_sibling[node]);
        if previous == NONE {
            self.first_child[self.parent[node]] = next;
        } else {
            self.next_sibling[previous] = next;
        }
        if next != NONE {
            self.previous_sibling[next] = previous;
        }
    }

    /// Cuts the subtree below `out` off, turns it so that `node`, one of its own, is its root, and hangs it
    /// on `parent` by `arc`.
    pub fn rehang(&mut self, out: usize, node: usize, parent: usize, arc: usize, arcs: &dyn Fn(usize) -> Arc) {
        let upward = arcs(arc).from == node;
        let (mut child, mut new_parent, mut new_arc, mut new_upward) = (node, parent, arc, upward);
        loop {
            let (old_parent, old_arc, old_upward) = (self.parent[child], self.arc[child], self.upward[child]);
            self.detach(child);
            self.attach(child, new_parent, new_arc, new_upward);
            if child == out {
                break;
            }
            // The arc stays as it is; it is now seen from its other end.
            (new_parent, new_arc, new_upward) = (child, old_arc, !old_upward);
            child = old_parent;
        }
        self.settle(node, arcs);
    }

    /// Depths and potentials of a subtree, from those of its root's parent.
    pub fn settle(&mut self, root: usize, arcs: &dyn Fn(usize) -> Arc) {
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            let parent = self.parent[node];
            let cost = arcs(self.arc[node]).cost;
            self.depth[node] = self.depth[parent] + 1;
            self.potential[node] = self.potential[parent] + if self.upward[node] { -cost } else { cost };
            let mut child = self.first_child[node];
            while child != NONE {
                pending.push(child);
                child = self.next_sibling[child];
            }
        }
    }

    /// The nearest common ancestor.
    pub fn join(&self, mut u: usize, mut v: usize) -> usize {
        while u != v {
            if self.depth[u] >= self.depth[v] {
                u = self.parent[u];
            } else {
                v = self.parent[v];
            }
        }
        u
    }
}
