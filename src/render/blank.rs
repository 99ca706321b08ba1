//! The blank placeholder.

use bytes::Bytes;

/// PNG, 1x1, RGBA, transparent.
const PNG: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x0bIDATx\xdac`\x00\x02\x00\x00\x05\x00\x01\xe9\xfa\xdc\xd8\x00\x00\x00\x00IEND\xaeB`\x82";

/// A transparent picture of one pixel, as [`super::PNG`].
pub fn blank() -> Bytes {
    Bytes::from_static(PNG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_png_of_one_pixel() {
        let size = imagesize::blob_size(&blank()).unwrap();
        assert_eq!((size.width, size.height), (1, 1));
        assert!(blank().ends_with(b"IEND\xae\x42\x60\x82"));
    }
}
