//! Result lists as pictures.

use std::sync::Arc;

use crate::domain::{CropRect, Pixels};
use crate::render::{ResultSheet, SheetTheme, SheetTile, result_png};

fn plain(color: [u8; 3], width: u32, height: u32) -> Pixels {
    let [r, g, b] = color;
    Pixels { width, height, rgba: [r, g, b, 255].repeat((width * height) as usize) }
}

fn tile(rank: usize, color: Option<[u8; 3]>) -> SheetTile {
    SheetTile {
        picture: color.map(|color| Arc::new(plain(color, 30, 30))),
        rank,
        name: "A name that is far too long for the little room that a tile has".into(),
        words: "39.00".into(),
        score: 0.952,
        badge: (rank == 1).then(|| "+3".to_owned()),
    }
}

#[test]
fn a_sheet_holds_the_photo_every_tile_and_grows_with_them() {
    let query = plain([10, 200, 30], 60, 90);
    let colors =
        [[200, 20, 20], [20, 20, 200], [200, 200, 20], [20, 200, 200], [200, 20, 200], [90, 90, 90], [1, 2, 3]];
    let mut tiles: Vec<SheetTile> = colors.iter().zip(1..).map(|(color, rank)| tile(rank, Some(*color))).collect();
    let lines = ["7 of 80 photos".to_owned()];
    let sheet = |tiles: &[SheetTile]| {
        let crop = CropRect::new(5.0, 5.0, 40.0, 60.0);
        let (title, theme, width_px) = ("tram.jpg", SheetTheme::LIGHT, 960);
        result_png(&ResultSheet { query: &query, crop, title, lines: &lines, tiles, theme, width_px }).unwrap()
    };
    let drawn = sheet(&tiles);
    assert_eq!(drawn.width(), 960);
    assert!(drawn.height() > sheet(&tiles[..6]).height(), "a second row");
    for color in colors.into_iter().chain([[10, 200, 30]]) {
        let same = drawn.pixels().filter(|pixel| pixel.0[..3] == color).count();
        assert!(same > 500, "{color:?}: {same}");
    }
    // A photo that cannot be read leaves its tile empty, and the others as they are.
    tiles[0].picture = None;
    let without = sheet(&tiles);
    assert_eq!(without.dimensions(), drawn.dimensions());
    assert!(!without.pixels().any(|pixel| pixel.0[..3] == colors[0]));
}
