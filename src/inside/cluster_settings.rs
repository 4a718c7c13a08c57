//! The settings that all brokers have while they run: each broker tells its own, and changes go out for all of them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kstack_core::kinds::ClusterSettings;
use kstack_core::kinds::cluster_settings::BROKERS;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;
use kstack_core::settings::{KafkaVersion, Setting, dynamic};
use kstack_core::stack::Stack;

use super::{Kafka, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError, refused, shape, text};
use crate::wait::{Backoff, Look, poll};

/// The kind of resource that a broker is for Kafka's settings; that with the empty name is all of them.
const BROKER: i8 = 4;
const ALL: &str = "";
/// Where a value is from: this broker's own dynamic setting, that of all, the host's file; else it is Kafka's default.
const OF_BROKER: i8 = 2;
const OF_ALL: i8 = 3;
const OF_FILE: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Errors that pass: the request timed out, another controller is active.
const PASSING: [i16; 2] = [7, 41];
/// How long brokers may take to see what the controllers have.
const SEEN: Duration = Duration::from_secs(60);
/// No change takes more requests: each doubles or halves a number.
const REQUESTS: u32 = 64;

/// Where a broker has a setting from, the first of which counts: sources with values, in Kafka's order.
type Sources = Vec<(i8, String)>;
/// The settings of each broker.
type Told = BTreeMap<u32, BTreeMap<String, Sources>>;
/// A change: of which resource, of what, and to which value; none takes it away.
type Change = (String, String, Option<String>);

/// What the stack has to say of them.
struct Wants {
    version: KafkaVersion,
    named: BTreeMap<String, String>,
    /// Whether hosts have own templates: then what the file does not name is theirs.
    own_templates: bool,
}

impl Wants {
    /// `None` where they are not kstack's.
    fn of(stack: &Stack) -> Option<Wants> {
        let ec2 = stack.cluster.ec2.as_ref()?;
        Some(Wants {
            version: ec2.kafka.numbers(),
            named: stack.running(),
            own_templates: ec2.templates.is_some(),
        })
    }

    /// What a broker has, in the form in which it is compared; its own setting counts before others, unless it is left out.
    fn value(&self, name: &str, sources: &Sources, own: bool) -> Option<String> {
        let counts = sources.iter().find(|(source, _)| own || *source != OF_BROKER)?;
        Some(dynamic::normal(name, &counts.1, self.version))
    }

    /// Whether it is to be known of: the file has it, or a broker has it from elsewhere than Kafka's defaults.
    fn concerns(&self, name: &str, told: &Told) -> bool {
        let set = |sources: &Sources| sources.iter().any(|(source, _)| [OF_BROKER, OF_ALL, OF_FILE].contains(source));
        let mut all = told.values().filter_map(|settings| settings.get(name));
        self.named.contains_key(name) || !self.own_templates && all.any(set)
    }

    /// What all brokers have; where they differ, who has what.
    fn live(&self, told: &Told) -> BTreeMap<String, String> {
        let names: BTreeSet<&String> = told.values().flat_map(BTreeMap::keys).collect();
        let names = names.into_iter().filter(|name| self.concerns(name, told));
        names.filter_map(|name| Some((name.clone(), self.together(name, told)?))).collect()
    }

    fn together(&self, name: &str, told: &Told) -> Option<String> {
        let mut by_value: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (node, settings) in told {
            let value = settings.get(name).and_then(|sources| self.value(name, sources, true));
            by_value.entry(value.unwrap_or_else(|| "none".to_owned())).or_default().push(node.to_string());
        }
        if by_value.len() < 2 {
            return by_value.into_keys().next();
        }
        let each = by_value.into_iter().map(|(value, nodes)| format!("{value} on broker {}", nodes.join(" and ")));
        Some(each.collect::<Vec<_>>().join(", "))
    }

    /// The next changes on the way to `wanted`; none where brokers have that.
    fn next(&self, wanted: &BTreeMap<String, String>, told: &Told) -> BTreeSet<Change> {
        wanted.iter().flat_map(|(name, value)| self.next_of(name, value, told)).collect()
    }

    fn next_of(&self, name: &str, wanted: &str, told: &Told) -> Vec<Change> {
        let each: Vec<(u32, &Sources)> =
            told.iter().filter_map(|(node, settings)| Some((*node, settings.get(name)?))).collect();
        let has = |source: i8| move |(_, sources): &(u32, &Sources)| sources.iter().any(|(from, _)| *from == source);
        // Brokers of an older Kafka have it once they are rolled.
        if each.is_empty() {
            return Vec::new();
        }
        // A broker's own value stands before that of all.
        let own = each.iter().copied().filter(has(OF_BROKER));
        let mut changes: Vec<Change> = own.map(|(node, _)| (node.to_string(), name.to_owned(), None)).collect();
        let now: Vec<String> = each.iter().filter_map(|(_, sources)| self.value(name, sources, false)).collect();
        if now.len() == told.len() && now.iter().all(|value| value == wanted) {
            return changes;
        }
        let under = |(_, sources): &(u32, &Sources)| {
            let rest = sources.iter().filter(|(source, _)| *source > OF_ALL).cloned().collect();
            self.value(name, &rest, false)
        };
        let nobodys = !self.named.contains_key(name) && !each.iter().any(has(OF_FILE));
        let falls_back = nobodys || each.iter().all(|one| under(one).as_deref() == Some(wanted));
        // The cluster's own minimum is never taken away: Kafka refuses it where it elects by it.
        let given = each.iter().any(has(OF_ALL)) && name != Setting::MinInsync.word();
        let now: Vec<&str> = now.iter().map(String::as_str).collect();
        let step = dynamic::towards(name, &now, wanted);
        let gone = given && falls_back && step == wanted;
        changes.push((ALL.to_owned(), name.to_owned(), (!gone).then_some(step)));
        changes
    }
}

/// What each broker has. Those that can't be asked are left out as long as others can.
async fn look(brokers: &Brokers<'_>, wants: &Wants) -> Result<Told, BrokersError> {
    let keys: Vec<_> = dynamic::names(wants.version).map(text).collect();
    let of = |node: u32| {
        let keys = keys.clone();
        async move {
            let one = DescribeConfigsResource::default().with_resource_type(BROKER);
            let one = one.with_resource_name(text(&node.to_string())).with_configuration_keys(Some(keys));
            let request = DescribeConfigsRequest::default().with_resources(vec![one]).with_include_synonyms(true);
            let answer = brokers.ask_node(node, &request, &[(4, shape::DESCRIBE_CONFIGS_4)]).await?;
            let mut settings = BTreeMap::new();
            for result in answer.results {
                let what = format!("describing the settings of broker {node}");
                refused(&what, result.error_code, result.error_message.as_ref())?;
                for setting in result.configs {
                    let name = setting.name.to_string();
                    let same = setting.synonyms.iter().filter(|one| *one.name == *setting.name);
                    let sources = same.filter_map(|one| Some((one.source, one.value.as_ref()?.to_string()))).collect();
                    settings.insert(name, sources);
                }
            }
            Ok((node, settings))
        }
    };
    let asked = futures::future::join_all(brokers.nodes().map(of)).await;
    let (mut told, mut silent) = (Told::new(), BrokersError::Unasked("there is no broker".to_owned()));
    for one in asked {
        match one {
            Ok((node, settings)) => drop(told.insert(node, settings)),
            Err(error @ BrokersError::Refused(_)) => return Err(error),
            Err(error) => silent = error,
        }
    }
    if told.is_empty() { Err(silent) } else { Ok(told) }
}

/// Sends changes of one resource.
async fn send(brokers: &Brokers<'_>, resource: &str, changes: Vec<&Change>) -> Result<(), BrokersError> {
    let one = |(_, name, value): &&Change| {
        let setting = AlterableConfig::default().with_name(text(name));
        let operation = if value.is_some() { SET } else { DELETE };
        setting.with_config_operation(operation).with_value(value.as_deref().map(text))
    };
    let of = AlterConfigsResource::default().with_resource_type(BROKER).with_resource_name(text(resource));
    let of = of.with_configs(changes.iter().map(one).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![of]);
    let shapes: &[(i16, &[shape::Shape])] = &[(1, shape::INCREMENTAL_ALTER_CONFIGS_1)];
    let answer = match resource.parse() {
        Ok(node) => brokers.change_node(node, &request, shapes).await?,
        Err(_) => brokers.change(&request, shapes).await?,
    };
    for one in &answer.responses {
        let done = refused("changing the settings of brokers", one.error_code, one.error_message.as_ref());
        done.map_err(|error| match PASSING.contains(&one.error_code) {
            true => BrokersError::Lost(error.to_string()),
            false => error,
        })?;
    }
    Ok(())
}

/// Brings brokers to what is `wanted`. Whatever was sent before, and whoever died then, it goes on from what brokers have.
async fn bring(brokers: &Brokers<'_>, wants: &Wants, wanted: &BTreeMap<String, String>) -> Result<(), StepError> {
    for _ in 0..REQUESTS {
        let changes = wants.next(wanted, &again(async || look(brokers, wants).await).await?);
        let resources: BTreeSet<&String> = changes.iter().map(|(resource, ..)| resource).collect();
        if resources.is_empty() {
            return Ok(());
        }
        for resource in resources {
            let of = || changes.iter().filter(|(one, ..)| one == resource).collect();
            again(async || send(brokers, resource, of()).await).await?;
        }
        let seen = poll("the brokers seeing their settings", SEEN, Backoff::STATE, async || {
            let told = look(brokers, wants).await?;
            Ok(match wants.next(wanted, &told) == changes {
                true => Look::Missing(String::new()),
                false => Look::Ready(()),
            })
        });
        seen.await?;
    }
    Err(StepError::Internal("the settings of brokers come no nearer to what is wanted".to_owned()))
}

impl<'a> Driver<Kafka<'a>> for ClusterSettings {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let Some(wants) = Wants::of(kafka.stack()?) else { return Ok(Vec::new()) };
        let brokers = kafka.brokers().await?;
        let told = again(async || look(brokers, &wants).await).await?;
        let spec = ClusterSettings { config: wants.live(&told) };
        Ok(vec![Found { id: BROKERS.to_owned(), tags: Tags::new(), spec, terminated: false }])
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        let wants = Wants::of(ctx.system.stack()?);
        let wants = wants.ok_or_else(|| StepError::Internal("no brokers on EC2 are named".to_owned()))?;
        bring(ctx.system.brokers().await?, &wants, &self.config).await?;
        Ok(BROKERS.to_owned())
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.create(ctx).await.map(drop)
    }

    async fn delete(&self, _: &Ctx<'_, Kafka<'a>>, _: &str) -> Result<(), StepError> {
        Err(StepError::Internal("brokers always have settings".to_owned()))
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IO: &str = "num.io.threads";

    fn wants(named: &[(&str, &str)]) -> Wants {
        let named = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Wants { version: (4, 1, 1), named, own_templates: false }
    }

    /// Brokers 1 and on, each with where it has the setting from.
    fn told(name: &str, brokers: &[&[(i8, &str)]]) -> Told {
        let sources = |all: &&[(i8, &str)]| all.iter().map(|(from, value)| (*from, (*value).to_owned())).collect();
        let each = brokers.iter().map(|all| BTreeMap::from([(name.to_owned(), sources(all))]));
        (1..).zip(each).collect()
    }

    fn next(wants: &Wants, name: &str, wanted: &str, told: &Told) -> Vec<(String, Option<String>)> {
        let wanted = BTreeMap::from([(name.to_owned(), wanted.to_owned())]);
        wants.next(&wanted, told).into_iter().map(|(resource, _, value)| (resource, value)).collect()
    }

    fn all(value: Option<&str>) -> (String, Option<String>) {
        (ALL.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn what_brokers_have_is_said_once_and_each_for_itself_where_they_differ() {
        let wants = wants(&[(IO, "8")]);
        let live = |brokers: &[&[(i8, &str)]]| wants.live(&told(IO, brokers)).remove(IO);
        assert_eq!(live(&[&[(OF_FILE, "8"), (5, "8")], &[(5, "8")]]).as_deref(), Some("8"));
        assert_eq!(live(&[&[(OF_ALL, "16"), (OF_FILE, "8")], &[(OF_BROKER, "4"), (OF_ALL, "16")]]).as_deref(),
            Some("16 on broker 1, 4 on broker 2"));
        // What nobody set is of no concern, unless the file names it.
        let other = |source| wants.live(&told("message.max.bytes", &[&[(source, "1")]]));
        assert!(other(5).is_empty());
        assert_eq!(other(OF_ALL).len(), 1);
    }

    #[test]
    fn a_change_is_for_all_and_goes_away_where_hosts_files_say_the_same() {
        let wants = wants(&[(IO, "12"), ("min.insync.replicas", "2")]);
        let file: &[(i8, &str)] = &[(OF_FILE, "8"), (5, "8")];
        assert_eq!(next(&wants, IO, "12", &told(IO, &[file])), [all(Some("12"))]);
        let set: &[(i8, &str)] = &[(OF_ALL, "12"), (OF_FILE, "8"), (5, "8")];
        assert_eq!(next(&wants, IO, "12", &told(IO, &[set, set])), []);
        assert_eq!(next(&wants, IO, "8", &told(IO, &[set, set])), [all(None)]);
        // One host has the new value in its file by now.
        let rolled: &[(i8, &str)] = &[(OF_ALL, "12"), (OF_FILE, "9"), (5, "8")];
        assert_eq!(next(&wants, IO, "8", &told(IO, &[set, rolled])), [all(Some("8"))]);
        // A broker's own value goes, by hand as it came.
        let own: &[(i8, &str)] = &[(OF_BROKER, "3"), (OF_ALL, "12"), (5, "8")];
        assert_eq!(next(&wants, IO, "12", &told(IO, &[set, own])), [("2".to_owned(), None)]);
        // The cluster's own minimum stays.
        let least: &[(i8, &str)] = &[(OF_ALL, "1"), (OF_FILE, "2"), (5, "1")];
        assert_eq!(next(&wants, "min.insync.replicas", "2", &told("min.insync.replicas", &[least])), [all(Some("2"))]);
    }

    #[test]
    fn what_nobody_names_is_taken_away_or_set_back_while_hosts_files_have_it() {
        let wants = wants(&[]);
        let (bytes, default) = ("message.max.bytes", "1048588");
        assert_eq!(next(&wants, bytes, default, &told(bytes, &[&[(OF_ALL, "1"), (5, "2")]])), [all(None)]);
        assert_eq!(next(&wants, bytes, default, &told(bytes, &[&[(OF_FILE, "1"), (5, default)]])), [all(Some(default))]);
    }

    #[test]
    fn many_threads_take_several_steps_back_too() {
        let wants = wants(&[(IO, "64")]);
        let at = |value: &'static str| told(IO, &[&[(OF_ALL, value), (OF_FILE, "8"), (5, "8")]]);
        assert_eq!(next(&wants, IO, "64", &at("8")), [all(Some("16"))]);
        assert_eq!(next(&wants, IO, "8", &at("64")), [all(Some("32"))]);
        assert_eq!(next(&wants, IO, "8", &at("16")), [all(None)]);
    }
}
