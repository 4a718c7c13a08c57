//! Settings of `ignore_drift`: a live topic and live brokers keep those that differ from the file.

use crate::design::{Design, Kept};
use crate::kinds::cluster_settings::BROKERS;
use crate::kinds::{ClusterSettings, Kind as _, Topic};
use crate::model::Address;
use crate::observed::Observed;

/// Asks for none of these settings, where there is something live that has another; and notes them.
pub fn choose(design: &mut Design, observed: &Observed) {
    let topics = observed.of::<Topic>();
    for (name, topic) in &mut design.stack.topics {
        let Some((_, live)) = topics.get(name.as_str()) else { continue };
        for setting in &topic.ignore_drift {
            let now = live.config.get(setting);
            if let Some(file) = topic.config.remove(setting).filter(|file| Some(file) != now) {
                let address = Address::new(Topic::NAME, name);
                design.kept.push(Kept { address, setting: setting.clone(), live: now.cloned(), file });
            }
        }
    }
    let ignored = design.stack.cluster.ec2.as_ref().map(|ec2| ec2.ignore_drift.clone()).unwrap_or_default();
    let live = observed.of::<ClusterSettings>().into_values().next();
    if let (Some((_, live)), Some(running)) = (live, &mut design.running) {
        for setting in ignored {
            let now = live.config.get(&setting);
            if let Some(file) = running.remove(&setting).filter(|file| Some(file) != now) {
                let address = Address::new(ClusterSettings::NAME, BROKERS);
                design.kept.push(Kept { address, live: now.cloned(), setting, file });
            }
        }
    }
}
