//! Files that were edited, cut, blown up or made up.

use std::io::{Cursor, Write};
use std::path::Path;

use candle_core::Device;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::container::{self, Role};
use super::*;
use crate::domain::{Arithmetic, CropRect, MatchOptions, PhotoId, ProductId, ProductRecord, QueryEdit};
use crate::jobs::types::{CheckState, EvidenceModel, EvidencePhoto, EvidenceRank};
use crate::ot::{Cells, explain_pair};

fn png(color: [u8; 3]) -> Vec<u8> {
    let photo = image::RgbImage::from_pixel(24, 32, image::Rgb(color));
    let mut bytes = Vec::new();
    photo.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

fn pair() -> PairMatch {
    let grid = Grid::new(2, 3);
    let value = |seed: f32| (0..6 * 4).map(|i| ((i as f32 + seed) * 1.7).sin()).collect::<Vec<f32>>();
    let (a, b) = (value(0.3), value(2.1));
    let (ga, gb) = ([0.5, 0.1, 0.7, 0.2], [0.3, 0.4, 0.6, -0.1]);
    let view = |cells, global| Cells { grid, dim: 4, cells, global };
    explain_pair(&view(&a, &ga), &view(&b, &gb), &MatchOptions::default())
}

fn record() -> EvidenceRecord {
    EvidenceRecord {
        program: program(),
        made_ms: 1_700_000_000_000,
        project: Some("Atelier".to_owned()),
        query: EvidencePhoto {
            name: "tram.PNG".to_owned(),
            photo: None,
            edit: QueryEdit { quarter_turns: 1, flipped: true },
            crop: Some(CropRect::new(2.0, 3.0, 20.0, 24.5)),
            kind: Some("knit".to_owned()),
        },
        gallery: EvidencePhoto {
            name: "p1_0.png".to_owned(),
            photo: Some(PhotoId::new("shop/p1_0.png")),
            edit: QueryEdit::default(),
            crop: None,
            kind: None,
        },
        product: ProductRecord {
            product: ProductId::new("p1"),
            name: "Breton long sleeve".to_owned(),
            kind: "knit".to_owned(),
            split: None,
            attributes: Default::default(),
        },
        model: EvidenceModel {
            name: "gone".to_owned(),
            checkpoint: "feedfeedfeedfeed".into(),
            arithmetic: Arithmetic::Int8,
        },
        options: MatchOptions::default(),
        rank: Some(EvidenceRank { rank: 2, global_rank: 5, gallery_size: 40 }),
        decision: None,
        further: Vec::new(),
        paint: None,
    }
}

fn bytes() -> Vec<u8> {
    let (query, gallery, picture) = (png([200, 30, 30]), png([20, 40, 160]), png([9, 9, 9]));
    let (record, pair) = (record(), pair());
    let further = &[];
    Evidence { record: &record, pair: &pair, query: &query, gallery: &gallery, picture: &picture, further }
        .to_bytes()
        .unwrap()
}

/// The parts of a file, in their order, as a person's archive program would show them.
fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut part = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            io::Read::read_to_end(&mut part, &mut content).unwrap();
            (part.name().unwrap().into_owned(), content)
        })
        .collect()
}

fn pack(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in parts {
        archive.start_file(name.as_str(), options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The file with one part edited.
fn edited(name: &str, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut parts = unpack(&bytes());
    let part = parts.iter_mut().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no part {name}"));
    part.1 = edit(std::mem::take(&mut part.1));
    pack(&parts)
}

fn replaced(text: &str, by: &str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    let (text, by) = (text.to_owned(), by.to_owned());
    move |bytes| {
        let before = String::from_utf8(bytes).unwrap();
        assert!(before.contains(&text), "{text} is not in {}", &before[..before.len().min(400)]);
        before.replacen(&text, &by, 1).into_bytes()
    }
}

fn opened(bytes: &[u8]) -> Result<EvidenceReport, JobError> {
    let contents = container::read(bytes, Path::new("match.seamline"))?;
    let known = Known { engine: None, models: None, device: &Device::Cpu };
    verify::report(contents, Path::new("match.seamline"), &known)
}

fn failing(bytes: &[u8]) -> Vec<String> {
    let report = opened(bytes).unwrap();
    assert_eq!(report.verifies(), report.failures().next().is_none());
    report.failures().map(|check| check.what.clone()).collect()
}

#[test]
fn what_was_written_is_what_is_read_and_all_of_it_verifies() {
    let report = opened(&bytes()).unwrap();
    assert_eq!(report.record, record());
    assert_eq!(report.plan.pair, pair(), "every number to the bit");
    assert_eq!((report.plan.hit.rank, report.plan.hit.global_rank), (2, 5));
    assert!(report.verifies(), "{:?}", report.checks);
    let states: Vec<(&str, CheckState)> =
        report.checks.iter().map(|check| (check.what.as_str(), check.state)).collect();
    assert_eq!(states.len(), 9);
    assert_eq!(states[8], ("Score of the photos", CheckState::Skipped));
    assert!(report.checks[8].says.contains("gone") && report.checks[8].says.contains("not on this machine"));
    assert_eq!(report.summary(), "All 8 checks pass; 1 could not be made");
    let names: Vec<String> = unpack(&bytes()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["manifest.json", "record.json", "plan.json", "query.png", "gallery.png", "plan.png"]);
}

#[test]
fn every_kind_of_edit_is_named() {
    let pair = pair();
    let score = format!("\"score\":{}", pair.score);
    let structural = format!("\"structural\":{}", pair.structural);
    let mass = format!("\"mass\":[{}", pair.plan.mass()[0]);
    let similarity = format!("\"similarity\":[{}", pair.similarity[0]);
    let cases: Vec<(Vec<u8>, Vec<&str>)> = vec![
        (edited("query.png", |_| png([1, 2, 3])), vec!["Street photo"]),
        (edited("gallery.png", |_| png([1, 2, 3])), vec!["Product photo"]),
        (edited("gallery.png", |_| b"no photo".to_vec()), vec!["Product photo"]),
        (edited("plan.png", |_| vec![1]), vec!["Picture of the plan"]),
        (edited("record.json", replaced("Breton", "Norman")), vec!["Record"]),
        (edited("record.json", replaced("\"rank\": 2", "\"rank\": 1")), vec!["Record"]),
        (
            edited("record.json", replaced("\"structural_weight\": 1.0", "\"structural_weight\": 2.0")),
            vec!["Record", "Score"],
        ),
        (edited("plan.json", replaced(&score, "\"score\":1.9")), vec!["Plan", "Score"]),
        (edited("plan.json", replaced(&structural, "\"structural\":1.9")), vec!["Plan", "Structural part", "Score"]),
        (edited("plan.json", replaced(&mass, "\"mass\":[0.5")), vec!["Plan", "Sums of the plan", "Structural part"]),
        (edited("plan.json", replaced(&similarity, "\"similarity\":[7.5")), vec!["Plan", "Structural part"]),
        (edited("record.json", replaced("\"x\": 2.0", "\"x\": 900.0")), vec!["Record", "Street photo"]),
    ];
    for (index, (bytes, expected)) in cases.into_iter().enumerate() {
        assert_eq!(failing(&bytes), expected, "case {index}");
    }
    // A part taken out, and one put in.
    let mut parts = unpack(&bytes());
    parts.retain(|(name, _)| name != "plan.png");
    assert_eq!(failing(&pack(&parts)), ["Picture of the plan"]);
    parts.push(("note.txt".to_owned(), b"hello".to_vec()));
    let report = opened(&pack(&parts)).unwrap();
    assert!(report.failures().any(|check| check.says.contains("`note.txt`")));
    assert!(
        report.summary().starts_with("2 of 9 checks fail: Picture of the plan, Other parts"),
        "{}",
        report.summary()
    );
    // The hash in the manifest edited instead of the part.
    let hash = blake3::hash(&png([200, 30, 30])).to_hex().to_string();
    let other = blake3::hash(b"other").to_hex().to_string();
    assert_eq!(failing(&edited("manifest.json", replaced(&hash, &other))), ["Street photo"]);
}

#[test]
fn an_edit_with_its_hash_put_right_is_still_found_by_the_sums() {
    let score = format!("\"score\":{}", pair().score);
    let mut parts = unpack(&bytes());
    let plan = parts.iter().position(|(name, _)| name == "plan.json").unwrap();
    let before = blake3::hash(&parts[plan].1).to_hex().to_string();
    let length = format!("\"bytes\": {}", parts[plan].1.len());
    parts[plan].1 = replaced(&score, "\"score\":1.9")(std::mem::take(&mut parts[plan].1));
    let after = blake3::hash(&parts[plan].1).to_hex().to_string();
    let new_length = format!("\"bytes\": {}", parts[plan].1.len());
    parts[0].1 = replaced(&before, &after)(std::mem::take(&mut parts[0].1));
    parts[0].1 = replaced(&length, &new_length)(std::mem::take(&mut parts[0].1));
    assert_eq!(failing(&pack(&parts)), ["Score"]);
}

/// One sentence that names the file, and the words in it.
fn refused(bytes: &[u8], words: &str) {
    let sentence = opened(bytes).unwrap_err().to_string();
    assert!(sentence.contains(words) && sentence.ends_with("match.seamline"), "{sentence}");
    assert!(!sentence.contains('\n') && sentence.len() < 400, "{sentence}");
}

#[test]
fn hostile_files_give_one_sentence() {
    let good = bytes();
    refused(b"", "it is empty");
    refused(b"\xff\xd8\xff\xe0 a photo", "it is not one");
    for length in [1, 3, 10, good.len() / 2, good.len() - 1] {
        let sentence = opened(&good[..length]).unwrap_err().to_string();
        assert!(sentence.contains("match.seamline") && !sentence.contains('\n'), "{sentence}");
    }
    refused(&edited("manifest.json", replaced("\"version\": 1", "\"version\": 3")), "it is of version 3");
    refused(&edited("manifest.json", replaced("seamline evidence", "holiday photos")), "`holiday photos`");
    refused(&edited("manifest.json", |_| b"{".to_vec()), "its manifest cannot be understood");
    refused(&edited("manifest.json", |_| vec![b' '; 70_000]), "its manifest has 70000 bytes");
    refused(&edited("record.json", |_| b"[]".to_vec()), "its record cannot be understood");
    refused(&edited("record.json", |_| "[".repeat(100_000).into_bytes()), "its record cannot be understood");
    refused(&edited("plan.json", replaced("\"query_grid\":[2,3]", "\"query_grid\":[2,4]")), "where its grids need");
    let huge = replaced("\"query_grid\":[2,3]", "\"query_grid\":[4294967296,4294967296]");
    refused(&edited("plan.json", huge), "is outside 1 to 64");
    refused(&edited("plan.json", replaced("\"mass\":[", "\"mass\":[-1,")), "masses where its grids need");
    let mass = format!("\"mass\":[{}", pair().plan.mass()[0]);
    refused(&edited("plan.json", replaced(&mass, "\"mass\":[-0.5")), "masses below zero");
    refused(&edited("plan.json", replaced(&mass, "\"mass\":[1e39")), "not finite");
    let mut parts = unpack(&good);
    parts.retain(|(name, _)| name != "record.json");
    refused(&pack(&parts), "it has no record");
    for name in ["../../etc/passwd", "a/b.json", "/plan.json", "c:\\x", ".."] {
        let mut parts = unpack(&good);
        parts.push((name.to_owned(), b"x".to_vec()));
        refused(&pack(&parts), "has a path");
    }
    let many: Vec<(String, Vec<u8>)> = (0..140).map(|part| (format!("p{part}"), vec![0])).collect();
    refused(&pack(&many), "140 parts");
    refused(&pack(&[("a.json".to_owned(), vec![0])]), "it has no manifest");
    let twice = edited("manifest.json", replaced("\"role\": \"plan\"", "\"role\": \"record\""));
    refused(&twice, "names the record twice");
}

#[test]
fn a_part_that_claims_more_than_there_is_or_is_compressed_is_refused() {
    // The size in both headers of the last part, made enormous.
    let good = bytes();
    let name = b"plan.png";
    let mut blown = good.clone();
    let places: Vec<usize> = (0..good.len() - name.len()).filter(|&at| &good[at..at + name.len()] == name).collect();
    for (&at, header) in places.iter().filter(|&&at| at >= 46).zip([30usize, 46]) {
        let sizes = if header == 30 { at - header + 18 } else { at - header + 20 };
        blown[sizes..sizes + 8].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f]);
    }
    let sentence = opened(&blown).unwrap_err().to_string();
    assert!(sentence.contains("match.seamline") && !sentence.contains('\n'), "{sentence}");
    // The method of every part, in both headers, made "deflate".
    let mut squeezed = good.clone();
    for at in 0..good.len() - 4 {
        match &good[at..at + 4] {
            b"PK\x03\x04" => squeezed[at + 8] = 8,
            b"PK\x01\x02" => squeezed[at + 10] = 8,
            _ => {}
        }
    }
    refused(&squeezed, "is compressed or encrypted");
}

#[test]
fn a_byte_changed_anywhere_is_never_a_panic_and_never_passes_in_a_photo() {
    let good = bytes();
    for at in (0..good.len()).step_by(13) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // Refused, or opened with a report; either way it is told.
        let _ = opened(&bad);
    }
    let photo = png([200, 30, 30]);
    let at = good.windows(photo.len()).position(|window| window == photo).unwrap();
    let mut bad = good;
    bad[at + photo.len() / 2] ^= 1;
    assert_eq!(failing(&bad), ["Street photo"]);
}

#[test]
fn what_is_no_file_or_too_large_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let known = || Known { engine: None, models: None, device: &Device::Cpu };
    let missing = open(&dir.path().join("none.seamline"), known()).unwrap_err().to_string();
    assert!(missing.contains("none.seamline"), "{missing}");
    let folder = dir.path().join("folder.seamline");
    fs::create_dir(&folder).unwrap();
    assert!(open(&folder, known()).unwrap_err().to_string().contains("not a regular file"));
    assert!(!is_evidence(&folder) && is_evidence(Path::new("/tmp/x.SEAMLINE")) && !is_evidence(Path::new("x.zip")));
    let large = dir.path().join("large.seamline");
    fs::File::create(&large).unwrap().set_len(MOST_BYTES + 1).unwrap();
    assert!(open(&large, known()).unwrap_err().to_string().contains("larger than"));
    let good = dir.path().join("good.seamline");
    save(&bytes(), &good).unwrap();
    assert!(open(&good, known()).unwrap().verifies());
    assert!(save(&bytes(), &dir.path().join("no/such/good.seamline")).unwrap_err().to_string().contains("written"));
}

#[test]
fn roles_have_names_for_people() {
    assert!(Role::ALL.iter().all(|role| !role.name().is_empty()));
    assert_eq!(container::shortened(&"x".repeat(90)).chars().count(), 41);
    assert_eq!(container::shortened("a\nb"), "ab");
}
