//! A clock for single calls of an allocator: the processor's cycle counter where there is one, and how long one
//! of its cycles is.

use std::time::Duration;

/// The counter now. Everything before it in the program has been executed.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn now() -> u64 {
    use std::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: every x86-64 processor has both instructions, and neither touches memory.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// Nanoseconds, for want of a counter that Rust can read here.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Nanoseconds in a cycle of [`now`].
pub fn nanoseconds_per_cycle() -> f64 {
    let (start, first) = (std::time::Instant::now(), now());
    std::thread::sleep(Duration::from_millis(50));
    let cycles = now() - first;
    start.elapsed().as_nanos() as f64 / cycles as f64
}

#[cfg(test)]
mod tests {
    use super::{nanoseconds_per_cycle, now};
    use std::time::{Duration, Instant};

    #[test]
    fn a_calibrated_counter_tells_the_time() {
        let cycle = nanoseconds_per_cycle();
        let (start, first) = (Instant::now(), now());
        std::thread::sleep(Duration::from_millis(20));
        let told = (now() - first) as f64 * cycle;
        let ratio = told / start.elapsed().as_nanos() as f64;
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }
}
