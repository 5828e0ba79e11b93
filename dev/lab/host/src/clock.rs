//! A clock for single calls of an allocator: the processor's cycle counter where there is one, and how long one
//! of its cycles is.

use std::time::{Duration, Instant};

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
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// The counter beside a clock that knows seconds. The longer the two run, the less it matters that the machine had
/// something else to do between reading the one and the other.
pub struct Calibration {
    start: Instant,
    first: u64,
}

impl Calibration {
    pub fn start() -> Self {
        let (start, first) = (Instant::now(), now());
        Self { start, first }
    }

    /// Nanoseconds in a cycle of [`now`].
    pub fn nanoseconds_per_cycle(&self) -> f64 {
        ratio(self.start.elapsed(), now() - self.first)
    }
}

fn ratio(time: Duration, cycles: u64) -> f64 {
    time.as_nanos() as f64 / cycles.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::{Calibration, Duration, now, ratio};

    #[test]
    fn a_cycle_is_its_part_of_the_time() {
        assert_eq!(ratio(Duration::from_secs(2), 8_000_000_000), 0.25);
        assert!(ratio(Duration::ZERO, 0) == 0.0);
    }

    #[test]
    fn the_counter_counts() {
        let calibration = Calibration::start();
        let before = now();
        std::thread::sleep(Duration::from_millis(1));
        assert!(now() > before);
        assert!(calibration.nanoseconds_per_cycle() > 0.0);
    }
}
