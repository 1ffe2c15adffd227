//! What can be set about bodies.

use std::path::PathBuf;

use crate::compression::Compression;
use crate::serializer::Serializer;

/// How bodies are packed, and which are opened; Celery's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySettings {
    /// What is read of messages. Default: JSON alone.
    pub accept_content: Vec<Serializer>,
    /// What messages are written in unless a signature says otherwise. Default JSON.
    pub task_serializer: Serializer,
    /// How messages are compressed unless a signature says otherwise. Default: not at all.
    pub task_compression: Option<Compression>,
    /// What results are stored in: JSON, msgpack or YAML. Default JSON. Celery's workers and callers must be set alike.
    pub result_serializer: Serializer,
    /// How results are compressed, which Celery reads since 5.7. Default: not at all.
    pub result_compression: Option<Compression>,
    /// The most bytes that anything compressed may have once it is unpacked. Default 64 MiB.
    pub largest_body: usize,
    /// The certificates whose signatures are believed: a folder, or a file, or a folder with a pattern such as
    /// `certs/*.pem` (Celery's `security_cert_store`). Without it, no signed body is read.
    pub security_cert_store: Option<PathBuf>,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self {
            accept_content: vec![Serializer::Json],
            task_serializer: Serializer::Json,
            task_compression: None,
            result_serializer: Serializer::Json,
            result_compression: None,
            largest_body: 64 << 20,
            security_cert_store: None,
        }
    }
}
