//! A guest's module in its sections, as far as one must know them to add something at their ends.

use super::allocator::Role;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::Encode as _;
use wasmparser::{
    BinaryReader, CompositeInnerType, Encoding, ExternalKind, KnownCustom, Name, Parser, Payload,
    TypeRef, ValType,
};

/// The sections' numbers.
pub mod section {
    pub const CUSTOM: u8 = 0;
    pub const TYPE: u8 = 1;
    pub const FUNCTION: u8 = 3;
    pub const MEMORY: u8 = 5;
    pub const GLOBAL: u8 = 6;
    pub const EXPORT: u8 = 7;
    pub const CODE: u8 = 10;

    /// All that are not custom, in the order in which they stand: 12 is how much data there is, and 13 are tags.
    pub const ORDER: [u8; 13] = [
        TYPE, 2, FUNCTION, 4, MEMORY, 13, GLOBAL, EXPORT, 8, 9, 12, CODE, 11,
    ];

    /// Those that are no lists.
    pub const SINGLE: [u8; 2] = [8, 12];
}

/// The items of a section, encoded, of which there can be more.
#[derive(Default)]
pub struct Items {
    is_single: bool,
    count: u32,
    bytes: Vec<u8>,
}

impl Items {
    /// One more.
    pub fn add(&mut self, first: &[u8], encode: impl FnOnce(&mut Vec<u8>)) {
        self.count += 1;
        self.bytes.extend(first);
        encode(&mut self.bytes);
    }

    /// The section, if there is anything in it.
    pub fn encoded(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if !self.is_single {
            self.count.encode(&mut out);
        }
        out.extend(&self.bytes);
        (self.count > 0).then_some(out)
    }
}

/// What there is in a module. Functions, memories and globals are counted with the imported ones.
#[derive(Default)]
pub struct Module<'a> {
    pub types: u32,
    pub imported_functions: u32,
    pub functions: u32,
    pub memories: u32,
    pub globals: u32,
    /// The bodies of the functions that are not imported.
    pub bodies: Vec<&'a [u8]>,
    /// The names of functions and others, as they are in the module.
    pub names: Option<&'a [u8]>,
    /// Each function's type.
    type_indices: Vec<u32>,
    /// The types of functions: how many parameters and results they have, if all are `i32`.
    signatures: Vec<Option<(usize, usize)>>,
    function_names: BTreeMap<u32, BTreeSet<&'a str>>,
    /// The other sections, by their number.
    sections: BTreeMap<u8, &'a [u8]>,
}

impl<'a> Module<'a> {
    pub fn parse(wasm: &'a [u8]) -> Result<Self> {
        let mut module = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section()
                && id != section::CUSTOM
            {
                module.sections.insert(id, &wasm[range]);
            }
            module.take(payload, wasm)?;
        }
        let defined = module.functions - module.imported_functions;
        ensure!(
            module.bodies.len() == defined as usize,
            "it has functions without code"
        );
        Ok(module)
    }

    fn take(&mut self, payload: Payload<'a>, wasm: &'a [u8]) -> Result<()> {
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => bail!("it is a component: build the guest for wasm32-wasip1"),
            Payload::TypeSection(groups) => {
                for group in groups {
                    for kind in group?.types() {
                        self.types += 1;
                        self.signatures.push(match &kind.composite_type.inner {
                            CompositeInnerType::Func(function) => {
                                let all = function.params().iter().chain(function.results());
                                let lens = (function.params().len(), function.results().len());
                                all.clone()
                                    .all(|&kind| kind == ValType::I32)
                                    .then_some(lens)
                            }
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    match import?.ty {
                        TypeRef::Func(kind) | TypeRef::FuncExact(kind) => {
                            self.type_indices.push(kind);
                            self.imported_functions += 1;
                            self.functions += 1;
                        }
                        TypeRef::Memory(memory) => {
                            ensure!(!memory.shared, "it shares its memory with threads");
                            self.memories += 1;
                        }
                        TypeRef::Global(_) => self.globals += 1,
                        TypeRef::Table(_) | TypeRef::Tag(_) => {}
                    }
                }
            }
            Payload::FunctionSection(functions) => {
                for kind in functions {
                    self.type_indices.push(kind?);
                    self.functions += 1;
                }
            }
            Payload::MemorySection(memories) => self.memories += memories.count(),
            Payload::GlobalSection(globals) => self.globals += globals.count(),
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        let names = self.function_names.entry(export.index).or_default();
                        names.insert(export.name);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(&wasm[body.range()]),
            Payload::CustomSection(custom) => {
                if let KnownCustom::Name(names) = custom.as_known() {
                    self.names = Some(custom.data());
                    for name in names {
                        // What is not understood there is of no use to anybody.
                        if let Ok(Name::Function(functions)) = name {
                            for naming in functions.into_iter().flatten() {
                                let names = self.function_names.entry(naming.index).or_default();
                                names.insert(naming.name);
                            }
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The functions of its allocator that are not imported, and have the right types.
    pub fn allocator(&self) -> Vec<(u32, Role)> {
        let known = self.function_names.iter().filter_map(|(&index, names)| {
            let role = names.iter().find_map(|name| Role::of(name))?;
            let (parameters, has_result) = role.signature();
            let expected = (parameters as usize, usize::from(has_result));
            let kind = self.type_of(index).ok()?;
            let signature = self.signatures.get(kind as usize).copied().flatten();
            (index >= self.imported_functions && signature == Some(expected))
                .then_some((index, role))
        });
        known.collect()
    }

    /// Whether a crate of the guest's defines Rust's global allocator. If none does, there is std's, by this name.
    pub fn has_own_allocator(&self) -> bool {
        let has = |what: &str| {
            let mut names = self.function_names.values().flatten();
            names.any(|name| name.ends_with(what))
        };
        has("__rust_alloc") && !has("__rdl_alloc")
    }

    /// The type of a function.
    pub fn type_of(&self, function: u32) -> Result<u32> {
        let kind = self.type_indices.get(function as usize).copied();
        kind.context("a function has no type")
    }

    /// The body of a function that is not imported.
    pub fn body(&self, function: u32) -> Result<&'a [u8]> {
        let place = function.checked_sub(self.imported_functions);
        let body = place.and_then(|place| self.bodies.get(place as usize));
        body.copied().context("a function has no code")
    }

    /// What is in a section: nothing, if there is none.
    pub fn items(&self, id: u8) -> Result<Items> {
        let Some(&bytes) = self.sections.get(&id) else {
            return Ok(Items::default());
        };
        if section::SINGLE.contains(&id) {
            return Ok(Items {
                is_single: true,
                count: 1,
                bytes: bytes.to_vec(),
            });
        }
        let mut reader = BinaryReader::new(bytes, 0);
        let count = reader.read_var_u32()?;
        Ok(Items {
            is_single: false,
            count,
            bytes: bytes[reader.original_position()..].to_vec(),
        })
    }
}
