//! How a host works with the memory of a guest: allocate, write, call, read, free, and trust nothing.
//!
//! A [`Plugin`] is an instance that exports one of the guest [`Abi`]s. Every pointer that the guest returns is checked
//! to lie within its memory, every block that the host frees is one that it got, and whatever goes wrong is an [`Error`]
//! of its own. This file is meant to be copied: it needs wasmtime and thiserror, and nothing of its neighbours.
//!
//! ```no_run
//! use wasm_tests::host::{Abi, Plugin};
//! use wasmtime::{Engine, Instance, Module, Store};
//!
//! let engine = Engine::default();
//! let module = Module::from_file(&engine, "example_alloc_free.wasm")?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let mut plugin = Plugin::open(store, instance, Abi::AllocFree)?;
//!
//! let text = plugin.give(b"hello", 1)?;
//! // The guest takes the text, and answers with a pointer and a length in one word.
//! let answer: u64 = plugin.call("shout", text.hand_over())?;
//! let answer = plugin.adopt((answer >> 32) as u32, answer as u32, 1)?;
//! assert_eq!(plugin.read(&answer)?, b"HELLO");
//! plugin.free(answer)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{Instance, Memory, Store, TypedFunc, WasmParams, WasmResults};

/// How a guest lets its host allocate: all `u32`, pointers are byte offsets into the memory that the guest exports as
/// `memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// `__alloc(len, align) -> ptr`, 0 on failure, and `__free(ptr, len) -> status`, 0 on success.
    AllocFree,
    /// `__sr_alloc(len) -> ptr`, 0 on failure, aligned to 8, and `__sr_free(ptr, len) -> 1`, or 0 on failure: SurrealDB's.
    Surrealism,
    /// `cabi_realloc(old_ptr, old_len, align, new_len) -> ptr`, which traps on failure: the component model's.
    CabiRealloc,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guest lacks an export, or has it with another type.
    #[error("the guest does not export {name} as this host calls it")]
    Export {
        /// The export's name.
        name: String,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// The guest has no memory for the host, or the ABI cannot align as asked.
    #[error(
        "the guest allocates no {len} bytes aligned to {align}{}",
        said(message)
    )]
    Alloc {
        /// The length in bytes.
        len: u32,
        /// The alignment in bytes.
        align: u32,
        /// What the guest says, if it exports `__heap_message`.
        message: Option<String>,
    },
    /// The block is another plugin's.
    #[error("the {len} bytes at {ptr:#x} are a block of another plugin")]
    Foreign {
        /// The block's pointer.
        ptr: u32,
        /// The block's length in bytes.
        len: u32,
    },
    /// The guest refused to free a block: it says that the block is not live, or not of this length.
    #[error(
        "the guest does not free the {len} bytes at {ptr:#x}: status {status}{}",
        said(message)
    )]
    Free {
        /// The block's pointer.
        ptr: u32,
        /// The block's length in bytes.
        len: u32,
        /// What the guest returned.
        status: u32,
        /// What the guest says.
        message: Option<String>,
    },
    /// A pointer and a length that are not within the guest's memory.
    #[error("{len} bytes at {ptr:#x} are not within the guest's memory")]
    OutOfBounds {
        /// The pointer.
        ptr: u32,
        /// The length in bytes.
        len: u32,
    },
    /// A pointer from the guest that is not aligned as promised.
    #[error("the guest's pointer {ptr:#x} is not aligned to {align}")]
    Misaligned {
        /// The pointer.
        ptr: u32,
        /// The alignment in bytes.
        align: u32,
    },
    /// The bytes to write are not as many as the block has.
    #[error("{given} bytes do not fill a block of {len}")]
    Length {
        /// The block's length in bytes.
        len: u32,
        /// How many were given.
        given: usize,
    },
    /// The guest trapped, or an import failed.
    #[error("the guest's {name} did not return{}", said(message))]
    Trap {
        /// The function called.
        name: String,
        /// What the guest says.
        message: Option<String>,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
}

/// What the guest says, behind what its host does.
fn said(message: &Option<String>) -> String {
    message
        .as_ref()
        .map_or_else(String::new, |message| format!(": {message}"))
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A block in a guest's memory that belongs to the host, until it is freed or handed over.
///
/// Neither `Copy` nor `Clone`: who has it can free it, once.
#[must_use = "a block that is dropped stays allocated in the guest"]
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    ptr: u32,
    len: u32,
    align: u32,
    /// The [`Plugin::id`] of the plugin that it is in.
    plugin: u64,
}

impl Block {
    /// Gives the block up, for the guest to free: its pointer and length.
    pub fn hand_over(self) -> (u32, u32) {
        (self.ptr, self.len)
    }
}

/// A guest's functions for its host.
#[derive(Clone)]
enum Functions {
    AllocFree {
        alloc: TypedFunc<(u32, u32), u32>,
        free: TypedFunc<(u32, u32), u32>,
    },
    Surrealism {
        alloc: TypedFunc<u32, u32>,
        free: TypedFunc<(u32, u32), u32>,
    },
    CabiRealloc {
        realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    },
}

/// An instance in its store, whose memory the host works with.
pub struct Plugin<T: 'static> {
    store: Store<T>,
    instance: Instance,
    memory: Memory,
    functions: Functions,
    /// Unlike that of any other plugin.
    id: u64,
}

/// The next [`Plugin::id`].
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl<T> Plugin<T> {
    /// Looks up the exports of an ABI, and the memory.
    ///
    /// # Errors
    ///
    /// [`Error::Export`].
    pub fn open(mut store: Store<T>, instance: Instance, abi: Abi) -> Result<Self> {
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| Error::Export {
                name: "memory".into(),
                source: wasmtime::Error::msg("no memory of this name, or one that is shared"),
            })?;
        let functions = match abi {
            Abi::AllocFree => Functions::AllocFree {
                alloc: export(&mut store, &instance, "__alloc")?,
                free: export(&mut store, &instance, "__free")?,
            },
            Abi::Surrealism => Functions::Surrealism {
                alloc: export(&mut store, &instance, "__sr_alloc")?,
                free: export(&mut store, &instance, "__sr_free")?,
            },
            Abi::CabiRealloc => Functions::CabiRealloc {
                realloc: export(&mut store, &instance, "cabi_realloc")?,
            },
        };
        Ok(Self {
            store,
            instance,
            memory,
            functions,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The store.
    pub fn store_mut(&mut self) -> &mut Store<T> {
        &mut self.store
    }

    /// The size of the guest's memory in bytes.
    pub fn memory_len(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// One of the guest's functions, to be called on [`store_mut`](Self::store_mut).
    ///
    /// # Errors
    ///
    /// [`Error::Export`].
    pub fn export<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<TypedFunc<P, R>> {
        export(&mut self.store, &self.instance, name)
    }

    /// The value of an exported global of type `i32`.
    ///
    /// # Errors
    ///
    /// [`Error::Export`].
    pub fn global(&mut self, name: &str) -> Result<u32> {
        let global = self.instance.get_global(&mut self.store, name);
        let value = global.and_then(|global| global.get(&mut self.store).i32());
        value
            .map(|value| value as u32)
            .ok_or_else(|| Error::Export {
                name: name.into(),
                source: wasmtime::Error::msg("no global of this name"),
            })
    }

    /// Calls one of the guest's exports.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] and [`Error::Trap`].
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> Result<R> {
        let function = self.export(name)?;
        call(&mut self.store, &function, name, params).map_err(|error| self.told(error))
    }

    /// What the guest says went wrong last, once: `None` if there is nothing, or it does not export `__heap_message`.
    pub fn message(&mut self) -> Option<String> {
        let function = export::<_, (), u64>(&mut self.store, &self.instance, "__heap_message");
        let text = function.ok()?.call(&mut self.store, ()).ok()?;
        let text = self.bytes((text >> 32) as u32, text as u32).ok()?;
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The error with what the guest says of it.
    fn told(&mut self, mut error: Error) -> Error {
        if let Error::Alloc { message, .. }
        | Error::Free { message, .. }
        | Error::Trap { message, .. } = &mut error
        {
            *message = self.message();
        }
        error
    }

    /// Allocates `len` bytes aligned to `align` in the guest. They have any contents.
    ///
    /// # Errors
    ///
    /// [`Error::Alloc`] if the guest refuses, or `align` is no power of two, [`Error::OutOfBounds`] and [`Error::Misaligned`] if it returns what can
    /// be no block, and [`Error::Trap`].
    pub fn alloc(&mut self, len: u32, align: u32) -> Result<Block> {
        let refused = Error::Alloc {
            len,
            align,
            message: None,
        };
        if !align.is_power_of_two() {
            return Err(refused);
        }
        let store = &mut self.store;
        let ptr = match &self.functions {
            Functions::AllocFree { alloc, .. } => call(store, alloc, "__alloc", (len, align)),
            Functions::Surrealism { alloc, .. } if align <= 8 => {
                call(store, alloc, "__sr_alloc", len)
            }
            Functions::Surrealism { .. } => return Err(refused),
            Functions::CabiRealloc { realloc } => {
                call(store, realloc, "cabi_realloc", (0, 0, align, len))
            }
        };
        match ptr {
            Ok(0) => Err(self.told(refused)),
            Ok(ptr) => self.adopt(ptr, len, align),
            Err(trap) => Err(self.told(trap)),
        }
    }

    /// Takes over a block that the guest hands to the host.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`] and [`Error::Misaligned`]. Whether the block is live shows when it is freed.
    pub fn adopt(&mut self, ptr: u32, len: u32, align: u32) -> Result<Block> {
        if !align.is_power_of_two() || !ptr.is_multiple_of(align) {
            return Err(Error::Misaligned { ptr, align });
        }
        self.range(ptr, len)?;
        Ok(Block {
            ptr,
            len,
            align,
            plugin: self.id,
        })
    }

    /// Frees a block.
    ///
    /// # Errors
    ///
    /// [`Error::Free`] if the guest refuses, [`Error::Foreign`] for a block of another plugin, and [`Error::Trap`].
    pub fn free(&mut self, block: Block) -> Result<()> {
        self.check_own(&block)?;
        let Block {
            ptr, len, align, ..
        } = block;
        let store = &mut self.store;
        let (status, good) = match &self.functions {
            Functions::AllocFree { free, .. } => (call(store, free, "__free", (ptr, len)), 0),
            Functions::Surrealism { free, .. } => (call(store, free, "__sr_free", (ptr, len)), 1),
            Functions::CabiRealloc { realloc } => {
                let nothing = call(store, realloc, "cabi_realloc", (ptr, len, align, 0));
                (nothing, align)
            }
        };
        match status {
            Ok(status) if status == good => Ok(()),
            Ok(status) => Err(self.told(Error::Free {
                ptr,
                len,
                status,
                message: None,
            })),
            Err(trap) => Err(self.told(trap)),
        }
    }

    /// Allocates a block and fills it with these bytes.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc) has.
    pub fn give(&mut self, bytes: &[u8], align: u32) -> Result<Block> {
        let len = u32::try_from(bytes.len()).map_err(|_| Error::Alloc {
            len: u32::MAX,
            align,
            message: None,
        })?;
        let block = self.alloc(len, align)?;
        self.write(&block, bytes)?;
        Ok(block)
    }

    /// Fills a block.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] unless there are as many bytes as the block has, and [`Error::Foreign`] for a block of another
    /// plugin.
    pub fn write(&mut self, block: &Block, bytes: &[u8]) -> Result<()> {
        self.check_own(block)?;
        if bytes.len() != block.len as usize {
            return Err(Error::Length {
                len: block.len,
                given: bytes.len(),
            });
        }
        let range = self.range(block.ptr, block.len)?;
        self.memory.data_mut(&mut self.store)[range].copy_from_slice(bytes);
        Ok(())
    }

    /// The bytes of a block.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`] for a block of another plugin.
    pub fn read(&self, block: &Block) -> Result<&[u8]> {
        self.check_own(block)?;
        self.bytes(block.ptr, block.len)
    }

    /// Bytes of the guest's memory, wherever they are.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn bytes(&self, ptr: u32, len: u32) -> Result<&[u8]> {
        let range = self.range(ptr, len)?;
        Ok(&self.memory.data(&self.store)[range])
    }

    /// The same, to be changed.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfBounds`].
    pub fn bytes_mut(&mut self, ptr: u32, len: u32) -> Result<&mut [u8]> {
        let range = self.range(ptr, len)?;
        Ok(&mut self.memory.data_mut(&mut self.store)[range])
    }

    fn check_own(&self, block: &Block) -> Result<()> {
        let &Block {
            ptr, len, plugin, ..
        } = block;
        if plugin == self.id {
            Ok(())
        } else {
            Err(Error::Foreign { ptr, len })
        }
    }

    /// Where these bytes are in the guest's memory.
    fn range(&self, ptr: u32, len: u32) -> Result<Range<usize>> {
        let start = ptr as usize;
        let end = start.checked_add(len as usize);
        end.filter(|&end| end <= self.memory.data_size(&self.store))
            .map(|end| start..end)
            .ok_or(Error::OutOfBounds { ptr, len })
    }
}

fn export<T, P: WasmParams, R: WasmResults>(
    store: &mut Store<T>,
    instance: &Instance,
    name: &str,
) -> Result<TypedFunc<P, R>> {
    instance
        .get_typed_func(store, name)
        .map_err(|source| Error::Export {
            name: name.into(),
            source,
        })
}

fn call<T, P: WasmParams, R: WasmResults>(
    store: &mut Store<T>,
    function: &TypedFunc<P, R>,
    name: &str,
    params: P,
) -> Result<R> {
    function.call(store, params).map_err(|source| Error::Trap {
        name: name.into(),
        message: None,
        source,
    })
}
