//! The shapes of the answers that are read, walked before they are decoded.
//!
//! `kafka-protocol` 0.18 reserves memory for as many elements as an answer announces, before it has seen one. An answer is
//! walked here first: each announced element must be there, so what is reserved is bounded by what has arrived.

/// A part of an answer.
pub enum Shape {
    /// So many bytes.
    Fixed(usize),
    /// A text or bytes, with their length plus one before them, as an unsigned variable-length number; 0 for none.
    Text,
    /// A text with its length before it, as two bytes; -1 for none.
    OldText,
    /// Bytes with their number before them, as four bytes; -1 for none.
    OldBytes,
    /// Elements of the same shape, with their number plus one before them; 0 for none.
    List(&'static [Shape]),
    /// The same with the number itself, as four bytes.
    OldList(&'static [Shape]),
    /// Tagged fields, each with its number and length.
    Tags,
    /// The same, of which those with these numbers have these shapes.
    Tagged(&'static [(usize, &'static [Shape])]),
}

use Shape::{Fixed, List, OldBytes, OldList, OldText, Tagged, Tags, Text};

/// Error, and the versions of each request.
pub const API_VERSIONS_0: &[Shape] = &[Fixed(2), OldList(&[Fixed(6)])];

/// The same, with the features that the broker supports and those that are finalized, each with two levels, among the tagged fields.
pub const API_VERSIONS_3: &[Shape] = &[
    Fixed(2),
    List(&[Fixed(6), Tags]),
    Fixed(4),
    Tagged(&[
        (0, &[List(&[Text, Fixed(2 + 2), Tags])]),
        (1, &[Fixed(8)]),
        (2, &[List(&[Text, Fixed(2 + 2), Tags])]),
        (3, &[Fixed(1)]),
    ]),
];

/// Throttle time, and an error with its words.
pub const UPDATE_FEATURES_2: &[Shape] = &[Fixed(4 + 2), Text, Tags];

/// Error, and the mechanisms that the listener takes.
pub const SASL_HANDSHAKE_1: &[Shape] = &[Fixed(2), OldList(&[OldText])];

/// Error with its words, the mechanism's own bytes, and how long the session may last.
pub const SASL_AUTHENTICATE_2: &[Shape] = &[Fixed(2), Text, Text, Fixed(8), Tags];

/// Throttle time, brokers, cluster id, controller, topics with their partitions.
pub const METADATA_12: &[Shape] = &[
    Fixed(4),
    List(&[Fixed(4), Text, Fixed(4), Text, Tags]),
    Text,
    Fixed(4),
    List(&[
        Fixed(2),
        Text,
        Fixed(16 + 1),
        List(&[Fixed(2 + 4 + 4 + 4), List(&[Fixed(4)]), List(&[Fixed(4)]), List(&[Fixed(4)]), Tags]),
        Fixed(4),
        Tags,
    ]),
    Tags,
];

/// Throttle time, and for each resource its settings with their synonyms.
pub const DESCRIBE_CONFIGS_4: &[Shape] = &[
    Fixed(4),
    List(&[
        Fixed(2),
        Text,
        Fixed(1),
        Text,
        List(&[Text, Text, Fixed(3), List(&[Text, Text, Fixed(1), Tags]), Fixed(1), Text, Tags]),
        Tags,
    ]),
    Tags,
];

const REPLICAS: Shape = List(&[Fixed(4 + 16 + 8 + 8 + 8), Tags]);

/// Error, the metadata partition with its voters and observers, and where the nodes are.
pub const DESCRIBE_QUORUM_2: &[Shape] = &[
    Fixed(2),
    Text,
    List(&[Text, List(&[Fixed(4 + 2), Text, Fixed(4 + 4 + 8), REPLICAS, REPLICAS, Tags]), Tags]),
    List(&[Fixed(4), List(&[Text, Text, Fixed(2), Tags]), Tags]),
    Tags,
];

/// Throttle time, and for each user an error with its words.
pub const ALTER_USER_SCRAM_CREDENTIALS_0: &[Shape] = &[Fixed(4), List(&[Text, Fixed(2), Text, Tags]), Tags];

/// Throttle time, error with its words, and for each user error, words, and the mechanisms with their iterations.
pub const DESCRIBE_USER_SCRAM_CREDENTIALS_0: &[Shape] =
    &[Fixed(4 + 2), Text, List(&[Text, Fixed(2), Text, List(&[Fixed(1 + 4), Tags]), Tags]), Tags];

/// DescribeQuorum of Kafka 3.3 and newer, which do not say where the nodes are.
pub const DESCRIBE_QUORUM_1: &[Shape] =
    &[Fixed(2), List(&[Text, List(&[Fixed(4 + 2 + 4 + 4 + 8), OLD_REPLICAS, OLD_REPLICAS, Tags]), Tags]), Tags];

const OLD_REPLICAS: Shape = List(&[Fixed(4 + 8 + 8 + 8), Tags]);

/// Throttle time, error, cluster id, controller, brokers with rack and fence.
pub const DESCRIBE_CLUSTER_2: &[Shape] = &[
    Fixed(4 + 2),
    Text,
    Fixed(1),
    Text,
    Fixed(4),
    List(&[Fixed(4), Text, Fixed(4), Text, Fixed(1), Tags]),
    Fixed(4),
    Tags,
];

/// The same of Kafka 3.7 and newer, without the fence.
pub const DESCRIBE_CLUSTER_1: &[Shape] =
    &[Fixed(4 + 2), Text, Fixed(1), Text, Fixed(4), List(&[Fixed(4), Text, Fixed(4), Text, Tags]), Fixed(4), Tags];

/// The same of Kafka 2.8 and newer.
pub const DESCRIBE_CLUSTER_0: &[Shape] =
    &[Fixed(4 + 2), Text, Text, Fixed(4), List(&[Fixed(4), Text, Fixed(4), Text, Tags]), Fixed(4), Tags];

/// Throttle time, error, and for each topic the partitions that are being reassigned: replicas, adding, removing.
pub const LIST_REASSIGNMENTS_0: &[Shape] = &[
    Fixed(4 + 2),
    Text,
    List(&[Text, List(&[Fixed(4), List(&[Fixed(4)]), List(&[Fixed(4)]), List(&[Fixed(4)]), Tags]), Tags]),
    Tags,
];

/// Throttle time, error, and for each topic its partitions with their errors.
pub const ALTER_REASSIGNMENTS_0: &[Shape] = &[Fixed(4 + 2), Text, PARTITION_ERRORS, Tags];
/// The same, after whether the number of replicas may change.
pub const ALTER_REASSIGNMENTS_1: &[Shape] = &[Fixed(4 + 1 + 2), Text, PARTITION_ERRORS, Tags];

const PARTITION_ERRORS: Shape = List(&[Text, List(&[Fixed(4 + 2), Text, Tags]), Tags]);

/// Throttle time, error, and for each topic its partitions with their errors.
pub const ELECT_LEADERS_2: &[Shape] = &[Fixed(4 + 2), PARTITION_ERRORS, Tags];

/// Throttle time, and for each resource an error with its words, and its kind and name.
pub const INCREMENTAL_ALTER_CONFIGS_1: &[Shape] = &[Fixed(4), List(&[Fixed(2), Text, Fixed(1), Text, Tags]), Tags];

/// Throttle time, and an error with its words: of AddRaftVoter and of RemoveRaftVoter.
pub const CHANGE_OF_VOTERS_0: &[Shape] = UNREGISTER_BROKER_0;

/// Throttle time, and for each topic: name, id, error with its words, partitions, copies, and its settings.
pub const CREATE_TOPICS_7: &[Shape] = &[
    Fixed(4),
    List(&[Text, Fixed(16 + 2), Text, Fixed(4 + 2), List(&[Text, Text, Fixed(1 + 1 + 1), Tags]), Tags]),
    Tags,
];

/// Throttle time, and for each topic an error with its words.
pub const CREATE_PARTITIONS_2: &[Shape] = &[Fixed(4), List(&[Text, Fixed(2), Text, Tags]), Tags];

/// Throttle time, and an error with its words.
pub const UNREGISTER_BROKER_0: &[Shape] = &[Fixed(4 + 2), Text, Tags];

/// Throttle time, and for each topic: name, id, and an error with its words.
pub const DELETE_TOPICS_6: &[Shape] = &[Fixed(4), List(&[Text, Fixed(16 + 2), Text, Tags]), Tags];

/// Throttle time, error, and for each directory: error, path, topics with the size of each partition, total and usable bytes.
pub const DESCRIBE_LOG_DIRS_4: &[Shape] = &[
    Fixed(4 + 2),
    List(&[Fixed(2), Text, List(&[Text, List(&[Fixed(4 + 8 + 8 + 1), Tags]), Tags]), Fixed(8 + 8), Tags]),
    Tags,
];
/// Throttle time, error, and the groups: id, protocol, state, and type.
pub const LIST_GROUPS_5: &[Shape] = &[Fixed(4 + 2), List(&[Text, Text, Text, Text, Tags]), Tags];

/// The same of Kafka 2.6 and newer, without the type.
pub const LIST_GROUPS_4: &[Shape] = &[Fixed(4 + 2), List(&[Text, Text, Text, Tags]), Tags];

/// Throttle time, and for each group its topics, with offset, epoch, metadata and error of each partition, and its error.
pub const OFFSET_FETCH_8: &[Shape] = &[
    Fixed(4),
    List(&[Text, List(&[Text, List(&[Fixed(4 + 8 + 4), Text, Fixed(2), Tags]), Tags]), Fixed(2), Tags]),
    Tags,
];

/// Throttle time, and for each topic the partitions: error, time, offset and epoch.
pub const LIST_OFFSETS_7: &[Shape] = &[Fixed(4), List(&[Text, List(&[Fixed(4 + 2 + 8 + 8 + 4), Tags]), Tags]), Tags];

/// Throttle time, error, session, and for each topic its partitions: number, error, end, end of what is committed, start, what transactions
/// were taken back, the replica to read from, and records.
pub const FETCH_11: &[Shape] = &[
    Fixed(4 + 2 + 4),
    OldList(&[OldText, OldList(&[Fixed(4 + 2 + 8 + 8 + 8), OldList(&[Fixed(8 + 8)]), Fixed(4), OldBytes])]),
];

/// For each topic its partitions: number, error, offset, time and start; and the throttle time.
pub const PRODUCE_7: &[Shape] = &[OldList(&[OldText, OldList(&[Fixed(4 + 2 + 8 + 8 + 8)])]), Fixed(4)];

/// Throttle time, error with its words, and the node.
pub const FIND_COORDINATOR_3: &[Shape] = &[Fixed(4 + 2), Text, Fixed(4), Text, Fixed(4), Tags];

/// Throttle time, and for each topic its partitions with their errors.
pub const OFFSET_COMMIT_8: &[Shape] = &[Fixed(4), List(&[Text, List(&[Fixed(4 + 2), Tags]), Tags]), Tags];

/// What is before the body of an answer to a request of a version with tagged fields.
pub const HEADER_1: &[Shape] = &[Fixed(4), Tags];
/// The same for a version without.
pub const HEADER_0: &[Shape] = &[Fixed(4)];

/// What follows in `bytes` after what `shapes` describe; `None` when it is not all there.
pub fn walk<'a>(shapes: &[Shape], bytes: &'a [u8]) -> Option<&'a [u8]> {
    shapes.iter().try_fold(bytes, |bytes, shape| match shape {
        Fixed(count) => bytes.get(*count..),
        Text => {
            let (length, rest) = number(bytes)?;
            rest.get(length.saturating_sub(1)..)
        }
        OldText => {
            let (length, rest) = bytes.split_first_chunk()?;
            rest.get(usize::try_from(i16::from_be_bytes(*length)).unwrap_or_default()..)
        }
        OldBytes => {
            let (length, rest) = bytes.split_first_chunk()?;
            rest.get(usize::try_from(i32::from_be_bytes(*length)).unwrap_or_default()..)
        }
        List(element) => {
            let (count, rest) = number(bytes)?;
            (1..count).try_fold(rest, |rest, _| walk(element, rest))
        }
        OldList(element) => {
            let (count, rest) = bytes.split_first_chunk()?;
            (0..i32::from_be_bytes(*count)).try_fold(rest, |rest, _| walk(element, rest))
        }
        Tags => walk(&[Tagged(&[])], bytes),
        Tagged(known) => {
            let (count, rest) = number(bytes)?;
            (0..count).try_fold(rest, |rest, _| {
                let (tag, rest) = number(rest)?;
                let (length, rest) = number(rest)?;
                let field = rest.get(..length)?;
                if let Some((_, shape)) = known.iter().find(|(one, _)| *one == tag) {
                    walk(shape, field)?.is_empty().then_some(())?;
                }
                rest.get(length..)
            })
        }
    })
}

/// An unsigned number of variable length, of at most 31 bits, as lengths are.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = i32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}
