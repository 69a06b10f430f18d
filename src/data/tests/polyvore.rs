//! Outfits in Polyvore's files. Oracle: files written by hand after the description of the data set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::data::polyvore::{OutfitFiles, OutfitSet, RightAnswer, ask};
use crate::domain::Split;

/// A split as the data set has it: numbers as text, indices that are not consecutive.
fn by_hand(dir: &Path) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write(
        "test.json",
        r#"[{"set_id": "119", "items": [{"item_id": "154", "index": 1}, {"item_id": "198", "index": 3}]},
            {"items": [{"index": 2, "item_id": "777"}, {"item_id": "154", "index": 4}], "set_id": "a_b"}]"#,
    );
    write("compatibility_test.txt", "1 119_1 119_3\n0 119_3 a_b_2 a_b_4\n\n1.0 a_b_2 a_b_4\n");
    write(
        "fill_in_blank_test.json",
        r#"[{"question": ["a_b_2"], "answers": ["119_1", "119_3", "a_b_4", "119_1"], "blank_position": 2}]"#,
    );
}

fn read(dir: &Path, rule: RightAnswer) -> Result<crate::data::polyvore::OutfitTest, String> {
    let files = OutfitFiles::read(dir, Split::Test).map_err(|error| error.to_string())?;
    files.resolve(dir, Split::Test, rule).map_err(|error| error.to_string())
}

#[test]
fn files_of_the_data_set_are_read_by_both_conventions() {
    let dir = tempfile::tempdir().unwrap();
    by_hand(dir.path());
    let test = read(dir.path(), RightAnswer::OfTheOutfit).unwrap();
    let ids = |items: &[usize]| items.iter().map(|&item| test.items[item].as_str()).collect::<Vec<_>>();
    let judged: Vec<(bool, Vec<&str>)> = test.judged.iter().map(|(outfit, items)| (*outfit, ids(items))).collect();
    assert_eq!(judged, [(true, vec!["154", "198"]), (false, vec!["198", "777", "154"]), (true, vec!["777", "154"])]);
    assert_eq!(ids(&test.blanks[0].items), ["777"]);
    assert_eq!(ids(&test.blanks[0].answers), ["154", "198", "154", "154"]);
    assert_eq!(test.blanks[0].right, 2);
    assert_eq!(test.items.len(), 3, "an item of two outfits is one item");
    assert_eq!(read(dir.path(), RightAnswer::First).unwrap().blanks[0].right, 0);
    // What is written reads back equal.
    let files = OutfitFiles::read(dir.path(), Split::Test).unwrap();
    files.write(&dir.path().join("copy"), Split::Validation).unwrap();
    assert_eq!(OutfitFiles::read(&dir.path().join("copy"), Split::Validation).unwrap(), files);
    assert!(dir.path().join("copy/compatibility_valid.txt").is_file());
}

#[test]
fn what_is_wrong_with_a_file_is_one_sentence_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let question = |answers: &str, at: usize| {
        format!("[{{\"question\": [\"119_1\"], \"answers\": [{answers}], \"blank_position\": {at}}}]")
    };
    let cases = [
        ("compatibility_test.txt", "1 119_1 119_3\nyes 119_1 119_3".to_owned(), "line 2 does not begin with 0 or 1"),
        ("compatibility_test.txt", "1 119_1".to_owned(), "line 1 names fewer than two items"),
        ("compatibility_test.txt", "1 119_1 119_2".to_owned(), "line 1 names 119_2, which no outfit of the split has"),
        ("fill_in_blank_test.json", question("\"119_3\"", 1), "question 1 has 1 answers to choose from"),
        (
            "fill_in_blank_test.json",
            question("\"a_b_2\", \"a_b_4\"", 1),
            "question 1 has 0 answers of its own outfit; one of them must be right",
        ),
        (
            "fill_in_blank_test.json",
            question("\"119_3\", \"119_1\"", 2),
            "question 1 has 2 answers of its own outfit; one of them must be right",
        ),
        (
            "fill_in_blank_test.json",
            question("\"119_3\", \"a_b_4\"", 3),
            "question 1 has a blank at 3 in an outfit of 2",
        ),
        (
            "fill_in_blank_test.json",
            question("\"119_3\", \"a_b\"", 1),
            "question 1 has \"a_b\" where <set>_<index> is expected",
        ),
        (
            "fill_in_blank_test.json",
            question("\"119_3\", \"9_9\"", 1),
            "question 1 names 9_9, which no outfit of the split has",
        ),
        ("fill_in_blank_test.json", "[".to_owned(), "the outfits cannot be understood (EOF"),
        (
            "test.json",
            r#"[{"set_id": "1", "items": [{"item_id": "2", "index": 1}, {"item_id": "3", "index": 1}]}]"#.to_owned(),
            "outfit 1 has two items at index 1",
        ),
    ];
    for (name, text, sentence) in cases {
        by_hand(dir.path());
        std::fs::write(dir.path().join(name), &text).unwrap();
        let error = read(dir.path(), RightAnswer::OfTheOutfit).unwrap_err();
        assert!(error.starts_with(sentence) && error.ends_with(name) && !error.contains('\n'), "{text}: {error}");
    }
    std::fs::remove_file(dir.path().join("test.json")).unwrap();
    assert!(read(dir.path(), RightAnswer::First).unwrap_err().starts_with("cannot read the outfits ("));
}

#[test]
fn questions_are_of_one_kind_have_one_right_answer_and_wrong_sets_mirror_the_outfits() {
    let kinds = ["top", "skirt", "bag"];
    let kind_of: BTreeMap<String, String> = (0..30).map(|i| (format!("i{i}"), kinds[i % 3].to_owned())).collect();
    let outfits: Vec<OutfitSet> =
        (0..10).map(|n| OutfitSet::new(format!("set{n}"), (0..3).map(|k| format!("i{}", (3 * n + k) % 30)))).collect();
    let files = ask(outfits.clone(), &kind_of, 5);
    assert_eq!(files, ask(outfits.clone(), &kind_of, 5));
    assert_ne!(files, ask(outfits.clone(), &kind_of, 6));
    let dir = Path::new("nowhere");
    let test = files.resolve(dir, Split::Test, RightAnswer::OfTheOutfit).unwrap();
    assert_eq!((test.judged.len(), test.blanks.len()), (20, 10));
    let kind = |item: &usize| kind_of[&test.items[*item]].as_str();
    for pair in test.judged.chunks(2) {
        let [(true, outfit), (false, exchanged)] = pair else { panic!("an outfit and its mirror: {pair:?}") };
        assert_eq!(outfit.iter().map(kind).collect::<Vec<_>>(), exchanged.iter().map(kind).collect::<Vec<_>>());
        assert!(outfit.iter().zip(exchanged).all(|(a, b)| a != b));
    }
    let mut rights = BTreeSet::new();
    for (blank, question) in test.blanks.iter().zip(&files.questions) {
        assert_eq!((blank.items.len(), blank.answers.len()), (2, 4));
        assert!(blank.answers.iter().all(|answer| kind(answer) == kind(&blank.answers[0])));
        assert_eq!(blank.answers.iter().collect::<BTreeSet<_>>().len(), 4, "four different answers");
        assert!(blank.answers.iter().all(|answer| !blank.items.contains(answer)));
        let place = kinds.iter().position(|k| *k == kind(&blank.answers[0])).unwrap();
        assert_eq!(question.blank_position, place + 1);
        rights.insert(blank.right);
    }
    assert!(rights.len() > 1, "the right answer has no fixed place");
    // Too few of a kind: the question is left out, not filled with answers of other kinds.
    let few = ask(outfits[..2].to_vec(), &kind_of, 5);
    assert_eq!((few.questions.len(), few.judged.len()), (0, 4));
}
