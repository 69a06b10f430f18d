//! Result lists as CSV and JSON.

use std::collections::{BTreeMap, BTreeSet};

use super::shelf_types::ExportLine;
use crate::domain::{PhotoId, ProductId, ProductRecord, Ranking, Rule};

/// The lines of a ranking, all hits, folded or not.
pub fn lines(ranking: &Ranking, products: &BTreeMap<ProductId, ProductRecord>, rules: &[Rule]) -> Vec<ExportLine> {
    let behind: BTreeMap<usize, usize> = ranking.shelf.folds.iter().map(|fold| (fold.place, fold.behind)).collect();
    let words = |id: &i64| rules.iter().find(|rule| rule.id == *id).map(|rule| rule.effect.words());
    ranking
        .hits
        .iter()
        .enumerate()
        .map(|(place, hit)| {
            let product = products.get(&hit.product);
            let touched = ranking.shelf.touched.get(&hit.photo);
            ExportLine {
                rank: hit.rank,
                product: hit.product.to_string(),
                name: product.map_or_else(String::new, |product| product.name.clone()),
                kind: product.map_or_else(String::new, |product| product.kind.clone()),
                photo: hit.photo.clone(),
                score: hit.score,
                global: hit.global,
                structural: hit.structural,
                global_rank: hit.global_rank,
                rule_offset: touched.map_or(0.0, |touched| touched.offset),
                rules: touched.map_or_else(Vec::new, |touched| touched.rules.iter().filter_map(words).collect()),
                folded_behind: behind.get(&place).map(|&behind| ranking.hits[behind].rank),
                attributes: product.map_or_else(BTreeMap::new, |product| product.attributes.clone()),
            }
        })
        .collect()
}

/// The ranking with these photos alone, each under the rank it has.
pub fn part(ranking: &Ranking, only: &BTreeSet<PhotoId>) -> Ranking {
    let mut part = ranking.clone();
    part.hits.retain(|hit| only.contains(&hit.photo));
    // Folds name places, which have moved; what was chosen by hand is shown in any case.
    part.shelf.folds.clear();
    part
}

/// RFC 4180, with a line of names first and a column for each attribute.
pub fn csv(lines: &[ExportLine]) -> String {
    let attributes: BTreeSet<&String> = lines.iter().flat_map(|line| line.attributes.keys()).collect();
    let fixed = [
        "rank",
        "product",
        "name",
        "kind",
        "photo",
        "score",
        "global",
        "structural",
        "global_rank",
        "rule_offset",
        "rules",
        "folded_behind_rank",
    ];
    let names = fixed.iter().map(|name| (*name).to_owned()).chain(attributes.iter().map(|name| (*name).clone()));
    let mut text = row(names);
    for line in lines {
        let cells = [
            line.rank.to_string(),
            line.product.clone(),
            line.name.clone(),
            line.kind.clone(),
            line.photo.to_string(),
            format!("{:.6}", line.score),
            format!("{:.6}", line.global),
            line.structural.map_or_else(String::new, |structural| format!("{structural:.6}")),
            line.global_rank.to_string(),
            if line.rule_offset == 0.0 { String::new() } else { format!("{:.3}", line.rule_offset) },
            line.rules.join("; "),
            line.folded_behind.map_or_else(String::new, |rank| rank.to_string()),
        ];
        let more = attributes.iter().map(|name| line.attributes.get(*name).cloned().unwrap_or_default());
        text += &row(cells.into_iter().chain(more));
    }
    text
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| {
        // A leading space would be trimmed by some readers.
        let plain = !cell.contains(['"', ',', '\n', '\r']) && cell.trim() == cell;
        if plain { cell } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

pub fn json(lines: &[ExportLine]) -> Result<String, String> {
    serde_json::to_string_pretty(lines).map_err(|error| error.to_string())
}
