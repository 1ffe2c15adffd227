//! What holds for every signature, tried with many; and the sizes and depths that a hostile or a very long canvas has.

use std::time::{Duration, Instant};

use apium_protocol::{
    Embed, ExceptionRecord, Headers, JsonError, RawJson,
    canvas::{self, Act, Call, CanvasError, Plan, SavedGroup, Shape, Signature, on_success, plan},
};
use proptest::{collection::vec, prelude::*};

use crate::canvas_golden::planned;

/// How long something linear may take on a slow machine in a debug build; something quadratic takes minutes.
const SOON: Duration = Duration::from_secs(20);

fn raw(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn task(name: &str) -> Signature {
    Signature::new(name)
}

fn sent(signature: &Signature) -> Result<Plan, CanvasError> {
    planned(|sender| plan(signature, &Call::default(), sender))
}

fn value() -> impl Strategy<Value = RawJson> {
    prop_oneof![
        "[a-z\u{e9}\u{1f600}\"]{0,3}".prop_map(|text| RawJson::string(&text)),
        Just(raw("NaN")),
        Just(raw("[1, {}]"))
    ]
}

fn members() -> impl Strategy<Value = Vec<(String, RawJson)>> {
    proptest::collection::btree_map("[a-z]{1,4}", value(), 0..3).prop_map(|members| members.into_iter().collect())
}

fn signature() -> impl Strategy<Value = Signature> {
    let single = ("[a-z.]{1,5}", vec(value(), 0..3), members(), members(), any::<bool>());
    let single = single.prop_map(|(name, args, kwargs, options, immutable)| Signature {
        args,
        kwargs,
        options: options.into_iter().collect(),
        immutable,
        ..Signature::new(name)
    });
    single.prop_recursive(4, 40, 4, |inner| {
        let many = vec(inner.clone(), 0..4);
        let made = (many, inner, 0..4_usize, members());
        made.prop_map(|(many, one, kind, options)| {
            let made = match kind {
                0 => Signature::steps(many),
                1 => Signature::group(many),
                2 => Signature::chord(many, one),
                _ => many
                    .into_iter()
                    .fold(Signature::map(&one, &[raw("1")]).unwrap(), |all, next| all.then(next).unwrap()),
            };
            options.into_iter().fold(made, |made, (name, value)| made.option(&name, value))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(signature in signature()) {
        let written = signature.to_json().unwrap();
        let read = Signature::decode(&written).unwrap();
        prop_assert_eq!(&read.to_json().unwrap(), &written);
        prop_assert_eq!(Signature::decode(&written).unwrap(), read);
    }

    #[test]
    fn every_canvas_is_sent_or_refused_and_each_id_once(signature in signature()) {
        if let Ok(plan) = sent(&signature) {
            let mut ids: Vec<_> = plan.messages().map(|message| &message.id).collect();
            let count = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), count);
            for message in plan.messages() {
                prop_assert!(message.embed.chord.is_null() || message.group.is_some());
            }
        }
    }

    #[test]
    fn composing_is_what_celery_calls_chain(many in vec(signature(), 1..5)) {
        let mut stepwise = Signature::steps(Vec::new());
        for next in many.clone() {
            stepwise = stepwise.then(next).unwrap();
        }
        let (at_once, stepwise) = (canvas::chain(many).unwrap(), stepwise);
        prop_assert_eq!(at_once.copied(), stepwise.copied());
    }
}

#[test]
fn ten_thousand_steps_cost_what_ten_thousand_steps_are() {
    let start = Instant::now();
    let steps: Vec<_> = (0..10_000).map(|n| task("app.add").arg(raw(&n.to_string()))).collect();
    let chain = canvas::chain(steps).unwrap();
    let again = Signature::decode(&chain.to_json().unwrap()).unwrap();
    assert_eq!(again, chain);
    let plan = sent(&again).unwrap();
    let first = plan.messages().next().unwrap();
    let rest = first.embed.chain.elements().unwrap();
    assert_eq!((plan.messages().count(), rest.len()), (1, 9_999));
    let headers = Headers::new("app.add", first.id.clone());
    let next = planned(|sender| on_success(&headers, &first.embed, &raw("7"), sender)).unwrap();
    let second = next.messages().next().unwrap();
    assert_eq!(second.args, [raw("7"), raw("1")]);
    assert_eq!(second.embed.chain, RawJson::array(&rest[..9_998]));
    assert!(plan.result().unwrap().to_json().is_err(), "Celery's tuple of it is too deep for every reader");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn a_wide_chord_shares_its_body() {
    let start = Instant::now();
    let body = task("app.sum").arg(RawJson::string(&"x".repeat(10_000)));
    let chord = Signature::chord((0..10_000).map(|_| task("app.add")).collect(), body);
    let plan = sent(&chord).unwrap();
    assert_eq!(plan.messages().count(), 10_000);
    let Some(Act::SetChordSize { size, .. }) = plan.acts.iter().rev().nth(1) else {
        panic!("the size is announced before the last part");
    };
    assert_eq!(*size, 10_000);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn groups_after_groups_do_not_multiply() {
    let groups = (0..30).map(|_| Signature::group(vec![task("a"), task("b"), task("c")])).collect();
    let plan = sent(&Signature::steps(groups)).unwrap();
    let size: usize = plan.messages().map(|message| message.embed.chord.as_str().len()).sum();
    assert_eq!(plan.messages().count(), 3);
    assert!(size < 300_000, "{size}");
}

#[test]
fn a_deep_signature_is_read_and_one_too_deep_is_refused() {
    let nested = |depth: usize| (0..depth).fold(task("a"), |inner, _| Signature::steps(vec![inner]));
    let deep = nested(150);
    assert_eq!(Signature::decode(&deep.to_json().unwrap()).unwrap(), deep);
    assert_eq!(sent(&deep).unwrap().messages().count(), 1);
    let error: JsonError = nested(200).to_json().unwrap_err();
    assert!(error.to_string().contains("deep"), "{error}");
}

#[test]
fn very_many_options_cost_no_more_than_their_size() {
    let start = Instant::now();
    let options = |from: usize| (from..from + 20_000).map(|n| (format!("o{n}"), raw("1")));
    let body = Signature { options: options(0).collect(), ..task("b") };
    let chord = Signature { options: options(10_000).collect(), ..Signature::chord(vec![task("a")], body) };
    sent(&chord).unwrap();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn what_is_no_signature_is_told() {
    for (text, reason) in [
        ("7", "not a signature: should be an object, not 7"),
        ("{}", "not a signature: it names no task"),
        (r#"{"task": 1}"#, "not a signature: its task should be a string, not 1"),
        (r#"{"task": "a", "args": {}}"#, "not a signature: its args should be a list, not {}"),
        (r#"{"task": "a", "kwargs": []}"#, "not a signature: its kwargs should be an object, not []"),
        (r#"{"task": "a", "immutable": 1}"#, "not a signature: its immutable should be true or false, not 1"),
        (r#"{"task": "a", "subtask_type": "ring"}"#, "not a signature: its subtask_type \"ring\" is unknown"),
        (r#"{"task": "a", "subtask_type": "chain"}"#, "not a signature: a chain without tasks"),
        (r#"{"subtask_type": "group", "kwargs": {"tasks": [1]}}"#, "not a signature: should be an object, not 1"),
    ] {
        assert_eq!(Signature::decode(&raw(text)).unwrap_err().to_string(), reason);
    }
    let wrong = task("a").option("priority", RawJson::string("high"));
    assert_eq!(
        sent(&wrong).unwrap_err().to_string(),
        "not a signature: priority should be a whole number, not \"high\""
    );
}

#[test]
fn unknown_members_of_a_single_task_are_kept() {
    let text = r#"{"task": "a", "args": [], "kwargs": {}, "options": {"x": 1}, "subtask_type": null, "immutable": false, "note": [1]}"#;
    let read = Signature::decode(&raw(text)).unwrap();
    assert_eq!(read.to_json().unwrap().as_str(), text);
    assert!(matches!(read.shape, Shape::Task));
}

#[test]
fn a_canvas_is_an_errback_too() {
    let errback = canvas::chain(vec![task("app.tell"), task("app.sweep")]).unwrap().to_json().unwrap();
    let embed = Embed { errbacks: RawJson::array(&[errback]), ..Embed::default() };
    let headers = Headers::new("app.add", "T");
    let failure = planned(|sender| canvas::on_failure(&headers, &embed, &|_| false, sender)).unwrap();
    let message = failure.errbacks.plan.messages().next().unwrap();
    assert_eq!((message.task.as_str(), message.args.as_slice()), ("app.tell", [raw("\"T\"")].as_slice()));
    assert_eq!(message.embed.chain.elements().unwrap().len(), 1);
}

#[test]
fn a_planned_message_becomes_headers_and_body() {
    let task = task("app.add").arg(raw("1")).option("headers", raw(r#"{"x-h": 1, "shadow": "s"}"#));
    let plan = sent(&task.option("stamped_headers", raw(r#"["s"]"#)).option("s", raw("2"))).unwrap();
    let message = plan.messages().next().unwrap();
    let headers = message.to_headers().unwrap();
    assert_eq!((headers.shadow.as_deref(), headers.argsrepr.as_deref()), (Some("s"), Some("(1,)")));
    assert_eq!((headers.other, headers.stamps), (vec![("x-h".to_owned(), raw("1"))], raw(r#"{"s": 2}"#)));
    assert_eq!(message.to_payload().args, raw("[1]"));
    let wrong = Signature::new("a").option("headers", raw(r#"{"retries": "x"}"#));
    let error = sent(&wrong).unwrap().messages().next().unwrap().to_headers().unwrap_err();
    assert!(error.to_string().contains("the header retries should be"), "{error}");
}

#[test]
fn the_results_of_a_header_are_nested_as_they_were_saved() {
    let inner = canvas::chain(vec![task("a"), Signature::group(vec![task("b"), task("c")])]).unwrap();
    let plan = sent(&Signature::chord(vec![inner, task("d")], task("e"))).unwrap();
    let Act::SaveGroup { group, result } = &plan.acts[0] else { panic!("{:?}", plan.acts[0]) };
    let saved = SavedGroup::decode(result).unwrap();
    assert_eq!((&saved.id, saved.tasks().len()), (group, 3));
    let values = saved.values(&|id| Some(RawJson::string(id))).unwrap();
    assert_eq!(values[0].elements().unwrap().len(), 2);
    assert_eq!(saved.values(&|_| None), None);
    assert_eq!(SavedGroup::record(result).member("result").as_ref(), Some(result));
    for wrong in ["1", "[[1, null], []]", "[[\"a\", null]]", "[[\"a\", null], null]"] {
        assert!(SavedGroup::decode(&raw(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn the_error_of_a_chord_names_the_part_and_its_exception() {
    let said = |exception: &ExceptionRecord| canvas::chord_error("T", exception).message();
    let boom = ExceptionRecord::new("builtins", "ValueError", "boom");
    assert_eq!(said(&boom), "Dependency T raised ValueError('boom')");
    let inner = ExceptionRecord { exc_type: "Outer.Inner".to_owned(), exc_message: raw("[2, null]"), exc_module: None };
    assert_eq!(said(&inner), "Dependency T raised Inner(2, None)");
    assert_eq!(said(&ExceptionRecord { exc_message: raw("[]"), ..inner }), "Dependency T raised Inner()");
}

#[test]
fn a_sum_of_signatures_is_a_chain() {
    let chain = (task("a") | task("b")).unwrap();
    assert_eq!(chain, canvas::chain(vec![task("a"), task("b")]).unwrap());
    let mut chunks = Signature::chunks(&task("a"), &[raw("[1]"), raw("[2]"), raw("[3]")], 2).unwrap();
    assert_eq!(sent(&chunks).unwrap().messages().count(), 2);
    chunks = Signature::chunks(&task("a"), &[], 0).unwrap();
    assert_eq!(sent(&chunks).unwrap_err(), CanvasError::EmptyChunks);
}
