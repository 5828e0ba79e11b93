//! Every allocator on every workload, side by side, under criterion: one group per workload, one function per
//! allocator.
//!
//! `cargo bench --bench allocators [-- FILTER]`, with `--target wasm32-wasip1` for the same under wasmtime.
//! Criterion runs one allocator after the other; for ratios that a drifting machine does not blur, see
//! the lab (`dev/lab/README.md`).

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use lab_allocators::{Visitor, visit_all};
use lab_workloads::Workload;
use lab_workloads::steps::Place;
use std::alloc::GlobalAlloc;
use std::time::Duration;

struct Functions<'a, 'b> {
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    workload: &'a Workload,
}

impl Visitor for Functions<'_, '_> {
    fn visit<A: GlobalAlloc + Sync>(&mut self, name: &'static str, allocator: &'static A) {
        self.group.bench_function(name, |bencher| {
            let mut table = vec![Place::EMPTY; self.workload.slots()];
            bencher.iter(|| self.workload.run(allocator, &mut table));
        });
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .without_plots()
        .configure_from_args();
    for workload in &lab_workloads::all() {
        let mut group = criterion.benchmark_group(&workload.name);
        group.throughput(Throughput::Elements(workload.calls as u64));
        visit_all(&mut Functions {
            group: &mut group,
            workload,
        });
        group.finish();
    }
    criterion.final_summary();
}
