//! A guest that moves values through upstream's `Transfer`: to itself, on a controller of its own, and to its host and
//! back, on the module's heap.

#![cfg(target_arch = "wasm32")]

use anyhow::Result;
use bytes::Bytes;
use pageslab::{GlobalPageSlab, PageSlab, WasmMemory};
use std::collections::BTreeMap;
use std::fmt::Debug;
use surrealdb_types::{Array, Object, Value};
use surrealism_types::controller::MemoryController;
use surrealism_types::serialize::{Serializable, Serialized};
use surrealism_types::transfer::{Ptr, Transfer};

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

pageslab::export_abi!(surrealism);

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// To be called before anything else. Without it, every call of an export would set up the C library again.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the host calls this once.
    unsafe { __wasm_call_ctors() }
}

/// How many allocations of the module's heap are live.
#[unsafe(no_mangle)]
extern "C" fn live() -> u32 {
    ALLOCATOR.live().expect("the heap is whole") as u32
}

/// Moves values of all kinds through a controller of this call, and returns how many. Traps unless each comes back as it
/// was, every block is freed, and the controller is whole.
#[unsafe(no_mangle)]
extern "C" fn move_values(rounds: u32) -> u32 {
    let mut heap = PageSlab::new(WasmMemory::new());
    let mut moved = 0;
    for round in 0..rounds {
        moved += move_all(round, &mut heap).expect("upstream moves the values");
        heap.check_invariants();
    }
    assert_eq!(heap.live().count(), 0, "blocks are left");
    moved
}

/// The same on the module's heap.
#[unsafe(no_mangle)]
extern "C" fn move_values_on_the_heap(rounds: u32) -> u32 {
    // SAFETY: upstream passes on only what the controller gave it.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let moved = (0..rounds).map(|round| move_all(round, &mut controller));
    moved
        .sum::<Result<u32>>()
        .expect("upstream moves the values")
}

/// Takes a value from the host and gives it back. 0 if it is none.
#[unsafe(no_mangle)]
extern "C" fn echo_value(ptr: u32) -> u32 {
    echo::<Value>(ptr)
}

/// Takes a text from the host and gives it back. 0 if it is none.
#[unsafe(no_mangle)]
extern "C" fn echo_text(ptr: u32) -> u32 {
    echo::<String>(ptr)
}

/// Takes a list from the host and gives it back. 0 if it is none.
#[unsafe(no_mangle)]
extern "C" fn echo_list(ptr: u32) -> u32 {
    echo::<Vec<Option<String>>>(ptr)
}

fn echo<T: Transfer>(ptr: u32) -> u32 {
    // SAFETY: the host has allocated the value's block, and hands it over.
    let mut controller = unsafe { ALLOCATOR.controller() };
    let answer = |controller: &mut dyn MemoryController| -> Result<Ptr> {
        T::receive(ptr.into(), controller)?.transfer(controller)
    };
    answer(&mut controller).map_or(0, u32::from)
}

fn move_all(round: u32, controller: &mut dyn MemoryController) -> Result<u32> {
    let text = "añb".repeat(round as usize * 7 % 400);
    let numbers: Vec<i64> = (0..i64::from(round % 50)).collect();
    let words: Vec<String> = numbers.iter().map(|n| format!("{text}{n}")).collect();
    moves(String::new(), controller)?;
    moves(text.clone(), controller)?;
    moves(Some(text.clone()), controller)?;
    moves(None::<String>, controller)?;
    moves(numbers.clone(), controller)?;
    moves(words.clone(), controller)?;
    moves(
        vec![Some(words.clone()), None, Some(Vec::new())],
        controller,
    )?;
    moves(
        (text.clone(), f64::from(round), round.is_multiple_of(2)),
        controller,
    )?;
    moves(Err::<Vec<String>, String>(text.clone()), controller)?;
    moves(value(round, &text), controller)?;
    let bytes = Bytes::from(vec![round as u8; round as usize * 997 % 100_000]);
    let ptr = Serialized(bytes.clone()).transfer(controller)?;
    assert_eq!(Serialized::receive(ptr, controller)?.0, bytes);
    // Several that are live at once, received in another order.
    let ptrs: Vec<Ptr> = words
        .iter()
        .map(|word| word.clone().transfer(controller))
        .collect::<Result<_>>()?;
    for (ptr, word) in ptrs.into_iter().zip(&words).rev() {
        assert_eq!(&String::receive(ptr, controller)?, word);
    }
    Ok(11 + words.len() as u32)
}

/// Moves one value.
fn moves<T>(value: T, controller: &mut dyn MemoryController) -> Result<()>
where
    T: Serializable + Clone + PartialEq + Debug,
{
    let ptr = value.clone().transfer(controller)?;
    assert_eq!(T::receive(ptr, controller)?, value);
    Ok(())
}

/// An object with a list, bytes and another object in it.
fn value(round: u32, text: &str) -> Value {
    let bytes = surrealdb_types::Bytes::from(vec![round as u8; round as usize % 5000]);
    let inner = BTreeMap::from([
        ("text".to_owned(), Value::String(text.to_owned())),
        ("none".to_owned(), Value::None),
    ]);
    let list = vec![
        Value::Bool(true),
        Value::Bytes(bytes),
        Value::Object(Object::from(inner)),
    ];
    let outer = BTreeMap::from([
        ("list".to_owned(), Value::Array(Array::from(list))),
        ("round".to_owned(), Value::Number(i64::from(round).into())),
    ]);
    Value::Object(Object::from(outer))
}
