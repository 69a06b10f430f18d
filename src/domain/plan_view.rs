//! How a person looks at a plan, for a picture of the same.

/// What lies over the photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlanOverlay {
    /// Lines between cells.
    #[default]
    Ribbons,
    /// Cells that belong together in one colour.
    Colours,
    /// How much mass each cell holds.
    Heat,
    /// The photos alone.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanView {
    pub overlay: PlanOverlay,
    pub grid_lines: bool,
    /// No ribbon is drawn for less than this share of the largest mass, 0..=1.
    pub threshold: f32,
    /// At most this many ribbons, the heaviest.
    pub ribbons: usize,
    /// 0..=1.
    pub opacity: f32,
}

impl Default for PlanView {
    fn default() -> Self {
        Self { overlay: PlanOverlay::Ribbons, grid_lines: true, threshold: 0.15, ribbons: 40, opacity: 1.0 }
    }
}
