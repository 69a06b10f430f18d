//! Recipes to begin with, and what is wrong with one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::{Table, Value};

use crate::jobs::types::{CheckedRecipe, RecipeEntry, RecipeProblem};
use crate::train::TrainConfig;

/// Recipes named after the works; the program carries them, so that they are there wherever it lies.
const PRESETS: [(&str, &str); 3] = [
    ("Street to shop (work T)", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/recipes/work-t.toml"))),
    ("Semi-supervised (work R)", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/recipes/work-r.toml"))),
    ("Losses and backbones (work N)", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/recipes/work-n.toml"))),
];

/// The presets, then what lies in the folders `recipes` beside the shipped models, each text once.
pub fn recipes(model_dirs: &[PathBuf]) -> Vec<RecipeEntry> {
    let mut found: Vec<RecipeEntry> = PRESETS
        .iter()
        .map(|(name, text)| RecipeEntry { name: (*name).to_owned(), words: words(text), text: (*text).to_owned() })
        .collect();
    for dir in model_dirs {
        let Ok(entries) = std::fs::read_dir(dir.join("recipes")) else { continue };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            if !found.iter().any(|known| known.text == text || known.name == name) {
                found.push(RecipeEntry { name, words: words(&text), text });
            }
        }
    }
    found
}

/// What a recipe says of itself: its first comment, up to where that becomes a command line.
fn words(text: &str) -> String {
    let comment = text.lines().next().and_then(|line| line.strip_prefix('#')).unwrap_or_default();
    let comment = comment.split(": seamline ").next().unwrap_or_default();
    comment.trim().trim_end_matches('.').to_owned()
}

/// Every setting of the recipe, and its first fault.
pub fn check(text: &str) -> CheckedRecipe {
    let defaults = Value::try_from(TrainConfig::default()).unwrap_or(Value::Table(Table::new()));
    let defaults = flat(&defaults);
    let mut checked = CheckedRecipe { choices: choices(&defaults), defaults, ..CheckedRecipe::default() };
    let sentence = match TrainConfig::from_toml(text) {
        Ok(config) => {
            checked.values = Value::try_from(&config).map(|value| flat(&value)).unwrap_or_default();
            return checked;
        }
        Err(sentence) => sentence,
    };
    let Ok(table) = text.parse::<Table>() else {
        checked.problem = Some(RecipeProblem { setting: None, sentence: at_line(text, sentence) });
        return checked;
    };
    let given = flat(&Value::Table(table));
    checked.values = checked.defaults.clone();
    checked.values.extend(given.iter().map(|(path, value)| (path.clone(), value.clone())));
    checked.problem = Some(match misfit(&given) {
        Some((setting, why)) => RecipeProblem { sentence: format!("{setting}: {why}"), setting: Some(setting) },
        None => RecipeProblem { setting: named_in(&sentence, &checked.values), sentence },
    });
    checked
}

/// "…, in line 3".
fn at_line(text: &str, sentence: String) -> String {
    let place = text.parse::<Table>().err().and_then(|error| error.span());
    match place {
        Some(span) => {
            let line = text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1);
            format!("{sentence}, in line {line}")
        }
        None => sentence,
    }
}

/// The first setting that is not even of the right sort, such as a word where a number belongs.
fn misfit(given: &BTreeMap<String, String>) -> Option<(String, String)> {
    given.iter().find_map(|(path, value)| {
        let line = match path.rsplit_once('.') {
            Some((section, key)) => format!("[{section}]\n{key} = {value}\n"),
            None => format!("{path} = {value}\n"),
        };
        let table: Table = line.parse().ok()?;
        let error = table.try_into::<TrainConfig>().err()?;
        let why = error.message().lines().next().unwrap_or_default().trim().to_owned();
        // Names are refused with a better sentence elsewhere.
        (!why.starts_with("unknown field")).then(|| (path.clone(), why))
    })
}

/// The words that settings may be, asked of the reader itself: it lists them when it is given another.
fn choices(defaults: &BTreeMap<String, String>) -> BTreeMap<String, Vec<String>> {
    let words = defaults.iter().filter(|(_, value)| value.starts_with('"')).filter_map(|(path, _)| {
        let (section, key) = path.rsplit_once('.')?;
        let table: Table = format!("[{section}]\n{key} = \"?\"\n").parse().ok()?;
        let error = table.try_into::<TrainConfig>().err()?;
        let (_, expected) = error.message().split_once("expected")?;
        let words: Vec<String> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (words.len() > 1).then(|| (path.clone(), words))
    });
    words.collect()
}

/// The setting that a sentence speaks of first; "[augment] crop_scale …" means `augment.crop_scale`.
fn named_in(sentence: &str, values: &BTreeMap<String, String>) -> Option<String> {
    let whole_word = |at: usize, name: &str| {
        let letter = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let before = sentence[..at].chars().next_back();
        let after = sentence[at + name.len()..].chars().next();
        !before.is_some_and(letter) && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    let section = sentence.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(section, _)| section);
    let mut best: Option<(usize, usize, String)> = None;
    for path in values.keys() {
        let short = section.and_then(|section| path.strip_prefix(section)?.strip_prefix('.'));
        // One-word names, such as `seed`, are also words of sentences.
        let names = [path.contains('.').then_some(path.as_str()), short];
        for name in names.into_iter().flatten() {
            let found = sentence.match_indices(name).map(|(at, _)| at).find(|&at| whole_word(at, name));
            if let Some(at) = found
                && best
                    .as_ref()
                    .is_none_or(|(place, length, _)| (at, usize::MAX - name.len()) < (*place, usize::MAX - *length))
            {
                best = Some((at, name.len(), path.clone()));
            }
        }
    }
    best.map(|(.., path)| path)
}

/// Every value under its path, as TOML writes it.
fn flat(value: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&path, value, found);
                }
            }
            value => {
                found.insert(prefix.to_owned(), value.to_string());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", value, &mut found);
    // Later stages are no settings of this one.
    found.remove("then");
    found
}

/// The settings of a run, from the recipe in its folder; what cannot be read is left out.
pub fn settings(recipe: &str) -> BTreeMap<String, String> {
    recipe.parse::<Table>().map(|table| flat(&Value::Table(table))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_recipe_that_ships_can_be_trained() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let recipes = recipes(&[folder]);
        assert!(recipes.len() >= PRESETS.len() + 4, "the presets and those of the shipped model");
        for recipe in recipes {
            let checked = check(&recipe.text);
            assert_eq!(checked.problem, None, "{}", recipe.name);
            assert!(!recipe.words.is_empty() && !recipe.words.ends_with('.'), "{}: {}", recipe.name, recipe.words);
            assert_eq!(checked.values.keys().collect::<Vec<_>>(), checked.defaults.keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_fault_is_told_with_the_setting_that_it_is_about() {
        let told = |text: &str| check(text).problem.unwrap();
        let of = |text: &str| told(text).setting.unwrap_or_default();
        assert_eq!(of("[optimizer]\nrate = -1.0"), "optimizer.rate");
        assert_eq!(of("[schedule]\nepochs = 3\nwarmup_epochs = 9.0"), "schedule.warmup_epochs");
        assert_eq!(of("[schedule]\nepochs = \"many\""), "schedule.epochs");
        assert!(told("[schedule]\nepochs = \"many\"").sentence.starts_with("schedule.epochs: invalid type"));
        assert_eq!(of("[augment]\nrotation_deg = -5.0"), "augment.rotation_deg");
        // A name that is not known is none of the settings; the sentence says which was meant.
        let unknown = told("[optimizer]\nrait = 1.0");
        assert_eq!(unknown.setting.as_deref(), Some("optimizer.rait"));
        assert!(unknown.sentence.contains("did you mean rate?"), "{}", unknown.sentence);
        let broken = told("[optimizer]\nrate = 1e-3\nkind =");
        assert!(broken.setting.is_none() && broken.sentence.ends_with("in line 3"), "{}", broken.sentence);
    }

    #[test]
    fn values_are_told_with_their_defaults_also_beside_a_fault() {
        let checked = check("[optimizer]\nrate = -1.0\n");
        assert_eq!(checked.values["optimizer.rate"], "-1.0");
        assert_eq!(checked.values["schedule.epochs"], checked.defaults["schedule.epochs"]);
        assert!(checked.values.len() > 30);
        assert!(checked.choices["optimizer.kind"].contains(&"adamw".to_owned()));
        assert!(checked.choices["model.arch"].contains(&"resnet18".to_owned()));
        assert!(!checked.choices.contains_key("name"));
        assert_eq!(
            settings("name = \"a\"\n[data]\nphotos = 2"),
            BTreeMap::from([("data.photos".to_owned(), "2".to_owned()), ("name".to_owned(), "\"a\"".to_owned()),])
        );
    }
}
