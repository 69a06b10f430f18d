//! Two views of one photo, as methods that learn without labels make them.

use serde::{Deserialize, Serialize};

use super::Augment;

/// A published pair of augmentations. All draw a part of 20 % to 100 % of the garment's box and mirror half of the views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// MoCo version 2 (Chen et al. 2020): strong colours, grey, blur; both views alike.
    #[default]
    Moco,
    /// BYOL (Grill et al. 2020), which VICReg and DINO took over: one view blurred, the other solarised now and then.
    Byol,
    /// As MoCo's, but hue and saturation hardly move and grey is rare: colour tells garments apart, so a network for
    /// fashion must not learn to overlook it.
    KeepsColour,
    /// The recipe's own augmentation for both.
    Own,
}

impl Views {
    /// The augmentations of the first and of the second view.
    pub fn pair(self, own: &Augment) -> [Augment; 2] {
        let plain = Augment {
            // 20 % of the area is 45 % of the side.
            crop_scale: [0.447, 1.0],
            crop_shift: 0.25,
            crop_aspect: 0.29,
            flip: 0.5,
            jitter: 0.8,
            blur_sigma: [0.1, 2.0],
            ..Augment::none()
        };
        let strong = Augment { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, grey: 0.2, ..plain.clone() };
        match self {
            Self::Moco => [Augment { blur: 0.5, ..strong.clone() }, Augment { blur: 0.5, ..strong }],
            Self::Byol => {
                let weaker = Augment { saturation: 0.2, ..strong };
                [Augment { blur: 1.0, ..weaker.clone() }, Augment { blur: 0.1, solarise: 0.2, ..weaker }]
            }
            Self::KeepsColour => {
                let kept = Augment {
                    brightness: 0.4,
                    contrast: 0.4,
                    saturation: 0.1,
                    hue: 0.03,
                    grey: 0.05,
                    blur: 0.5,
                    ..plain
                };
                [kept.clone(), kept]
            }
            Self::Own => [own.clone(), own.clone()],
        }
    }
}

/// A view of another shape and the same colours: turned by up to 30 degrees, stretched, cut and mirrored (work R).
pub fn other_shape() -> Augment {
    Augment {
        crop_scale: [0.7, 1.3],
        crop_shift: 0.15,
        crop_aspect: 0.6,
        flip: 0.5,
        rotation_deg: 30.0,
        ..Augment::none()
    }
}

/// A view of the same shape and other colours (work R): the hue turns by a sixth to a half of a circle, light and
/// saturation move far, a fifth is grey.
pub fn other_colours() -> Augment {
    Augment {
        jitter: 1.0,
        brightness: 0.5,
        contrast: 0.3,
        saturation: 0.5,
        hue: 0.5,
        least_hue: 1.0 / 6.0,
        grey: 0.2,
        ..Augment::none()
    }
}
