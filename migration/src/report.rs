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
    /// A line for each thing that was done; `done` is what was done with the migrations: applied, or taken back.
    #[must_use]
    pub fn lines(&self, done: &str) -> Vec<String> {
        if *self == Self::default() {
            return vec!["nothing to do".to_owned()];
        }
        let migrations = self.migrations.iter().map(|name| format!("{done}: {name}"));
        let dropped = self.dropped.iter().map(|name| format!("dropped: {name}"));
        let objects = self.objects.iter().map(|name| format!("applied: {name}"));
        migrations.chain(dropped).chain(objects).collect()
    }

    pub(crate) fn add(&mut self, step: Self) {
        self.migrations.extend(step.migrations);
        self.objects.extend(step.objects);
        self.dropped.extend(step.dropped);
    }
}
