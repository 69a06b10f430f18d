//! What can be undone and redone: nothing but a reading of the event log, so it outlives the process.

use super::LabelAction;

/// Sequence numbers of edits with what each says, the next one to undo or redo last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    undo: Vec<(i64, String)>,
    redo: Vec<(i64, String)>,
}

impl History {
    /// Takes the next event of the log into account. Returns `false` where it cannot follow the events before it.
    pub(super) fn follow(&mut self, seq: i64, action: LabelAction, says: &str) -> bool {
        match action {
            LabelAction::Edit => {
                self.undo.push((seq, says.to_owned()));
                // A new edit starts another future.
                self.redo.clear();
                true
            }
            LabelAction::Undo { of } => step(&mut self.undo, &mut self.redo, of),
            LabelAction::Redo { of } => step(&mut self.redo, &mut self.undo, of),
        }
    }

    /// What Undo would take back, such as "Same product: Breton long sleeve".
    pub fn undo(&self) -> Option<&str> {
        self.undo.last().map(|(_, says)| says.as_str())
    }

    pub fn redo(&self) -> Option<&str> {
        self.redo.last().map(|(_, says)| says.as_str())
    }

    pub(super) fn next_undo(&self) -> Option<i64> {
        self.undo.last().map(|(seq, _)| *seq)
    }

    pub(super) fn next_redo(&self) -> Option<i64> {
        self.redo.last().map(|(seq, _)| *seq)
    }
}

fn step(from: &mut Vec<(i64, String)>, to: &mut Vec<(i64, String)>, of: i64) -> bool {
    match from.pop_if(|(seq, _)| *seq == of) {
        Some(entry) => {
            to.push(entry);
            true
        }
        None => false,
    }
}
