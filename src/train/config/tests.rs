use super::*;

#[test]
fn written_out_defaults_read_back_equal_and_name_every_setting() {
    let config = TrainConfig { name: "other".to_owned(), seed: 9, ..TrainConfig::default() };
    let text = config.to_toml();
    assert_eq!(TrainConfig::from_toml(&text), Ok(config));
    for name in ["label_smoothing", "warmup_epochs", "soft_margin", "recolour", "kind = \"adamw\"", "checkpoint_epochs"]
    {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    assert_eq!(TrainConfig::from_toml(""), Ok(TrainConfig::default()));
}

#[test]
fn an_unknown_setting_is_refused_with_the_one_that_was_meant() {
    let error = TrainConfig::from_toml("[optimizer]\nweight_decey = 0.1\n").unwrap_err();
    assert_eq!(error, "unknown setting optimizer.weight_decey; did you mean weight_decay?");
    let error = TrainConfig::from_toml("[lossses]\n").unwrap_err();
    assert_eq!(error, "unknown setting lossses; did you mean loss?");
    let error = TrainConfig::from_toml("xyzzyplughxyzzy = 1\n").unwrap_err();
    assert_eq!(error, "unknown setting xyzzyplughxyzzy");
}

#[test]
fn contradictions_and_impossible_values_are_one_sentence() {
    let cases = [
        (
            "[schedule]\nepochs = 3\nwarmup_epochs = 4.0",
            "schedule.warmup_epochs (4) is longer than schedule.epochs (3)",
        ),
        ("[loss]\ncross_entropy = 0.0\ntriplet = 0.0", "every weight in [loss] is 0, so there is nothing to learn"),
        ("[loss]\nmargin = 0.5", "loss.margin has no effect with loss.soft_margin = true; set one of the two"),
        ("[data]\nproducts = 1", "data.products must be at least 2, for a batch needs a wrong answer too"),
        ("[data]\ntrain_size = 8", "data.train_size must lie between 32 and 1024 pixels, not 8"),
        (
            "[schedule]\nepochs = 30\ncurve = \"step\"",
            "schedule.curve = \"step\" with no drop before schedule.epochs (30) never drops; use \"constant\" or change \
             schedule.drops",
        ),
        (
            "[schedule]\ncurve = \"plateau\"\n[run]\nvalidate_epochs = 0",
            "schedule.curve = \"plateau\" needs measurements; set run.validate_epochs",
        ),
        ("[run]\nearly_stop = 2\nvalidate_epochs = 0", "run.early_stop needs measurements; set run.validate_epochs"),
        ("[run]\nresult = \"best\"\nkeep_best = false", "run.result = \"best\" needs run.keep_best = true"),
        (
            "[data]\nproducts = 4\nphotos = 2\n[optimizer]\naccumulate = 5",
            "optimizer.accumulate (5) leaves a part of a batch of 8 photos fewer than 2",
        ),
        ("[optimizer]\naccumulate = 0", "optimizer.accumulate must lie between 1 and 4096, not 0"),
        ("[optimizer]\nlayer_decay = 1.5", "optimizer.layer_decay must lie between 0.001 and 1, not 1.5"),
        ("[optimizer]\nrate = nan", "optimizer.rate must lie between 0.000000000001 and 100, not NaN"),
        (
            "[model]\nneck = true\n[loss]\ncross_entropy = 0.0",
            "model.neck needs the classifier, which learns nothing with loss.cross_entropy = 0",
        ),
        (
            "[model]\nneck = true\nrelaxation = 8",
            "[model] a neck and a relaxation both lead to the classifier; choose one of the two",
        ),
        (
            "[model]\narch = \"densenet121\"\nwidth = 33",
            "[model] densenet121 grows by half its width, so a width of 33 must be even",
        ),
        (
            "[loss]\nbeta = 1.0",
            "loss.beta has no effect while the weights of margin_loss and structural_margin_loss are 0",
        ),
        (
            "[loss]\ntriplet = 0.0\nmining = \"random\"",
            "loss.mining has no effect while the weights of triplet, margin_loss and their structural versions are 0",
        ),
        (
            "[loss]\ninfo_nce = 1.0\nacross_domains = false",
            "InfoNCE compares across domains, so it needs loss.across_domains = true",
        ),
        (
            "[loss]\nalike = \"kinds\"\n[data]\nkinds = 1",
            "loss.alike = \"kinds\" needs data.kinds of at least 2, for a batch needs a wrong answer too",
        ),
        ("[optimizer]\nrate = -1.0", "optimizer.rate must lie between 0.000000000001 and 100, not -1"),
    ];
    for (text, sentence) in cases {
        assert_eq!(TrainConfig::from_toml(text), Err(sentence.to_owned()), "{text}");
    }
    assert!(TrainConfig::from_toml("[optimizer]\nkind = \"adam\"").unwrap_err().contains("adam"));
    assert!(TrainConfig::from_toml("[run]\nmetric = \"recall\"").unwrap_err().contains("recall@1"));
    assert!(TrainConfig::from_toml("[optimizer").is_err());
    assert!(TrainConfig::from_toml("seed = \"one\"").unwrap_err().contains("invalid type"));
}

#[test]
fn the_last_epochs_are_large() {
    let mut config = TrainConfig::default();
    config.schedule.epochs = 10;
    config.data.large_epochs = 2;
    assert_eq!([0, 7, 8, 9].map(|epoch| config.size_in_epoch(epoch)), [128, 128, 224, 224]);
    config.data.large_epochs = 0;
    assert_eq!(config.size_in_epoch(9), 128);
}
