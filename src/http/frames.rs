//! [`Wire`]: how far the bytes of a connection have come, in requests and frames. It reads no meaning beyond that.

/// RFC 9113 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;

/// Where in its conversation a client is.
#[derive(Debug)]
pub(super) enum Wire {
    /// Every byte so far agrees with the preface of HTTP/2.
    Undecided(usize),
    /// HTTP/1.
    Http1(Line),
    /// HTTP/2, after the preface.
    Http2(Frames),
}

/// How the bytes of HTTP/1 end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Between requests: nothing yet, or a blank line.
    Blank,
    /// Within a line.
    Within,
    /// At a line's start.
    Start,
    /// At a line's start, after a carriage return.
    StartReturn,
}

/// How the bytes of HTTP/2 end.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; FRAME_HEAD],
    filled: usize,
    /// Bytes of the frame's payload that have not come yet.
    payload: usize,
    /// A block of headers is open: its last CONTINUATION has not come yet (RFC 9113 6.10).
    block_open: bool,
}

/// What some bytes changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Somewhere in them everything begun had been completed.
    pub(super) passed_rest: bool,
    /// At their end something is begun and incomplete.
    pub(super) under_way: bool,
}

impl Wire {
    pub(super) const fn new() -> Self {
        Self::Undecided(0)
    }

    pub(super) const fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// Whether something is begun and incomplete.
    pub(super) fn under_way(&self) -> bool {
        match self {
            Self::Undecided(matched) => *matched > 0,
            Self::Http1(line) => *line != Line::Blank,
            Self::Http2(frames) => !frames.at_rest(),
        }
    }

    /// Takes notice of bytes that were read.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Seen {
        let mut passed_rest = false;
        if let Self::Undecided(matched) = *self {
            let rest = &PREFACE[matched..];
            let agreed = bytes.iter().zip(rest).take_while(|(seen, due)| seen == due).count();
            if agreed == rest.len() {
                *self = Self::Http2(Frames::default());
                passed_rest = true;
                bytes = &bytes[agreed..];
            } else if agreed == bytes.len() {
                *self = Self::Undecided(matched + agreed);
                bytes = &[];
            } else {
                // What agreed with the preface so far ends within its text, or at an end of a line.
                *self = Self::Http1(Line::after(Line::Blank, &PREFACE[..matched]));
            }
        }
        match self {
            Self::Undecided(_) => {}
            Self::Http1(line) => *line = Line::after(*line, bytes),
            Self::Http2(frames) => passed_rest |= frames.see(bytes),
        }
        Seen { passed_rest, under_way: self.under_way() }
    }
}

impl Line {
    fn after(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |line, byte| match (line, byte) {
            (Self::Blank, b'\r' | b'\n') | (Self::Start | Self::StartReturn, b'\n') => Self::Blank,
            (Self::Start, b'\r') => Self::StartReturn,
            (Self::Within, b'\n') => Self::Start,
            (Self::Blank | Self::Within | Self::Start | Self::StartReturn, _) => Self::Within,
        })
    }
}

impl Frames {
    const fn at_rest(&self) -> bool {
        self.filled == 0 && self.payload == 0 && !self.block_open
    }

    /// Whether everything begun had been completed after at least one of the bytes.
    fn see(&mut self, mut bytes: &[u8]) -> bool {
        let mut passed_rest = false;
        while !bytes.is_empty() {
            let taken =
                if self.filled < FRAME_HEAD { self.fill_head(bytes) } else { self.skip_payload(bytes) };
            bytes = &bytes[taken..];
            if self.filled == FRAME_HEAD && self.payload == 0 {
                self.end_frame();
            }
            passed_rest |= self.at_rest();
        }
        passed_rest
    }

    fn fill_head(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(FRAME_HEAD - self.filled);
        self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        if self.filled == FRAME_HEAD {
            let [a, b, c, ..] = self.head;
            self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        }
        taken
    }

    fn skip_payload(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.payload);
        self.payload -= taken;
        taken
    }

    fn end_frame(&mut self) {
        let [_, _, _, kind, flags, ..] = self.head;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block_open = flags & END_HEADERS == 0;
        }
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD + payload, 0xff);
        frame
    }

    fn http2() -> Wire {
        let mut wire = Wire::new();
        assert_eq!(wire.see(PREFACE), Seen { passed_rest: true, under_way: false });
        wire
    }

    #[test]
    fn the_preface_alone_makes_http2_and_any_other_byte_http1() {
        let mut wire = Wire::new();
        assert_eq!(wire.see(b"PRI *"), Seen { passed_rest: false, under_way: true });
        assert!(!wire.is_http2());
        wire.see(&PREFACE[5..]);
        assert!(wire.is_http2() && !wire.under_way());

        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "PRIX / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            let mut wire = Wire::new();
            wire.see(text.as_bytes());
            assert!(matches!(wire, Wire::Http1(Line::Blank)), "{text:?}: {wire:?}");
        }
    }

    #[test]
    fn a_head_is_under_way_until_its_blank_line() {
        for (text, under_way) in [
            ("\r\n", false),
            ("G", true),
            ("GET / HTTP/1.1\r\n", true),
            ("GET / HTTP/1.1\r\n\r", true),
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\n\n", false),
            ("GET / HTTP/1.1\r\n\r\nGE", true),
            ("GET / HTTP/1.1\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n", false),
        ] {
            assert_eq!(Wire::new().see(text.as_bytes()).under_way, under_way, "{text:?}");
        }
    }

    #[test]
    fn complete_frames_are_at_rest_and_parts_of_them_are_not() {
        const PING: u8 = 6;
        let mut wire = http2();
        let ping = frame(PING, 0, 8);
        assert!(wire.see(&ping[..4]).under_way);
        assert_eq!(wire.see(&ping[4..]), Seen { passed_rest: true, under_way: false });
        let both = [ping.clone(), ping[..12].to_vec()].concat();
        assert_eq!(wire.see(&both), Seen { passed_rest: true, under_way: true });
        assert_eq!(wire.see(&ping[12..]), Seen { passed_rest: true, under_way: false });
    }

    #[test]
    fn headers_stay_under_way_until_their_last_continuation() {
        let mut wire = http2();
        assert_eq!(wire.see(&frame(HEADERS, 0, 20)), Seen { passed_rest: false, under_way: true });
        for _ in 0..100 {
            assert_eq!(wire.see(&frame(CONTINUATION, 0, 1)), Seen { passed_rest: false, under_way: true });
        }
        assert!(!wire.see(&frame(CONTINUATION, END_HEADERS, 0)).under_way);
        assert!(!wire.see(&frame(HEADERS, END_HEADERS | 1, 20)).under_way);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cuts in prop::collection::vec(1usize..40, 1..40),
            preface in any::<bool>(),
        ) {
            let bytes = if preface { [PREFACE.as_slice(), &bytes].concat() } else { bytes };
            let mut whole = Wire::new();
            whole.see(&bytes);
            let mut cut = Wire::new();
            let mut rest = bytes.as_slice();
            for length in cuts.iter().cycle() {
                let (piece, after) = rest.split_at(rest.len().min(*length));
                if piece.is_empty() { break; }
                cut.see(piece);
                rest = after;
            }
            prop_assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
        }
    }
}
