//! SCRAM (RFC 5802, RFC 7677), as Kafka has it: with SHA-512, without channel binding, names and passwords taken as they are.

use std::num::NonZeroU32;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// "No channel binding", in base64.
const NO_BINDING: &str = "biws";
/// More than any server asks for; what asks for more would only keep this machine busy.
const MOST_ITERATIONS: u32 = 1 << 20;

/// The hash that a mechanism goes by.
pub struct Hash {
    hmac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

/// That of SCRAM-SHA-512.
pub static SHA_512: Hash =
    Hash { hmac: hmac::HMAC_SHA512, digest: &digest::SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 };

/// That of SCRAM-SHA-256.
pub static SHA_256: Hash =
    Hash { hmac: hmac::HMAC_SHA256, digest: &digest::SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 };

/// A client's side of one exchange.
pub struct Scram {
    hash: &'static Hash,
    nonce: String,
    first_bare: String,
}

/// What the server must answer in the end.
pub struct Expected {
    hash: &'static Hash,
    signature: Vec<u8>,
}

impl Scram {
    /// An exchange for `user`, with a nonce of its own.
    ///
    /// # Errors
    /// That this machine gives no random numbers.
    pub fn new(hash: &'static Hash, user: &str) -> Result<Scram, String> {
        let mut nonce = [0; 24];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "this machine gives no random numbers".to_owned())?;
        Ok(Scram::with_nonce(hash, user, STANDARD.encode(nonce)))
    }

    fn with_nonce(hash: &'static Hash, user: &str, nonce: String) -> Scram {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Scram { hash, first_bare: format!("n={user},r={nonce}"), nonce }
    }

    /// The client's first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// The client's last message, by the server's first one; and what the server then has to know.
    ///
    /// # Errors
    /// What is wrong with the server's message.
    pub fn last(&self, server: &str, password: &str) -> Result<(String, Expected), String> {
        let broken = || "its SCRAM message can't be read".to_owned();
        let mut parts = server.split(',');
        let mut value = |key: &str| parts.next().and_then(|part| part.strip_prefix(key)).ok_or_else(broken);
        let (nonce, salt, iterations) = (value("r=")?, value("s=")?, value("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its SCRAM message is not an answer to kstack's".to_owned());
        }
        let salt = STANDARD.decode(salt).map_err(|_| broken())?;
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| broken())?;
        if iterations.get() > MOST_ITERATIONS {
            return Err(format!(
                "it asks for {iterations} iterations of SCRAM, and kstack does at most {MOST_ITERATIONS}"
            ));
        }
        let mut salted = vec![0; self.hash.digest.output_len];
        pbkdf2::derive(self.hash.pbkdf2, iterations, &salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hash.hmac, key), text).as_ref().to_vec();
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest, &client_key);
        let last = format!("c={NO_BINDING},r={nonce}");
        let all = format!("{},{server},{last}", self.first_bare);
        let signature = sign(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let signature = sign(&sign(&salted, b"Server Key"), all.as_bytes());
        Ok((format!("{last},p={}", STANDARD.encode(proof)), Expected { hash: self.hash, signature }))
    }
}

impl Expected {
    /// Sees that the server knows the password too.
    ///
    /// # Errors
    /// That it does not, or its own error.
    pub fn verify(&self, server: &str) -> Result<(), String> {
        if let Some(error) = server.strip_prefix("e=") {
            return Err(format!("its SCRAM ended with `{}`", error.split(',').next().unwrap_or_default()));
        }
        let signature = server.strip_prefix("v=").and_then(|rest| rest.split(',').next());
        let signature = signature.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        debug_assert_eq!(self.signature.len(), self.hash.digest.output_len);
        constant_time::verify_slices_are_equal(&signature, &self.signature)
            .map_err(|_| "it does not know the user's password itself: it is not the cluster that it seems".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The exchange of RFC 7677, and the same with the longer hash, calculated apart from this program (Python's hashlib).
    #[test]
    fn the_exchange_of_the_rfc_is_made() {
        let cases = [
            (&SHA_256, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
            (
                &SHA_512,
                "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
                "ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
            ),
        ];
        for (hash, proof, signature) in cases {
            let scram = Scram::with_nonce(hash, "user", NONCE.to_owned());
            assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
            let (last, expected) = scram.last(SERVER, "pencil").unwrap();
            assert_eq!(last, format!("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p={proof}"));
            assert_eq!(expected.verify(&format!("v={signature}")), Ok(()));
            let (_, other) = scram.last(SERVER, "pencils").unwrap();
            assert!(other.verify(&format!("v={signature}")).unwrap_err().contains("does not know"));
            assert!(expected.verify("e=other-error").unwrap_err().contains("`other-error`"));
            for nothing in ["", "v=", "v=!"] {
                assert!(expected.verify(nothing).is_err(), "{nothing}");
            }
        }
    }

    #[test]
    fn what_a_server_may_not_say_is_refused() {
        let scram = Scram::with_nonce(&SHA_512, "user", NONCE.to_owned());
        let cases = [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        ];
        for server in cases {
            assert!(scram.last(server, "pencil").is_err(), "{server}");
        }
    }

    #[test]
    fn names_are_escaped_and_nonces_are_new() {
        let one = Scram::new(&SHA_512, "a=b,c").unwrap();
        assert!(one.first().starts_with("n,,n=a=3Db=2Cc,r="), "{}", one.first());
        assert_ne!(one.first(), Scram::new(&SHA_512, "a=b,c").unwrap().first());
    }
}
