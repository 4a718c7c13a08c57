//! User data as EC2 takes it, and as it gives it back.

use std::cell::RefCell;
use std::io::Read as _;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{TemplateError, USER_DATA_LIMIT};

/// The most bytes of text that are unpacked: user data that kstack made is a hundredth of that.
const LONGEST_BYTES: u64 = 1 << 20;
/// The largest window that gzip has, in bits. Source: zlib's manual, `deflateInit2`.
const WINDOW_BITS: u8 = 15;

/// The bytes for EC2, before base64: compressed where that makes them fewer, the same for the same text. Most texts fit when they are compressed
/// fast.
///
/// # Errors
/// That they are more than EC2 takes.
pub fn encode(user_data: &str) -> Result<Vec<u8>, TemplateError> {
    let mut bytes = compressed(user_data, Compression::fast());
    if bytes.len() > USER_DATA_LIMIT {
        bytes = compressed(user_data, Compression::best());
    }
    match bytes.len() {
        0..=USER_DATA_LIMIT => Ok(bytes),
        bytes => Err(TemplateError::TooLarge { bytes }),
    }
}

/// Whether [`encode`] has bytes for a text: only one that is too long as it is must be compressed to know that.
///
/// # Errors
/// That EC2 takes fewer.
pub fn fits(user_data: &str) -> Result<(), TemplateError> {
    if user_data.len() <= USER_DATA_LIMIT { Ok(()) } else { encode(user_data).map(drop) }
}

thread_local! {
    /// Compresses fast. What it works with is a quarter of a mebibyte, which is not made anew for each of hundreds of hosts.
    static FAST: RefCell<Compress> = RefCell::new(Compress::new_gzip(Compression::fast(), WINDOW_BITS));
}

pub(super) fn compressed(user_data: &str, how: Compression) -> Vec<u8> {
    let with = |compress: &mut Compress| {
        compress.reset();
        // Room for all of it: what needs more is not compressed.
        let mut bytes = Vec::with_capacity(user_data.len());
        let ended = compress.compress_vec(user_data.as_bytes(), &mut bytes, FlushCompress::Finish);
        matches!(ended, Ok(Status::StreamEnd)).then_some(bytes)
    };
    let bytes = match how == Compression::fast() {
        true => FAST.with_borrow_mut(with),
        false => with(&mut Compress::new_gzip(how, WINDOW_BITS)),
    };
    bytes.unwrap_or_else(|| user_data.as_bytes().to_vec())
}

/// The text of user data that [`encode`] made, or of plain text; `None` for what is neither.
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
    use flate2::write::GzEncoder;
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
    fn what_fits_is_what_can_be_encoded() {
        // Texts around the limit, from such that are compressed well to such that are not.
        let mut state = 1_u32;
        let mut letter = |of: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'!' + (state >> 24) as u8 % of as u8)
        };
        let mut seen = [0, 0];
        for of in [2, 8, 30, 90] {
            for length in (8..80).map(|kib| kib * 1024) {
                let text: String = (0..length).map(|_| letter(of)).collect();
                let fitting = fits(&text).is_ok();
                assert_eq!(fitting, encode(&text).is_ok(), "{length} bytes of {of} letters");
                seen[usize::from(fitting)] += 1;
            }
        }
        assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
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
