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
mod misuse;
mod modules;
mod native;
mod node;
mod plan;
mod process;
mod progress;
mod quantile;
mod real;
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
use modules::Built;
use node::Node;
use plan::{PROGRAM_SIZES, Plan};
use progress::stage;
use results::{DLMALLOC, Platform, Results, UNDER_NODE, UNDER_WASMTIME};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use summary::compact::CHOICE;

/// In the order in which they are shown: what matters most to a user first, since a terminal has no room for all.
const WASM: [&str; 14] = [
    "pageslab",
    "dlmalloc",
    "talc",
    "rlsf",
    "mimalloc-v3",
    "wasi-libc",
    "mimalloc-v2",
    "lol-alloc",
    "rlsf-small",
    "rusty-alloc",
    "picoalloc",
    "talc-small",
    ARENA,
    "limit",
];
/// That of them which has a fixed arena, with which the module starts. What depends on how memory grows is not for it.
pub const ARENA: &str = "talc-arena";
/// pageslab's modes: its cargo features that make a difference to each call. No peers, and measured on wasm only.
const MODES: [&str; 3] = [
    "pageslab-inline",
    "pageslab-checked",
    "pageslab-zero-on-free",
];
const NATIVE: [&str; 9] = [
    "pageslab",
    "dlmalloc",
    "talc",
    "mimalloc-v3",
    "jemalloc",
    "glibc",
    "rlsf",
    "mimalloc-v2",
    "limit",
];

/// One more, whose code alone is measured: it is the same, but for what the C library calls.
const PAGESLAB_C: &str = "pageslab-c";

/// Those that a quick run leaves out, unless they are asked for by name: the modes are of no use without the whole programs,
/// jemalloc takes minutes to build, and few people choose the others.
const FULL_ONLY: [&str; 9] = [
    MODES[0],
    MODES[1],
    MODES[2],
    PAGESLAB_C,
    "jemalloc",
    "rusty-alloc",
    "picoalloc",
    "talc-small",
    ARENA,
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
    /// Make a program's mistakes with each allocator, and print what is found of them
    Misuse,
    /// Run programs of other people with each allocator, and print what they take
    Real(real::Options),
    /// Hold many instances of a precompiled module, and print what they take
    #[command(hide = true)]
    HoldInstances { module: PathBuf, instances: u64 },
}

#[derive(Args)]
struct Measure {
    /// The whole programs, Node, pageslab's modes, growth, latencies, a long soak and all peers as well: most of an hour
    #[arg(long)]
    full: bool,
    /// Measure only what has this in its name: workloads are group/case, the other parts are growth, latency, soak,
    /// density, sizes and sizes of programs. What is named so is measured in a quick run, too
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Measure only these, separated by commas, and dlmalloc, to which all are compared. In a quick run pageslab's modes,
    /// jemalloc and what few people choose are measured only if they are among them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    allocators: Vec<String>,
    /// Measure only there
    #[arg(long)]
    only: Option<Where>,
    /// Write the results here, for `lab render`
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// The command that the results name as theirs
    #[arg(long, hide = true)]
    called_as: Option<String>,
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
    /// Print all tables, workload by workload, however wide they are, as is done of runs with a filter
    #[arg(long)]
    tables: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Where {
    /// Under wasmtime
    Wasm,
    /// The same modules under Node, in a quick run, too
    Node,
    Native,
}

/// An error is for a person to read: what went wrong, from the outside in, without a trace of this program.
fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Some(Command::Render { results, show }) => {
            let text = std::fs::read(results)
                .with_context(|| format!("cannot read {}", results.display()))?;
            let mut results: Results = serde_json::from_slice(&text)
                .with_context(|| format!("{} has no results", results.display()))?;
            arrange(&mut results);
            show.show(&results, false)
        }
        Some(Command::HoldInstances { module, instances }) => density::hold(module, *instances),
        Some(Command::Misuse) => misuse::run_all(),
        Some(Command::Real(options)) => options.run(),
        None => {
            let results = cli.measure.measure()?;
            if let Some(path) = &cli.measure.json {
                report::write(path, &serde_json::to_string_pretty(&results)?)?;
            }
            // Whoever asks for a part wants to see all of it.
            let has_all = !cli.measure.filter.is_empty();
            cli.measure.show.show(&results, has_all)?;
            summary::soak::ensure_passed(&results)
        }
    }
}

/// Puts the allocators of older results into today's order.
fn arrange(results: &mut Results) {
    for platform in &mut results.platforms {
        let order = if summary::figures::is_wasm(platform) {
            &WASM[..]
        } else {
            &NATIVE
        };
        let place = |name: &String| order.iter().position(|known| known == name);
        platform
            .allocators
            .sort_by_key(|name| place(name).unwrap_or(order.len()));
    }
}

impl Show {
    fn show(&self, results: &Results, has_all: bool) -> Result<()> {
        if let Some(path) = &self.html {
            report::write(path, &report::html(results)?)?;
        }
        if let Some(path) = &self.chart {
            report::write(path, &report::chart(results)?)?;
        }
        if let Some(path) = &self.soak_chart {
            report::write(path, &report::soak(results)?)?;
        }
        let path = self.html.as_ref().map(|path| path.display().to_string());
        let form = summary::Form {
            is_markdown: self.markdown,
            has_all: has_all || self.tables,
            report: path.as_deref(),
        };
        summary::print(results, form);
        Ok(())
    }
}

impl Measure {
    fn measure(&self) -> Result<Results> {
        for name in &self.allocators {
            let known = [&WASM[..], &MODES, &[PAGESLAB_C], &NATIVE].concat();
            ensure!(
                known.contains(&name.as_str()),
                "{name} is none of {}",
                known.join(", ")
            );
        }
        let plan = Plan {
            full: self.full,
            filter: self.filter.clone(),
        };
        let mut missing = BTreeMap::new();
        let mut platforms = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut versions = metadata::versions(&root);
        let is_wanted = |place| self.only.is_none_or(|only| only == place);
        if self.only != Some(Where::Native) {
            let built = self.modules(&plan, &mut missing)?;
            if is_wanted(Where::Wasm) {
                platforms.push(self.under_wasmtime(&plan, &built, &mut missing)?);
            }
            if is_wanted(Where::Node) && (self.full || self.only.is_some()) {
                match under_node(&plan, &built) {
                    Ok((platform, node)) => {
                        platforms.push(platform);
                        versions
                            .extend(node.versions.map(|(name, version)| (name.into(), version)));
                    }
                    Err(error) => {
                        missing.insert(UNDER_NODE.into(), format!("{error:#}"));
                    }
                }
            }
        }
        if is_wanted(Where::Native) {
            platforms.push(self.natively(&plan, &mut missing)?);
        }
        let arguments = std::env::args().skip(1);
        let command: Vec<String> = std::iter::once("lab".into()).chain(arguments).collect();
        Ok(Results {
            date: metadata::date(),
            machine: metadata::machine(),
            command: self.called_as.clone().unwrap_or(command.join(" ")),
            rounds: plan::ROUNDS,
            quick: !self.full && self.filter.is_empty() && self.allocators.is_empty(),
            versions,
            missing,
            platforms,
        })
    }

    /// Those of a platform's allocators that are asked for.
    fn names(&self, all: &[&'static str]) -> Vec<&'static str> {
        let is_wanted = |name: &str| {
            if self.allocators.is_empty() {
                return self.full || !FULL_ONLY.contains(&name);
            }
            let mut wanted = self.allocators.iter();
            name == DLMALLOC || wanted.any(|wanted| wanted == name)
        };
        let mut names = all.to_vec();
        names.retain(|name| is_wanted(name));
        names
    }

    /// Whether an allocator has a soak: few do, unless it is the soak that is asked for.
    fn soaks(&self, plan: &Plan, name: &str) -> bool {
        let is_asked = !self.allocators.is_empty() && !self.filter.is_empty();
        is_asked || plan.soaks().contains(&name)
    }

    /// The modules that wasmtime runs, and Node.
    fn modules(&self, plan: &Plan, missing: &mut BTreeMap<String, String>) -> Result<Vec<Built>> {
        let mut names = self.names(&WASM);
        names.extend(self.names(&MODES));
        let (built, failed) = stage("building the guests for wasm32-wasip1", || {
            modules::wasm(&names, plan.wants_program_modules())
        })?;
        let failed = failed.into_iter();
        missing.extend(failed.map(|(peer, reason)| (format!("{peer} on wasm32"), reason)));
        Ok(built)
    }

    fn under_wasmtime(
        &self,
        plan: &Plan,
        built: &[Built],
        missing: &mut BTreeMap<String, String>,
    ) -> Result<Platform> {
        let files = synthetic(built);
        let with_programs = with_programs(built);
        let mut workloads = stage("time under wasmtime", || wasm::workloads(plan, &files));
        if plan.wants_programs() {
            let programs = || wasm::programs(plan, &with_programs);
            workloads.extend(stage("time of whole programs under wasmtime", programs)?);
        }
        let (modes, allocators) = modes_and_allocators(built);
        // All that is not a workload or a size compares peers, and most of it how they grow.
        let mut files = files;
        files.retain(|(name, _)| !MODES.contains(name) && *name != ARENA);
        let mut platform = Platform {
            modes,
            workloads,
            ..Platform::new(UNDER_WASMTIME, allocators)
        };
        if ["growth", "latency", "soak"]
            .iter()
            .any(|part| plan.wants_part(part))
        {
            let compile = |(name, file)| (name, Guest::compile(file, false));
            let guests: Vec<(&str, Result<Guest>)> = files.iter().copied().map(compile).collect();
            if plan.wants_part("growth") {
                platform.growth = stage("growth", || growth::measure(&guests));
            }
            if plan.wants_part("latency") {
                platform.latencies = stage("latency", || latency::measure(&guests));
            }
            if plan.wants_part("soak") {
                let mut guests = guests;
                guests.retain(|(name, _)| self.soaks(plan, name));
                platform.soaks = stage("soak", || soak::measure(plan, &guests));
            }
        }
        if plan.wants_part("density") {
            platform.densities = stage("density", || density::measure(plan, &files));
        }
        if plan.wants_part("sizes") {
            let names: Vec<&str> = [self.names(&WASM), self.names(&MODES)].concat();
            match stage("module sizes", || sizes::smallest(&names)) {
                Ok(sizes) => platform.sizes = sizes,
                Err(error) => {
                    missing.insert("module sizes".into(), format!("{error:#}"));
                }
            }
        }
        if plan.wants_part(PROGRAM_SIZES) {
            platform.sizes.extend(sizes::programs(&with_programs));
            let mut names: Vec<&str> = built.iter().map(|built| built.name.as_str()).collect();
            let alone = self.names(&[PAGESLAB_C]);
            names.extend(&alone);
            match stage("sizes of a small program", || sizes::words(&names)) {
                Ok(sizes) => {
                    platform.sizes.extend(sizes);
                    platform.modes.extend(alone.into_iter().map(String::from));
                }
                Err(error) => {
                    missing.insert("sizes of a small program".into(), format!("{error:#}"));
                }
            }
        }
        Ok(platform)
    }

    fn natively(&self, plan: &Plan, missing: &mut BTreeMap<String, String>) -> Result<Platform> {
        let (built, failed) = stage("building the guests natively", || {
            modules::native(&self.names(&NATIVE))
        })?;
        let failed = failed.into_iter();
        missing.extend(failed.map(|(peer, reason)| (format!("{peer}, natively"), reason)));
        let workloads = stage("time natively", || native::workloads(plan, &built));
        let allocators = built.into_iter().map(|(name, _)| name).collect();
        Ok(Platform {
            workloads,
            ..Platform::new("native", allocators)
        })
    }
}

type Modules<'a> = Vec<(&'a str, &'a Path)>;

fn synthetic(built: &[Built]) -> Modules<'_> {
    let modules = built.iter();
    modules
        .map(|built| (built.name.as_str(), built.synthetic.as_path()))
        .collect()
}

fn with_programs(built: &[Built]) -> Modules<'_> {
    let modules = built.iter();
    modules
        .filter_map(|built| Some((built.name.as_str(), built.programs.as_deref()?)))
        .collect()
}

fn modes_and_allocators(built: &[Built]) -> (Vec<String>, Vec<String>) {
    let names = built.iter().map(|built| built.name.clone());
    names.partition(|name| MODES.contains(&name.as_str()))
}

/// The same modules and workloads, and Node itself.
fn under_node(plan: &Plan, built: &[Built]) -> Result<(Platform, Node)> {
    let node = Node::find()?;
    let mut files = synthetic(built);
    files.retain(|(name, _)| CHOICE.contains(name));
    let allocators = files.iter().map(|(name, _)| name.to_string()).collect();
    let platform = Platform {
        workloads: stage("time under Node", || node.workloads(plan, &files))?,
        ..Platform::new(UNDER_NODE, allocators)
    };
    Ok((platform, node))
}
