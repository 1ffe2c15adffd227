//! What a client makes of canvases, as Celery's own client does: compositions, links, stamps, and the messages sent.

use apium_protocol::canvas::{self, Options, Signature, plan};
use serde_json::{Value, json};

use crate::canvas_golden::{Case, acts, cases, difference, planned, raw, tuple, value};

#[test]
fn every_canvas_is_sent_as_by_celery() {
    let mut failures = Vec::new();
    let all = cases("plan");
    for case in &all {
        let plan = planned(|sender| plan(&case.input(), &case.call(), sender));
        let outcome = match (plan, case.error()) {
            (Ok(plan), None) => difference(
                &json!({"acts": acts(&plan), "result": tuple(plan.result())}),
                &json!({"acts": case.notes(&["send", "size", "save"]), "result": case.0["result"]}),
            ),
            (Err(_), Some(_)) => Ok(()),
            (Err(error), None) => Err(format!("refused: {error}")),
            // Celery fails to link a callback that came over the wire to a group.
            (Ok(_), Some(error)) if error.contains("'dict' object has no attribute 'clone'") => Ok(()),
            (Ok(_), Some(error)) => Err(format!("Celery refuses: {error}")),
        };
        if let Err(differs) = outcome {
            failures.push(format!("{}: {differs}\n   {}", case.name(), case.0["input"]));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

#[test]
fn every_law_is_celerys() {
    let mut failures = Vec::new();
    let all = cases("law");
    for case in &all {
        let outcome = match (law(case), case.error()) {
            (Ok(made), None) => difference(&made, &case.0["made"]),
            (Err(_), Some(_)) => Ok(()),
            (Err(error), None) => Err(format!("refused: {error}")),
            (Ok(_), Some(error)) => Err(format!("Celery refuses: {error}")),
        };
        if let Err(differs) = outcome {
            failures.push(format!("{}: {differs}", case.name()));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

fn law(case: &Case) -> Result<Value, canvas::CanvasError> {
    let others = case.raw("others").elements()?;
    let others = others.iter().map(Signature::decode).collect::<Result<Vec<_>, _>>()?;
    let mut made = case.input();
    let first = others.first();
    match case.0["op"].as_str().unwrap() {
        "or" => made = made.then(first.unwrap().clone())?,
        "chain" => made = canvas::chain([made].into_iter().chain(others).collect())?,
        "link" => made.link(first.unwrap())?,
        "link_error" => made.link_error(first.unwrap())?,
        "immutable" => made.set_immutable(true),
        "clone" => {
            let options = Options::from_members(case.raw("options").members()?);
            made = made.copied_with(&case.raw("args").elements()?, &case.raw("kwargs").members()?, options);
        }
        "stamp" => made.stamp(&case.raw("stamps").members()?, case.0["append"] == true)?,
        op => panic!("{op}"),
    }
    Ok(value(&made.to_json()?))
}

#[test]
fn every_signature_is_written_back_byte_for_byte() {
    let mut seen = 0;
    for kind in ["plan", "law", "success", "failure", "replace", "add", "done", "broken"] {
        for case in cases(kind) {
            signatures(&case.0, &mut |signature| {
                let text = raw(signature);
                let read = Signature::decode(&text).unwrap();
                if !forgotten(signature) {
                    assert_eq!(read.to_json().unwrap(), text, "{}", case.name());
                    seen += 1;
                }
            });
        }
    }
    assert!(seen > 5_000, "{seen}");
}

/// Whether something is in it that Celery forgets as well when it reads it: that a chain takes no arguments. And of
/// chunks and maps only this capture says what they are.
fn forgotten(signature: &Value) -> bool {
    let mut found = false;
    signatures(signature, &mut |inner| {
        let kind = inner["subtask_type"].as_str().unwrap_or_default();
        found |= kind.starts_with('x') || kind == "chunks" || kind == "chain" && inner["immutable"] == true;
    });
    found
}

/// Every signature in a value, however deep.
fn signatures(value: &Value, act: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            if members.contains_key("subtask_type") {
                act(value);
            }
            members.values().for_each(|member| signatures(member, act));
        }
        Value::Array(items) => items.iter().for_each(|item| signatures(item, act)),
        _ => {}
    }
}
