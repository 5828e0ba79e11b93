//! A script interpreter.

use rhai::{Engine, Scope};

use super::Program;

pub const PROGRAM: Program = Program {
    name: "script",
    about: "compiles and runs a script full of maps, arrays, strings, closures and recursion (rhai)",
    input: || include_str!("../inputs/town.rhai").to_owned(),
    run,
};

fn run(script: &str) -> usize {
    // Functions are found by hash; a random seed would make hash maps grow differently. Only the first call sets it.
    let _ = rhai::config::hashing::set_hashing_seed(Some([1, 2, 3, 4]));

    let mut engine = Engine::new();
    // The limits of a release build, in every build.
    engine.set_max_expr_depths(64, 32).set_max_call_levels(64);
    let mut scope = Scope::new();
    scope.push_constant("DAYS", 3_i64);
    scope.push_constant("SUMS", 20_i64);
    let ast = engine
        .compile_with_scope(&scope, script)
        .expect("the input is a script");
    let report: String = engine
        .eval_ast_with_scope(&mut scope, &ast)
        .expect("the script runs");
    report.len()
}
