//! Photos turned and mirrored as a person asked for it.

use image::{RgbImage, imageops};

use crate::domain::QueryEdit;

/// First turned clockwise, then mirrored.
pub fn turned(photo: RgbImage, edit: QueryEdit) -> RgbImage {
    let mut photo = match edit.quarter_turns % 4 {
        0 => photo,
        1 => imageops::rotate90(&photo),
        2 => imageops::rotate180(&photo),
        _ => imageops::rotate270(&photo),
    };
    if edit.flipped {
        imageops::flip_horizontal_in_place(&mut photo);
    }
    photo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CropRect;

    #[test]
    fn every_pixel_goes_where_the_edit_places_it() {
        let photo = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        for quarter_turns in 0..4 {
            for flipped in [false, true] {
                let edit = QueryEdit { quarter_turns, flipped };
                let out = turned(photo.clone(), edit);
                assert_eq!(out.dimensions(), edit.size(5, 3));
                for (x, y, pixel) in photo.enumerate_pixels() {
                    let to = edit.place(CropRect::new(x as f32, y as f32, 1.0, 1.0), 5, 3);
                    assert_eq!(out.get_pixel(to.x as u32, to.y as u32), pixel, "{edit:?} {x} {y}");
                }
            }
        }
    }
}
