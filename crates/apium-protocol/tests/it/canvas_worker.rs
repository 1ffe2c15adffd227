//! What a worker does with the signatures in a message, as Celery's own worker does.

use apium_protocol::canvas::{
    ChordFailure, Errbacks, FailedTask, Signature, add_to_chord, chord_done, chord_failed, on_failure, on_success,
    replace,
};
use serde_json::{Value, json};

use crate::canvas_golden::{Case, acts, cases, children, difference, planned, value};

/// Compares all cases of a kind; a case gives ours and theirs, or why it is refused here.
fn compare(kind: &str, act: impl Fn(&Case) -> Result<(Value, Value), String>) {
    let mut failures = Vec::new();
    let all = cases(kind);
    for case in &all {
        if let Err(differs) = act(case).and_then(|(ours, theirs)| difference(&ours, &theirs)) {
            failures.push(format!("{}: {differs}\n   {}", case.name(), case.0["input"]));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

/// The children in the record that Celery stored for the task.
fn stored_children(case: &Case) -> Value {
    let stored = case.notes(&["store"]);
    stored.first().map_or(Value::Null, |note| note["store"]["children"].clone())
}

#[test]
fn what_follows_success_is_celerys() {
    compare("success", |case| {
        let (headers, embed) = case.request();
        let plan = planned(|sender| on_success(&headers, &embed, &case.raw("value"), sender));
        let refused = case.notes(&["store"]).iter().any(|note| note["store"]["state"] == "FAILURE");
        match plan {
            Ok(plan) => Ok((
                json!([acts(&plan), children(&plan)]),
                json!([case.notes(&["send", "size", "save"]), stored_children(case)]),
            )),
            Err(_) if refused => Ok((json!(null), json!(null))),
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn what_follows_failure_is_celerys() {
    compare("failure", |case| {
        let (headers, embed) = case.request();
        let failure =
            planned(|sender| on_failure(&headers, &embed, &is_new, sender)).map_err(|error| error.to_string())?;
        let mut ours = vec![store(&headers.id, headers.group.as_deref(), "ValueError('boom')")];
        if let (Some(group), false) = (&headers.group, embed.chord.is_null()) {
            ours.push(json!({"part": {"id": headers.id, "group": group, "index": headers.group_index,
                                      "state": "FAILURE", "chord": value(&embed.chord)}}));
        }
        ours.extend(failure.failed.iter().flat_map(|task| failed(task, "ValueError('boom')")));
        ours.extend(called(&headers.id, &failure.errbacks, "ValueError('boom')"));
        Ok((json!(ours), case.0["notes"].clone()))
    });
}

#[test]
fn a_replaced_task_is_celerys() {
    compare("replace", |case| {
        let (headers, embed) = case.request();
        if case.0["notes"].to_string().contains("'dict' object has no attribute 'clone'") {
            // Celery fails to link a callback from a message to a chord whose body is a group.
            return Ok((json!(null), json!(null)));
        }
        let plan = planned(|sender| replace(&headers, &embed, &case.input(), sender));
        let refused = case.notes(&["store"]).iter().any(|note| note["store"]["state"] == "FAILURE");
        match plan {
            Ok(plan) => Ok((json!(acts(&plan)), case.0["notes"].clone())),
            Err(_) if refused => Ok((json!(null), json!(null))),
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn what_is_added_to_a_chord_is_celerys() {
    compare("add", |case| {
        let (headers, embed) = case.request();
        let plan = planned(|sender| add_to_chord(&headers, &embed, &case.input(), sender));
        let refused = case.notes(&["store"]).iter().any(|note| note["store"]["state"] == "FAILURE");
        match plan {
            Ok(plan) => {
                let mut ours = vec![json!({"grow": headers.group})];
                ours.extend(acts(&plan));
                Ok((
                    json!([ours, children(&plan)]),
                    json!([case.notes(&["grow", "send", "size", "save"]), stored_children(case)]),
                ))
            }
            Err(_) if refused => Ok((json!(null), json!(null))),
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn a_chord_whose_parts_are_there_is_celerys() {
    compare("done", |case| {
        let values = case.raw("values").elements().unwrap();
        let plan = planned(|sender| chord_done(&case.raw("input"), &values, &mut inside(sender)));
        match (plan, case.error()) {
            (Ok(plan), None) => Ok((
                json!([acts(&plan), children(&plan)]),
                json!([case.notes(&["send", "size", "save"]), case.0["children"]]),
            )),
            (Err(_), Some(_)) => Ok((json!(null), json!(null))),
            (ours, theirs) => Err(format!("{ours:?}, theirs {theirs:?}")),
        }
    });
}

#[test]
fn a_chord_with_a_failed_part_is_celerys() {
    compare("broken", |case| {
        if case.0["input"]["options"]["link_error"].is_object() {
            // Celery takes the members of a single errback for errbacks and sends tasks called "task", "args" …
            return Ok((json!(null), json!(null)));
        }
        let failure = planned(|sender| chord_failed(&case.raw("input"), &is_new, &mut inside(sender)));
        let ChordFailure { bodies, chain, revoke } = failure.map_err(|error| error.to_string())?;
        let chord_error = "ChordError(\"Dependency x raised ValueError('boom')\")";
        let mut ours = Vec::new();
        for body in &bodies {
            let error = if body.original { "ValueError('boom')" } else { chord_error };
            ours.extend(called(&body.id, &body.errbacks, error));
            ours.push(store(&body.id, None, error));
        }
        if bodies.iter().any(|body| body.original) {
            ours.push(json!({"revoke": revoke}));
        }
        ours.extend(chain.iter().flat_map(|task| failed(task, chord_error)));
        Ok((json!(ours), case.0["notes"].clone()))
    });
}

fn is_new(errback: &Signature) -> bool {
    errback.task == "app.new"
}

fn store(id: &str, group: Option<&str>, error: &str) -> Value {
    json!({"store": {"id": id, "state": "FAILURE", "result": error, "group": group, "parent": null, "children": []}})
}

fn failed(task: &FailedTask, error: &str) -> Vec<Value> {
    let mut notes = Vec::new();
    if let Some(id) = &task.id {
        let mut note = store(id, task.group.as_deref(), error);
        note["store"]["parent"] = json!(task.parent);
        notes.push(note);
    }
    if let Some(part) = &task.part {
        notes.push(json!({"part": {"id": task.id, "group": part.group, "index": part.index, "state": "FAILURE",
                                   "chord": value(&part.chord)}}));
    }
    notes
}

fn called(id: &str, errbacks: &Errbacks, error: &str) -> Vec<Value> {
    let here = errbacks.called.iter().map(|_| json!({"called": [id, error]}));
    here.chain(acts(&errbacks.plan)).collect()
}

/// The sender while the last part of a chord is running.
fn inside<'a>(sender: &'a mut apium_protocol::canvas::Sender<'_>) -> apium_protocol::canvas::Sender<'a> {
    apium_protocol::canvas::Sender {
        ids: &mut *sender.ids,
        reply_to: sender.reply_to.clone(),
        current: Some(apium_protocol::canvas::Current { id: "current".to_owned(), root_id: Some("root".to_owned()) }),
    }
}
