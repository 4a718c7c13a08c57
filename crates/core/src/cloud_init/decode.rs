//! User data as EC2 gives it back, as text again.

use std::io::Read as _;

/// The most bytes of text that are unpacked: user data that kstack made is a hundredth of that.
const LONGEST_BYTES: u64 = 1 << 20;

/// The text of user data that [`encode`](super::encode) made, or of plain text; `None` for what is neither.
pub fn decode(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    let mut text = String::new();
    let read = flate2::read::GzDecoder::new(bytes).take(LONGEST_BYTES + 1).read_to_string(&mut text).ok()?;
    (read as u64 <= LONGEST_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_init::encode;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn what_was_encoded_is_the_same_text_again() {
        for text in ["", "short", "#cloud-config\nwrite_files: []\n", &"a line, repeated\n".repeat(500)] {
            assert_eq!(decode(&encode(text).expect("fits")).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_none() {
        let long = vec![b'a'; usize::try_from(LONGEST_BYTES).expect("small") + 1];
        for bytes in [&[0xff, 0xfe][..], &[0x1f, 0x8b, 8, 0], &packed(&[0xff, 0xfe]), &packed(&long)] {
            assert_eq!(decode(bytes), None, "{:?}", &bytes[..bytes.len().min(20)]);
        }
        assert_eq!(decode(&packed(&long[1..])).map(|text| text.len()), Some(long.len() - 1));
    }
}
