//! `routes` says where tasks go and why, and what of it is hardly meant.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use apium_core::routing::{Finding, Route, Why};
use serde_json::{Value, json};

use super::{Invocation, verify};
use crate::arguments;
use crate::failure::Failure;
use crate::output;
use crate::settings::{self, shown};
use crate::stderr::say;

/// What is known of tasks and of who consumes.
struct Known {
    tasks: BTreeSet<String>,
    consumed: Vec<String>,
}

/// Says where a task goes; exits with 1 when it goes nowhere.
pub(crate) fn explain(invocation: &Invocation) -> Result<ExitCode, Failure> {
    let task = arguments::name(&invocation.matches, "task")?.unwrap_or_default();
    let queue = arguments::name(&invocation.matches, "queue")?;
    let asked = queue.map_or_else(Route::default, Route::queue);
    let explanation =
        invocation.app.routes().explain(&task, &asked).map_err(|error| Failure::new(error.to_string()))?;
    let to = &explanation.destination;
    if invocation.json {
        let passed_over = explanation.passed_over.iter().map(|(rule, to)| json!({"rule": rule, "to": to}));
        output::json(&json!({
            "task": task,
            "queues": to.arrives,
            "exchange": to.exchange,
            "routing_key": to.routing_key,
            "priority": to.priority,
            "decided_by": decided_by(&to.why),
            "rule": match &to.why { Why::Rule(pattern) => Some(pattern), _ => None },
            "passed_over": passed_over.collect::<Vec<_>>(),
            "sentence": explanation.to_string(),
        }))?;
    } else {
        output::line(&explanation.to_string())?;
    }
    Ok(if to.arrives.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Tells what is hardly meant; exits with 1 when there is something.
pub(crate) async fn check(invocation: Invocation) -> Result<ExitCode, Failure> {
    let known = known(&invocation).await?;
    let tasks: Vec<String> = known.tasks.into_iter().collect();
    let routes = invocation.app.routes();
    let findings = routes.check(&tasks, Some(&known.consumed));
    if invocation.json {
        output::json(&json!({"findings": findings.iter().map(told).collect::<Vec<_>>()}))?;
    } else {
        findings.iter().try_for_each(|finding| output::line(&finding.to_string()))?;
        let rules = routes.rules().count();
        say(&format!("{} findings in {rules} rules and {} tasks", findings.len(), tasks.len()));
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn known(invocation: &Invocation) -> Result<Known, Failure> {
    let named = invocation.matches.get_one::<String>("tasks-from").map(|path| names_in(Path::new(path))).transpose()?;
    let listed = named.is_some();
    let mut tasks = named.unwrap_or_else(|| invocation.app.registry().names()).into_iter().collect::<BTreeSet<_>>();
    let given = arguments::names("consumed", invocation.words("consumed"))?;
    if !given.is_empty() {
        return Ok(Known { tasks, consumed: given });
    }
    let unasked = |failure: Failure| Failure::new(format!("{failure} (with --consumed QUEUES no worker is asked)"));
    let workers = invocation.look().await.map_err(unasked)?.broker.workers().await?;
    if workers.is_empty() {
        say("no Apium worker is alive, so that nobody consumes; --consumed QUEUES checks before one is");
    }
    if !listed {
        // Every worker knows it, and `verify` names its queue.
        let known = workers.iter().flat_map(|worker| worker.tasks.clone());
        tasks.extend(known.filter(|task| task != verify::TASK));
    }
    Ok(Known { tasks, consumed: workers.into_iter().flat_map(|worker| worker.queues).collect() })
}

/// The names in a file, one a line; empty lines and those that begin with `#` are none.
fn names_in(path: &Path) -> Result<Vec<String>, Failure> {
    let shown = shown(&path.display().to_string());
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--tasks-from {shown} cannot be read: {error}")))?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let named = |name: &str| match settings::name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(why) => Err(Failure::usage(format!("a task in {shown} {why}"))),
    };
    names.map(named).collect()
}

fn told(finding: &Finding) -> Value {
    let mut told = serde_json::to_value(finding).unwrap_or_default();
    if let Some(entries) = told.as_object_mut() {
        entries.insert("sentence".to_owned(), json!(finding.to_string()));
    }
    told
}

fn decided_by(why: &Why) -> &'static str {
    match why {
        Why::Sender => "sender",
        Why::Task => "task",
        Why::Rule(_) => "rule",
        Why::Function => "function",
        Why::Default => "default",
    }
}
