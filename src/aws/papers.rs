//! Keys and certificates in Parameter Store. Their values are secret, and read only where something is signed or a broker is spoken to;
//! what a plan needs of them is in their descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType, Tag};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Aws, Class, failed};
use crate::clock;
use crate::driver::Ctx;
use crate::error::StepError;
use crate::pki::{PkiError, PrivateKey, Signer, read};
use kstack_core::certificates::{Authority, Told};
use kstack_core::cloud_init::{PAPERS, authority_of, authority_parameter, user_of, user_parameter};
use kstack_core::kinds::certificate_authority::all_of;
use kstack_core::model::tag;
use kstack_core::trust::Trust;

/// The authorities that this process has read or made.
#[derive(Debug, Default)]
pub struct Signers(tokio::sync::Mutex<BTreeMap<(Authority, u32), Arc<Signer>>>);

/// What a host's papers are made with.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub signer: Arc<Signer>,
    /// The certificates of the authorities that it trusts, PEM.
    pub hosts: String,
    pub clients: String,
}

/// A parameter, as far as it is no secret.
#[derive(Debug, Clone)]
pub struct Paper {
    /// The stack that it is of, by its name.
    pub stack: String,
    pub parameter: String,
    /// The KMS key that encrypts it.
    pub key: String,
    /// What its description tells of the certificate; `None` where that is another than kstack writes.
    pub told: Option<Told>,
    /// Its description.
    pub description: String,
}

impl Paper {
    /// The id of what it holds: another certificate is another resource to those who trust it.
    pub fn id(&self) -> String {
        id(&self.parameter, self.told.as_ref().map(|told| told.serial.as_str()).unwrap_or_default())
    }
}

/// The id of the certificate with this serial number in `parameter`.
pub fn id(parameter: &str, serial: &str) -> String {
    format!("{parameter}#{serial}")
}

/// The parameter of such an id, and the serial number.
pub fn parts(id: &str) -> (&str, &str) {
    id.split_once('#').unwrap_or((id, ""))
}

impl Aws {
    /// The parameters with keys and certificates of the stack, or of all.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn every_paper(&self) -> Result<Arc<Vec<Paper>>, StepError> {
        self.parameters.since(self.round(), || self.fetch_papers()).await
    }

    async fn fetch_papers(&self) -> Result<Vec<Paper>, StepError> {
        let path = if self.all() { PAPERS.to_owned() } else { format!("{PAPERS}/{}", self.stack()) };
        let filter = ParameterStringFilter::builder().key("Path").option("Recursive").values(path).build();
        let filter = filter.map_err(|error| StepError::Internal(error.to_string()))?;
        let pages = self.clients.ssm.describe_parameters().parameter_filters(filter).into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("DescribeParameters"))?;
        Ok(pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default()).filter_map(paper).collect())
    }

    /// The passwords that are kept of these users, by name: of those that have one.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn passwords(&self, users: &[String]) -> Result<BTreeMap<String, PrivateKey>, StepError> {
        let mut all = BTreeMap::new();
        for some in users.chunks(READ_AT_ONCE) {
            let names = some.iter().map(|user| user_parameter(self.stack(), user)).collect();
            let call = self.clients.ssm.get_parameters().set_names(Some(names)).with_decryption(true);
            let answer = call.send().await.map_err(failed("GetParameters"))?;
            for parameter in answer.parameters() {
                let user = parameter.name().and_then(|name| user_of(self.stack(), name));
                // A user without a password has a value that is too short for one.
                let value = parameter.value().filter(|value| value.len() >= PASSWORD);
                if let (Some(user), Some(value)) = (user, value) {
                    all.insert(user.to_owned(), PrivateKey::from(value.to_owned()));
                }
            }
        }
        Ok(all)
    }

    /// The authority with this number, whose certificate has this serial number, to sign with.
    ///
    /// # Errors
    /// AWS's answer, or that another one is in its place.
    pub async fn signer(
        &self,
        authority: Authority,
        number: u32,
        serial: Option<&str>,
    ) -> Result<Arc<Signer>, StepError> {
        let is = |signer: &Arc<Signer>| serial.is_none_or(|serial| signer.certificate().serial == serial);
        let key = (authority, number);
        let mut known = self.signers.0.lock().await;
        if known.get(&key).is_none_or(|one| !is(one)) {
            let both = [Authority::Hosts, Authority::Clients].map(|one| (one, number));
            known.extend(self.fetch_signers(&both).await?);
        }
        known.get(&key).filter(|one| is(one)).cloned().ok_or_else(|| self.no_signer(key))
    }

    /// What a host with this `trust` has its papers with.
    ///
    /// # Errors
    /// AWS's answer, or that an authority is gone.
    pub async fn trusted(&self, trust: &Trust) -> Result<Trusted, StepError> {
        let all: Vec<(Authority, u32)> = all_of(trust).collect();
        let mut known = self.signers.0.lock().await;
        let missing: Vec<_> = all.iter().filter(|one| !known.contains_key(one)).copied().collect();
        if !missing.is_empty() {
            known.extend(self.fetch_signers(&missing).await?);
        }
        let of = |key| known.get(&key).ok_or_else(|| self.no_signer(key));
        let pem = |wanted: Authority| -> Result<String, StepError> {
            let all = all.iter().filter(|(one, _)| *one == wanted);
            all.map(|key| Ok(of(*key)?.pair().certificate.clone())).collect()
        };
        let signer = Arc::clone(of((Authority::Hosts, trust.signer))?);
        Ok(Trusted { signer, hosts: pem(Authority::Hosts)?, clients: pem(Authority::Clients)? })
    }

    /// The certificates of every authority of the stack's hosts that there is, PEM.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn hosts_roots(&self) -> Result<String, StepError> {
        let all = self.every_paper().await?;
        let all = all.iter().filter_map(|paper| authority_of(self.stack(), &paper.parameter));
        let hosts: BTreeSet<u32> = all.filter(|(of, _)| *of == Authority::Hosts).map(|(_, number)| number).collect();
        let signer = hosts.last().copied().unwrap_or(1);
        Ok(self.trusted(&Trust { signer, hosts, clients: BTreeSet::new() }).await?.hosts)
    }

    /// Those of the authorities that are there.
    async fn fetch_signers(
        &self,
        all: &[(Authority, u32)],
    ) -> Result<BTreeMap<(Authority, u32), Arc<Signer>>, StepError> {
        let names: Vec<String> =
            all.iter().map(|(one, number)| authority_parameter(self.stack(), *one, *number)).collect();
        let call = self.clients.ssm.get_parameters().set_names(Some(names.clone())).with_decryption(true);
        let answer = call.send().await.map_err(failed("GetParameters"))?;
        let mut found = BTreeMap::new();
        for (one, name) in all.iter().zip(&names) {
            let parameter = answer.parameters().iter().find(|parameter| parameter.name() == Some(name));
            let Some(value) = parameter.and_then(|parameter| parameter.value()) else { continue };
            let pair = crate::pki::Pair::read(value);
            let pair = pair.ok_or_else(|| unusable(name, &"it has no key and certificate"))?;
            let signer = Signer::of(pair, clock::now()).map_err(|error| unusable(name, &error))?;
            found.insert(*one, Arc::new(signer));
        }
        Ok(found)
    }

    fn no_signer(&self, (authority, number): (Authority, u32)) -> StepError {
        let name = authority_parameter(self.stack(), authority, number);
        StepError::ended(format!("{name} can't be used"), "it is another than was planned with, or gone")
    }

    /// Keeps an authority that this process has made.
    pub async fn keep_signer(&self, authority: Authority, number: u32, signer: Signer) {
        self.signers.0.lock().await.insert((authority, number), Arc::new(signer));
    }
}

impl Ctx<'_, Aws> {
    /// Makes the secret parameter `name`; `false` where there is one already, which stays as it is.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn make_paper(&self, name: &str, key: &str, value: &PrivateKey, told: &Told) -> Result<bool, StepError> {
        self.make_parameter(name, key, value, described(told)?).await
    }

    /// The same with this description.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn make_parameter(
        &self,
        name: &str,
        key: &str,
        value: &PrivateKey,
        description: String,
    ) -> Result<bool, StepError> {
        let own = [(tag::STACK, self.system.stack().to_owned()), (tag::ADDRESS, self.address.to_string())];
        let tags = own.into_iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
        let call = self.system.clients.ssm.put_parameter().set_tags(Some(tags.collect()));
        match self.put_paper(call, name, key, value, description).await {
            Err(error) if error.class() == Class::Conflict => Ok(false),
            answer => answer.map(|()| true),
        }
    }

    /// Makes the parameter `name`, which holds nothing, with this description; one that is there gets it. The stack's tag comes with the
    /// first making only: AWS takes none with a new description.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn note(&self, name: &str, description: String) -> Result<(), StepError> {
        let own = [(tag::STACK, self.system.stack().to_owned()), (tag::ADDRESS, self.address.to_string())];
        let tags = own.into_iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
        let call = self.system.clients.ssm.put_parameter().set_tags(Some(tags.collect()));
        match put_note(call, name, description.clone()).await {
            Err(error) if error.class() == Class::Conflict => self.note_again(name, description).await,
            answer => answer,
        }
    }

    /// Gives the parameter `name`, which holds nothing, another description.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn note_again(&self, name: &str, description: String) -> Result<(), StepError> {
        put_note(self.system.clients.ssm.put_parameter().overwrite(true), name, description).await
    }

    /// The parameter `name` that is there already: a try before this one arrived, and its answer did not.
    ///
    /// # Errors
    /// AWS's answer, or that it is not listed.
    pub async fn made_before(&self, name: &str) -> Result<Paper, StepError> {
        self.system.begin_round();
        let all = self.system.every_paper().await?;
        let there = all.iter().find(|paper| paper.parameter == name);
        there.cloned().ok_or_else(|| unusable(name, &"AWS says that it exists, and does not list it"))
    }

    /// Puts another value into the secret parameter `name`.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn renew_paper(&self, name: &str, key: &str, value: &PrivateKey, told: &Told) -> Result<(), StepError> {
        self.renew_parameter(name, key, value, described(told)?).await
    }

    /// The same with this description.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn renew_parameter(
        &self,
        name: &str,
        key: &str,
        value: &PrivateKey,
        description: String,
    ) -> Result<(), StepError> {
        let call = self.system.clients.ssm.put_parameter().overwrite(true);
        self.put_paper(call, name, key, value, description).await
    }

    async fn put_paper(
        &self,
        call: aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder,
        name: &str,
        key: &str,
        value: &PrivateKey,
        description: String,
    ) -> Result<(), StepError> {
        let call = call.name(name).r#type(ParameterType::SecureString).key_id(key).description(description);
        // The longest names, and two authorities of each kind, are more than the 4,096 bytes of the standard tier.
        let call = call.tier(ParameterTier::IntelligentTiering);
        call.value(value.expose()).send().await.map_err(failed("PutParameter")).map(drop)
    }
}

/// Writes a parameter that is no secret: all that it says is its description.
async fn put_note(
    call: aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder,
    name: &str,
    description: String,
) -> Result<(), StepError> {
    let call = call.name(name).r#type(ParameterType::String).value(NOTHING).description(description);
    call.send().await.map_err(failed("PutParameter")).map(drop)
}

fn described(told: &Told) -> Result<String, StepError> {
    serde_json::to_string(told).map_err(|error| StepError::Internal(error.to_string()))
}

/// A password that nobody has had: 32 letters, digits, `-` and `_`.
///
/// # Errors
/// That this machine gives no random numbers.
pub fn new_password() -> Result<String, String> {
    let mut bytes = [0; PASSWORD];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "this machine gives no random numbers".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The value of a parameter that holds nothing: none is ever empty.
pub const NOTHING: &str = "-";
/// Bytes of a generated password: as many as nobody guesses.
const PASSWORD: usize = 24;
/// The most parameters that AWS reads in one call.
const READ_AT_ONCE: usize = 10;

/// Why the parameter `name` is of no use.
pub fn unusable(name: &str, why: &dyn std::fmt::Display) -> StepError {
    StepError::ended(format!("the parameter {name} can't be used"), why.to_string())
}

/// What a parameter's description tells of the certificate `pem`, of which the authority with the number `by` signed.
///
/// # Errors
/// That it does not read.
pub fn told(pem: &str, by: &str, clients: &str) -> Result<Told, PkiError> {
    let certificate = read(pem)?;
    Ok(Told {
        subject: certificate.subject,
        serial: certificate.serial,
        begins: certificate.begins,
        ends: certificate.ends,
        by: by.to_owned(),
        clients: clients.to_owned(),
        names: certificate.names,
        trust: Trust::default(),
        before: None,
        running: None,
    })
}

fn paper(parameter: ParameterMetadata) -> Option<Paper> {
    let name = parameter.name?;
    let stack = name.strip_prefix(PAPERS)?.strip_prefix('/')?.split('/').next()?.to_owned();
    let description = parameter.description.unwrap_or_default();
    let told = serde_json::from_str(&description).ok();
    Some(Paper { stack, parameter: name, key: parameter.key_id.unwrap_or_default(), told, description })
}
