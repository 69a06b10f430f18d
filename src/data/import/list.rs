//! A list of attributes: CSV, TSV or JSON Lines, as shops and spreadsheets write them. What cannot be used is reported
//! with its line, and the rest goes on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::ImportError;
use super::names::Names;
use super::text;
use super::values;
use crate::domain::{SkipReason, Skipped};

/// Endings of lists.
pub const LIST_ENDINGS: [&str; 5] = ["csv", "tsv", "tab", "jsonl", "ndjson"];
/// Largest list that is read.
const MAX_BYTES: u64 = 512_000_000;
/// Lines that are looked at to guess how a list is written.
const LOOKED_AT: usize = 50;
/// A quote that is never closed swallows the lines after it; so often the list is read again behind one.
const MAX_RESTARTS: usize = 200;

/// What one line says about a product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub line: u64,
    /// Photos as the line names them.
    pub photos: Vec<String>,
    pub product: Option<String>,
    pub name: Option<String>,
    pub kind: Option<String>,
    pub attributes: BTreeMap<String, String>,
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The list's file name, for people.
    pub file: String,
    pub rows: Vec<Row>,
    /// Names of the attributes.
    pub columns: Vec<String>,
    pub skipped: Vec<Skipped>,
    pub notes: Vec<String>,
}

/// What the columns that matter are called, best first. Compared in small letters without blanks or signs.
const PHOTO: [&str; 24] = [
    "photo",
    "photos",
    "image",
    "images",
    "filename",
    "file",
    "imagefile",
    "imagename",
    "imagepath",
    "photofile",
    "photoname",
    "photopath",
    "picture",
    "pictures",
    "img",
    "path",
    "imagesrc",
    "imagelink",
    "imageurl",
    "mainimage",
    "bild",
    "foto",
    "src",
    "url",
];
const PRODUCT: [&str; 17] = [
    "product",
    "productid",
    "sku",
    "article",
    "articleid",
    "articlenumber",
    "articleno",
    "artikelnummer",
    "artikel",
    "style",
    "styleid",
    "stylecode",
    "itemgroupid",
    "handle",
    "itemid",
    "item",
    "id",
];
const NAME: [&str; 7] =
    ["name", "title", "productname", "productdisplayname", "displayname", "itemname", "bezeichnung"];
const KIND: [&str; 10] = [
    "kind",
    "category",
    "producttype",
    "articletype",
    "type",
    "garment",
    "productcategory",
    "subcategory",
    "kategorie",
    "class",
];
const COLOUR: [&str; 7] = ["colour", "color", "basecolour", "basecolor", "colourname", "colorname", "farbe"];
const PRICE: [&str; 6] = ["price", "preis", "prix", "retailprice", "unitprice", "saleprice"];
const BRAND: [&str; 5] = ["brand", "marke", "manufacturer", "vendor", "designer"];
const STOCK: [&str; 9] =
    ["instock", "availability", "available", "stock", "inventory", "quantity", "qty", "stockquantity", "bestand"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Photo,
    Product,
    Name,
    Kind,
    Colour,
    Price,
    Brand,
    Stock,
    /// Index into the names of attributes.
    Other(usize),
}

/// Lines with their fields, whatever the file was.
struct Raw {
    header: Vec<String>,
    lines: Vec<(u64, Vec<String>)>,
}

/// Reads a list. `names` are the photos of the folder: a list whose first line says nothing known is used by the column
/// that names most of them.
pub fn read_list(path: &Path, names: &Names) -> Result<Table, ImportError> {
    let failed = |source| ImportError::List { source, path: path.to_owned() };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(ImportError::ListTooLarge { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(failed)?;
    let decoded = text::decode(&bytes).ok_or_else(|| ImportError::NotText { path: path.to_owned() })?;
    drop(bytes);
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut table = Table { file, ..Table::default() };
    if decoded.encoding != "UTF-8" {
        table.notes.push(format!("{} is not UTF-8 and was read as {}", table.file, plain_name(decoded.encoding)));
    }
    for line in &decoded.foreign_lines {
        let why = "this line is not UTF-8 as the others are and was read as Windows-1252";
        table.skip(*line, SkipReason::Encoding, why);
    }
    let text = decoded.text.trim_start_matches('\u{feff}');
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let raw = match ending.as_str() {
        "jsonl" | "ndjson" => json_lines(text, &mut table),
        _ => delimited(text, &mut table),
    };
    if raw.header.is_empty() || (raw.lines.is_empty() && table.skipped.is_empty()) {
        return Err(ImportError::EmptyList { path: path.to_owned() });
    }
    let columns = columns_of(&raw, names, &mut table).ok_or_else(|| ImportError::NoKeyColumn {
        looked_for: "such as photo, image, file, product, sku or id".to_owned(),
        path: path.to_owned(),
    })?;
    for (line, fields) in raw.lines {
        table.take(line, &fields, &columns);
    }
    Ok(table)
}

fn plain_name(encoding: &str) -> &str {
    if encoding == "windows-1252" { "Windows-1252" } else { encoding }
}

impl Table {
    fn skip(&mut self, line: u64, reason: SkipReason, why: &str) {
        let sentence = format!("{why}: line {line} of {}", self.file);
        self.skipped.push(Skipped { file: self.file.clone(), line: Some(line), reason, sentence });
    }

    fn take(&mut self, line: u64, fields: &[String], columns: &[Column]) {
        let mut row = Row { line, ..Row::default() };
        let set = |place: &mut Option<String>, value: &str| {
            if place.is_none() {
                *place = Some(value.to_owned());
            }
        };
        for (field, column) in fields.iter().zip(columns) {
            let value = field.trim();
            if value.is_empty() {
                continue;
            }
            let mut attribute = |name: &str, value: String| drop(row.attributes.insert(name.to_owned(), value));
            match column {
                Column::Photo => row.photos.push(value.to_owned()),
                Column::Product => set(&mut row.product, value),
                Column::Name => set(&mut row.name, value),
                Column::Kind => set(&mut row.kind, value),
                Column::Colour => attribute("colour", value.to_owned()),
                Column::Brand => attribute("brand", value.to_owned()),
                Column::Price => match values::price(value) {
                    Some((price, currency)) => {
                        attribute("price", price);
                        if let Some(currency) = currency {
                            attribute("currency", currency.to_owned());
                        }
                    }
                    None => self.skip(line, SkipReason::Value, &format!("the price {value:?} cannot be read")),
                },
                Column::Stock => match values::stock(value) {
                    Some((had, pieces)) => {
                        attribute("in_stock", if had { "yes" } else { "no" }.to_owned());
                        if let Some(pieces) = pieces.filter(|pieces| *pieces > 1) {
                            attribute("stock", pieces.to_string());
                        }
                    }
                    None => self.skip(line, SkipReason::Value, &format!("the stock {value:?} cannot be read")),
                },
                Column::Other(index) => {
                    let name = self.columns[*index].clone();
                    attribute(&name, value.to_owned());
                }
            }
        }
        if row.photos.is_empty() && row.product.is_none() {
            if fields.iter().any(|field| !field.trim().is_empty()) {
                self.skip(line, SkipReason::NoKey, "this line names neither a photo nor a product");
            }
            return;
        }
        self.rows.push(row);
    }
}

/// What each column is; `None` where none says which photo or product a line is about.
fn columns_of(raw: &Raw, names: &Names, table: &mut Table) -> Option<Vec<Column>> {
    let plain: Vec<String> =
        raw.header.iter().map(|name| name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()).collect();
    let mut columns: Vec<Option<Column>> = vec![None; plain.len()];
    let known: [(&[&str], Column); 8] = [
        (&PHOTO, Column::Photo),
        (&PRODUCT, Column::Product),
        (&NAME, Column::Name),
        (&KIND, Column::Kind),
        (&COLOUR, Column::Colour),
        (&PRICE, Column::Price),
        (&BRAND, Column::Brand),
        (&STOCK, Column::Stock),
    ];
    for (words, column) in known {
        let at = words.iter().find_map(|word| plain.iter().position(|name| name == word));
        if let Some(at) = at.filter(|&at| columns[at].is_none()) {
            columns[at] = Some(column);
        }
    }
    if columns[..].contains(&Some(Column::Photo)) {
        // Lists of shops have "image 2", "image 3" beside the first.
        for (at, name) in plain.iter().enumerate() {
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            if columns[at].is_none() && stem != name && ["photo", "image", "picture", "img"].contains(&stem) {
                columns[at] = Some(Column::Photo);
            }
        }
    }
    if !columns.iter().any(|column| matches!(column, Some(Column::Photo | Column::Product))) {
        let at = column_naming_photos(raw, names)?;
        columns[at] = Some(Column::Photo);
        let name = raw.header[at].trim();
        table.notes.push(format!("the column {name:?} of {} names the photos, by its content", table.file));
    }
    let mut taken: HashSet<String> =
        ["colour", "price", "brand", "in_stock", "currency", "stock"].map(str::to_owned).into();
    let columns = columns.into_iter().zip(&raw.header).enumerate().map(|(at, (column, name))| {
        column.unwrap_or_else(|| {
            let name = attribute_name(name, at);
            let mut free = name.clone();
            let mut number = 2;
            while !taken.insert(free.clone()) {
                free = format!("{name}_{number}");
                number += 1;
            }
            table.columns.push(free);
            Column::Other(table.columns.len() - 1)
        })
    });
    Some(columns.collect())
}

/// "Sleeve length (cm)" as `sleeve_length_cm`, so that attributes of all lists look alike.
fn attribute_name(header: &str, at: usize) -> String {
    let lower = header.trim().to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { format!("column_{}", at + 1) } else { words.join("_") }
}

/// The column whose values are most often photos of the folder, if that is at least every second.
fn column_naming_photos(raw: &Raw, names: &Names) -> Option<usize> {
    let looked_at = raw.lines.len().min(LOOKED_AT);
    let hits = |column: usize| {
        let values = raw.lines.iter().take(LOOKED_AT).filter_map(|(_, fields)| fields.get(column));
        values.filter(|value| names.photo(value).is_some()).count()
    };
    let (best, count) = (0..raw.header.len()).map(|column| (column, hits(column))).max_by_key(|(_, count)| *count)?;
    (count > 0 && count * 2 >= looked_at).then_some(best)
}

/// Commas, semicolons, tabs or bars: whichever divides the first lines most evenly, outside of quotes.
pub(super) fn delimiter_of(text: &str) -> u8 {
    let counts = |delimiter: char| -> Vec<usize> {
        let lines = text.lines().filter(|line| !line.trim().is_empty()).take(LOOKED_AT);
        lines
            .map(|line| {
                let mut quoted = false;
                line.chars()
                    .filter(|&c| {
                        quoted ^= c == '"';
                        c == delimiter && !quoted
                    })
                    .count()
            })
            .collect()
    };
    [',', ';', '\t', '|']
        .into_iter()
        .map(|delimiter| {
            let counts = counts(delimiter);
            let first = counts.first().copied().unwrap_or(0);
            let same = counts.iter().filter(|&&count| count == first).count();
            // A header without it is divided by something else.
            (if first == 0 { 0 } else { same }, first, delimiter)
        })
        .max_by_key(|&(same, first, delimiter)| (same, first, delimiter == ','))
        .map_or(b',', |(_, _, delimiter)| delimiter as u8)
}

fn delimited(text: &str, table: &mut Table) -> Raw {
    let delimiter = delimiter_of(text);
    let mut raw = Raw { header: Vec::new(), lines: Vec::new() };
    let mut number = LineCounter { text, counted: 0, line: 1 };
    let (mut at, mut restarts) = (0, 0);
    'again: loop {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter);
        let mut reader = builder.from_reader(&text.as_bytes()[at..]);
        let mut record = StringRecord::new();
        // Only reading bytes can fail, and these are text in memory.
        while matches!(reader.read_record(&mut record), Ok(true)) {
            let begins = at + record.position().map_or(0, |place| place.byte() as usize);
            let (begins, line) = number.at(begins);
            let fields: Vec<String> = record.iter().map(str::to_owned).collect();
            if raw.header.is_empty() {
                raw.header = fields;
                continue;
            }
            let wanted = raw.header.len();
            let extra = fields.iter().skip(wanted).any(|field| !field.trim().is_empty());
            if fields.len() >= wanted && !extra {
                raw.lines.push((line, fields));
                continue;
            }
            if fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let why = format!("this line has {} fields, the first one {wanted}", fields.len());
            table.skip(line, SkipReason::Ragged, &why);
            // Over several lines it is a quote that was never closed: go on right behind its first line.
            let ends = (at + reader.position().byte() as usize).min(text.len());
            let over = text.as_bytes()[begins..ends].trim_ascii_end().contains(&b'\n');
            if over
                && restarts < MAX_RESTARTS
                && let Some(end) = text.as_bytes()[begins..].iter().position(|&byte| byte == b'\n')
            {
                restarts += 1;
                at = begins + end + 1;
                continue 'again;
            }
        }
        return raw;
    }
}

/// Lines of a text by their places, which come in rising order.
struct LineCounter<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The first place from here that is not the end of a line, and its line from 1.
    fn at(&mut self, place: usize) -> (usize, u64) {
        let bytes = self.text.as_bytes();
        let ends = bytes[place..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let place = place + ends;
        self.line += bytes[self.counted..place].iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.counted = place;
        (place, self.line)
    }
}

/// One object a line; every name that occurs is a column.
fn json_lines(text: &str, table: &mut Table) -> Raw {
    let mut header: Vec<String> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else {
            table.skip(number, SkipReason::Ragged, "this line is not a JSON object");
            continue;
        };
        let mut fields = vec![String::new(); header.len()];
        for (name, value) in object {
            let at = *place.entry(name.clone()).or_insert_with(|| {
                header.push(name);
                header.len() - 1
            });
            fields.resize(fields.len().max(at + 1), String::new());
            fields[at] = plain_value(&value);
        }
        lines.push((number, fields));
    }
    for (_, fields) in &mut lines {
        fields.resize(header.len(), String::new());
    }
    Raw { header, lines }
}

fn plain_value(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(values) => values.iter().map(plain_value).collect::<Vec<_>>().join("|"),
        Value::Object(_) => value.to_string(),
    }
}
