//! Several runs one after the other as one recipe, such as pre-training without labels, fine-tuning on them, and
//! fine-tuning on structural similarity (work T).
//!
//! A stage says only what differs from the one before it. The recipe that a stage's run keeps holds the stages that are
//! left, so that a run that was resumed goes on with them.

use toml::{Table, Value};

use super::TrainConfig;

impl TrainConfig {
    /// The recipe of the next stage, with the stages behind it; `None` after the last one.
    pub fn next_stage(&self) -> Result<Option<Self>, String> {
        let Some((next, later)) = self.then.split_first() else { return Ok(None) };
        if next.contains_key("then") {
            return Err("a stage in [[then]] cannot have stages of its own; list them one after the other".to_owned());
        }
        let mut table =
            Table::try_from(Self { then: Vec::new(), ..self.clone() }).map_err(|error| error.to_string())?;
        merge(&mut table, next);
        if !later.is_empty() {
            table.insert("then".to_owned(), Value::Array(later.iter().cloned().map(Value::Table).collect()));
        }
        Self::from_toml(&table.to_string()).map(Some)
    }

    /// Every stage must make sense before the first one begins.
    pub(super) fn check_stages(&self) -> Result<(), String> {
        match self.next_stage() {
            Ok(_) => Ok(()),
            // The sentence of a later stage has this already.
            Err(sentence) if sentence.starts_with("a later stage") || sentence.starts_with("a stage") => Err(sentence),
            Err(sentence) => Err(format!("a later stage in [[then]]: {sentence}")),
        }
    }
}

fn merge(into: &mut Table, changes: &Table) {
    for (key, value) in changes {
        match (into.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(changes)) => merge(inner, changes),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::PretextMethod;

    /// Work T: pre-train without labels, fine-tune, fine-tune on structural similarity.
    const THESIS: &str = r#"
        name = "thesis"
        [pretext]
        method = "moco"
        [schedule]
        epochs = 20
        [[then]]
        name = "thesis-labels"
        pretext = { method = "none" }
        loss = { info_nce = 1.0 }
        [[then]]
        name = "thesis-structural"
        loss = { structural_info_nce = 1.0 }
        schedule = { epochs = 5, warmup_epochs = 0.5 }
    "#;

    #[test]
    fn each_stage_is_the_one_before_it_with_its_changes() {
        let first = TrainConfig::from_toml(THESIS).unwrap();
        assert_eq!((first.name.as_str(), first.pretext.method), ("thesis", PretextMethod::Moco));
        let second = first.next_stage().unwrap().unwrap();
        assert_eq!((second.name.as_str(), second.pretext.method), ("thesis-labels", PretextMethod::None));
        assert_eq!((second.loss.info_nce, second.schedule.epochs, second.then.len()), (1.0, 20, 1));
        let third = second.next_stage().unwrap().unwrap();
        assert_eq!((third.loss.info_nce, third.loss.structural_info_nce, third.schedule.epochs), (1.0, 1.0, 5));
        assert_eq!(third.next_stage(), Ok(None));
        // A run's own recipe keeps the stages that are left.
        for stage in [&first, &second, &third] {
            assert_eq!(TrainConfig::from_toml(&stage.to_toml()).as_ref(), Ok(stage));
        }
        assert!(!third.to_toml().contains("then"));
    }

    #[test]
    fn a_later_stage_that_makes_no_sense_is_refused_at_once() {
        let said = |text: &str| TrainConfig::from_toml(text).unwrap_err();
        assert_eq!(
            said("[[then]]\n[[then]]\nschedule = { epochs = 0 }"),
            "a later stage in [[then]]: schedule.epochs must lie between 1 and 100000, not 0"
        );
        assert_eq!(
            said("[[then]]\nloss = { triplett = 1.0 }"),
            "a later stage in [[then]]: unknown setting loss.triplett; did you mean triplet?"
        );
        assert!(said("[[then]]\n[[then.then]]").contains("cannot have stages of its own"));
        assert!(said("[[thn]]").contains("did you mean then?"));
    }
}
