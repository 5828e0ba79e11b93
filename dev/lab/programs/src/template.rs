//! A web server's views: templates that inherit, include, loop and filter.

use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

use minijinja::{Environment, Value, context};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "template",
    about: "compiles a shop's page templates and renders its catalogue, product and search pages (minijinja)",
    input,
    run,
};

const TEMPLATES: [(&str, &str); 5] = [
    ("base.html", include_str!("../inputs/templates/base.html")),
    ("card.html", include_str!("../inputs/templates/card.html")),
    (
        "catalogue.html",
        include_str!("../inputs/templates/catalogue.html"),
    ),
    (
        "product.html",
        include_str!("../inputs/templates/product.html"),
    ),
    (
        "search.html",
        include_str!("../inputs/templates/search.html"),
    ),
];

/// As in any server, the templates stay for good.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_filter("cents", |cents: i64| {
        format!("{}.{:02}", cents / 100, cents % 100)
    });
    environment.add_filter("slug", |text: String| text.to_lowercase().replace(' ', "-"));
    for (name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .expect("the template is one");
    }
    environment
});

/// One product per line: name, category, price in cents, stock and description, between tabs.
fn input() -> String {
    let mut random = Random::new(7);
    let mut products = String::new();
    for _ in 0..90 {
        let _ = writeln!(
            products,
            "{}\t{}\t{}\t{}\t{}",
            random.title(),
            random.pick(&["tools", "lamps", "books", "boats & oars"]),
            100 + random.below(20_000),
            random.below(12),
            random.paragraph(2)
        );
    }
    products
}

fn run(text: &str) -> usize {
    let products: Vec<Value> = text.lines().map(product).collect();
    let mut categories: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for product in &products {
        let category = product
            .get_attr("category")
            .expect("a product has a category")
            .to_string();
        categories
            .entry(category)
            .or_default()
            .push(product.clone());
    }

    for products in categories.values_mut() {
        products.sort_by_cached_key(|product| product.get_attr("price").ok());
    }

    let render = |template: &str, context: Value| {
        let template = ENVIRONMENT
            .get_template(template)
            .expect("the template exists");
        template.render(context).expect("the template renders")
    };
    let mut cache: BTreeMap<String, String> = BTreeMap::new();
    cache.insert(
        "/".to_owned(),
        render(
            "catalogue.html",
            context! { title => "Everything", categories },
        ),
    );
    for (at, product) in products.iter().enumerate() {
        let others = &products[at.saturating_sub(3)..at];
        let page = render(
            "product.html",
            context! { title => product.get_attr("name").ok(), product, others },
        );
        cache.insert(format!("/product/{at}"), page);
    }
    for query in ["river", "lamp", "the", "copper"] {
        let page = render(
            "search.html",
            context! { title => "Search", query, products => &products },
        );
        cache.insert(format!("/search/{query}"), page);
    }
    cache.values().map(String::len).sum()
}

fn product(line: &str) -> Value {
    let [name, category, price, stock, text] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("no product: {line}");
    };
    let [price, stock]: [i64; 2] = [price, stock].map(|number| number.parse().expect("a number"));
    context! { name, category, price, stock, text }
}
