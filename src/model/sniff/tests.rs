//! Sniffing against real files, each of them cut and bent.

use proptest::prelude::*;

use super::*;

/// Made by `tests/fixtures/pictures/make.py`; all are 70x50.
const FILES: [(&[u8], PictureKind); 9] = [
    (include_bytes!("../../../tests/fixtures/pictures/baseline.jpg"), PictureKind::Jpeg),
    (include_bytes!("../../../tests/fixtures/pictures/progressive.jpg"), PictureKind::Jpeg),
    (include_bytes!("../../../tests/fixtures/pictures/exif.jpg"), PictureKind::Jpeg),
    (include_bytes!("../../../tests/fixtures/pictures/picture.png"), PictureKind::Png),
    (include_bytes!("../../../tests/fixtures/pictures/picture.gif"), PictureKind::Gif),
    (include_bytes!("../../../tests/fixtures/pictures/lossy.webp"), PictureKind::Webp),
    (include_bytes!("../../../tests/fixtures/pictures/lossless.webp"), PictureKind::Webp),
    (include_bytes!("../../../tests/fixtures/pictures/extended.webp"), PictureKind::Webp),
    (include_bytes!("../../../tests/fixtures/pictures/picture.avif"), PictureKind::Avif),
];
const IMAGES: ImagesConfig = ImagesConfig { max_pixels: 40_000_000 };

fn read_png(width: u32, height: u32) -> Result<ImageHeader, SniffError> {
    let bytes = [PNG, b"\0\0\0\x0DIHDR", &width.to_be_bytes(), &height.to_be_bytes()].concat();
    sniff(&bytes, IMAGES)
}

#[test]
fn format_and_dimensions_of_real_files_are_read() {
    for (bytes, kind) in FILES {
        assert_eq!(sniff(bytes, IMAGES), Ok(ImageHeader { kind, width: 70, height: 50 }), "{kind:?}");
        assert!(looks_complete(kind, bytes), "{kind:?}");
    }
}

#[test]
fn the_imagesize_crate_reads_the_same() {
    for (bytes, kind) in FILES {
        let size = imagesize::blob_size(bytes).unwrap();
        assert_eq!((size.width, size.height), (70, 50), "{kind:?}");
    }
}

#[test]
fn a_file_that_is_still_arriving_is_incomplete_and_nothing_else() {
    for (bytes, kind) in FILES {
        let enough = (0..=bytes.len()).find(|length| sniff(&bytes[..*length], IMAGES).is_ok()).unwrap();
        for length in 0..enough {
            assert_eq!(sniff(&bytes[..length], IMAGES), Err(SniffError::Incomplete), "{kind:?} {length}");
        }
        for length in enough..bytes.len() {
            assert!(sniff(&bytes[..length], IMAGES).is_ok(), "{kind:?} {length}");
        }
    }
}

#[test]
fn a_cut_file_does_not_look_complete() {
    for (bytes, kind) in FILES.into_iter().filter(|(_, kind)| *kind != PictureKind::Avif) {
        assert!(!looks_complete(kind, &bytes[..bytes.len() - 2]), "{kind:?}");
        let padded = [bytes, &[0; 5]].concat();
        assert!(looks_complete(kind, &padded), "{kind:?}: cameras and editors write behind the end");
    }
}

#[test]
fn anything_but_a_raster_picture_is_refused_at_its_first_bytes() {
    for text in [
        "URL signature expired",
        "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        "<?xml version=\"1.0\"?><svg/>",
        "<!DOCTYPE html><html></html>",
        "\u{feff}<svg/>",
        "{\"error\":{}}",
        "x",
        "GIF88a\x01\0\x01\0",
        "RIFF\0\0\0\0WAVEfmt ",
        "\0\0\0\x18ftypheic\0\0\0\0heicmif1",
        "\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "BM\0\0",
    ] {
        assert_eq!(sniff(text.as_bytes(), IMAGES), Err(SniffError::NotAPicture), "{text:?}");
    }
    assert_eq!(sniff(b"\xFF\xD8\xFF\xD9", IMAGES), Err(SniffError::NotAPicture));
    assert_eq!(sniff(b"\xFF\xD8\xFF\xE0\0\0\0\0", IMAGES), Err(SniffError::NotAPicture));
}

#[test]
fn fill_bytes_may_stand_before_a_jpeg_marker() {
    let bytes = b"\xFF\xD8\xFF\xFF\xFF\xC0\0\x11\x08\0\x32\0\x46";
    assert_eq!(sniff(bytes, IMAGES), Ok(ImageHeader { kind: PictureKind::Jpeg, width: 70, height: 50 }));
}

#[test]
fn an_empty_or_too_large_picture_is_refused_with_its_dimensions() {
    assert_eq!(read_png(0, 50), Err(SniffError::Dimensions { width: 0, height: 50 }));
    assert_eq!(read_png(8000, 5001), Err(SniffError::Dimensions { width: 8000, height: 5001 }));
    assert!(read_png(8000, 5000).is_ok());
    let most = i32::MAX as u32;
    assert_eq!(read_png(most, most), Err(SniffError::Dimensions { width: most, height: most }));
    assert_eq!(read_png(u32::MAX, 1), Err(SniffError::NotAPicture));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        start in prop::sample::select(vec![
            b"".as_slice(), b"\xFF\xD8\xFF", PNG, b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X",
            b"RIFF\0\0\0\0WEBPVP8L", b"\0\0\0\x10ftypavif\0\0\0\0\0\0\0\x80meta\0\0\0\0\0\0\0\x60iprp\0\0\0\x50ipco",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &rest].concat();
        let header = sniff(&bytes, IMAGES);
        if let Ok(ImageHeader { kind, width, height }) = header {
            prop_assert!((1..=IMAGES.max_pixels).contains(&(u64::from(width) * u64::from(height))));
            let _ = looks_complete(kind, &bytes);
        }
    }

    #[test]
    fn corrupted_real_files_never_panic(
        file in 0..FILES.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = FILES[file].0.to_vec();
        for (place, bit) in flips {
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let _ = sniff(&bytes, IMAGES);
        let _ = sniff(&bytes[..cut.index(bytes.len())], IMAGES);
    }
}
