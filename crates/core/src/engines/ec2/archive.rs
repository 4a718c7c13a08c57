//! Where hosts download packages and Kafka, and what they verify Kafka with.
//!
//! `tables/kafka_archives.csv` has the SHA-512 of Apache's archives, so that whoever could change an archive could not change its
//! checksum with it. Source: `kafka-versions.yaml` of the Strimzi operator, whose images are built from the same archives.

use std::collections::BTreeSet;

use super::keys::{Archive, Ec2};
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
pub(in crate::engines) fn pinned(version: &str) -> Option<&'static str> {
    ARCHIVES.rows(row).into_iter().find_map(|(known, sha512)| (known == version).then_some(sha512))
}

/// The versions whose checksums are pinned.
pub(in crate::engines) fn versions() -> Vec<&'static str> {
    ARCHIVES.rows(row).into_iter().map(|(version, _)| version).collect()
}

/// The URL of Kafka `version`, and what the archive is verified with: the file's, or Apache's with the pinned checksum. A version
/// that the table lacks is verified with the checksum that Apache publishes beside the archive.
pub fn of(version: &str, archive: Option<&Archive>) -> (String, Checksum) {
    let apaches = format!("https://archive.apache.org/dist/kafka/{version}/kafka_2.13-{version}.tgz");
    match (archive, pinned(version)) {
        (Some(archive), _) => (archive.url.clone(), Checksum::Sha512(archive.sha512.clone())),
        (None, Some(sha512)) => (apaches, Checksum::Sha512(sha512.to_owned())),
        (None, None) => {
            let checksum = published(&apaches);
            (apaches, checksum)
        }
    }
}

/// The checksum that Apache publishes beside the archive at `url`.
pub fn published(url: &str) -> Checksum {
    Checksum::Published(format!("{url}.sha512"))
}

/// The TCP ports at which hosts fetch packages and Kafka: those of HTTP and HTTPS, and those of the file's mirror, archive and
/// proxy.
pub fn ports(ec2: &Ec2) -> BTreeSet<u16> {
    let monitoring = ec2.monitoring.as_ref();
    let (agent, node) = (monitoring.and_then(|one| one.agent.as_ref()), monitoring.and_then(|one| one.node.as_ref()));
    let archives = [ec2.archive.as_ref(), agent, node].map(|archive| archive.map(|archive| &archive.url));
    let urls = archives.into_iter().chain([ec2.package_mirror.as_ref(), ec2.proxy.as_ref()]);
    ports_of(urls.flatten())
}

/// The same for the servers of `urls`.
pub fn ports_of<'a>(urls: impl Iterator<Item = &'a String>) -> BTreeSet<u16> {
    let given = urls.filter_map(|url| {
        let authority = url.split('/').nth(2)?;
        authority.rsplit_once(':')?.1.parse().ok()
    });
    given.chain([80, 443]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::ec2::keys::{Brokers, Storage};

    #[test]
    fn hosts_may_reach_the_ports_of_the_file_s_servers() {
        let storage = Storage::DERIVED;
        let mut ec2 =
            Ec2::combined(Brokers { count: 3, instance_type: "m7g.large".to_owned(), storage, generation: 0 });
        assert_eq!(ports(&ec2), [80, 443].into());
        ec2.proxy = Some("http://proxy.example.net:3128".to_owned());
        ec2.package_mirror = Some("http://10.40.0.2:8080/mirror".to_owned());
        let url = "https://files.example.net/kafka:4.tgz".to_owned();
        ec2.archive = Some(Archive { url, sha512: "0".repeat(128) });
        assert_eq!(ports(&ec2), [80, 443, 3128, 8080].into());
    }

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
