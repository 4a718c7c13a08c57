//! What steps that run at the same time ask of Kafka, sent together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::StepError;

/// How long the first waits for others to ask with it.
const PAUSE: Duration = Duration::from_millis(50);

/// Questions of the type `Q` that wait to be sent.
#[derive(Debug)]
pub struct Gather<Q> {
    waiting: Mutex<Vec<(Q, oneshot::Sender<Result<(), String>>)>>,
}

impl<Q> Default for Gather<Q> {
    fn default() -> Self {
        Gather { waiting: Mutex::default() }
    }
}

impl<Q> Gather<Q> {
    /// Asks `one`, together with what others ask at the same time: the first of them sends all of it with `send`, which gives an answer
    /// to each, in order.
    ///
    /// # Errors
    /// Why this one was not done.
    pub async fn ask(
        &self,
        one: Q,
        send: impl AsyncFnOnce(Vec<Q>) -> Vec<Result<(), String>>,
    ) -> Result<(), StepError> {
        let (tell, told) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((one, tell));
            waiting.len() == 1
        };
        if first {
            tokio::time::sleep(PAUSE).await;
            let all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let (asked, tell): (Vec<Q>, Vec<_>) = all.into_iter().unzip();
            for (answer, tell) in send(asked).await.into_iter().zip(tell) {
                let _ = tell.send(answer);
            }
        }
        let failed = |what: String| StepError::Kafka { what, source: None };
        told.await.unwrap_or_else(|_| Err("there is no answer to the request".to_owned())).map_err(failed)
    }
}
