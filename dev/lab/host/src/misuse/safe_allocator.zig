//! Zig's SafeAllocator in a module with the exports of dev/lab/guest that `lab misuse` calls.

const std = @import("std");
const Alignment = std.mem.Alignment;

/// As its documentation has it, and in debug mode as its users have it.
var safe: std.heap.SafeAllocator = .init(std.heap.page_allocator, .{});

export fn _initialize() void {}

export fn allocate(size: usize, alignment: usize) ?[*]u8 {
    return safe.allocator().rawAlloc(size, .fromByteUnits(alignment), @returnAddress());
}

/// What `Allocator.free` does of a slice whose type has the alignment.
export fn deallocate(pointer: [*]u8, size: usize, alignment: usize) void {
    const block = pointer[0..size];
    @memset(block, undefined);
    safe.allocator().rawFree(block, .fromByteUnits(alignment), @returnAddress());
}
