//! What a panel is given: everything to read, one way to ask.

use std::cell::{Cell, RefCell};

use super::command::{Action, Command};
use super::keys::Scope;
use super::state::{Pointed, Prefs, Session};
use super::thumbs::Thumbs;
use super::tokens::Tokens;
use crate::domain::ProductId;
use crate::jobs::types::Activity;

pub struct Ctx<'a> {
    pub tokens: &'a Tokens,
    pub session: &'a Session,
    pub prefs: &'a Prefs,
    pub activity: &'a Activity,
    pub thumbs: &'a Thumbs,
    /// Plans can be drawn by wgpu.
    pub gpu: bool,
    /// Seconds since the window opened.
    pub now: f64,
    /// Seconds since 1970, for "3 min ago".
    pub unix_secs: i64,
    commands: RefCell<Vec<Command>>,
    arrows_taken: Cell<bool>,
    columns: Cell<usize>,
    products: RefCell<Vec<ProductId>>,
    near_end: Cell<bool>,
    scope: Cell<Option<Scope>>,
    pointed: Cell<Option<Pointed>>,
    walked: Cell<Option<Pointed>>,
}

/// What a frame of drawing asked for.
pub struct Asked {
    pub commands: Vec<Command>,
    /// A focused widget uses the arrow keys.
    pub arrows_taken: bool,
    /// How many results stand side by side; 0 where none were drawn.
    pub columns: usize,
    /// Products in view of which nothing is known yet.
    pub products: Vec<ProductId>,
    /// The view comes near the end of the results that are here.
    pub near_end: bool,
    /// Where the keyboard focus is, for the shortcuts that count only there.
    pub scope: Option<Scope>,
    /// The cell under the pointer, else the one under the keyboard's cursor.
    pub pointed: Option<Pointed>,
}

impl<'a> Ctx<'a> {
    pub fn new(
        tokens: &'a Tokens,
        session: &'a Session,
        prefs: &'a Prefs,
        activity: &'a Activity,
        thumbs: &'a Thumbs,
        gpu: bool,
        now: f64,
    ) -> Self {
        Self {
            tokens,
            session,
            prefs,
            activity,
            thumbs,
            gpu,
            now,
            unix_secs: unix_secs(),
            commands: RefCell::default(),
            arrows_taken: Cell::new(false),
            columns: Cell::new(0),
            products: RefCell::default(),
            near_end: Cell::new(false),
            scope: Cell::new(None),
            pointed: Cell::new(None),
            walked: Cell::new(None),
        }
    }

    pub fn send(&self, command: Command) {
        self.commands.borrow_mut().push(command);
    }

    pub fn act(&self, action: Action) {
        self.send(Command::Act(action));
    }

    /// A focused widget says that arrow keys are its own.
    pub fn take_arrows(&self) {
        self.arrows_taken.set(true);
    }

    /// A product in view is not known yet.
    pub fn want_product(&self, product: &ProductId) {
        self.products.borrow_mut().push(product.clone());
    }

    /// The view comes near the end of the results that are here.
    pub fn near_end(&self) {
        self.near_end.set(true);
    }

    pub fn set_columns(&self, columns: usize) {
        self.columns.set(columns);
    }

    /// The part of the window that is drawn now holds the keyboard focus.
    pub fn set_scope(&self, scope: Scope) {
        self.scope.set(Some(scope));
    }

    /// The pointer is on a cell; every view of the plan shows it, for as long as somebody says so in each frame.
    pub fn point(&self, pointed: Pointed) {
        self.pointed.set(Some(pointed));
    }

    /// The keyboard's cursor is on a cell. The pointer goes first.
    pub fn walk(&self, pointed: Pointed) {
        self.walked.set(Some(pointed));
    }

    pub fn finish(self) -> Asked {
        Asked {
            commands: self.commands.into_inner(),
            arrows_taken: self.arrows_taken.get(),
            columns: self.columns.get(),
            products: self.products.into_inner(),
            near_end: self.near_end.get(),
            scope: self.scope.get(),
            pointed: self.pointed.get().or(self.walked.get()),
        }
    }
}

fn unix_secs() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
