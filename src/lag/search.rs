//! How old the record at an offset is, asked without reading it: a broker says which is the first record from a time on, and the time is
//! narrowed down. Records are taken to be in the order of their times.

/// Asks for the record with the latest time.
pub const LATEST_TIME: i64 = -3;
/// The most questions about one partition, however many groups read it.
pub const ROUNDS: usize = 14;
/// Times this near to each other, in milliseconds, are as good as equal; or within a fiftieth of the age.
const NEAR_MS: i64 = 500;
const NEAR_PART: i64 = 50;

/// What a broker answers: an offset and the time of its record, in milliseconds; `None` when there is no such record.
pub type Answer = Option<(u64, i64)>;

/// The search for the time of one record.
#[derive(Debug)]
pub struct Search {
    offset: u64,
    /// The record is not older than this, once a record before it is known.
    low: Option<i64>,
    /// The record is older than this.
    high: i64,
    found: Option<Option<i64>>,
}

impl Search {
    /// A search for the record at `offset`.
    pub fn new(offset: u64, now: i64) -> Search {
        Search { offset, low: None, high: now.saturating_add(1), found: None }
    }

    /// Takes in that the first record from `time` on is this one.
    pub fn learn(&mut self, time: i64, answer: Answer) {
        match answer {
            Some((offset, at)) if offset == self.offset => self.found = Some(Some(at)),
            // Nothing after it is younger than the record of the latest time, which was before it: it has the same time.
            Some((offset, at)) if time == LATEST_TIME && offset < self.offset => self.found = Some(Some(at)),
            None if time == LATEST_TIME => self.found = Some(None),
            Some((_, at)) if time == LATEST_TIME => self.high = self.high.min(at.saturating_add(1)),
            Some((offset, at)) if offset < self.offset => self.low = Some(self.low.map_or(at, |low| low.max(at))),
            _ => self.high = self.high.min(time),
        }
    }

    /// How far apart the times are between which the record is; `None` once that is near enough.
    pub fn width(&self, now: i64) -> Option<i64> {
        let low = self.low.unwrap_or(0);
        let width = self.high.saturating_sub(low);
        let near = NEAR_MS.max(now.saturating_sub(low) / NEAR_PART);
        (self.found.is_none() && width > near).then_some(width)
    }

    /// The time to ask for in this round. Of ages it is the middle by proportion: a second matters in a minute, and not in a week.
    pub fn next(&self, round: usize, now: i64) -> i64 {
        match (round, self.low) {
            (0, _) => LATEST_TIME,
            (1, _) | (_, None) => 0,
            (_, Some(low)) => {
                let age = |time: i64| now.saturating_sub(time).max(0) as f64 + 1000.0;
                let middle = (age(low) * age(self.high)).sqrt() - 1000.0;
                now.saturating_sub(middle as i64).clamp(low + 1, (self.high - 1).max(low + 1))
            }
        }
    }

    /// The record's time, or one a little before it; `None` when nothing tells it.
    pub fn time(&self) -> Option<i64> {
        self.found.unwrap_or(self.low)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A broker's answer from its records, in order.
    fn answer(records: &[(u64, i64)], time: i64) -> Answer {
        match time {
            LATEST_TIME => records.iter().copied().reduce(|best, one| if one.1 > best.1 { one } else { best }),
            _ => records.iter().copied().find(|(_, at)| *at >= time),
        }
    }

    /// The time found, and after how many questions.
    fn search(records: &[(u64, i64)], offset: u64, now: i64) -> (Option<i64>, usize) {
        let mut search = Search::new(offset, now);
        for round in 0..ROUNDS {
            if search.width(now).is_none() {
                return (search.time(), round);
            }
            let time = search.next(round, now);
            search.learn(time, answer(records, time));
        }
        (search.time(), ROUNDS)
    }

    const NOW: i64 = 1_800_000_000_000;

    proptest! {
        /// Whatever the records are, the age is right to two hundredths or half a second, and never too small.
        #[test]
        fn ages_are_found(gaps in proptest::collection::vec(0_i64..40_000_000, 2..200), at in any::<prop::sample::Index>()) {
            let mut time = NOW - gaps.iter().sum::<i64>();
            let mut records = Vec::new();
            for (offset, gap) in gaps.iter().enumerate() {
                records.push((offset as u64, time));
                time += gap;
            }
            let (offset, exact) = records[at.index(records.len())];
            let (found, _) = search(&records, offset, NOW);
            let found = found.expect("a time");
            prop_assert!(found <= exact);
            prop_assert!(exact - found <= NEAR_MS.max((NOW - found) / NEAR_PART), "{found} for {exact}");
        }
    }

    #[test]
    fn a_full_second_of_records_is_found_in_a_week_of_them() {
        // A thousand records a second in the last two hours, after a week of one a minute.
        let week: Vec<i64> = (0..10_080).map(|minute| NOW - 604_800_000 - 7_200_000 + minute * 60_000).collect();
        let all = week.into_iter().chain((0..7_200_000).map(|ms| NOW - 7_200_000 + ms));
        let records: Vec<(u64, i64)> = all.enumerate().map(|(offset, at)| (offset as u64, at)).collect();
        for offset in [0, 5, 9_000, 10_079, 10_080, 10_081, 3_000_000, 7_210_070] {
            let exact = records[offset as usize].1;
            let (found, rounds) = search(&records, offset, NOW);
            let found = found.unwrap();
            assert!(
                found <= exact && exact - found <= NEAR_MS.max((NOW - found) / NEAR_PART),
                "{offset}: {found} {exact}"
            );
            assert!(rounds < ROUNDS, "{offset}: {rounds}");
        }
    }

    #[test]
    fn equal_times_are_known_and_where_nothing_is_there_is_no_time() {
        // Of ten records of one millisecond, half are read.
        let records: Vec<(u64, i64)> = (0..10).map(|offset| (offset, NOW - 5_000)).collect();
        assert_eq!(search(&records, 5, NOW), (Some(NOW - 5_000), 1));
        // Nothing is there any more, or only what is not read yet.
        assert_eq!(search(&[], 5, NOW), (None, 1));
        assert_eq!(search(&[(7, NOW - 3)], 7, NOW), (Some(NOW - 3), 1));
    }
}
