//! A Python peer: a real Celery of one version, as worker, as caller, and as a script.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::Place;
use crate::running::Running;

/// A Python interpreter that has one Celery version installed.
pub(crate) struct Python {
    interpreter: PathBuf,
    conf: &'static str,
}

impl Python {
    /// The interpreter for `5.7` and its like: what `APIUM_PYTHON_5_7` names, else the one `cargo xtask setup` made.
    pub(crate) fn with_celery(series: &str) -> Self {
        let variable = format!("APIUM_PYTHON_{}", series.replace('.', "_"));
        let made = || root().join(format!(".venvs/celery-{series}/bin/python"));
        let interpreter = std::env::var_os(&variable).map_or_else(made, PathBuf::from);
        assert!(
            interpreter.exists(),
            "this test needs a Python with Celery {series}, and {} is not there: run cargo xtask setup, or name one \
             in {variable}",
            interpreter.display()
        );
        Self { interpreter, conf: "{}" }
    }

    /// The same with further settings of Celery, as JSON.
    pub(crate) fn set(self, conf: &'static str) -> Self {
        Self { conf, ..self }
    }

    /// A command of this interpreter in the folder of our Python programs.
    pub(crate) fn command(&self, redis: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.interpreter);
        command.args(arguments).current_dir(root().join("interop")).stdin(Stdio::null());
        command.env("APIUM_REDIS", redis).env("C_FORCE_ROOT", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("APIUM_CONF", self.conf);
        command
    }

    /// Starts a stock Celery worker on these queues and waits until it consumes.
    pub(crate) fn worker(&self, redis: &str, queues: &str, transport: &str) -> Running {
        let arguments =
            ["-m", "celery", "-A", "app", "worker", "-P", "solo", "-n", "python@%h", "-l", "INFO", "-Q", queues];
        let mut command = self.command(redis, &arguments);
        command.args(["--without-gossip", "--without-mingle"]).env("APIUM_TRANSPORT", transport);
        let mut worker = Running::start(command);
        worker.until_says("ready.");
        worker
    }
}

/// The folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A worker of ours on a Redis, with the tests' tasks.
pub(crate) fn our_worker(place: &Place, further: &[&str]) -> Running {
    let arguments: Vec<&str> = ["worker", "-n", "ours@%h"].iter().chain(further).copied().collect();
    let mut worker = place.start(crate::place::Program::Probe, &arguments);
    worker.until_says("Ctrl-C stops.");
    worker
}
