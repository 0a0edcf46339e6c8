/// The result of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The applied or reverted migrations, in that order.
    pub migrations: Vec<String>,
    /// The applied objects.
    pub objects: Vec<String>,
    /// The dropped objects.
    pub dropped: Vec<String>,
}

impl Report {
    /// Returns a line for each change; `done` says what was done with the migrations: applied, or
    /// reverted.
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
