//! A decompiler: reads a WebAssembly module, validates it, lifts its stack code to expression trees, folds constants
//! and prints the functions.

use std::{collections::BTreeSet, fmt::Write};

use wasmparser::{FunctionBody, Operator, Parser, Payload, TypeRef, Validator};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "decompile",
    about: "reads and validates a WebAssembly module, lifts its functions to expression trees, folds constants, drops \
            dead functions and prints the rest (wasmparser)",
    input,
    run,
};

const FUNCTIONS: usize = 90;
const PARAMS: usize = 2;
const LOCALS: usize = 4;
const BINARY: [&str; 6] = ["add", "sub", "mul", "and", "xor", "lt_u"];

/// A module, as hexadecimal digits. It is assembled before the recording because the assembler frees in the order of a
/// hash map, which is another one in each run.
fn input() -> String {
    let module = wat::parse_str(module_text()).expect("the text is a module");
    module.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every function has two parameters, two more locals and one result, all of type i32.
fn module_text() -> String {
    let mut random = Random::new(8);
    let mut text = String::from("(module\n  (memory (export \"memory\") 1)\n");
    for function in 0..FUNCTIONS {
        let export = if function % 10 == 0 {
            format!(" (export \"f{function}\")")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "  (func $f{function}{export} (param i32 i32) (result i32) (local i32 i32)"
        );
        for _ in 0..2 + random.below(5) {
            write_statement(&mut text, &mut random, function, 2);
        }
        text.push_str("    ");
        write_expression(&mut text, &mut random, function, 4);
        text.push_str(")\n");
    }
    text.push_str(")\n");
    text
}

fn write_statement(text: &mut String, random: &mut Random, function: usize, depth: usize) {
    text.push_str("    ");
    match random.below(if depth == 0 { 3 } else { 5 }) {
        0 | 1 => {
            let _ = write!(text, "(local.set {} ", random.below(LOCALS));
            write_expression(text, random, function, 4);
        }
        2 => {
            text.push_str("(i32.store ");
            write_expression(text, random, function, 2);
            write_expression(text, random, function, 3);
        }
        3 => {
            text.push_str("(if ");
            write_expression(text, random, function, 3);
            text.push_str("\n    (then\n");
            write_statement(text, random, function, depth - 1);
            text.push(')');
            if random.one_in(2) {
                text.push_str("\n    (else\n");
                write_statement(text, random, function, depth - 1);
                text.push(')');
            }
        }
        _ => {
            text.push_str("(block (loop\n    (br_if 1 ");
            write_expression(text, random, function, 2);
            text.push_str(")\n");
            write_statement(text, random, function, depth - 1);
            write_statement(text, random, function, depth - 1);
            text.push_str("(br 0))");
        }
    }
    text.push_str(")\n");
}

fn write_expression(text: &mut String, random: &mut Random, function: usize, depth: usize) {
    match random.below(if depth == 0 { 2 } else { 8 }) {
        0 => {
            let _ = write!(text, "(i32.const {})", random.below(1000));
        }
        1 => {
            let _ = write!(text, "(local.get {})", random.below(LOCALS));
        }
        2 => {
            let _ = write!(text, "(i32.load offset={} ", 4 * random.below(16));
            write_expression(text, random, function, depth - 1);
            text.push(')');
        }
        3 if function > 0 => {
            // Only earlier functions are called, so none calls itself.
            let _ = write!(text, "(call $f{} ", random.below(function));
            write_expression(text, random, function, depth - 1);
            write_expression(text, random, function, depth - 1);
            text.push(')');
        }
        _ => {
            let _ = write!(text, "(i32.{} ", random.pick(&BINARY));
            write_expression(text, random, function, depth - 1);
            write_expression(text, random, function, depth - 1);
            text.push(')');
        }
    }
}

enum Expression {
    Const(i32),
    Local(u32),
    Load(Box<Expression>, u64),
    Call(u32, Vec<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
}

enum Statement {
    Set(u32, Expression),
    Store(Expression, Expression, u64),
    If(Expression, Vec<Statement>, Vec<Statement>),
    Block(Vec<Statement>),
    Loop(Vec<Statement>),
    Branch(u32, Option<Expression>),
    Return(Expression),
}

struct Function {
    name: String,
    body: Vec<Statement>,
}

/// A block whose end is not read yet.
struct Open {
    kind: Kind,
    body: Vec<Statement>,
}

enum Kind {
    Function,
    Block,
    Loop,
    Then(Expression),
    Else(Expression, Vec<Statement>),
}

/// Turns a function's stack code into trees.
fn lift(body: &FunctionBody<'_>) -> wasmparser::Result<Vec<Statement>> {
    let mut stack: Vec<Expression> = Vec::new();
    let mut open = vec![Open {
        kind: Kind::Function,
        body: Vec::new(),
    }];
    for operator in body.get_operators_reader()? {
        let operator = operator?;
        let mut pop = || stack.pop().expect("the module is valid");
        let statement = match operator {
            Operator::LocalSet { local_index } => Statement::Set(local_index, pop()),
            Operator::I32Store { memarg } => {
                let value = pop();
                Statement::Store(pop(), value, memarg.offset)
            }
            Operator::Br { relative_depth } => Statement::Branch(relative_depth, None),
            Operator::BrIf { relative_depth } => Statement::Branch(relative_depth, Some(pop())),
            Operator::Block { .. } => {
                open.push(Open {
                    kind: Kind::Block,
                    body: Vec::new(),
                });
                continue;
            }
            Operator::Loop { .. } => {
                open.push(Open {
                    kind: Kind::Loop,
                    body: Vec::new(),
                });
                continue;
            }
            Operator::If { .. } => {
                open.push(Open {
                    kind: Kind::Then(pop()),
                    body: Vec::new(),
                });
                continue;
            }
            Operator::Else => {
                let Some(Open {
                    kind: Kind::Then(condition),
                    body,
                }) = open.pop()
                else {
                    unreachable!("the module is valid");
                };
                open.push(Open {
                    kind: Kind::Else(condition, body),
                    body: Vec::new(),
                });
                continue;
            }
            Operator::End => {
                let Open { kind, body } = open.pop().expect("the module is valid");
                match kind {
                    Kind::Function => {
                        let mut body = body;
                        body.push(Statement::Return(pop()));
                        return Ok(body);
                    }
                    Kind::Block => Statement::Block(body),
                    Kind::Loop => Statement::Loop(body),
                    Kind::Then(condition) => Statement::If(condition, body, Vec::new()),
                    Kind::Else(condition, then) => Statement::If(condition, then, body),
                }
            }
            operator => {
                push_expression(&mut stack, &operator);
                continue;
            }
        };
        open.last_mut()
            .expect("the module is valid")
            .body
            .push(statement);
    }
    unreachable!("the module is valid: a body ends with `end`")
}

fn push_expression(stack: &mut Vec<Expression>, operator: &Operator<'_>) {
    let mut pop = || stack.pop().expect("the module is valid");
    let mut binary = |name| {
        let right = Box::new(pop());
        Expression::Binary(name, Box::new(pop()), right)
    };
    let expression = match *operator {
        Operator::I32Const { value } => Expression::Const(value),
        Operator::LocalGet { local_index } => Expression::Local(local_index),
        Operator::I32Load { memarg } => Expression::Load(Box::new(pop()), memarg.offset),
        Operator::Call { function_index } => {
            let args = stack.split_off(stack.len() - PARAMS);
            Expression::Call(function_index, args)
        }
        Operator::I32Add => binary("+"),
        Operator::I32Sub => binary("-"),
        Operator::I32Mul => binary("*"),
        Operator::I32And => binary("&"),
        Operator::I32Xor => binary("^"),
        Operator::I32LtU => binary("<"),
        ref other => panic!("not among the instructions of the input: {other:?}"),
    };
    stack.push(expression);
}

/// The same expression with its constant parts computed.
fn fold(expression: Expression) -> Expression {
    match expression {
        Expression::Binary(name, left, right) => match (name, fold(*left), fold(*right)) {
            ("+", Expression::Const(a), Expression::Const(b)) => {
                Expression::Const(a.wrapping_add(b))
            }
            ("-", Expression::Const(a), Expression::Const(b)) => {
                Expression::Const(a.wrapping_sub(b))
            }
            ("*", Expression::Const(a), Expression::Const(b)) => {
                Expression::Const(a.wrapping_mul(b))
            }
            ("&", Expression::Const(a), Expression::Const(b)) => Expression::Const(a & b),
            ("^", Expression::Const(a), Expression::Const(b)) => Expression::Const(a ^ b),
            ("<", Expression::Const(a), Expression::Const(b)) => {
                Expression::Const(i32::from((a as u32) < b as u32))
            }
            (name, left, right) => Expression::Binary(name, Box::new(left), Box::new(right)),
        },
        Expression::Load(address, offset) => Expression::Load(Box::new(fold(*address)), offset),
        Expression::Call(callee, args) => {
            Expression::Call(callee, args.into_iter().map(fold).collect())
        }
        other => other,
    }
}

/// The same statements with folded expressions, and without branches that are never taken.
fn fold_all(statements: Vec<Statement>) -> Vec<Statement> {
    let mut folded = Vec::new();
    for statement in statements {
        folded.push(match statement {
            Statement::Set(local, value) => Statement::Set(local, fold(value)),
            Statement::Store(address, value, offset) => {
                Statement::Store(fold(address), fold(value), offset)
            }
            Statement::If(condition, then, otherwise) => match fold(condition) {
                Expression::Const(value) => {
                    Statement::Block(fold_all(if value != 0 { then } else { otherwise }))
                }
                condition => Statement::If(condition, fold_all(then), fold_all(otherwise)),
            },
            Statement::Block(body) => Statement::Block(fold_all(body)),
            Statement::Loop(body) => Statement::Loop(fold_all(body)),
            Statement::Branch(depth, condition) => match condition.map(fold) {
                Some(Expression::Const(0)) => continue,
                condition => Statement::Branch(depth, condition),
            },
            Statement::Return(value) => Statement::Return(fold(value)),
        });
    }
    folded
}

fn add_callees(expression: &Expression, callees: &mut BTreeSet<u32>) {
    match expression {
        Expression::Const(_) | Expression::Local(_) => {}
        Expression::Load(address, _) => add_callees(address, callees),
        Expression::Binary(_, left, right) => {
            add_callees(left, callees);
            add_callees(right, callees);
        }
        Expression::Call(callee, args) => {
            callees.insert(*callee);
            args.iter().for_each(|arg| add_callees(arg, callees));
        }
    }
}

fn add_all_callees(statements: &[Statement], callees: &mut BTreeSet<u32>) {
    for statement in statements {
        match statement {
            Statement::Set(_, value)
            | Statement::Return(value)
            | Statement::Branch(_, Some(value)) => {
                add_callees(value, callees);
            }
            Statement::Branch(_, None) => {}
            Statement::Store(address, value, _) => {
                add_callees(address, callees);
                add_callees(value, callees);
            }
            Statement::If(condition, then, otherwise) => {
                add_callees(condition, callees);
                add_all_callees(then, callees);
                add_all_callees(otherwise, callees);
            }
            Statement::Block(body) | Statement::Loop(body) => add_all_callees(body, callees),
        }
    }
}

fn text(expression: &Expression) -> String {
    match expression {
        Expression::Const(value) => value.to_string(),
        Expression::Local(local) => format!("v{local}"),
        Expression::Load(address, offset) => format!("memory[{} + {offset}]", text(address)),
        Expression::Binary(name, left, right) => format!("({} {name} {})", text(left), text(right)),
        Expression::Call(callee, args) => {
            let args: Vec<String> = args.iter().map(text).collect();
            format!("f{callee}({})", args.join(", "))
        }
    }
}

fn print(statements: &[Statement], indent: usize, out: &mut String) {
    let margin = "    ".repeat(indent);
    for statement in statements {
        let _ = match statement {
            Statement::Set(local, value) => writeln!(out, "{margin}v{local} = {};", text(value)),
            Statement::Store(address, value, offset) => {
                writeln!(
                    out,
                    "{margin}memory[{} + {offset}] = {};",
                    text(address),
                    text(value)
                )
            }
            Statement::Branch(depth, None) => writeln!(out, "{margin}branch {depth};"),
            Statement::Branch(depth, Some(condition)) => {
                writeln!(out, "{margin}branch {depth} if {};", text(condition))
            }
            Statement::Return(value) => writeln!(out, "{margin}return {};", text(value)),
            Statement::If(condition, then, otherwise) => {
                let _ = writeln!(out, "{margin}if {} {{", text(condition));
                print(then, indent + 1, out);
                let _ = writeln!(out, "{margin}}} else {{");
                print(otherwise, indent + 1, out);
                writeln!(out, "{margin}}}")
            }
            Statement::Block(body) | Statement::Loop(body) => {
                let kind = if matches!(statement, Statement::Loop(_)) {
                    "loop"
                } else {
                    "block"
                };
                let _ = writeln!(out, "{margin}{kind} {{");
                print(body, indent + 1, out);
                writeln!(out, "{margin}}}")
            }
        };
    }
}

fn run(digits: &str) -> usize {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    let module: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    Validator::new()
        .validate_all(&module)
        .expect("the input is valid");
    decompile(&module)
        .expect("a valid module can be read")
        .len()
}

fn decompile(module: &[u8]) -> wasmparser::Result<String> {
    let mut exported = BTreeSet::new();
    let mut functions: Vec<Function> = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    assert!(
                        !matches!(import?.ty, TypeRef::Func(_)),
                        "functions are numbered from the module's own"
                    );
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == wasmparser::ExternalKind::Func {
                        exported.insert(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => functions.push(Function {
                name: format!("f{}", functions.len()),
                body: fold_all(lift(&body)?),
            }),
            _ => {}
        }
    }

    let mut reached = exported.clone();
    let mut queue: Vec<u32> = exported.into_iter().collect();
    while let Some(function) = queue.pop() {
        let mut callees = BTreeSet::new();
        add_all_callees(&functions[function as usize].body, &mut callees);
        queue.extend(callees.into_iter().filter(|&callee| reached.insert(callee)));
    }

    let mut out = String::new();
    for (number, function) in functions.iter().enumerate() {
        if reached.contains(&(number as u32)) {
            let _ = writeln!(out, "fn {}(v0, v1) {{", function.name);
            print(&function.body, 1, &mut out);
            out.push_str("}\n\n");
        }
    }
    Ok(out)
}
