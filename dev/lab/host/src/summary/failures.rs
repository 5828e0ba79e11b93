//! What failed: each allocator's failures of one reason together, since a peer that cannot do something cannot do it
//! again and again.

use super::tables::cells::thousands;
use crate::results::{Cell, Results};

pub struct Failure {
    pub allocator: String,
    pub platform: String,
    pub reason: String,
    /// The measurements that it failed.
    pub what: Vec<String>,
}

/// All failures, in the order of the measurements.
#[must_use]
pub fn failures(results: &Results) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for platform in &results.platforms {
        let mut add = |allocator: &str, what: String, reason: &str| {
            let known = failures.iter_mut().find(|failure| {
                failure.allocator == allocator
                    && failure.platform == platform.name
                    && failure.reason == reason
            });
            if let Some(known) = known {
                known.what.push(what);
            } else {
                failures.push(Failure {
                    allocator: allocator.into(),
                    platform: platform.name.clone(),
                    reason: reason.into(),
                    what: vec![what],
                });
            }
        };
        for workload in &platform.workloads {
            for (allocator, cell) in &workload.cells {
                if let Cell::Failed(reason) = cell {
                    add(allocator, workload.name.clone(), reason);
                }
            }
        }
        for point in &platform.growth {
            if let Err(reason) = &point.outcome {
                let what = format!("growth to {}", thousands(point.live));
                add(&point.allocator, what, reason);
            }
        }
        for point in &platform.latencies {
            if let Err(reason) = &point.outcome {
                let what = format!("latency of {} at {}", point.call, thousands(point.live));
                add(&point.allocator, what, reason);
            }
        }
        for point in &platform.densities {
            if let Err(reason) = &point.outcome {
                let what = format!("density of {}", thousands(point.instances));
                add(&point.allocator, what, reason);
            }
        }
        for soak in &platform.soaks {
            if let Err(reason) = &soak.outcome {
                add(&soak.allocator, "soak".into(), reason);
            }
        }
        for size in &platform.sizes {
            if let Err(reason) = &size.outcome {
                let what = format!("size of the {}", size.module.describe());
                add(&size.allocator, what, reason);
            }
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;

    #[test]
    fn one_reason_is_one_failure() {
        let failures = failures(&fixture::results());
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].allocator, fixture::FAILING);
        assert_eq!(failures[0].reason, fixture::REASON);
        for what in [
            "mix/1024 to 65536",
            "growth",
            "latency of free",
            "density",
            "size of the smallest module",
            "soak",
        ] {
            assert!(
                failures[0].what.iter().any(|name| name.starts_with(what)),
                "{what}"
            );
        }
    }
}
