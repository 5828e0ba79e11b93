//! Makes a guest write down the calls of its own allocator.
//!
//! Each function of the allocator moves to the end of the module, and a *wrapper* takes its place, and so its index and its callers.
//! The wrapper calls what was moved, and then notes the call in a memory that is added for the purpose. Everything is added behind
//! what is there: no index changes, so the rest of the code stays as it is, byte for byte. The guest needs no import for it, and
//! the host is not called. Only the outermost call is noted.

use super::allocator::Role;
use super::module::{Module, section};
use anyhow::Result;
use wasm_encoder::{
    BlockType, Encode as _, ExportKind, Function, GlobalType, MemArg, MemoryType, RawSection,
    ValType,
};

/// What the guest exports in the end: the memory with the log, where in it the next call goes, and whether it is full.
pub const LOG: &str = "__pageslab_bench_log";
pub const CURSOR: &str = "__pageslab_bench_cursor";
pub const FULL: &str = "__pageslab_bench_full";

/// The bytes of a call in the log: which function, its parameters, its result, each a word.
pub const NOTE: u32 = 4 * (2 + PARAMETERS);

/// The most parameters of an allocator's function.
const PARAMETERS: u32 = 4;

/// The log grows by so many pages, and to so many: a GiB, for 44 million calls.
const STEP: u32 = 256;
const MAX_PAGES: u64 = 16_384;

/// The same in bytes.
pub const MAX_LOG: usize = (MAX_PAGES as usize) << 16;

/// What is added, by its index.
struct Added {
    /// The type of [`note`].
    note_type: u32,
    /// The first function that was moved, in the order of the allocator's functions.
    moved: u32,
    note: u32,
    log: u32,
    depth: u32,
    cursor: u32,
    end: u32,
    full: u32,
}

/// The module with a log of these functions' calls: of function `i` of the list, the first word of a note is `i`.
pub fn instrument(module: &Module<'_>, functions: &[(u32, Role)]) -> Result<Vec<u8>> {
    let added = Added {
        note_type: module.types,
        moved: module.functions,
        note: module.functions + functions.len() as u32,
        log: module.memories,
        depth: module.globals,
        cursor: module.globals + 1,
        end: module.globals + 2,
        full: module.globals + 3,
    };
    let mut out = wasm_encoder::Module::new();
    for id in section::ORDER {
        let mut items = match id {
            section::CODE => code(module, functions, &added)?,
            _ => module.items(id)?,
        };
        match id {
            section::TYPE => items.add(&[0x60], |out| {
                vec![ValType::I32; 2 + PARAMETERS as usize].encode(out);
                0_u32.encode(out);
            }),
            section::FUNCTION => {
                for (index, _) in functions {
                    let type_index = module.type_of(*index)?;
                    items.add(&[], |out| type_index.encode(out));
                }
                items.add(&[], |out| added.note_type.encode(out));
            }
            section::MEMORY => items.add(&[], |out| {
                let log = MemoryType {
                    minimum: 0,
                    maximum: Some(MAX_PAGES),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                };
                log.encode(out);
            }),
            section::GLOBAL => {
                for _ in 0..4 {
                    items.add(&[], |out| {
                        let number = GlobalType {
                            val_type: ValType::I32,
                            mutable: true,
                            shared: false,
                        };
                        number.encode(out);
                        wasm_encoder::ConstExpr::i32_const(0).encode(out);
                    });
                }
            }
            section::EXPORT => {
                for (name, kind, index) in [
                    (LOG, ExportKind::Memory, added.log),
                    (CURSOR, ExportKind::Global, added.cursor),
                    (FULL, ExportKind::Global, added.full),
                ] {
                    items.add(&[], |out| {
                        name.encode(out);
                        kind.encode(out);
                        index.encode(out);
                    });
                }
            }
            _ => {}
        }
        if let Some(data) = items.encoded() {
            out.section(&RawSection { id, data: &data });
        }
    }
    if let Some(names) = module.names {
        let mut data = Vec::new();
        "name".encode(&mut data);
        data.extend(names);
        out.section(&RawSection {
            id: section::CUSTOM,
            data: &data,
        });
    }
    Ok(out.finish())
}

/// All bodies: wrappers where the allocator's were, and these at the end.
fn code(
    module: &Module<'_>,
    functions: &[(u32, Role)],
    added: &Added,
) -> Result<super::module::Items> {
    let mut items = super::module::Items::default();
    for (index, body) in (module.imported_functions..).zip(&module.bodies) {
        match functions.iter().position(|known| known.0 == index) {
            Some(number) => {
                let body = wrapper(number as u32, functions[number].1, added);
                items.add(&[], |out| body.encode(out));
            }
            None => items.add(&[], |out| body.encode(out)),
        }
    }
    for (index, _) in functions {
        let body = module.body(*index)?;
        items.add(&[], |out| body.encode(out));
    }
    let note = note(added);
    items.add(&[], |out| note.encode(out));
    Ok(items)
}

/// Calls the function that was moved, and notes the call unless it is one of another such function.
fn wrapper(number: u32, role: Role, added: &Added) -> Function {
    let (parameters, has_result) = role.signature();
    let result = parameters;
    let mut function = Function::new([(u32::from(has_result), ValType::I32)]);
    let mut code = function.instructions();
    code.global_get(added.depth)
        .i32_const(1)
        .i32_add()
        .global_set(added.depth);
    for parameter in 0..parameters {
        code.local_get(parameter);
    }
    code.call(added.moved + number);
    if has_result {
        code.local_set(result);
    }
    code.global_get(added.depth)
        .i32_const(1)
        .i32_sub()
        .global_set(added.depth);
    code.global_get(added.depth)
        .i32_eqz()
        .if_(BlockType::Empty)
        .i32_const(number as i32);
    for parameter in 0..PARAMETERS {
        if parameter < parameters {
            code.local_get(parameter);
        } else {
            code.i32_const(0);
        }
    }
    match role {
        Role::PosixMemalign => {
            // The block, or 0 if there is none: its first parameter is where it is.
            code.local_get(0).i32_load(word(0, 0));
            code.i32_const(0).local_get(result).i32_eqz().select();
        }
        _ if has_result => {
            code.local_get(result);
        }
        _ => {
            code.i32_const(0);
        }
    }
    code.call(added.note).end();
    if has_result {
        code.local_get(result);
    }
    code.end();
    function
}

/// Puts its parameters at the end of the log, if there is room for them.
fn note(added: &Added) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.global_get(added.full)
        .if_(BlockType::Empty)
        .return_()
        .end();
    code.global_get(added.cursor)
        .i32_const(NOTE as i32)
        .i32_add()
        .global_get(added.end)
        .i32_gt_u()
        .if_(BlockType::Empty)
        .i32_const(STEP as i32)
        .memory_grow(added.log)
        .i32_const(-1)
        .i32_eq()
        .if_(BlockType::Empty)
        .i32_const(1)
        .global_set(added.full)
        .return_()
        .end()
        .global_get(added.end)
        .i32_const((STEP * 65_536) as i32)
        .i32_add()
        .global_set(added.end)
        .end();
    for parameter in 0..2 + PARAMETERS {
        code.global_get(added.cursor)
            .local_get(parameter)
            .i32_store(word(parameter, added.log));
    }
    code.global_get(added.cursor)
        .i32_const(NOTE as i32)
        .i32_add()
        .global_set(added.cursor);
    code.end();
    function
}

/// A word of a memory, so many words behind an address.
fn word(number: u32, memory_index: u32) -> MemArg {
    MemArg {
        offset: 4 * u64::from(number),
        align: 2,
        memory_index,
    }
}
