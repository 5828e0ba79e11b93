//! Lists of every shape, turned round.

use crate::Component;
use crate::exports::pageslab::example::mirrors::{Guest, Value};

impl Guest for Component {
    fn bytes(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    fn strings(strings: Vec<String>) -> Vec<String> {
        mirrored(strings, text)
    }

    fn nested(lists: Vec<Vec<Vec<Vec<String>>>>) -> Vec<Vec<Vec<Vec<String>>>> {
        mirrored(lists, |list| {
            mirrored(list, |list| mirrored(list, Self::strings))
        })
    }

    fn values(values: Vec<Value>) -> Vec<Value> {
        mirrored(values, |value| match value {
            Value::Nothing => Value::Nothing,
            Value::Number(number) => Value::Number(-number),
            Value::Text(string) => Value::Text(text(string)),
            Value::Bytes(bytes) => Value::Bytes(Self::bytes(bytes)),
            Value::Texts(strings) => Value::Texts(Self::strings(strings)),
        })
    }
}

/// The elements in the opposite order, each turned round itself.
fn mirrored<T>(elements: Vec<T>, mirror: impl Fn(T) -> T) -> Vec<T> {
    elements.into_iter().rev().map(mirror).collect()
}

fn text(string: String) -> String {
    string.chars().rev().collect()
}
