//! Runs scripts in Boa, each in a context of its own, as a host of plugins does, over and over. Prints a checksum of what they
//! answer. The argument is the number of times that each is run.

// The allocator is that crate's.
use lab_allocators as _;

use boa_engine::property::Attribute;
use boa_engine::{Context, JsResult, Source, gc, js_string};
use std::hash::{DefaultHasher, Hash, Hasher};

#[cfg(feature = "pageslab")]
pageslab::export_abi!(snapshot);

const ROUNDS: u32 = 3;

/// Each takes a number, `round`, and leaves a text, `answer`.
const SCRIPTS: [&str; 5] = [
    include_str!("../inputs/store.js"),
    include_str!("../inputs/lisp.js"),
    include_str!("../inputs/text.js"),
    include_str!("../inputs/life.js"),
    include_str!("../inputs/queue.js"),
];

fn run(script: &str, round: u32) -> JsResult<String> {
    let mut context = Context::default();
    context.register_global_property(js_string!("round"), round, Attribute::all())?;
    context.eval(Source::from_bytes(script))?;
    context.run_jobs()?;
    let global = context.global_object();
    let answer = global.get(js_string!("answer"), &mut context)?;
    Ok(answer.to_string(&mut context)?.to_std_string_escaped())
}

fn main() -> JsResult<()> {
    let rounds = std::env::args().nth(1);
    let rounds = rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS);
    let mut answers = DefaultHasher::new();
    for round in 0..rounds {
        for script in SCRIPTS {
            run(script, round)?.hash(&mut answers);
        }
    }
    // What is left then is no garbage of Boa's collector.
    gc::force_collect();
    println!("{rounds} rounds, checksum {:016x}", answers.finish());
    Ok(())
}
