//! Which settings of a recipe are shown as fields, and what each means.

use std::collections::BTreeMap;

/// One setting that is shown as a field.
pub struct Field {
    pub setting: &'static str,
    pub name: &'static str,
    pub meaning: &'static str,
    /// It says something only where one of these is on; nothing here always says something.
    needs: &'static [&'static str],
}

const fn field(setting: &'static str, name: &'static str, meaning: &'static str) -> Field {
    Field { setting, name, meaning, needs: &[] }
}

const fn of(needs: &'static [&'static str], setting: &'static str, name: &'static str, meaning: &'static str) -> Field {
    Field { setting, name, meaning, needs }
}

impl Field {
    /// Whether this version knows the setting and it says something beside the others.
    pub fn is_shown(&self, values: &BTreeMap<String, String>) -> bool {
        let on = |setting: &&str| values.get(*setting).is_some_and(|value| !is_off(value));
        let counts = !(PRETEXT.iter().any(on) && self.is_about_labels());
        values.contains_key(self.setting) && counts && (self.needs.is_empty() || self.needs.iter().any(on))
    }

    /// A run without labels asks none of these.
    fn is_about_labels(&self) -> bool {
        let sections = ["loss.", "semi.", "outfits."];
        let batch = ["data.label_fraction", "data.products", "data.photos", "data.recolour"];
        sections.iter().any(|section| self.setting.starts_with(section)) || batch.contains(&self.setting)
    }
}

/// A value that turns something off.
pub fn is_off(value: &str) -> bool {
    ["0", "0.0", "false", "\"none\""].contains(&value)
}

/// Whether a setting is a field that is shown.
pub fn is_field(setting: &str, values: &BTreeMap<String, String>) -> bool {
    let mut fields = SECTIONS.iter().flat_map(|(_, fields)| fields.iter());
    fields.any(|field| field.setting == setting && field.is_shown(values))
}

const TRIPLET: &[&str] = &["loss.triplet"];
const CONTRAST: &[&str] = &["loss.info_nce", "loss.nt_xent"];
const PRETEXT: &[&str] = &["pretext.method"];
const OUTFITS: &[&str] = &["outfits.weight"];
const SEMI: &[&str] = &["semi.unlabelled"];

/// The settings that are turned most, by section; the rest is in the text.
pub const SECTIONS: &[(&str, &[Field])] = &[
    (
        "Run",
        &[
            field("name", "Name", "What the run and its model are called"),
            field("seed", "Seed", "All that is random follows from it: the same seed gives the same run"),
        ],
    ),
    (
        "Network",
        &[
            field("model.arch", "Backbone", "The network's shape"),
            field("model.width", "Width", "Channels of the first stage; 64 is the published network"),
            field("model.last_stride", "Last stride", "2, or 1 for twice as fine a grid of cells"),
            field("model.pooling", "Pooling", "How the cells of a photo become one vector"),
            field("model.neck", "Neck", "A normalisation between embedding and classifier"),
            field("model.relaxation", "Relaxation", "Channels of the relaxation on the classifier’s path; 0 has none"),
            field("model.projections", "By category", "An embedding for each kind of garment instead of one for all"),
            field(
                "model.worn",
                "What is worn together",
                "A map of the global vector for each kind, learnt from outfits",
            ),
            field("model.dim", "Embedding", "Length of a cell’s and of the global vector"),
            field("model.input_size", "Input, px", "Side of the square that the finished model looks at"),
        ],
    ),
    (
        "Data",
        &[
            field("data.label_fraction", "Labels used", "Share of the training products whose labels are used, 0 to 1"),
            field("data.train_size", "Training size, px", "Side of the squares that are trained on"),
            field("data.products", "Products in a batch", "A batch holds so many products"),
            field("data.photos", "Photos of each", "Half of them street photos"),
            field("data.recolour", "Recoloured", "Probability that a product is shown in other colours, 0 to 1"),
        ],
    ),
    (
        "Without labels",
        &[
            field("pretext.method", "Method", "Learning from two views of each photo, in place of the losses below"),
            of(PRETEXT, "pretext.views", "Views", "How the two views of a photo differ"),
            of(PRETEXT, "pretext.batch", "Photos in a batch", "Each in two views"),
            field("semi.unlabelled", "Unlabelled photos", "Beside each batch of labelled ones; 0 has none"),
            of(
                SEMI,
                "semi.consistency",
                "Consistency",
                "Weight of a photo against its views in other shape and colours",
            ),
            of(SEMI, "semi.pseudo", "Pseudo-labels", "Weight of the triplets between neighbours of labelled ones"),
            of(SEMI, "semi.thresholds", "Thresholds", "How sure the classifier must be of a kind"),
            of(SEMI, "semi.threshold", "Threshold", "The (highest) probability that a predicted kind needs"),
            of(SEMI, "semi.teacher", "Mean teacher", "Share that it keeps of itself in a step; 0 has none"),
        ],
    ),
    (
        "Losses",
        &[
            field("loss.cross_entropy", "Cross-entropy", "Weight of telling kinds of garment apart; 0 turns it off"),
            field("loss.triplet", "Triplet", "Weight of the triplet loss across street and shop; 0 turns it off"),
            of(TRIPLET, "loss.mining", "Mining", "How partners are chosen in a batch"),
            of(TRIPLET, "loss.soft_margin", "Soft margin", "Never quite content, in place of a margin"),
            of(TRIPLET, "loss.margin", "Margin", "How much nearer the right product must be; not with a soft margin"),
            field("loss.info_nce", "InfoNCE", "Weight of picking the right product out of a batch; 0 turns it off"),
            field("loss.nt_xent", "NT-Xent", "Weight of pairs of one street and one shop photo; 0 turns it off"),
            of(CONTRAST, "loss.temperature", "Temperature", "Small looks at the hardest products only"),
            field("loss.multi_similarity", "Multi-similarity", "Weight of its loss; 0 turns it off"),
            field("loss.margin_loss", "Margin loss", "Weight of the loss with learned boundaries; 0 turns it off"),
            field("loss.proxy_anchor", "Proxy-anchor", "Weight of its loss; 0 turns it off"),
            field(
                "loss.structural",
                "Structural",
                "Weight of the triplet on transport plans between cells; 0 turns it off",
            ),
            field("outfits.weight", "Worn together", "Weight of the triplets of pieces of outfits; 0 turns it off"),
            of(OUTFITS, "outfits.triplets", "Outfit triplets", "Beside each batch, of a tenth as many outfits"),
            of(OUTFITS, "outfits.margin", "Outfits’ margin", "How much nearer the piece that is worn with it must be"),
        ],
    ),
    (
        "Schedule",
        &[
            field("schedule.epochs", "Epochs", "How often all photos are seen"),
            field("optimizer.kind", "Optimizer", "How gradients become steps"),
            field("optimizer.rate", "Learning rate", "At its peak"),
            field("schedule.curve", "Course of the rate", "How the rate falls after its peak"),
            field("schedule.warmup_epochs", "Warm-up epochs", "In which the rate rises to its peak"),
            field("optimizer.weight_decay", "Weight decay", "How strongly weights are drawn towards 0"),
            field(
                "optimizer.ema",
                "Averaging",
                "Share that the averaged weights keep at each step; 0 averages nothing",
            ),
            field("optimizer.accumulate", "Parts of a batch", "Passed one after the other, so that a large batch fits"),
        ],
    ),
    (
        "Measuring",
        &[
            field("run.validate_epochs", "Measured every", "So many epochs, on the validation split; 0 never"),
            field("run.checkpoint_epochs", "Saved every", "So many epochs"),
            field("run.keep", "Checkpoints kept", "The newest so many"),
            field("run.metric", "Better in", "What a better model is better in"),
            field("run.early_stop", "Stops early after", "So many measurements without a better value; 0 never"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::training::recipes::check;

    #[test]
    fn a_field_is_there_once_and_only_where_it_says_something() {
        let mut names: Vec<&str> = SECTIONS.iter().flat_map(|(_, fields)| fields.iter()).map(|f| f.setting).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        let shown = |text: &str, setting: &str| {
            let values = check(text).values;
            let field = SECTIONS.iter().flat_map(|(_, fields)| fields.iter()).find(|field| field.setting == setting);
            field.unwrap().is_shown(&values)
        };
        assert!(shown("", "loss.margin") && !shown("[loss]\ntriplet = 0.0\ninfo_nce = 1.0\n", "loss.margin"));
        let pretext = "[pretext]\nmethod = \"moco\"\n";
        assert!(shown(pretext, "pretext.views") && shown(pretext, "data.train_size"));
        for setting in ["loss.triplet", "loss.cross_entropy", "semi.unlabelled", "data.products", "data.recolour"] {
            assert!(shown("", setting) && !shown(pretext, setting), "{setting}");
        }
        assert!(!shown("", "loss.temperature") && shown("[loss]\ninfo_nce = 1.0\n", "loss.temperature"));
        // What this version does not know is no field of it.
        let nothing = BTreeMap::new();
        assert!(SECTIONS.iter().all(|(_, fields)| fields.iter().all(|field| !field.is_shown(&nothing))));
    }
}
