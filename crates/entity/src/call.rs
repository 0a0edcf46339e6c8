//! Calls of the schema's functions with named arguments.

use sea_query::Value;

use crate::Statement;

/// A call in the making: the function, and the arguments that have a value.
pub(crate) struct Call {
    function: &'static str,
    names: Vec<&'static str>,
    values: Vec<Value>,
}

impl Call {
    pub(crate) const fn new(function: &'static str) -> Self {
        Self {
            function,
            names: Vec::new(),
            values: Vec::new(),
        }
    }

    pub(crate) fn argument(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.names.push(name);
        self.values.push(value.into());
        self
    }

    pub(crate) fn optional(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.argument(name, value),
            None => self,
        }
    }

    /// Returns the SQL of the call. The names come from the catalogue of the schema and need no
    /// quotes.
    pub(crate) fn statement(self) -> Statement {
        let arguments: Vec<String> = self
            .names
            .iter()
            .zip(1..)
            .map(|(name, place)| format!("{name} => ${place}"))
            .collect();
        let sql = format!("SELECT * FROM {}({})", self.function, arguments.join(", "));
        Statement::new(sql, self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_named_and_defaults_are_left_out() {
        let statement = Call::new("banking.close_day")
            .argument("p_day", 1_i32)
            .optional("p_limit", None::<i32>)
            .optional("p_note", Some("x"))
            .statement();
        assert_eq!(
            statement.sql,
            "SELECT * FROM banking.close_day(p_day => $1, p_note => $2)"
        );
        assert_eq!(statement.values.unwrap().0.len(), 2);
    }
}
