//! What real Celery 5.4 to 5.7 wrote (captured by `interop/capture/`), read and written back.

use std::{fs, path::PathBuf};

use apium_protocol::{DecodeError, ExceptionRecord, Message, ResultRecord, python_repr};

const VERSIONS: [&str; 4] = ["celery-5.4", "celery-5.5", "celery-5.6", "celery-5.7"];

/// One captured file.
pub(crate) struct Golden {
    pub(crate) version: &'static str,
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
}

impl Golden {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    fn message(&self) -> Message {
        Message::decode(&self.bytes).unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    fn name(&self) -> String {
        format!("{}/{}", self.version, self.file)
    }
}

/// All files of all versions whose names begin with `prefix`.
pub(crate) fn golden(prefix: &str) -> Vec<Golden> {
    let mut found = Vec::new();
    for version in VERSIONS {
        let before = found.len();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for entry in fs::read_dir(folder.join(version)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            if file.starts_with(prefix) {
                let bytes = fs::read(&path).unwrap();
                found.push(Golden { version, file, bytes });
            }
        }
        assert!(found.len() > before, "{version} has no {prefix}");
    }
    found
}

/// Lone surrogates in a header that is only for people to read are the one thing not kept.
fn readable(text: &str) -> String {
    text.replace(r"\ud800 \udc00x", r"\ufffd \ufffdx")
}

#[test]
fn every_message_is_written_back_byte_for_byte() {
    for file in golden("message-").into_iter().chain(golden("redelivered-")) {
        let written = String::from_utf8(file.message().encode()).unwrap();
        assert_eq!(written, readable(file.text()), "{}", file.name());
    }
}

#[test]
fn every_message_can_be_made_again_from_its_parts() {
    for file in golden("message-") {
        let message = file.message();
        let payload = match message.payload() {
            Ok(payload) => payload,
            Err(DecodeError::Compressed { .. }) if file.file.contains("compressed") => continue,
            Err(DecodeError::ContentType { .. }) if file.file.contains("pickle") => continue,
            Err(error) => panic!("{}: {error}", file.name()),
        };
        let again = Message::new(message.headers.clone(), &payload, message.properties.clone());
        if message.protocol == 2 {
            let written = String::from_utf8(again.encode()).unwrap();
            assert_eq!(written, readable(file.text()), "{}", file.name());
        } else {
            let lifted = Message::decode(&again.encode()).unwrap();
            assert_eq!(lifted.headers, message.headers);
            assert_eq!(lifted.payload().unwrap(), payload);
        }
    }
}

#[test]
fn protocol_1_is_lifted() {
    for file in golden("message-protocol-1") {
        let message = file.message();
        assert_eq!(message.protocol, 1, "{}", file.name());
        assert_eq!(message.headers.task, "app.add");
        assert_eq!(message.properties.correlation_id.as_ref(), Some(&message.headers.id));
        let payload = message.payload().unwrap();
        assert!(payload.embed.chain.is_null() && payload.embed.other.is_empty());
        let grouped = file.file.contains("group");
        assert_eq!(message.headers.group.is_some(), grouped, "{}", file.name());
        if file.file.contains("link") {
            assert_eq!(message.headers.timelimit, (Some(9.0), None));
            assert_eq!(payload.embed.callbacks.elements().unwrap().len(), 1);
            assert_eq!(payload.embed.errbacks.elements().unwrap().len(), 1);
        }
    }
}

#[test]
fn arguments_are_shown_as_each_client_showed_them() {
    let mut shown = 0;
    for file in golden("message-") {
        let message = file.message();
        let (Ok(payload), Some(args)) = (message.payload(), &message.headers.argsrepr) else {
            continue;
        };
        // Tagged types are shown shortly; and before 5.7 Celery forgot closing brackets when it shortened.
        let shortened = file.file.contains("long-args") && file.version != "celery-5.7";
        if file.file.contains("tagged") || file.file.contains("chunks") || shortened {
            continue;
        }
        assert_eq!(&python_repr::args(&payload.args), args, "{}", file.name());
        let kwargs = message.headers.kwargsrepr.as_ref().unwrap();
        assert_eq!(&python_repr::kwargs(&payload.kwargs), kwargs, "{}", file.name());
        shown += 1;
    }
    assert!(shown > 150, "only {shown}");
}

#[test]
fn giving_back_marks_a_message_as_kombu_does() {
    let before = golden("redelivered-").into_iter();
    for file in before.filter(|file| file.file.ends_with("before.json")) {
        let after = file.file.replace("before", "after");
        let after = golden(&after).into_iter().find(|other| other.version == file.version).unwrap();
        let marked = Message::redelivered(&file.bytes).unwrap();
        assert_eq!(std::str::from_utf8(&marked).unwrap(), after.text(), "{}", file.name());
        let message = after.message();
        assert!(message.headers.redelivered && message.properties.delivery_info.redelivered);
        assert_eq!(Message::redelivered(&marked).unwrap(), marked);
    }
}

#[test]
fn every_result_is_written_back_byte_for_byte() {
    for file in golden("result-") {
        if file.file == "result-compressed.bin" {
            let error = ResultRecord::decode(&file.bytes).unwrap_err();
            assert!(error.to_string().contains("application/x-gzip"), "{error}");
            continue;
        }
        let record = ResultRecord::decode(&file.bytes).unwrap_or_else(|error| panic!("{}: {error}", file.name()));
        let written = String::from_utf8(record.encode()).unwrap();
        assert_eq!(written, file.text(), "{}", file.name());
    }
}

#[test]
fn every_stored_exception_is_read_and_written_back() {
    let expected = [
        ("fail-value", "ValueError", "boom"),
        ("fail-key", "KeyError", "'missing'"),
        ("fail-none", "RuntimeError", ""),
        ("fail-inner", "Outer.Inner", "(\"quoted 'ü'\", {'a': 1})"),
        ("fail-set", "ValueError", "{1}"),
        ("unknown", "NotRegistered", "no.such"),
        ("expired", "TaskRevokedError", "expired"),
        ("hard-limit", "TimeLimitExceeded", "1"),
    ];
    for (name, exc_type, text) in expected {
        let mut found = 0;
        for file in golden(&format!("result-{name}-")) {
            let record = ResultRecord::decode(&file.bytes).unwrap();
            if record.status == "STARTED" {
                continue;
            }
            let exception = ExceptionRecord::from_result(&record.result).unwrap();
            assert_eq!(exception.exc_type, exc_type, "{}", file.name());
            assert_eq!(exception.to_json(), record.result, "{}", file.name());
            assert_eq!(exception.message(), text, "{}", file.name());
            found += 1;
        }
        assert!(found >= VERSIONS.len(), "{name}");
    }
}
