//! How many more attempts a target may get than there were requests for it.

use std::sync::{Mutex, PoisonError};

/// So many are free at the beginning: a target with little traffic could never retry otherwise.
const START: f64 = 10.0;
/// No more are saved up: an hour of peace must not buy a storm.
const MOST: f64 = 100.0;

/// Each first attempt pays a share in, each additional one takes one out.
pub struct Budget(Mutex<f64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(START))
    }
}

impl Budget {
    /// A first attempt.
    pub fn pay_in(&self, percent: u32) {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *balance = (*balance + f64::from(percent) / 100.0).min(MOST);
    }

    /// Would there be an additional one now? Takes none.
    pub fn has_any(&self, percent: u32) -> bool {
        percent > 0 && *self.0.lock().unwrap_or_else(PoisonError::into_inner) >= 1.0
    }

    /// One that was taken and came to nothing.
    pub fn give_back(&self) {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *balance = (*balance + 1.0).min(MOST);
    }

    /// May there be an additional one? Takes it.
    pub fn take(&self, percent: u32) -> bool {
        let mut balance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_allowed = percent > 0 && *balance >= 1.0;
        if is_allowed {
            *balance -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additional_attempts_are_a_share_of_the_first_ones() {
        let budget = Budget::default();
        let mut taken = 0;
        for _ in 0..1000 {
            budget.pay_in(20);
            taken += u32::from(budget.take(20));
        }
        assert!((200..=210).contains(&taken), "{taken} of 1000 at 20 %");
        assert!(!Budget::default().take(0), "0 turns them off");
    }

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let budget = Budget::default();
        let takes = || std::iter::repeat_with(|| budget.take(20)).take_while(|taken| *taken).count();
        assert_eq!(takes(), START as usize);
        assert!(!budget.has_any(20));
        budget.give_back();
        assert!(budget.has_any(20) && !budget.has_any(0));
        assert_eq!(takes(), 1);
    }

    #[test]
    fn peace_buys_no_storm() {
        let budget = Budget::default();
        (0..100_000).for_each(|_| budget.pay_in(20));
        let burst = std::iter::repeat_with(|| budget.take(20)).take_while(|taken| *taken).count();
        assert_eq!(burst, MOST as usize);
    }
}
