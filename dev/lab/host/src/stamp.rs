//! Whether something that cargo built is still what the sources say. Cargo keeps one module per name, not one per
//! set of features, and would link each allocator's guest anew whenever it was another's turn.
//!
//! A stamp is a file beside the copy: a hash, then the sources, one a line. The hash is over how it was built and
//! what is in the sources.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Whether `stamp` still holds: nothing that it lists has changed, nor has `how`.
pub fn holds(stamp: &Path, how: &[OsString]) -> bool {
    let Ok(text) = std::fs::read_to_string(stamp) else {
        return false;
    };
    let Some((hash, sources)) = text.split_once('\n') else {
        return false;
    };
    let sources: Vec<PathBuf> = sources.lines().map(PathBuf::from).collect();
    digest(how, &sources).is_ok_and(|digest| digest == hash)
}

/// Writes `stamp` for what was built from `sources` in a build that began at `start`. If one of them has been
/// written since, it is unknown which version was built, and there is no stamp.
pub fn write(stamp: &Path, how: &[OsString], sources: &[PathBuf], start: SystemTime) -> Result<()> {
    for source in sources {
        let written = source.metadata().and_then(|metadata| metadata.modified());
        if written.is_ok_and(|written| written >= start) {
            return Ok(());
        }
    }
    let mut text = digest(how, sources)?;
    for source in sources {
        text.push('\n');
        text.push_str(&source.to_string_lossy());
    }
    std::fs::write(stamp, text).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The sources in a file of dependencies as cargo writes it: `output: source source`, blanks escaped.
pub fn sources(dependencies: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string(dependencies)
        .with_context(|| format!("cannot read {}", dependencies.display()))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<PathBuf> {
    let list = text.split_once(": ").map_or("", |(_, list)| list);
    let unescaped = list.trim_end().replace("\\ ", "\0");
    let names = unescaped.split(' ').filter(|name| !name.is_empty());
    names.map(|name| name.replace('\0', " ").into()).collect()
}

fn digest(how: &[OsString], sources: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    how.hash(&mut hasher);
    for source in sources {
        source.hash(&mut hasher);
        let content = std::fs::read(source);
        content
            .with_context(|| format!("cannot read {}", source.display()))?
            .hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dependencies_are_read_with_their_blanks() {
        let text = "/t/a\\ b.wasm: /src/lib.rs /src/my\\ file.rs\n";
        assert_eq!(
            parse(text),
            [PathBuf::from("/src/lib.rs"), "/src/my file.rs".into()]
        );
        assert!(parse("/t/a.wasm:\n").is_empty());
    }

    #[test]
    fn a_stamp_holds_until_a_source_or_the_way_of_building_changes() {
        let directory = std::env::temp_dir().join(format!("lab-stamp-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (stamp, source) = (directory.join("stamp"), directory.join("source"));
        let (how, sources) = ([OsString::from("-O")], [source.clone()]);
        std::fs::write(&source, "one").unwrap();

        let later = SystemTime::now() + Duration::from_secs(1);
        assert!(!holds(&stamp, &how));
        write(&stamp, &how, &sources, later).unwrap();
        assert!(holds(&stamp, &how));
        assert!(!holds(&stamp, &["-Oz".into()]));

        std::fs::write(&source, "two").unwrap();
        assert!(!holds(&stamp, &how));

        // Written while it was built.
        std::fs::remove_file(&stamp).unwrap();
        write(&stamp, &how, &sources, SystemTime::UNIX_EPOCH).unwrap();
        assert!(!holds(&stamp, &how));

        std::fs::remove_dir_all(&directory).unwrap();
    }
}
