//! The client host: a live choice wins.

use super::PlanningInput;
use crate::cloud_init::{
    self, ClientHost, ClientPapers, FIRST_BROKERS, IamAuth, Os, Overrides, USER_DATA_LIMIT, brokers_placeholder,
    client_parameter, overrides_of, secured_properties,
};
use crate::design::{ClientDesign, Design, client_listeners};
use crate::digest;
use crate::engines::client::{Client, IAM_AUTH, TOOLS};
use crate::engines::ec2::archive;
use crate::engines::msk::client_properties::AuthMethod;
use crate::instance_types::{self, Arch};
use crate::kinds::ClientInstance;
use crate::network;
use crate::refusal::Refusal;
use crate::stack::{Archive, Ec2, Engine, ListenerName, Stack};

/// A change of the templates that a running client host must get: raising it replaces that of every stack.
const TEMPLATE_REVISION: u32 = 1;

/// What the host is made with: of a stack on EC2 the same as the brokers' hosts.
struct Software<'a> {
    os: Os,
    kafka: String,
    archive: Option<&'a Archive>,
    package_mirror: Option<&'a String>,
    proxy: Option<&'a String>,
    image: Option<String>,
}

fn software<'a>(
    stack: &'a Stack,
    client: &'a Client,
    live: Option<&ClientInstance>,
    arch: Arch,
    input: &PlanningInput,
) -> Software<'a> {
    let own_image = client.image.as_ref().map(ToString::to_string);
    if let Some(ec2) = &stack.cluster.ec2 {
        // The hosts' image is for their architecture.
        let same = |ec2: &Ec2| input.facts.types.get(&ec2.brokers.instance_type).is_some_and(|one| one.arch == arch);
        return Software {
            os: ec2.os,
            kafka: ec2.kafka.to_string(),
            archive: ec2.archive.as_ref(),
            package_mirror: ec2.package_mirror.as_ref(),
            proxy: ec2.proxy.as_ref(),
            image: own_image.or_else(|| ec2.image.as_ref().filter(|_| same(ec2)).map(ToString::to_string)),
        };
    }
    let kept = || live.and_then(|live| live.kafka.clone());
    Software {
        os: client.os.unwrap_or(Os::Al2023),
        kafka: client.kafka.map(|kafka| kafka.to_string()).or_else(kept).unwrap_or_else(|| TOOLS.to_string()),
        archive: client.archive.as_ref(),
        package_mirror: client.package_mirror.as_ref(),
        proxy: client.proxy.as_ref(),
        image: own_image,
    }
}

/// The client host of the file, if it has one.
pub fn choose(
    design: &Design,
    input: &PlanningInput,
    overrides: &Overrides,
    refusals: &mut Vec<Refusal>,
) -> Option<ClientDesign> {
    let stack = &design.stack;
    let client = stack.client.as_ref()?;
    let live = input.observed.of::<ClientInstance>().remove(ClientInstance::CLIENT).map(|(_, live)| live);
    let instance_type = &client.instance_type;
    let Some(limits) = input.facts.types.get(instance_type) else {
        refusals.push(super::ec2::unusable(instance_type, &input.facts, &stack.region));
        return None;
    };
    let Some(zone) = zone(design, input) else {
        refusals.push(Refusal::general(
            format!("the instance type `{instance_type}` of the client host is offered in no zone of the stack"),
            "choose another `client.instance_type`",
        ));
        return None;
    };
    let software = software(stack, client, live, limits.arch, input);
    let Some(image) = image(&software, live, limits.arch, input) else {
        refusals.push(Refusal::general(
            format!("there is no image of {} for {} in {}", software.os.word(), limits.arch.word(), stack.region),
            "name one with `client.image`, or choose another type",
        ));
        return None;
    };
    let properties = properties(design);
    let (listener, _) = properties.first()?;
    let iam = properties.iter().any(|(name, _)| *name == AuthMethod::Iam.word());
    let address = address(design, zone);
    let jar = |archive: &Archive| IamAuth { url: archive.url.clone(), sha512: archive.sha512.clone() };
    let (archive_url, archive_checksum) = archive::of(&software.kafka, software.archive);
    let cloud = ClientHost {
        stack: stack.name.to_string(),
        os: software.os,
        kafka_version: software.kafka.clone(),
        archive_url,
        archive_checksum,
        iam_auth: iam.then(|| {
            let own = client.iam_auth.as_ref().map(jar);
            own.unwrap_or_else(|| IamAuth { url: IAM_AUTH.0.to_owned(), sha512: IAM_AUTH.1.to_owned() })
        }),
        package_mirror: software.package_mirror.cloned(),
        proxy: software.proxy.cloned(),
        listener: (*listener).to_owned(),
        properties: properties.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect(),
        papers: address.filter(|_| stack.secured()).map(|address| ClientPapers {
            parameter: client_parameter(&stack.name, address),
            region: stack.region.to_string(),
            ssm: format!("https://ssm.{}.{}", stack.region, stack.region.domain()),
        }),
    };
    let fits = |text: String| match text.len() {
        0..=USER_DATA_LIMIT => Ok(text),
        _ => cloud_init::encode(&text).map(|_| text),
    };
    let own = overrides_of(overrides, true);
    match cloud_init::render_client(&cloud, &own).and_then(fits) {
        Ok(user_data) => {
            let config = fingerprint(&cloud, software.archive.is_some(), client.iam_auth.is_some(), &own);
            let instance_type = instance_type.clone();
            Some(ClientDesign { zone, address, instance_type, image, cloud, user_data, config })
        }
        Err(error) => {
            refusals.push(Refusal::general(
                format!("the user data of the client host can't be made: {error}"),
                "correct the template or the setting",
            ));
            None
        }
    }
}

/// The zone of the live one; else the first that offers its type.
pub fn zone(design: &Design, input: &PlanningInput) -> Option<usize> {
    let client = design.stack.client.as_ref()?;
    let offers = input.facts.offers.get(&client.instance_type)?;
    let live = input.observed.of::<ClientInstance>().remove(ClientInstance::CLIENT).map(|(_, live)| &live.subnet);
    let mut all: Vec<usize> = (0..design.zones.len()).collect();
    all.sort_by_key(|zone| live != Some(&design.private_subnet(&design.zones[*zone])));
    all.into_iter().find(|zone| offers.contains(&design.zones[*zone].name))
}

/// An address at the end of the subnet, where brokers on EC2 have theirs at its beginning, and AWS would give away the next one's. Where
/// the subnet is that of others, brokers take what is free.
fn address(design: &Design, zone: usize) -> Option<std::net::Ipv4Addr> {
    let fixed = Engine::of(&design.stack) == Engine::Ec2 && design.existing.is_none();
    fixed.then(|| network::client_address(design.zones[zone].private)).flatten()
}

/// The image: the file's; else that of the live one, when system and architecture agree; else the newest.
fn image(software: &Software<'_>, live: Option<&ClientInstance>, arch: Arch, input: &PlanningInput) -> Option<String> {
    let fits = |live: &&ClientInstance| {
        let types = [&input.facts.types, instance_types::embedded()];
        let live_arch = types.iter().find_map(|types| types.get(&live.instance_type)).map(|limits| limits.arch);
        live.os.as_deref() == Some(software.os.word()) && live_arch == Some(arch)
    };
    let kept = live.filter(fits).map(|live| live.image.clone());
    software.image.clone().or(kept).or_else(|| input.facts.images.get(arch.word()).cloned())
}

/// The properties of each listener that the group of clients may use, by its name, the one that is best to begin with first.
fn properties(design: &Design) -> Vec<(&'static str, String)> {
    let cluster = design.msk.as_ref().and_then(|msk| msk.provisioned.as_ref());
    let servers = |port: u16| {
        if Engine::of(&design.stack) == Engine::Msk {
            return brokers_placeholder(port);
        }
        let brokers = design.hosts.iter().filter(|host| host.broker()).take(FIRST_BROKERS);
        let addresses = || brokers.map(|host| format!("{}:{port}", host.address)).collect::<Vec<_>>().join(",");
        design.bootstrap_name().map_or_else(addresses, |name| format!("{name}:{port}"))
    };
    if design.stack.secured() {
        let mut ways = design.stack.cluster.ec2.as_ref().map(|ec2| ec2.listeners.ways()).unwrap_or_default();
        // The host has a certificate of its own, and no password.
        ways.sort_by_key(|way| way.listener != ListenerName::Tls);
        // Tokens of an issuer are for clients that have one.
        let ways = ways.iter().filter(|way| way.listener != ListenerName::Oauth);
        return ways.map(|way| (way.word(), secured_properties(way.word(), &servers(way.port)))).collect();
    }
    let all = client_listeners(&design.stack, cluster);
    all.into_iter().map(|one| (one.method.word(), one.properties(&servers(one.port)))).collect()
}

/// A fingerprint of what the host is configured with, but for the templates' own text and what kstack itself knows of archives: a newer
/// kstack replaces no client host.
fn fingerprint(cloud: &ClientHost, own_archive: bool, own_jar: bool, overrides: &Overrides) -> String {
    let archive_checksum = match own_archive {
        true => cloud.archive_checksum.clone(),
        false => archive::published(&cloud.archive_url),
    };
    let iam_auth = match &cloud.iam_auth {
        Some(_) if !own_jar => Some(IamAuth { url: String::new(), sha512: String::new() }),
        jar => jar.clone(),
    };
    let still = ClientHost { archive_checksum, iam_auth, ..cloud.clone() };
    digest::fingerprint(serde_json::json!([TEMPLATE_REVISION, still, overrides]).to_string(), 12)
}
