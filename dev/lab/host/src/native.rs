//! The workloads natively: a process per allocator (`dev/lab/guest/src/native.rs`).

use crate::plan::Plan;
use crate::process::{Player, cells, programs};
use crate::progress::step;
use crate::results::Workload;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The workloads that the plan wants, then the whole programs.
pub fn workloads(plan: &Plan, files: &[(String, PathBuf)]) -> Vec<Workload> {
    let start = |(name, file): &(String, PathBuf)| Player::new(name, Command::new(file));
    let mut players: Vec<Player> = files.iter().map(start).collect();
    let mut results = Vec::new();
    for (number, workload) in lab_workloads::all().into_iter().enumerate() {
        results.push((
            format!("run {number}"),
            Workload {
                name: workload.name,
                calls: workload.calls as u64,
                peak: workload.peak,
                cells: BTreeMap::new(),
            },
        ));
    }
    for (number, program) in programs(&mut players).into_iter().enumerate() {
        results.push((
            format!("program {number}"),
            Workload {
                name: format!("program/{program}"),
                calls: 0,
                peak: 0,
                cells: BTreeMap::new(),
            },
        ));
    }
    results.retain(|(_, workload)| plan.wants(&workload.name));
    for (question, workload) in &mut results {
        step(&workload.name);
        workload.cells = cells(&mut players, None, question);
    }
    results.into_iter().map(|(_, workload)| workload).collect()
}
