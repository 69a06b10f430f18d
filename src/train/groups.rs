//! Which share of the learning rate a parameter has: what lies on the backbone may learn faster, and the backbone's first
//! stages, which see edges and colours whatever the task is, slower than its last.

/// Multiples of the learning rate by place in the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupRates {
    /// Of all that is no part of the backbone.
    pub head: f64,
    /// Of each stage with respect to the stage above it.
    pub layer_decay: f64,
}

impl Default for GroupRates {
    fn default() -> Self {
        Self { head: 1.0, layer_decay: 1.0 }
    }
}

/// The last stage's number.
const LAST: i32 = 4;

impl GroupRates {
    /// The multiple for the parameter of that name.
    pub fn of(&self, name: &str) -> f64 {
        match stage(name) {
            None => self.head,
            Some(stage) => self.layer_decay.powi(LAST - stage),
        }
    }
}

/// Stage of the backbone from its published name, 0 for the stem; `None` outside the backbone.
fn stage(name: &str) -> Option<i32> {
    let inside = name.strip_prefix("backbone.")?;
    let numbered = |word: &str| -> Option<i32> {
        let number = ["layer", "denseblock", "transition"].iter().find_map(|prefix| word.strip_prefix(prefix))?;
        number.parse().ok().filter(|stage| (0..=LAST).contains(stage))
    };
    let found = inside.split('.').find_map(|word| if word == "norm5" { Some(LAST) } else { numbered(word) });
    Some(found.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the published names (torchvision, timm), their stages written down by hand.
    #[test]
    fn rates_follow_the_stages_of_published_names() {
        let rates = GroupRates { head: 10.0, layer_decay: 0.5 };
        for (name, factor) in [
            ("backbone.conv1.weight", 0.0625),
            ("backbone.bn1.bias", 0.0625),
            ("backbone.layer1.0.conv1.weight", 0.125),
            ("backbone.layer3.22.bn2.weight", 0.5),
            ("backbone.layer4.0.downsample.0.weight", 1.0),
            ("backbone.layer0.conv1.weight", 0.0625),
            ("backbone.features.conv0.weight", 0.0625),
            ("backbone.features.denseblock2.denselayer11.conv1.weight", 0.25),
            ("backbone.features.transition3.norm.bias", 0.5),
            ("backbone.features.norm5.weight", 1.0),
            ("embedding.weight", 10.0),
            ("classifier.bias", 10.0),
        ] {
            assert_eq!(rates.of(name), factor, "{name}");
        }
        assert_eq!(GroupRates::default().of("backbone.conv1.weight"), 1.0);
    }
}
