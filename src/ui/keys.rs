//! Which key does what: the defaults of the command table, what a person changed of them, and where they count.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Event, Id, Key, KeyboardShortcut, Modifiers};
use serde::{Deserialize, Serialize};

use super::command::{Action, Group};

/// Where a shortcut counts. Of two that match, the one of the narrower scope wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Everywhere,
    /// While results are on screen.
    Results,
    /// While the street photo has the keyboard.
    Query,
    /// While the plan has the keyboard.
    Plan,
}

impl Scope {
    /// How the scope is called after a key: "S, while results are on screen".
    pub fn words(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Results => "while results are on screen",
            Self::Query => "while the street photo has the keyboard",
            Self::Plan => "while the plan has the keyboard",
        }
    }

    /// The next wider one.
    fn outer(self) -> Option<Self> {
        match self {
            Self::Everywhere => None,
            Self::Results => Some(Self::Everywhere),
            Self::Query | Self::Plan => Some(Self::Results),
        }
    }

    /// This scope and all that hold it, narrowest first.
    pub fn chain(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |scope| scope.outer())
    }

    /// Whether there is a moment at which both count.
    fn meets(self, other: Self) -> bool {
        self.chain().any(|scope| scope == other) || other.chain().any(|scope| scope == self)
    }
}

impl Action {
    /// The name under which a changed shortcut is kept. It stays the same from version to version.
    pub fn id(self) -> String {
        let mut id = String::new();
        for letter in format!("{self:?}").chars().filter(|letter| letter.is_alphanumeric()) {
            if letter.is_uppercase() && !id.is_empty() {
                id.push('-');
            }
            id.extend(letter.to_lowercase());
        }
        id
    }

    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.id() == id)
    }

    pub fn scope(self) -> Scope {
        match self {
            Self::OpenPhoto
            | Self::Paste
            | Self::EarlierSearch
            | Self::LaterSearch
            | Self::Undo
            | Self::Redo
            | Self::Train
            | Self::StopTraining
            | Self::Run(_) => Scope::Everywhere,
            _ => match self.entry().group {
                Group::Window | Group::Training => Scope::Everywhere,
                Group::Photo | Group::Results | Group::Shelf | Group::Plan | Group::Corrections => Scope::Results,
            },
        }
    }
}

/// What a person changed of the shortcuts. Nothing for an action leaves it its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Vec<String>>", into = "BTreeMap<String, Vec<String>>")]
pub struct Keymap {
    changed: BTreeMap<Action, Vec<KeyboardShortcut>>,
}

impl From<BTreeMap<String, Vec<String>>> for Keymap {
    /// Actions and keys that this version does not know are left out.
    fn from(texts: BTreeMap<String, Vec<String>>) -> Self {
        let changed = texts.into_iter().filter_map(|(id, keys)| {
            Some((Action::from_id(&id)?, keys.iter().filter_map(|key| shortcut_of(key)).collect()))
        });
        Self { changed: changed.collect() }
    }
}

impl From<Keymap> for BTreeMap<String, Vec<String>> {
    fn from(keymap: Keymap) -> Self {
        keymap.changed.into_iter().map(|(action, keys)| (action.id(), keys.iter().map(text_of).collect())).collect()
    }
}

impl Keymap {
    /// The shortcuts of an action; the first is the one that is shown.
    pub fn of(&self, action: Action) -> &[KeyboardShortcut] {
        self.changed.get(&action).map_or(action.entry().shortcuts, Vec::as_slice)
    }

    pub fn is_changed(&self, action: Action) -> bool {
        self.changed.contains_key(&action)
    }

    pub fn any_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Gives an action one shortcut in place of those it has.
    pub fn set(&mut self, action: Action, shortcut: KeyboardShortcut) {
        self.keep(action, vec![shortcut]);
    }

    /// Takes one shortcut from an action; its others stay.
    pub fn take(&mut self, action: Action, shortcut: KeyboardShortcut) {
        let rest = self.of(action).iter().copied().filter(|other| *other != shortcut).collect();
        self.keep(action, rest);
    }

    pub fn clear(&mut self, action: Action) {
        self.keep(action, Vec::new());
    }

    pub fn restore(&mut self, action: Action) {
        self.changed.remove(&action);
    }

    fn keep(&mut self, action: Action, shortcuts: Vec<KeyboardShortcut>) {
        if shortcuts == action.entry().shortcuts {
            self.changed.remove(&action);
        } else {
            self.changed.insert(action, shortcuts);
        }
    }

    /// Other actions that this shortcut would also mean at some moment.
    pub fn conflicts(&self, action: Action, shortcut: KeyboardShortcut) -> Vec<Action> {
        let same = |other: &Action| {
            *other != action && other.scope().meets(action.scope()) && self.of(*other).contains(&shortcut)
        };
        Action::ALL.into_iter().filter(same).collect()
    }

    /// What a press means in a scope: the narrowest scope's action.
    fn meaning(&self, pressed: KeyboardShortcut, scope: Scope) -> Option<Action> {
        scope.chain().find_map(|scope| {
            Action::ALL.into_iter().find(|action| action.scope() == scope && self.of(*action).contains(&pressed))
        })
    }

    fn id() -> Id {
        Id::unique("keymap")
    }

    /// Lets buttons and tooltips print the keys of this map.
    pub fn install(&self, ctx: &egui::Context) {
        let known = Self::installed(ctx);
        if known.as_deref() != Some(self) {
            ctx.data_mut(|data| data.insert_temp(Self::id(), Arc::new(self.clone())));
        }
    }

    fn installed(ctx: &egui::Context) -> Option<Arc<Self>> {
        ctx.data(|data| data.get_temp(Self::id()))
    }

    /// The shortcut of an action that is printed, as installed.
    pub fn first(ctx: &egui::Context, action: Action) -> Option<KeyboardShortcut> {
        match Self::installed(ctx) {
            Some(keymap) => keymap.of(action).first().copied(),
            None => action.entry().shortcuts.first().copied(),
        }
    }
}

/// As it is printed on keycaps.
pub fn printed(ctx: &egui::Context, shortcut: &KeyboardShortcut) -> String {
    let name = match shortcut.logical_key {
        Key::Questionmark => "?",
        Key::Escape => "Esc",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Backslash => "\\",
        Key::Plus => "+",
        Key::Minus => "−",
        Key::ArrowRight => "→",
        Key::ArrowLeft => "←",
        Key::ArrowDown => "↓",
        Key::ArrowUp => "↑",
        _ => return ctx.format_shortcut(shortcut),
    };
    if shortcut.modifiers.is_none() {
        return name.to_owned();
    }
    // Only the modifiers; what follows the last plus is the key's own name.
    let all = ctx.format_shortcut(shortcut);
    let modifiers =
        all.strip_suffix(shortcut.logical_key.name()).or(all.strip_suffix(shortcut.logical_key.symbol_or_name()));
    modifiers.map_or_else(|| all.clone(), |modifiers| format!("{modifiers}{name}"))
}

/// "Command+Shift+K".
fn text_of(shortcut: &KeyboardShortcut) -> String {
    let held = shortcut.modifiers;
    let names =
        [(held.command, "Command"), (held.ctrl && !held.command, "Ctrl"), (held.alt, "Alt"), (held.shift, "Shift")];
    let mut parts: Vec<&str> = names.into_iter().filter_map(|(held, name)| held.then_some(name)).collect();
    parts.push(shortcut.logical_key.name());
    parts.join("+")
}

fn shortcut_of(text: &str) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    let mut parts = text.split('+').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return Some(KeyboardShortcut::new(modifiers, Key::from_name(part)?));
        }
        modifiers = modifiers.plus(match part {
            "Command" => Modifiers::COMMAND,
            "Ctrl" => Modifiers::CTRL,
            "Alt" => Modifiers::ALT,
            "Shift" => Modifiers::SHIFT,
            _ => return None,
        });
    }
    None
}

/// A press as a shortcut: exactly the modifiers that were held, but for Shift where it only makes the sign.
pub fn pressed(key: Key, held: Modifiers) -> KeyboardShortcut {
    let made_by_shift = matches!(
        key,
        Key::Questionmark
            | Key::Exclamationmark
            | Key::Pipe
            | Key::Plus
            | Key::Colon
            | Key::OpenCurlyBracket
            | Key::CloseCurlyBracket
    );
    let mut modifiers = Modifiers::NONE;
    if held.command {
        modifiers = modifiers.plus(Modifiers::COMMAND);
    } else if held.ctrl {
        modifiers = modifiers.plus(Modifiers::CTRL);
    }
    if held.alt {
        modifiers = modifiers.plus(Modifiers::ALT);
    }
    if held.shift && !made_by_shift {
        modifiers = modifiers.plus(Modifiers::SHIFT);
    }
    KeyboardShortcut::new(modifiers, key)
}

/// Why a press cannot be a shortcut; nothing where it can.
pub fn reserved(shortcut: KeyboardShortcut) -> Option<&'static str> {
    let command = shortcut.modifiers.command;
    match shortcut.logical_key {
        Key::Escape => Some("Esc always backs out one level"),
        Key::Tab | Key::Enter | Key::Space => Some("Tab, Enter and Space belong to what has the keyboard focus"),
        Key::Plus | Key::Minus | Key::Equals | Key::Num0 if command => Some("This key zooms the window"),
        Key::C | Key::X | Key::V if command && !shortcut.modifiers.shift => {
            Some("This key belongs to text and the clipboard")
        }
        _ => None,
    }
}

/// What the keyboard is busy with, as the last frame left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyboard {
    /// A text is being typed.
    pub typing: bool,
    /// A menu is open; it closes itself on Esc.
    pub menu: bool,
    /// A sheet or the palette covers the window.
    pub covered: bool,
    /// A widget has the focus.
    pub focused: bool,
    /// The focused widget uses the arrow keys itself.
    pub arrows_taken: bool,
    /// The focused widget uses plus and minus itself, to paint.
    pub signs_taken: bool,
    /// The narrowest scope that counts; `None` is everywhere.
    pub scope: Option<Scope>,
}

/// Takes the shortcuts that were pressed out of the input.
///
/// Nothing fires while something is typed or a menu is open. Under a sheet only `under_sheet` does.
pub fn take_shortcuts(ctx: &egui::Context, keymap: &Keymap, now: Keyboard, under_sheet: &[Action]) -> Vec<Action> {
    let scope = now.scope.unwrap_or(Scope::Everywhere);
    let mut taken = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let Some(action) = keymap.meaning(pressed(*key, *modifiers), scope) else { return true };
            let blocked = now.menu
                || (now.typing && action != Action::Back && !(modifiers.command && under_sheet.contains(&action)))
                || (now.covered && !under_sheet.contains(&action))
                || (now.arrows_taken && action.moves_through_results())
                || (now.signs_taken && matches!(key, Key::Plus | Key::Minus) && !modifiers.command && !modifiers.alt)
                // A held key walks through results and does nothing else over and over.
                || (*repeat && !action.moves_through_results());
            if !blocked {
                taken.push(action);
            }
            // A field that is left by Esc still has to see it, to put back what it held.
            blocked || now.typing
        });
    });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::inspect::PlanAction;

    fn plain(key: Key) -> KeyboardShortcut {
        KeyboardShortcut::new(Modifiers::NONE, key)
    }

    #[test]
    fn every_default_is_reachable_and_no_two_meet_in_one_scope() {
        let keymap = Keymap::default();
        for action in Action::ALL {
            for &shortcut in keymap.of(action) {
                assert_eq!(keymap.meaning(shortcut, action.scope()), Some(action), "{action:?}");
                assert_eq!(keymap.conflicts(action, shortcut), [], "{action:?}");
                assert_eq!(pressed(shortcut.logical_key, shortcut.modifiers), shortcut, "{action:?}");
                assert!(
                    reserved(shortcut).is_none()
                        || matches!(action, Action::Back | Action::Paste | Action::Plan(PlanAction::CopyList)),
                    "{action:?}"
                );
            }
        }
    }

    #[test]
    fn the_narrower_scope_wins_and_the_wider_still_counts_elsewhere() {
        let mut keymap = Keymap::default();
        assert_eq!(keymap.meaning(plain(Key::S), Scope::Plan), Some(Action::SameProduct));
        assert_eq!(keymap.meaning(plain(Key::S), Scope::Everywhere), None, "there is no result to speak of");
        keymap.set(Action::ToggleTheme, plain(Key::S));
        assert_eq!(keymap.meaning(plain(Key::S), Scope::Results), Some(Action::SameProduct));
        assert_eq!(keymap.meaning(plain(Key::S), Scope::Everywhere), Some(Action::ToggleTheme));
        assert_eq!(keymap.conflicts(Action::ToggleTheme, plain(Key::S)), [Action::SameProduct]);
    }

    #[test]
    fn taking_a_key_leaves_the_others_of_that_action() {
        let mut keymap = Keymap::default();
        let second = keymap.of(Action::Redo)[1];
        keymap.take(Action::Redo, second);
        assert_eq!(keymap.of(Action::Redo).len(), 1);
        assert!(keymap.is_changed(Action::Redo));
        keymap.restore(Action::Redo);
        assert_eq!(keymap.of(Action::Redo).len(), 2);
        // The default set by hand is no change.
        keymap.set(Action::Undo, KeyboardShortcut::new(Modifiers::COMMAND, Key::Z));
        assert!(!keymap.any_changed());
        keymap.clear(Action::Undo);
        assert!(keymap.of(Action::Undo).is_empty());
    }

    #[test]
    fn what_is_kept_is_read_again_and_what_is_unknown_is_left_out() {
        let mut keymap = Keymap::default();
        let shortcut = KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::ALT).plus(Modifiers::SHIFT), Key::F5);
        keymap.set(Action::Train, shortcut);
        keymap.clear(Action::NotThis);
        let text = serde_json::to_string(&keymap).unwrap();
        assert_eq!(text, r#"{"not-this":[],"train":["Command+Alt+Shift+F5"]}"#);
        assert_eq!(serde_json::from_str::<Keymap>(&text).unwrap(), keymap);
        let odd = r#"{"fly":["F"],"train":["Hyper+F","F9"]}"#;
        assert_eq!(serde_json::from_str::<Keymap>(odd).unwrap().of(Action::Train), [plain(Key::F9)]);
    }

    #[test]
    fn every_action_has_its_own_stable_id() {
        let mut ids: Vec<String> = Action::ALL.into_iter().map(Action::id).collect();
        assert!(ids.contains(&"same-product".to_owned()));
        assert!(Action::ALL.into_iter().all(|action| Action::from_id(&action.id()) == Some(action)));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), Action::ALL.len());
    }

    #[test]
    fn shift_counts_but_for_signs_that_need_it() {
        assert_eq!(pressed(Key::Questionmark, Modifiers::SHIFT), plain(Key::Questionmark));
        assert_ne!(pressed(Key::S, Modifiers::SHIFT), plain(Key::S));
        let linux_ctrl = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };
        assert_eq!(pressed(Key::S, linux_ctrl), KeyboardShortcut::new(Modifiers::COMMAND, Key::S));
    }
}
