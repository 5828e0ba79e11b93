//! Days of a shop in GlueSQL: each brings orders, which are inserted and sent, reports, and the end of orders that are old.
//! Prints a checksum of all answers. The argument is the number of days.

// The allocator is that crate's.
use lab_allocators as _;

mod shop;

use gluesql_core::prelude::{Glue, Payload, Result};
use gluesql_memory_storage::MemoryStorage;
use shop::Shop;
use std::hash::{DefaultHasher, Hash, Hasher};

#[cfg(feature = "pageslab")]
pageslab::export_abi!(snapshot);

const DAYS: u32 = 10;

const SCHEMA: &str = include_str!("../inputs/schema.sql");
const REPORTS: &str = include_str!("../inputs/reports.sql");

/// A database, and a hash of what it has answered.
struct Database {
    glue: Glue<MemoryStorage>,
    answers: DefaultHasher,
}

impl Database {
    /// Executes statements that are separated by semicolons.
    fn execute(&mut self, statements: &str) -> Result<()> {
        for answer in self.glue.execute(statements)? {
            match answer {
                Payload::Select { labels, rows } => {
                    labels.hash(&mut self.answers);
                    format!("{rows:?}").hash(&mut self.answers);
                }
                other => format!("{other:?}").hash(&mut self.answers),
            }
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let days = std::env::args().nth(1);
    let days = days.and_then(|days| days.parse().ok()).unwrap_or(DAYS);
    let mut database = Database {
        glue: Glue::new(MemoryStorage::default()),
        answers: DefaultHasher::new(),
    };
    let mut shop = Shop::new();
    database.execute(SCHEMA)?;
    database.execute(&shop.customers())?;
    database.execute(&shop.products())?;
    for day in 0..days {
        for _ in 0..shop.orders_a_day() {
            database.execute(&shop.order(day))?;
        }
        database.execute(&shop.evening(day))?;
        database.execute(REPORTS)?;
    }
    println!("{days} days, checksum {:016x}", database.answers.finish());
    Ok(())
}
