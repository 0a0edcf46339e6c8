//! Pseudo-random numbers that are the same in every run: splitmix64.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// Returns two different elements.
    pub(crate) fn pair<T: Copy>(&mut self, of: &[T]) -> (T, T) {
        let count = of.len() as u64;
        let first = self.below(count);
        let second = (first + 1 + self.below(count - 1)) % count;
        (of[first as usize], of[second as usize])
    }
}
