//! Any bytes from a result store: whatever is read as a record is written as one that reads the same.
#![no_main]

use apium_protocol::{ExceptionRecord, ResultRecord};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let record = match ResultRecord::decode(bytes) {
        Ok(record) => record,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = record.encode();
    assert!(written.starts_with(b"{\"status\": \""));
    assert_eq!(ResultRecord::decode(&written).expect("what was written is read"), record);
    if let Some(exception) = ExceptionRecord::from_result(&record.result) {
        let _ = exception.message();
        assert_eq!(ExceptionRecord::from_result(&exception.to_json()), Some(exception));
    }
});
