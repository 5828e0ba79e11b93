//! A handler of requests that leaks, as many do: it has a cache that nobody bounds. `docs/seeing.md` finds it.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::{env, hint};

#[global_allocator]
static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

// The host may look into the heap.
pageslab::export_abi!(snapshot);

/// Does some work, and in checked mode says that this line does.
macro_rules! here {
    ($work:expr) => {{
        #[cfg(feature = "checked")]
        let caller = ALLOCATOR.set_tag(line!() as u16);
        let result = $work;
        #[cfg(feature = "checked")]
        ALLOCATOR.set_tag(caller);
        result
    }};
}

/// Without a random seed: answers are freed in the same order in each run, which decides what slabs become vacant.
type Hasher = BuildHasherDefault<DefaultHasher>;

struct Handler {
    /// The answers so far, by user. Each request has a new user, so that none is ever found.
    cache: HashMap<u32, String, Hasher>,
    /// How many answers it may have. Without a second argument it may have any number: the leak.
    max_answers: usize,
    /// The last requests. The oldest go.
    log: VecDeque<String>,
}

impl Handler {
    fn handle(&mut self, user: u32) -> usize {
        let request = here!(format!("GET /users/{user}"));
        let answer = here!(render(user));
        let len = answer.len();
        here!(self.cache.insert(user, answer));
        if self.cache.len() > self.max_answers {
            self.cache.clear();
        }
        here!(self.log.push_back(request));
        if self.log.len() > 100 {
            self.log.pop_front();
        }
        len
    }
}

/// A page of 173 bytes or so.
fn render(user: u32) -> String {
    format!("<p>Hello, user {user}!</p>{:150}", "")
}

fn main() {
    let number = |place| env::args().nth(place)?.parse().ok();
    let requests = number(1).unwrap_or(1000);
    let mut handler = Handler {
        cache: HashMap::default(),
        max_answers: number(2).unwrap_or(usize::MAX),
        log: VecDeque::new(),
    };
    let bytes: usize = (0..requests as u32).map(|user| handler.handle(user)).sum();
    println!("{bytes} bytes sent");
    // A service does not end. For whoever looks into its heap, neither does this one.
    std::mem::forget(hint::black_box(handler));
}
