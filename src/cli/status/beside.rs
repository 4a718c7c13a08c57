//! What Kafka has that the stack file does not name, as `kstack status` shows it.

use crate::inside::{Beside, beside};
use crate::kafka::{Brokers, Link, Server};
use crate::ops::inside::{Looking, reach};
use crate::session::Session;
use kstack_core::observed::Observed;
use kstack_core::stack::Stack;

/// What was told of it; or why it is not known.
pub(super) type Told = Result<Beside, String>;

/// Asks the brokers at `servers`, and ends the way to them.
pub(super) async fn by(servers: &[Server], link: Link, stack: &Stack, observed: &Observed) -> Told {
    ask(&Brokers::new(servers.to_vec(), link, &|| false), stack, observed).await
}

/// Asks the brokers of MSK.
pub(super) async fn of_msk(session: &Session, stack: &Stack, observed: &Observed, looking: Looking<'_>) -> Told {
    let brokers = reach(session, stack, observed, looking).await.map_err(|error| error.to_string())?;
    ask(&brokers, stack, observed).await
}

async fn ask(brokers: &Brokers<'_>, stack: &Stack, observed: &Observed) -> Told {
    let told = Box::pin(beside(brokers, stack, &observed.made_users())).await;
    brokers.close().await;
    told.map_err(|error| error.to_string())
}

/// The same for people.
pub(super) fn text(told: &Told) -> String {
    match told {
        Ok(beside) => beside.text(),
        Err(why) => format!("What Kafka has beside the stack file is not known: {why}\n"),
    }
}
