//! The command line as a person or a script uses it: the real program, on a small sample that it draws itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn seamline(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seamline"))
        .args(words)
        .env("SEAMLINE_DATA", data_folder())
        .env_remove("RUST_LOG")
        .output()
        .expect("the program starts")
}

fn data_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder").keep())
}

/// A sample of few products, made and indexed once for all tests of this file.
fn project() -> &'static str {
    static PROJECT: OnceLock<String> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let folder = data_folder().join("wardrobe").to_string_lossy().into_owned();
        let made = seamline(&["sample", &folder, "--products", "40", "--seed", "7"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let indexed = seamline(&["index", "--project", &folder]);
        assert!(indexed.status.success(), "{}", String::from_utf8_lossy(&indexed.stderr));
        folder
    })
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("stdout is one JSON document")
}

/// One sentence on stderr, this exit code, nothing on stdout.
fn sentence(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
    text
}

fn a_street_photo() -> String {
    let mut photos: Vec<_> = std::fs::read_dir(Path::new(project()).join("street"))
        .expect("the sample has street photos")
        .flatten()
        .collect();
    photos.sort_by_key(std::fs::DirEntry::path);
    photos[0].path().to_string_lossy().into_owned()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

#[test]
fn a_search_answers_with_ranked_hits_whose_parts_add_up() {
    let photo = a_street_photo();
    let found = json(&seamline(&["search", &photo, "--project", project(), "-k", "12", "--json"]));
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 12);
    for (place, hit) in hits.iter().enumerate() {
        assert_eq!(hit["rank"], place + 1);
        let (score, global, structural) = (&hit["score"], &hit["global"], &hit["structural"]);
        let sum = global.as_f64().unwrap() + structural.as_f64().unwrap();
        assert!((score.as_f64().unwrap() - sum).abs() < 1e-5, "{hit}");
        for key in ["product", "photo", "path", "global_rank", "iterations", "marginal_error"] {
            assert!(!hit[key].is_null(), "{key} is missing: {hit}");
        }
        assert!(Path::new(hit["path"].as_str().unwrap()).is_file());
    }
    let scores: Vec<f64> = hits.iter().map(|h| h["score"].as_f64().unwrap()).collect();
    assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]), "{scores:?}");
    for key in ["decode", "encode", "global", "structural", "total"] {
        assert!(found["timings_ms"][key].as_f64().unwrap() >= 0.0);
    }
    for key in ["path", "width", "height", "crop"] {
        assert!(!found["query"][key].is_null(), "{key}");
    }
    for key in ["model", "checkpoint", "device", "options"] {
        assert!(!found[key].is_null(), "{key}");
    }
}

#[test]
fn without_reranking_the_global_order_stays() {
    let photo = a_street_photo();
    let found = json(&seamline(&["search", &photo, "--project", project(), "--rerank", "0", "--json"]));
    for (place, hit) in found["hits"].as_array().unwrap().iter().enumerate() {
        assert_eq!(hit["global_rank"], place + 1);
        assert!(hit["structural"].is_null());
        assert_eq!(hit["score"], hit["global"]);
    }
}

#[test]
fn filters_search_the_whole_gallery_and_the_list_is_written_as_table_and_sheet() {
    let photo = a_street_photo();
    let all = json(&seamline(&["search", &photo, "--project", project(), "-k", "80", "--json"]));
    let hits = all["hits"].as_array().unwrap();
    // The kind of what came last: it is found although it is not among the first.
    let kind = hits.last().unwrap()["kind"].as_str().unwrap();
    let of_kind = hits.iter().filter(|hit| hit["kind"] == kind).count();
    let (csv, sheet) = (data_folder().join("list.csv"), data_folder().join("list.png"));
    let filter = format!("kind={kind}");
    let words = ["search", &photo, "--project", project(), "-k", "2", "--filter", &filter, "--json", "--csv"];
    let more = [csv.to_str().unwrap(), "--sheet", sheet.to_str().unwrap()];
    let found = json(&seamline(&[&words[..], &more[..]].concat()));
    assert_eq!((found["hits"].as_array().unwrap().len(), &found["passing"]), (2, &Value::from(of_kind)));
    assert!(found["hits"].as_array().unwrap().iter().all(|hit| hit["kind"] == kind));
    let table = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.starts_with("rank,product,name,kind,photo,score,"));
    assert!(image::open(&sheet).expect("a PNG").width() > 600);
    let said = sentence(&seamline(&["search", &photo, "--project", project(), "--filter", "heel=high"]), 2);
    assert!(said.contains("no product has a column heel"), "{said}");
    sentence(&seamline(&["search", &photo, "--project", project(), "--filter", "price"]), 2);
}

#[test]
fn what_goes_well_with_a_garment_is_of_other_kinds_nearest_first_and_says_what_the_model_is_worth() {
    let photo = a_street_photo();
    let found = json(&seamline(&["search", &photo, "--project", project(), "-k", "9", "--goes-with", "--json"]));
    let goes_with = &found["goes_with"];
    let own = goes_with["kind"].as_str().unwrap();
    assert_eq!(goes_with["known_by"], "photo", "the photo's data say its kind");
    assert!(goes_with["says"].as_str().unwrap().starts_with("This model"), "{goes_with}");
    let kinds = goes_with["kinds"].as_array().unwrap();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind[0] != own && kind[1].as_u64().unwrap() > 0));
    let hits = found["hits"].as_array().unwrap();
    let distances: Vec<f64> = hits.iter().map(|hit| hit["distance"].as_f64().unwrap()).collect();
    assert!(hits.len() == 9 && distances.windows(2).all(|pair| pair[0] <= pair[1]), "{distances:?}");
    for (hit, distance) in hits.iter().zip(&distances) {
        assert!(hit["kind"] != own && hit["structural"].is_null());
        let cosine = hit["global"].as_f64().unwrap();
        assert!((distance - (2.0 - 2.0 * cosine).sqrt()).abs() < 1e-4, "{hit}");
    }
    let text = seamline(&["search", &photo, "--project", project(), "-k", "3", "--goes-with"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains(&format!("Goes well with this {own}")) && text.contains("distance"), "{text}");
    // A plan is between photos of the same product.
    sentence(&seamline(&["search", &photo, "--project", project(), "--goes-with", "--plan", "x.png"]), 2);
}

#[test]
fn a_crop_changes_the_query_and_is_repeated_in_the_answer() {
    let photo = a_street_photo();
    let words = ["search", &photo, "--project", project(), "--crop", "30,40,120,150", "--json"];
    let found = json(&seamline(&words));
    let crop = &found["query"]["crop"];
    let sides: Vec<f64> = ["x", "y", "width", "height"].iter().map(|k| crop[k].as_f64().unwrap()).collect();
    assert_eq!(sides, [30.0, 40.0, 120.0, 150.0]);
}

#[test]
fn the_plan_of_a_search_is_written_as_a_picture() {
    let picture = data_folder().join("plan-of-search.png");
    let photo = a_street_photo();
    let done = seamline(&["search", &photo, "--project", project(), "--plan", picture.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let picture = image::open(&picture).expect("a PNG").to_rgb8();
    assert!(picture.width() >= 600 && picture.height() >= 300);
    let colours: std::collections::BTreeSet<_> = picture.pixels().map(|p| p.0).collect();
    assert!(colours.len() > 500, "photos and ribbons have many colours, not {}", colours.len());
}

#[test]
fn a_plan_has_the_marginals_it_says_and_contributions_that_add_up() {
    let street = a_street_photo();
    let found = json(&seamline(&["search", &street, "--project", project(), "-k", "1", "--json"]));
    let shop = found["hits"][0]["path"].as_str().unwrap();
    let png = data_folder().join("plan.png");
    let words = ["plan", &street, shop, "--project", project(), "--json", "--png", png.to_str().unwrap()];
    let plan = json(&seamline(&words));
    let rows: Vec<Vec<f64>> = plan["plan"].as_array().unwrap().iter().map(floats).collect();
    let similarity: Vec<Vec<f64>> = plan["similarity"].as_array().unwrap().iter().map(floats).collect();
    let (row_marginal, column_marginal) = (floats(&plan["row_marginal"]), floats(&plan["column_marginal"]));
    let grid = floats(&plan["grid"]);
    assert_eq!(rows.len() as f64, grid[0] * grid[1]);
    assert_eq!(rows[0].len(), column_marginal.len());
    let error: f64 = rows.iter().zip(&row_marginal).map(|(row, m)| (row.iter().sum::<f64>() - m).abs()).sum::<f64>()
        + (0..column_marginal.len())
            .map(|c| (rows.iter().map(|row| row[c]).sum::<f64>() - column_marginal[c]).abs())
            .sum::<f64>();
    assert!((error - plan["marginal_error"].as_f64().unwrap()).abs() < 1e-4, "{error}");
    let structural: f64 = rows.iter().flatten().zip(similarity.iter().flatten()).map(|(t, s)| t * s).sum();
    assert!((structural - plan["structural"].as_f64().unwrap()).abs() < 1e-4);
    let score = plan["global"].as_f64().unwrap() + structural;
    assert!((score - plan["score"].as_f64().unwrap()).abs() < 1e-4);
    assert!(png.is_file());
}

#[test]
fn a_photo_matches_itself_along_the_diagonal() {
    let street = a_street_photo();
    let plan = json(&seamline(&["plan", &street, &street, "--project", project(), "--json"]));
    assert!((plan["global"].as_f64().unwrap() - 1.0).abs() < 1e-3);
    for (q, row) in plan["plan"].as_array().unwrap().iter().enumerate() {
        let row = floats(row);
        let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        // Cells without mass (plain background) have no direction.
        assert!(row[q] >= 0.5 * row[best], "cell {q} goes to {best}: {} < {}", row[q], row[best]);
    }
}

#[test]
fn transport_agrees_with_a_problem_solved_by_hand() {
    // Two suppliers and two customers: the cheap diagonal takes all that fits, 0.1 has to cross.
    let file = data_folder().join("problem.json");
    std::fs::write(&file, r#"{"cost": [[0, 2], [1, 0]], "a": [0.6, 0.4], "b": [0.5, 0.5]}"#).unwrap();
    let answer = json(&seamline(&["transport", file.to_str().unwrap()]));
    assert!((answer["cost"].as_f64().unwrap() - 0.2).abs() < 1e-12);
    let plan: Vec<Vec<f64>> = answer["plan"].as_array().unwrap().iter().map(floats).collect();
    for (row, expected) in plan.iter().zip([[0.5, 0.1], [0.0, 0.4]]) {
        for (mass, expected) in row.iter().zip(expected) {
            assert!((mass - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn transport_runs_exactly_the_iterations_asked_for() {
    let file = data_folder().join("regularised.json");
    let text =
        r#"{"cost": [[0, 2, 1], [1, 0, 0.5]], "a": [0.6, 0.4], "b": [0.2, 0.5, 0.3], "epsilon": 0.1, "iterations": 7}"#;
    std::fs::write(&file, text).unwrap();
    let answer = json(&seamline(&["transport", file.to_str().unwrap()]));
    assert_eq!(answer["iterations"], 7);
    assert!(answer["row_error"].as_f64().unwrap() < 1e-9, "the last update is the rows'");
}

#[test]
fn wrong_use_ends_with_2_and_a_sentence() {
    let photo = a_street_photo();
    for words in [
        vec!["search"],
        vec!["search", &photo, "--epsilon", "0"],
        vec!["search", &photo, "--epsilon", "nan"],
        vec!["search", &photo, "--crop", "1,2,3"],
        vec!["search", &photo, "--device", "tpu"],
        vec!["no-such-command"],
        vec!["bench", "nothing"],
    ] {
        let text = sentence(&seamline(&words), 2);
        assert!(!text.is_empty(), "{words:?}");
    }
}

#[test]
fn photos_that_cannot_be_read_end_with_1_and_name_the_file() {
    let folder = data_folder().join("broken");
    std::fs::create_dir_all(&folder).unwrap();
    let jpeg = std::fs::read(a_street_photo()).unwrap();
    std::fs::write(folder.join("empty.jpg"), []).unwrap();
    std::fs::write(folder.join("cut.jpg"), &jpeg[..jpeg.len() / 3]).unwrap();
    std::fs::write(folder.join("words.png"), "not a picture at all").unwrap();
    // A PNG header that promises 60,000 x 60,000 pixels.
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x06\0\0\0".to_vec();
    huge.extend([0; 64]);
    std::fs::write(folder.join("huge.png"), huge).unwrap();
    for name in ["missing.jpg", "empty.jpg", "cut.jpg", "words.png", "huge.png", ""] {
        let path = folder.join(name);
        let text = sentence(&seamline(&["search", path.to_str().unwrap(), "--project", project()]), 1);
        // Notes and progress may come before; the failure itself is the last line, and the only one of its sort.
        let said: Vec<&str> = text.lines().filter(|line| line.starts_with("seamline: ")).collect();
        assert!(said.len() == 1 && text.lines().last() == Some(said[0]), "{name}: {text}");
        assert!(said[0].contains("broken"), "{name}: {text}");
    }
}

#[test]
fn a_photo_with_the_wrong_extension_is_read_by_its_content() {
    let path = data_folder().join("really-a-jpeg.png");
    std::fs::copy(a_street_photo(), &path).unwrap();
    let found = json(&seamline(&["search", path.to_str().unwrap(), "--project", project(), "--json"]));
    assert!(!found["hits"].as_array().unwrap().is_empty());
}

#[test]
fn a_folder_that_is_no_project_is_named() {
    let photo = a_street_photo();
    let nowhere = data_folder().join("nowhere");
    for folder in [nowhere.as_path(), Path::new(project()).join("shop").as_path()] {
        let text = sentence(&seamline(&["search", &photo, "--project", folder.to_str().unwrap()]), 1);
        assert!(text.contains(folder.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_folder_of_photos_is_imported_with_its_list_searched_by_its_name_and_brought_up_to_date() {
    let folder = data_folder().join("own photos");
    std::fs::create_dir_all(folder.join("coats")).unwrap();
    let mut shop: Vec<_> = std::fs::read_dir(Path::new(project()).join("shop")).unwrap().flatten().collect();
    shop.sort_by_key(std::fs::DirEntry::path);
    for (number, photo) in shop.iter().take(4).enumerate() {
        std::fs::copy(photo.path(), folder.join(format!("coats/C{number}00.jpg"))).unwrap();
    }
    std::fs::write(folder.join("torn.jpg"), b"\xFF\xD8\xFF\xE0 torn").unwrap();
    std::fs::write(folder.join("list.csv"), "sku;name;price\nC100;Long coat;1.299,00\nC999;None;1\n").unwrap();
    let named = folder.to_str().unwrap();
    let first = json(&seamline(&["import", named, "--json"]));
    let figure = |answer: &Value, name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{name}: {answer}"));
    assert_eq!((figure(&first, "photos"), figure(&first, "searchable"), figure(&first, "rows")), (5, 4, 1));
    assert_eq!((first["counts"]["damaged"].as_u64(), first["counts"]["no_such_photo"].as_u64()), (Some(1), Some(1)));
    assert_eq!(first["skipped"][0]["line"], 3);
    // The folder itself names the project.
    let found = json(&seamline(&["search", &a_street_photo(), "--project", named, "--json"]));
    assert_eq!(found["hits"].as_array().unwrap().len(), 4);
    std::fs::remove_file(folder.join("coats/C300.jpg")).unwrap();
    let second = json(&seamline(&["import", named, "--json"]));
    assert_eq!((figure(&second, "removed"), figure(&second, "added"), figure(&second, "searchable")), (1, 0, 3));
    let none = data_folder().join("no such photos");
    assert!(sentence(&seamline(&["import", none.to_str().unwrap()]), 1).contains("no such photos"));
}

#[test]
fn every_command_has_help() {
    for command in [
        "sample",
        "index",
        "search",
        "plan",
        "transport",
        "train",
        "runs",
        "outfits",
        "models",
        "embed",
        "bench",
        "import",
    ] {
        let help = seamline(&[command, "--help"]);
        assert!(help.status.success());
        assert!(String::from_utf8_lossy(&help.stdout).contains("Usage"), "{command}");
    }
}

#[test]
fn the_shipped_model_is_listed_with_what_it_can_do() {
    let models = json(&seamline(&["models", "--json"]));
    let shipped = &models["models"][0];
    assert_eq!(shipped["shipped"], true);
    for name in ["recall_at_1", "recall_at_10", "global_recall_at_1", "global_recall_at_10", "plan_correctness"] {
        let value = shipped["metrics"][name].as_f64().expect(name);
        assert!((0.0..=1.0).contains(&value), "{name} {value}");
    }
    let of = |name: &str| shipped["metrics"][name].as_f64().unwrap();
    assert!(of("plan_correctness") > of("plan_correctness_of_uniform"), "plans must beat the uniform plan");
    assert!(of("global_recall_at_1") >= 0.80 && of("global_recall_at_10") >= 0.95, "without re-ranking");
    for key in ["data", "recipe", "command", "checkpoint"] {
        assert!(!shipped[key].as_str().unwrap_or_default().is_empty(), "{key}");
    }
}

#[test]
fn an_index_in_8_bits_is_searched_in_8_bits_until_it_is_changed_back() {
    let folder = data_folder().join("in-8-bits").to_string_lossy().into_owned();
    assert!(seamline(&["sample", &folder, "--products", "8", "--seed", "3"]).status.success());
    let index = |more: &[&str]| json(&seamline(&[&["index", "--project", &folder, "--json"], more].concat()));
    assert_eq!((&index(&[])["precision"], &index(&[])["metrics"]), (&Value::from("f32"), &Value::Null));
    let made = index(&["--precision", "int8", "--measure"]);
    assert_eq!((&made["precision"], made["embedded"].as_u64()), (&Value::from("int8"), made["photos"].as_u64()));
    assert!(made["metrics"]["recall_at_1"].as_f64().is_some_and(|recall| (0.0..=1.0).contains(&recall)));
    let photo = std::fs::read_dir(Path::new(&folder).join("street")).unwrap().flatten().next().unwrap().path();
    let found = json(&seamline(&["search", &photo.to_string_lossy(), "--project", &folder, "--json"]));
    assert_eq!(found["precision"], "int8");
    assert!(found["device"].as_str().unwrap().starts_with("CPU"));
    let back = index(&["--precision", "f32"]);
    assert_eq!((&back["precision"], &back["embedded"]), (&Value::from("f32"), &Value::from(0)));
    let wrong = sentence(&seamline(&["index", "--project", &folder, "--precision", "f16"]), 2);
    assert!(wrong.contains("f32, int8 or bf16"), "{wrong}");
    // By name, so that a machine with a GPU says the same.
    let elsewhere = ["index", "--project", &folder, "--precision", "bf16", "--device", "cpu"];
    let refused = sentence(&seamline(&elsewhere), 1);
    assert!(refused.contains("bf16") || refused.contains("16-bit"), "{refused}");
    let refused = sentence(&seamline(&["index", "--project", &folder, "--precision", "int8", "--device", "cuda"]), 1);
    assert!(refused.contains("CUDA") || refused.contains("8-bit"), "{refused}");
    let devices = json(&seamline(&["devices", "--json"]));
    assert!(devices["int8"].as_str().unwrap().starts_with("8-bit arithmetic (int8) runs here by"));
}

#[test]
fn a_bench_prints_a_median() {
    let bench = json(&seamline(&["bench", "rerank", "--pairs", "4", "--json"]));
    assert!(bench["median_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn settings_of_a_recipe_are_changed_on_the_command_line_and_wrong_ones_refused() {
    let unknown = sentence(&seamline(&["train", "--set", "loss.tripled=1"]), 1);
    assert!(unknown.ends_with("unknown setting loss.tripled; did you mean triplet?"), "{unknown}");
    let word = sentence(&seamline(&["train", "--set", "loss.mining=hardest", "--set", "seed=2"]), 1);
    assert!(word.contains("hardest"), "{word}");
    let no_value = sentence(&seamline(&["train", "--set", "seed"]), 2);
    assert!(no_value.contains("--set wants KEY=VALUE, not \"seed\""), "{no_value}");
    let no_section = sentence(&seamline(&["train", "--set", "name=a", "--set", "name.b=1"]), 2);
    assert!(no_section.contains("name is no section of the recipe"), "{no_section}");
    let against = sentence(&seamline(&["train", "--set", "outfits.margin=0.3"]), 1);
    assert!(against.ends_with("the settings in [outfits] have no effect while outfits.weight is 0"), "{against}");
}

#[test]
fn a_bench_of_layers_names_each_step_with_its_share() {
    let small =
        ["bench", "layers", "--arch", "resnet18", "--width", "8", "--size", "64", "--batch", "2", "--runs", "1"];
    let bench = json(&seamline(&[&small[..], &["--json"]].concat()));
    let steps = bench["steps"].as_array().unwrap();
    // 20 convolutions and a pool, and a conversion at either end.
    assert_eq!(steps.len(), 23, "{steps:?}");
    let share: f64 = steps.iter().map(|step| step["share_of_time"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    assert_eq!(steps[1]["shape"], "3x64x64 to 8x32x32, 7x7/2");
    assert_eq!(steps.iter().filter(|step| step["share_of_peak"].as_f64() > Some(0.0)).count(), 20);
    let table = seamline(&small);
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.contains("sum of the steps") && text.contains("8x16x16 to 8x16x16, 3x3/1"), "{text}");
}

#[test]
fn runs_are_listed_with_the_settings_in_which_they_differ_and_compared() {
    // A project of its own, for other tests may look at the shared one.
    let folder = data_folder().join("of-runs").to_string_lossy().into_owned();
    assert!(seamline(&["sample", &folder, "--products", "2"]).status.success());
    let none = seamline(&["runs", "--project", &folder]);
    assert_eq!(String::from_utf8_lossy(&none.stdout).trim(), "No runs");
    for (name, rate, recall, time) in [("one", "0.001", 0.25, 86_400.0), ("two", "0.002", 0.5, 90_000.0)] {
        let run = Path::new(&folder).join("runs").join(name);
        std::fs::create_dir_all(&run).unwrap();
        let recipe = format!("name = \"{name}\"\n[optimizer]\nrate = {rate}\n");
        std::fs::write(run.join("config.toml"), recipe).unwrap();
        let started = serde_json::json!({
            "time": time, "event": "started", "step": 0, "steps": 8, "epochs": 2, "photos": 9, "products": 3,
            "parameters": 7, "device": "CPU, 2 threads",
        });
        let epoch = serde_json::json!({
            "time": time + 75.0, "event": "epoch", "epoch": 1, "step": 4, "seconds": 75.0,
            "validation": { "recall_at_1": recall, "recall_at_10": 0.75, "mean_average_precision": 0.125 },
        });
        let ended =
            serde_json::json!({ "time": time + 80.0, "event": "ended", "step": 8, "finished": true, "seconds": 80.0 });
        std::fs::write(run.join("events.jsonl"), format!("{started}\n{epoch}\n{ended}\n")).unwrap();
    }
    let listed = seamline(&["runs", "--project", &folder]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    // The newest first.
    assert!(lines[1].starts_with("two") && lines[1].contains("0.500") && lines[1].ends_with("optimizer.rate = 0.002"));
    assert!(lines[2].contains("finished") && lines[2].contains("1:20") && lines[2].contains("1970-01-02 00:00"));
    let found = json(&seamline(&["runs", "--project", &folder, "--diff", "one", "two", "--json"]));
    assert_eq!(found["differences"]["optimizer.rate"], serde_json::json!(["0.001", "0.002"]));
    assert_eq!(found["runs"][0]["recall_at_1"], 0.25);
    let unknown = sentence(&seamline(&["runs", "--project", &folder, "--diff", "one", "three"]), 1);
    assert!(unknown.ends_with("this project has no run three; there are: two, one"), "{unknown}");
}

#[test]
fn a_sample_s_outfits_are_written_and_a_model_is_measured_on_outfits() {
    let project = project();
    let none = sentence(&seamline(&["outfits", "--project", project]), 1);
    assert!(none.contains("this project has no outfits") && none.contains("--write"), "{none}");
    let dir = data_folder().join("outfits").to_string_lossy().into_owned();
    let written = json(&seamline(&["outfits", "--project", project, "--dir", &dir, "--write", "--json"]));
    assert!(written["outfits"]["train"].as_u64().unwrap() > 3, "{written}");
    // Too few products of a kind to ask about.
    let few = sentence(&seamline(&["outfits", "--project", project, "--dir", &dir, "--split", "train"]), 1);
    assert!(few.contains("no blank is to be filled in"), "{few}");

    let by_hand = data_folder().join("by-hand");
    std::fs::create_dir_all(&by_hand).unwrap();
    let write = |name: &str, text: &str| std::fs::write(by_hand.join(name), text).unwrap();
    let set = |id: &str, items: [usize; 3]| {
        let items: Vec<String> =
            items.iter().zip(1..).map(|(n, i)| format!("{{\"item_id\":\"p{n:04}\",\"index\":{i}}}")).collect();
        format!("{{\"set_id\":\"{id}\",\"items\":[{}]}}", items.join(","))
    };
    write("test.json", &format!("[{},{}]", set("a", [0, 1, 2]), set("b", [3, 4, 5])));
    write("compatibility_test.txt", "1 a_1 a_2 a_3\n0 b_1 b_2 b_3\n");
    write("fill_in_blank_test.json", r#"[{"question":["a_1","a_2"],"answers":["b_3","a_3"],"blank_position":3}]"#);
    let by_hand = by_hand.to_string_lossy().into_owned();
    let measured = json(&seamline(&["outfits", "--project", project, "--dir", &by_hand, "--json"]));
    assert_eq!((measured["items"].as_u64(), measured["left_out"].as_u64()), (Some(6), Some(0)));
    let (auc, fill) = (&measured["scores"]["auc"], &measured["scores"]["fill_in_blank"]);
    assert!([0.0, 1.0].contains(&auc.as_f64().unwrap()) && [0.0, 1.0].contains(&fill.as_f64().unwrap()), "{measured}");
    // By the other convention the other answer is right.
    let first = ["outfits", "--project", project, "--dir", &by_hand, "--right", "first", "--json"];
    let other = json(&seamline(&first))["scores"]["fill_in_blank"].as_f64().unwrap();
    assert_eq!(other + fill.as_f64().unwrap(), 1.0);
}

#[test]
fn where_there_is_no_display_the_main_job_is_done_on_the_terminal() {
    let done = Command::new(env!("CARGO_BIN_EXE_seamline"))
        .args(["--project", project()])
        .current_dir(data_folder())
        .env("SEAMLINE_DATA", data_folder())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(text.contains(".png"), "{text}");
}

#[test]
fn evidence_of_a_plan_verifies_and_an_edited_file_says_what_does_not() {
    let street = a_street_photo();
    let mut shops: Vec<_> = std::fs::read_dir(Path::new(project()).join("shop")).unwrap().flatten().collect();
    shops.sort_by_key(std::fs::DirEntry::path);
    let shop = shops[0].path();
    let file = data_folder().join("match.seamline");
    let words = ["plan", &street, shop.to_str().unwrap(), "--project", project(), "--json"];
    let plan = json(&seamline(&[&words[..], &["--evidence", file.to_str().unwrap()]].concat()));
    let checked = json(&seamline(&["evidence", file.to_str().unwrap(), "--json"]));
    assert_eq!((&checked["verifies"], &checked["score"]), (&Value::Bool(true), &plan["score"]));
    let states: Vec<&str> =
        checked["checks"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert!(states.iter().all(|state| *state == "passes"), "{checked}");

    // One byte of the product photo, far from its ends.
    let photo = std::fs::read(&shop).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(photo.len()).position(|window| window == photo).expect("the photo lies in it as it is");
    bytes[at + photo.len() / 2] ^= 0x20;
    let edited = data_folder().join("edited.seamline");
    std::fs::write(&edited, bytes).unwrap();
    let refused = seamline(&["evidence", edited.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("does not verify") && said.contains("Product photo"), "{said}");
    assert!(String::from_utf8_lossy(&refused.stdout).contains("FAILS     Product photo"));

    let cut = data_folder().join("cut.seamline");
    std::fs::write(&cut, &std::fs::read(&file).unwrap()[..500]).unwrap();
    assert!(sentence(&seamline(&["evidence", cut.to_str().unwrap()]), 1).contains("cut.seamline"));
    assert!(sentence(&seamline(&["holiday.txt"]), 2).contains("no command"));
}
