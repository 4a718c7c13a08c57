//! Signature Version 4, as AWS verifies it: no emulator does.

use sha2::{Digest as _, Sha256};

use super::proxy::header;

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let part = |with: u8, text: &[u8]| -> Vec<u8> {
        let key: Vec<u8> = block.iter().map(|byte| byte ^ with).collect();
        Sha256::digest([&key, text].concat()).to_vec()
    };
    part(0x5c, &part(0x36, text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a request to `service` of `region` is signed with the key `secret` of a role, by Signature Version 4; what is wrong with it.
#[allow(dead_code, reason = "not the benchmark's")]
pub fn verified(head: &str, body: &[u8], secret: &str, (region, service): (&str, &str)) -> Result<(), String> {
    let authorization = header(head, "authorization").ok_or("it is not signed")?;
    let part = |name: &str| -> Result<&str, String> {
        let rest = authorization.split_once(&format!("{name}=")).ok_or(format!("it has no {name}"))?.1;
        Ok(rest.split(',').next().unwrap_or_default().trim())
    };
    let (signed, date) = (part("SignedHeaders")?, header(head, "x-amz-date").ok_or("it has no date")?);
    let names: Vec<&str> = signed.split(';').collect();
    for name in ["host", "x-amz-security-token", "x-amz-target"] {
        if !names.contains(&name) {
            return Err(format!("{name} is not signed, only {signed}"));
        }
    }
    let headers: String =
        names.iter().map(|name| format!("{name}:{}\n", header(head, name).unwrap_or_default())).collect();
    let request = format!("POST\n/\n\n{headers}\n{signed}\n{}", hex(&Sha256::digest(body)));
    let (_, scope) = part("Credential")?.split_once('/').ok_or("it has no scope")?;
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part));
    match hex(&hmac(&key, &text)) == part("Signature")? && scope.ends_with(&format!("/{region}/{service}/aws4_request"))
    {
        true => Ok(()),
        false => Err("the signature is another".to_owned()),
    }
}
