//! Thumbnails of gallery photos: only those on screen are asked for, and the textures stay within a byte budget.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use egui::TextureHandle;

use crate::domain::{PhotoId, Pixels};

/// The most that may be asked for and not yet answered, so that what comes into view next waits shortly.
const IN_FLIGHT: usize = 16;
/// Bytes of textures that are kept.
const BUDGET_BYTES: usize = 96 << 20;
/// Sides that are made, in pixels: few, so that resizing a panel does not make every photo anew.
const SIDES_PX: [u32; 4] = [128, 192, 288, 432];

type Key = (PhotoId, u32);

enum State {
    Asked,
    Ready { texture: TextureHandle, bytes: usize },
    Broken(String),
}

struct Slot {
    state: State,
    used_in: Cell<u64>,
}

/// What can be drawn for a photo now.
pub enum Thumb<'a> {
    Ready(&'a TextureHandle),
    Loading,
    Broken(&'a str),
}

#[derive(Default)]
pub struct Thumbs {
    slots: HashMap<Key, Slot>,
    wanted: RefCell<Vec<Key>>,
    frame: u64,
    bytes: usize,
    /// `None` before anybody said.
    budget_bytes: Option<usize>,
    in_flight: usize,
}

impl Thumbs {
    /// The thumbnail of at least this side in physical pixels; asks for it where it is not here.
    pub fn get(&self, photo: &PhotoId, side_px: f32) -> Thumb<'_> {
        let side = SIDES_PX.into_iter().find(|&s| s as f32 >= side_px - 0.5).unwrap_or(SIDES_PX[SIDES_PX.len() - 1]);
        let key = (photo.clone(), side);
        match self.slots.get(&key) {
            Some(slot) => {
                slot.used_in.set(self.frame);
                match &slot.state {
                    State::Ready { texture, .. } => return Thumb::Ready(texture),
                    State::Broken(reason) => return Thumb::Broken(reason),
                    State::Asked => {}
                }
            }
            None => self.wanted.borrow_mut().push(key),
        }
        // Another size is better than none.
        SIDES_PX
            .into_iter()
            .rev()
            .find_map(|side| match &self.slots.get(&(photo.clone(), side))?.state {
                State::Ready { texture, .. } => Some(Thumb::Ready(texture)),
                State::Asked | State::Broken(_) => None,
            })
            .unwrap_or(Thumb::Loading)
    }

    /// What to ask for next, in the order in which it was drawn; begins a new frame.
    pub fn next_wanted(&mut self) -> Vec<(PhotoId, u32)> {
        self.frame += 1;
        let mut wanted = self.wanted.take();
        let mut seen = HashSet::new();
        wanted.retain(|key| !self.slots.contains_key(key) && seen.insert(key.clone()));
        wanted.truncate(IN_FLIGHT.saturating_sub(self.in_flight));
        for key in &wanted {
            self.slots.insert(key.clone(), Slot { state: State::Asked, used_in: Cell::new(self.frame) });
            self.in_flight += 1;
        }
        wanted
    }

    /// Takes an answer in and lets go of what was not drawn for longest.
    pub fn insert(&mut self, ctx: &egui::Context, photo: PhotoId, side_px: u32, pixels: Result<&Pixels, &String>) {
        let state = match pixels {
            Ok(pixels) => State::Ready {
                texture: texture(ctx, photo.as_str(), pixels),
                bytes: pixels.width as usize * pixels.height as usize * 4,
            },
            Err(reason) => State::Broken(reason.clone()),
        };
        if let State::Ready { bytes, .. } = &state {
            self.bytes += bytes;
        }
        let key = (photo, side_px);
        match self.slots.insert(key, Slot { state, used_in: Cell::new(self.frame) }).map(|slot| slot.state) {
            Some(State::Asked) => self.in_flight = self.in_flight.saturating_sub(1),
            Some(State::Ready { bytes, .. }) => self.bytes = self.bytes.saturating_sub(bytes),
            Some(State::Broken(_)) | None => {}
        }
        self.shrink(self.budget_bytes());
    }

    fn shrink(&mut self, budget_bytes: usize) {
        while self.bytes > budget_bytes {
            let oldest = self
                .slots
                .iter()
                .filter(|(_, slot)| matches!(slot.state, State::Ready { .. }) && slot.used_in.get() + 1 < self.frame)
                .min_by_key(|(_, slot)| slot.used_in.get())
                .map(|(key, _)| key.clone());
            // All that is left is on screen.
            let Some(key) = oldest else { break };
            if let Some(Slot { state: State::Ready { bytes, .. }, .. }) = self.slots.remove(&key) {
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Another project has other photos under the same names.
    pub fn clear(&mut self) {
        *self = Self { frame: self.frame, budget_bytes: self.budget_bytes, ..Self::default() };
    }

    /// The most bytes of textures that are to be held; what is on screen is held in any case.
    pub fn budget_bytes(&self) -> usize {
        self.budget_bytes.unwrap_or(BUDGET_BYTES)
    }

    pub fn set_budget(&mut self, bytes: usize) {
        self.budget_bytes = Some(bytes);
        self.shrink(bytes);
    }

    /// Bytes of textures that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Puts a picture on the graphics card.
pub fn texture(ctx: &egui::Context, name: &str, pixels: &Pixels) -> TextureHandle {
    let size = [pixels.width as usize, pixels.height as usize];
    // Photos are opaque, which leaves nothing to multiply: a plain copy.
    let opaque = pixels.rgba.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX);
    let image = if opaque {
        egui::ColorImage::from_rgba_premultiplied(size, &pixels.rgba)
    } else {
        egui::ColorImage::from_rgba_unmultiplied(size, &pixels.rgba)
    };
    let options =
        egui::TextureOptions { mipmap_mode: Some(egui::TextureFilter::Linear), ..egui::TextureOptions::LINEAR };
    ctx.load_texture(name, image, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(side: u32) -> Pixels {
        Pixels { width: side, height: side, rgba: vec![200; (side * side * 4) as usize] }
    }

    #[test]
    fn what_is_drawn_first_is_asked_for_first_and_only_once() {
        let mut thumbs = Thumbs::default();
        for name in ["a", "b", "a"] {
            assert!(matches!(thumbs.get(&name.into(), 100.0), Thumb::Loading));
        }
        let names: Vec<String> = thumbs.next_wanted().iter().map(|(photo, _)| photo.to_string()).collect();
        assert_eq!(names, ["a", "b"]);
        thumbs.get(&"a".into(), 100.0);
        assert!(thumbs.next_wanted().is_empty());
    }

    #[test]
    fn no_more_than_a_few_are_in_flight() {
        let mut thumbs = Thumbs::default();
        for index in 0..100 {
            thumbs.get(&PhotoId::new(index.to_string()), 100.0);
        }
        assert_eq!(thumbs.next_wanted().len(), IN_FLIGHT);
        for index in 0..100 {
            thumbs.get(&PhotoId::new(index.to_string()), 100.0);
        }
        assert!(thumbs.next_wanted().is_empty());
    }

    #[test]
    fn the_budget_lets_go_of_what_was_drawn_longest_ago_but_never_of_what_is_on_screen() {
        let ctx = egui::Context::default();
        let mut thumbs = Thumbs::default();
        for name in ["old", "new"] {
            thumbs.get(&name.into(), 100.0);
            thumbs.next_wanted();
            thumbs.insert(&ctx, name.into(), 128, Ok(&pixels(128)));
        }
        for _ in 0..3 {
            thumbs.get(&"new".into(), 100.0);
            thumbs.next_wanted();
        }
        thumbs.get(&"new".into(), 100.0);
        thumbs.shrink(0);
        assert!(matches!(thumbs.get(&"new".into(), 100.0), Thumb::Ready(_)));
        assert!(matches!(thumbs.get(&"old".into(), 100.0), Thumb::Loading));
        assert_eq!(thumbs.bytes(), 128 * 128 * 4);
    }

    #[test]
    fn a_broken_photo_says_why_and_is_not_asked_for_again() {
        let ctx = egui::Context::default();
        let mut thumbs = Thumbs::default();
        thumbs.get(&"a".into(), 100.0);
        thumbs.next_wanted();
        thumbs.insert(&ctx, "a".into(), 128, Err(&"the file is empty: a".to_owned()));
        assert!(matches!(thumbs.get(&"a".into(), 100.0), Thumb::Broken("the file is empty: a")));
        assert!(thumbs.next_wanted().is_empty());
    }
}
