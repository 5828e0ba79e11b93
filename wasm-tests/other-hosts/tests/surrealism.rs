//! SurrealDB's side: upstream's `Transfer` in the guest, and its `AsyncTransfer` on the host, across the exported pair.

#![cfg(not(target_family = "wasm"))]

#[path = "../../tests/abi/plugin.rs"]
#[allow(dead_code, reason = "one guest, and one ABI")]
mod plugin;

use async_trait::async_trait;
use plugin::{module, open_wasi};
use pollster::block_on;
use std::sync::LazyLock;
use surrealism_types::{
    controller::AsyncMemoryController,
    serialize::Serialized,
    transfer::{AsyncTransfer, Ptr},
};
use wasm_tests::host::{Abi, Plugin};
use wasmtime::Module;
use wasmtime_wasi::p1::WasiP1Ctx;

static GUEST: LazyLock<Module> = LazyLock::new(|| module("guest-surrealism", "wasm32-wasip1"));

/// A plugin as upstream's host sees it: blocks are pointers and lengths.
struct Host(Plugin<WasiP1Ctx>);

#[async_trait]
impl AsyncMemoryController for Host {
    async fn alloc(&mut self, len: u32) -> anyhow::Result<u32> {
        let (ptr, _) = self.0.alloc(len, 8)?.hand_over();
        Ok(ptr)
    }

    async fn free(&mut self, ptr: u32, len: u32) -> anyhow::Result<()> {
        let block = self.0.adopt(ptr, len, 8)?;
        Ok(self.0.free(block)?)
    }

    fn mut_mem(&mut self, ptr: u32, len: u32) -> anyhow::Result<&mut [u8]> {
        Ok(self.0.bytes_mut(ptr, len)?)
    }
}

impl Host {
    fn new(module: &Module) -> Self {
        Self(open_wasi(module, Abi::Surrealism).0)
    }

    fn live(&mut self) -> u32 {
        self.0.call("live", ()).expect("no trap")
    }

    /// Sends a value, calls an export with its pointer, and receives the answer.
    fn exchange<T: AsyncTransfer, R: AsyncTransfer>(&mut self, export: &str, value: T) -> R {
        let sent = block_on(value.transfer(self)).expect("there is memory");
        let answer: u32 = self.0.call(export, *sent).expect("no trap");
        assert_ne!(answer, 0, "the guest understands the value");
        block_on(R::receive(Ptr::from(answer), self)).expect("the answer is a value")
    }
}

#[test]
fn values_move_through_upstreams_transfer_in_the_guest_and_nothing_stays_live() {
    let mut host = Host::new(&GUEST);
    let moved: u32 = host.0.call("move_values", 200).expect("no trap");
    assert!(moved > 200 * 11, "{moved} values");
    let live = host.live();
    let moved: u32 = host
        .0
        .call("move_values_on_the_heap", 200)
        .expect("no trap");
    assert!(moved > 200 * 11, "{moved} values");
    assert_eq!(host.live(), live, "blocks are left");
}

#[test]
fn values_move_from_upstreams_host_to_the_guest_and_back() {
    let mut host = Host::new(&GUEST);
    let live = host.live();
    for round in 0..300usize {
        let list: Vec<Option<String>> = (0..round)
            .map(|n| (n % 3 != 0).then(|| "wörd".repeat(n % 40)))
            .collect();
        assert_eq!(
            host.exchange::<_, Vec<Option<String>>>("echo_list", list.clone()),
            list
        );
        let value = surrealdb_types::Value::String("text".repeat(round));
        assert_eq!(
            host.exchange::<_, surrealdb_types::Value>("echo_value", value.clone()),
            value
        );
    }
    assert_eq!(host.live(), live, "blocks are left");
}

#[test]
fn a_text_that_is_none_is_refused_and_nothing_stays_live() {
    let mut host = Host::new(&GUEST);
    let live = host.live();
    let bytes = Serialized(vec![0xff; 100].into());
    let sent = block_on(bytes.transfer(&mut host)).expect("there is memory");
    let answer: u32 = host.0.call("echo_text", *sent).expect("no trap");
    assert_eq!(answer, 0, "it is not UTF-8");
    // Upstream frees a block before it looks at what was in it.
    assert_eq!(host.live(), live);
    assert!(block_on(host.free(*sent, 104)).is_err(), "it was freed");
}

#[test]
fn a_length_past_the_block_traps_and_the_guest_goes_on() {
    let mut host = Host::new(&GUEST);
    let text = "text".repeat(20);
    let sent = block_on(text.clone().transfer(&mut host)).expect("there is memory");
    for len in [81, 1000, u32::MAX - 4, u32::MAX] {
        let header = host.mut_mem(*sent, 4).expect("it is in memory");
        header.copy_from_slice(&u32::to_le_bytes(len));
        let refused = host.0.call::<_, u32>("echo_text", *sent);
        refused.expect_err("the bytes are not all in the block");
    }
    let header = host.mut_mem(*sent, 4).expect("it is in memory");
    header.copy_from_slice(&u32::to_le_bytes(80));
    let answer: u32 = host.0.call("echo_text", *sent).expect("no trap");
    let echoed = block_on(String::receive(Ptr::from(answer), &mut host));
    assert_eq!(echoed.expect("it is a text"), text);
}

#[test]
fn the_example_repeats_a_list() {
    let mut host = Host::new(&module("example-surrealism", "wasm32-wasip1"));
    let words = vec!["ping".to_owned(), "pong".to_owned()];
    let twice: Vec<String> = host.exchange("twice", words.clone());
    assert_eq!(twice, [words.clone(), words].concat());
}
