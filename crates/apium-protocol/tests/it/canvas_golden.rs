//! Cases captured from a real Celery by `interop/capture/canvas.py`, and how what it did is compared with what is
//! planned here: alike up to a renaming of the ids that were made up on either side.

use std::{collections::HashMap, fs, io::Read as _, path::PathBuf, sync::LazyLock};

use apium_protocol::{
    Embed, Headers, RawJson,
    canvas::{Act, Call, CanvasError, Options, Plan, PlannedMessage, PlannedResult, Sender, Signature},
};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

/// One case: what went in and what came out.
pub(crate) struct Case(pub(crate) Value);

/// All cases of a kind.
pub(crate) fn cases(kind: &str) -> Vec<Case> {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/canvas.jsonl.gz");
        let mut text = String::new();
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    });
    let wanted = format!("{{\"kind\": \"{kind}\"");
    let lines = TEXT.lines().filter(|line| line.starts_with(&wanted));
    let cases: Vec<_> = lines.map(|line| Case(serde_json::from_str(line).unwrap())).collect();
    assert!(!cases.is_empty(), "no {kind}");
    cases
}

impl Case {
    pub(crate) fn name(&self) -> String {
        match &self.0["name"] {
            Value::String(name) => name.clone(),
            _ => format!("{} of {} with {} ({})", self.0["op"], self.0["input"], self.0["others"], self.0["options"]),
        }
    }

    pub(crate) fn raw(&self, key: &str) -> RawJson {
        raw(&self.0[key])
    }

    pub(crate) fn input(&self) -> Signature {
        Signature::decode(&self.raw("input")).unwrap()
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.0["error"].as_str()
    }

    pub(crate) fn call(&self) -> Call {
        Call {
            args: self.raw("args").elements().unwrap(),
            kwargs: self.raw("kwargs").members().unwrap(),
            options: Options::from_members(self.raw("options").members().unwrap()),
        }
    }

    /// The task a worker was running.
    pub(crate) fn request(&self) -> (Headers, Embed) {
        let request = &self.0["request"];
        let text = |key: &str| request[key].as_str().map(str::to_owned);
        let headers = Headers {
            root_id: text("root_id"),
            group: text("group"),
            group_index: request["group_index"].as_i64(),
            replaced_task_nesting: u32::try_from(request["replaced_task_nesting"].as_u64().unwrap()).unwrap(),
            ..Headers::new("app.run", text("id").unwrap())
        };
        let embed = Embed {
            callbacks: raw(&request["callbacks"]),
            errbacks: raw(&request["errbacks"]),
            chain: raw(&request["chain"]),
            chord: raw(&request["chord"]),
            other: Vec::new(),
        };
        (headers, embed)
    }

    /// What was noted, of these sorts only.
    pub(crate) fn notes(&self, sorts: &[&str]) -> Vec<Value> {
        let notes = self.0["notes"].as_array().unwrap().iter();
        notes.filter(|note| sorts.iter().any(|sort| note.get(sort).is_some())).cloned().collect()
    }
}

/// How `ours` differs from what Celery did, if it does.
pub(crate) fn difference(ours: &Value, theirs: &Value) -> Result<(), String> {
    Renaming::default().alike("", ours, theirs)
}

/// Makes ids for a plan.
pub(crate) fn planned<T>(act: impl FnOnce(&mut Sender<'_>) -> Result<T, CanvasError>) -> Result<T, CanvasError> {
    let mut count = 0;
    let mut ids = || {
        count += 1;
        format!("our-{count}")
    };
    act(&mut Sender { ids: &mut ids, reply_to: Some("oid".to_owned()), current: None })
}

pub(crate) fn raw(value: &Value) -> RawJson {
    RawJson::from(value).unwrap()
}

pub(crate) fn value(raw: &RawJson) -> Value {
    raw.to().unwrap()
}

/// The acts of a plan, as the capture notes them.
pub(crate) fn acts(plan: &Plan) -> Vec<Value> {
    let acts = plan.acts.iter().map(|act| match act {
        Act::SaveGroup { group, result } => json!({"save": [group, value(result)]}),
        Act::SetChordSize { group, size } => json!({"size": [group, size]}),
        Act::Send(message) => json!({"send": sent(message)}),
    });
    acts.collect()
}

pub(crate) fn tuple(result: Option<PlannedResult<'_>>) -> Value {
    result.map_or(Value::Null, |result| value(&result.to_json().unwrap()))
}

pub(crate) fn children(plan: &Plan) -> Value {
    value(&plan.children_json().unwrap())
}

fn sent(message: &PlannedMessage) -> Value {
    let object = |members: &[(String, RawJson)]| value(&RawJson::object(members));
    let array = |items: &[RawJson]| value(&RawJson::array(items));
    let mut other: Map<String, Value> =
        message.other.iter().map(|(key, member)| (key.clone(), value(member))).collect();
    // All tasks but this one are known to the capture's client, which then adds defaults of its own.
    let known = message.task != "far.away";
    if known {
        other.entry("serializer").or_insert_with(|| json!("json"));
    }
    if let Some(priority) = message.priority {
        other.insert("priority".to_owned(), json!(priority));
    }
    other.retain(|_, value| !value.is_null());
    let headers = if message.own_headers.is_empty() { Value::Null } else { object(&message.own_headers) };
    json!({
        "headers": {
            "task": message.task, "id": message.id, "shadow": message.shadow, "group": message.group,
            "group_index": message.group_index, "retries": message.retries, "timelimit": message.timelimit,
            "root_id": message.root_id, "parent_id": message.parent_id,
            "ignore_result": message.ignore_result.or(known.then_some(false)),
            "replaced_task_nesting": message.replaced_task_nesting, "stamped_headers": message.stamped_headers,
            "stamps": object(&message.stamps),
        },
        "body": [array(&message.args), object(&message.kwargs), {
            "callbacks": value(&message.embed.callbacks), "errbacks": value(&message.embed.errbacks),
            "chain": value(&message.embed.chain), "chord": value(&message.embed.chord),
        }],
        "reply_to": message.reply_to,
        "delivery": {
            // Celery's router has put the default there.
            "queue": message.queue.as_deref().unwrap_or("celery"), "exchange": message.exchange,
            "routing_key": message.routing_key, "headers": headers,
        },
        "other": other,
        "countdown": message.countdown, "eta": message.eta.as_ref().map(value),
        "expires": message.expires.as_ref().map(value),
    })
}

/// Which of our ids is which of theirs.
#[derive(Default)]
struct Renaming {
    theirs: HashMap<String, String>,
    ours: HashMap<String, String>,
}

impl Renaming {
    fn alike(&mut self, at: &str, ours: &Value, theirs: &Value) -> Result<(), String> {
        match (ours, theirs) {
            (Value::Object(left), Value::Object(right)) => {
                for (key, theirs) in right {
                    let ours = left.get(key).ok_or_else(|| format!("{at}.{key} is missing"))?;
                    if key == "stamped_headers" {
                        // Celery gathers the names in a set.
                        self.alike(&format!("{at}.{key}"), &sorted(ours), &sorted(theirs))?;
                    } else {
                        self.alike(&format!("{at}.{key}"), ours, theirs)?;
                    }
                }
                match left.keys().find(|key| !right.contains_key(*key)) {
                    Some(key) => Err(format!("{at}.{key} is too much")),
                    None => Ok(()),
                }
            }
            (Value::Array(left), Value::Array(right)) => {
                for (index, (ours, theirs)) in left.iter().zip(right).enumerate() {
                    self.alike(&format!("{at}[{index}]"), ours, theirs)?;
                }
                if left.len() != right.len() {
                    return Err(format!("{at} has {} elements, theirs {}", left.len(), right.len()));
                }
                Ok(())
            }
            (Value::String(ours), Value::String(theirs)) if ours.starts_with("our-") && theirs.starts_with("id-") => {
                let same = self.theirs.entry(ours.clone()).or_insert_with(|| theirs.clone()) == theirs
                    && self.ours.entry(theirs.clone()).or_insert_with(|| ours.clone()) == ours;
                if same { Ok(()) } else { Err(format!("{at} is {ours}, theirs {theirs}: two ids for one")) }
            }
            (Value::Number(ours), Value::Number(theirs)) if ours.as_f64() == theirs.as_f64() => Ok(()),
            _ if ours == theirs => Ok(()),
            _ => Err(format!("{at} is {ours}, theirs {theirs}")),
        }
    }
}

fn sorted(names: &Value) -> Value {
    let Value::Array(names) = names else {
        return names.clone();
    };
    let mut names: Vec<_> = names.iter().map(Value::to_string).collect();
    names.sort();
    json!(names)
}
