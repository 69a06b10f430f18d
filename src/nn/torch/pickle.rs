//! Walks a pickle as data, to find the tensors of a PyTorch state dictionary. Nothing is ever run.
//!
//! Python's `pickle` is a small program whose instructions may call any function, so loading one from a stranger is
//! running a stranger's code. This machine knows the calls of which a state dictionary is made, keeps harmless other
//! objects (counters, settings, an optimiser's numbers) as inert husks, and refuses a file that calls for anything else,
//! naming it. Values live in one arena and refer to each other by number: shared objects cost nothing, however often a
//! file repeats them, and nothing here recurses. candle's own reader panics on some damaged files and copies shared
//! objects whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::view::View;

/// Values and references that a pickle may have; a large state dictionary has some ten thousand.
const MOST_VALUES: usize = 1_000_000;
/// A name that is longer is none.
const LONGEST_TEXT: u64 = 1 << 16;
/// A class's or storage's name that is longer is none.
const LONGEST_NAME: usize = 256;
/// Objects inside objects around a state dictionary.
const DEEPEST_WRAPPER: usize = 4;
/// Under which names training scripts keep a state dictionary.
const WRAPPERS: [&str; 9] =
    ["state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "teacher", "student"];

pub const NO_TENSORS: &str = "the file holds no tensors by name (no state_dict)";
pub(super) const DAMAGED: &str = "the pickle is damaged";

/// A value's place in the arena.
pub(super) type Id = u32;

#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Flag(bool),
    Int(i64),
    Text(String),
    /// Tuple or list.
    Row(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function by name; never looked up.
    Global(String),
    /// `('storage', type, key, location, length)`.
    Persistent(Id),
    Tensor(View),
    /// Something without meaning here.
    Husk,
}

/// One pickle, walked to its end.
pub struct Pickle {
    arena: Vec<Value>,
    top: Id,
    /// Bytes up to its end.
    pub length: usize,
    /// Bytes of one number in each storage that it names.
    pub storages: BTreeMap<String, usize>,
}

/// Walks the pickle at the start of `program`.
pub fn walk(program: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { program, ..Machine::default() };
    let top = machine.run()?;
    Ok(Pickle { arena: machine.arena, top, length: machine.at, storages: machine.storages })
}

impl Pickle {
    /// The tensors of the state dictionary that the pickle holds, alone or under a training script's usual name.
    pub fn state_dict(&self) -> Option<BTreeMap<String, View>> {
        self.state_dict_in(self.top, 0, &mut BTreeSet::new())
    }

    fn state_dict_in(&self, id: Id, depth: usize, seen: &mut BTreeSet<Id>) -> Option<BTreeMap<String, View>> {
        let Value::Dict(pairs) = self.value(id) else { return None };
        // An object may lie in itself.
        if depth > DEEPEST_WRAPPER || !seen.insert(id) {
            return None;
        }
        for wrapper in WRAPPERS {
            let inner = pairs.iter().rev().find(|(key, _)| self.as_text(*key) == Some(wrapper));
            if let Some(found) = inner.and_then(|(_, value)| self.state_dict_in(*value, depth + 1, seen)) {
                return Some(found);
            }
        }
        let named = pairs.iter().filter_map(|(key, value)| match self.value(*value) {
            Value::Tensor(view) => Some((self.as_text(*key)?.to_owned(), view.clone())),
            _ => None,
        });
        let named: BTreeMap<_, _> = named.collect();
        (!named.is_empty()).then_some(named)
    }

    /// The whole pickle as a number.
    pub fn integer(&self) -> Option<i64> {
        match self.value(self.top) {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole pickle as a list of texts.
    pub fn texts(&self) -> Option<Vec<String>> {
        let Value::Row(row) = self.value(self.top) else { return None };
        row.iter().map(|id| self.as_text(*id).map(str::to_owned)).collect()
    }

    /// An entry of a dictionary of flags.
    pub fn flag(&self, name: &str) -> Option<bool> {
        let Value::Dict(pairs) = self.value(self.top) else { return None };
        let (_, value) = pairs.iter().find(|(key, _)| self.as_text(*key) == Some(name))?;
        match self.value(*value) {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    fn value(&self, id: Id) -> &Value {
        &self.arena[id as usize]
    }

    fn as_text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Machine<'a> {
    program: &'a [u8],
    at: usize,
    /// Only `push` adds to it, and ids come from there alone.
    arena: Vec<Value>,
    stack: Vec<Id>,
    /// Stack heights, innermost last.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    pub(super) storages: BTreeMap<String, usize>,
    /// Values and references so far, so that memory stays bounded.
    size: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let start = self.at;
            match self.byte()? {
                b'.' => return self.pop(),
                code => self.step(code, start)?,
            }
        }
    }

    /// One instruction; the letters are those of Python's `pickletools`.
    fn step(&mut self, code: u8, start: usize) -> Result<(), String> {
        match code {
            // PROTO, FRAME
            0x80 => self.skip(1),
            0x95 => self.skip(8),
            // MARK, POP, POP_MARK, DUP
            b'(' => {
                self.grow(1)?;
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop_or_mark(),
            b'1' => self.since_mark().map(drop),
            b'2' => self.top().and_then(|id| self.push_id(id)),
            // NONE, NEWTRUE, NEWFALSE, BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Flag(true)),
            0x89 => self.push(Value::Flag(false)),
            b'J' => {
                let bytes = self.array::<4>()?;
                self.push(Value::Int(i32::from_le_bytes(bytes).into()))
            }
            b'K' => self.number(1).and_then(|value| self.push(Value::Int(value as i64))),
            b'M' => self.number(2).and_then(|value| self.push(Value::Int(value as i64))),
            0x8a => self.number(1).and_then(|length| self.long(length)),
            0x8b => self.number(4).and_then(|length| self.long(length)),
            b'G' => self.skip(8).and_then(|()| self.push(Value::Husk)),
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' => self.number(4).and_then(|length| self.text(length)),
            0x8c => self.number(1).and_then(|length| self.text(length)),
            0x8d => self.number(8).and_then(|length| self.text(length)),
            // BINSTRING, SHORT_BINSTRING (Python 2 text), BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
            b'T' => self.number(4).and_then(|length| self.text(length)),
            b'U' => self.number(1).and_then(|length| self.text(length)),
            b'B' => self.number(4).and_then(|length| self.bytes(length)),
            b'C' => self.number(1).and_then(|length| self.bytes(length)),
            0x8e | 0x96 => self.number(8).and_then(|length| self.bytes(length)),
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_SET, EMPTY_DICT, TUPLE1, TUPLE2, TUPLE3, TUPLE, LIST, FROZENSET, DICT
            b')' | b']' | 0x8f => self.push(Value::Row(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(code - 0x84)),
            b't' | b'l' | 0x91 => self.since_mark().and_then(|items| self.push(Value::Row(items))),
            b'd' => {
                let items = self.since_mark()?;
                let pairs = pairs(&items)?;
                self.push(Value::Dict(pairs))
            }
            // APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
            b'a' => self.pop().and_then(|item| self.extend(&[item])),
            b'e' | 0x90 => self.since_mark().and_then(|items| self.extend(&items)),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])
            }
            b'u' => self.since_mark().and_then(|items| self.set(&items)),
            // GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, BINPERSID
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)
            }
            0x93 => self.stack_global(),
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)
            }
            0x92 => {
                let (_, arguments, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, arguments)
            }
            // An object's attributes, such as a state dictionary's `_metadata`, carry no weights.
            b'b' => self.pop().and_then(|_| self.top().map(drop)),
            b'Q' => self.pop().and_then(|id| self.storage(id)),
            // BINGET, LONG_BINGET, BINPUT, LONG_BINPUT, MEMOIZE
            b'h' => self.number(1).and_then(|key| self.recall(key)),
            b'j' => self.number(4).and_then(|key| self.recall(key)),
            b'q' => self.number(1).and_then(|key| self.remember(key)),
            b'r' => self.number(4).and_then(|key| self.remember(key)),
            0x94 => self.remember(self.memo.len() as u64),
            // INST, OBJ, EXT1 to EXT4, PERSID, the text forms of protocol 0, and what no protocol has.
            _ => Err(format!("the pickle's instruction {code:#04x} at byte {start} is not one of PyTorch's")),
        }
    }

    pub(super) fn value(&self, id: Id) -> &Value {
        &self.arena[id as usize]
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), String> {
        self.grow(1)?;
        let id = self.arena.len() as Id;
        self.arena.push(value);
        self.push_id(id)
    }

    pub(super) fn push_id(&mut self, id: Id) -> Result<(), String> {
        self.grow(1)?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn grow(&mut self, by: usize) -> Result<(), String> {
        self.size += by;
        if self.size > MOST_VALUES { Err("the pickle holds too many values".to_owned()) } else { Ok(()) }
    }

    /// The lowest place that may be taken off the stack.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err(DAMAGED.to_owned());
        }
        self.stack.pop().ok_or_else(|| DAMAGED.to_owned())
    }

    fn top(&self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err(DAMAGED.to_owned());
        }
        self.stack.last().copied().ok_or_else(|| DAMAGED.to_owned())
    }

    fn pop_or_mark(&mut self) -> Result<(), String> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(|| DAMAGED.to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, length: usize) -> Result<(), String> {
        let start = self.stack.len().checked_sub(length).filter(|start| *start >= self.floor());
        let items = self.stack.split_off(start.ok_or_else(|| DAMAGED.to_owned())?);
        self.push(Value::Row(items))
    }

    /// Appends to the list on top; husks swallow their content.
    fn extend(&mut self, items: &[Id]) -> Result<(), String> {
        let target = self.top()?;
        match &mut self.arena[target as usize] {
            Value::Row(row) => row.extend_from_slice(items),
            Value::Husk => {}
            _ => return Err(DAMAGED.to_owned()),
        }
        self.grow(items.len())
    }

    /// Adds keys and values, in turn, to the dictionary on top.
    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let new = pairs(items)?;
        let target = self.top()?;
        match &mut self.arena[target as usize] {
            Value::Dict(dict) => dict.extend(new),
            Value::Husk => {}
            _ => return Err(DAMAGED.to_owned()),
        }
        self.grow(items.len())
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (self.value(module), self.value(name)) else {
            return Err(DAMAGED.to_owned());
        };
        let (module, name) = (module.clone(), name.clone());
        self.global(&module, &name)
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        if module.len() + name.len() > LONGEST_NAME {
            return Err(DAMAGED.to_owned());
        }
        self.push(Value::Global(format!("{module}.{name}")))
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let id = self.top()?;
        self.grow(1)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = self.memo.get(&key).copied().ok_or_else(|| DAMAGED.to_owned())?;
        self.push_id(id)
    }

    fn take(&mut self, length: u64) -> Result<&[u8], String> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let bytes = end.and_then(|end| self.program.get(self.at..end)).ok_or("the pickle is cut off")?;
        self.at += bytes.len();
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N as u64)?.try_into().map_err(|_| DAMAGED.to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn skip(&mut self, length: u64) -> Result<(), String> {
        self.take(length).map(drop)
    }

    /// An unsigned number of that many bytes, little-endian.
    fn number(&mut self, bytes: u64) -> Result<u64, String> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A signed number of any length; what exceeds 64 bits is no size and becomes a husk.
    fn long(&mut self, length: u64) -> Result<(), String> {
        let bytes = self.take(length)?;
        let value = match bytes.last() {
            None => Value::Int(0),
            Some(_) if bytes.len() > 8 => Value::Husk,
            Some(sign) => {
                let mut wide = [if sign & 0x80 == 0 { 0 } else { 0xff }; 8];
                wide[..bytes.len()].copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
        };
        self.push(value)
    }

    fn text(&mut self, length: u64) -> Result<(), String> {
        if length > LONGEST_TEXT {
            // A configuration kept as text; no name.
            return self.bytes(length);
        }
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    fn bytes(&mut self, length: u64) -> Result<(), String> {
        self.skip(length)?;
        self.push(Value::Husk)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.program[self.at..];
        let rest = &rest[..rest.len().min(LONGEST_NAME)];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(DAMAGED)?;
        let line = String::from_utf8_lossy(&rest[..length]).trim_end_matches('\r').to_owned();
        self.at += length + 1;
        Ok(line)
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    } else {
        Err(DAMAGED.to_owned())
    }
}
