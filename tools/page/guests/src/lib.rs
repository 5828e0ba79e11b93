//! The guests that the page can show without a file. Each export is one guest, and each call one step of it, which answers some
//! requests. It returns 1 as long as there is more to do.
//!
//! Nothing here depends on time or on chance: every run is the same.

// If the allocator is another, it is that crate's.
#[cfg(feature = "other")]
use lab_allocators as _;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;

#[cfg(not(feature = "other"))]
mod heap {
    #[global_allocator]
    static ALLOCATOR: pageslab::GlobalPageSlab = pageslab::GlobalPageSlab::new();

    pageslab::export_abi!(messages);
    pageslab::export_abi!(snapshot);

    /// Says whose the blocks are from now on, where somebody asks.
    pub fn tag(tag: u16) {
        #[cfg(feature = "checked")]
        ALLOCATOR.set_tag(tag);
        let _ = tag;
    }
}

#[cfg(feature = "other")]
mod heap {
    pub fn tag(_: u16) {}
}

/// Who allocates, and who frees.
const HANDLER: u16 = 1;
const CLEANER: u16 = 2;

/// Requests that a step answers.
const REQUESTS: u32 = 100;

/// Sessions that a healthy guest keeps.
const SESSIONS: usize = 4000;

/// The step in which the one that misuses its heap does so.
const MISUSE_AT: u32 = 20;

/// The bytes of sessions after which the one that leaks ends.
const END_OF_LEAK: usize = 256 << 20;

thread_local! {
    static SERVER: RefCell<Server> = const { RefCell::new(Server::NEW) };
}

/// Answers requests, and keeps a session for each client.
struct Server {
    steps: u32,
    random: u64,
    sessions: BTreeMap<u32, Session>,
    bytes: usize,
    next: u32,
}

struct Session {
    user: String,
    history: Vec<String>,
    body: Vec<u8>,
}

impl Server {
    const NEW: Self = Self {
        steps: 0,
        random: 0x9e37_79b9_7f4a_7c15,
        sessions: BTreeMap::new(),
        bytes: 0,
        next: 0,
    };

    fn below(&mut self, end: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as u32 % end
    }

    /// Answers one request, with what a handler allocates on its way.
    fn request(&mut self) {
        let id = self.next;
        self.next += 1;
        let path = format!("/api/items/{id}?page={}", self.below(100));
        let headers: BTreeMap<String, String> = (0..4 + self.below(8))
            .map(|number| {
                (
                    format!("x-header-{number}"),
                    "v".repeat(10 + number as usize * 9),
                )
            })
            .collect();
        let rows = 1 + self.below(40);
        let answer: Vec<String> = (0..rows)
            .map(|row| format!("{{\"id\":{row},\"path\":{path:?}}}"))
            .collect();
        black_box((answer.join(","), headers));

        // Most bodies are small, and a few are long.
        let longest = if self.below(200) == 0 { 60_000 } else { 700 };
        let body = vec![1; self.below(longest) as usize];
        let history = (0..self.below(6))
            .map(|number| format!("{path}#{number}"))
            .collect();
        let session = Session {
            user: format!("user-{id}"),
            history,
            body,
        };
        self.bytes += session.size();
        self.sessions.insert(id, session);
    }

    fn forget(&mut self, id: u32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.bytes -= session.size();
        }
    }

    /// Ends sessions, until there are so many: not the oldest, since clients come and go.
    fn forget_some(&mut self, kept: usize) {
        while self.sessions.len() > kept {
            let from = self.below(self.next);
            let id = self
                .sessions
                .range(from..)
                .next()
                .or(self.sessions.iter().next());
            if let Some(id) = id.map(|(id, _)| *id) {
                self.forget(id);
            }
        }
    }
}

impl Session {
    fn size(&self) -> usize {
        let history: usize = self.history.iter().map(String::len).sum();
        self.user.len() + history + self.body.len()
    }
}

fn step(work: impl FnOnce(&mut Server) -> bool) -> u32 {
    SERVER.with_borrow_mut(|server| {
        server.steps += 1;
        heap::tag(HANDLER);
        for _ in 0..REQUESTS {
            server.request();
        }
        heap::tag(CLEANER);
        work(server).into()
    })
}

/// Forgets what it need not keep. At times there are few clients.
#[unsafe(no_mangle)]
extern "C" fn steady() -> u32 {
    step(|server| {
        let is_quiet = server.steps % 120 > 90;
        server.forget_some(if is_quiet { SESSIONS / 3 } else { SESSIONS });
        true
    })
}

/// Forgets every second session only.
#[unsafe(no_mangle)]
extern "C" fn leak() -> u32 {
    step(|server| {
        for id in server.next - REQUESTS..server.next {
            if id % 2 == 0 {
                server.forget(id);
            }
        }
        server.bytes < END_OF_LEAK
    })
}

/// Is healthy, until it frees a block twice.
#[unsafe(no_mangle)]
extern "C" fn misuse() -> u32 {
    step(|server| {
        server.forget_some(SESSIONS / 10);
        if server.steps == MISUSE_AT {
            free_twice();
        }
        true
    })
}

fn free_twice() {
    let layout = Layout::new::<[u64; 9]>();
    // SAFETY: the layout has a size. The last call has no excuse: it is the misuse that the page shows.
    unsafe {
        heap::tag(HANDLER);
        let block = black_box(alloc(layout));
        heap::tag(CLEANER);
        dealloc(block, layout);
        dealloc(black_box(block), layout);
    }
}
