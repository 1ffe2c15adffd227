//! Pickle being written, in protocol 4, for workers that accept nothing else.

use super::opcodes as op;
use crate::value::Value;

/// Writes JSON as pickle.
pub(crate) fn from_json(json: &str) -> Result<Vec<u8>, String> {
    let mut out = vec![op::PROTO, 4];
    write(&mut out, &Value::read(json)?)?;
    out.push(op::STOP);
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => out.push(op::NONE),
        Value::Bool(true) => out.push(op::NEWTRUE),
        Value::Bool(false) => out.push(op::NEWFALSE),
        Value::Int(value) => {
            out.extend([op::LONG1, 16]);
            out.extend(value.to_le_bytes());
        }
        Value::Float(value) => {
            out.push(op::BINFLOAT);
            out.extend(value.to_be_bytes());
        }
        Value::Text(text) => sized(out, op::BINUNICODE8, text.as_bytes()),
        Value::Bytes(bytes) => sized(out, op::BINBYTES8, bytes),
        Value::Tagged(tag, text) => made(out, tag, text)?,
        Value::List(items) => {
            out.extend([op::EMPTY_LIST, op::MARK]);
            items.iter().try_for_each(|item| write(out, item))?;
            out.push(op::APPENDS);
        }
        Value::Map(members) => {
            out.extend([op::EMPTY_DICT, op::MARK]);
            for (key, value) in members {
                sized(out, op::BINUNICODE8, key.as_bytes());
                write(out, value)?;
            }
            out.push(op::SETITEMS);
        }
    }
    Ok(())
}

fn sized(out: &mut Vec<u8>, opcode: u8, bytes: &[u8]) {
    out.push(opcode);
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

/// A call of the type's own reader.
fn made(out: &mut Vec<u8>, tag: &str, text: &str) -> Result<(), String> {
    let (module, name) = match tag {
        "datetime" => ("datetime", "datetime.fromisoformat"),
        "date" => ("datetime", "date.fromisoformat"),
        "time" => ("datetime", "time.fromisoformat"),
        "decimal" => ("decimal", "Decimal"),
        "uuid" => ("uuid", "UUID"),
        _ => return Err(format!("pickle is not written here with a {tag}")),
    };
    for name in [module, name] {
        sized(out, op::BINUNICODE8, name.as_bytes());
    }
    out.push(op::STACK_GLOBAL);
    sized(out, op::BINUNICODE8, text.as_bytes());
    out.extend([op::TUPLE1, op::REDUCE]);
    Ok(())
}
