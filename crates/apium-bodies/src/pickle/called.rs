//! What a pickle may ask to be called: the types that kombu knows in JSON too, built by hand.

use super::moments;
use super::node::{Node, Nodes, Place, refused};

/// What this call gives. It is never made: what is not known here by its name is refused.
pub(super) fn call(nodes: &Nodes, called: Place, arguments: Place) -> Result<Node, String> {
    let Node::Global(name) = nodes.get(called)? else { return Err(refused("call of what has no name")) };
    let Node::List(arguments) = nodes.get(arguments)? else { return Err(refused(name)) };
    let arguments: Vec<&Node> = arguments.iter().map(|place| nodes.get(*place)).collect::<Result<_, _>>()?;
    match (name.as_str(), arguments.as_slice()) {
        ("_codecs.encode", [Node::Text(text), Node::Text(charset)]) if charset == "latin1" || charset == "latin-1" => {
            let byte = |sign: char| u8::try_from(u32::from(sign)).map_err(|_| refused(name));
            text.chars().map(byte).collect::<Result<_, _>>().map(Node::Bytes)
        }
        ("__builtin__.bytes" | "builtins.bytes" | "__builtin__.bytearray" | "builtins.bytearray", []) => {
            Ok(Node::Bytes(Vec::new()))
        }
        ("__builtin__.bytearray" | "builtins.bytearray" | "builtins.bytes", [Node::Bytes(bytes)]) => {
            Ok(Node::Bytes(bytes.clone()))
        }
        ("__builtin__.set" | "builtins.set" | "__builtin__.frozenset" | "builtins.frozenset", [Node::List(items)]) => {
            Ok(Node::List(items.clone()))
        }
        ("collections.OrderedDict" | "__builtin__.dict" | "builtins.dict", []) => Ok(Node::Dict(Vec::new())),
        // A step of a canvas: it is a dict, also on the wire of JSON.
        ("celery.canvas.signature", [Node::Dict(members)]) => Ok(Node::Dict(members.clone())),
        ("decimal.Decimal", [Node::Text(text)]) => Ok(Node::Tagged("decimal", text.clone())),
        ("uuid.UUID", []) => Ok(Node::BareUuid),
        // As the protocols before 2 make it.
        ("copy_reg._reconstructor" | "copyreg._reconstructor", [Node::Global(class), Node::Global(_), Node::Null])
            if class == "uuid.UUID" =>
        {
            Ok(Node::BareUuid)
        }
        ("uuid.UUID", [Node::Text(text)]) => {
            let hex = text.replace('-', "").to_ascii_lowercase();
            let whole = hex.len() == 32 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
            if whole { Ok(Node::Uuid(hex)) } else { Err(refused(name)) }
        }
        ("datetime.date", [Node::Bytes(packed)]) => moments::date(packed).map(|text| Node::Tagged("date", text)),
        ("datetime.time", [Node::Bytes(packed)]) => moments::time(packed, None).map(|text| Node::Tagged("time", text)),
        ("datetime.time", [Node::Bytes(packed), Node::Zone(zone)]) => {
            moments::time(packed, Some(zone)).map(|text| Node::Tagged("time", text))
        }
        ("datetime.datetime", [Node::Bytes(packed)]) => {
            moments::datetime(packed, None).map(|text| Node::Tagged("datetime", text))
        }
        ("datetime.datetime", [Node::Bytes(packed), Node::Zone(zone)]) => {
            moments::datetime(packed, Some(zone)).map(|text| Node::Tagged("datetime", text))
        }
        ("datetime.timedelta", [Node::Int(days), Node::Int(seconds), Node::Int(micros)]) => {
            let number = |digits: &String| digits.parse::<i64>().map(i128::from).map_err(|_| refused(name));
            Ok(Node::Span((number(days)? * 86_400 + number(seconds)?) * 1_000_000 + number(micros)?))
        }
        ("datetime.timezone", [Node::Span(span), ..]) => moments::offset(*span).map(Node::Zone),
        _ => Err(refused(name)),
    }
}

/// Gives an object its state; only a UUID has one here.
pub(super) fn build(nodes: &mut Nodes, object: Place, state: Place) -> Result<(), String> {
    let number = match (nodes.get(object)?, nodes.get(state)?) {
        (Node::BareUuid, Node::Dict(members)) => {
            let int = |(key, value): &(Place, Place)| match (nodes.get(*key), nodes.get(*value)) {
                (Ok(Node::Text(key)), Ok(Node::Int(digits))) if key == "int" => digits.parse::<u128>().ok(),
                _ => None,
            };
            members.iter().find_map(int).ok_or_else(|| refused("uuid.UUID without its number"))?
        }
        _ => return Err(refused("class with a state of its own")),
    };
    *nodes.change(object)? = Node::Uuid(format!("{number:032x}"));
    Ok(())
}
