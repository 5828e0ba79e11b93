//! What a shop says to its database, as SQL, the same on every run.

use std::fmt::Write;

const CUSTOMERS: u32 = 2000;
const PRODUCTS: u32 = 800;

/// Orders are deleted after so many days.
const KEPT: u32 = 6;

const CITIES: [&str; 8] = [
    "Bergen", "Gdansk", "Lyon", "Malmo", "Porto", "Riga", "Trieste", "Utrecht",
];
const KINDS: [&str; 6] = ["garden", "kitchen", "lamps", "paper", "tools", "toys"];
const WORDS: [&str; 12] = [
    "large", "small", "blue", "copper", "jar", "board", "folding", "light", "glass", "carved",
    "round", "heavy",
];

pub struct Shop {
    random: u64,
    orders: u32,
    lines: u32,
    /// The first line of each day that is not deleted yet, and its first order.
    first: Vec<(u32, u32)>,
}

impl Shop {
    pub fn new() -> Self {
        Self {
            random: 0x9e37_79b9_7f4a_7c15,
            orders: 0,
            lines: 0,
            first: Vec::new(),
        }
    }

    /// A number below `bound`, of a xorshift64* generator.
    fn below(&mut self, bound: u32) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let word = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((word * u64::from(bound)) >> 32) as u32
    }

    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len() as u32) as usize]
    }

    pub fn customers(&mut self) -> String {
        let row = |shop: &mut Self, id| {
            let (city, note) = (shop.pick(&CITIES), shop.pick(&WORDS));
            format!("({id}, 'Customer {id}', '{city}', 'likes {note} things')")
        };
        self.insert("customers", CUSTOMERS, row)
    }

    pub fn products(&mut self) -> String {
        let row = |shop: &mut Self, id| {
            let (first, second) = (shop.pick(&WORDS), shop.pick(&WORDS));
            let (kind, price, stock) = (shop.pick(&KINDS), 100 + shop.below(9_900), 1000);
            format!("({id}, '{first} {second} {id}', '{kind}', {price}, {stock})")
        };
        self.insert("products", PRODUCTS, row)
    }

    /// One statement for so many rows.
    fn insert(&mut self, table: &str, count: u32, row: fn(&mut Self, u32) -> String) -> String {
        let rows: Vec<String> = (0..count).map(|id| row(self, id)).collect();
        format!("INSERT INTO {table} VALUES {}", rows.join(", "))
    }

    pub fn orders_a_day(&mut self) -> u32 {
        90 + self.below(20)
    }

    /// An order of a few products, each taken from the stock.
    pub fn order(&mut self, day: u32) -> String {
        if self.first.len() == day as usize {
            self.first.push((self.lines, self.orders));
        }
        let (id, customer) = (self.orders, self.below(CUSTOMERS));
        self.orders += 1;
        let mut sql = format!("INSERT INTO orders VALUES ({id}, {customer}, {day}, 'new');\n");
        for _ in 0..1 + self.below(5) {
            let (line, product) = (self.lines, self.below(PRODUCTS));
            let (quantity, price) = (1 + self.below(4), 100 + self.below(9_900));
            self.lines += 1;
            // Writing to a string does not fail.
            let _ = write!(
                sql,
                "INSERT INTO lines VALUES ({line}, {id}, {product}, {quantity}, {price});\n\
                 UPDATE products SET stock = stock - {quantity} WHERE id = {product};\n\
                 SELECT title, stock FROM products WHERE id = {product};\n"
            );
        }
        sql
    }

    /// What is done at the end of a day: yesterday's orders are sent, the stock is filled up, and what is old is deleted.
    pub fn evening(&mut self, day: u32) -> String {
        let mut sql = format!(
            "UPDATE orders SET status = 'sent' WHERE day < {day} AND status = 'new';\n\
             UPDATE products SET stock = stock + 50 WHERE stock < 60;\n"
        );
        if let Some(oldest) = day.checked_sub(KEPT) {
            let (line, order) = self.first[oldest as usize];
            // Writing to a string does not fail.
            let _ = write!(
                sql,
                "DELETE FROM lines WHERE id < {line};\nDELETE FROM orders WHERE id < {order};\n"
            );
        }
        sql
    }
}
