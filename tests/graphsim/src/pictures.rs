//! Real pictures, made by the stand-in itself.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use image::{ExtendedColorType, ImageEncoder, ImageFormat, Rgb, RgbImage};

/// A picture's bytes and the extension of its file name.
#[derive(Debug, Clone)]
pub struct PictureFile {
    /// All of it.
    pub bytes: Bytes,
    /// `jpg`, `png` or `webp`.
    pub extension: &'static str,
}

impl PictureFile {
    /// The `Content-Type` that the CDN sends.
    pub fn content_type(&self) -> &'static str {
        match self.extension {
            "png" => "image/png",
            "webp" => "image/webp",
            _ => "image/jpeg",
        }
    }
}

/// A square JPEG; another seed is another picture.
pub fn jpeg(seed: u32, side: u32) -> PictureFile {
    made("jpg", seed, side)
}

/// A square PNG.
pub fn png(seed: u32, side: u32) -> PictureFile {
    made("png", seed, side)
}

/// A square WebP.
pub fn webp(seed: u32, side: u32) -> PictureFile {
    made("webp", seed, side)
}

type Key = (&'static str, u32, u32);

/// Encoding takes a while in debug builds, so what was made is kept.
fn made(extension: &'static str, seed: u32, side: u32) -> PictureFile {
    static MADE: OnceLock<Mutex<HashMap<Key, Bytes>>> = OnceLock::new();
    let made = MADE.get_or_init(Mutex::default);
    let key = (extension, seed, side);
    let kept = made.lock().unwrap().get(&key).cloned();
    let bytes = kept.unwrap_or_else(|| encode(extension, &paint(seed, side)));
    made.lock().unwrap().insert(key, bytes.clone());
    PictureFile { bytes, extension }
}

fn encode(extension: &str, picture: &RgbImage) -> Bytes {
    let mut out = Cursor::new(Vec::new());
    match extension {
        "jpg" => {
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 88);
            encoder.write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8).unwrap();
        }
        "png" => picture.write_to(&mut out, ImageFormat::Png).unwrap(),
        _ => picture.write_to(&mut out, ImageFormat::WebP).unwrap(),
    }
    out.into_inner().into()
}

/// A gradient between two colours, a lighter disc and a little grain, so that large ones weigh something.
fn paint(seed: u32, side: u32) -> RgbImage {
    let hue = |n: u32| {
        let n = (seed.wrapping_mul(2_654_435_761).rotate_left(n * 7) % 160) as f32;
        60.0 + n
    };
    let (from, to) = ([hue(1), hue(2), hue(3)], [hue(4), hue(5), hue(6)]);
    let centre = side as f32 / 2.0;
    let (dx, dy) = ((seed % 5) as f32 * 0.08 - 0.16, (seed % 7) as f32 * 0.05 - 0.15);
    RgbImage::from_fn(side, side, |x, y| {
        let along = (x + y) as f32 / (2 * side) as f32;
        let (u, v) = ((x as f32 - centre) / side as f32 - dx, (y as f32 - centre) / side as f32 - dy);
        let disc = if u.hypot(v) < 0.24 { 50.0 } else { 0.0 };
        let grain = (x.wrapping_mul(73) ^ y.wrapping_mul(151) ^ seed).wrapping_mul(2_246_822_519) >> 28;
        Rgb(std::array::from_fn(|channel| {
            let colour = from[channel] + (to[channel] - from[channel]) * along;
            (colour + disc + grain as f32).clamp(0.0, 255.0) as u8
        }))
    })
}
