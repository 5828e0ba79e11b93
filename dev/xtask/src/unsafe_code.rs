//! The stage `unsafe` of the tests: counts the unsafe code of what a guest gets, and finds what of it is not justified.
//!
//! It reads tokens, and not a syntax tree, which ends at macros: what follows `unsafe` says what it is, in a macro as
//! elsewhere. A block or an impl needs a line `// SAFETY:` among the comments right above it or above its statement; a
//! function needs a section `# Safety`, unless a trait has it, or C. The counts are a table, which `docs/unsafe.md` must
//! have as it is. Only reads.

use crate::step;
use crate::work::Work;
use anyhow::{Context, Result, ensure};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};

const SOURCES: [&str; 2] = ["src", "pageslab-c/src"];

const PAGE: &str = "docs/unsafe.md";

/// What a word `unsafe` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Block,
    Function,
    Impl,
    Trait,
    Extern,
    Attribute,
    /// That of a pointer to a function: nothing is done there.
    Type,
}

const COLUMNS: [(&str, Kind); 6] = [
    ("blocks", Kind::Block),
    ("functions", Kind::Function),
    ("impls", Kind::Impl),
    ("traits", Kind::Trait),
    ("extern blocks", Kind::Extern),
    ("attributes", Kind::Attribute),
];

/// What gives a function a name for others than Rust.
const EXPORTS: [&str; 2] = ["#[unsafe(no_mangle", "#[unsafe(export_name"];

/// A word `unsafe`.
struct Use {
    kind: Kind,
    line: usize,
    /// The line in which the statement or the item begins that has it, attributes included.
    statement: usize,
    /// Whether it is a part of an `impl` of a trait.
    is_of_trait: bool,
}

/// Where tokens are.
#[derive(Clone, Copy)]
struct Place {
    /// The line in which their statement begins, if they are within one.
    statement: Option<usize>,
    is_of_trait: bool,
}

pub fn run(work: &mut Work) -> Result<()> {
    let table = examine(&step::root())?;
    work.note(&table)
}

/// Returns the table.
fn examine(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        list(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut rows = Vec::new();
    let mut unjustified = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(root)?.display().to_string();
        let uses = uses(&text).with_context(|| name.clone())?;
        let missing = uses.iter().filter_map(|found| missing(&text, found));
        unjustified.extend(missing.map(|(line, what)| format!("{name}:{line}: {what}")));
        rows.push((name, counts(&uses)));
    }
    let table = table(&rows);
    ensure!(unjustified.is_empty(), "{}", unjustified.join("\n"));
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| PAGE)?;
    ensure!(
        page.contains(&table),
        "{PAGE} has another table than this one: justify there what is new, and put this one in its place:\n{table}"
    );
    Ok(table)
}

/// The Rust files in a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Every `unsafe` of a file.
fn uses(text: &str) -> Result<Vec<Use>> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut uses = Vec::new();
    let place = Place {
        statement: None,
        is_of_trait: false,
    };
    find(tokens, place, &mut uses)?;
    Ok(uses)
}

fn find(tokens: TokenStream, place: Place, uses: &mut Vec<Use>) -> Result<()> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut start = 0;
    for (index, token) in tokens.iter().enumerate() {
        if place.statement.is_none() && index > 0 && ends(&tokens[start..index], token) {
            start = index;
        }
        let statement = place.statement.unwrap_or_else(|| line(&tokens[start]));
        match token {
            TokenTree::Ident(word) if word == "unsafe" => {
                let kind = kind(&tokens[index + 1..])
                    .with_context(|| format!("line {}: what is unsafe here?", line(token)))?;
                uses.push(Use {
                    kind,
                    line: line(token),
                    statement,
                    is_of_trait: place.is_of_trait,
                });
            }
            TokenTree::Group(group) => {
                let is_braced = group.delimiter() == Delimiter::Brace;
                let inside = Place {
                    statement: (!is_braced).then_some(statement),
                    is_of_trait: is_braced && is_impl_of_trait(&tokens[start..index]),
                };
                find(group.stream(), inside, uses)?;
            }
            _ => (),
        }
    }
    Ok(())
}

/// What `unsafe` begins in front of these tokens. `None` if they are no Rust.
fn kind(next: &[TokenTree]) -> Option<Kind> {
    let (first, rest) = next.split_first()?;
    match first {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(Kind::Block),
        TokenTree::Group(_) => Some(Kind::Attribute),
        _ if is(first, "impl") => Some(Kind::Impl),
        _ if is(first, "trait") => Some(Kind::Trait),
        _ if is(first, "fn") => Some(match rest.first()? {
            TokenTree::Ident(_) => Kind::Function,
            _ => Kind::Type,
        }),
        _ if is(first, "extern") => match rest {
            // The ABI may be left out.
            [TokenTree::Literal(_), TokenTree::Group(_), ..] | [TokenTree::Group(_), ..] => {
                Some(Kind::Extern)
            }
            [TokenTree::Literal(_), rest @ ..] | rest => kind(rest),
        },
        _ => None,
    }
}

/// Whether a statement, an item or an arm of a `match` ends in front of `next`.
fn ends(statement: &[TokenTree], next: &TokenTree) -> bool {
    match statement.last() {
        Some(TokenTree::Punct(mark)) if mark.as_char() == ';' => true,
        Some(TokenTree::Punct(mark)) if mark.as_char() == ',' => statement
            .windows(2)
            .any(|pair| is(&pair[0], "=") && is(&pair[1], ">")),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            ![",", "=", ".", "?", "else"]
                .iter()
                .any(|word| is(next, word))
        }
        _ => false,
    }
}

fn is_impl_of_trait(header: &[TokenTree]) -> bool {
    header.iter().any(|token| is(token, "impl"))
        // And not `for<'a>`.
        && header
            .windows(2)
            .any(|pair| is(&pair[0], "for") && !is(&pair[1], "<"))
}

fn is(token: &TokenTree, text: &str) -> bool {
    match token {
        TokenTree::Ident(word) => word == text,
        TokenTree::Punct(mark) => text.chars().eq([mark.as_char()]),
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

/// From 1.
fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

/// What an unsafe thing lacks, and the line of it.
fn missing(text: &str, found: &Use) -> Option<(usize, &'static str)> {
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let is_justified_above = |line: usize| {
        let above = lines[..line - 1].iter().rev();
        above
            .take_while(|line| line.starts_with("//") || line.starts_with('#'))
            .any(|line| line.starts_with("// SAFETY: "))
    };
    match found.kind {
        Kind::Block | Kind::Impl => {
            let is_justified =
                is_justified_above(found.line) || is_justified_above(found.statement);
            (!is_justified).then_some((found.line, "no `// SAFETY:` above"))
        }
        Kind::Function => {
            let mut header = lines[found.statement - 1..found.line].iter();
            // What others than Rust call is documented for them, in a header.
            let is_documented = found.is_of_trait
                || header.any(|line| {
                    *line == "/// # Safety" || EXPORTS.iter().any(|export| line.starts_with(export))
                });
            (!is_documented).then_some((found.line, "no section `# Safety`"))
        }
        Kind::Trait | Kind::Extern | Kind::Attribute | Kind::Type => None,
    }
}

type Counts = [usize; COLUMNS.len()];

fn counts(uses: &[Use]) -> Counts {
    COLUMNS.map(|(_, kind)| uses.iter().filter(|found| found.kind == kind).count())
}

/// The table of all files that have any.
fn table(rows: &[(String, Counts)]) -> String {
    let mut lines = vec![
        row("file", COLUMNS.map(|(name, _)| name)),
        row("---", COLUMNS.map(|_| "---:")),
    ];
    let unsafe_rows = rows
        .iter()
        .filter(|(_, counts)| *counts != Counts::default());
    lines.extend(
        unsafe_rows
            .clone()
            .map(|(name, counts)| row(&format!("`{name}`"), counts.map(cell))),
    );
    let mut sums = Counts::default();
    for (_, counts) in rows {
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let name = format!("{} of {} files", unsafe_rows.count(), rows.len());
    lines.push(row(&name, sums.map(cell)));
    lines.join("\n")
}

/// Nothing for none, which is easier to read.
fn cell(count: usize) -> String {
    match count {
        0 => String::new(),
        _ => count.to_string(),
    }
}

fn row<T: AsRef<str>>(name: &str, cells: [T; COLUMNS.len()]) -> String {
    let cells = cells.map(|cell| format!(" {} |", cell.as_ref()));
    format!("| {name} |{}", cells.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Kind> {
        uses(text).unwrap().iter().map(|found| found.kind).collect()
    }

    fn unjustified(text: &str) -> Vec<usize> {
        let uses = uses(text).unwrap();
        let missing = uses.iter().filter_map(|found| missing(text, found));
        missing.map(|(line, _)| line).collect()
    }

    #[test]
    fn each_kind_is_found() {
        use Kind::*;
        let text = r#"
            unsafe trait T {}
            unsafe impl<A, B> T for (A, B) { unsafe fn f() {} }
            unsafe extern "C" { fn g(); }
            #[unsafe(no_mangle)]
            pub unsafe extern fn h(p: unsafe extern "C" fn(), q: unsafe fn()) { unsafe { g() } }
            // unsafe { "unsafe" }
        "#;
        let kinds = [
            Trait, Impl, Function, Extern, Attribute, Function, Type, Type, Block,
        ];
        assert_eq!(found(text), kinds);
    }

    #[test]
    fn what_is_no_rust_is_an_error() {
        assert!(uses("unsafe 3").is_err());
    }

    #[test]
    fn a_block_without_its_line_is_found() {
        assert_eq!(unjustified("fn f() {\n a();\n unsafe { g() }\n}"), [3]);
    }

    #[test]
    fn a_block_with_its_line_is_justified() {
        let text = "fn f() {\n // SAFETY: S1,\n // always.\n #[cfg(x)]\n unsafe { g() }\n}";
        assert_eq!(unjustified(text), []);
    }

    #[test]
    fn the_line_may_be_above_the_statement_or_the_arm_but_not_above_another() {
        for statement in [
            "let Slab {\n free,\n } =\n *unsafe { g() };",
            "h(\n 1,\n |x| unsafe { g() });",
            "let Some(a) = (\n unsafe { g() }) else {\n b\n };",
            "let a = if b {\n 1\n } else {\n 2\n }\n .c(\n unsafe { g() });",
        ] {
            let text = format!("fn f() {{\n a();\n // SAFETY: S1.\n {statement}\n}}");
            let expected: &[usize] = &[];
            assert_eq!(unjustified(&text), expected, "{text}");
            let text = format!("fn f() {{\n // SAFETY: S1.\n a();\n {statement}\n}}");
            assert_eq!(unjustified(&text).len(), 1, "{text}");
        }
        let arms = |mark| {
            format!(
                "fn f() {{ match x {{\n // SAFETY: S1.\n A =>\n unsafe {{ g() }},\n {mark}\n B =>\n h(unsafe {{ g() }}),\n {mark}\n C =>\n h(unsafe {{ g() }}),\n}} }}"
            )
        };
        assert_eq!(unjustified(&arms("// SAFETY: S1.")), []);
        assert_eq!(unjustified(&arms("")), [7, 10]);
    }

    #[test]
    fn a_block_within_another_statement_needs_its_own_line() {
        let text = "fn f() {\n // SAFETY: S1.\n let a = || {\n b();\n unsafe { g() }\n };\n}";
        assert_eq!(unjustified(text), [5]);
    }

    #[test]
    fn the_blocks_of_macros_are_found() {
        let text = "macro_rules! m {\n ($x:expr) => {\n unsafe { $crate::g($x) }\n };\n}";
        assert_eq!(unjustified(text), [3]);
        let text =
            "macro_rules! m {\n ($x:expr) => {\n // SAFETY: S1.\n unsafe { $crate::g($x) }\n };\n}";
        assert_eq!(
            (found(text), unjustified(text)),
            (vec![Kind::Block], vec![])
        );
        assert_eq!(unjustified("fn f() {\n assert!(unsafe { g() });\n}"), [2]);
    }

    #[test]
    fn an_impl_needs_a_line() {
        assert_eq!(unjustified("struct A;\nunsafe impl Send for A {}"), [2]);
        for text in [
            "/// A.\n// SAFETY: M1.\nunsafe impl Send for A {}",
            "// SAFETY: M1.\n#[cfg(all(\n a,\n b\n))]\nunsafe impl Send for A {}",
        ] {
            assert_eq!(unjustified(text), [], "{text}");
        }
    }

    #[test]
    fn a_function_needs_a_section_unless_a_trait_or_c_has_it() {
        assert_eq!(unjustified("/// A.\npub unsafe fn f() {}"), [2]);
        assert_eq!(unjustified("impl A {\n unsafe fn f() {}\n}"), [2]);
        assert_eq!(
            unjustified("impl A where B: for<'a> C<'a> {\n unsafe fn f() {}\n}"),
            [2]
        );
        for text in [
            "/// A.\n///\n/// # Safety\n///\n/// B.\n#[cfg(all(\n a,\n b\n))]\npub unsafe fn f() {}",
            "// SAFETY: A.\nunsafe impl<A, B> C for D<A, B> {\n unsafe fn f() {}\n}",
            "#[unsafe(export_name = \"g\")]\nunsafe extern \"C\" fn f() {}",
            "#[unsafe(no_mangle)]\nunsafe extern \"C\" fn f() {}",
        ] {
            assert_eq!(unjustified(text), [], "{text}");
        }
        let inner = "impl A for B {\n fn f() {\n unsafe fn g() {}\n }\n}";
        assert_eq!(unjustified(inner), [3]);
    }

    #[test]
    fn the_table_has_the_files_with_any_and_the_sums_of_all() {
        let rows = [
            ("a.rs", [1, 0, 2, 0, 0, 0]),
            ("b.rs", [0; 6]),
            ("c.rs", [10, 0, 0, 0, 0, 4]),
        ];
        let rows = rows.map(|(name, counts)| (name.to_string(), counts));
        let lines: Vec<_> = table(&rows).lines().skip(2).map(str::to_string).collect();
        assert_eq!(
            lines,
            [
                "| `a.rs` | 1 |  | 2 |  |  |  |",
                "| `c.rs` | 10 |  |  |  |  | 4 |",
                "| 2 of 3 files | 11 |  | 2 |  |  | 4 |",
            ]
        );
    }

    #[test]
    fn the_page_must_have_the_table_and_the_code_its_lines() {
        let root = std::env::temp_dir().join(format!("pageslab-unsafe-{}", std::process::id()));
        for folder in ["src/inner", "pageslab-c/src", "docs"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let write = |file: &str, text: &str| fs::write(root.join(file), text).unwrap();
        let table = table(&[("src/inner/a.rs".to_string(), [1, 0, 0, 0, 0, 0])]);
        write("docs/unsafe.md", &format!("# A\n\n{table}\n\nB.\n"));
        write(
            "src/inner/a.rs",
            "// SAFETY: S1.\nconst A: u8 = unsafe { f() };\n",
        );
        assert!(examine(&root).is_ok());
        write("src/inner/a.rs", "const A: u8 = unsafe { f() };\n");
        let error = examine(&root).unwrap_err().to_string();
        assert!(error.starts_with("src/inner/a.rs:1: no"), "{error}");
        write("src/inner/a.rs", "const A: u8 = 0;\n");
        let error = examine(&root).unwrap_err().to_string();
        assert!(error.contains("another table"), "{error}");
        fs::remove_dir_all(root).unwrap();
    }
}
