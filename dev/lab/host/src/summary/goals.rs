//! The goals: what pageslab aims for, what it reached, and whether that is enough. They are its developers' own and say
//! nothing of the other allocators: some are to `limit`, which checks nothing. A goal that was not measured is neither
//! met nor missed, and one that pageslab reached by failing a workload is missed.

use super::figures::{self, Mean, Quantity, mean, worst};
use super::soak;
use super::tables::{cells::thousands, size};
use crate::results::{
    DLMALLOC, DensityFigures, LIMIT, Latency, Module, PAGESLAB, Percentiles, Platform, Results,
    Workload,
};

/// Where every page counts.
pub const SMALL_GUEST: &str = "guest/200 small objects";
const KIB_PER_PAGE: f64 = 64.0;
/// At how many instances density is judged.
const INSTANCES: u64 = 500;
/// By what a percentile may rise from the fewest to the most live blocks and still count as flat.
const FLAT: f64 = 2.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

impl Verdict {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One goal and how it went.
#[derive(Clone, Debug)]
pub struct Goal {
    pub subject: String,
    pub goal: String,
    pub measured: String,
    pub verdict: Verdict,
}

/// What was measured for a goal.
struct Measured {
    value: f64,
    /// What else to say about it.
    remark: String,
    /// pageslab lacks part of it.
    is_partial: bool,
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Self {
            value,
            remark: String::new(),
            is_partial: false,
        }
    }
}

impl From<Mean> for Measured {
    fn from(mean: Mean) -> Self {
        let remark = if mean.absent > 0 {
            format!(
                "without {} failed of {}",
                mean.absent,
                mean.count + mean.absent
            )
        } else {
            workloads(mean.count)
        };
        Self {
            value: mean.value,
            remark,
            is_partial: mean.absent > 0,
        }
    }
}

fn workloads(count: usize) -> String {
    format!("{count} workload{}", if count == 1 { "" } else { "s" })
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    Below(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }

    fn text(self, unit: &str) -> String {
        let (sign, bound) = match self {
            Self::AtMost(bound) => ("≤", bound),
            Self::Below(bound) => ("<", bound),
        };
        format!("{sign} {}", in_unit(bound, unit, 2))
    }
}

/// Whole units as they are, ratios with this many digits.
fn in_unit(value: f64, unit: &str, digits: usize) -> String {
    if unit.is_empty() {
        format!("{value:.digits$}")
    } else {
        format!("{value:.0}{unit}")
    }
}

/// A goal without a unit is a ratio.
fn goal(subject: &str, bound: Bound, unit: &str, measured: Option<impl Into<Measured>>) -> Goal {
    let (measured, verdict) = match measured.map(Into::into) {
        None => ("–".into(), Verdict::NotMeasured),
        Some(measured) => {
            // One digit more than the goal has, so that a near miss looks like one.
            let value = in_unit(measured.value, unit, 3);
            let verdict = if bound.holds(measured.value) && !measured.is_partial {
                Verdict::Met
            } else {
                Verdict::Missed
            };
            let text = if measured.remark.is_empty() {
                value
            } else {
                format!("{value} ({})", measured.remark)
            };
            (text, verdict)
        }
    };
    Goal {
        subject: subject.into(),
        goal: bound.text(unit),
        measured,
        verdict,
    }
}

/// All goals, those of wasm first.
#[must_use]
pub fn goals(results: &Results) -> Vec<Goal> {
    let mut goals = times(figures::wasm(results));
    goals.extend(memory(figures::wasm(results)));
    goals.extend(latency(figures::wasm(results)));
    goals.push(flat(figures::wasm(results)));
    goals.extend(native(figures::native(results)));
    goals
}

fn times(wasm: Option<&Platform>) -> Vec<Goal> {
    let calls = wasm.map(figures::calls).unwrap_or_default();
    let pairs = wasm
        .map(|wasm| figures::group(wasm, "pair"))
        .unwrap_or_default();
    let programs = wasm.map(figures::programs).unwrap_or_default();
    let slowest = highest(&programs, Quantity::Time);
    use Bound::AtMost;
    vec![
        goal(
            "wasm: time to limit, mean of all but programs",
            AtMost(1.15),
            "",
            mean(&calls, Quantity::Time, PAGESLAB, LIMIT),
        ),
        goal(
            "wasm: time to limit, pairs",
            AtMost(2.0),
            "",
            mean(&pairs, Quantity::Time, PAGESLAB, LIMIT),
        ),
        goal(
            "wasm: executed instructions to limit, mean of all but programs",
            AtMost(1.25),
            "",
            mean(&calls, Quantity::Instructions, PAGESLAB, LIMIT),
        ),
        goal(
            "wasm: programs, time to dlmalloc, mean",
            AtMost(0.93),
            "",
            mean(&programs, Quantity::Time, PAGESLAB, DLMALLOC),
        ),
        goal(
            "wasm: programs, time to dlmalloc, slowest",
            AtMost(1.0),
            "",
            slowest,
        ),
    ]
}

/// The highest ratio to `dlmalloc`, with its workload's name.
fn highest(workloads: &[&Workload], quantity: Quantity) -> Option<Measured> {
    let (workload, value) = worst(workloads, quantity, PAGESLAB, DLMALLOC)?;
    let absent = mean(workloads, quantity, PAGESLAB, DLMALLOC)?.absent;
    let failed = if absent > 0 {
        format!(", without {absent} failed")
    } else {
        String::new()
    };
    Some(Measured {
        value,
        remark: format!("{}{failed}", workload.name),
        is_partial: absent > 0,
    })
}

fn memory(wasm: Option<&Platform>) -> Vec<Goal> {
    let large = wasm.map(figures::large).unwrap_or_default();
    let most = highest(&large, Quantity::Memory);
    let over = wasm.and_then(|wasm| {
        let small = wasm
            .workloads
            .iter()
            .find(|workload| workload.name == SMALL_GUEST)?;
        let pages = |allocator| figures::figure(small, Quantity::Memory, allocator);
        Some((pages(PAGESLAB)? - pages(DLMALLOC)?) * KIB_PER_PAGE)
    });
    let density = |of: fn(&DensityFigures) -> f64| {
        let figures = |allocator| {
            let mut densities = wasm?.densities.iter();
            let density = densities
                .find(|density| density.allocator == allocator && density.instances == INSTANCES)?;
            density.outcome.as_ref().ok().map(of)
        };
        Some(figures(PAGESLAB)? / figures(DLMALLOC)?)
    };
    let size = wasm.and_then(|wasm| {
        let size = size(wasm, Module::Smallest, PAGESLAB)?;
        Some(*size.outcome.as_ref().ok()? as f64)
    });
    use Bound::AtMost;
    vec![
        goal(
            "wasm: peak linear memory to dlmalloc, mean",
            AtMost(1.15),
            "",
            mean(&large, Quantity::Memory, PAGESLAB, DLMALLOC),
        ),
        goal(
            "wasm: peak linear memory to dlmalloc, worst",
            AtMost(1.35),
            "",
            most,
        ),
        goal(
            "wasm: small guest's memory over dlmalloc's",
            AtMost(64.0),
            " KiB",
            over,
        ),
        goal(
            "wasm: resident memory per instance to dlmalloc, 500 instances",
            AtMost(1.0),
            "",
            density(|figures| figures.kib),
        ),
        goal(
            "wasm: time per instance to dlmalloc, 500 instances",
            AtMost(1.0),
            "",
            density(|figures| figures.microseconds),
        ),
        goal(
            "wasm: module of alloc, free and realloc",
            AtMost(2560.0),
            " bytes",
            size,
        ),
    ]
}

fn latency(wasm: Option<&Platform>) -> Vec<Goal> {
    let mut goals = Vec::new();
    for call in ["alloc", "free"] {
        let points: Vec<(u64, &Percentiles)> = wasm
            .map(|wasm| percentiles(&wasm.latencies, call))
            .unwrap_or_default();
        let most = points.iter().max_by_key(|(live, _)| *live);
        let fewest = points.iter().min_by_key(|(live, _)| *live);
        let slowest = most.map(|(live, most)| Measured {
            remark: format!(
                "{:.0} to {:.0} ns, {} live",
                most.max,
                most.p99,
                thousands(*live)
            ),
            ..(most.max / most.p99).into()
        });
        let rise = most.zip(fewest).and_then(|(most, fewest)| {
            (most.0 > fewest.0).then(|| Measured {
                remark: format!("{} to {} live", thousands(most.0), thousands(fewest.0)),
                ..(most.1.p99 / fewest.1.p99).into()
            })
        });
        goals.push(goal(
            &format!("wasm: slowest {call} to its 99th percentile, most live blocks"),
            Bound::AtMost(4.0),
            "",
            slowest,
        ));
        goals.push(goal(
            &format!("wasm: {call} flat: 99th percentile, most to fewest live blocks"),
            Bound::AtMost(FLAT),
            "",
            rise,
        ));
    }
    goals
}

/// The one goal that a run must not miss: see [`soak::ensure_passed`].
fn flat(wasm: Option<&Platform>) -> Goal {
    let measured = wasm
        .and_then(soak::of_pageslab)
        .map(|outcome| match outcome {
            Ok(figures) => Measured {
                remark: format!("{} operations", thousands(figures.operations)),
                ..soak::grown(figures).unwrap_or(f64::INFINITY).into()
            },
            Err(reason) => Measured {
                remark: reason.clone(),
                ..f64::INFINITY.into()
            },
        });
    goal(
        "wasm: memory flat: at the soak's end to its middle",
        Bound::AtMost(soak::TOLERANCE),
        "",
        measured,
    )
}

fn percentiles<'a>(latencies: &'a [Latency], call: &str) -> Vec<(u64, &'a Percentiles)> {
    latencies
        .iter()
        .filter(|latency| latency.allocator == PAGESLAB && latency.call == call)
        .filter_map(|latency| Some((latency.live, latency.outcome.as_ref().ok()?)))
        .collect()
}

fn native(native: Option<&Platform>) -> Vec<Goal> {
    let calls = native.map(figures::calls).unwrap_or_default();
    let to = |peer: &str| mean(&calls, Quantity::Time, PAGESLAB, peer);
    // The C library's allocator may be listed as what it is, or as what Rust calls it.
    let libc = to("glibc").or_else(|| to("system"));
    let peers = native.map_or(&[][..], |native| &native.allocators);
    let mimalloc = peers
        .iter()
        .filter(|peer| peer.starts_with("mimalloc"))
        .filter_map(|peer| {
            let mean = to(peer)?;
            Some(Measured {
                remark: format!("{peer}, {}", workloads(mean.count)),
                ..mean.into()
            })
        })
        // The faster one is the one that pageslab takes longer to.
        .max_by(|one, other| one.value.total_cmp(&other.value));
    vec![
        goal(
            "native: time to glibc, mean of all but programs",
            Bound::Below(1.0),
            "",
            libc,
        ),
        goal(
            "native: time to dlmalloc, mean of all but programs",
            Bound::Below(1.0),
            "",
            to(DLMALLOC),
        ),
        goal(
            "native: time to the faster mimalloc, mean of all but programs",
            Bound::AtMost(1.25),
            "",
            mimalloc,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Cell;
    use crate::summary::fixture;

    #[test]
    fn without_measurements_no_goal_is_met_or_missed() {
        let mut results = fixture::results();
        let count = goals(&results).len();
        results.platforms.clear();
        let goals = goals(&results);
        assert_eq!(goals.len(), count);
        assert!(
            goals
                .iter()
                .all(|goal| goal.verdict == Verdict::NotMeasured)
        );
    }

    #[test]
    fn everything_in_the_fixture_is_measured() {
        for goal in goals(&fixture::results()) {
            assert_ne!(goal.verdict, Verdict::NotMeasured, "{}", goal.subject);
        }
    }

    #[test]
    fn a_failed_workload_misses_the_goal() {
        let mut results = fixture::results();
        for workload in &mut results.platforms[0].workloads {
            for (name, cell) in &mut workload.cells {
                if let (PAGESLAB, Cell::Measured { nanoseconds, .. }) = (name.as_str(), cell) {
                    *nanoseconds = 1.0;
                }
            }
        }
        assert_eq!(goals(&results)[0].verdict, Verdict::Met);
        let cells = &mut results.platforms[0].workloads[0].cells;
        cells.insert(PAGESLAB.into(), Cell::Failed("trap".into()));
        let goal = &goals(&results)[0];
        assert_eq!(goal.verdict, Verdict::Missed);
        assert!(
            goal.measured.contains("without 1 failed"),
            "{}",
            goal.measured
        );
    }

    #[test]
    fn a_bound_that_is_reached_holds() {
        assert!(Bound::AtMost(1.0).holds(1.0));
        assert!(!Bound::Below(1.0).holds(1.0));
        assert_eq!(Bound::AtMost(1.15).text(""), "≤ 1.15");
        assert_eq!(Bound::AtMost(2560.0).text(" bytes"), "≤ 2560 bytes");
    }
}
