//! Reading and writing a partition's records: what little of it kstack does itself. Batches are looked at as they are on the wire.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, FetchRequest, ProduceRequest, TopicName};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use crate::kafka::{check, shape, text};
use crate::lag::{Place, Reached};

/// The versions of requests that both Kafka 2.3 and 4 know.
const FETCH: i16 = 11;
const PRODUCE: i16 = 7;
/// The most that one answer brings.
const MOST_BYTES: i32 = 4 << 20;
/// What a batch has before its records, and before what its length counts.
const HEADER: usize = 61;
const BEFORE_LENGTH: usize = 12;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// What a leader has of a partition from an offset on.
pub struct Fetched {
    /// One after the last record that all replicas in sync have.
    pub end: i64,
    batches: Vec<Batch>,
    /// Transactions that were taken back: by which producer, and from which offset on.
    aborted: BTreeMap<i64, i64>,
}

/// A whole batch.
struct Batch {
    base: i64,
    last: i64,
    attributes: i16,
    producer: i64,
    /// The time of its first record; 0 where that is not told.
    time: i64,
    bytes: Bytes,
}

/// Asks the leader for records from `offset` on: only what is committed, where transactions wrote it.
///
/// # Errors
/// Why there is no answer, or what is wrong with it.
pub async fn fetch(cluster: &mut Reached, place: &Place, offset: i64) -> Result<Fetched, String> {
    let partition = FetchPartition::default()
        .with_partition(place.1)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(MOST_BYTES);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(100)
        .with_min_bytes(0)
        .with_max_bytes(MOST_BYTES)
        .with_isolation_level(1)
        .with_session_epoch(-1)
        .with_topics(vec![
            FetchTopic::default().with_topic(TopicName(text(&place.0))).with_partitions(vec![partition]),
        ]);
    let answer = cluster.ask_leader(place, &request, FETCH, shape::FETCH_11).await?;
    check("Fetch", answer.error_code)?;
    let one = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
    let one = one.ok_or("the broker left the partition out")?;
    check("Fetch", one.error_code)?;
    let aborted = one.aborted_transactions.unwrap_or_default();
    let aborted = aborted.into_iter().map(|one| (one.producer_id.0, one.first_offset)).collect();
    Ok(Fetched { end: one.high_watermark, batches: batches(one.records.unwrap_or_default())?, aborted })
}

/// The whole batches in `bytes`; a broker may cut the last one off.
fn batches(mut bytes: Bytes) -> Result<Vec<Batch>, String> {
    let mut all = Vec::new();
    while bytes.len() >= HEADER {
        let length = (&bytes[8..]).get_i32();
        let whole = usize::try_from(length).ok().and_then(|length| length.checked_add(BEFORE_LENGTH));
        let Some(whole) = whole.filter(|whole| *whole >= HEADER) else {
            return Err("a batch of records that can't be read".to_owned());
        };
        if whole > bytes.len() {
            break;
        }
        let batch = bytes.split_to(whole);
        if batch[16] != 2 {
            return Err("records in a form that is older than Kafka 0.11".to_owned());
        }
        let base = (&batch[0..]).get_i64();
        let attributes = (&batch[21..]).get_i16();
        all.push(Batch {
            base,
            attributes,
            last: base.saturating_add(i64::from((&batch[23..]).get_i32())),
            // A compacted batch may have another time in that place.
            time: if attributes & DELETE_HORIZON != 0 { 0 } else { (&batch[27..]).get_i64().max(0) },
            producer: (&batch[43..]).get_i64(),
            bytes: batch,
        });
    }
    Ok(all)
}

/// The records of a partition from `from` on, up to its end, as keys and values of text. Only for topics whose records are not compressed.
///
/// # Errors
/// Why they can't be read.
pub async fn texts(cluster: &mut Reached, place: &Place, from: i64) -> Result<Vec<(String, Option<String>)>, String> {
    let mut all = Vec::new();
    let mut next = from;
    loop {
        let fetched = fetch(cluster, place, next).await?;
        let before = next;
        for batch in fetched.batches {
            next = next.max(batch.last.saturating_add(1));
            if batch.attributes & CONTROL == 0 {
                all.extend(records(batch.bytes)?);
            }
        }
        if next >= fetched.end || next == before {
            return Ok(all);
        }
    }
}

fn records(mut batch: Bytes) -> Result<Vec<(String, Option<String>)>, String> {
    // A record has at least seven bytes: what is reserved for them is bounded by what has arrived.
    let count = usize::try_from((&batch[57..]).get_i32()).unwrap_or(usize::MAX);
    if count > batch.len() {
        return Err("a batch of records that can't be read".to_owned());
    }
    let set = RecordBatchDecoder::decode(&mut batch);
    let set = set.map_err(|error| format!("a batch of records that can't be read: {error}"))?;
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(set.records.iter().filter_map(|one| Some((text(one.key.as_ref()?), one.value.as_ref().map(text)))).collect())
}

/// The first batch at or after `offset` with a record that a reader is given: the time of its first record, or `None` where there is none up
/// to the end. What ends transactions, and what they have taken back, is none. No record of that batch is before the first one that is as late.
///
/// # Errors
/// Why that can't be known; that a transaction is still open.
pub async fn first_time(cluster: &mut Reached, place: &Place, offset: i64) -> Result<Option<i64>, String> {
    let mut next = offset;
    loop {
        let fetched = fetch(cluster, place, next).await?;
        if let Some(time) = fetched.first_time(next) {
            return Ok(Some(time));
        }
        let after = fetched.batches.last().map_or(next, |batch| batch.last.saturating_add(1)).max(next);
        if after >= fetched.end {
            return Ok(None);
        }
        if after == next {
            return Err("a transaction on it is still open".to_owned());
        }
        next = after;
    }
}

impl Fetched {
    fn first_time(&self, from: i64) -> Option<i64> {
        let mut aborted = self.aborted.clone();
        for batch in self.batches.iter().filter(|batch| batch.last >= from) {
            let transactional = batch.attributes & TRANSACTIONAL != 0;
            if batch.attributes & CONTROL != 0 {
                aborted.remove(&batch.producer);
                continue;
            }
            let taken_back = aborted.get(&batch.producer).is_some_and(|first| *first <= batch.base);
            if !(transactional && taken_back) {
                return Some(batch.time);
            }
        }
        None
    }
}

/// Writes records to a partition, which all replicas in sync must acknowledge.
///
/// # Errors
/// Why they are not known to be there.
pub async fn write(cluster: &mut Reached, place: &Place, all: &[(String, String)], now: i64) -> Result<(), String> {
    let bytes = encoded(all, now)?;
    let data = PartitionProduceData::default().with_index(place.1).with_records(Some(bytes));
    let topic = TopicProduceData::default().with_name(TopicName(text(&place.0))).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(20_000).with_topic_data(vec![topic]);
    let answer = cluster.ask_leader(place, &request, PRODUCE, shape::PRODUCE_7).await?;
    let one = answer.responses.first().and_then(|topic| topic.partition_responses.first());
    check("Produce", one.ok_or("the broker left the partition out")?.error_code)
}

/// Keys and values as one batch: a broker takes no more at once. Without a producer's id its numbers begin at -1; those of records rise with
/// their offsets, or the encoder begins another batch.
fn encoded(all: &[(String, String)], now: i64) -> Result<Bytes, String> {
    let record = |(number, (key, value)): (i32, &(String, String))| Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(number),
        sequence: number - 1,
        timestamp: now,
        key: Some(Bytes::from(key.clone())),
        value: Some(Bytes::from(value.clone())),
        headers: IndexMap::new(),
    };
    let records: Vec<Record> = (0..).zip(all).map(record).collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).map_err(|error| error.to_string())?;
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: i64, records: i64, attributes: i16, producer: i64) -> Vec<u8> {
        let record = |offset: i64| Record {
            transactional: attributes & TRANSACTIONAL != 0,
            control: attributes & CONTROL != 0,
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: producer,
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: i32::try_from(offset).expect("a small one"),
            timestamp: 1000 + offset,
            key: Some(Bytes::from(format!("k{offset}"))),
            value: None,
            headers: IndexMap::new(),
        };
        let all: Vec<Record> = (base..base + records).map(record).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &all, &options).expect("records");
        bytes.to_vec()
    }

    fn fetched(bytes: Vec<u8>, aborted: &[(i64, i64)]) -> Fetched {
        let batches = batches(Bytes::from(bytes)).expect("batches");
        Fetched { end: 0, batches, aborted: aborted.iter().copied().collect() }
    }

    #[test]
    fn ends_of_transactions_and_what_they_took_back_are_no_records() {
        let aborted = [batch(10, 2, TRANSACTIONAL, 7), batch(12, 1, TRANSACTIONAL | CONTROL, 7)].concat();
        assert_eq!(fetched(aborted.clone(), &[(7, 10)]).first_time(10), None);
        assert!(fetched(aborted.clone(), &[]).first_time(10).is_some());
        // The same producer goes on after the end of what it took back, and others write between.
        let more = [aborted.clone(), batch(13, 1, TRANSACTIONAL, 7)].concat();
        assert_eq!(fetched(more, &[(7, 10)]).first_time(10), Some(1013));
        let other = [batch(8, 2, 0, -1), aborted].concat();
        assert_eq!(fetched(other, &[(7, 10)]).first_time(10), None, "what is before is not asked for");
    }

    #[test]
    fn what_is_written_is_one_batch() {
        let all: Vec<(String, String)> = (0..5).map(|n| (format!("k{n}"), format!("v{n}"))).collect();
        let all_batches = batches(encoded(&all, 7).expect("records")).expect("batches");
        assert_eq!((all_batches.len(), all_batches[0].last, all_batches[0].producer), (1, 4, -1));
        assert_eq!((&all_batches[0].bytes[53..57], all_batches[0].time), (&(-1i32).to_be_bytes()[..], 7));
        let read = records(all_batches[0].bytes.clone()).expect("records");
        assert_eq!(read, all.into_iter().map(|(key, value)| (key, Some(value))).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_that_is_cut_off_is_left_and_a_broken_one_is_an_error() {
        let mut bytes = [batch(0, 3, 0, -1), batch(3, 3, 0, -1)].concat();
        bytes.truncate(bytes.len() - 1);
        let all = batches(Bytes::from(bytes.clone())).expect("one batch");
        assert_eq!((all.len(), all[0].base, all[0].last), (1, 0, 2));
        let keys: Vec<String> = records(all[0].bytes.clone()).expect("records").into_iter().map(|one| one.0).collect();
        assert_eq!(keys, ["k0", "k1", "k2"]);
        let mut count = all[0].bytes.to_vec();
        count[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(records(Bytes::from(count)).is_err());
        for length in [0i32, -1, i32::MIN] {
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            assert!(batches(Bytes::from(bytes.clone())).is_err());
        }
    }
}
