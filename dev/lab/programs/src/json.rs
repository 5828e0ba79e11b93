//! A service that reads a document, restructures it and answers with another.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "json",
    about: "parses a shop's customers and orders into a document model, restructures it, prints it and reads it back \
            (serde_json)",
    input,
    run,
};

const CUSTOMERS: usize = 270;

/// The customers with their orders, as text.
fn input() -> String {
    let mut random = Random::new(1);
    let customers: Vec<Value> = (0..CUSTOMERS)
        .map(|id| {
            let orders: Vec<Value> = (0..random.below(6))
                .map(|_| {
                    json!({
                        "sku": format!("{}-{:05}", random.word(), random.below(100_000)),
                        "title": random.title(),
                        "quantity": 1 + random.below(5),
                        "cents": 1 + random.below(10_000),
                        "gift": random.one_in(5),
                    })
                })
                .collect();
            json!({
                "id": id,
                "name": random.title(),
                "email": format!("{}@{}.example", random.word(), random.word()),
                "tags": (0..random.below(4)).map(|_| random.word()).collect::<Vec<_>>(),
                "address": {
                    "street": random.title(),
                    "city": random.pick(&["Antwerp", "Bergen", "Cork", "Delft", "Espoo", "Faro", "Ghent"]),
                    "zip": format!("{:05}", random.below(100_000)),
                },
                "note": if random.one_in(3) { Value::Null } else { Value::String(random.paragraph(2)) },
                "orders": orders,
            })
        })
        .collect();
    json!({ "version": 3, "customers": customers }).to_string()
}

fn run(text: &str) -> usize {
    let mut document: Value = serde_json::from_str(text).expect("the input is JSON");
    let Some(Value::Array(customers)) = document["customers"]
        .as_array_mut()
        .map(|list| Value::Array(std::mem::take(list)))
    else {
        panic!("the input has customers");
    };

    let mut cities = Map::new();
    for mut customer in customers {
        let total = settle(&mut customer);
        customer["total"] = json!(total);
        customer["email"].take();
        let city = customer["address"]["city"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned();
        let entry = cities
            .entry(city)
            .or_insert_with(|| json!({ "total": 0, "customers": [] }));
        entry["total"] = json!(number(&entry["total"]) + total);
        if let Some(list) = entry["customers"].as_array_mut() {
            list.push(customer);
        }
    }
    for city in cities.values_mut() {
        if let Some(list) = city["customers"].as_array_mut() {
            list.sort_by_key(|customer| Reverse(number(&customer["total"])));
            // The best ones are listed once more, in short.
            let best: Vec<Value> = list
                .iter()
                .take(5)
                .map(|customer| json!({ "name": customer["name"], "total": customer["total"] }))
                .collect();
            city["best"] = Value::Array(best);
        }
    }

    document["cities"] = Value::Object(cities);
    let pretty = serde_json::to_string_pretty(&document).expect("a document can be printed");
    let again: Value = serde_json::from_str(&pretty).expect("a printed document can be read");
    assert!(document == again, "what is printed reads back the same");
    pretty.len()
}

/// Takes the gifts out of a customer's orders, adds up the rest and labels each order.
fn settle(customer: &mut Value) -> u64 {
    let name = customer["name"].as_str().unwrap_or("").to_owned();
    let Some(orders) = customer["orders"].as_array_mut() else {
        return 0;
    };
    orders.retain(|order| order["gift"] != true);
    let mut total = 0;
    for order in orders {
        let cost = number(&order["cents"]) * number(&order["quantity"]);
        total += cost;
        if let Some(order) = order.as_object_mut() {
            order.remove("gift");
            order.insert("cost".to_owned(), json!(cost));
            order.insert(
                "label".to_owned(),
                json!(format!("{name}: {}", order["sku"])),
            );
        }
    }
    total
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}
