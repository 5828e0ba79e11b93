//! What Typst asks for: the report's source and its data, and the fonts. All of it is in the program.

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

const REPORT: &str = include_str!("../inputs/report.typ");
const STATIONS: &str = include_str!("../inputs/stations.csv");

pub struct Desk {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    report: Source,
    stations: FileId,
}

impl Desk {
    pub fn new() -> Self {
        let fonts = typst_assets::fonts().flat_map(|data| Font::iter(Bytes::new(data)));
        let fonts: Vec<Font> = fonts.collect();
        Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            fonts,
            report: Source::new(file("report.typ"), String::new()),
            stations: file("stations.csv"),
        }
    }

    /// Puts this edition's source in place of the last one's.
    pub fn edit(&mut self, edition: u32) {
        self.report
            .replace(&format!("#let edition = {edition}\n{REPORT}"));
    }
}

fn file(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("it is a path");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

fn not_found<T>(id: FileId) -> FileResult<T> {
    Err(FileError::NotFound(id.vpath().get_without_slash().into()))
}

impl World for Desk {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.report.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.report.id() {
            Ok(self.report.clone())
        } else {
            not_found(id)
        }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.stations {
            Ok(Bytes::from_string(STATIONS))
        } else {
            not_found(id)
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
