//! The benchmark lab: builds the guest once per allocator, measures the allocators against each other under
//! wasmtime and natively, and shows what came of it.
//!
//! Each file here knows one kind of measurement, or one way of showing; `results` is what lies between them.

mod clock;
mod density;
mod filled;
mod growth;
mod guest;
mod latency;
mod metadata;
mod modules;
mod native;
mod plan;
mod quantile;
mod report;
mod results;
mod sizes;
mod soak;
mod stamp;
mod summary;
mod times;
mod wasm;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use guest::Guest;
use plan::Plan;
use results::{Platform, Results};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// In the order in which they are shown.
const WASM: [&str; 10] = [
    "pageslab",
    "limit",
    "dlmalloc",
    "talc",
    "rlsf",
    "rlsf-small",
    "lol-alloc",
    "mimalloc-v2",
    "mimalloc-v3",
    "wasi-libc",
];
/// pageslab's modes: its cargo features that cost something on each call. No peers, and measured on wasm only.
const MODES: [&str; 2] = ["pageslab-checked", "pageslab-zero-on-free"];
const NATIVE: [&str; 9] = [
    "pageslab",
    "limit",
    "dlmalloc",
    "talc",
    "rlsf",
    "mimalloc-v2",
    "mimalloc-v3",
    "jemalloc",
    "glibc",
];

#[derive(Parser)]
#[command(
    name = "lab",
    about = "Measures pageslab against other allocators",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    measure: Measure,
}

#[derive(Subcommand)]
enum Command {
    /// Show the results of an earlier run
    Render {
        /// What `--json` wrote
        results: PathBuf,
        #[command(flatten)]
        show: Show,
    },
    /// Hold many instances of a precompiled module, and print what they take
    #[command(hide = true)]
    HoldInstances { module: PathBuf, instances: u64 },
}

#[derive(Args)]
struct Measure {
    /// Fewer rounds and fewer points: minutes, and rougher figures
    #[arg(long)]
    quick: bool,
    /// Measure only what has this in its name: workloads are group/case, the other parts are growth, latency, soak,
    /// density and sizes
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Measure only these, separated by commas: in quick runs pageslab's modes are measured only if they are among them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    allocators: Vec<String>,
    /// Measure only there
    #[arg(long)]
    only: Option<Where>,
    /// Leave out the whole programs, whose modules take long to build
    #[arg(long)]
    no_programs: bool,
    /// Write the results here, for `lab render`
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

#[derive(Args)]
struct Show {
    /// Write a report with charts here
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Write the README's chart here
    #[arg(long, value_name = "PATH")]
    chart: Option<PathBuf>,
    /// Write the chart of the soak here
    #[arg(long, value_name = "PATH")]
    soak_chart: Option<PathBuf>,
    /// Print the README's tables, in Markdown
    #[arg(long)]
    markdown: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Where {
    Wasm,
    Native,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Render { results, show }) => {
            let text = std::fs::read(results)
                .with_context(|| format!("cannot read {}", results.display()))?;
            let results = serde_json::from_slice(&text)
                .with_context(|| format!("{} has no results", results.display()))?;
            show.show(&results)
        }
        Some(Command::HoldInstances { module, instances }) => density::hold(module, *instances),
        None => {
            let results = cli.measure.measure()?;
            if let Some(path) = &cli.measure.json {
                std::fs::write(path, serde_json::to_string_pretty(&results)?)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            cli.measure.show.show(&results)?;
            summary::soak::ensure_passed(&results)
        }
    }
}

impl Show {
    fn show(&self, results: &Results) -> Result<()> {
        summary::print(results, self.markdown);
        if let Some(path) = &self.html {
            report::write_html(results, path)?;
        }
        if let Some(path) = &self.chart {
            report::write_chart(results, path)?;
        }
        if let Some(path) = &self.soak_chart {
            report::write_soak(results, path)?;
        }
        Ok(())
    }
}

impl Measure {
    fn measure(&self) -> Result<Results> {
        for name in &self.allocators {
            let known = [&WASM[..], &MODES, &NATIVE].concat();
            ensure!(
                known.contains(&name.as_str()),
                "{name} is none of {}",
                known.join(", ")
            );
        }
        let plan = Plan {
            quick: self.quick,
            filter: self.filter.clone(),
        };
        let mut missing = BTreeMap::new();
        let mut platforms = Vec::new();
        if self.only != Some(Where::Native) {
            platforms.push(self.under_wasmtime(&plan, &mut missing)?);
        }
        if self.only != Some(Where::Wasm) {
            platforms.push(self.natively(&plan, &mut missing)?);
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let arguments = std::env::args().skip(1);
        let command: Vec<String> = std::iter::once("lab".into()).chain(arguments).collect();
        Ok(Results {
            date: metadata::date(),
            machine: metadata::machine(),
            command: command.join(" "),
            rounds: plan.rounds(),
            versions: metadata::versions(&root),
            missing,
            platforms,
        })
    }

    /// Those of a platform's allocators that are asked for.
    fn names(&self, all: &[&'static str]) -> Vec<&'static str> {
        let wanted = |name: &str| self.allocators.iter().any(|wanted| wanted == name);
        let mut names = all.to_vec();
        names.retain(|name| self.allocators.is_empty() || wanted(name));
        names
    }

    /// The modes that are asked for.
    fn modes(&self) -> Vec<&'static str> {
        if self.quick && self.allocators.is_empty() {
            return Vec::new();
        }
        self.names(&MODES)
    }

    /// Whether an allocator has a soak.
    fn soaks(&self, name: &str) -> bool {
        !self.allocators.is_empty() || soak::COMPARED.contains(&name)
    }

    fn under_wasmtime(
        &self,
        plan: &Plan,
        missing: &mut BTreeMap<String, String>,
    ) -> Result<Platform> {
        let mut names = self.names(&WASM);
        names.extend(self.modes());
        let programs = !self.no_programs && plan.wants_programs();
        let (built, failed) = modules::wasm(&names, programs)?;
        let failed = failed.into_iter();
        missing.extend(failed.map(|(peer, reason)| (format!("{peer} on wasm32"), reason)));
        let files: Vec<(&str, &Path)> = built
            .iter()
            .map(|built| (built.name.as_str(), built.synthetic.as_path()))
            .collect();
        let with_programs: Vec<(&str, &Path)> = built
            .iter()
            .filter_map(|built| Some((built.name.as_str(), built.programs.as_deref()?)))
            .collect();
        let mut workloads = wasm::workloads(plan, &files);
        workloads.extend(wasm::programs(plan, &with_programs)?);
        let (modes, allocators) = built
            .iter()
            .map(|built| built.name.clone())
            .partition(|name| MODES.contains(&name.as_str()));
        // All that is not a workload or a size compares peers.
        let mut files = files;
        files.retain(|(name, _)| !MODES.contains(name));
        let mut platform = Platform {
            name: "wasm32-wasip1 under wasmtime".into(),
            allocators,
            modes,
            workloads,
            growth: Vec::new(),
            latencies: Vec::new(),
            densities: Vec::new(),
            sizes: Vec::new(),
            soaks: Vec::new(),
        };
        if plan.wants("growth") || plan.wants("latency") || plan.wants("soak") {
            let compile = |(name, file)| (name, Guest::compile(file, false));
            let guests: Vec<(&str, Result<Guest>)> = files.iter().copied().map(compile).collect();
            if plan.wants("growth") {
                platform.growth = growth::measure(plan, &guests);
            }
            if plan.wants("latency") {
                platform.latencies = latency::measure(plan, &guests);
            }
            if plan.wants("soak") {
                let mut guests = guests;
                guests.retain(|(name, _)| self.soaks(name));
                platform.soaks = soak::measure(plan, &guests);
            }
        }
        if plan.wants("density") {
            platform.densities = density::measure(plan, &files);
        }
        if plan.wants("sizes") {
            platform.sizes = sizes::measure(&names);
        }
        Ok(platform)
    }

    fn natively(&self, plan: &Plan, missing: &mut BTreeMap<String, String>) -> Result<Platform> {
        let (built, failed) = modules::native(&self.names(&NATIVE))?;
        let failed = failed.into_iter();
        missing.extend(failed.map(|(peer, reason)| (format!("{peer}, natively"), reason)));
        Ok(Platform {
            name: "native".into(),
            workloads: native::workloads(plan, &built)?,
            allocators: built.into_iter().map(|(name, _)| name).collect(),
            modes: Vec::new(),
            growth: Vec::new(),
            latencies: Vec::new(),
            densities: Vec::new(),
            sizes: Vec::new(),
            soaks: Vec::new(),
        })
    }
}
