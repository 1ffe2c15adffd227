//! A signature read from and written as JSON, in the order of Celery's members.

use std::borrow::Cow;

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

    /// Reads a signature that is to be acted on.
    pub(super) fn taken(json: &RawJson) -> Result<Self, CanvasError> {
        let mut read = Self::decode(json)?;
        loosen(&mut read);
        Ok(read)
    }

    /// A copy to be acted on.
    pub(super) fn loose(&self) -> Self {
        let mut copy = self.clone();
        loosen(&mut copy);
        copy
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

/// Reads one signature; the only function here that comes to itself again, so it holds little.
fn read(part: Part<'_>) -> Result<Signature, CanvasError> {
    let fields = fields(part)?;
    match fields.kind.as_deref() {
        None | Some("") => single(fields),
        Some("chain") => {
            let tasks = tasks(&fields)?;
            let steps = read_all(&tasks)?;
            Ok(with_options(Signature::steps(steps), fields))
        }
        Some("group") => {
            let tasks = tasks(&fields)?;
            let members = read_all(&tasks)?;
            Ok(with_options(Signature::group(members), fields))
        }
        Some("chord") => {
            let parts = ChordParts::of(&fields)?;
            let header = read_all(&parts.header)?;
            let body = match parts.body {
                Some(body) => Some(Box::new(read(body)?)),
                None => None,
            };
            Ok(chord(fields, parts.kwargs, header, parts.header_options, body))
        }
        Some(kind) => over(kind, &fields),
    }
}

fn read_all(parts: &[Part<'_>]) -> Result<Vec<Signature>, CanvasError> {
    let mut signatures = Vec::with_capacity(parts.len());
    for part in parts {
        signatures.push(read(*part)?);
    }
    Ok(signatures)
}

/// Celery forgets the options of a header when it reads one; they are kept only to be written again.
fn loosen(signature: &mut Signature) {
    match &mut signature.shape {
        Shape::Chain(members) | Shape::Group(members) => members.iter_mut().for_each(loosen),
        Shape::Chord(chord) => {
            chord.header_options = None;
            chord.header.iter_mut().for_each(loosen);
            chord.body.as_deref_mut().into_iter().for_each(loosen);
        }
        Shape::Task | Shape::Chunks | Shape::Map | Shape::Starmap => {}
    }
}

/// A signature read one level deep.
struct Fields<'a> {
    /// Everything but what depends on the kind.
    signature: Box<Signature>,
    kwargs: Part<'a>,
    kind: Option<String>,
}

impl<'a> Fields<'a> {
    fn kwargs(&self) -> Result<Vec<(Cow<'a, str>, Part<'a>)>, CanvasError> {
        split::members(self.kwargs.text).map_err(|_| wrong("kwargs", self.kwargs, "an object"))
    }

    fn need(&self, name: &str) -> Result<Part<'a>, CanvasError> {
        let found = self.kwargs()?.into_iter().rev().find(|(key, _)| key == name);
        let kind = self.kind.as_deref().unwrap_or_default();
        found.map(|(_, part)| part).ok_or_else(|| CanvasError::malformed(format!("a {kind} without {name}")))
    }
}

fn fields(part: Part<'_>) -> Result<Fields<'_>, CanvasError> {
    let members = split::members(part.text).map_err(|_| CanvasError::malformed(part.wrong("an object")))?;
    let mut signature = Box::new(Signature::new(""));
    let mut kwargs = Part { text: "{}", dialect: false };
    let mut kind = None;
    for (key, part) in members {
        match &*key {
            "task" => signature.task = part.string().ok().flatten().ok_or_else(|| wrong("task", part, "a string"))?,
            "args" => signature.args = array("args", part)?.iter().map(Part::raw).collect(),
            "kwargs" => kwargs = part,
            "options" => signature.options = Options::from_members(object("options", part)?),
            "subtask_type" => kind = part.string().map_err(|_| wrong("subtask_type", part, "a string or null"))?,
            "immutable" => {
                signature.immutable =
                    part.boolean().map_err(|_| wrong("immutable", part, "true or false"))?.unwrap_or_default();
            }
            _ => super::options::update(&mut signature.other, [(key.into_owned(), part.raw())]),
        }
    }
    Ok(Fields { signature, kwargs, kind })
}

fn single(fields: Fields<'_>) -> Result<Signature, CanvasError> {
    let mut signature = *fields.signature;
    if signature.task.is_empty() {
        return Err(CanvasError::malformed("it names no task"));
    }
    signature.kwargs = Options::from_members(object("kwargs", fields.kwargs)?).into_members();
    Ok(signature)
}

fn tasks<'a>(fields: &Fields<'a>) -> Result<Vec<Part<'a>>, CanvasError> {
    array("tasks", fields.need("tasks")?)
}

fn with_options(made: Signature, fields: Fields<'_>) -> Signature {
    Signature { options: fields.signature.options, ..made }
}

/// Chunks and maps, where somebody says that they are: Celery itself does not.
fn over(kind: &str, fields: &Fields<'_>) -> Result<Signature, CanvasError> {
    if !matches!(kind, "chunks" | "xmap" | "xstarmap") {
        return Err(CanvasError::malformed(format!("its subtask_type {kind:?} is unknown")));
    }
    let (task, it) = (fields.need("task")?, fields.need("it")?);
    object("task", task)?;
    array("it", it)?;
    let mut kwargs = vec![("task".to_owned(), task.raw()), ("it".to_owned(), it.raw())];
    let shape = match kind {
        "xmap" => Shape::Map,
        "xstarmap" => Shape::Starmap,
        _ => {
            let n = fields.need("n")?;
            n.count().ok().flatten().ok_or_else(|| wrong("n", n, "a count"))?;
            kwargs.push(("n".to_owned(), n.raw()));
            Shape::Chunks
        }
    };
    let Signature { task, options, .. } = *fields.signature.clone();
    Ok(Signature { kwargs, options, shape, immutable: true, ..Signature::new(task) })
}

/// The keyword arguments of a chord taken apart.
struct ChordParts<'a> {
    kwargs: Vec<(String, RawJson)>,
    header: Vec<Part<'a>>,
    header_options: Option<Options>,
    body: Option<Part<'a>>,
}

impl<'a> ChordParts<'a> {
    fn of(fields: &Fields<'a>) -> Result<Self, CanvasError> {
        let mut found = Self { kwargs: Vec::new(), header: Vec::new(), header_options: None, body: None };
        for (key, part) in fields.kwargs()? {
            match &*key {
                "header" => (found.header, found.header_options) = header(part)?,
                "body" => found.body = Some(part).filter(|body| !body.is_null()),
                _ => found.kwargs.push((key.into_owned(), part.raw())),
            }
        }
        found.kwargs = Options::from_members(found.kwargs).into_members();
        if found.kwargs.is_empty() {
            found.kwargs.push(("kwargs".to_owned(), RawJson::empty_object()));
        }
        Ok(found)
    }
}

/// The members of a header, and its options when it is a group; the steps of a chain are as good as a group here, as
/// in Celery.
fn header(part: Part<'_>) -> Result<(Vec<Part<'_>>, Option<Options>), CanvasError> {
    if !part.text.starts_with('{') {
        return Ok((array("header", part)?, None));
    }
    let group = fields(part)?;
    match group.kind.as_deref() {
        Some("group" | "chain") => Ok((tasks(&group)?, Some(group.signature.options))),
        _ => Ok((vec![part], None)),
    }
}

fn chord(
    fields: Fields<'_>,
    kwargs: Vec<(String, RawJson)>,
    header: Vec<Signature>,
    header_options: Option<Options>,
    body: Option<Box<Signature>>,
) -> Signature {
    let signature = *fields.signature;
    let task = if signature.task.is_empty() { "celery.chord".to_owned() } else { signature.task };
    let shape = Shape::Chord(Chord { header, header_options, body });
    Signature { task, kwargs, shape, other: Vec::new(), ..signature }
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
