//! What steps that run at the same time ask of Kafka, sent together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::StepError;

/// How long the first waits for others to ask with it.
const PAUSE: Duration = Duration::from_millis(50);

/// Where the answer to one is waited for.
type Answer = oneshot::Sender<Result<(), String>>;

/// Questions of the type `Q` that wait to be sent.
#[derive(Debug)]
pub struct Gather<Q> {
    waiting: Mutex<Vec<(Q, Answer)>>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_at_the_same_time_is_sent_once_and_each_hears_its_own_answer() {
        let (gather, sent) = (Gather::default(), Mutex::new(Vec::new()));
        let send = async |all: Vec<u32>| {
            sent.lock().expect("the lock").push(all.len());
            all.iter().map(|one| if one % 2 == 0 { Ok(()) } else { Err(format!("{one} is odd")) }).collect()
        };
        let answers = futures::future::join_all((0..100).map(|number| gather.ask(number, send))).await;
        for (number, answer) in answers.into_iter().enumerate() {
            let expected = (number % 2 != 0).then(|| format!("{number} is odd"));
            assert_eq!(answer.err().map(|error| error.to_string()), expected);
        }
        assert!(gather.ask(4, send).await.is_ok());
        assert_eq!(*sent.lock().expect("the lock"), [100, 1]);
    }
}
