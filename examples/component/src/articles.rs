//! Articles, grouped by their tags.

use crate::Component;
use crate::exports::pageslab::example::articles::{Article, Group, Guest, Refusal};
use std::collections::{BTreeMap, BTreeSet};

impl Guest for Component {
    fn group_by_tag(articles: Vec<Article>) -> Result<Vec<Group>, Refusal> {
        let mut groups: BTreeMap<String, Vec<Article>> = BTreeMap::new();
        for (place, article) in articles.into_iter().enumerate() {
            check(place, &article)?;
            for tag in &article.tags {
                groups.entry(tag.clone()).or_default().push(article.clone());
            }
        }
        Ok(groups.into_iter().map(group).collect())
    }
}

fn check(place: usize, article: &Article) -> Result<(), Refusal> {
    if article.name.is_empty() {
        return Err(Refusal::Nameless(place as u32));
    }
    let mut seen = BTreeSet::new();
    let repeated: Vec<String> = article
        .tags
        .iter()
        .filter(|tag| !seen.insert(*tag))
        .cloned()
        .collect();
    match repeated.is_empty() {
        true => Ok(()),
        false => Err(Refusal::Repeated((article.name.clone(), repeated))),
    }
}

fn group((tag, articles): (String, Vec<Article>)) -> Group {
    let scores = articles.iter().filter_map(|article| article.score);
    Group {
        tag,
        best: scores.reduce(f64::max),
        articles,
    }
}
