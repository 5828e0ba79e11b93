//! Which charts there are, and which figures are in them. What was not measured on a platform has no chart there.

use super::bars::{Bar, Bars, Category};
use super::course::Course;
use super::curves::Curves;
use super::palette::Palette;
use crate::results::{Cell, DLMALLOC, GrowthFigures, Module, Platform, Workload};
use crate::summary::compact::CHOICE;
use crate::summary::figures::{self, Quantity, describe, mean, ratio};
use crate::summary::tables::cells::{FAILED, Outcome, ratio_text, thousands};
use crate::summary::tables::{DENSITIES, PERCENTILES, Percentile, dense, size};
use anyhow::Result;
use std::collections::BTreeSet;

/// Charts that belong together.
pub struct Section {
    pub heading: &'static str,
    /// What to see in them.
    pub about: &'static str,
    /// As SVG elements.
    pub charts: Vec<String>,
}

fn as_count(figure: f64) -> String {
    if figure < 100.0 {
        format!("{figure:.1}")
    } else {
        thousands(figure.round() as u64)
    }
}

/// All charts of a platform.
pub fn sections(platform: &Platform, palette: &Palette) -> Result<Vec<Section>> {
    let bars = |bars: Vec<Bars>| -> Result<Vec<String>> {
        let bars = bars.into_iter().filter(|bars| !bars.is_empty());
        bars.map(|bars| bars.svg(palette)).collect()
    };
    let curves = |curves: Vec<Curves>| -> Result<Vec<String>> {
        let curves = curves.into_iter().filter(|curves| !curves.is_empty());
        curves.map(|curves| curves.svg(palette)).collect()
    };
    let course = Course::new(platform);
    let mut sections = vec![
        Section {
            heading: "Time and instructions",
            about: "Ratios to dlmalloc: shorter is better. Most of a whole program's time is not the allocator's.",
            charts: bars(vec![
                means(platform, Quantity::Time, "Time, dlmalloc = 1.00"),
                means(
                    platform,
                    Quantity::Instructions,
                    "Executed wasm instructions, dlmalloc = 1.00",
                ),
                programs(platform),
            ])?,
        },
        Section {
            heading: "Time, workload by workload",
            about: "The same ratios, one by one. » is a bar that goes on beyond the axis; the tables have its figure.",
            charts: bars(workloads(platform))?,
        },
        Section {
            heading: "Memory",
            about: "Peak linear memory, without what the module starts with, where dlmalloc takes 16 pages (1 MiB) or \
                    more.",
            charts: bars(memory(platform))?,
        },
        Section {
            heading: "Growth",
            about: "Time per pair of free and alloc, and memory, with ever more live blocks.",
            charts: curves(growth(platform))?,
        },
        Section {
            heading: "Latency",
            about: "Single calls that did not grow memory. A flat curve does not depend on how many blocks live.",
            charts: curves(latencies(platform))?,
        },
        Section {
            heading: "Soak",
            about: "Random operations on a live set that stays as large as it is, while the sizes in it drift from some \
                    bytes to some tens of KiB and back. What grows in the second half is fragmentation.",
            charts: if course.is_empty() {
                vec![]
            } else {
                vec![course.svg(palette)?]
            },
        },
        Section {
            heading: "Density",
            about: "Many live instances of one guest in one host process, each after a small job.",
            charts: bars(densities(platform))?,
        },
        Section {
            heading: "Module size",
            about: "A module with three exports, alloc, free and realloc, after wasm-opt -Oz.",
            charts: bars(vec![sizes(platform)])?,
        },
    ];
    sections.retain(|section| !section.charts.is_empty());
    Ok(sections)
}

/// The few bars that say most, for a README: of what people choose between.
#[must_use]
pub fn overview(platform: &Platform) -> Bars {
    let mut allocators = platform.allocators.clone();
    allocators.retain(|name| CHOICE.contains(&name.as_str()));
    let mean = |label: &str, workloads: Vec<&Workload>, quantity| {
        mean_category(&allocators, label, &workloads, quantity)
    };
    let categories = present(vec![
        mean("time, all calls", figures::calls(platform), Quantity::Time),
        mean(
            "time, traces of real programs",
            figures::group(platform, "trace"),
            Quantity::Time,
        ),
        mean(
            "time, whole programs",
            figures::programs(platform),
            Quantity::Time,
        ),
        mean(
            "peak linear memory",
            figures::large(platform),
            Quantity::Memory,
        ),
    ]);
    Bars {
        title: "Time and memory, dlmalloc = 1.00".into(),
        unit: "geometric means; shorter is better".into(),
        allocators,
        reference: Some(1.0),
        categories,
        show: ratio_text,
    }
}

fn present(mut categories: Vec<Category>) -> Vec<Category> {
    categories.retain(|category| category.bars.iter().any(|bar| *bar != Bar::Absent));
    categories
}

fn mean_category(
    allocators: &[String],
    label: &str,
    workloads: &[&Workload],
    quantity: Quantity,
) -> Category {
    let bar = |name: &String| {
        let has_failed =
            |workload: &&Workload| matches!(workload.cells.get(name), Some(Cell::Failed(_)));
        match mean(workloads, quantity, name, DLMALLOC) {
            None if workloads.iter().any(has_failed) => Bar::Failed,
            mean => mean.map(|mean| mean.value).into(),
        }
    };
    Category {
        label: format!("{label} ({})", workloads.len()),
        is_broad: true,
        bars: allocators.iter().map(bar).collect(),
    }
}

fn single_category(platform: &Platform, workload: &Workload, quantity: Quantity) -> Category {
    let bar = |name: &String| match workload.cells.get(name) {
        Some(Cell::Failed(_)) => Bar::Failed,
        _ => ratio(workload, quantity, name, DLMALLOC).into(),
    };
    Category {
        label: workload.name.clone(),
        is_broad: false,
        bars: platform.allocators.iter().map(bar).collect(),
    }
}

/// A chart of ratios to dlmalloc.
fn ratios(platform: &Platform, title: String, unit: &str, categories: Vec<Category>) -> Bars {
    Bars {
        title,
        unit: unit.into(),
        allocators: platform.allocators.clone(),
        reference: Some(1.0),
        categories: present(categories),
        show: ratio_text,
    }
}

fn means(platform: &Platform, quantity: Quantity, title: &str) -> Bars {
    let category = |label: &str, workloads: &[&Workload]| {
        mean_category(&platform.allocators, label, workloads, quantity)
    };
    let mut categories = vec![category("all but programs", &figures::calls(platform))];
    let groups = figures::groups(platform);
    for group in groups
        .into_iter()
        .filter(|group| *group != figures::PROGRAM)
    {
        categories.push(category(describe(group), &figures::group(platform, group)));
    }
    ratios(platform, title.into(), "geometric means", categories)
}

fn programs(platform: &Platform) -> Bars {
    let programs = figures::programs(platform);
    let mean = mean_category(&platform.allocators, "mean", &programs, Quantity::Time);
    let singles = programs
        .iter()
        .map(|program| single_category(platform, program, Quantity::Time));
    ratios(
        platform,
        "Time of whole programs, dlmalloc = 1.00".into(),
        "time to dlmalloc's",
        [mean].into_iter().chain(singles).collect(),
    )
}

/// A chart per group that has more than one workload: of one, the mean says all.
fn workloads(platform: &Platform) -> Vec<Bars> {
    let groups = figures::groups(platform);
    let groups = groups
        .into_iter()
        .filter(|group| *group != figures::PROGRAM);
    let groups = groups.map(|group| (group, figures::group(platform, group)));
    let chart = |(group, workloads): (&str, Vec<&Workload>)| {
        let single = |workload: &&Workload| single_category(platform, workload, Quantity::Time);
        ratios(
            platform,
            format!("Time: {}", describe(group)),
            "time to dlmalloc's",
            workloads.iter().map(single).collect(),
        )
    };
    groups
        .filter(|(_, workloads)| workloads.len() > 1)
        .map(chart)
        .collect()
}

/// The means, then a chart per group.
fn memory(platform: &Platform) -> Vec<Bars> {
    let large = figures::large(platform);
    let of_group = |group: &str| -> Vec<&Workload> {
        let large = large.iter().copied();
        large.filter(|workload| workload.group() == group).collect()
    };
    let chart = |title: &str, categories: Vec<Category>| {
        let title = format!("Peak linear memory: {title}");
        ratios(platform, title, "pages to dlmalloc's", categories)
    };
    let mean = |label: &str, workloads: &[&Workload]| {
        mean_category(&platform.allocators, label, workloads, Quantity::Memory)
    };
    let mut means = vec![mean("all", &large)];
    let mut charts = Vec::new();
    for group in figures::groups(platform) {
        let workloads = of_group(group);
        // Of one alone, its own chart says all.
        if workloads.len() > 1 {
            means.push(mean(describe(group), &workloads));
        }
        let single = |workload: &&Workload| single_category(platform, workload, Quantity::Memory);
        charts.push(chart(
            describe(group),
            workloads.iter().map(single).collect(),
        ));
    }
    charts.insert(0, chart("means", means));
    charts
}

fn growth(platform: &Platform) -> Vec<Curves<'_>> {
    let chart = |title: &str, unit: &str, of: fn(&GrowthFigures) -> f64| {
        curves(platform, title.into(), unit, |name| {
            let own = platform
                .growth
                .iter()
                .filter(|point| point.allocator == name);
            own.map(|point| (point.live, point.outcome.as_ref().ok().map(of)))
                .collect()
        })
    };
    vec![
        chart(
            "Time per pair of free and alloc",
            "ns per pair",
            |figures| figures.nanoseconds,
        ),
        chart("Linear memory", "pages of 64 KiB", |figures| {
            figures.pages as f64
        }),
    ]
}

fn latencies(platform: &Platform) -> Vec<Curves<'_>> {
    let chart = |call: &str, (percentile, of): Percentile| {
        curves(
            platform,
            format!("Latency of {call}, {percentile}"),
            "ns per call",
            |name| {
                let own = platform.latencies.iter();
                let own = own.filter(|point| point.allocator == name && point.call == call);
                own.map(|point| (point.live, point.outcome.as_ref().ok().map(of)))
                    .collect()
            },
        )
    };
    let calls = ["alloc", "free"].into_iter();
    calls
        .flat_map(|call| PERCENTILES.map(|percentile| chart(call, percentile)))
        .collect()
}

/// Curves of what each allocator reached; nothing, where it failed.
fn curves<'a>(
    platform: &'a Platform,
    title: String,
    unit: &str,
    of: impl Fn(&str) -> Vec<(u64, Option<f64>)>,
) -> Curves<'a> {
    let mut failed = Vec::new();
    let mut points = Vec::new();
    for name in &platform.allocators {
        let mut own = of(name);
        own.sort_by_key(|(live, _)| *live);
        let lost = own.iter().filter(|(_, figure)| figure.is_none());
        let lost: Vec<String> = lost.map(|(live, _)| thousands(*live)).collect();
        if !lost.is_empty() && lost.len() == own.len() {
            failed.push(format!("{name} {FAILED}"));
        } else if !lost.is_empty() {
            failed.push(format!("{name} {FAILED} at {}", lost.join(" and ")));
        }
        points.push(
            own.into_iter()
                .filter_map(|(live, figure)| Some((live, figure?)))
                .collect(),
        );
    }
    Curves {
        title,
        unit: unit.into(),
        allocators: &platform.allocators,
        points,
        remark: failed.join("; "),
    }
}

fn densities(platform: &Platform) -> Vec<Bars> {
    let counts = platform.densities.iter().map(|point| point.instances);
    let counts: BTreeSet<u64> = counts.collect();
    let charts = DENSITIES.iter().map(|(name, of)| {
        let categories = counts.iter().map(|&instances| {
            let bar = |name: &String| outcome(dense(platform, instances, name), of);
            Category {
                label: format!("{} instances", thousands(instances)),
                is_broad: true,
                bars: platform.allocators.iter().map(bar).collect(),
            }
        });
        Bars {
            title: format!("Per instance: {name}"),
            unit: (*name).into(),
            allocators: platform.allocators.clone(),
            reference: None,
            categories: categories.collect(),
            show: as_count,
        }
    });
    charts.collect()
}

fn sizes(platform: &Platform) -> Bars {
    let bar = |name: &String| {
        let size = size(platform, Module::Smallest, name);
        outcome(size.map(|size| &size.outcome), |bytes| *bytes as f64)
    };
    Bars {
        title: "Size of a module of alloc, free and realloc".into(),
        unit: "bytes".into(),
        allocators: platform.allocators.clone(),
        reference: None,
        categories: present(vec![Category {
            label: "after wasm-opt -Oz".into(),
            is_broad: true,
            bars: platform.allocators.iter().map(bar).collect(),
        }]),
        show: as_count,
    }
}

fn outcome<T>(outcome: Outcome<T>, of: impl Fn(&T) -> f64) -> Bar {
    match outcome {
        None => Bar::Absent,
        Some(Err(_)) => Bar::Failed,
        Some(Ok(figures)) => Bar::Figure(of(figures)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn every_chart_has_every_allocator_and_a_title() {
        let results = fixture::results();
        let palette = Palette::new(&results);
        for platform in &results.platforms {
            for section in sections(platform, &palette).unwrap() {
                for svg in section.charts {
                    assert!(svg.contains("font-weight=\"bold\""), "{}", section.heading);
                    for name in &platform.allocators {
                        assert!(svg.contains(&format!(">\n{name}\n<")), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn there_is_a_section_for_whatever_was_measured() {
        let results = fixture::results();
        let palette = Palette::new(&results);
        let headings = |platform| -> Vec<&str> {
            let sections = sections(platform, &palette).unwrap();
            sections.iter().map(|section| section.heading).collect()
        };
        assert_eq!(headings(&results.platforms[0]).len(), 8);
        assert_eq!(
            headings(&results.platforms[1]),
            [
                "Time and instructions",
                "Time, workload by workload",
                "Latency"
            ]
        );
    }

    #[test]
    fn a_single_failure_is_a_failed_bar() {
        let results = fixture::results();
        let platform = &results.platforms[0];
        let failing = platform
            .allocators
            .iter()
            .position(|name| name == fixture::FAILING)
            .unwrap();
        let mut mixes = workloads(platform)
            .into_iter()
            .filter(|bars| bars.title.contains("random"));
        let bars = mixes.next().unwrap();
        assert!(
            bars.categories
                .iter()
                .any(|category| category.bars[failing] == Bar::Failed)
        );
    }
}
