//! What a host must be, to come out of the templates as itself.

use super::{Checksum, Download, Host, RESERVED_SETTINGS, SCHEMES, TemplateError, is_url};

/// Refuses what could not come out as itself: most values stand unquoted in a comment or a path.
pub(super) fn check(host: &Host) -> Result<(), TemplateError> {
    let ensure = |holds: bool, field, value: &str, expected| match holds {
        true => Ok(()),
        false => Err(TemplateError::Value { host: host.name.clone(), field, value: value.to_owned(), expected }),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let words = [
        ("the stack name", &host.stack),
        ("the name", &host.name),
        ("the zone id", &host.zone_id),
        ("the volume id", &host.volume_id),
        ("the Kafka version", &host.kafka_version),
    ];
    let more = host.more_volumes.iter().map(|id| ("the volume id", id));
    let advertised = host.advertised.iter().map(|name| ("the advertised name", name));
    for (field, value) in words.into_iter().chain(more).chain(advertised) {
        let plain = !value.is_empty() && value.chars().all(word) && !value.contains("..");
        ensure(plain, field, value, "made of ASCII letters, digits, `.`, `_`, `-` and `@`")?;
    }
    for (field, value) in
        host.listeners.iter().flat_map(|one| [("a listener's name", &one.name), ("a listener's host", &one.host)])
    {
        let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
        ensure(plain, field, value, "made of ASCII letters, digits, `.` and `-`")?;
    }
    // Kafka makes no id that starts with `-` either: its tools would take it for an option.
    let uuid = |id: &str| id.len() == 22 && !id.starts_with('-') && id.chars().all(|c| word(c) && c != '.' && c != '@');
    let expected = "22 characters of base64url, the first of them not `-`";
    ensure(uuid(&host.cluster_id), "the cluster id", &host.cluster_id, expected)?;
    for voter in &host.controllers {
        ensure(uuid(&voter.directory_id), "a controller's directory id", &voter.directory_id, expected)?;
    }
    match &host.archive_checksum {
        Checksum::Sha512(digits) => {
            let hex = digits.len() == 128 && digits.chars().all(|c| c.is_ascii_hexdigit());
            ensure(hex, "the archive's checksum", digits, "a SHA-512 of 128 hexadecimal digits")?;
            let fetchable = is_url(&host.archive_url, &SCHEMES);
            ensure(fetchable, "the archive's address", &host.archive_url, "an https or http URL")?;
        }
        Checksum::Published(address) => {
            let expected = "an https URL, since its checksum is fetched too";
            ensure(is_url(&host.archive_url, &["https://"]), "the archive's address", &host.archive_url, expected)?;
            ensure(is_url(address, &["https://"]), "the checksum's address", address, "an https URL")?;
        }
    }
    if let Some(mirror) = &host.package_mirror {
        let plain = is_url(mirror, &SCHEMES) && !mirror.ends_with('/');
        ensure(plain, "the package mirror", mirror, "an https or http URL that does not end with `/`")?;
    }
    if let Some(security) = &host.security {
        let plain = security.region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        ensure(plain, "the region", &security.region, "made of lower-case letters, digits and hyphens")?;
        if let Some(tokens) = &security.oauth {
            let plain = is_url(&tokens.jwks, &SCHEMES) && !tokens.jwks.contains(['%', ',', '*', '?', '[']);
            ensure(
                plain,
                "the address of the issuer's keys",
                &tokens.jwks,
                "an https URL without `%`, `,`, `*`, `?` and `[`",
            )?;
        }
        ensure(is_url(&security.ssm, &["https://"]), "Systems Manager's address", &security.ssm, "an https URL")?;
    }
    if let Some(proxy) = &host.proxy {
        ensure(is_url(proxy, &SCHEMES), "the proxy", proxy, "an https or http URL")?;
    }
    let own = host.monitoring.iter().flat_map(|exporters| exporters.agent.iter().chain(&exporters.node));
    for Download { url, sha512 } in own {
        ensure(is_url(url, &SCHEMES), "an exporter's address", url, "an https or http URL")?;
        let hex = sha512.len() == 128 && sha512.chars().all(|c| c.is_ascii_hexdigit());
        ensure(hex, "an exporter's checksum", sha512, "a SHA-512 of 128 hexadecimal digits")?;
    }
    match host.settings.keys().find(|name| RESERVED_SETTINGS.contains(&name.as_str())) {
        Some(name) => Err(TemplateError::ReservedSetting { name: name.clone() }),
        None => Ok(()),
    }
}
