use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use super::Soak;

impl fmt::Display for Soak {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "median of",
            "in",
            "first third",
            "last third",
            "last to first",
            "limit",
            "",
        ]);
        for trend in &self.trends {
            let ratio = trend.last / trend.first;
            table.add_row([
                trend.name.to_owned(),
                trend.unit.to_owned(),
                format!("{:.2}", trend.first),
                format!("{:.2}", trend.last),
                if ratio.is_finite() {
                    format!("{ratio:.2}")
                } else {
                    String::new()
                },
                trend
                    .limit
                    .map_or_else(|| "may change".to_owned(), |limit| format!("{limit:.2}")),
                match (trend.limit, trend.grows) {
                    (None, _) => "",
                    (Some(_), false) => "does not grow",
                    (Some(_), true) => "GROWS",
                }
                .to_owned(),
            ]);
        }
        for column in table.column_iter_mut().skip(2).take(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(
            formatter,
            "PostgreSQL {}, group commit, {} callers, {} {} accounts, {:.0} seconds, {} samples",
            self.postgres,
            self.callers,
            self.accounts,
            self.choice,
            self.seconds,
            self.samples.len()
        )?;
        writeln!(formatter, "{table}")?;
        if self.grows {
            let growing = self.trends.iter().filter(|trend| trend.grows);
            let names: Vec<&str> = growing.map(|trend| trend.name).collect();
            writeln!(
                formatter,
                "grows by more than {} %: {}",
                self.tolerance,
                names.join("; ")
            )?;
        } else {
            writeln!(formatter, "nothing grows by more than {} %", self.tolerance)?;
        }
        match (self.entries, &self.unsound) {
            (Some(entries), None) => write!(
                formatter,
                "every invariant holds: {entries} entries were checked"
            ),
            (_, reason) => write!(
                formatter,
                "THE AUDIT DID NOT PASS: {}",
                reason.as_deref().unwrap_or("it did not run")
            ),
        }
    }
}
