//! What is done to a query photo before it is compared, and what is added to it.

use serde::{Deserialize, Serialize};

use super::{CropRect, PhotoId};

/// How an upright photo is turned before anything else: first turned, then mirrored. Crops are of the photo that comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryEdit {
    /// Clockwise, 0..=3.
    pub quarter_turns: u8,
    /// Left and right change places.
    pub flipped: bool,
}

impl QueryEdit {
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Turns what is seen a quarter clockwise.
    pub fn turned_right(self) -> Self {
        // Seen in a mirror a turn goes the other way round.
        let turns = if self.flipped { self.quarter_turns + 3 } else { self.quarter_turns + 1 };
        Self { quarter_turns: turns % 4, ..self }
    }

    /// Turns what is seen a quarter counterclockwise.
    pub fn turned_left(self) -> Self {
        self.turned_right().turned_right().turned_right()
    }

    /// Mirrors what is seen.
    pub fn mirrored(self) -> Self {
        Self { flipped: !self.flipped, ..self }
    }

    /// Size of the photo that comes out of one of this size.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.quarter_turns % 2 == 1 { (height, width) } else { (width, height) }
    }

    /// Where a part of a photo of this size lies in what comes out.
    pub fn place(self, part: CropRect, width: u32, height: u32) -> CropRect {
        let (mut part, mut size) = (part, (width as f32, height as f32));
        for _ in 0..self.quarter_turns % 4 {
            part = CropRect::new(size.1 - part.y - part.height, part.x, part.height, part.width);
            size = (size.1, size.0);
        }
        if self.flipped {
            part.x = size.0 - part.x - part.width;
        }
        part
    }

    /// Where a part of what comes out lies in the photo of this size that went in.
    pub fn source(self, part: CropRect, width: u32, height: u32) -> CropRect {
        let (out_width, out_height) = self.size(width, height);
        let mut part = part;
        if self.flipped {
            part.x = out_width as f32 - part.x - part.width;
        }
        let back = Self { quarter_turns: (4 - self.quarter_turns % 4) % 4, flipped: false };
        back.place(part, out_width, out_height)
    }
}

/// All that makes a query besides its photo and crop. A search with the same recipe gives the same answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    pub edit: QueryEdit,
    /// Photos of the gallery that the answer should resemble.
    pub liked: Vec<PhotoId>,
    /// Photos of the gallery that it should not resemble.
    pub disliked: Vec<PhotoId>,
}

impl Recipe {
    /// Likes a photo; again to take it back.
    pub fn like(&mut self, photo: &PhotoId) {
        toggle(&mut self.liked, &mut self.disliked, photo);
    }

    /// Dislikes a photo; again to take it back.
    pub fn dislike(&mut self, photo: &PhotoId) {
        toggle(&mut self.disliked, &mut self.liked, photo);
    }

    /// Takes back what was said of a photo.
    pub fn forget(&mut self, photo: &PhotoId) {
        self.liked.retain(|other| other != photo);
        self.disliked.retain(|other| other != photo);
    }
}

fn toggle(to: &mut Vec<PhotoId>, from: &mut Vec<PhotoId>, photo: &PhotoId) {
    from.retain(|other| other != photo);
    if to.contains(photo) {
        to.retain(|other| other != photo);
    } else {
        to.push(photo.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a pixel of a photo goes, step by step.
    fn naive(edit: QueryEdit, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        let (mut at, mut size) = ((x, y), (width, height));
        for _ in 0..edit.quarter_turns {
            at = (size.1 - 1 - at.1, at.0);
            size = (size.1, size.0);
        }
        if edit.flipped { (size.0 - 1 - at.0, at.1) } else { at }
    }

    fn all() -> impl Iterator<Item = QueryEdit> {
        (0..4).flat_map(|quarter_turns| [false, true].map(|flipped| QueryEdit { quarter_turns, flipped }))
    }

    #[test]
    fn a_part_goes_where_its_pixels_go_and_comes_back() {
        let part = CropRect::new(2.0, 1.0, 3.0, 4.0);
        for edit in all() {
            let placed = edit.place(part, 7, 9);
            let corners = [naive(edit, 2, 1, 7, 9), naive(edit, 4, 4, 7, 9)];
            let (left, right) = (corners[0].0.min(corners[1].0), corners[0].0.max(corners[1].0));
            let (top, bottom) = (corners[0].1.min(corners[1].1), corners[0].1.max(corners[1].1));
            let expected = [left, top, right - left + 1, bottom - top + 1].map(|v| v as f32);
            assert_eq!([placed.x, placed.y, placed.width, placed.height], expected, "{edit:?}");
            assert_eq!(edit.source(placed, 7, 9), part, "{edit:?}");
        }
    }

    #[test]
    fn turning_and_mirroring_are_of_what_is_seen() {
        for edit in all() {
            let (width, height) = edit.size(7, 9);
            for (x, y) in [(0, 0), (6, 2), (3, 8)] {
                let (sx, sy) = naive(edit, x, y, 7, 9);
                assert_eq!(naive(edit.turned_right(), x, y, 7, 9), (height - 1 - sy, sx), "{edit:?}");
                assert_eq!(naive(edit.turned_left(), x, y, 7, 9), (sy, width - 1 - sx), "{edit:?}");
                assert_eq!(naive(edit.mirrored(), x, y, 7, 9), (width - 1 - sx, sy), "{edit:?}");
            }
            assert_eq!(edit.turned_right().turned_left(), edit);
        }
    }

    #[test]
    fn a_photo_is_liked_or_disliked_and_not_both() {
        let mut recipe = Recipe::default();
        let photo = PhotoId::new("shop/a.jpg");
        recipe.like(&photo);
        recipe.dislike(&photo);
        assert_eq!((recipe.liked.len(), recipe.disliked.len()), (0, 1));
        recipe.dislike(&photo);
        assert_eq!(recipe, Recipe::default());
    }
}
