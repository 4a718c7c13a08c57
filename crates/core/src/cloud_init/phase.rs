//! From plaintext to TLS and back, host by host: in which phases the hosts of a live cluster are, what they do in each, and which comes
//! next.
//!
//! A host reaches those of its own phase and of the phases beside it, and no other. So no host enters a phase before every host is in the
//! one before it.

use serde::Serialize;

/// Which listeners a host has for other hosts, and which of them it uses itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Plaintext alone.
    Plaintext,
    /// Both, and it uses plaintext.
    Open,
    /// Both, and it uses TLS.
    Switched,
    /// TLS alone; and ACLs count.
    Closed,
}

/// The controllers' listener in plaintext, and that with TLS.
pub const CONTROLLER: &str = "CONTROLLER";
pub const QUORUM: &str = "QUORUM";

impl Phase {
    pub const ALL: [Phase; 4] = [Phase::Plaintext, Phase::Open, Phase::Switched, Phase::Closed];

    pub const fn word(self) -> &'static str {
        match self {
            Phase::Plaintext => "plaintext",
            Phase::Open => "open",
            Phase::Switched => "switched",
            Phase::Closed => "closed",
        }
    }

    /// What a host in this phase is marked with: plaintext needs no mark.
    pub fn mark(self) -> Option<String> {
        (self != Phase::Plaintext).then(|| self.word().to_owned())
    }

    /// The phase of a host that is marked so; `None` for a mark that kstack does not set.
    pub fn of_mark(mark: Option<&str>) -> Option<Phase> {
        match mark {
            None => Some(Phase::Plaintext),
            Some(mark) => Phase::ALL.into_iter().find(|phase| phase.word() == mark),
        }
    }

    /// Whether the host has listeners with TLS, and a certificate.
    pub fn tls(self) -> bool {
        self != Phase::Plaintext
    }

    /// Whether the host has listeners in plaintext for other hosts, and so for clients. Then no ACL counts: whoever comes by them is
    /// nobody.
    pub fn plain(self) -> bool {
        self != Phase::Closed
    }

    /// Whether the host is also one that reaches others by TLS.
    pub fn uses_tls(self) -> bool {
        self >= Phase::Switched
    }

    /// The controllers' listeners; the first is the one by which the host reaches controllers.
    pub fn controllers(self) -> &'static [&'static str] {
        match self {
            Phase::Plaintext => &[CONTROLLER],
            Phase::Open => &[CONTROLLER, QUORUM],
            Phase::Switched => &[QUORUM, CONTROLLER],
            Phase::Closed => &[QUORUM],
        }
    }

    /// Whether hosts of both phases reach each other.
    pub fn is_beside(self, other: Phase) -> bool {
        (self as i8 - other as i8).abs() <= 1
    }

    fn toward(self, goal: Phase) -> Phase {
        let place = self as usize;
        match self.cmp(&goal) {
            std::cmp::Ordering::Less => Phase::ALL[place + 1],
            std::cmp::Ordering::Equal => self,
            std::cmp::Ordering::Greater => Phase::ALL[place - 1],
        }
    }
}

/// Where a cluster is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// The phase that not every host has left.
    pub now: Phase,
    /// The phase that hosts enter now: the same where they stay.
    pub next: Phase,
    /// The phase that the stack file asks for.
    pub goal: Phase,
}

impl Course {
    /// The course of a cluster whose hosts stay in one phase.
    pub fn rest(phase: Phase) -> Course {
        Course { now: phase, next: phase, goal: phase }
    }

    /// The course to `goal` of a cluster whose hosts are in the phases `live`. Those that are furthest from the goal decide.
    pub fn to(goal: Phase, live: impl Iterator<Item = Phase> + Clone) -> Course {
        let behind = live.clone().min().filter(|low| *low < goal).or(live.max().filter(|high| *high > goal));
        let now = behind.unwrap_or(goal);
        Course { now, next: now.toward(goal), goal }
    }

    /// The phase that a host is to have which is in the phase `live`, or does not run. One that is made anew, among others that run,
    /// begins where those are that are furthest from the goal.
    pub fn of_host(&self, live: Option<Phase>) -> Phase {
        match live {
            None => self.now,
            Some(live) if self.waits() => live,
            Some(live) if self.next < self.now => live.min(self.next),
            Some(live) if self.next > self.now => live.max(self.next),
            Some(_) => self.goal,
        }
    }

    /// Whether no host changes its phase.
    pub fn rests(&self) -> bool {
        self.now == self.next
    }

    /// Whether hosts stay where they are for now, though it is not where they are to be.
    pub fn waits(&self) -> bool {
        self.rests() && self.now != self.goal
    }

    /// Whether a host has listeners with TLS, or gets them: what those need is there before the first has them, and goes after the last.
    pub fn tls(&self) -> bool {
        self.now.tls() || self.next.tls()
    }

    /// Whether a host has listeners in plaintext for other hosts, or gets them.
    pub fn plain(&self) -> bool {
        self.now.plain() || self.next.plain()
    }

    /// Whether hosts reach the others by other listeners in the next phase.
    pub fn turns(&self) -> bool {
        self.now.uses_tls() != self.next.uses_tls()
    }

    /// The controllers' listener that every voter must have before a host enters the next phase, in which it uses that one.
    pub fn needs(&self) -> Option<&'static str> {
        self.next.controllers().first().copied().filter(|_| !self.rests())
    }

    /// The controllers' listeners that a voter must have once it is in the next phase.
    pub fn brings(&self) -> &'static [&'static str] {
        if self.rests() { &[] } else { self.next.controllers() }
    }
}

#[cfg(test)]
mod tests {
    use super::Phase::*;
    use super::*;

    #[test]
    fn the_furthest_hosts_decide_what_comes_next() {
        // The goal, what is live; from where to where.
        let cases: [(Phase, &[Phase], (Phase, Phase)); 16] = [
            (Closed, &[], (Closed, Closed)),
            (Plaintext, &[Plaintext], (Plaintext, Plaintext)),
            (Switched, &[Plaintext], (Plaintext, Open)),
            (Switched, &[Plaintext, Open], (Plaintext, Open)),
            (Switched, &[Open], (Open, Switched)),
            (Switched, &[Switched, Open], (Open, Switched)),
            (Switched, &[Switched], (Switched, Switched)),
            (Closed, &[Switched], (Switched, Closed)),
            (Closed, &[Switched, Closed], (Switched, Closed)),
            (Closed, &[Closed], (Closed, Closed)),
            (Plaintext, &[Closed], (Closed, Switched)),
            (Plaintext, &[Closed, Switched], (Closed, Switched)),
            (Plaintext, &[Switched, Open], (Switched, Open)),
            (Plaintext, &[Open, Plaintext], (Open, Plaintext)),
            // Who changes their mind goes back from where they are.
            (Switched, &[Closed, Switched], (Closed, Switched)),
            (Plaintext, &[Open], (Open, Plaintext)),
        ];
        for (goal, live, (now, next)) in cases {
            let course = Course::to(goal, live.iter().copied());
            assert_eq!(course, Course { now, next, goal }, "{live:?} to {goal:?}");
            for one in live {
                assert!(course.of_host(Some(*one)).is_beside(*one), "{course:?} {one:?}");
            }
        }
    }

    #[test]
    fn from_wherever_hosts_are_each_way_ends_and_no_host_skips_a_phase() {
        for goal in [Plaintext, Switched, Closed] {
            for (one, other) in Phase::ALL.into_iter().flat_map(|one| Phase::ALL.map(|other| (one, other))) {
                let mut live = vec![one, other, one];
                for round in 0.. {
                    let course = Course::to(goal, live.iter().copied());
                    assert!(round <= 8, "{one:?} {other:?} to {goal:?}: {live:?}");
                    if course.rests() {
                        break;
                    }
                    // One host after another, and in every other round the second one is lost and made anew.
                    for host in 0..3 {
                        let before = (host != 1 || round % 2 == 1).then_some(live[host]);
                        live[host] = course.of_host(before);
                        let together = live.iter().all(|a| live.iter().all(|b| a.is_beside(*b)));
                        assert!(together || !one.is_beside(other), "{live:?}");
                    }
                }
                assert!(live.iter().all(|phase| *phase == goal), "{live:?}");
            }
        }
    }

    #[test]
    fn neighbours_reach_each_other_and_no_others() {
        let all = |phase: Phase| (phase.tls(), phase.plain(), phase.uses_tls());
        for (one, other) in Phase::ALL.into_iter().flat_map(|one| Phase::ALL.map(|other| (one, other))) {
            let reaches = |from: Phase, to: Phase| if all(from).2 { all(to).0 } else { all(to).1 };
            assert_eq!(reaches(one, other) && reaches(other, one), one.is_beside(other), "{one:?} {other:?}");
            assert_eq!(one.controllers()[0] == QUORUM, one.uses_tls());
        }
        for phase in Phase::ALL {
            assert_eq!(Phase::of_mark(phase.mark().as_deref()), Some(phase));
        }
        assert_eq!((Phase::of_mark(Some("half")), Phase::of_mark(Some("plaintext"))), (None, Some(Plaintext)));
    }
}
