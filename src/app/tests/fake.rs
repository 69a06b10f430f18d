//! Drawn garments and made-up answers that hang together.

use std::collections::BTreeMap;
use std::sync::Arc;

use tiny_skia::{Color, FillRule, Mask, Paint, PathBuilder, Pixmap, Rect, Transform};

use crate::domain::{
    Arithmetic, CheckpointId, CropRect, Grid, Hit, MatchOptions, PairMatch, PhotoId, Pixels, ProductId, ProductRecord,
    QueryEdit, QueryId, Ranking, Shelf, SquarePicture, Stage, Timings, TransportPlan,
};
use crate::jobs::{Event, LabelState, ModelInfo, OutfitSkill, PlanInfo, ProjectSummary, QueryInfo};

pub const NAMES: [(&str, &str, &str); 12] = [
    ("Breton long sleeve", "knit", "39.00"),
    ("Striped knit, navy", "knit", "59.00"),
    ("Sailor tee", "t-shirt", "24.00"),
    ("Wide stripe jumper", "knit", "64.00"),
    ("Marine rib top", "t-shirt", "35.00"),
    ("Checked shirt", "shirt", "49.00"),
    ("Block stripe tee", "t-shirt", "22.00"),
    ("Navy crew knit", "knit", "55.00"),
    ("Dotted blouse", "blouse", "45.00"),
    ("Forest jumper", "knit", "58.00"),
    ("Rust pocket tee", "t-shirt", "19.00"),
    ("Plum henley", "t-shirt", "29.00"),
];

const PALETTE: [[u32; 2]; 8] = [
    [0x2b_4a_78, 0xf0_ec_e2],
    [0xa8_4a_3a, 0x2b_3a_5e],
    [0x2b_4a_78, 0xf6_f4_ee],
    [0x22_24_28, 0xee_ee_ea],
    [0x31_45_6b, 0xe7_e2_d6],
    [0x5d_82_a6, 0xe9_ed_f0],
    [0x9a_2f_36, 0xf1_e4_d8],
    [0x2a_44_70, 0x2a_44_70],
];

fn paint(hex: u32, alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8((hex >> 16) as u8, (hex >> 8) as u8, hex as u8, alpha);
    paint.anti_alias = true;
    paint
}

fn shape(points: &[[f32; 2]], at: [f32; 2], scale: f32) -> tiny_skia::Path {
    let mut builder = PathBuilder::new();
    for (index, [x, y]) in points.iter().enumerate() {
        let (x, y) = (at[0] + x * scale, at[1] + y * scale);
        if index == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    builder.close();
    builder.finish().expect("a polygon has points")
}

/// A jumper over a square of one unit, sleeves included.
const JUMPER: [[f32; 2]; 16] = [
    [0.36, 0.14],
    [0.43, 0.19],
    [0.50, 0.205],
    [0.57, 0.19],
    [0.64, 0.14],
    [0.76, 0.19],
    [0.84, 0.34],
    [0.90, 0.60],
    [0.80, 0.64],
    [0.735, 0.46],
    [0.74, 0.82],
    [0.26, 0.82],
    [0.265, 0.46],
    [0.20, 0.64],
    [0.10, 0.60],
    [0.20, 0.24],
];

fn draw_garment(map: &mut Pixmap, index: usize, at: [f32; 2], scale: f32) {
    let [a, b] = PALETTE[index % PALETTE.len()];
    let body = shape(&JUMPER, at, scale);
    map.fill_path(&body, &paint(b, 255), FillRule::Winding, Transform::identity(), None);
    let mut mask = Mask::new(map.width(), map.height()).expect("a mask as large as the picture");
    mask.fill_path(&body, FillRule::Winding, true, Transform::identity());
    let bands = 9 + index % 4;
    let thickness = scale / bands as f32 * (0.42 + 0.05 * (index % 3) as f32);
    for band in 0..=bands {
        let along = scale * band as f32 / bands as f32;
        let rect = if index % 6 == 4 {
            Rect::from_xywh(at[0] + along, at[1], thickness, scale)
        } else {
            Rect::from_xywh(at[0], at[1] + along, scale, thickness)
        };
        if let Some(rect) = rect {
            map.fill_rect(rect, &paint(a, 255), Transform::identity(), Some(&mask));
        }
        if index % 6 == 5
            && let Some(rect) = Rect::from_xywh(at[0] + along, at[1], thickness, scale)
        {
            map.fill_rect(rect, &paint(a, 110), Transform::identity(), Some(&mask));
        }
    }
    for x in [0.18, 0.745] {
        let fold = Rect::from_xywh(at[0] + x * scale, at[1] + 0.2 * scale, 0.09 * scale, 0.6 * scale);
        map.fill_rect(fold.expect("a fold has sides"), &paint(0, 28), Transform::identity(), Some(&mask));
    }
}

fn pixels(map: &Pixmap) -> Arc<Pixels> {
    Arc::new(Pixels { width: map.width(), height: map.height(), rgba: map.data().to_vec() })
}

/// A garment alone on a clean ground.
pub fn shop_photo(index: usize, side: u32) -> Arc<Pixels> {
    let mut map = Pixmap::new(side, side).expect("a picture has sides");
    map.fill(Color::from_rgba8(0xfb, 0xfb, 0xfa, 255));
    let s = side as f32;
    let shadow = PathBuilder::from_oval(Rect::from_xywh(0.26 * s, 0.85 * s, 0.48 * s, 0.05 * s).expect("a shadow"));
    map.fill_path(&shadow.expect("an oval"), &paint(0, 26), FillRule::Winding, Transform::identity(), None);
    draw_garment(&mut map, index, [0.06 * s, 0.04 * s], 0.88 * s);
    pixels(&map)
}

/// The same garment worn in a street.
pub fn street_photo(index: usize, width: u32, height: u32) -> Arc<Pixels> {
    let mut map = Pixmap::new(width, height).expect("a picture has sides");
    let (w, h) = (width as f32, height as f32);
    map.fill(Color::from_rgba8(0xc9, 0xb7, 0x9a, 255));
    let mut rect = |x: f32, y: f32, rw: f32, rh: f32, hex: u32| {
        let rect = Rect::from_xywh(x * w, y * h, rw * w, rh * h).expect("a house has sides");
        map.fill_rect(rect, &paint(hex, 255), Transform::identity(), None);
    };
    rect(0.0, 0.08, 0.30, 0.72, 0x9c_7a_5c);
    rect(0.66, 0.0, 0.34, 0.82, 0x82_8f_82);
    for row in 0..4 {
        rect(0.06, 0.16 + 0.15 * row as f32, 0.09, 0.09, 0x6b_55_45);
        rect(0.78, 0.08 + 0.17 * row as f32, 0.12, 0.09, 0x5c_6a_68);
    }
    rect(0.0, 0.80, 1.0, 0.20, 0x8c_82_78);
    let oval = |map: &mut Pixmap, x: f32, y: f32, rw: f32, rh: f32, hex: u32| {
        let oval = PathBuilder::from_oval(Rect::from_xywh(x * w, y * h, rw * w, rh * h).expect("an oval has sides"));
        map.fill_path(&oval.expect("an oval"), &paint(hex, 255), FillRule::Winding, Transform::identity(), None);
    };
    oval(&mut map, 0.55, 0.18, 0.34, 0.22, 0x7b_8f_52);
    oval(&mut map, 0.42, 0.04, 0.17, 0.14, 0x33_27_21);
    oval(&mut map, 0.435, 0.065, 0.14, 0.13, 0xc6_90_6c);
    let leg = |map: &mut Pixmap, x: f32| {
        let rect = Rect::from_xywh(x * w, 0.58 * h, 0.11 * w, 0.34 * h).expect("a leg has sides");
        map.fill_rect(rect, &paint(0x3c_42_5a, 255), Transform::identity(), None);
    };
    leg(&mut map, 0.38);
    leg(&mut map, 0.52);
    draw_garment(&mut map, index, [0.5 * w - 0.36 * w, 0.155 * h], 0.72 * w);
    let strap = shape(&[[0.62, 0.20], [0.66, 0.21], [0.35, 0.56], [0.31, 0.55]], [0.0, 0.0], 1.0);
    let strap = strap.transform(Transform::from_scale(w, h)).expect("a strap stays finite");
    map.fill_path(&strap, &paint(0x5b_3d_2a, 255), FillRule::Winding, Transform::identity(), None);
    let bag = Rect::from_xywh(0.22 * w, 0.53 * h, 0.17 * w, 0.11 * h).expect("a bag has sides");
    map.fill_rect(bag, &paint(0x6b_4a_30, 255), Transform::identity(), None);
    pixels(&map)
}

pub fn product(index: usize) -> ProductRecord {
    let (name, kind, price) = NAMES[index % NAMES.len()];
    let name = if index < NAMES.len() { name.to_owned() } else { format!("{name}, no. {}", index / NAMES.len() + 1) };
    ProductRecord {
        product: ProductId::new(format!("p{index:03}")),
        name,
        kind: kind.to_owned(),
        split: None,
        attributes: BTreeMap::from([("price".to_owned(), price.to_owned())]),
    }
}

pub fn photo(index: usize) -> PhotoId {
    PhotoId::new(format!("shop/p{index:03}_0.jpg"))
}

pub fn model(name: &str, checkpoint: &str, recall: f32) -> ModelInfo {
    let outfits = OutfitSkill::default();
    ModelInfo { checkpoint: CheckpointId::new(checkpoint), name: name.to_owned(), recall_at_1: Some(recall), outfits }
}

pub fn project() -> ProjectSummary {
    ProjectSummary {
        path: "/home/m/seamline/sample".into(),
        name: "Sample wardrobe".to_owned(),
        is_sample: true,
        products: 600,
        gallery_photos: 1200,
        model: model("resnet18-atelier", "3f9a51c07b1be2d4", 0.91),
        models: vec![model("resnet18-atelier", "3f9a51c07b1be2d4", 0.91), model("first try", "8c21aa00aa00aa00", 0.84)],
        device: "CPU, 2 cores".to_owned(),
        arithmetic: Arithmetic::F32,
        examples: (0..6).map(|index| PhotoId::new(format!("street/p{index:03}_0.jpg"))).collect(),
        kinds: ["blouse", "coat", "dress", "knit", "shirt", "t-shirt"].map(str::to_owned).to_vec(),
        labels: Arc::new(LabelState::default()),
        read_only: None,
    }
}

pub const CROP: CropRect = CropRect { x: 84.0, y: 110.0, width: 232.0, height: 280.0 };

pub fn query_info(name: &str) -> QueryInfo {
    QueryInfo {
        name: name.to_owned(),
        project_photo: None,
        pixels: street_photo(0, 400, 560),
        width: 400,
        height: 560,
        crop: CROP,
        suggested_crops: vec![
            ("Top".to_owned(), CROP),
            ("Trousers".to_owned(), CropRect::new(140.0, 320.0, 120.0, 200.0)),
        ],
        edit: QueryEdit::default(),
        also: Vec::new(),
    }
}

/// Global order 0, 1, 2, …; structure moves every third photo up.
pub fn ranking(stage: Stage, options: MatchOptions, hits: usize) -> Ranking {
    let mut order: Vec<usize> = (0..hits).collect();
    if stage == Stage::Structural {
        order.sort_by_key(|&index| if index % 3 == 2 { 2 * index } else { 2 * index + 5 });
    }
    let compared = options.rerank.min(hits);
    let all: Vec<Hit> = order
        .iter()
        .enumerate()
        .map(|(place, &index)| {
            let global = 0.62 - 0.37 * place as f32 / hits as f32 + 0.01 * (index % 4) as f32;
            let structural = (stage == Stage::Structural && place < compared)
                .then(|| 0.52 - 0.40 * place as f32 / hits as f32 - 0.01 * (index % 4) as f32);
            Hit {
                rank: place + 1,
                product: product(index).product,
                photo: photo(index),
                score: global + options.structural_weight * structural.unwrap_or(0.0),
                global,
                structural,
                global_rank: index + 1,
                iterations: if structural.is_some() { 18 } else { 0 },
                marginal_error: 0.0007,
            }
        })
        .collect();
    Ranking {
        stage,
        checkpoint: CheckpointId::new("3f9a51c07b1be2d4"),
        options,
        hits: all,
        gallery_size: 1200,
        timings: Timings { decode: 6.1, encode: 41.3, global: 2.8, structural: 33.6, total: 84.2 },
        shelf: Shelf::default(),
    }
}

pub fn ranked(query: QueryId, stage: Stage, options: MatchOptions, hits: usize) -> Event {
    let products = (0..hits).map(|index| (product(index).product, product(index))).collect();
    Event::ranked(query, Arc::new(ranking(stage, options, hits)), Arc::new(products))
}

/// Mass that goes straight across, spread by epsilon, and a little to the right: not symmetric.
pub fn pair(options: &MatchOptions) -> PairMatch {
    let grid = Grid::new(7, 7);
    let cells = grid.cells();
    let bump = |cell: usize, row: f32, column: f32, width: f32| {
        let (r, c) = grid.place(cell);
        (-((r as f32 - row).powi(2) + (c as f32 - column).powi(2)) / width).exp()
    };
    let weight = |cell| bump(cell, 3.0, 3.0, 6.0);
    let mut mass = vec![0.0f32; cells * cells];
    for q in 0..cells {
        let (row, column) = grid.place(q);
        for g in 0..cells {
            mass[q * cells + g] = weight(q)
                * weight(g).sqrt()
                * bump(g, row as f32 * 0.9 + 0.3, column as f32 * 0.8 + 0.9, 0.3 + 14.0 * options.epsilon);
        }
    }
    let total: f32 = mass.iter().sum();
    for entry in &mut mass {
        *entry /= total;
        if *entry < 1e-5 {
            *entry = 0.0;
        }
    }
    let largest = mass.iter().copied().fold(0.0, f32::max);
    let similarity: Vec<f32> = mass.iter().map(|&m| 0.12 + 0.8 * (m / largest).sqrt()).collect();
    let structural: f32 = mass.iter().zip(&similarity).map(|(m, s)| m * s).sum();
    let plan = TransportPlan::new(grid, grid, mass);
    let (row_marginal, column_marginal) = (plan.row_sums(), plan.column_sums());
    PairMatch {
        plan,
        similarity,
        row_marginal,
        column_marginal,
        structural,
        global: 0.521,
        score: 0.521 + options.structural_weight * structural,
        iterations: 18,
        marginal_error: 0.0007,
        uniform_fallback: false,
    }
}

/// The query's crop, fitted into a square.
fn query_picture() -> SquarePicture {
    let side = 224u32;
    let photo = street_photo(0, 400, 560);
    let scale = side as f32 / CROP.height;
    let width = CROP.width * scale;
    let left = (side as f32 - width) / 2.0;
    let mut rgba = vec![255u8; (side * side * 4) as usize];
    for y in 0..side {
        for x in 0..side {
            let px = CROP.x + (x as f32 - left) / scale;
            if !(CROP.x..CROP.x + CROP.width).contains(&px) {
                continue;
            }
            let from = (((CROP.y + y as f32 / scale) as usize) * 400 + px as usize) * 4;
            let to = ((y * side + x) * 4) as usize;
            rgba[to..to + 4].copy_from_slice(&photo.rgba[from..from + 4]);
        }
    }
    let share = left / side as f32;
    SquarePicture {
        pixels: Arc::new(Pixels { width: side, height: side, rgba }),
        content: [share, 0.0, 1.0 - share, 1.0],
    }
}

pub fn plan(query: QueryId, photo: &PhotoId, options: MatchOptions) -> Event {
    let index = photo.as_str()[6..9].parse::<usize>().expect("photos of these tests have numbers");
    let hits = ranking(Stage::Structural, options, 60).hits;
    let hit = hits.iter().find(|hit| &hit.photo == photo).or(hits.first()).expect("there are hits").clone();
    Event::PlanReady {
        query,
        photo: photo.clone(),
        plan: Arc::new(PlanInfo {
            pair: pair(&options),
            options,
            query_picture: query_picture(),
            gallery_picture: SquarePicture { pixels: shop_photo(index, 224), content: [0.0, 0.0, 1.0, 1.0] },
            hit,
            product: product(index),
        }),
    }
}
