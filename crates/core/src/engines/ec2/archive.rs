//! Where hosts download Kafka, and what they verify it with.
//!
//! `tables/kafka_archives.csv` has the SHA-512 of Apache's archives, so that whoever could change an archive could not change its
//! checksum with it. Source: `kafka-versions.yaml` of the Strimzi operator, whose images are built from the same archives.

use super::keys::Archive;
use crate::cloud_init::Checksum;
use crate::tables::Table;

const ARCHIVES: Table =
    Table { file: "tables/kafka_archives.csv", text: include_str!("../../tables/kafka_archives.csv") };

/// The version of an archive, and its SHA-512 in 128 hexadecimal digits.
fn row([version, sha512]: [&'static str; 2]) -> Option<(&'static str, &'static str)> {
    is_sha512(sha512).then_some((version, sha512))
}

/// Whether `text` can be a SHA-512 in hexadecimal.
pub fn is_sha512(text: &str) -> bool {
    text.len() == 128 && text.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// The pinned checksum of Apache's archive of `version`.
pub(super) fn pinned(version: &str) -> Option<&'static str> {
    ARCHIVES.rows(row).into_iter().find_map(|(known, sha512)| (known == version).then_some(sha512))
}

/// The versions whose checksums are pinned.
pub(super) fn versions() -> Vec<&'static str> {
    ARCHIVES.rows(row).into_iter().map(|(version, _)| version).collect()
}

/// The URL of Kafka `version`, and what the archive is verified with: the file's, or Apache's with the pinned checksum. A version
/// that the table lacks is verified with the checksum that Apache publishes beside the archive.
pub fn of(version: &str, archive: Option<&Archive>) -> (String, Checksum) {
    let published = format!("https://archive.apache.org/dist/kafka/{version}/kafka_2.13-{version}.tgz");
    match (archive, pinned(version)) {
        (Some(archive), _) => (archive.url.clone(), Checksum::Sha512(archive.sha512.clone())),
        (None, Some(sha512)) => (published, Checksum::Sha512(sha512.to_owned())),
        (None, None) => {
            let beside = format!("{published}.sha512");
            (published, Checksum::Published(beside))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(ARCHIVES.bad_row(row), None);
        assert!(versions().len() >= 6);
        let mut checksums: Vec<_> = versions().into_iter().filter_map(pinned).collect();
        checksums.dedup();
        assert_eq!(checksums.len(), versions().len(), "each archive has a checksum of its own");
    }

    #[test]
    fn what_comes_from_one_server_is_verified_with_what_comes_from_elsewhere() {
        for version in versions() {
            assert!(matches!(of(version, None), (url, Checksum::Sha512(_)) if url.contains(version)), "{version}");
        }
        let own = Archive { url: "https://mirror.example.net/kafka.tgz".to_owned(), sha512: "0".repeat(128) };
        assert_eq!(of("4.1.1", Some(&own)), (own.url.clone(), Checksum::Sha512(own.sha512.clone())));
        assert!(matches!(of("4.9.9", None), (_, Checksum::Published(beside)) if beside.ends_with("4.9.9.tgz.sha512")));
    }
}
