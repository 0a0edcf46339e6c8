use clap::ValueEnum;
use neobank_domain::AccountId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use serde::Serialize;
use uuid::Uuid;

/// The distribution of the accounts that money moves between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Two random accounts.
    Random,
    /// From a random account to one that receives every transfer.
    Hot,
    /// Two accounts by Zipf's law with exponent 1: the second is chosen half as often as the first,
    /// and so on.
    Zipf,
}

impl std::fmt::Display for Choice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Random => "random",
            Self::Hot => "hot",
            Self::Zipf => "zipf",
        })
    }
}

/// A chooser of accounts; the same seed chooses the same accounts.
pub(crate) struct Chooser {
    choice: Choice,
    accounts: u32,
    zipf: Option<Zipf<f64>>,
    random: StdRng,
}

impl Chooser {
    pub(crate) fn new(choice: Choice, accounts: u32, seed: u64) -> Self {
        Self {
            choice,
            accounts,
            // Cannot fail: there are at least two accounts and the exponent is 1.
            zipf: Zipf::new(f64::from(accounts), 1.0).ok(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Returns the numbers of two different accounts.
    pub(crate) fn pair(&mut self) -> (u32, u32) {
        match self.choice {
            Choice::Hot => (self.random.random_range(1..self.accounts), 0),
            Choice::Random | Choice::Zipf => {
                let (first, second) = (self.one(), self.one());
                if first == second {
                    (first, (second + 1) % self.accounts)
                } else {
                    (first, second)
                }
            }
        }
    }

    pub(crate) fn one(&mut self) -> u32 {
        match (self.choice, &self.zipf) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to the number of accounts"
            )]
            (Choice::Zipf, Some(zipf)) => zipf.sample(&mut self.random) as u32 - 1,
            _ => self.random.random_range(0..self.accounts),
        }
    }

    /// Returns `true` in the given percentage of calls.
    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        percent > 0 && self.random.random_range(0..100) < percent
    }
}

/// Returns the identifier of an account by its number; the stored function computes the same.
pub(crate) fn account(number: u32) -> AccountId {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number)).into()
}
