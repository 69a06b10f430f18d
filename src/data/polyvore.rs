//! Outfits and the questions about them, as the Polyvore data sets keep them (Han et al. 2017, Vasileva et al. 2018).
//!
//! ```text
//! {train,valid,test}.json           [{"set_id": "..", "items": [{"item_id": "..", "index": 1}, ..]}, ..]
//! compatibility_{split}.txt         <0|1> <set_id>_<index> <set_id>_<index> ..         1 = worn together
//! fill_in_blank_{split}.json        [{"question": [token, ..], "answers": [token, ..], "blank_position": 1}, ..]
//! ```
//! A token `<set_id>_<index>` names an item by an outfit that it belongs to. Which answer is right is not written down:
//! in Vasileva's files it is the one of the question's own outfit, in Han's the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use crate::domain::Split;

#[derive(Debug, thiserror::Error)]
pub enum PolyvoreError {
    #[error("cannot read the outfits ({source}): {}", path.display())]
    Read { source: io::Error, path: PathBuf },
    #[error("cannot write the outfits ({source}): {}", path.display())]
    Write { source: io::Error, path: PathBuf },
    #[error("the outfits cannot be understood ({reason}): {}", path.display())]
    Json { reason: String, path: PathBuf },
    #[error("{what} {number} {problem}: {}", path.display())]
    Entry { what: &'static str, number: usize, problem: String, path: PathBuf },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutfitItem {
    pub item_id: String,
    pub index: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutfitSet {
    pub set_id: String,
    pub items: Vec<OutfitItem>,
}

impl OutfitSet {
    /// An outfit of these items, numbered from 1.
    pub fn new(set_id: impl Into<String>, items: impl IntoIterator<Item = String>) -> Self {
        let items = items.into_iter().zip(1..).map(|(item_id, index)| OutfitItem { item_id, index }).collect();
        Self { set_id: set_id.into(), items }
    }

    fn token(&self, item: &OutfitItem) -> String {
        format!("{}_{}", self.set_id, item.index)
    }
}

/// A fill-in-the-blank question as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub question: Vec<String>,
    pub answers: Vec<String>,
    /// Where the right answer stood in the outfit, from 1.
    pub blank_position: usize,
}

/// Tokens of items, and whether they are worn together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub compatible: bool,
    pub tokens: Vec<String>,
}

/// The three files of a split as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutfitFiles {
    pub outfits: Vec<OutfitSet>,
    pub judged: Vec<Judged>,
    pub questions: Vec<Question>,
}

/// Which answer of a question is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RightAnswer {
    /// The one of the question's own outfit.
    #[default]
    OfTheOutfit,
    First,
}

/// A question whose items are places in [`OutfitTest::items`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    pub items: Vec<usize>,
    pub answers: Vec<usize>,
    /// Place of the right one among the answers.
    pub right: usize,
}

/// What a split asks, with every token resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutfitTest {
    /// Ids of all items that occur, each once.
    pub items: Vec<String>,
    /// Outfits, and whether they are ones.
    pub judged: Vec<(bool, Vec<usize>)>,
    pub blanks: Vec<Blank>,
}

/// What the files call a split.
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "valid",
        Split::Test => "test",
    }
}

struct Paths {
    outfits: PathBuf,
    judged: PathBuf,
    questions: PathBuf,
}

impl Paths {
    fn new(dir: &Path, split: Split) -> Self {
        let name = split_name(split);
        Self {
            outfits: dir.join(format!("{name}.json")),
            judged: dir.join(format!("compatibility_{name}.txt")),
            questions: dir.join(format!("fill_in_blank_{name}.json")),
        }
    }
}

impl OutfitFiles {
    pub fn read(dir: &Path, split: Split) -> Result<Self, PolyvoreError> {
        let paths = Paths::new(dir, split);
        Ok(Self {
            outfits: json(&paths.outfits)?,
            judged: judged(&text(&paths.judged)?, &paths.judged)?,
            questions: json(&paths.questions)?,
        })
    }

    /// Writes the files, each beside its place and renamed.
    pub fn write(&self, dir: &Path, split: Split) -> Result<(), PolyvoreError> {
        let paths = Paths::new(dir, split);
        fs::create_dir_all(dir).map_err(|source| PolyvoreError::Write { source, path: dir.to_owned() })?;
        let bytes = |value: serde_json::Result<Vec<u8>>| value.map_err(io::Error::from);
        put(&paths.outfits, bytes(serde_json::to_vec(&self.outfits)))?;
        let lines: String =
            self.judged.iter().map(|one| format!("{} {}\n", u8::from(one.compatible), one.tokens.join(" "))).collect();
        put(&paths.judged, Ok(lines.into_bytes()))?;
        put(&paths.questions, bytes(serde_json::to_vec(&self.questions)))
    }

    /// Looks every token up.
    pub fn resolve(&self, dir: &Path, split: Split, rule: RightAnswer) -> Result<OutfitTest, PolyvoreError> {
        let paths = Paths::new(dir, split);
        let mut by_token: HashMap<String, &str> = HashMap::new();
        for (number, outfit) in self.outfits.iter().enumerate() {
            for item in &outfit.items {
                if by_token.insert(outfit.token(item), &item.item_id).is_some() {
                    let problem = format!("has two items at index {}", item.index);
                    return Err(entry("outfit", number, problem, &paths.outfits));
                }
            }
        }
        let (mut outfits, mut blanks, mut items) = (Vec::new(), Vec::new(), Vec::new());
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut place = |token: &String| -> Result<usize, String> {
            let id = *by_token.get(token).ok_or_else(|| format!("names {token}, which no outfit of the split has"))?;
            Ok(*places.entry(id).or_insert_with(|| {
                items.push(id.to_owned());
                items.len() - 1
            }))
        };
        for (number, one) in self.judged.iter().enumerate() {
            let found: Result<Vec<usize>, String> = one.tokens.iter().map(&mut place).collect();
            outfits.push((one.compatible, found.map_err(|p| entry("line", number, p, &paths.judged))?));
        }
        for (number, question) in self.questions.iter().enumerate() {
            let wrong = |problem: String| entry("question", number, problem, &paths.questions);
            let right = right_answer(question, rule).map_err(wrong)?;
            let mut all = |tokens: &[String]| tokens.iter().map(&mut place).collect::<Result<Vec<usize>, String>>();
            let (items, answers) = (all(&question.question).map_err(wrong)?, all(&question.answers).map_err(wrong)?);
            blanks.push(Blank { items, answers, right });
        }
        Ok(OutfitTest { items, judged: outfits, blanks })
    }
}

fn entry(what: &'static str, number: usize, problem: String, path: &Path) -> PolyvoreError {
    PolyvoreError::Entry { what, number: number + 1, problem, path: path.to_owned() }
}

fn text(path: &Path) -> Result<String, PolyvoreError> {
    fs::read_to_string(path).map_err(|source| PolyvoreError::Read { source, path: path.to_owned() })
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, PolyvoreError> {
    serde_json::from_str(&text(path)?)
        .map_err(|error| PolyvoreError::Json { reason: error.to_string(), path: path.to_owned() })
}

fn judged(text: &str, path: &Path) -> Result<Vec<Judged>, PolyvoreError> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        // The older files write 1.0 and 0.0.
        let compatible = match words.next().and_then(|word| word.parse::<f32>().ok()) {
            Some(1.0) => true,
            Some(0.0) => false,
            _ => return Err(entry("line", number, "does not begin with 0 or 1".to_owned(), path)),
        };
        let tokens: Vec<String> = words.map(str::to_owned).collect();
        if tokens.len() < 2 {
            return Err(entry("line", number, "names fewer than two items".to_owned(), path));
        }
        found.push(Judged { compatible, tokens });
    }
    Ok(found)
}

/// The outfit that a token is of.
fn set_of(token: &str) -> Result<&str, String> {
    let parts = token.rsplit_once('_').filter(|(set, index)| !set.is_empty() && index.parse::<u32>().is_ok());
    parts.map(|(set, _)| set).ok_or_else(|| format!("has {token:?} where <set>_<index> is expected"))
}

fn right_answer(question: &Question, rule: RightAnswer) -> Result<usize, String> {
    let Some(first) = question.question.first() else { return Err("has no items".to_owned()) };
    if question.answers.len() < 2 {
        return Err(format!("has {} answers to choose from", question.answers.len()));
    }
    if !(1..=question.question.len() + 1).contains(&question.blank_position) {
        return Err(format!(
            "has a blank at {} in an outfit of {}",
            question.blank_position,
            question.question.len() + 1
        ));
    }
    if rule == RightAnswer::First {
        return Ok(0);
    }
    let outfit = set_of(first)?;
    let mut right = Vec::new();
    for (place, answer) in question.answers.iter().enumerate() {
        if set_of(answer)? == outfit {
            right.push(place);
        }
    }
    match right[..] {
        [one] => Ok(one),
        _ => Err(format!("has {} answers of its own outfit; one of them must be right", right.len())),
    }
}

fn put(path: &Path, bytes: io::Result<Vec<u8>>) -> Result<(), PolyvoreError> {
    let beside = path.with_extension("part");
    let written = bytes.and_then(|bytes| {
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|source| PolyvoreError::Write { source, path: path.to_owned() })
}

/// Answers of a question.
const ANSWERS: usize = 4;

/// Asks about these outfits: each is judged beside one whose pieces were exchanged for others of their kinds, and one
/// piece of each is to be found among four of its kind. `kind_of` knows every item. The same seed asks the same.
pub fn ask(outfits: Vec<OutfitSet>, kind_of: &BTreeMap<String, String>, seed: u64) -> OutfitFiles {
    let mut of_kind: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for outfit in &outfits {
        for item in outfit.items.iter().filter(|item| known.insert(item.item_id.as_str())) {
            if let Some(kind) = kind_of.get(&item.item_id) {
                of_kind.entry(kind).or_default().push((&item.item_id, outfit.token(item)));
            }
        }
    }
    let (mut judged, mut questions) = (Vec::new(), Vec::new());
    for (number, outfit) in outfits.iter().enumerate() {
        let mut dice = Dice::new([seed, number as u64, 0, STREAM]);
        let own: BTreeSet<&str> = outfit.items.iter().map(|item| item.item_id.as_str()).collect();
        // Items of the same kind that are not in this outfit, in random order.
        let mut others = |item: &OutfitItem| -> Vec<String> {
            let same = kind_of.get(&item.item_id).and_then(|kind| of_kind.get(kind.as_str()));
            let mut tokens: Vec<String> = same
                .into_iter()
                .flatten()
                .filter(|(id, _)| !own.contains(id))
                .map(|(_, token)| token.clone())
                .collect();
            dice.shuffle(&mut tokens);
            tokens
        };
        let exchanged: Vec<String> = outfit.items.iter().filter_map(|item| others(item).pop()).collect();
        judged.push(Judged { compatible: true, tokens: outfit.items.iter().map(|item| outfit.token(item)).collect() });
        if exchanged.len() == outfit.items.len() {
            judged.push(Judged { compatible: false, tokens: exchanged });
        }
        let blank = dice_below(seed, number, outfit.items.len());
        let mut answers = others(&outfit.items[blank]);
        answers.truncate(ANSWERS - 1);
        if answers.len() < ANSWERS - 1 {
            continue;
        }
        let place = dice_below(seed ^ STREAM, number, ANSWERS);
        answers.insert(place, outfit.token(&outfit.items[blank]));
        let rest = outfit.items.iter().enumerate().filter(|(i, _)| *i != blank);
        let question = rest.map(|(_, item)| outfit.token(item)).collect();
        questions.push(Question { question, answers, blank_position: blank + 1 });
    }
    OutfitFiles { outfits, judged, questions }
}

/// Keeps these draws apart from those of samplers and views.
const STREAM: u64 = 0x0077_F175_0000_0001;

fn dice_below(seed: u64, number: usize, below: usize) -> usize {
    Dice::new([seed, number as u64, 1, STREAM]).below(below)
}
