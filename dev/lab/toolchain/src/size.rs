//! The sizes of modules, and `wasm-opt`, which makes them small: the one that is there, or npm's.

use crate::{fetch, lab, on_path, run};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version from npm: the figures depend on it a little.
const BINARYEN: &str = "binaryen@132.0.0";

/// What cargo is to build for the smallest module: an allocator, which a feature chooses, and three functions that call it.
pub const SMALLEST: [&str; 6] = [
    "--profile",
    "size",
    "--package",
    "lab-size",
    "--target",
    "wasm32-unknown-unknown",
];

/// The bytes of a module after `wasm-opt -Oz`; `name` is the file's that it makes.
pub fn optimized(wasm_opt: &Path, module: &Path, name: &str) -> Result<u64> {
    let directory = lab("sizes");
    std::fs::create_dir_all(&directory)?;
    let small = directory.join(format!("{name}.wasm"));
    run(Command::new(wasm_opt)
        .arg("-Oz")
        .arg(module)
        .arg("-o")
        .arg(&small))?;
    Ok(small.metadata()?.len())
}

/// The bytes of a module without its custom sections: names and other things that are not executed.
pub fn stripped(module: &Path) -> Result<u64> {
    let bytes = std::fs::read(module);
    let bytes = bytes.with_context(|| format!("cannot read {}", module.display()))?;
    without_custom(&bytes).with_context(|| format!("{} is no module", module.display()))
}

fn without_custom(module: &[u8]) -> Result<u64> {
    const CUSTOM: u8 = 0;
    let (magic, mut rest) = module.split_at_checked(8).context("it is too short")?;
    ensure!(magic.starts_with(b"\0asm"), "it does not begin as one");
    let mut custom = 0;
    while let [id, from_length @ ..] = rest {
        let (length, contents) = leb128(from_length)?;
        let after = contents.get(length..).context("a section is cut short")?;
        if *id == CUSTOM {
            custom += rest.len() - after.len();
        }
        rest = after;
    }
    Ok((module.len() - custom) as u64)
}

/// A number, and what comes after it.
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[index + 1..]));
        }
    }
    bail!("a length has no end")
}

/// `wasm-opt`, fetched into `target/lab/binaryen` if it is nowhere.
pub fn wasm_opt() -> Result<PathBuf> {
    if let Some(installed) = on_path("wasm-opt") {
        return Ok(installed);
    }
    let directory = lab("binaryen");
    let program = directory.join("node_modules/.bin/wasm-opt");
    if program.is_file() {
        return Ok(program);
    }
    let npm =
        on_path("npm").context("there is neither wasm-opt (binaryen) nor npm to fetch it with")?;
    eprintln!("    fetching wasm-opt (binaryen, from npm)");
    std::fs::create_dir_all(&directory)?;
    fetch(
        Command::new(npm)
            .args(["install", "--no-save", "--no-audit", "--no-fund"])
            .args(["--fetch-retries=1", "--prefix"])
            .arg(&directory)
            .arg(BINARYEN),
    )
    .context("npm cannot fetch wasm-opt (binaryen)")?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::without_custom;

    #[test]
    fn custom_sections_do_not_count() {
        let header = b"\0asm\x01\0\0\0";
        let with = |sections: &[u8]| without_custom(&[header, sections].concat());
        assert_eq!(with(&[]).unwrap(), 8);
        // A type section of one byte, its length in two, and a custom section of two hundred.
        let types = [1, 0x81, 0, 0];
        let custom = [&[0, 0xc8, 1][..], &[7; 200]].concat();
        assert_eq!(with(&types).unwrap(), 12);
        assert_eq!(with(&[&custom[..], &types, &custom].concat()).unwrap(), 12);
        assert!(with(&custom[..custom.len() - 1]).is_err());
        assert!(with(&[1, 0x80]).is_err());
        assert!(without_custom(b"\0asm").is_err() && without_custom(&[7; 8]).is_err());
    }
}
