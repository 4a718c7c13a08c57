//! What the instances start with that a plan starts: it is made before the first of them is stopped.

use super::{Plan, Work};
use crate::cloud_init::{UserData, fits};
use crate::kinds::Resource;
use crate::refusal::Refusal;

/// Makes the user data of each, and refuses to start one for which there is none that EC2 takes.
pub(super) fn make(plan: &mut Plan) {
    for step in &mut plan.steps {
        let (Work::Create(new) | Work::Roll { new, .. } | Work::Replace { new, .. }) = &mut step.work else { continue };
        let Resource::Instance(instance) = &mut new.spec else { continue };
        match instance.user_data.text().and_then(|text| fits(&text).map(|()| text)) {
            Ok(text) => instance.user_data = UserData::Text(text),
            Err(error) => plan.refusals.push(Refusal::at(
                &step.address,
                format!("its user data can't be made: {error}"),
                "correct the template or the setting",
            )),
        }
    }
}
