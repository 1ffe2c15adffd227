//! The machine that reads a pickle: a stack, a memory, and the opcodes of protocols 0 to 5.

use std::collections::HashMap;

use super::called;
use super::node::{Node, Nodes, Place, refused};
use super::opcodes as op;
use crate::json::Json;

/// Bytes on the wire for which one object may be made.
const BYTES_A_NODE: usize = 16;

/// What a program has built so far.
pub(super) struct Machine<'a> {
    left: &'a [u8],
    nodes: Nodes,
    stack: Vec<Place>,
    marks: Vec<usize>,
    memory: HashMap<u32, Place>,
}

impl<'a> Machine<'a> {
    /// Runs a program to its end; what it leaves is on the stack.
    pub(super) fn run(program: &'a [u8], most: usize) -> Result<Self, String> {
        let nodes = Nodes::new((most / BYTES_A_NODE).max(1000));
        let mut machine = Self { left: program, nodes, stack: Vec::new(), marks: Vec::new(), memory: HashMap::new() };
        loop {
            let opcode = machine.take(1)?[0];
            if opcode == op::STOP {
                return Ok(machine);
            }
            machine.step(opcode)?;
        }
    }

    pub(super) fn into_json(mut self, most: usize) -> Result<String, String> {
        let root = self.pop()?;
        let mut json = Json::new(most);
        self.nodes.write(root, &mut json)?;
        Ok(json.end())
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            op::PROTO => self.take(1).map(drop),
            op::FRAME => self.take(8).map(drop),
            op::NONE => self.push(Node::Null),
            op::NEWTRUE => self.push(Node::Bool(true)),
            op::NEWFALSE => self.push(Node::Bool(false)),
            op::INT | op::LONG | op::BININT | op::BININT1 | op::BININT2 | op::LONG1 | op::LONG4 => self.integer(opcode),
            op::FLOAT => {
                let value = self.line()?.parse().map_err(|_| "a number in it cannot be read".to_owned())?;
                self.push(Node::Float(value))
            }
            op::BINFLOAT => {
                let bits = self.take(8)?.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
                self.push(Node::Float(f64::from_bits(bits)))
            }
            op::UNICODE | op::STRING => self.line_text(opcode),
            op::BINUNICODE | op::SHORT_BINUNICODE | op::BINUNICODE8 => {
                let text = self.sized(opcode)?;
                let text = std::str::from_utf8(text).map_err(|error| format!("a text in it is no UTF-8: {error}"))?;
                self.push(Node::Text(text.to_owned()))
            }
            op::BINBYTES
            | op::SHORT_BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8
            | op::BINSTRING
            | op::SHORT_BINSTRING => {
                let bytes = self.sized(opcode)?.to_vec();
                self.push(Node::Bytes(bytes))
            }
            op::MARK | op::POP | op::POP_MARK | op::DUP => self.shift(opcode),
            op::GET | op::BINGET | op::LONG_BINGET | op::PUT | op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => {
                self.remember(opcode)
            }
            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(format!("{module}.{name}")))
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.push(Node::Global(format!("{module}.{name}")))
            }
            op::REDUCE | op::NEWOBJ => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                let made = called::call(&self.nodes, called, arguments)?;
                self.push(made)
            }
            op::BUILD => {
                let state = self.pop()?;
                let object = *self.stack.last().ok_or("it ends too early")?;
                called::build(&mut self.nodes, object, state)
            }
            _ => self.collect(opcode),
        }
    }

    fn integer(&mut self, opcode: u8) -> Result<(), String> {
        let digits = match opcode {
            op::INT | op::LONG => {
                let line = self.line()?;
                match line.strip_suffix('L').unwrap_or(&line) {
                    "00" => return self.push(Node::Bool(false)),
                    "01" => return self.push(Node::Bool(true)),
                    digits => op::decimal(digits)?,
                }
            }
            op::BININT1 => self.take(1)?[0].to_string(),
            op::BININT2 => op::little(self.take(2)?)?,
            op::BININT => op::signed(self.take(4)?)?,
            op::LONG1 => {
                let size = usize::from(self.take(1)?[0]);
                op::signed(self.take(size)?)?
            }
            _ => {
                let size = self.length(4)?;
                op::signed(self.take(size)?)?
            }
        };
        self.push(Node::Int(digits))
    }

    /// Text on a line of its own, as protocol 0 has it.
    fn line_text(&mut self, opcode: u8) -> Result<(), String> {
        let line = self.line()?;
        let quoted = line.len() >= 2 && line.starts_with(['\'', '"']) && line.ends_with(['\'', '"']);
        let text = match opcode {
            op::UNICODE => op::unescaped(&line)?,
            _ if quoted => op::unescaped(&line[1..line.len() - 1])?,
            _ => return Err("a text in it is not quoted".to_owned()),
        };
        self.push(Node::Text(text))
    }

    fn shift(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => {
                self.pop()?;
            }
            op::DUP => self.stack.push(*self.stack.last().ok_or("it ends too early")?),
            _ => {
                self.since_mark()?;
            }
        }
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Result<(), String> {
        let name = match opcode {
            op::MEMOIZE => u32::try_from(self.memory.len()).unwrap_or(u32::MAX),
            op::BINGET | op::BINPUT => u32::from(self.take(1)?[0]),
            op::LONG_BINGET | op::LONG_BINPUT => u32::try_from(self.length(4)?).unwrap_or(u32::MAX),
            _ => self.line()?.parse().map_err(|_| "it refers to what is not there".to_owned())?,
        };
        if matches!(opcode, op::GET | op::BINGET | op::LONG_BINGET) {
            self.stack.push(*self.memory.get(&name).ok_or("it refers to what is not there")?);
        } else {
            self.memory.insert(name, *self.stack.last().ok_or("it ends too early")?);
        }
        Ok(())
    }

    /// Lists, tuples, sets and dicts, and what is put into them.
    fn collect(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            op::EMPTY_LIST | op::EMPTY_TUPLE | op::EMPTY_SET => self.push(Node::List(Vec::new())),
            op::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            op::LIST | op::TUPLE | op::FROZENSET => {
                let items = self.since_mark()?;
                self.push(Node::List(items))
            }
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => {
                let count = usize::from(opcode - op::TUPLE1) + 1;
                let from = self.stack.len().checked_sub(count).ok_or("it ends too early")?;
                let items = self.stack.split_off(from);
                self.push(Node::List(items))
            }
            op::DICT => {
                let items = self.since_mark()?;
                self.push(Node::Dict(pairs(&items)?))
            }
            op::APPEND => {
                let item = self.pop()?;
                self.put_into(&[item])
            }
            op::APPENDS | op::ADDITEMS | op::SETITEMS => {
                let items = self.since_mark()?;
                self.put_into(&items)
            }
            op::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.put_into(&[key, value])
            }
            op::INST | op::OBJ | op::NEWOBJ_EX => Err(refused("class of its own")),
            op::PERSID | op::BINPERSID | op::EXT1 | op::EXT2 | op::EXT4 => Err(refused("reference to outside")),
            _ => Err(format!("it is no pickle: {opcode:#04x} is no opcode that is read here")),
        }
    }

    fn put_into(&mut self, items: &[Place]) -> Result<(), String> {
        let place = *self.stack.last().ok_or("it ends too early")?;
        match self.nodes.change(place)? {
            Node::List(list) => list.extend(items),
            Node::Dict(members) => {
                let added = pairs(items)?;
                members.extend(added);
            }
            _ => return Err("something is put into what is no list and no dict".to_owned()),
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        let place = self.nodes.add(node)?;
        self.stack.push(place);
        Ok(())
    }

    fn pop(&mut self) -> Result<Place, String> {
        self.stack.pop().ok_or_else(|| "it ends too early".to_owned())
    }

    fn pop_text(&mut self) -> Result<String, String> {
        let place = self.pop()?;
        match self.nodes.get(place)? {
            Node::Text(text) => Ok(text.clone()),
            _ => Err("a name in it is no text".to_owned()),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("a mark is missing in it")?;
        Ok(self.stack.split_off(mark))
    }

    /// Bytes behind their number.
    fn sized(&mut self, opcode: u8) -> Result<&'a [u8], String> {
        let size = match opcode {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES | op::SHORT_BINSTRING => self.length(1)?,
            op::BINUNICODE | op::BINBYTES | op::BINSTRING => self.length(4)?,
            _ => self.length(8)?,
        };
        self.take(size)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, String> {
        let number = self.take(bytes)?.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).map_err(|error| error.to_string())
    }

    /// A line, in Latin-1 as protocol 0 has it.
    fn line(&mut self) -> Result<String, String> {
        let end = self.left.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let line = self.take(end + 1)?;
        Ok(line[..end].iter().copied().map(char::from).collect())
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], String> {
        let (taken, left) = self.left.split_at_checked(size).ok_or("it ends too early")?;
        self.left = left;
        Ok(taken)
    }
}

fn pairs(items: &[Place]) -> Result<Vec<(Place, Place)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a key in it has no value".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}
