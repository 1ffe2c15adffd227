//! A place to run our programs in: a folder of its own, and an environment with nothing of the machine's.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::running::{Ended, Running};

/// One of our programs.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// The executable.
    Apium,
    /// `examples/adder.rs`.
    Adder,
    /// `examples/probe.rs`.
    Probe,
}

/// A temporary folder in which programs run.
pub(crate) struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let diaries = folder.path().join("diaries");
        std::fs::create_dir(&diaries).unwrap();
        Self { folder, environment: vec![("PROBE_DIARY".to_owned(), diaries.display().to_string())] }
    }

    /// A place where every program finds this broker.
    pub(crate) fn on(broker: &str) -> Self {
        Self::new().with("APIUM_BROKER", broker)
    }

    /// The same with one more environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The broker that programs find here.
    pub(crate) fn broker(&self) -> String {
        let named = self.environment.iter().find(|(name, _)| name == "APIUM_BROKER").map(|(_, url)| url.clone());
        named.unwrap_or_else(|| format!("sqlite:{}", self.path("apium-data/apium.db").display()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command that is still to be started.
    pub(crate) fn command(&self, program: Program, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.path());
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a program that runs on.
    pub(crate) fn start(&self, program: Program, arguments: &[&str]) -> Running {
        Running::start(self.command(program, arguments))
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: Program, arguments: &[&str]) -> Ended {
        self.start(program, arguments).ended()
    }
}

impl Program {
    fn path(self) -> PathBuf {
        let example = |name: &str| {
            // target/debug/deps/it-… → target/debug/examples/name; both are built for a test run.
            let deps = std::env::current_exe().unwrap();
            let path = deps.parent().and_then(Path::parent).unwrap().join("examples").join(name);
            assert!(path.exists(), "{} is not built: run `cargo build --examples -p apium-cli`", path.display());
            path
        };
        match self {
            Self::Apium => PathBuf::from(env!("CARGO_BIN_EXE_apium")),
            Self::Adder => example("adder"),
            Self::Probe => example("probe"),
        }
    }
}
