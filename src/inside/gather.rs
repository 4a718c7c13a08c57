//! What steps that run at the same time ask of Kafka, sent together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::StepError;

/// How long the first waits for others to ask with it, and each that comes meanwhile for the next one.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest that the first waits while others come.
const LONGEST: Duration = Duration::from_secs(1);

/// Where the answer to one is waited for.
type Answer<A> = oneshot::Sender<Result<A, String>>;

/// Questions of the type `Q` that wait to be sent, each for an answer of the type `A`.
#[derive(Debug)]
pub struct Gather<Q, A = ()> {
    waiting: Mutex<Vec<(Q, Answer<A>)>>,
    /// Held by who sends: what comes meanwhile goes out together after that.
    sending: tokio::sync::Mutex<()>,
}

impl<Q, A> Default for Gather<Q, A> {
    fn default() -> Self {
        Gather { waiting: Mutex::default(), sending: tokio::sync::Mutex::default() }
    }
}

impl<Q, A> Gather<Q, A> {
    fn count(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Asks `one`, together with what others ask at the same time: the first of them sends all of it with `send`, which gives an answer
    /// to each, in order.
    ///
    /// # Errors
    /// Why this one was not done.
    pub async fn ask(&self, one: Q, send: impl AsyncFnOnce(Vec<Q>) -> Vec<Result<A, String>>) -> Result<A, StepError> {
        let (tell, told) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((one, tell));
            waiting.len() == 1
        };
        if first {
            let (begun, mut before) = (Instant::now(), 0);
            while before < self.count() && begun.elapsed() < LONGEST {
                before = self.count();
                tokio::time::sleep(PAUSE).await;
            }
            let _turn = self.sending.lock().await;
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

    /// Steps begin one after another, as what they wait for is done: what comes while others come, or while something is sent, goes together.
    #[tokio::test]
    async fn what_comes_one_after_another_is_sent_in_few_requests() {
        let (gather, sent) = (Gather::<usize, usize>::default(), Mutex::new(Vec::new()));
        let send = async |all: Vec<usize>| {
            let alone = sent.lock().expect("the lock").len();
            tokio::time::sleep(PAUSE * 4).await;
            sent.lock().expect("the lock").push(all.len());
            assert_eq!(sent.lock().expect("the lock").len(), alone + 1, "one is sent at a time");
            all.into_iter().map(|one| Ok(one + 1)).collect()
        };
        let one = async |number: usize| {
            // Some before the first is sent, and some while it is.
            let after = if number < 50 { PAUSE * number as u32 / 50 } else { PAUSE * 3 };
            tokio::time::sleep(after).await;
            gather.ask(number, send).await.ok()
        };
        let answers = futures::future::join_all((0..100).map(one)).await;
        assert!(answers.into_iter().enumerate().all(|(number, answer)| answer == Some(number + 1)));
        let sent = sent.lock().expect("the lock");
        assert!(sent.iter().sum::<usize>() == 100 && sent.len() <= 4, "{sent:?}");
    }
}
