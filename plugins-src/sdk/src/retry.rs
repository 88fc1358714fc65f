//! Asking once more for what was not available.
//!
//! Only an `unavailable` is asked again: a provider that answered anything else has answered. Whether a call *may* be
//! repeated is for its author to say, by wrapping it; what was unavailable may have been done all the same, its answer
//! lost. So wrap what reads, and what can be done twice.
//!
//! Between two attempts lies a pause that doubles, cut at random so that many who failed together do not come back
//! together. An attempt is made only if as much time is left to this call as the last one took, and the pause: a provider
//! that used up what it was given is not waited for again, and something is left for answering.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::context;

/// An error that can say that nobody answered. [`service_types!`](crate::service_types) implements it for the `Error`
/// of a service.
pub trait Unavailable {
    fn is_unavailable(&self) -> bool;
}

/// How often to ask, and how long to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    pause: Duration,
}

/// Three attempts, the second after up to 50 ms and the third after up to 100 ms more.
impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, pause: Duration::from_millis(50) }
    }
}

impl Retry {
    /// At most this many attempts, the first among them.
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// The longest pause before the second attempt. Each later one may be twice as long.
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Makes the call until it answers, and gives its last answer.
    ///
    /// # Errors
    ///
    /// The call's own; `unavailable` after the last attempt for which there was time.
    pub fn run<T, E: Unavailable>(self, call: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        self.run_on(&ByHost, call)
    }

    /// For a first attempt that is begun now and answered later, as by a deferred call.
    pub fn begin(self) -> Begun {
        Begun { retry: self, at: Instant::now() }
    }

    fn run_on<T, E: Unavailable>(self, clock: &impl Clock, mut call: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let begun = clock.now();
        let first = call();
        self.go_on(clock, begun, first, call)
    }

    fn go_on<T, E: Unavailable>(
        self,
        clock: &impl Clock,
        mut begun: Instant,
        mut answer: Result<T, E>,
        mut call: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for attempt in 1..self.attempts {
            if !answer.as_ref().is_err_and(Unavailable::is_unavailable) {
                break;
            }
            let took = clock.now().saturating_duration_since(begun);
            let longest = self.pause.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
            // Somewhere in its second half.
            let pause = longest / 2 + longest.mul_f64(clock.chance() / 2.0);
            if clock.remaining() <= took.saturating_add(pause) {
                break;
            }
            clock.sleep(pause);
            begun = clock.now();
            answer = call();
        }
        answer
    }
}

/// A first attempt under way.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    retry: Retry,
    at: Instant,
}

impl Begun {
    /// Takes the first answer, and asks again as [`Retry::run`] does if it is `unavailable`.
    ///
    /// # Errors
    ///
    /// As [`Retry::run`].
    pub fn or_again<T, E: Unavailable>(self, first: Result<T, E>, call: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        self.retry.go_on(&ByHost, self.at, first, call)
    }
}

/// [`Retry::run`] with three attempts.
///
/// # Errors
///
/// As [`Retry::run`].
pub fn retry<T, E: Unavailable>(call: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    Retry::default().run(call)
}

trait Clock {
    fn now(&self) -> Instant;
    fn remaining(&self) -> Duration;
    fn sleep(&self, time: Duration);
    /// Between 0 and 1.
    fn chance(&self) -> f64;
}

struct ByHost;

impl Clock for ByHost {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn remaining(&self) -> Duration {
        context::remaining()
    }

    #[expect(clippy::disallowed_methods, reason = "in a component it is the host that waits, and blocks nobody")]
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn chance(&self) -> f64 {
        f64::from(RandomState::new().hash_one(0_u8) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Error {
        Unavailable,
        Denied,
    }

    impl Unavailable for Error {
        fn is_unavailable(&self) -> bool {
            *self == Error::Unavailable
        }
    }

    /// A clock that only sleeping and the calls themselves move.
    struct Hands {
        began: Instant,
        passed: Cell<Duration>,
        deadline: Duration,
        pauses: RefCell<Vec<u128>>,
    }

    impl Hands {
        fn until(deadline_ms: u64) -> Self {
            let deadline = Duration::from_millis(deadline_ms);
            Self { began: Instant::now(), passed: Cell::default(), deadline, pauses: RefCell::default() }
        }

        fn pass(&self, time: Duration) {
            self.passed.set(self.passed.get() + time);
        }
    }

    impl Clock for Hands {
        fn now(&self) -> Instant {
            self.began + self.passed.get()
        }

        fn remaining(&self) -> Duration {
            self.deadline.saturating_sub(self.passed.get())
        }

        fn sleep(&self, time: Duration) {
            self.pauses.borrow_mut().push(time.as_millis());
            self.pass(time);
        }

        fn chance(&self) -> f64 {
            1.0
        }
    }

    /// Answers `unavailable` so often, taking so long each time.
    fn call<'a>(clock: &'a Hands, failing: u32, ms: u64) -> impl FnMut() -> Result<u32, Error> + 'a {
        let mut made = 0;
        move || {
            made += 1;
            clock.pass(Duration::from_millis(ms));
            if made <= failing { Err(Error::Unavailable) } else { Ok(made) }
        }
    }

    #[test]
    fn it_asks_again_after_pauses_that_double() {
        let clock = Hands::until(10_000);
        assert_eq!(Retry::default().attempts(4).run_on(&clock, call(&clock, 3, 10)), Ok(4));
        assert_eq!(*clock.pauses.borrow(), [50, 100, 200]);
        assert_eq!(Retry::default().run_on(&clock, call(&clock, 3, 10)), Err(Error::Unavailable), "after three");
    }

    #[test]
    fn what_took_longer_than_what_is_left_is_not_asked_again() {
        let clock = Hands::until(1_000);
        assert_eq!(Retry::default().run_on(&clock, call(&clock, 1, 900)), Err(Error::Unavailable));
        assert!(clock.pauses.borrow().is_empty());
        let clock = Hands::until(1_000);
        assert_eq!(Retry::default().run_on(&clock, call(&clock, 1, 400)), Ok(2));
    }

    #[test]
    fn every_other_answer_is_an_answer() {
        let clock = Hands::until(10_000);
        let mut made = 0;
        let denied = Retry::default().run_on(&clock, || {
            made += 1;
            Err::<(), _>(Error::Denied)
        });
        assert_eq!((denied, made), (Err(Error::Denied), 1));
        assert_eq!(Retry::default().attempts(0).run_on(&clock, call(&clock, 9, 0)), Err(Error::Unavailable), "once");
    }

    #[test]
    fn a_first_answer_that_came_later_counts_from_where_it_was_begun() {
        let clock = Hands::until(1_000);
        let begun = clock.now();
        clock.pass(Duration::from_millis(600));
        let answer = Retry::default().go_on(&clock, begun, Err(Error::Unavailable), call(&clock, 0, 1));
        assert_eq!(answer, Err(Error::Unavailable), "it took 600 ms, and 400 are left");
    }
}
