//! The workloads under Node, that is V8, in which most guests of the world run: the modules that wasmtime runs, each in a
//! process of its own with node:wasi (`node.mjs`), of those allocators that most people choose, and without the whole programs.
//! Memory is the same as under wasmtime, and is not measured again.
//!
//! V8 compiles each function twice: at once with Liftoff, and with TurboFan when it has run often. No flag chooses between
//! them here: users have none, and newer versions of V8 optimize by what Liftoff's code has seen. Instead each workload
//! first runs for a tenth of a second, when what is hot is TurboFan's. Seen with V8 11.3 and 13.6: the time of a run falls
//! for 20 to 40 ms; then it is what `--no-liftoff` has, or a little less. Liftoff's code alone takes up to four times as
//! long.

use crate::plan::Plan;
use crate::process::{Player, cells};
use crate::progress::step;
use crate::results::Workload;
use anyhow::{Context, Result, ensure};
use lab_toolchain::{lab, on_path};
use lab_workloads::Kind;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// None that changes how wasm runs.
const FLAGS: [&str; 2] = ["--no-warnings", "--expose-gc"];

/// Node, with the versions of it and of V8.
pub struct Node {
    program: PathBuf,
    pub versions: [(&'static str, String); 2],
}

impl Node {
    /// The one that is there.
    pub fn find() -> Result<Self> {
        let program = on_path("node").context("there is no node on the path")?;
        let version = |expression| -> Result<String> {
            let mut command = Command::new(&program);
            let output = command.args(["-p", expression]).output()?;
            ensure!(output.status.success(), "node does not run");
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
        };
        let versions = [
            ("node", version("process.versions.node")?),
            ("V8", version("process.versions.v8")?),
        ];
        Ok(Self { program, versions })
    }

    /// A process for each allocator.
    fn players(&self, files: &[(&str, &Path)]) -> Vec<Player> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node.mjs");
        let start = |(name, module): &(&str, &Path)| {
            let mut command = Command::new(&self.program);
            command.args(FLAGS).arg(&script).arg(module);
            Player::new(name, command)
        };
        files.iter().map(start).collect()
    }

    /// The synthetic workloads and traces that the plan wants.
    pub fn workloads(&self, plan: &Plan, files: &[(&str, &Path)]) -> Result<Vec<Workload>> {
        let mut players = self.players(files);
        let measure = |workload: lab_workloads::Workload| {
            step(&workload.name);
            let question = format!("load {}", question(&workload.kind)?);
            Ok(Workload {
                calls: workload.calls as u64,
                peak: workload.peak,
                cells: cells(&mut players, Some(&question), "run"),
                name: workload.name,
            })
        };
        plan.workloads().into_iter().map(measure).collect()
    }
}

/// What the script is to load. Inputs are in a file, which each process has read before the next workload's is written.
fn question(kind: &Kind) -> Result<Value> {
    Ok(match kind {
        Kind::PairConstant { count } => json!({ "kind": "pairs_constant", "count": count }),
        Kind::Pair { size, count } => json!({ "kind": "pairs", "size": size, "count": count }),
        Kind::Growth { end } => json!({ "kind": "growth", "size": end }),
        Kind::Batch { size, order } => {
            let file = input(order.iter().copied())?;
            json!({ "kind": "batch", "size": size, "count": order.len(), "file": file })
        }
        Kind::Script { slots, steps } => {
            let file = input(steps.iter().flat_map(|step| step.words()))?;
            json!({ "kind": "script", "count": steps.len(), "slots": slots, "file": file })
        }
    })
}

fn input(words: impl IntoIterator<Item = u32>) -> Result<PathBuf> {
    let file = lab("node.input");
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
