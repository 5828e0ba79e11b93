mod guest;
mod times;

use anyhow::Result;
use std::path::PathBuf;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rounds: usize = args[0].parse()?;
    let filter = args[1].clone();
    let dir = PathBuf::from(&args[2]);
    let names: Vec<String> = args[3..].to_vec();
    let subjects: Vec<_> = names
        .iter()
        .map(|name| {
            let file = dir.join(format!("{name}.wasm"));
            Ok(times::Subject {
                name: name.clone(),
                plain: guest::Guest::compile(&file, false)?,
                counting: guest::Guest::compile(&file, true)?,
            })
        })
        .collect::<Result<_>>()?;
    let limit = names.iter().position(|n| n == "limit").unwrap_or(0);
    let mut sums: Vec<[f64; 3]> = vec![[0.0; 3]; names.len()];
    let mut count = 0.0;
    print!("{:26}", "time to limit/fuel/pages");
    for name in &names {
        print!("{name:>22}");
    }
    println!();
    let mut print = |name: &str, results: Vec<Result<times::Figures>>| {
        print!("{name:26}");
        let results: Vec<_> = results.into_iter().map(|r| r.map_err(|e| eprintln!("{e:?}")).ok()).collect();
        let base = results[limit].clone().unwrap();
        count += 1.0;
        for (r, sum) in results.iter().zip(&mut sums) {
            if let Some(r) = r {
                let t = r.nanoseconds / base.nanoseconds;
                let f = r.instructions as f64 / base.instructions as f64;
                sum[0] += t.ln();
                sum[1] += f.ln();
                print!("{:>8.2}{:>7.2}{:>7}", t, f, r.pages);
            } else {
                print!("{:>22}", "failed");
            }
        }
        println!();
    };
    for workload in lab_workloads::all() {
        if workload.name.contains(&filter) {
            print(&workload.name, times::measure(&subjects, rounds, |g| guest::Loaded::new(g, &workload)));
        }
    }
    for number in 0..12 {
        if subjects[0].plain.instantiate()?.function::<u32, ()>("prepare").is_ok() && format!("program/{number}").contains(&filter) {
            print(&format!("program/{number}"), times::measure(&subjects, rounds, |g| guest::Loaded::program(g, number)));
        }
    }
    print!("{:26}", "mean");
    for sum in sums {
        print!("{:>8.2}{:>7.2}{:>7}", (sum[0] / count).exp(), (sum[1] / count).exp(), "");
    }
    println!();
    Ok(())
}
