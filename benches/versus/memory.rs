//! A model of AWS in memory, over HTTP, where LocalStack would be the bottleneck: volumes, interfaces, instances and placement
//! groups, which are what grows with a stack, are kept and answered here at once, in pages as AWS has them. All else goes to
//! LocalStack; while a plan is measured, what LocalStack has answered once is answered from memory too. It checks nothing, and
//! everything is ready at once: LocalStack is what the tests use.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::proxy::{forward, header, operation, read_request};

/// The fields of one resource, by the names of its describe, and its tags.
#[derive(Debug, Clone, Default)]
struct Item {
    fields: BTreeMap<&'static str, String>,
    tags: Vec<(String, String)>,
}

/// A region and a request's body.
type Asked = (String, Vec<u8>);

#[derive(Default)]
struct State {
    /// By operation of the describe, then by id.
    kept: BTreeMap<&'static str, BTreeMap<String, Item>>,
    /// LocalStack's answers by region and the request's body, while they are remembered.
    answers: Option<HashMap<Asked, Vec<u8>>>,
    operations: BTreeMap<String, usize>,
    last: u64,
}

/// AWS in memory on a loopback port.
pub struct Memory {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Memory {
    pub fn start() -> Memory {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || -> std::io::Result<()> {
                    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
                    let answer = answer(&state, &head, &body)?;
                    client.write_all(&answer)
                });
            }
        });
        Memory { endpoint, state }
    }

    /// From now on, LocalStack is asked the same only once.
    pub fn remember(&self) {
        self.state.lock().expect("no panic").answers = Some(HashMap::new());
    }

    /// The calls since this was last asked, by operation.
    pub fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.state.lock().expect("no panic").operations)
    }
}

fn answer(state: &Mutex<State>, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let operation = operation(head, body);
    // `Credential=KEY/DATE/REGION/SERVICE/...`
    let region = header(head, "authorization").and_then(|text| text.split('/').nth(2)).unwrap_or_default();
    let request = (region.to_owned(), body.to_vec());
    {
        let mut state = state.lock().expect("no panic");
        *state.operations.entry(operation.clone()).or_default() += 1;
        let form = form(&String::from_utf8_lossy(body));
        if let Some(inner) = state.answer(&operation, &form) {
            let xml = format!("<{operation}Response><requestId>memory</requestId>{inner}</{operation}Response>");
            let length = xml.len();
            return Ok(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{xml}"
            )
            .into_bytes());
        }
        if let Some(known) = state.answers.as_ref().and_then(|answers| answers.get(&request)) {
            return Ok(known.clone());
        }
    }
    let answer = forward(head, body)?;
    if let Some(answers) = &mut state.lock().expect("no panic").answers {
        answers.insert(request, answer.clone());
    }
    Ok(answer)
}

/// The pairs of a form.
fn form(body: &str) -> HashMap<String, String> {
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), plain(value))).collect()
}

/// Text without percent signs.
fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        out.push(u8::from_str_radix(hex, 16).expect("a form is encoded"));
        out.extend(rest.replace('+', " ").bytes());
    }
    String::from_utf8(out).expect("UTF-8")
}

const VOLUMES: &str = "DescribeVolumes";
const INTERFACES: &str = "DescribeNetworkInterfaces";
const INSTANCES: &str = "DescribeInstances";
const GROUPS: &str = "DescribePlacementGroups";

impl State {
    /// The inside of the answer, when the operation is one that is answered here.
    fn answer(&mut self, operation: &str, form: &HashMap<String, String>) -> Option<String> {
        let (describe, prefix, names): (_, _, &[(&str, &str)]) = match operation {
            "CreateVolume" => (
                VOLUMES,
                "vol",
                &[
                    ("availabilityZone", "AvailabilityZone"),
                    ("size", "Size"),
                    ("iops", "Iops"),
                    ("throughput", "Throughput"),
                    ("volumeType", "VolumeType"),
                    ("encrypted", "Encrypted"),
                ],
            ),
            "CreateNetworkInterface" => (
                INTERFACES,
                "eni",
                &[("subnetId", "SubnetId"), ("privateIpAddress", "PrivateIpAddress"), ("groupId", "SecurityGroupId.1")],
            ),
            "RunInstances" => (
                INSTANCES,
                "i",
                &[
                    ("imageId", "ImageId"),
                    ("instanceType", "InstanceType"),
                    ("interface", "NetworkInterface.1.NetworkInterfaceId"),
                    ("profile", "IamInstanceProfile.Name"),
                    ("groupName", "Placement.GroupName"),
                ],
            ),
            "CreatePlacementGroup" => (GROUPS, "pg", &[("groupName", "GroupName"), ("strategy", "Strategy")]),
            "AttachVolume" => {
                let (volume, instance) = (&form["VolumeId"], &form["InstanceId"]);
                let kept = |kept: &mut Self, describe, id: &str, key, value: &str| {
                    let item = kept.kept.get_mut(describe).and_then(|all: &mut BTreeMap<_, Item>| all.get_mut(id));
                    item.expect("it was made").fields.insert(key, value.to_owned());
                };
                kept(self, VOLUMES, volume, "instance", instance);
                kept(self, INSTANCES, instance, "volume", volume);
                return Some("<status>attaching</status>".to_owned());
            }
            VOLUMES | INTERFACES | INSTANCES | GROUPS => return Some(self.page(operation, form)),
            _ => return None,
        };
        self.last += 1;
        let id = format!("{prefix}-{:017x}", self.last);
        let values = names.iter().filter_map(|(field, name)| Some((*field, form.get(*name)?.clone())));
        let tag = |number: usize| {
            let part = |part| form.get(&format!("TagSpecification.1.Tag.{number}.{part}")).cloned();
            Some((part("Key")?, part("Value")?))
        };
        let item = Item { fields: values.collect(), tags: (1..).map_while(tag).collect() };
        if describe == INSTANCES {
            let interface = self.kept.get_mut(INTERFACES).and_then(|all| all.get_mut(&item.fields["interface"]));
            interface.expect("it was made").fields.insert("instance", id.clone());
        }
        let xml = self.item(describe, &id, &item);
        self.kept.entry(describe).or_default().insert(id, item);
        // Each answer has the item where its describe has it, or as the answer itself.
        Some(match describe {
            VOLUMES => xml,
            INTERFACES => format!("<networkInterface>{xml}</networkInterface>"),
            GROUPS => format!("<placementGroup>{xml}</placementGroup>"),
            _ => format!("<instancesSet><item>{xml}</item></instancesSet>"),
        })
    }

    /// A page of a describe. Every filter is taken to be that of the stack, of which there is one.
    fn page(&self, describe: &str, form: &HashMap<String, String>) -> String {
        let most: usize = form.get("MaxResults").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        let start: usize = form.get("NextToken").and_then(|text| text.parse().ok()).unwrap_or_default();
        let empty = BTreeMap::new();
        let all = self.kept.get(describe).unwrap_or(&empty);
        let mut out = String::new();
        for (id, item) in all.iter().skip(start).take(most) {
            let xml = self.item(describe, id, item);
            let _ = match describe {
                INSTANCES => write!(out, "<item><instancesSet><item>{xml}</item></instancesSet></item>"),
                _ => write!(out, "<item>{xml}</item>"),
            };
        }
        let set = match describe {
            VOLUMES => "volumeSet",
            INTERFACES => "networkInterfaceSet",
            INSTANCES => "reservationSet",
            _ => "placementGroupSet",
        };
        let next = start.saturating_add(most);
        let token = if next < all.len() { format!("<nextToken>{next}</nextToken>") } else { String::new() };
        format!("<{set}>{out}</{set}>{token}")
    }

    fn item(&self, describe: &str, id: &str, item: &Item) -> String {
        let field = |name: &str| item.fields.get(name).map(String::as_str).unwrap_or_default();
        let mut out = match describe {
            VOLUMES => {
                let attachment = match field("instance") {
                    "" => "<status>available</status>".to_owned(),
                    instance => format!(
                        "<status>in-use</status><attachmentSet><item><volumeId>{id}</volumeId><instanceId>{instance}</instanceId>\
                         <device>/dev/sdf</device><status>attached</status></item></attachmentSet>"
                    ),
                };
                format!("<volumeId>{id}</volumeId>{attachment}")
            }
            INTERFACES => {
                let status = if field("instance").is_empty() { "available" } else { "in-use" };
                format!(
                    "<networkInterfaceId>{id}</networkInterfaceId><status>{status}</status>\
                     <groupSet><item><groupId>{}</groupId></item></groupSet>",
                    field("groupId")
                )
            }
            INSTANCES => {
                let subnet = self.kept.get(INTERFACES).and_then(|all| all.get(field("interface")));
                let subnet = subnet.and_then(|one| one.fields.get("subnetId")).map(String::as_str).unwrap_or_default();
                let volume = match field("volume") {
                    "" => String::new(),
                    volume => format!(
                        "<item><deviceName>/dev/sdf</deviceName><ebs><volumeId>{volume}</volumeId><status>attached</status></ebs></item>"
                    ),
                };
                format!(
                    "<instanceId>{id}</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
                     <subnetId>{subnet}</subnetId><placement><groupName>{}</groupName></placement>\
                     <blockDeviceMapping>{volume}</blockDeviceMapping><networkInterfaceSet><item>\
                     <networkInterfaceId>{}</networkInterfaceId><attachment><deviceIndex>0</deviceIndex></attachment>\
                     </item></networkInterfaceSet><iamInstanceProfile><arn>arn:aws:iam::000000000000:instance-profile/{}</arn>\
                     </iamInstanceProfile><metadataOptions><httpTokens>required</httpTokens></metadataOptions>",
                    field("groupName"),
                    field("interface"),
                    field("profile")
                )
            }
            _ => format!("<groupId>{id}</groupId><state>available</state>"),
        };
        // What is returned as it was asked for; an instance has its references above.
        let given = |name: &&str| {
            !["instance", "volume", "interface", "profile", "groupId"].contains(name)
                && (describe != INSTANCES || *name != "groupName")
        };
        for name in item.fields.keys().filter(|name| given(name)) {
            let _ = write!(out, "<{name}>{}</{name}>", field(name));
        }
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let tags = item.tags.iter();
        let tags: String = tags
            .map(|(key, value)| format!("<item><key>{}</key><value>{}</value></item>", escaped(key), escaped(value)))
            .collect();
        out + &format!("<tagSet>{tags}</tagSet>")
    }
}
