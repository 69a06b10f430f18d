//! What became of a person's own folder of photos: what was taken in, what was passed over, and why.

use serde::{Deserialize, Serialize};

use super::{ProductId, ProductRecord};

/// Why a file, or a line of a list, was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Neither its name nor its first bytes are a photo's.
    NotAPhoto,
    /// A picture format that is not decoded.
    Unsupported,
    /// Cut short, or its decoder gave up.
    Damaged,
    Empty,
    TooLarge,
    /// The system refuses to read it.
    Unreadable,
    /// It was listed and then was not there.
    Gone,
    /// Its name cannot be kept.
    Name,
    /// The list is not text in an encoding that is known.
    Encoding,
    /// The list's first line names no column that says which photo or product is meant.
    Columns,
    /// A line has more or fewer fields than the first one.
    Ragged,
    /// A line names neither photo nor product.
    NoKey,
    /// An id that an earlier line has.
    Duplicate,
    /// A line is about a photo or product that is not in the folder.
    NoSuchPhoto,
    /// A line fits several photos of the folder.
    Ambiguous,
    /// A figure cannot be read, such as a price.
    Value,
}

impl SkipReason {
    pub const ALL: [Self; 16] = [
        Self::NotAPhoto,
        Self::Unsupported,
        Self::Damaged,
        Self::Empty,
        Self::TooLarge,
        Self::Unreadable,
        Self::Gone,
        Self::Name,
        Self::Encoding,
        Self::Columns,
        Self::Ragged,
        Self::NoKey,
        Self::Duplicate,
        Self::NoSuchPhoto,
        Self::Ambiguous,
        Self::Value,
    ];

    /// For people, as the heading of a list.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotAPhoto => "Not a photo",
            Self::Unsupported => "Format not supported",
            Self::Damaged => "Damaged photo",
            Self::Empty => "Empty file",
            Self::TooLarge => "Too large",
            Self::Unreadable => "Cannot be read",
            Self::Gone => "No longer there",
            Self::Name => "Name cannot be kept",
            Self::Encoding => "Encoding of a list",
            Self::Columns => "Missing column",
            Self::Ragged => "Line of another length",
            Self::NoKey => "Line without id",
            Self::Duplicate => "Duplicate id",
            Self::NoSuchPhoto => "No such photo",
            Self::Ambiguous => "Fits several photos",
            Self::Value => "Unreadable figure",
        }
    }
}

/// One thing that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The file, relative to the folder where it lies inside.
    pub file: String,
    /// The line of a list, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub reason: SkipReason,
    /// One sentence that names what and where.
    pub sentence: String,
}

/// All of it, as it is kept in the project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntakeReport {
    /// Photos and products that were found, also those not indexed yet.
    pub photos: usize,
    pub products: usize,
    /// Lines of the list of attributes that were used.
    pub rows: usize,
    /// Photos that no line of the list is about; 0 without a list.
    pub unlisted: usize,
    /// The columns that became attributes.
    pub columns: Vec<String>,
    pub skipped: Vec<Skipped>,
    /// What is worth knowing and lost nothing, a sentence each.
    pub notes: Vec<String>,
}

impl IntakeReport {
    /// How many there are of each reason, most first; of equals in the order of `SkipReason::ALL`.
    pub fn counts(&self) -> Vec<(SkipReason, usize)> {
        let mut counts: Vec<(SkipReason, usize)> = SkipReason::ALL
            .into_iter()
            .map(|reason| (reason, self.skipped.iter().filter(|skipped| skipped.reason == reason).count()))
            .filter(|(_, count)| *count > 0)
            .collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// The list as tab-separated text, for the clipboard.
    pub fn to_text(&self) -> String {
        let mut text = String::from("file\tline\treason\tsentence\n");
        for skipped in &self.skipped {
            let line = skipped.line.map_or_else(String::new, |line| line.to_string());
            let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
            text += &format!(
                "{}\t{line}\t{}\t{}\n",
                plain(&skipped.file),
                skipped.reason.words(),
                plain(&skipped.sentence)
            );
        }
        text
    }
}

/// The products of a folder and which photos show them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// In the order of their ids, each once.
    pub products: Vec<ProductRecord>,
    /// In the order of their paths.
    pub photos: Vec<ListedPhoto>,
}

/// A photo of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPhoto {
    /// Its path inside the folder, with `/` between parts.
    pub inside: String,
    pub product: ProductId,
    /// Counts the photos of one product from 0.
    pub view: u32,
}

/// How a gallery differs from what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GalleryChange {
    pub added: usize,
    pub changed: usize,
    pub renamed: usize,
    pub removed: usize,
    /// Products whose attributes are others now.
    pub attributes: usize,
}

impl GalleryChange {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Both changes, one after the other.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self {
            added: self.added + next.added,
            changed: self.changed + next.changed,
            renamed: self.renamed + next.renamed,
            removed: self.removed + next.removed,
            attributes: self.attributes + next.attributes,
        }
    }

    /// "3 added, 1 removed".
    pub fn words(&self) -> String {
        let parts = [
            (self.added, "added"),
            (self.changed, "changed"),
            (self.renamed, "renamed"),
            (self.removed, "removed"),
            (self.attributes, "with other attributes"),
        ];
        let words: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_as_a_list_of_what_happened() {
        let change = GalleryChange { added: 3, removed: 1, ..GalleryChange::default() };
        assert_eq!(change.words(), "3 added, 1 removed");
        let both = change.and(GalleryChange { added: 2, attributes: 4, ..GalleryChange::default() });
        assert_eq!(both.words(), "5 added, 1 removed, 4 with other attributes");
        assert!(GalleryChange::default().is_none() && !both.is_none());
    }

    #[test]
    fn reasons_are_counted_most_first_and_the_text_keeps_its_columns() {
        let skipped = |file: &str, reason, line| Skipped {
            file: file.to_owned(),
            line,
            reason,
            sentence: format!("one\ttwo: {file}"),
        };
        let report = IntakeReport {
            skipped: vec![
                skipped("a", SkipReason::Ragged, Some(7)),
                skipped("b", SkipReason::Damaged, None),
                skipped("c\td", SkipReason::Damaged, None),
            ],
            ..IntakeReport::default()
        };
        assert_eq!(report.counts(), [(SkipReason::Damaged, 2), (SkipReason::Ragged, 1)]);
        let lines: Vec<Vec<String>> =
            report.to_text().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
        assert!(lines.iter().all(|fields| fields.len() == 4), "{lines:?}");
        assert_eq!(lines[1], ["a", "7", "Line of another length", "one two: a"]);
    }
}
