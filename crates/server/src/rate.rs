//! Limits on the rate of requests: a token bucket for each key, and for each address.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

/// A limit on a rate. Each key or address has a bucket of `burst` tokens, of which a request takes
/// one, and which gets `per_second` tokens back each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The tokens that come back in a second: the rate that is possible for any time.
    pub per_second: NonZeroU32,
    /// The most tokens of a bucket: the requests that are possible at once.
    pub burst: NonZeroU32,
}

impl RateLimit {
    /// Returns a limit; at least one request in a second, and one at once.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN),
            burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// The time in which an empty bucket is full again.
    fn refill_time(self) -> Duration {
        let seconds = self.burst.get().div_ceil(self.per_second.get());
        Duration::from_secs(seconds.into())
    }
}

/// The most buckets. A further caller takes the place of the bucket that was unused for longest, whose
/// caller then begins with a full one.
const BUCKETS_MAX: u64 = 20_000;

/// The buckets of all callers.
pub(crate) struct Buckets<K> {
    limit: Option<RateLimit>,
    buckets: Cache<K, Arc<DefaultDirectRateLimiter>>,
}

impl<K> fmt::Debug for Buckets<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Buckets({:?})", self.limit)
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Buckets<K> {
    /// Returns buckets with a limit; without one, every request is taken.
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        let idle = limit.map(RateLimit::refill_time).unwrap_or_default();
        let buckets = Cache::builder()
            .max_capacity(BUCKETS_MAX)
            // By then the bucket is full, as a new one is.
            .time_to_idle(idle + Duration::from_secs(1))
            .build();
        Self { limit, buckets }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// The time after which the bucket has a token.
    pub(crate) fn take<Q>(&self, owner: &Q) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.take_more(owner, NonZeroU32::MIN)
    }

    /// Takes several tokens or none of them. More than a full bucket has are a full bucket.
    ///
    /// # Errors
    ///
    /// The time after which the bucket has them.
    pub(crate) fn take_more<Q>(&self, owner: &Q, tokens: NonZeroU32) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        let new = || Arc::new(RateLimiter::direct(quota));
        let bucket = self.buckets.get_with_by_ref(owner, new);
        match bucket.check_n(tokens.min(limit.burst)) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(DefaultClock::default().now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// The time in which one token comes back.
    pub(crate) fn pause(&self) -> Duration {
        let pause = |limit: RateLimit| Duration::from_secs(1) / limit.per_second.get();
        self.limit.map(pause).unwrap_or_default()
    }

    /// The most tokens of a bucket.
    pub(crate) fn burst(&self) -> Option<NonZeroU32> {
        self.limit.map(|limit| limit.burst)
    }
}

/// Returns the address whose bucket a caller shares: one subscriber of a network has 64 bits of IPv6
/// for itself. Callers at a Unix socket share one.
pub(crate) fn subscriber(peer: Option<IpAddr>) -> IpAddr {
    match peer {
        Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.into(),
            None => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Ipv6Addr::from_bits(network).into()
            }
        },
        Some(address) => address,
        None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(per_second: u32, burst: u32) -> Buckets<String> {
        Buckets::new(Some(RateLimit::new(per_second, burst)))
    }

    #[test]
    fn bucket_gives_its_burst_and_then_its_rate_to_each_owner() {
        let buckets = buckets(20, 3);
        for _ in 0..3 {
            assert!(buckets.take("one").is_ok());
        }
        let wait = buckets.take("one").unwrap_err();
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
        assert!(buckets.take("other").is_ok());
        std::thread::sleep(wait);
        assert!(buckets.take("one").is_ok());
        assert!(buckets.take("one").is_err());
    }

    #[test]
    fn several_tokens_are_taken_together_and_at_most_a_full_bucket() {
        let buckets = buckets(1, 5);
        let several = |count| NonZeroU32::new(count).unwrap();
        assert!(buckets.take_more("one", several(3)).is_ok());
        assert!(buckets.take_more("one", several(3)).is_err());
        assert!(buckets.take_more("one", several(2)).is_ok());
        assert!(buckets.take_more("other", several(1_000)).is_ok());
        assert!(buckets.take("other").is_err());
    }

    #[test]
    fn number_of_buckets_is_bounded_and_without_a_limit_none_is_made() {
        let limited = buckets(1, 1);
        for owner in 0..BUCKETS_MAX + 5_000 {
            let _ = limited.take(owner.to_string().as_str());
        }
        limited.buckets.run_pending_tasks();
        assert!(limited.buckets.entry_count() <= BUCKETS_MAX);
        let unlimited = Buckets::<String>::new(None);
        for _ in 0..1_000 {
            assert!(unlimited.take("one").is_ok());
        }
        unlimited.buckets.run_pending_tasks();
        assert_eq!(unlimited.buckets.entry_count(), 0);
    }

    #[test]
    fn addresses_of_one_subscriber_share_a_bucket() {
        let of = |text: &str| subscriber(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
