//! Folders and lists as people have them.

use std::fs;
use std::path::Path;

use encoding_rs::{UTF_16BE, WINDOWS_1252};
use proptest::prelude::*;

use super::list::delimiter_of;
use super::names::{Named, without_view};
use super::values::{price, stock, title};
use super::*;
use crate::domain::{Catalogue, IntakeReport, SkipReason, StopFlag};

fn touch(folder: &Path, places: &[&str]) {
    for place in places {
        let path = folder.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
}

fn scanned(folder: &Path) -> Scan {
    scan(folder, &StopFlag::new(), &|_| {}).unwrap().unwrap()
}

fn paths(places: &[&str]) -> Vec<String> {
    places.iter().map(|place| (*place).to_owned()).collect()
}

/// The catalogue of these photos with a list of this content.
fn listed(photos: &[&str], file: &str, content: &[u8]) -> (Catalogue, IntakeReport) {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join(file);
    fs::write(&list, content).unwrap();
    let photos = paths(photos);
    let names = names_of(&photos);
    let table = read_list(&list, &names).unwrap();
    arrange(&photos, &names, Some(table))
}

fn product_of<'a>(catalogue: &'a Catalogue, photo: &str) -> &'a str {
    catalogue.photos.iter().find(|listed| listed.inside == photo).unwrap().product.as_str()
}

fn attribute<'a>(catalogue: &'a Catalogue, product: &str, name: &str) -> Option<&'a str> {
    let record = catalogue.products.iter().find(|record| record.product.as_str() == product)?;
    record.attributes.get(name).map(String::as_str)
}

fn lines(report: &IntakeReport, reason: SkipReason) -> Vec<u64> {
    report.skipped.iter().filter(|skipped| skipped.reason == reason).filter_map(|skipped| skipped.line).collect()
}

#[test]
fn a_folder_is_known_by_its_names_and_everything_else_is_told_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    touch(folder, &["b.PNG", "a.jpg", "tops/c.webp", "notes.txt", "tops/raw.heic", ".hidden.jpg", "Thumbs.db"]);
    touch(folder, &["products.csv", "tops/inner.csv", "project/project.db", "project/photo.jpg"]);
    // A photo without an ending, and a text with one that lies.
    fs::write(folder.join("IMG7"), b"\xFF\xD8\xFF\xE0 and so on").unwrap();
    let found = scanned(folder);
    assert_eq!(found.photos, ["IMG7", "a.jpg", "b.PNG", "tops/c.webp"]);
    assert_eq!(found.lists, [folder.join("products.csv")], "only lists of the folder itself");
    let skipped: Vec<_> = found.skipped.iter().map(|skipped| (skipped.file.as_str(), skipped.reason)).collect();
    assert_eq!(skipped, [("notes.txt", SkipReason::NotAPhoto), ("tops/raw.heic", SkipReason::Unsupported)]);
    assert!(found.skipped[1].sentence.contains("HEIC") && found.skipped[1].sentence.ends_with("tops/raw.heic"));
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_and_names_that_are_no_text_end_well() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    touch(dir.path(), &["deep/er/a.jpg"]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("deep/er/round")).unwrap();
    std::os::unix::fs::symlink("nowhere.jpg", dir.path().join("dangling.jpg")).unwrap();
    let odd = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xE9.jpg"));
    fs::write(odd, b"x").unwrap();
    let found = scanned(dir.path());
    assert_eq!(found.photos, ["deep/er/a.jpg"]);
    let reasons: Vec<_> = found.skipped.iter().map(|skipped| skipped.reason).collect();
    assert_eq!(reasons, [SkipReason::Name, SkipReason::Gone]);
}

#[test]
fn a_folder_that_is_not_there_is_one_sentence_and_a_stop_gives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let error = scan(&none, &StopFlag::new(), &|_| {}).unwrap_err();
    assert!(matches!(error, ImportError::Gone { .. }) && error.to_string().ends_with("none"), "{error}");
    touch(dir.path(), &["a.jpg"]);
    let error = scan(&dir.path().join("a.jpg"), &StopFlag::new(), &|_| {}).unwrap_err();
    assert!(matches!(error, ImportError::NotAFolder { .. }), "{error}");
    let stop = StopFlag::new();
    stop.stop();
    assert!(scan(dir.path(), &stop, &|_| {}).unwrap().is_none());
}

#[test]
fn names_without_their_view_are_products() {
    for (name, product) in [
        ("100_1", Some("100")),
        ("100-front", Some("100")),
        ("100 (3)", Some("100")),
        ("100_back_2", Some("100")),
        ("linen-shirt.detail", Some("linen-shirt")),
        ("100_a", Some("100")),
        ("A_1", Some("A")),
        ("IMG_0001", Some("IMG_0001")),
        ("12345678", Some("12345678")),
        ("blouse", Some("blouse")),
        ("sandale", Some("sandale")),
        ("2", None),
        ("front", None),
    ] {
        assert_eq!(without_view(name), product, "{name}");
    }
}

#[test]
fn without_a_list_names_and_folders_say_products_and_kinds() {
    let photos = paths(&[
        "dresses/777_1.jpg",
        "dresses/777_2.jpg",
        "dresses/red-summer.jpg",
        "tops/777_1.jpg",
        "tops/SKU-9/1.jpg",
        "tops/SKU-9/back.jpg",
    ]);
    let (catalogue, report) = arrange(&photos, &names_of(&photos), None);
    let products: Vec<_> =
        catalogue.products.iter().map(|p| (p.product.as_str(), p.kind.as_str(), p.name.as_str())).collect();
    assert_eq!(
        products,
        [
            ("dresses/777", "dresses", "777"),
            ("dresses/red-summer", "dresses", "Red summer"),
            ("tops/777", "tops", "777"),
            ("tops/SKU-9", "tops", "SKU 9"),
        ]
    );
    let views: Vec<u32> = catalogue.photos.iter().map(|photo| photo.view).collect();
    assert_eq!(views, [0, 1, 0, 0, 0, 1]);
    assert_eq!((report.photos, report.products, report.unlisted), (6, 4, 0));
}

#[test]
fn a_series_of_numbers_is_not_one_product_and_a_folder_each_is_no_kind() {
    let series: Vec<String> = (1..=40).map(|n| format!("shoot-{n:02}.jpg")).collect();
    let (catalogue, _) = arrange(&series, &names_of(&series), None);
    assert_eq!(catalogue.products.len(), 40);
    let folders: Vec<String> = (0..8).map(|n| format!("shop/P{n}x/photo-{n}00.jpg")).collect();
    let (catalogue, _) = arrange(&folders, &names_of(&folders), None);
    assert!(catalogue.products.iter().all(|product| product.kind == "other"), "{:?}", catalogue.products);
}

#[test]
fn a_list_by_file_name_gives_products_names_kinds_and_attributes() {
    let content = b"Image;SKU;Title;Category;Color;Price;Brand;In stock;Sleeve length (cm)\n\
        100_1.JPG;S-1;Breton;Knit;navy;1.299,00 \xE2\x82\xAC;Marine;yes;61\n\
        tops/200;S-2;Sailor;T-Shirt;white;24;Marine;0;\n";
    let (catalogue, report) = listed(&["100_1.jpg", "100_2.jpg", "tops/200.jpg", "x.jpg"], "p.csv", content);
    assert_eq!(product_of(&catalogue, "100_1.jpg"), "S-1");
    assert_eq!(product_of(&catalogue, "100_2.jpg"), "S-1", "a sibling by its name");
    assert_eq!(product_of(&catalogue, "tops/200.jpg"), "S-2");
    let first = catalogue.products.iter().find(|product| product.product.as_str() == "S-1").unwrap();
    assert_eq!((first.name.as_str(), first.kind.as_str()), ("Breton", "knit"));
    for (name, value) in [
        ("colour", "navy"),
        ("price", "1299.00"),
        ("currency", "EUR"),
        ("brand", "Marine"),
        ("in_stock", "yes"),
        ("sleeve_length_cm", "61"),
    ] {
        assert_eq!(attribute(&catalogue, "S-1", name), Some(value), "{name}");
    }
    assert_eq!(attribute(&catalogue, "S-2", "in_stock"), Some("no"));
    assert_eq!(attribute(&catalogue, "S-2", "sleeve_length_cm"), None, "an empty field is no attribute");
    assert_eq!((report.rows, report.unlisted, report.skipped.len()), (2, 2, 0), "{:?}", report.skipped);
    assert_eq!(report.columns, ["sleeve_length_cm"]);
}

#[test]
fn a_list_by_product_finds_photos_that_begin_with_the_id() {
    let photos = ["7714-red-model.jpg", "7714-red-flat.jpg", "77140.jpg", "shoes/9.jpg", "shoes/8842_1.jpg"];
    let (catalogue, report) = listed(&photos, "p.csv", b"sku,name\n7714,Coat\n8842,Boot\n");
    assert_eq!(product_of(&catalogue, photos[0]), "7714");
    assert_eq!(product_of(&catalogue, photos[1]), "7714");
    assert_ne!(product_of(&catalogue, photos[2]), "7714", "another number");
    assert_eq!(product_of(&catalogue, photos[4]), "8842", "the last part of what the name says");
    assert_eq!(report.rows, 2);
}

#[test]
fn addresses_windows_paths_and_several_photos_in_a_cell_are_understood() {
    let photos = ["a/1001.jpg", "a/1002.jpg", "b/1003.jpg", "b/1004.png"];
    let content = b"id,image\nP1,https://cdn.shop/x/a/1001.jpg?w=200|1002\nP2,C:\\shop\\b\\1003.jpg\nP3,1004.PNG\n";
    let (catalogue, report) = listed(&photos, "p.csv", content);
    let products: Vec<_> = photos.iter().map(|photo| product_of(&catalogue, photo)).collect();
    assert_eq!(products, ["P1", "P1", "P2", "P3"], "{:?}", report.skipped);
}

#[test]
fn lists_of_every_encoding_say_the_same() {
    let text = "file,colour\n1.jpg,café\n2.jpg,Größe\n3.jpg,naïve\n";
    let utf_16 = |big: bool, mark: bool| -> Vec<u8> {
        let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let encodings: Vec<(&str, Vec<u8>, usize)> = vec![
        ("UTF-8", text.as_bytes().to_vec(), 0),
        ("UTF-8 with a mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat(), 0),
        ("UTF-16LE with a mark", utf_16(false, true), 1),
        ("UTF-16BE with a mark", utf_16(true, true), 1),
        ("UTF-16LE", utf_16(false, false), 1),
        ("UTF-16BE", utf_16(true, false), 1),
        ("Windows-1252", WINDOWS_1252.encode(text).0.into_owned(), 1),
    ];
    assert_eq!(UTF_16BE.name(), "UTF-16BE");
    for (name, bytes, notes) in encodings {
        let (catalogue, report) = listed(&["1.jpg", "2.jpg", "3.jpg"], "p.csv", &bytes);
        let colours: Vec<_> = catalogue.products.iter().map(|p| p.attributes["colour"].as_str()).collect();
        assert_eq!(colours, ["café", "Größe", "naïve"], "{name}");
        assert_eq!((report.notes.len(), report.skipped.len()), (notes, 0), "{name}: {:?}", report.notes);
    }
}

#[test]
fn one_line_of_another_encoding_is_named_and_read_all_the_same() {
    let content = b"file,colour\n1.jpg,caf\xC3\xA9\n2.jpg,caf\xE9\n3.jpg,red\n";
    let (catalogue, report) = listed(&["1.jpg", "2.jpg", "3.jpg"], "p.csv", content);
    assert!(catalogue.products[..2].iter().all(|product| product.attributes["colour"] == "café"));
    assert_eq!(lines(&report, SkipReason::Encoding), [3]);
}

#[test]
fn bad_lines_are_told_with_their_numbers_and_the_rest_goes_on() {
    let content = b"file,sku,price\r\n\
        1.jpg,A,10\r\n\
        2.jpg,B\r\n\
        \r\n\
        3.jpg,C,12,13,14\r\n\
        4.jpg,D,cheap\r\n\
        ,,9\r\n\
        none.jpg,E,1\r\n\
        1.jpg,F,2\r\n\
        5.jpg,G,5,,\r\n";
    let photos = ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"];
    let (catalogue, report) = listed(&photos, "p.csv", content);
    assert_eq!(lines(&report, SkipReason::Ragged), [3, 5]);
    assert_eq!(lines(&report, SkipReason::Value), [6]);
    assert_eq!(lines(&report, SkipReason::NoKey), [7]);
    assert_eq!(lines(&report, SkipReason::NoSuchPhoto), [8]);
    assert_eq!(lines(&report, SkipReason::Duplicate), [9]);
    assert_eq!(attribute(&catalogue, "A", "price"), Some("10.00"));
    assert_eq!(attribute(&catalogue, "G", "price"), Some("5.00"), "empty fields too many harm nobody");
    assert_eq!(product_of(&catalogue, "4.jpg"), "D", "only the price is lost");
    assert_eq!(catalogue.photos.len(), 5, "no photo is lost");
    for skipped in &report.skipped {
        let place = format!("line {} of p.csv", skipped.line.unwrap());
        assert!(skipped.sentence.ends_with(&place) && !skipped.sentence.contains('\n'), "{}", skipped.sentence);
    }
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let content = b"file,name\n1.jpg,\"Coat\n2.jpg,Shirt\n3.jpg,\"Long, thin\"\n4.jpg,Hat\n";
    let (catalogue, report) = listed(&["1.jpg", "2.jpg", "3.jpg", "4.jpg"], "p.csv", content);
    let names: Vec<_> = catalogue.products.iter().map(|product| product.name.as_str()).collect();
    assert_eq!(names, ["1", "Shirt", "Long, thin", "Hat"]);
    assert_eq!(lines(&report, SkipReason::Ragged), [2]);
}

#[test]
fn duplicate_products_hold_their_first_line() {
    let (catalogue, report) = listed(&["A_1.jpg", "A_2.jpg"], "p.csv", b"sku,price\nA,10\nA,20\n");
    assert_eq!(attribute(&catalogue, "A", "price"), Some("10.00"));
    assert_eq!(lines(&report, SkipReason::Duplicate), [3]);
    // Lines that each name another photo of it are none.
    let content = b"sku,file,price\nA,A_1.jpg,10\nA,A_2.jpg,\n";
    let (catalogue, report) = listed(&["A_1.jpg", "A_2.jpg"], "p.csv", content);
    assert_eq!((catalogue.products.len(), report.skipped.len()), (1, 0));
}

#[test]
fn a_name_in_two_folders_is_asked_about() {
    let (_, report) = listed(&["a/1.jpg", "b/1.jpg", "c/2.jpg"], "p.csv", b"file\n1.jpg\na/1.jpg\n");
    assert_eq!(lines(&report, SkipReason::Ambiguous), [2]);
    assert!(report.skipped[0].sentence.contains("a/1.jpg and b/1.jpg"), "{}", report.skipped[0].sentence);
    assert_eq!(report.rows, 1);
}

#[test]
fn a_list_without_known_columns_is_used_by_its_content_or_refused() {
    let (catalogue, report) = listed(&["1.jpg", "2.jpg"], "p.csv", b"was,wie\nrot,1.jpg\nblau,2.jpg\n");
    assert_eq!(attribute(&catalogue, "2", "was"), Some("blau"));
    assert!(report.notes[0].contains("\"wie\""), "{:?}", report.notes);
    let dir = tempfile::tempdir().unwrap();
    let names = names_of(&paths(&["1.jpg"]));
    let refused = |file: &str, content: &[u8]| {
        let list = dir.path().join(file);
        fs::write(&list, content).unwrap();
        let error = read_list(&list, &names).unwrap_err();
        assert!(error.to_string().ends_with(file) && !error.to_string().contains('\n'), "{error}");
        error
    };
    assert!(matches!(refused("a.csv", b"size,length\n7,8\n"), ImportError::NoKeyColumn { .. }));
    assert!(matches!(refused("b.csv", b""), ImportError::EmptyList { .. }));
    assert!(matches!(refused("c.csv", b"file,price\n"), ImportError::EmptyList { .. }));
    assert!(matches!(refused("d.csv", b"PK\x03\x04rest of a spreadsheet"), ImportError::NotText { .. }));
    assert!(matches!(refused("e.csv", b"file,\0\0\0\0,x\n1,2,3\n"), ImportError::NotText { .. }));
    assert!(matches!(read_list(&dir.path().join("none.csv"), &names), Err(ImportError::List { .. })));
}

#[test]
fn delimiters_are_guessed_from_what_divides_evenly() {
    assert_eq!(delimiter_of("a,b,c\n1,2,3\n"), b',');
    assert_eq!(delimiter_of("a;b;c\n1,5;2,5;3,5\n"), b';');
    assert_eq!(delimiter_of("a\tb\n1, 2\t3\n"), b'\t');
    assert_eq!(delimiter_of("a|b\n1|2\n"), b'|');
    assert_eq!(delimiter_of("a;b\n\"x;y;z\";2\n"), b';');
    assert_eq!(delimiter_of("file\n1.jpg\n"), b',');
}

#[test]
fn json_lines_are_a_list_too() {
    let content = br#"{"sku": "A", "image": ["1.jpg", "2.jpg"], "price": 12.5, "organic": true}
not json
{"sku": "B", "image": "3.jpg", "care": null}
"#;
    let (catalogue, report) = listed(&["1.jpg", "2.jpg", "3.jpg"], "p.jsonl", content);
    assert_eq!(product_of(&catalogue, "2.jpg"), "A");
    assert_eq!(attribute(&catalogue, "A", "price"), Some("12.50"));
    assert_eq!(attribute(&catalogue, "A", "organic"), Some("yes"));
    assert_eq!(lines(&report, SkipReason::Ragged), [2]);
}

#[test]
fn prices_and_stocks_are_read_as_shops_write_them() {
    for (text, expected, currency) in [
        ("39,90", "39.90", None),
        ("39.9", "39.90", None),
        ("1.299,00 €", "1299.00", Some("EUR")),
        ("USD 1,299.00", "1299.00", Some("USD")),
        ("1'299.-", "1299.00", None),
        ("1,299", "1299.00", None),
        ("1,234,567.5", "1234567.50", None),
        ("£24", "24.00", Some("GBP")),
        ("0.126", "0.13", None),
    ] {
        assert_eq!(price(text), Some((expected.to_owned(), currency)), "{text}");
    }
    for text in ["", "cheap", "on request 20", "-5", "20-30", "€"] {
        assert_eq!(price(text), None, "{text}");
    }
    assert_eq!(stock("In Stock"), Some((true, None)));
    assert_eq!(stock("out_of_stock"), Some((false, None)));
    assert_eq!(stock("12"), Some((true, Some(12))));
    assert_eq!(stock("0"), Some((false, Some(0))));
    assert_eq!(stock("perhaps"), None);
    assert_eq!(title("blue-linen_shirt"), "Blue linen shirt");
}

#[test]
fn a_bare_name_in_the_folder_itself_means_that_photo() {
    let photos = paths(&["1.jpg", "b/1.jpg", "b/2.jpg"]);
    let names = names_of(&photos);
    assert_eq!(names.photo("1.jpg"), Some(Named::One(0)));
    assert_eq!(names.photo("shop/b/2"), Some(Named::One(2)));
    assert_eq!(names.photo("3.jpg"), None);
    assert_eq!(names.photo(""), None);
}

proptest! {
    /// Whatever the bytes are, reading ends and every photo is still there.
    #[test]
    fn any_bytes_are_a_list_or_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("p.csv");
        fs::write(&list, [b"file,name\n", bytes.as_slice()].concat()).unwrap();
        let photos = paths(&["1.jpg", "2.jpg"]);
        let names = names_of(&photos);
        let table = read_list(&list, &names).ok();
        let (catalogue, _) = arrange(&photos, &names, table);
        prop_assert_eq!(catalogue.photos.len(), 2);
    }

    /// A list written by the csv crate comes back as it was: the crate's own writer is the oracle.
    #[test]
    fn what_is_quoted_comes_back(names in proptest::collection::vec("[ -~äé€\n]{1,12}", 1..6), delimiter in prop::sample::select(vec![b',', b';', b'\t'])) {
        prop_assume!(names.iter().all(|name| !name.trim().is_empty()));
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        writer.write_record(["file", "name", "price"]).unwrap();
        for (index, name) in names.iter().enumerate() {
            writer.write_record([format!("{index}x.jpg").as_str(), name, "1"]).unwrap();
        }
        let photos: Vec<String> = (0..names.len()).map(|index| format!("{index}x.jpg")).collect();
        let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
        let (catalogue, report) = listed(&photos, "p.csv", &writer.into_inner().unwrap());
        prop_assert_eq!(report.skipped.len(), 0);
        for (product, name) in catalogue.products.iter().zip(&names) {
            prop_assert_eq!(product.name.as_str(), name.trim());
        }
    }
}
