//! SHA-256 as text.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of `bytes`, as 64 hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The first `digits` of the SHA-256 of `bytes`: a fingerprint.
pub fn fingerprint(bytes: impl AsRef<[u8]>, digits: usize) -> String {
    let mut text = sha256(bytes);
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_digest_of_nothing() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(super::sha256(""), expected);
        assert_eq!(super::fingerprint("", 12), expected[..12]);
    }
}
