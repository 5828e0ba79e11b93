//! The colours: which allocator has which, in all charts, in light and in dark.
//!
//! Charts are drawn in the light colours, which are attributes of the SVG's elements; a stylesheet overrides these
//! attributes in the dark. So a chart has colours wherever it is shown, and no two colours may be the same.

use crate::results::{LIMIT, PAGESLAB, Results};
use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour in light and in dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shade {
    light: u32,
    dark: u32,
}

impl Shade {
    /// What a chart is drawn in.
    #[must_use]
    pub fn colour(self) -> RGBColor {
        let [_, red, green, blue] = self.light.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

const fn shade(light: u32, dark: u32) -> Shade {
    Shade { light, dark }
}

pub const PAPER: Shade = shade(0xFFFFFF, 0x14181D);
pub const INK: Shade = shade(0x1B1F23, 0xE6E8EA);
/// Units, remarks.
pub const FAINT: Shade = shade(0x57606A, 0xA3ABB4);
pub const GRID: Shade = shade(0xD8DEE4, 0x39414B);

/// The subject is the only one in a bright colour.
const SUBJECT: Shade = shade(0xE8500A, 0xFF8040);
const YARDSTICK: Shade = shade(0x8C8C8C, 0x8E959D);

/// Paul Tol's muted scheme, which colour-blind people can tell apart, with neighbours of unlike lightness first, and
/// seven more. In the dark, what is too dark is lighter.
const PEERS: [Shade; 16] = [
    shade(0x332288, 0x8C84F0),
    shade(0x44AA99, 0x4DBBA9),
    shade(0xDDCC77, 0xE3D483),
    shade(0x882255, 0xC95C93),
    shade(0x88CCEE, 0x97D6F5),
    shade(0x117733, 0x45A866),
    shade(0xAA4499, 0xC873BA),
    shade(0x999933, 0xB0B045),
    shade(0xCC6677, 0xDB8290),
    shade(0x4477AA, 0x6A9BCC),
    shade(0xBBA58F, 0xC9B5A1),
    shade(0x5B5B3A, 0x87875C),
    shade(0x66CCB0, 0x7ADBC1),
    shade(0x7A4B2A, 0xB07B55),
    shade(0xB8A0D8, 0xC9B6E4),
    shade(0x2F6E8E, 0x5C9CBD),
];

/// Which allocator has which colour.
pub struct Palette {
    peers: Vec<String>,
}

impl Palette {
    /// Colours for all allocators of all platforms, so that one has the same everywhere.
    #[must_use]
    pub fn new(results: &Results) -> Self {
        let mut peers: Vec<String> = Vec::new();
        for name in results
            .platforms
            .iter()
            .flat_map(|platform| &platform.allocators)
        {
            if name != PAGESLAB && name != LIMIT && !peers.contains(name) {
                peers.push(name.clone());
            }
        }
        Self { peers }
    }

    #[must_use]
    pub fn shade(&self, allocator: &str) -> Shade {
        match allocator {
            PAGESLAB => SUBJECT,
            LIMIT => YARDSTICK,
            _ => PEERS[self.number(allocator) % PEERS.len()],
        }
    }

    /// Tells peers apart where colour alone does not.
    #[must_use]
    pub fn number(&self, allocator: &str) -> usize {
        let mut peers = self.peers.iter();
        peers.position(|peer| peer == allocator).unwrap_or_default()
    }
}

fn shades() -> impl Iterator<Item = Shade> {
    [PAPER, INK, FAINT, GRID, SUBJECT, YARDSTICK]
        .into_iter()
        .chain(PEERS)
}

/// A light colour as plotters writes it.
#[must_use]
pub fn hex(shade: Shade) -> String {
    format!("#{:06X}", shade.light)
}

/// What is behind a page's charts, as a variable.
#[must_use]
pub fn background() -> String {
    let Shade { light, dark } = PAPER;
    format!(
        ":root {{ --chart: #{light:06X}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --chart: #{dark:06X}; }} }}\n"
    )
}

/// The style that turns the light colours of SVG elements into the dark ones.
#[must_use]
pub fn stylesheet() -> String {
    let mut rules = String::new();
    for Shade { light, dark } in shades() {
        for attribute in ["fill", "stroke"] {
            let _ = writeln!(
                rules,
                "[{attribute}=\"#{light:06X}\"] {{ {attribute}: #{dark:06X}; }}"
            );
        }
    }
    format!("@media (prefers-color-scheme: dark) {{\n{rules}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::fixture;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_colours_are_the_same() {
        let light: BTreeSet<u32> = shades().map(|shade| shade.light).collect();
        let dark: BTreeSet<u32> = shades().map(|shade| shade.dark).collect();
        assert_eq!(light.len(), shades().count());
        assert_eq!(dark.len(), shades().count());
    }

    #[test]
    fn no_two_allocators_have_the_same() {
        let results = fixture::results();
        let palette = Palette::new(&results);
        let names: BTreeSet<&String> = results
            .platforms
            .iter()
            .flat_map(|platform| &platform.allocators)
            .collect();
        let colours: BTreeSet<u32> = names.iter().map(|name| palette.shade(name).light).collect();
        assert_eq!(names.len(), colours.len());
    }
}
