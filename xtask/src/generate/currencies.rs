//! The rows of `banking.currencies` as a constant.

use std::fmt::Write as _;

use anyhow::ensure;
use neobank_db::{Database, Executor, Statement};
use neobank_entity::banking::currencies::{Column, Entity, Model};
use sea_query::{Expr, ExprTrait, Order};

use super::code::HEADER;
use super::output::Files;

const PATH: &str = "crates/entity/src/currencies.rs";

/// The number of currencies in a line of the generated file.
const LINE: usize = 6;

/// Generates `currencies.rs`.
pub(super) async fn generate(database: &Database, files: &mut Files) -> anyhow::Result<()> {
    let mut query = Entity::select();
    // Sorted by the bytes of the code, because the constant is searched by them.
    let code = Expr::col(Column::CurrencyCode).cast_as("bytea");
    query.order_by_expr(code, Order::Asc);
    let rows: Vec<Model> = database.fetch_many(Statement::from_query(&query)).await?;
    files.add(PATH, code_of(&rows)?);
    Ok(())
}

fn code_of(rows: &[Model]) -> anyhow::Result<String> {
    let mut code = format!(
        "{HEADER}//! The currencies that accounts can be opened in: the rows of `banking.currencies`.\n\n\
         /// The code and the decimals of each currency, in the order of the codes.\n\
         #[rustfmt::skip]\npub const CURRENCIES: &[(&str, u32)] = &[\n"
    );
    ensure!(
        rows.is_sorted_by(|left, right| left.currency_code < right.currency_code),
        "the currencies are not in the order of their codes"
    );
    for line in rows.chunks(LINE) {
        code.push_str("   ");
        for row in line {
            write!(
                code,
                " ({:?}, {}),",
                row.currency_code,
                u32::try_from(row.minor_units)?
            )?;
        }
        code.push('\n');
    }
    code.push_str("];\n");
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_out_of_order_are_rejected() {
        let row = |code: &str| Model {
            currency_code: code.to_owned(),
            minor_units: 2,
            first_open_day: None,
        };
        let code = code_of(&[row("CZK"), row("EUR")]).unwrap();
        assert!(
            code.contains("    (\"CZK\", 2), (\"EUR\", 2),\n];"),
            "{code}"
        );
        assert!(code_of(&[row("EUR"), row("CZK")]).is_err());
    }
}
