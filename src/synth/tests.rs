use std::collections::BTreeSet;
use std::path::Path;

use crate::domain::{DenseMap, ManifestRecord, StopFlag};

use super::design::{BLOCK, Pattern};
use super::num::P;
use super::*;

/// Small photos of few products: the same code, quickly.
fn small(products: usize, seed: u64) -> SampleSpec {
    SampleSpec { products, seed, long_side: 128 }
}

fn written(dir: &Path, spec: &SampleSpec) -> SampleReport {
    write_sample(dir, spec, &StopFlag::new(), &|_| {}).unwrap()
}

/// Every file of a folder with the hash of its bytes.
fn hashes(dir: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["", "shop", "street"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                all.push((name, blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string()));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_seed_gives_the_same_bytes_whatever_the_number_of_threads() {
    let spec = small(5, 3);
    let runs = [1, 1, 3].map(|threads| {
        let dir = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| written(dir.path(), &spec));
        hashes(dir.path())
    });
    assert_eq!(runs[0].len(), 5 * 4 + 1);
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

#[test]
fn another_seed_gives_other_photos() {
    let (a, _) = render_street(&small(5, 3), 1, 0);
    let (b, _) = render_street(&small(5, 4), 1, 0);
    assert_ne!(a, b);
    let (a, _) = render_shop(&small(5, 3), 1, 0);
    let (b, _) = render_shop(&small(5, 4), 1, 0);
    assert_ne!(a, b);
}

#[test]
fn a_photo_drawn_alone_equals_the_one_in_the_sample() {
    let spec = small(2, 9);
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &spec);
    let text = std::fs::read_to_string(dir.path().join(MANIFEST)).unwrap();
    let (_, alone) = render_street(&spec, 1, 1);
    let line = serde_json::to_string(&ManifestRecord::Photo(alone)).unwrap();
    assert!(text.lines().any(|found| found == line));
}

#[test]
fn the_default_sample_holds_every_kind_and_every_surface() {
    let spec = SampleSpec::default();
    let designs: Vec<Design> = (0..spec.products).map(|i| Design::of(spec.seed, i)).collect();
    let kinds: BTreeSet<Kind> = designs.iter().map(|d| d.kind).collect();
    let surfaces: BTreeSet<Pattern> = designs.iter().map(|d| d.surface.pattern).collect();
    assert_eq!(kinds.len(), Kind::ALL.len());
    assert_eq!(surfaces.len(), Pattern::ALL.len());
    for kind in Kind::ALL {
        let count = designs.iter().filter(|d| d.kind == *kind).count();
        assert!(count >= 35, "{count} of {kind:?}");
    }
}

#[test]
fn a_cousin_keeps_kind_and_surface_but_is_not_its_parent() {
    for block in 0..40 {
        let (parent, cousin) = (Design::of(7, block * BLOCK), Design::of(7, block * BLOCK + BLOCK - 1));
        assert_eq!(
            (parent.kind, parent.surface.pattern, parent.grain),
            (cousin.kind, cousin.surface.pattern, cousin.grain)
        );
        assert_ne!(parent, cousin);
    }
}

#[test]
fn a_kind_is_seldom_sold_twice_in_one_plain_colour() {
    let plain: Vec<Design> = (0..600)
        .filter(|product| product % BLOCK != BLOCK - 1)
        .map(|product| Design::of(7, product))
        .filter(|design| design.surface.pattern == Pattern::Plain)
        .collect();
    let twice = plain
        .iter()
        .enumerate()
        .filter(|(i, a)| plain[..*i].iter().any(|b| (a.kind, a.colour()) == (b.kind, b.colour())))
        .count();
    assert!(plain.len() > 60 && twice * 10 <= plain.len(), "{twice} of {}", plain.len());
}

#[test]
fn products_are_split_70_15_15() {
    let spec = SampleSpec::default();
    let splits = spec.splits();
    let count = |which: Split| splits.iter().filter(|&&s| s == which).count();
    assert_eq!((count(Split::Train), count(Split::Validation), count(Split::Test)), (420, 90, 90));
    assert_ne!(splits, SampleSpec { seed: 8, ..spec }.splits());
}

/// Repaints a garment so that its colour *is* its coordinate: red u, green v, and full blue to tell it is bare.
fn code(garment: &mut Drawn) {
    let pattern = garment.pattern.clone();
    for part in &mut garment.parts {
        for index in 0..part.width * part.height {
            let (x, y) = (index % part.width, index / part.width);
            let p: P =
                [part.corner[0] + (x as f32 + 0.5) / part.density, part.corner[1] + (y as f32 + 0.5) / part.density];
            let [u, v] = pattern.uv(p);
            let alpha = f32::from(part.rgba[index * 4 + 3]);
            part.rgba[index * 4] = (u * alpha + 0.5) as u8;
            part.rgba[index * 4 + 1] = (v * alpha + 0.5) as u8;
            part.rgba[index * 4 + 2] = alpha as u8;
        }
        part.small = texture::halve(&part.rgba, part.width, part.height);
    }
}

/// Oracle: the same pipeline draws a garment whose colours say where they come from; the map must agree with what is
/// seen, within a photo pixel's step on the garment and the 8 bits of a colour.
#[test]
fn the_dense_map_says_what_a_coded_garment_shows() {
    let spec = SampleSpec { products: 60, ..SampleSpec::default() };
    let stylist = Stylist::new(&spec);
    let mut checked = 0;
    for product in 0..15 {
        let mut garment = drawn(&spec, &Design::of(spec.seed, product), 330.0);
        code(&mut garment);
        let mut outfit = vec![Worn { garment, product: Some(product) }];
        let mut dice = Dice::new(1, 2, product as u64, 3);
        dress(&spec, &stylist, 0, &mut outfit, &mut dice);
        let conditions = Conditions { lit: false, hidden: true };
        let canvas = street::compose(&outfit, (240, 320), conditions, &mut dice).unwrap();
        let (_, map) = truth::of(&canvas, 1, 5).unwrap();
        let photo = picture(&canvas);
        for (sample, uv) in map.uv.iter().enumerate() {
            let Some(uv) = uv else { continue };
            let (column, row) = (sample % map.columns, sample / map.columns);
            let (x, y) = (map.x0 + map.step * column as f32, map.y0 + map.step * row as f32);
            let (x, y) = (x as usize, y as usize);
            // Along an outline, or where a hair or strap brushes past, colours are mixed with what lies behind.
            let around = |dx: usize, dy: usize| (y + dy).wrapping_sub(2) * canvas.width + (x + dx).wrapping_sub(2);
            let inner = (0..25).all(|i| canvas.owner.get(around(i % 5, i / 5)) == Some(&1));
            let smooth = |axis: usize| {
                let near = |i: usize| canvas.uv[i][axis];
                let here = y * canvas.width + x;
                let steps = [here - 1, here + 1, here - canvas.width, here + canvas.width]
                    .map(|i| (near(i) - near(here)).abs());
                steps.into_iter().fold(0.0, f32::max)
            };
            // Where a sleeve's soft edge lies over the body, two parts of the garment mix.
            let seam = || {
                let here = y * canvas.width + x;
                [1, 2, canvas.width, 2 * canvas.width].iter().any(|&k| {
                    let bend = |axis: usize| canvas.uv[here + k][axis] + canvas.uv[here - k][axis] - 2.0 * uv[axis];
                    bend(0).abs().max(bend(1).abs()) > 0.006
                })
            };
            if !inner || seam() {
                continue;
            }
            let pixel = photo.get_pixel(x as u32, y as u32);
            // The coded garment is all blue: here something thin lies over it.
            if pixel[2] < 255 {
                continue;
            }
            for axis in 0..2 {
                let seen = f32::from(pixel[axis]) / 255.0;
                let allowed = smooth(axis) + 1.5 / 255.0;
                assert!((seen - uv[axis]).abs() <= allowed, "product {product} at {x},{y}: {uv:?} but {pixel:?}");
            }
            checked += 1;
        }
    }
    assert!(checked > 2000, "only {checked} samples were looked at");
}

#[test]
fn a_box_holds_its_garment_and_lies_in_the_photo() {
    let spec = small(30, 5);
    for product in 0..30 {
        for record in
            [render_shop(&spec, product, 0).1, render_shop(&spec, product, 1).1, render_street(&spec, product, 0).1]
        {
            assert_eq!(record.garments[0].product.as_ref(), Some(&record.product));
            for truth in &record.garments {
                let whole = truth.bbox.clipped(record.width, record.height);
                assert_eq!(whole, Some(truth.bbox));
                let Some(DenseMap { x0, y0, step, columns, rows, uv }) = &truth.map else { continue };
                assert_eq!(uv.len(), columns * rows);
                for (i, _) in uv.iter().enumerate().filter(|(_, sample)| sample.is_some()) {
                    let (x, y) = (x0 + step * (i % columns) as f32, y0 + step * (i / columns) as f32);
                    assert!(truth.bbox.contains(x, y));
                }
                for sample in uv.iter().flatten() {
                    assert!(sample.iter().all(|c| (0.0..=1.0).contains(c)), "{sample:?}");
                }
            }
        }
    }
}

#[test]
fn the_main_garment_of_a_street_photo_is_seen_well_enough() {
    let spec = small(120, 7);
    let stylist = Stylist::new(&spec);
    for product in 0..120 {
        let garment = drawn(&spec, &Design::of(spec.seed, product), 330.0);
        let (canvas, _) = street_canvas(&spec, &stylist, product, (product % 2) as u32, garment);
        let (share, seen) = truth::visible(&canvas);
        assert!(share >= 0.25, "{share} of product {product} is seen");
        assert!(seen * 50 > canvas.width * canvas.height, "product {product} shows {seen} pixels");
    }
}

#[test]
fn a_street_map_finds_its_places_in_the_shop_photo() {
    let spec = small(24, 7);
    let (mut found, mut asked) = (0, 0);
    for product in 0..24 {
        let shop = render_shop(&spec, product, 0).1.garments[0].map.clone().unwrap();
        let street = render_street(&spec, product, 0).1.garments[0].map.clone().unwrap();
        for uv in street.uv.iter().flatten() {
            asked += 1;
            found += usize::from(shop.photo_at(*uv, 0.06).is_some());
        }
    }
    assert!(found * 100 > asked * 97, "{found} of {asked}");
}

#[test]
fn a_shop_photo_stands_on_clean_ground_and_a_snapshot_does_not() {
    let spec = small(24, 7);
    let bright_rim = |photo: &RgbImage| {
        let (w, h) = photo.dimensions();
        let rim = (0..h)
            .flat_map(|y| [(0, y), (w - 1, y)])
            .filter(|&(x, y)| photo.get_pixel(x, y).0.iter().all(|&c| c > 225));
        rim.count() as f32 / (2 * h) as f32
    };
    let mean = |photos: &dyn Fn(usize) -> RgbImage| (0..24).map(|i| bright_rim(&photos(i))).sum::<f32>() / 24.0;
    assert!(mean(&|i| render_shop(&spec, i, 0).0) > 0.95);
    assert!(mean(&|i| render_street(&spec, i, 0).0) < 0.3);
}

#[test]
fn a_written_sample_can_be_read_back() {
    let spec = small(6, 11);
    let dir = tempfile::tempdir().unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let report =
        write_sample(dir.path(), &spec, &StopFlag::new(), &|p| told.lock().unwrap().push((p.done, p.total))).unwrap();
    assert_eq!((report.products, report.photos, report.stopped), (6, 24, false));
    let told = told.into_inner().unwrap();
    assert_eq!(told.first(), Some(&(0, 24)));
    assert!(told.contains(&(24, 24)));

    let text = std::fs::read_to_string(dir.path().join(MANIFEST)).unwrap();
    let records: Vec<ManifestRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let again: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    assert_eq!(again.join("\n") + "\n", text);
    assert_eq!(records[0], ManifestRecord::Sample { version: 1, seed: 11, products: 6, drawing: DRAWING });
    let mut photos = 0;
    for record in &records {
        match record {
            ManifestRecord::Product(product) => {
                for key in ["colour", "surface", "brand", "price", "in_stock", "length_cm", "closure"] {
                    assert!(product.attributes.contains_key(key), "{key} of {}", product.product);
                }
                assert!(!product.name.is_empty() && product.split.is_some());
            }
            ManifestRecord::Photo(photo) => {
                let picture = image::open(dir.path().join(photo.photo.as_str())).unwrap();
                assert_eq!((picture.width(), picture.height()), (photo.width, photo.height));
                photos += 1;
            }
            ManifestRecord::Sample { .. } => {}
        }
    }
    assert_eq!(photos, 24);
}

#[test]
fn a_stopped_run_leaves_no_manifest_not_even_an_older_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(MANIFEST), "old").unwrap();
    let stop = StopFlag::new();
    stop.stop();
    let report = write_sample(dir.path(), &small(4, 1), &stop, &|_| {}).unwrap();
    assert!(report.stopped);
    assert!(!dir.path().join(MANIFEST).exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let sentence = write_sample(&file, &small(1, 1), &StopFlag::new(), &|_| {}).unwrap_err().to_string();
    assert!(sentence.contains("a file") && !sentence.contains('\n'), "{sentence}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_the_file_and_leaves_no_manifest() {
    for (victim, other) in [("shop/p0000_0.jpg", "photo"), ("manifest.jsonl.part", "manifest")] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("shop")).unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join(victim)).unwrap();
        let sentence = write_sample(dir.path(), &small(1, 1), &StopFlag::new(), &|_| {}).unwrap_err().to_string();
        assert!(sentence.contains(other) && sentence.contains("No space left"), "{sentence}");
        assert!(sentence.contains(dir.path().to_str().unwrap()), "{sentence}");
        assert!(!dir.path().join(MANIFEST).exists());
    }
}

#[test]
fn examples_are_street_photos_of_test_products() {
    let spec = SampleSpec::default();
    let splits = spec.splits();
    let found = examples(&spec);
    assert!(found.len() >= 6);
    for photo in found {
        let name = photo.as_str().strip_prefix("street/p").unwrap();
        let product: usize = name.split('_').next().unwrap().parse().unwrap();
        assert_eq!(splits[product], Split::Test);
    }
}

#[test]
fn a_sample_of_nothing_is_empty_and_a_tiny_photo_is_still_a_photo() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(written(dir.path(), &small(0, 1)).photos, 0);
    let tiny = SampleSpec { products: 3, seed: 1, long_side: 1 };
    for product in 0..3 {
        assert!(render_street(&tiny, product, 0).0.width() >= 16);
    }
}

/// Oracle: the standard library.
#[test]
fn the_portable_sine_agrees_with_the_platforms() {
    for i in -4000..4000 {
        let x = i as f32 * 0.01;
        assert!((num::sin(x) - x.sin()).abs() < 8e-6, "sin {x}");
        assert!((num::cos(x) - x.cos()).abs() < 8e-6, "cos {x}");
    }
}

#[test]
#[ignore = "writes contact sheets to look at; SHEET_DIR, SHEET_FROM, SHEET_COUNT"]
fn sheet() {
    let read =
        |name: &str, otherwise: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise);
    let Ok(dir) = std::env::var("SHEET_DIR") else { return };
    let spec = SampleSpec::default();
    let (from, count, step) = (read("SHEET_FROM", 0), read("SHEET_COUNT", 15), read("SHEET_STEP", 1));
    let products: Vec<usize> = (0..count).map(|i| from + i * step).collect();
    contact_sheet(&spec, &products).save(Path::new(&dir).join(format!("sheet_{from}.png"))).unwrap();
}

#[test]
#[ignore = "writes a whole sample to look at; SAMPLE_DIR, SAMPLE_COUNT"]
fn sample() {
    let Ok(dir) = std::env::var("SAMPLE_DIR") else { return };
    let products = std::env::var("SAMPLE_COUNT").ok().and_then(|v| v.parse().ok()).unwrap_or(600);
    let start = std::time::Instant::now();
    let report = written(Path::new(&dir), &SampleSpec { products, ..SampleSpec::default() });
    println!("{report:?} in {:.1} s", start.elapsed().as_secs_f64());
}
