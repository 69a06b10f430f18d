//! Finds what a person means from some of its letters.

/// How well a text fits, and which of its letters were meant; `None` where it does not.
///
/// All letters of the query must come in their order, spaces aside. Letters that begin a word and letters in a row count
/// more, gaps count less.
pub fn fit(query: &str, text: &str) -> Option<(i32, Vec<usize>)> {
    let wanted: Vec<char> = query.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let letters: Vec<char> = text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect();
    if wanted.is_empty() {
        return Some((0, Vec::new()));
    }
    let starts = (0..letters.len()).filter(|&at| letters[at] == wanted[0]);
    starts.filter_map(|start| from(&wanted, &letters, start)).max_by_key(|(score, _)| *score)
}

/// The fit that begins at one letter. Of the places of the next letter, one that goes on or begins a word is preferred.
fn from(wanted: &[char], letters: &[char], start: usize) -> Option<(i32, Vec<usize>)> {
    let begins = |at: usize| at == 0 || !letters[at - 1].is_alphanumeric();
    let mut found = vec![start];
    let mut score = if begins(start) { 12 } else { 0 } - (start as i32).min(8);
    for &letter in &wanted[1..] {
        let last = found[found.len() - 1];
        let rest = || (last + 1..letters.len()).filter(|&at| letters[at] == letter);
        let next =
            rest().find(|&at| at == last + 1).or_else(|| rest().find(|&at| begins(at))).or_else(|| rest().next());
        let next = next?;
        score += match (next == last + 1, begins(next)) {
            (true, _) => 8,
            (false, true) => 10 - ((next - last) as i32 / 2).min(5),
            (false, false) => 1 - ((next - last) as i32).min(6),
        };
        found.push(next);
    }
    // Of two that fit alike, the shorter says it better.
    Some((score * 4 - (letters.len() as i32 / 4), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(query: &str, texts: &[&'a str]) -> &'a str {
        texts.iter().filter_map(|text| Some((fit(query, text)?.0, *text))).max_by_key(|(score, _)| *score).unwrap().1
    }

    #[test]
    fn first_letters_of_words_and_letters_in_a_row_find_what_is_meant() {
        let texts = ["Same product", "Save as PNG…", "Reset to defaults", "Back to saved layout", "Save layout"];
        assert_eq!(best("sp", &texts), "Same product");
        assert_eq!(best("png", &texts), "Save as PNG…");
        assert_eq!(best("save l", &texts), "Save layout");
        assert_eq!(best("BTS", &texts), "Back to saved layout");
        assert_eq!(best("reset", &texts), "Reset to defaults");
    }

    #[test]
    fn letters_out_of_order_or_missing_do_not_fit() {
        assert_eq!(fit("ps", "Same produc"), None);
        assert_eq!(fit("x", "Same product"), None);
        assert_eq!(fit(" ", "Anything").unwrap().1, [] as [usize; 0]);
    }

    #[test]
    fn the_letters_that_were_meant_are_named() {
        assert_eq!(fit("sp", "Same product").unwrap().1, [0, 5]);
        assert_eq!(fit("grün", "Grüner Mantel").unwrap().1, [0, 1, 2, 3]);
    }
}
