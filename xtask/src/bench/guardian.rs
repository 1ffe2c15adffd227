//! Other programs in process groups of their own, of which none outlives the bench, however the bench ends.
//!
//! A small shell, in a group of its own too, is told of every group and reads until its input is closed. That happens when
//! the bench ends, at Ctrl-C and by SIGKILL as well, and then it kills what is left.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::shell::Failure;

/// Reads `+ GROUP` and `- GROUP`; at the end of its input kills the groups it still knows, and removes the folders.
const SCRIPT: &str = r#"
groups=
while read -r sign group; do
  kept=
  for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
  [ "$sign" = + ] && kept="$kept $group"
  groups=$kept
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$@"
"#;

/// Starts programs, and holds the folders they work in.
#[derive(Clone)]
pub(crate) struct Guardian {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    disk: PathBuf,
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

/// A program and all it has started; killed when dropped.
pub(crate) struct Group {
    /// The first process, whose id is the group's.
    pub(crate) child: Child,
    guardian: Guardian,
}

impl Guardian {
    /// One with two folders of its own, which go with it: one in memory where there is such a place, one on a disk.
    ///
    /// # Errors
    /// When a folder or the shell cannot be made.
    pub(crate) fn new(folder: PathBuf, disk: PathBuf) -> Result<Self, Failure> {
        for made in [&folder, &disk] {
            fs::create_dir_all(made)
                .map_err(|error| Failure::new(format!("cannot make {}: {error}.", made.display())))?;
        }
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([&folder, &disk])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(format!("`sh` could not be started: {error}.")))?;
        let orders = shell.stdin.take().ok_or_else(|| Failure::new("the shell has no input."))?;
        Ok(Self { inner: Arc::new(Inner { folder, disk, shell: Mutex::new(Some((shell, orders))) }) })
    }

    /// Its folder for ledgers and logs.
    pub(crate) fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Its folder for what a peer keeps on a disk.
    pub(crate) fn disk(&self) -> &Path {
        &self.inner.disk
    }

    /// Starts a program in a group of its own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Group, Failure> {
        let child = command.process_group(0).spawn().map_err(|error| {
            Failure::new(format!("`{}` could not be started: {error}.", command.get_program().display()))
        })?;
        self.tell('+', child.id());
        Ok(Group { child, guardian: self.clone() })
    }

    fn tell(&self, sign: char, group: u32) {
        let mut shell = self.inner.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, orders)) = shell.as_mut() {
            drop(writeln!(orders, "{sign} {group}"));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut shell, orders)) = shell {
            drop(orders);
            drop(shell.wait());
        }
    }
}

impl Group {
    /// The group's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How its first process ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let line = format!("kill -s KILL -- -{} 2>/dev/null", self.id());
        drop(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).status());
        drop(self.child.wait());
        self.guardian.tell('-', self.id());
    }
}
