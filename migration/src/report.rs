/// What a roll-out did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The migrations that went up, or down, in the order in which they did.
    pub migrations: Vec<String>,
    /// The objects that were applied.
    pub objects: Vec<String>,
    /// The objects that were dropped.
    pub dropped: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, step: Self) {
        self.migrations.extend(step.migrations);
        self.objects.extend(step.objects);
        self.dropped.extend(step.dropped);
    }
}
