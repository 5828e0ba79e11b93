//! A build tool for games: decodes sprites, trims and scales them, and packs them into one big picture.

use std::fmt::Write;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "atlas",
    about: "draws sprites, encodes and decodes them as PNG, halves them and packs all into two atlases (png)",
    input,
    run,
};

const ATLAS_WIDTH: usize = 512;
const CHANNELS: usize = 4;

/// One sprite per line: name, width, height, and the seed of its pattern.
fn input() -> String {
    let mut random = Random::new(6);
    let mut list = String::new();
    for number in 0..160 {
        // Icons, and a few backgrounds.
        let side = if random.one_in(20) { 160 } else { 12 };
        let [width, height] = [(); 2].map(|()| side + random.below(side));
        let _ = writeln!(
            list,
            "{}-{number} {width} {height} {}",
            random.word(),
            random.below(1000)
        );
    }
    list
}

struct Image {
    name: String,
    width: usize,
    height: usize,
    /// Four bytes per pixel, row by row.
    pixels: Vec<u8>,
}

impl Image {
    /// Rings around the middle.
    fn draw(name: &str, width: usize, height: usize, seed: usize) -> Self {
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (dx, dy) = (x.abs_diff(width / 2), y.abs_diff(height / 2));
                let ring = (dx * dx + dy * dy) / (1 + seed % 17);
                let alpha = if dx * dx + dy * dy < width * height / 4 {
                    255
                } else {
                    0
                };
                pixels.extend_from_slice(&[
                    ring as u8,
                    (ring / 3) as u8,
                    (seed + ring / 7) as u8,
                    alpha,
                ]);
            }
        }
        Self {
            name: name.to_owned(),
            width,
            height,
            pixels,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.width as u32, self.height as u32);
        encoder.set_color(ColorType::Rgba);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        encoder
            .add_text_chunk("Title".to_owned(), self.name.clone())
            .expect("the name is a title");
        let mut writer = encoder.write_header().expect("a vector takes all bytes");
        writer
            .write_image_data(&self.pixels)
            .expect("the pixels fill the picture");
        writer.finish().expect("a vector takes all bytes");
        file
    }

    fn decode(name: &str, file: &[u8]) -> Self {
        let mut reader = Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .expect("the file is a PNG");
        let mut pixels = vec![
            0;
            reader
                .output_buffer_size()
                .expect("the picture fits memory")
        ];
        let info = reader.next_frame(&mut pixels).expect("the file is a PNG");
        Self {
            name: name.to_owned(),
            width: info.width as usize,
            height: info.height as usize,
            pixels,
        }
    }

    /// The picture at half its size.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height * CHANNELS);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..CHANNELS {
                    let sum: u32 = [(0, 0), (1, 0), (0, 1), (1, 1)]
                        .iter()
                        .map(|(dx, dy)| {
                            ((2 * y + dy) * self.width + 2 * x + dx) * CHANNELS + channel
                        })
                        .map(|at| u32::from(self.pixels[at]))
                        .sum();
                    pixels.push((sum / 4) as u8);
                }
            }
        }
        Self {
            name: format!("{}@half", self.name),
            width,
            height,
            pixels,
        }
    }
}

/// Packs the pictures in rows, the highest first; also returns where each went.
fn pack(mut images: Vec<Image>) -> (Image, Vec<String>) {
    images.sort_by(|a, b| b.height.cmp(&a.height).then_with(|| a.name.cmp(&b.name)));
    let mut places = Vec::new();
    let mut pixels = Vec::new();
    let (mut x, mut y, mut row_height) = (0, 0, 0);
    for image in images {
        if x + image.width > ATLAS_WIDTH {
            (x, y, row_height) = (0, y + row_height, 0);
        }
        row_height = row_height.max(image.height);
        pixels.resize(
            pixels.len().max((y + row_height) * ATLAS_WIDTH * CHANNELS),
            0,
        );
        for (line, row) in image
            .pixels
            .chunks_exact(image.width * CHANNELS)
            .enumerate()
        {
            let start = ((y + line) * ATLAS_WIDTH + x) * CHANNELS;
            pixels[start..start + row.len()].copy_from_slice(row);
        }
        places.push(format!(
            "{} {x} {y} {} {}",
            image.name, image.width, image.height
        ));
        x += image.width;
    }
    let atlas = Image {
        name: "atlas".to_owned(),
        width: ATLAS_WIDTH,
        height: pixels.len() / (ATLAS_WIDTH * CHANNELS),
        pixels,
    };
    (atlas, places)
}

fn run(list: &str) -> usize {
    let files: Vec<(String, Vec<u8>)> = list
        .lines()
        .map(|line| {
            let [name, width, height, seed] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("no sprite: {line}");
            };
            let [width, height, seed] =
                [width, height, seed].map(|number| number.parse().expect("a number"));
            (
                name.to_owned(),
                Image::draw(name, width, height, seed).encode(),
            )
        })
        .collect();
    let images: Vec<Image> = files
        .iter()
        .map(|(name, file)| Image::decode(name, file))
        .collect();
    let halves: Vec<Image> = images.iter().map(Image::halved).collect();

    [images, halves]
        .into_iter()
        .map(|images| {
            let (atlas, places) = pack(images);
            atlas.encode().len() + places.join("\n").len()
        })
        .sum()
}
