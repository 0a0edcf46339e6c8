//! The settings of the server, its databases and its roles that endanger the data.

use std::time::Duration;

use neobank_db::{FromRow, HOSTILE_SETTINGS, Harm, Statement, hostile_setting};
use neobank_entity::pg_catalog::{PgDatabase, PgDbRoleSetting, PgRoles, PgSettings};
use sea_query::extension::postgres::PgFunc;
use sea_query::{
    CaseStatement, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, TableRef,
    UnionType,
};
use serde::Serialize;

use super::verdict::HealthCheck;
use crate::checks::Severity;
use crate::monitor::build;
use crate::sql::{always, concatenated, current_database, number, text};

/// The greatest number of listed settings.
const SETTINGS_MAX: u64 = 100;

/// A shorter limit than this on a transaction aborts ordinary work.
const SHORTEST_TRANSACTION: Duration = Duration::from_secs(30);

/// A setting in force for the whole server, or a default of a role or of this database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
#[non_exhaustive]
pub struct SettingFacts {
    /// The setting's name.
    pub name: String,
    /// The setting's value, as it was written.
    pub value: String,
    /// The place of the setting: a source of `pg_settings`, or the command that set it.
    pub source: String,
}

/// Returns the SQL for the settings that can endanger the data.
#[must_use]
pub fn statement() -> Statement {
    build(
        in_force()
            .union(UnionType::All, defaults())
            .order_by("name", Order::Asc)
            .order_by("source", Order::Asc)
            .order_by("value", Order::Asc)
            .limit(SETTINGS_MAX),
    )
}

/// Selects the names of such settings.
fn can_do_harm(name: Expr) -> Expr {
    name.eq(PgFunc::any(Expr::val(
        HOSTILE_SETTINGS.map(str::to_owned).to_vec(),
    )))
}

/// Selects the settings in force for the whole server. The monitor's own role and database have
/// their defaults in the other list, whichever role runs the query.
fn in_force() -> SelectStatement {
    let setting = |column: PgSettings| column.of("setting");
    let own = [
        "client",
        "session",
        "interactive",
        "user",
        "database",
        "database user",
        "global",
    ];
    Query::select()
        .expr_as(setting(PgSettings::Name), "name")
        .expr_as(setting(PgSettings::Setting), "value")
        .expr_as(setting(PgSettings::Source), "source")
        .from_as(PgSettings::TABLE, "setting")
        .and_where(can_do_harm(setting(PgSettings::Name)))
        .and_where(setting(PgSettings::Source).is_not_in(own.map(text)))
        .take()
}

/// Selects the defaults of roles and of this database.
fn defaults() -> SelectStatement {
    // One text for each default: `name=value`.
    let item = || Expr::col(("item", "item"));
    let items = Func::cust("pg_catalog.unnest").arg(PgDbRoleSetting::Setconfig.of("defaults"));
    let name = || {
        Expr::from(
            Func::cust("pg_catalog.lower").arg(
                Func::cust("pg_catalog.split_part")
                    .arg(item())
                    .arg(text("="))
                    .arg(number(1)),
            ),
        )
    };
    let value_begins =
        Expr::from(Func::cust("pg_catalog.strpos").arg(item()).arg(text("="))).add(number(1));
    Query::select()
        .expr(name())
        .expr(
            Func::cust("pg_catalog.substr")
                .arg(item())
                .arg(value_begins),
        )
        .expr(command())
        .from_as(PgDbRoleSetting::TABLE, "defaults")
        .join_as(
            JoinType::LeftJoin,
            PgRoles::TABLE,
            "role",
            PgRoles::Oid
                .of("role")
                .eq(PgDbRoleSetting::Setrole.of("defaults")),
        )
        .join_as(
            JoinType::LeftJoin,
            PgDatabase::TABLE,
            "database",
            PgDatabase::Oid
                .of("database")
                .eq(PgDbRoleSetting::Setdatabase.of("defaults")),
        )
        .join(
            JoinType::InnerJoin,
            TableRef::FunctionCall(items, "item".into()),
            always(),
        )
        .and_where(can_do_harm(name()))
        .and_where(
            PgDbRoleSetting::Setdatabase
                .of("defaults")
                .eq(number(0))
                .or(PgDatabase::Datname.of("database").eq(current_database())),
        )
        .take()
}

/// Returns the command that set a default, such as `ALTER ROLE teller IN DATABASE bank SET`.
fn command() -> Expr {
    let quoted = |name: Expr| Expr::from(Func::cust("pg_catalog.quote_ident").arg(name));
    let role = || PgRoles::Rolname.of("role");
    let database = || PgDatabase::Datname.of("database");
    let of_database: CaseStatement =
        Expr::case(role().is_null(), text("ALTER DATABASE ")).finally(text("IN DATABASE "));
    let of_all = Expr::case(
        role().is_null().and(database().is_null()),
        text("ALTER ROLE ALL"),
    );
    Func::cust("pg_catalog.concat_ws")
        .arg(text(" "))
        .arg(concatenated(text("ALTER ROLE "), quoted(role())))
        .arg(concatenated(of_database.into(), quoted(database())))
        .arg(of_all)
        .arg(text("SET"))
        .into()
}

/// Returns a line for each setting that endangers the data; one line where none does.
#[must_use]
pub fn check_settings(facts: &[SettingFacts]) -> Vec<HealthCheck> {
    let mut checks: Vec<HealthCheck> = facts.iter().filter_map(check).collect();
    if checks.is_empty() {
        checks.push(HealthCheck {
            check_name: "settings".to_owned(),
            status: Severity::Ok,
            verdict: None,
            current_value: format!("none of {} does harm", HOSTILE_SETTINGS.len()),
            recommendation: "Nothing to do.".to_owned(),
        });
    }
    checks.sort_by_key(|check| std::cmp::Reverse(check.status));
    checks
}

fn check(facts: &SettingFacts) -> Option<HealthCheck> {
    let (harm, consequence) = hostile_setting(&facts.name, &facts.value, SHORTEST_TRANSACTION)?;
    // Transfers set durability themselves, and a role that only reads may have this default.
    let status = match harm {
        Harm::Availability => Severity::Warning,
        Harm::Durability if facts.name == "synchronous_commit" => Severity::Warning,
        _ => Severity::Critical,
    };
    let mut letters = consequence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    Some(HealthCheck {
        check_name: format!("setting {}", facts.name),
        status,
        verdict: None,
        current_value: format!("{} ({})", facts.value, facts.source),
        recommendation: format!(
            "{}{}: set it back.",
            first.unwrap_or_default(),
            letters.as_str()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readable::readable;

    #[test]
    fn the_sql_is_as_reviewed() {
        insta::assert_snapshot!("setting_facts", readable(&statement()));
    }

    #[test]
    fn worst_setting_comes_first_and_harmless_ones_are_omitted() {
        let facts = |name: &str, value: &str| SettingFacts {
            name: name.to_owned(),
            value: value.to_owned(),
            source: "ALTER ROLE teller SET".to_owned(),
        };
        let harmless = facts("fsync", "on");
        assert_eq!(
            check_settings(std::slice::from_ref(&harmless))[0].status,
            Severity::Ok
        );
        let checks = check_settings(&[
            facts("synchronous_commit", "off"),
            harmless,
            facts("zero_damaged_pages", "on"),
        ]);
        let found: Vec<_> = checks
            .iter()
            .map(|check| (&*check.check_name, check.status))
            .collect();
        assert_eq!(
            found,
            [
                ("setting zero_damaged_pages", Severity::Critical),
                ("setting synchronous_commit", Severity::Warning)
            ]
        );
        assert_eq!(checks[1].current_value, "off (ALTER ROLE teller SET)");
    }
}
