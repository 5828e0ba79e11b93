//! What a store keeps for a component that imports WASI 0.2.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The component's view of the host, and what it holds of it.
pub struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl From<WasiCtx> for Wasi {
    fn from(context: WasiCtx) -> Self {
        Self {
            context,
            table: ResourceTable::new(),
        }
    }
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}
