//! A wasm-bindgen guest, for Node and for browsers: what JavaScript passes and gets lies in blocks of pageslab.
//!
//! wasm-bindgen's JavaScript allocates each argument with `__wbindgen_malloc`, and frees each answer with
//! `__wbindgen_free` and its exact length, which pageslab validates.

use pageslab::GlobalPageSlab;
use std::collections::HashMap;
use wasm_bindgen::prelude::wasm_bindgen;

#[global_allocator]
static ALLOCATOR: GlobalPageSlab = GlobalPageSlab::new();

/// The guest frees the argument.
#[wasm_bindgen]
pub fn reverse(text: String) -> String {
    text.chars().rev().collect()
}

/// The guest borrows the argument, and JavaScript frees each of the words.
#[wasm_bindgen]
pub fn words(text: &str) -> Vec<String> {
    text.split(' ').map(String::from).collect()
}

/// Nothing, if there are no words.
#[wasm_bindgen]
pub fn join(words: Vec<String>) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

/// The answer has the argument's block, unless it is shorter.
#[wasm_bindgen]
pub fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.retain(|&byte| byte != 0);
    bytes
}

#[wasm_bindgen]
pub fn running_sums(numbers: &[f64]) -> Vec<f64> {
    let add = |sum: &mut f64, number: &f64| {
        *sum += number;
        Some(*sum)
    };
    numbers.iter().scan(0.0, add).collect()
}

/// An object that JavaScript holds, and gives back with `free()`.
#[wasm_bindgen]
#[derive(Default)]
pub struct Tally(HashMap<String, u32>);

#[wasm_bindgen]
impl Tally {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the word, and says how often it has been counted.
    pub fn add(&mut self, word: String) -> u32 {
        let count = self.0.entry(word).or_default();
        *count += 1;
        *count
    }
}

/// How many allocations are live.
#[wasm_bindgen]
pub fn live() -> usize {
    ALLOCATOR.live().expect("the heap is whole")
}

/// How many pages of 64 KiB the heap holds.
#[wasm_bindgen]
pub fn pages() -> u32 {
    ALLOCATOR.pages()
}
