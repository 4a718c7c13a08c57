//! What is asked of the controllers for many at once, in requests that are not too large, until there is an answer that stays.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;

use super::again;
use crate::kafka::{BrokersError, refused};

/// Those that pass: the request timed out, too few brokers are registered yet, another controller is active, too much was asked at once.
const PASSING: [i16; 4] = [7, 38, 41, 89];
/// For how many seconds those may take to pass.
const PASSES: u32 = 30;
/// The controllers take at most 10,000 records in a request (Kafka's `MAX_RECORDS_PER_USER_OP`): topics, partitions and settings.
const RECORDS: usize = 4_000;

/// Kafka's answer to one of many, by the name of its topic: a code, and words.
pub type Answers = BTreeMap<String, (i16, Option<StrBytes>)>;

/// Sends all of `asked` in requests that are not too large, again where an error may pass. `weigh` gives the name of each, and its
/// records. The answers are in the order of `asked`: none where it was done.
pub async fn each<Q>(
    asked: &[Q],
    weigh: fn(&Q) -> (&str, usize),
    mut send: impl AsyncFnMut(&[&Q]) -> Result<Answers, BrokersError>,
) -> Vec<Option<(i16, String)>> {
    let mut answers: Vec<Option<(i16, String)>> =
        asked.iter().map(|_| Some((0, "there is no answer".to_owned()))).collect();
    let mut left: Vec<usize> = (0..asked.len()).collect();
    for pass in 0..=PASSES {
        let mut passing = Vec::new();
        let mut rest = &left[..];
        while !rest.is_empty() {
            let mut records = 0;
            let fit = rest.iter().take_while(|index| {
                records += weigh(&asked[**index]).1;
                records <= RECORDS
            });
            let (some, after) = rest.split_at(fit.count().max(1));
            rest = after;
            let questions: Vec<&Q> = some.iter().map(|index| &asked[*index]).collect();
            let sent = again(async || send(&questions).await).await;
            for index in some {
                let name = weigh(&asked[*index]).0;
                answers[*index] = match &sent {
                    Err(error) => Some((0, error.to_string())),
                    Ok(told) => told.get(name).and_then(|(code, words)| {
                        if PASSING.contains(code) {
                            passing.push(*index);
                        }
                        refused("Kafka's answer", *code, words.as_ref()).err().map(|why| (*code, why.to_string()))
                    }),
                };
            }
        }
        left = passing;
        if left.is_empty() || pass == PASSES {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    answers
}

/// The answers as results; one that `fine` takes is none to complain of.
pub fn results(answers: Vec<Option<(i16, String)>>, fine: impl Fn(usize, i16) -> bool) -> Vec<Result<(), String>> {
    let one = |(index, answer): (usize, Option<(i16, String)>)| match answer {
        Some((code, why)) if !fine(index, code) => Err(why),
        Some(_) | None => Ok(()),
    };
    answers.into_iter().enumerate().map(one).collect()
}

/// The same error for all.
pub fn all_of<T>(asked: &[T], error: &impl ToString) -> Vec<Result<(), String>> {
    asked.iter().map(|_| Err(error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that stays.
    const ALREADY_EXISTS: i16 = 36;

    /// Requests are not too large, one whose answer is lost is sent again, and so is what Kafka could not do just then.
    #[tokio::test]
    async fn all_is_sent_until_there_is_an_answer_that_stays() {
        let asked: Vec<(String, u32)> =
            [("a", 1500), ("b", 1500), ("c", 1500), ("d", 9000)].map(|(name, count)| (name.to_owned(), count)).into();
        let mut sent = Vec::new();
        let answers = each(
            &asked,
            |(name, count)| (name, *count as usize),
            async |some: &[&(String, u32)]| {
                let names: String = some.iter().map(|(name, _)| name.as_str()).collect();
                sent.push(names.clone());
                let again = sent.iter().filter(|one| **one == names).count() > 1;
                if names == "c" && !again {
                    return Err(BrokersError::Lost("the connection broke".to_owned()));
                }
                let code = |name: &str| match name {
                    "b" => ALREADY_EXISTS,
                    "d" if !again => PASSING[0],
                    _ => 0,
                };
                Ok(some.iter().map(|(name, _)| (name.clone(), (code(name), None))).collect())
            },
        )
        .await;
        assert_eq!(sent, ["ab", "c", "c", "d", "d"]);
        let codes: Vec<Option<i16>> = answers.iter().map(|answer| answer.as_ref().map(|(code, _)| *code)).collect();
        assert_eq!(codes, [None, Some(ALREADY_EXISTS), None, None]);
        let fine = results(answers, |index, code| index == 1 && code == ALREADY_EXISTS);
        assert!(fine.iter().all(Result::is_ok), "{fine:?}");
    }
}
