//! Reads strangers' files in a child process of the same program, where a crash, a bomb or an endless
//! loop costs one child and nothing else.
//!
//! The child gets an empty environment, its own process group, and hard limits it sets upon itself
//! before it looks at the first byte: memory, processor time, no new files or sockets, no core dump.
//! The parent adds the limits only it can keep: wall time and the size of the answer. The executable
//! must call [`child_main`] when its first argument is [`ARGUMENT`].

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::collectors::metadata::{self, Parsed};

/// The first argument that turns the program into a parser.
pub const ARGUMENT: &str = "sandbox-parse";

/// Largest file a child reads, in bytes.
const MAX_INPUT: u64 = 64 << 20;
/// How much of a dying child's complaint is kept, in bytes.
const MAX_COMPLAINT: u64 = 4_096;

/// What a child may use.
#[derive(Debug, Clone)]
pub struct SandboxLimits {
    /// The program to start; `None` means this very one.
    pub program: Option<PathBuf>,
    /// Address space in bytes. Default: 512 MiB.
    pub memory: u64,
    /// Processor time, in whole seconds. Default: 5 s.
    pub cpu: Duration,
    /// Time from start to answer. Default: 10 s.
    pub wall: Duration,
    /// Largest answer in bytes. Default: 1 MiB.
    pub output: u64,
}

/// Why a file was not read, as sentences for the person who asked for the scan.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The child could not be started or watched.
    #[error("No se ha podido arrancar el analizador de ficheros: {0}.")]
    Start(#[from] std::io::Error),
    /// It took too long.
    #[error("El fichero no se ha podido analizar en {} s y se ha abandonado.", .0.as_secs_f32())]
    Timeout(Duration),
    /// It used up its processor time.
    #[error("El análisis del fichero ha agotado sus {} s de procesador.", .0.as_secs())]
    Cpu(Duration),
    /// It wanted more memory than allowed.
    #[error("El análisis del fichero necesita más de {} MiB de memoria; puede ser una bomba.", .0 >> 20)]
    Memory(u64),
    /// It answered with more than allowed.
    #[error("El análisis del fichero devuelve más de {0} bytes y se ha descartado.")]
    Output(u64),
    /// It died, or answered nonsense.
    #[error("El analizador ha fallado con este fichero ({0}).")]
    Crash(String),
    /// It read the file and found nothing it understands.
    #[error("{0}")]
    Unreadable(String),
}

/// What a child writes, as one JSON object.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Parsed(Box<Parsed>),
    Unreadable(String),
    Memory,
    Crash(String),
}

/// What keeps mimalloc, should the program have it, from reserving a GiB at its start: that is more than a child may have.
const LIMITABLE: (&str, &str) = ("MIMALLOC_DISALLOW_ARENA_ALLOC", "1");

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            program: None,
            memory: 512 << 20,
            cpu: Duration::from_secs(5),
            wall: Duration::from_secs(10),
            output: 1 << 20,
        }
    }
}

/// Parses `bytes` in a child process. Dropping the future kills the child.
///
/// Call it from a thread that outlives the child (any runtime worker does): the system ends the
/// child when the thread that started it ends.
///
/// # Errors
/// [`SandboxError`]; each concerns this file only.
pub async fn parse(bytes: &[u8], limits: &SandboxLimits) -> Result<Parsed, SandboxError> {
    let program = match &limits.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?,
    };
    let mut command = CommandWrap::with_new(program, |command| {
        command
            .args([ARGUMENT, &limits.memory.to_string(), &limits.cpu.as_secs().to_string()])
            .env_clear()
            .env(LIMITABLE.0, LIMITABLE.1)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    });
    command.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
    let mut child = command.spawn()?;
    let talk = converse(child.as_mut(), bytes, limits.output);
    let outcome = tokio::time::timeout(limits.wall, talk).await;
    if !matches!(outcome, Ok(Ok(_))) {
        // It may have ended by itself meanwhile, which is as good.
        let _ = child.start_kill();
        child.wait().await?;
    }
    let (status, answer, complaint) = outcome.map_err(|_| SandboxError::Timeout(limits.wall))??;
    if !status.success() {
        return Err(cause_of_death(status, &complaint, limits));
    }
    match serde_json::from_slice(&answer) {
        Ok(Verdict::Parsed(parsed)) => Ok(*parsed),
        Ok(Verdict::Unreadable(sentence)) => Err(SandboxError::Unreadable(sentence)),
        Ok(Verdict::Memory) => Err(SandboxError::Memory(limits.memory)),
        Ok(Verdict::Crash(why)) => Err(SandboxError::Crash(why)),
        Err(_) => Err(SandboxError::Crash("su respuesta no se entiende".to_owned())),
    }
}

/// The child's side: limits itself, reads one file from standard input and writes one JSON object to
/// standard output. Its arguments after [`ARGUMENT`] are the limits in bytes and seconds.
pub fn child_main() -> ExitCode {
    let mut arguments = std::env::args().skip(2).map_while(|argument| argument.parse().ok());
    let default = SandboxLimits::default();
    let memory = arguments.next().unwrap_or(default.memory);
    let cpu = arguments.next().unwrap_or(default.cpu.as_secs());
    if let Err(e) = confine(memory, cpu) {
        eprintln!("el analizador no puede limitarse a sí mismo: {e}");
        return ExitCode::FAILURE;
    }
    // A panic becomes part of the verdict; its usual text would only fill the parent's pipe.
    std::panic::set_hook(Box::new(|_| {}));
    let verdict = std::panic::catch_unwind(judge).unwrap_or_else(|_| Verdict::Crash("error interno".to_owned()));
    let written = serde_json::to_vec(&verdict)
        .map_err(std::io::Error::other)
        .and_then(|json| std::io::stdout().lock().write_all(&json));
    if written.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn judge() -> Verdict {
    let mut bytes = Vec::new();
    match std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MAX_INPUT => {
            Verdict::Unreadable(format!("El fichero supera los {MAX_INPUT} bytes y no se analiza."))
        }
        Ok(_) => match metadata::parse(&bytes) {
            Ok(parsed) => Verdict::Parsed(Box::new(parsed)),
            Err(sentence) => Verdict::Unreadable(sentence),
        },
        Err(e) if e.kind() == std::io::ErrorKind::OutOfMemory => Verdict::Memory,
        Err(e) => Verdict::Crash(e.to_string()),
    }
}

fn confine(memory: u64, cpu: u64) -> nix::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::{prctl, signal::Signal};
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        prctl::set_no_new_privs()?;
        prctl::set_dumpable(false)?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_AS, memory, memory)?;
    // The soft limit names the cause (SIGXCPU), the hard one cannot be caught.
    setrlimit(Resource::RLIMIT_CPU, cpu, cpu + 1)?;
    // The streams that are open stay open; nothing more is opened, no file and no socket, not even in the place
    // of a stream that was closed.
    setrlimit(Resource::RLIMIT_NOFILE, 0, 0)
}

/// Feeds the child and listens to it, until it ends by itself.
async fn converse(
    child: &mut dyn ChildWrapper,
    bytes: &[u8],
    cap: u64,
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), SandboxError> {
    let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(SandboxError::Crash("no tiene entrada ni salida".to_owned()));
    };
    let feed = async move {
        // A child that dies before it has read everything breaks the pipe; its status says why.
        let _ = stdin.write_all(bytes).await;
        let _ = stdin.shutdown().await;
        Ok(())
    };
    let listen = async move {
        let mut answer = Vec::new();
        stdout.take(cap + 1).read_to_end(&mut answer).await?;
        if answer.len() as u64 > cap { Err(SandboxError::Output(cap)) } else { Ok(answer) }
    };
    let complain = async move {
        let mut complaint = Vec::new();
        let mut stderr = stderr.take(MAX_COMPLAINT);
        stderr.read_to_end(&mut complaint).await?;
        // The rest is read too, or a talkative child would wait for ever.
        tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await?;
        Ok::<_, SandboxError>(complaint)
    };
    let ((), answer, complaint) = tokio::try_join!(feed, listen, complain)?;
    Ok((child.wait().await?, answer, complaint))
}

fn cause_of_death(status: ExitStatus, complaint: &[u8], limits: &SandboxLimits) -> SandboxError {
    use std::os::unix::process::ExitStatusExt;
    let complaint = String::from_utf8_lossy(complaint);
    let signal = status.signal().and_then(|number| nix::sys::signal::Signal::try_from(number).ok());
    match signal {
        Some(nix::sys::signal::Signal::SIGXCPU) => SandboxError::Cpu(limits.cpu),
        _ if complaint.contains("memory allocation of") => SandboxError::Memory(limits.memory),
        Some(signal) => SandboxError::Crash(format!("ha muerto por {signal}")),
        None => SandboxError::Crash(match complaint.lines().next() {
            Some(line) => line.chars().filter(|c| !c.is_control()).take(200).collect(),
            None => format!("ha terminado con {status}"),
        }),
    }
}
