//! Changes of colour and sharpness on interleaved RGB in 0..=1, as torchvision defines them.

/// Weights of red, green and blue in grey (ITU-R BT.601, as Pillow and torchvision use them).
pub const GREY: [f32; 3] = [0.299, 0.587, 0.114];

fn grey_of(pixel: &[f32]) -> f32 {
    pixel[0] * GREY[0] + pixel[1] * GREY[1] + pixel[2] * GREY[2]
}

fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (other + (value - other) * factor).clamp(0.0, 1.0)
}

/// Factor 1 changes nothing, 0 is black.
pub fn brightness(rgb: &mut [f32], factor: f32) {
    rgb.iter_mut().for_each(|value| *value = blend(*value, 0.0, factor));
}

/// Factor 1 changes nothing, 0 is the picture's mean grey.
pub fn contrast(rgb: &mut [f32], factor: f32) {
    let pixels = (rgb.len() / 3).max(1);
    let mean = (rgb.chunks_exact(3).map(|p| f64::from(grey_of(p))).sum::<f64>() / pixels as f64) as f32;
    rgb.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
}

/// Factor 1 changes nothing, 0 is grey.
pub fn saturation(rgb: &mut [f32], factor: f32) {
    for pixel in rgb.chunks_exact_mut(3) {
        let grey = grey_of(pixel);
        pixel.iter_mut().for_each(|value| *value = blend(*value, grey, factor));
    }
}

pub fn grey(rgb: &mut [f32]) {
    saturation(rgb, 0.0);
}

/// Inverts every value above half.
pub fn solarise(rgb: &mut [f32]) {
    rgb.iter_mut().filter(|value| **value >= 0.5).for_each(|value| *value = 1.0 - *value);
}

/// Turns the hue by this part of a full turn, in HSV.
pub fn hue(rgb: &mut [f32], turn: f32) {
    for pixel in rgb.chunks_exact_mut(3) {
        let (max, min) = (pixel[0].max(pixel[1]).max(pixel[2]), pixel[0].min(pixel[1]).min(pixel[2]));
        let chroma = max - min;
        if chroma <= 0.0 {
            continue;
        }
        let sextant = if max == pixel[0] {
            (pixel[1] - pixel[2]) / chroma
        } else if max == pixel[1] {
            (pixel[2] - pixel[0]) / chroma + 2.0
        } else {
            (pixel[0] - pixel[1]) / chroma + 4.0
        };
        let turned = (sextant + 6.0 * turn).rem_euclid(6.0);
        // Each channel is the largest minus the chroma times a trapezoid of the hue.
        for (value, offset) in pixel.iter_mut().zip([5.0, 3.0, 1.0]) {
            let k = (offset + turned) % 6.0;
            *value = max - chroma * k.min(4.0 - k).clamp(0.0, 1.0);
        }
    }
}

/// Gaussian blur of this deviation in pixels, cut off at three deviations; the border is repeated outwards.
pub fn blur(rgb: &mut [f32], width: usize, height: usize, sigma: f32) {
    let radius = (3.0 * sigma).ceil() as usize;
    if sigma <= 0.0 || radius == 0 || width == 0 {
        return;
    }
    let mut kernel: Vec<f32> = (0..=2 * radius)
        .map(|i| {
            let x = (i as f32 - radius as f32) / sigma;
            (-0.5 * x * x).exp()
        })
        .collect();
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= sum);

    let mut across = vec![0.0; rgb.len()];
    for (from, to) in rgb.chunks_exact(width * 3).zip(across.chunks_exact_mut(width * 3)) {
        for x in 0..width {
            let mut sums = [0.0; 3];
            for (i, weight) in kernel.iter().enumerate() {
                let x = (x + i).saturating_sub(radius).min(width - 1);
                (0..3).for_each(|c| sums[c] += weight * from[x * 3 + c]);
            }
            to[x * 3..x * 3 + 3].copy_from_slice(&sums);
        }
    }
    let row = width * 3;
    for y in 0..height {
        let target = &mut rgb[y * row..(y + 1) * row];
        target.fill(0.0);
        for (i, weight) in kernel.iter().enumerate() {
            let y = (y + i).saturating_sub(radius).min(height - 1);
            for (value, from) in target.iter_mut().zip(&across[y * row..(y + 1) * row]) {
                *value += weight * from;
            }
        }
    }
}
