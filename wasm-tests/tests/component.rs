//! A component whose `cabi_realloc` is pageslab's: every answer is what the host computes itself, and nothing is left
//! behind in the component's memory.

use anyhow::{Context as _, Result};
use exports::pageslab::example::articles::{Article, Group, Refusal};
use exports::pageslab::example::mirrors::Value;
use guest_collections::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use wasm_tests::{modules, wasi::Wasi};
use wasmtime::component;
use wasmtime::{Engine, Instance, Linker, Module, Store};
use wasmtime_wasi::WasiCtx;

wasmtime::component::bindgen!({
    path: "../examples/component/wit",
    additional_derives: [PartialEq],
});

/// The component's file, built once.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let modules = modules::build(&["example-component"], "wasm32-wasip2")
        .expect("the example compiles for wasm32-wasip2");
    modules.join("example_component.wasm")
});

/// An instance of the component, with the calls that its world has.
struct Guest {
    store: Store<Wasi>,
    component: Component,
}

impl Guest {
    fn new() -> Result<Self> {
        let engine = Engine::default();
        let component = component::Component::from_file(&engine, &*FILE)?;
        let mut linker = component::Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        let mut store = Store::new(&engine, Wasi::from(WasiCtx::builder().build()));
        let component = Component::instantiate(&mut store, &component, &linker)?;
        Ok(Self { store, component })
    }

    fn live(&mut self) -> Result<u32> {
        let heap = self.component.pageslab_example_heap();
        Ok(heap.call_live(&mut self.store)?)
    }

    fn pages(&mut self) -> Result<u32> {
        let heap = self.component.pageslab_example_heap();
        Ok(heap.call_pages(&mut self.store)?)
    }

    /// Calls each function with random data, and checks what it answers.
    fn play(&mut self, random: &mut Random) -> Result<()> {
        let articles = self.component.pageslab_example_articles();
        let mirrors = self.component.pageslab_example_mirrors();
        let store = &mut self.store;

        let given = list(random, 12, article);
        let grouped = articles.call_group_by_tag(&mut *store, &given)?;
        assert_eq!(grouped, grouped_by_tag(&given));

        let given = bytes(random);
        let answer = mirrors.call_bytes(&mut *store, &given)?;
        assert_eq!(answer, mirrored_bytes(&given));

        let given = list(random, 200, string);
        let answer = mirrors.call_strings(&mut *store, &given)?;
        assert_eq!(answer, mirrored_strings(&given));

        let given = list(random, 4, |random| {
            list(random, 4, |random| list(random, 4, strings))
        });
        let answer = mirrors.call_nested(&mut *store, &given)?;
        assert_eq!(answer, mirrored_nested(&given));

        let given = list(random, 12, value);
        let answer = mirrors.call_values(&mut *store, &given)?;
        assert_eq!(answer, mirrored_values(&given));
        Ok(())
    }
}

/// Random elements, of which there are often none or one, and up to `most`.
fn list<T>(random: &mut Random, most: u32, element: impl Fn(&mut Random) -> T) -> Vec<T> {
    let count = match random.below(4) {
        few @ (0 | 1) => few,
        _ => random.below(most + 1),
    };
    (0..count).map(|_| element(random)).collect()
}

fn string(random: &mut Random) -> String {
    let most = random.pick(&[3, 30, 30, 300]);
    let characters = list(random, most, |random| {
        random.pick(&['a', 'z', 'é', '猫', '🦀'])
    });
    characters.into_iter().collect()
}

fn strings(random: &mut Random) -> Vec<String> {
    list(random, 5, string)
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let len = random.pick(&[0, 1, 15, 64, 1000, 5000, 8193, 30_000, 100 * 1024]);
    (0..len).map(|_| random.word() as u8).collect()
}

fn article(random: &mut Random) -> Article {
    Article {
        name: match random.below(40) {
            0 => String::new(),
            _ => format!("n{}", string(random)),
        },
        tags: match random.below(10) {
            0 => list(random, 6, |random| random.pick(&["", "old", "new"]).into()),
            _ => {
                let all: BTreeSet<String> = strings(random).into_iter().collect();
                all.into_iter().collect()
            }
        },
        score: match random.below(3) {
            0 => None,
            _ => Some(f64::from(random.word()) - 1e9),
        },
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(5) {
        0 => Value::Nothing,
        1 => Value::Number(random.word().into()),
        2 => Value::Text(string(random)),
        3 => Value::Bytes(bytes(random)),
        _ => Value::Texts(strings(random)),
    }
}

fn grouped_by_tag(articles: &[Article]) -> Result<Vec<Group>, Refusal> {
    for (place, article) in (0..).zip(articles) {
        if article.name.is_empty() {
            return Err(Refusal::Nameless(place));
        }
        let tags = &article.tags;
        let is_repeated = |place: &usize| tags[..*place].contains(&tags[*place]);
        let repeated: Vec<usize> = (0..tags.len()).filter(is_repeated).collect();
        if !repeated.is_empty() {
            let repeated = repeated.iter().map(|&place| tags[place].clone()).collect();
            return Err(Refusal::Repeated((article.name.clone(), repeated)));
        }
    }
    let mut tags: BTreeMap<&str, Vec<&Article>> = BTreeMap::new();
    for article in articles {
        for tag in &article.tags {
            tags.entry(tag).or_default().push(article);
        }
    }
    let group = |(tag, articles): (&str, Vec<&Article>)| Group {
        tag: tag.into(),
        best: articles
            .iter()
            .filter_map(|article| article.score)
            .max_by(f64::total_cmp),
        articles: articles.into_iter().cloned().collect(),
    };
    Ok(tags.into_iter().map(group).collect())
}

fn mirrored<T, U>(elements: &[T], mirror: impl Fn(&T) -> U) -> Vec<U> {
    elements.iter().rev().map(mirror).collect()
}

fn mirrored_bytes(bytes: &[u8]) -> Vec<u8> {
    mirrored(bytes, u8::clone)
}

fn mirrored_string(string: &str) -> String {
    string.chars().rev().collect()
}

fn mirrored_strings(strings: &[String]) -> Vec<String> {
    mirrored(strings, |string| mirrored_string(string))
}

fn mirrored_nested(lists: &[Vec<Vec<Vec<String>>>]) -> Vec<Vec<Vec<Vec<String>>>> {
    mirrored(lists, |list| {
        mirrored(list, |list| mirrored(list, |list| mirrored_strings(list)))
    })
}

fn mirrored_values(values: &[Value]) -> Vec<Value> {
    mirrored(values, |value| match value {
        Value::Nothing => Value::Nothing,
        Value::Number(number) => Value::Number(-number),
        Value::Text(string) => Value::Text(mirrored_string(string)),
        Value::Bytes(bytes) => Value::Bytes(mirrored_bytes(bytes)),
        Value::Texts(strings) => Value::Texts(mirrored_strings(strings)),
    })
}

#[test]
fn answers_are_right_and_leave_nothing_behind() -> Result<()> {
    const ROUNDS: u64 = 30;

    let mut guest = Guest::new()?;
    let live = guest.live()?;
    let mut play_rounds = || -> Result<u32> {
        for seed in 0..ROUNDS {
            let mut random = Random::new(seed);
            for _ in 0..30 {
                guest.play(&mut random)?;
            }
            assert_eq!(guest.live()?, live, "after round {seed}");
        }
        guest.pages()
    };
    let pages = play_rounds()?;
    assert_eq!(play_rounds()?, pages, "the same again takes no more memory");
    Ok(())
}

#[test]
fn lists_of_great_length_pass() -> Result<()> {
    let mut guest = Guest::new()?;
    let live = guest.live()?;
    let mirrors = guest.component.pageslab_example_mirrors();
    for count in [1, 1000, 100_000] {
        let strings: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let answer = mirrors.call_strings(&mut guest.store, &strings)?;
        assert_eq!(answer, mirrored_strings(&strings));

        let bytes: Vec<u8> = (0..100 * count).map(|number| number as u8).collect();
        let answer = mirrors.call_bytes(&mut guest.store, &bytes)?;
        assert_eq!(answer, mirrored_bytes(&bytes));
    }
    assert_eq!(guest.live()?, live);
    Ok(())
}

/// The core module inside of the component, whose imports are not called here.
struct Core {
    store: Store<()>,
    instance: Instance,
}

impl Core {
    fn new() -> Result<Self> {
        let engine = Engine::default();
        let module = Module::new(&engine, core_module(&fs::read(&*FILE)?)?)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module)?;
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }

    fn cabi_realloc(&mut self, ptr: u32, len: u32, align: u32, new_len: u32) -> Result<u32> {
        let function = self
            .instance
            .get_typed_func(&mut self.store, "cabi_realloc")?;
        Ok(function.call(&mut self.store, (ptr, len, align, new_len))?)
    }

    fn live(&mut self) -> Result<u32> {
        let function = self
            .instance
            .get_typed_func(&mut self.store, "pageslab:example/heap#live")?;
        Ok(function.call(&mut self.store, ())?)
    }
}

/// The first core module of a component: a section with the number 1, after a preamble of eight bytes.
fn core_module(component: &[u8]) -> Result<&[u8]> {
    const CORE_MODULE: u8 = 1;

    let mut rest = component.get(8..).context("a component has a preamble")?;
    loop {
        let (&number, after) = rest.split_first().context("no core module")?;
        // The section's length, in groups of seven bits.
        let last = after
            .iter()
            .position(|byte| byte & 0x80 == 0)
            .context("a length ends")?;
        let (groups, after) = after.split_at(last + 1);
        let len = groups
            .iter()
            .rfold(0, |len, group| len << 7 | usize::from(group & 0x7F));
        let (content, after) = after.split_at_checked(len).context("a section ends")?;
        if number == CORE_MODULE {
            return Ok(content);
        }
        rest = after;
    }
}

#[test]
fn cabi_realloc_is_that_of_pageslab() -> Result<()> {
    let mut core = Core::new()?;
    let live = core.live()?;
    let ptr = core.cabi_realloc(0, 0, 8, 100)?;
    assert_eq!(core.live()?, live + 1);

    // Each traps, and changes nothing.
    for (ptr, len) in [(ptr, 99), (ptr, 101), (ptr + 1, 99), (ptr + 16, 100)] {
        for new_len in [0, 200] {
            assert!(core.cabi_realloc(ptr, len, 8, new_len).is_err());
        }
    }
    assert_eq!(core.live()?, live + 1);

    // That of std would not free, but keep an empty block at `ptr`.
    assert_eq!(core.cabi_realloc(ptr, 100, 8, 0)?, 8);
    assert_eq!(core.live()?, live);
    assert!(core.cabi_realloc(ptr, 100, 8, 0).is_err());
    Ok(())
}
