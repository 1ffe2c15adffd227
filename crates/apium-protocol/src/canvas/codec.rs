//! A signature read from and written as JSON, in the order of Celery's members.

use crate::{
    JsonError, RawJson,
    json::{
        split::{self, Part},
        string,
    },
};

use super::{CanvasError, Options, Shape, Signature, signature::Chord};

impl Signature {
    /// Reads a signature. Members of a chain or a group that Celery drops are dropped: their `args`, `kwargs`
    /// besides the steps, `immutable`.
    ///
    /// # Errors
    /// When it is no signature: the error says where. It cannot nest deeper than JSON may, so reading it recurses
    /// no deeper than a few hundred calls.
    pub fn decode(json: &RawJson) -> Result<Self, CanvasError> {
        read(Part { text: json.as_str(), dialect: true })
    }

    /// Writes the signature as Celery does.
    ///
    /// # Errors
    /// When it nests deeper than 512 arrays and objects, which no peer would read.
    pub fn to_json(&self) -> Result<RawJson, JsonError> {
        let mut out = String::with_capacity(256);
        write(&mut out, self);
        RawJson::parse(&out)
    }
}

fn read(part: Part<'_>) -> Result<Signature, CanvasError> {
    let members = split::members(part.text).map_err(|_| CanvasError::malformed(part.wrong("an object")))?;
    let mut signature = Signature::new("");
    let mut kwargs = None;
    let mut subtask_type = None;
    for (key, part) in members {
        match &*key {
            "task" => signature.task = part.string().ok().flatten().ok_or_else(|| wrong("task", part, "a string"))?,
            "args" => signature.args = array("args", part)?.iter().map(Part::raw).collect(),
            "kwargs" => kwargs = Some(part),
            "options" => signature.options = Options::from_members(object("options", part)?),
            "subtask_type" => {
                subtask_type = part.string().map_err(|_| wrong("subtask_type", part, "a string or null"))?;
            }
            "immutable" => {
                signature.immutable =
                    part.boolean().map_err(|_| wrong("immutable", part, "true or false"))?.unwrap_or_default();
            }
            _ => super::options::update(&mut signature.other, [(key.into_owned(), part.raw())]),
        }
    }
    let kwargs = kwargs.unwrap_or(Part { text: "{}", dialect: false });
    if let Some(kind) = subtask_type.filter(|kind| !kind.is_empty()) {
        return compound(&kind, signature, kwargs);
    }
    if signature.task.is_empty() {
        return Err(CanvasError::malformed("it names no task"));
    }
    signature.kwargs = Options::from_members(object("kwargs", kwargs)?).into_members();
    Ok(signature)
}

fn compound(kind: &str, read: Signature, kwargs: Part<'_>) -> Result<Signature, CanvasError> {
    let parts = split::members(kwargs.text).map_err(|_| wrong("kwargs", kwargs, "an object"))?;
    let find = |name: &str| parts.iter().rev().find(|(key, _)| key == name).map(|(_, part)| *part);
    let need = |name: &str| find(name).ok_or_else(|| CanvasError::malformed(format!("a {kind} without {name}")));
    let options = read.options.clone();
    match kind {
        "chain" => Ok(Signature { options, ..Signature::steps(signatures("tasks", need("tasks")?)?) }),
        "group" => Ok(Signature { options, ..Signature::group(signatures("tasks", need("tasks")?)?) }),
        "chord" => {
            let other = parts.iter().filter(|(key, _)| key != "header" && key != "body");
            let kwargs: Options = other.map(|(key, part)| (key.to_string(), part.raw())).collect();
            chord(read, kwargs.into_members(), find("header"), find("body"))
        }
        "chunks" | "xmap" | "xstarmap" => {
            let task = self::read(need("task")?)?;
            let it: Vec<_> = array("it", need("it")?)?.iter().map(Part::raw).collect();
            let made = match kind {
                "xmap" => Signature::map(&task, &it)?,
                "xstarmap" => Signature::starmap(&task, &it)?,
                _ => {
                    let n = need("n")?;
                    let count = n.count().ok().flatten().ok_or_else(|| wrong("n", n, "a count"))?;
                    Signature::chunks(&task, &it, count as usize)?
                }
            };
            Ok(Signature { options, ..made })
        }
        _ => Err(CanvasError::malformed(format!("its subtask_type {kind:?} is unknown"))),
    }
}

fn chord(
    read: Signature,
    mut kwargs: Vec<(String, RawJson)>,
    header: Option<Part<'_>>,
    body: Option<Part<'_>>,
) -> Result<Signature, CanvasError> {
    let header = header.unwrap_or(Part { text: "[]", dialect: false });
    let (header, header_options) = if header.text.starts_with('{') {
        let header = self::read(header)?;
        match header.shape {
            // As in Celery, the steps of a chain are as good as a group here.
            Shape::Group(members) | Shape::Chain(members) => (members, Some(header.options)),
            _ => (vec![header], None),
        }
    } else {
        (signatures("header", header)?, None)
    };
    if kwargs.is_empty() {
        kwargs.push(("kwargs".to_owned(), RawJson::empty_object()));
    }
    let body = body.filter(|body| !body.is_null()).map(self::read).transpose()?.map(Box::new);
    let task = if read.task.is_empty() { "celery.chord".to_owned() } else { read.task };
    let shape = Shape::Chord(Chord { header, header_options, body });
    Ok(Signature { task, kwargs, shape, other: Vec::new(), ..read })
}

fn signatures(name: &str, part: Part<'_>) -> Result<Vec<Signature>, CanvasError> {
    array(name, part)?.into_iter().map(read).collect()
}

fn array<'a>(name: &str, part: Part<'a>) -> Result<Vec<Part<'a>>, CanvasError> {
    if part.is_null() && name == "args" {
        return Ok(Vec::new());
    }
    split::elements(part.text).map_err(|_| wrong(name, part, "a list"))
}

fn object(name: &str, part: Part<'_>) -> Result<Vec<(String, RawJson)>, CanvasError> {
    if part.is_null() {
        return Ok(Vec::new());
    }
    let members = split::members(part.text).map_err(|_| wrong(name, part, "an object"))?;
    Ok(members.into_iter().map(|(key, part)| (key.into_owned(), part.raw())).collect())
}

fn wrong(name: &str, part: Part<'_>, wanted: &str) -> CanvasError {
    CanvasError::malformed(format!("its {name} {}", part.wrong(wanted)))
}

fn write(out: &mut String, signature: &Signature) {
    out.push_str("{\"task\": ");
    string::write(out, &signature.task);
    out.push_str(", \"args\": [");
    separated(out, &signature.args, |out, arg| out.push_str(arg.as_str()));
    out.push_str("], \"kwargs\": {");
    write_kwargs(out, signature);
    out.push_str("}, \"options\": {");
    members(out, signature.options.members());
    out.push_str("}, \"subtask_type\": ");
    out.push_str(match signature.shape {
        Shape::Chain(_) => "\"chain\"",
        Shape::Group(_) => "\"group\"",
        Shape::Chord(_) => "\"chord\"",
        // Celery never says of these what they are: on the wire they are plain calls of their tasks.
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => "null",
    });
    out.push_str(", \"immutable\": ");
    out.push_str(if signature.immutable { "true" } else { "false" });
    for (key, value) in &signature.other {
        out.push_str(", ");
        member(out, key, value.as_str());
    }
    out.push('}');
}

fn write_kwargs(out: &mut String, signature: &Signature) {
    match &signature.shape {
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => members(out, &signature.kwargs),
        Shape::Chain(steps) | Shape::Group(steps) => list(out, "tasks", steps),
        Shape::Chord(chord) => {
            members(out, &signature.kwargs);
            if !signature.kwargs.is_empty() {
                out.push_str(", ");
            }
            write_header(out, chord);
            out.push_str(", \"body\": ");
            match &chord.body {
                Some(body) => write(out, body),
                None => out.push_str("null"),
            }
        }
    }
}

fn write_header(out: &mut String, chord: &Chord) {
    let Some(options) = &chord.header_options else {
        return list(out, "header", &chord.header);
    };
    out.push_str("\"header\": {\"task\": \"celery.group\", \"args\": [], \"kwargs\": {");
    list(out, "tasks", &chord.header);
    out.push_str("}, \"options\": {");
    members(out, options.members());
    out.push_str("}, \"subtask_type\": \"group\", \"immutable\": false}");
}

fn list(out: &mut String, key: &str, signatures: &[Signature]) {
    member(out, key, "[");
    separated(out, signatures, write);
    out.push(']');
}

fn members(out: &mut String, members: &[(String, RawJson)]) {
    separated(out, members, |out, (key, value)| member(out, key, value.as_str()));
}

fn member(out: &mut String, key: &str, value: &str) {
    string::write(out, key);
    out.push_str(": ");
    out.push_str(value);
}

fn separated<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
}
