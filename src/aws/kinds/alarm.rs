//! Alarms of CloudWatch. PutMetricAlarm makes or changes one by its name, so whoever lost its answer calls again; it says all of the alarm
//! each time. Two tags are given when it is made, for people and for policies of theirs: CloudWatch takes none from later calls.

use crate::aws::{Aws, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, Statistic, Tag,
};
use kstack_core::kinds::alarm::{mark, prefix};
use kstack_core::kinds::{Alarm, Instance, Kind as _, MskCluster, Volume};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

/// The dimensions of EC2's, EBS's and MSK's metrics.
const INSTANCE: &str = "InstanceId";
const VOLUME: &str = "VolumeId";
const CLUSTER: &str = "Cluster Name";
const BROKER: &str = "Broker ID";

/// CloudWatch's words for comparisons, and those of alarms' conditions.
const COMPARISONS: [(&str, ComparisonOperator); 4] = [
    (">=", ComparisonOperator::GreaterThanOrEqualToThreshold),
    (">", ComparisonOperator::GreaterThanThreshold),
    ("<", ComparisonOperator::LessThanThreshold),
    ("<=", ComparisonOperator::LessThanOrEqualToThreshold),
];

impl Driver<Aws> for Alarm {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeAlarms")],
        create: &[call("PutMetricAlarm")],
        update: &[call("PutMetricAlarm")],
        delete: &[call("DeleteAlarms")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        Ok(aws.every_alarm().await?.iter().filter_map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        put(self, ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        put(self, ctx).await.map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.delete_alarm(id).await
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its tags never change.
    }
}

/// A condition that is not written as one: kstack's own are.
fn unreadable(what: &str) -> StepError {
    StepError::Internal(format!("`{what}` can't be read as a part of an alarm"))
}

/// Makes the alarm, or brings it to what it is to be, and returns its name.
async fn put(alarm: &Alarm, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
    let (stack, name) = (ctx.system.stack(), &ctx.address.name);
    let dimensions = dimensions(alarm, ctx)?;
    let wrong = || unreadable(&format!("{}, {}", alarm.condition, alarm.periods));
    let words: Vec<&str> = alarm.condition.split(' ').chain(alarm.periods.split(' ')).collect();
    let [statistic, comparison, threshold, points, "of", of, "x", seconds, "s"] = words[..] else {
        return Err(wrong());
    };
    let threshold: f64 = threshold.parse().map_err(|_| wrong())?;
    let [points, of, seconds]: [i32; 3] = match [points, of, seconds].map(str::parse) {
        [Ok(points), Ok(of), Ok(seconds)] => [points, of, seconds],
        _ => return Err(wrong()),
    };
    let comparison = COMPARISONS.into_iter().find(|(word, _)| *word == comparison).ok_or_else(wrong)?.1;
    let id = format!("{}{name}", prefix(stack));
    let call = ctx.system.clients.cloudwatch.put_metric_alarm().alarm_name(&id);
    let call = call.alarm_description(format!("{}{}", alarm.says, mark(stack, name)));
    let call = call.comparison_operator(comparison).threshold(threshold).treat_missing_data(&alarm.missing);
    let call = call.evaluation_periods(of).datapoints_to_alarm(points).actions_enabled(alarm.enabled);
    let call = call.set_alarm_actions(Some(alarm.begins.clone())).set_ok_actions(Some(alarm.ends.clone()));
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, ctx.address.to_string())];
    let tags = tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let call = call.set_tags(Some(tags));
    let metrics: Vec<(&str, &str)> = alarm.metric.split(" + ").filter_map(|one| one.split_once(' ')).collect();
    let call = match metrics[..] {
        [] => return Err(unreadable(&alarm.metric)),
        [(namespace, metric)] => call
            .namespace(namespace)
            .metric_name(metric)
            .statistic(Statistic::from(statistic))
            .period(seconds)
            .set_dimensions(Some(dimensions)),
        _ => call.set_metrics(Some(sum(&metrics, &dimensions, statistic, seconds))),
    };
    call.send().await.map_err(failed("PutMetricAlarm"))?;
    Ok(id)
}

/// What the alarm's metrics are of.
fn dimensions(alarm: &Alarm, ctx: &Ctx<'_, Aws>) -> Result<Vec<Dimension>, StepError> {
    let dimension = |name: &str, value: String| Dimension::builder().name(name).value(value).build();
    let kind = alarm.of.address().map_or("", |address| address.kind.as_str());
    Ok(match kind {
        Instance::NAME => vec![dimension(INSTANCE, ctx.id(&alarm.of)?)],
        Volume::NAME => vec![dimension(VOLUME, ctx.id(&alarm.of)?)],
        MskCluster::NAME => {
            let broker = alarm.broker.map(|id| dimension(BROKER, id.to_string()));
            [dimension(CLUSTER, ctx.system.stack().to_owned())].into_iter().chain(broker).collect()
        }
        _ => return Err(unreadable(kind)),
    })
}

/// Queries for several metrics and their sum, which is what the alarm watches.
fn sum(metrics: &[(&str, &str)], dimensions: &[Dimension], statistic: &str, seconds: i32) -> Vec<MetricDataQuery> {
    let one = |(number, (namespace, name)): (usize, &(&str, &str))| {
        let metric = Metric::builder().namespace(*namespace).metric_name(*name);
        let metric = metric.set_dimensions(Some(dimensions.to_vec())).build();
        let stat = MetricStat::builder().metric(metric).stat(statistic).period(seconds).build();
        MetricDataQuery::builder().id(format!("m{number}")).metric_stat(stat).return_data(false).build()
    };
    let all = metrics.iter().enumerate().map(one);
    let total = MetricDataQuery::builder().id("total").expression(expression(metrics.len())).label("total");
    all.chain([total.return_data(true).build()]).collect()
}

/// The expression of such a sum.
fn expression(count: usize) -> String {
    (0..count).map(|number| format!("m{number}")).collect::<Vec<_>>().join(" + ")
}

/// An alarm with a name of a stack's; it is somebody else's unless its description says that it is the stack's.
fn found(alarm: &MetricAlarm) -> Option<Found<Alarm>> {
    let id = alarm.alarm_name()?;
    let (stack, name) = id.strip_prefix("kstack/")?.split_once('/')?;
    let says = alarm.alarm_description().and_then(|text| text.strip_suffix(&mark(stack, name)));
    let address = Address::new(Alarm::NAME, name).to_string();
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let tags = if says.is_some() { tags.into() } else { Tags::new() };
    let spec = spec(alarm, stack, says.unwrap_or_default());
    Some(Found { id: id.to_owned(), tags, spec, terminated: false })
}

fn spec(alarm: &MetricAlarm, stack: &str, says: &str) -> Alarm {
    let (metric, dimensions, statistic, seconds) = watched(alarm);
    let (of, broker) = of(dimensions, stack);
    let comparison = COMPARISONS.into_iter().find(|(_, word)| Some(word) == alarm.comparison_operator());
    let threshold = alarm.threshold().unwrap_or_default();
    let evaluated = alarm.evaluation_periods().unwrap_or_default();
    let points = alarm.datapoints_to_alarm().unwrap_or(evaluated);
    Alarm {
        of,
        broker,
        metric,
        condition: format!("{statistic} {} {threshold}", comparison.map_or("?", |(word, _)| word)),
        periods: format!("{points} of {evaluated} x {seconds} s"),
        missing: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        begins: alarm.alarm_actions().to_vec(),
        ends: alarm.ok_actions().to_vec(),
        enabled: alarm.actions_enabled().unwrap_or(true),
        says: says.to_owned(),
    }
}

/// The metrics of an alarm in kstack's words, with their dimensions, statistic and period; no words for what kstack does not make.
fn watched(alarm: &MetricAlarm) -> (String, &[Dimension], &str, i32) {
    let name = |namespace: Option<&str>, name: Option<&str>| {
        format!("{} {}", namespace.unwrap_or_default(), name.unwrap_or_default())
    };
    if alarm.metrics().is_empty() {
        let statistic = alarm.statistic().map(Statistic::as_str).or(alarm.extended_statistic()).unwrap_or_default();
        let metric = name(alarm.namespace(), alarm.metric_name());
        return (metric, alarm.dimensions(), statistic, alarm.period().unwrap_or_default());
    }
    let mut stats: Vec<(&str, &MetricStat)> =
        alarm.metrics().iter().filter_map(|one| Some((one.id()?, one.metric_stat()?))).collect();
    stats.sort_by_key(|(id, _)| *id);
    let total = expression(stats.len());
    let is_sum = alarm.metrics().len() == stats.len() + 1
        && alarm.metrics().iter().any(|one| one.expression() == Some(total.as_str()));
    let Some((_, first)) = stats.first().filter(|_| is_sum) else { return (String::new(), &[], "", 0) };
    let dimensions = first.metric().map(Metric::dimensions).unwrap_or_default();
    let alike = stats.iter().all(|(_, one)| {
        let same = one.metric().is_some_and(|metric| metric.dimensions() == dimensions);
        same && (one.stat(), one.period()) == (first.stat(), first.period())
    });
    let words = stats.iter().filter_map(|(_, one)| one.metric());
    let words: Vec<String> = words.map(|metric| name(metric.namespace(), metric.metric_name())).collect();
    let dimensions = if alike { dimensions } else { &[] };
    (words.join(" + "), dimensions, first.stat().unwrap_or_default(), first.period().unwrap_or_default())
}

/// What the dimensions name; nothing, where they are none of kstack's.
fn of(dimensions: &[Dimension], stack: &str) -> (Ref, Option<u32>) {
    let value = |name: &str| dimensions.iter().find(|one| one.name() == Some(name)).and_then(Dimension::value);
    let live = |value: Option<&str>| Ref::live(value);
    let cluster = |name: &str| match name == stack {
        true => Ref::to(MskCluster::NAME, "main"),
        false => live(Some(name)),
    };
    match (dimensions.len(), value(INSTANCE).or(value(VOLUME)), value(CLUSTER), value(BROKER)) {
        (1, Some(id), ..) => (live(Some(id)), None),
        (1, None, Some(name), None) => (cluster(name), None),
        (2, None, Some(name), Some(broker)) => (cluster(name), broker.parse().ok()),
        _ => (Ref::None, None),
    }
}
