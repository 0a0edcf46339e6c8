//! The conditions of a group.

use neobank_domain::AccountId;
use neobank_domain::ledger::{Comparison, Condition, Measure};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::members::{AmountBody, Object};
use super::super::operations::only;
use crate::problem::Problem;

/// A condition on an account, which has one of `balance`, `available` and `version`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCondition)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionBody {
    #[schema(value_type = Uuid)]
    account: AccountId,
    /// The number of the step after which the condition must hold, from 0; the last one where it is
    /// left out.
    step: Option<usize>,
    /// The book balance.
    #[schema(value_type = Option<ComparisonBody>)]
    balance: Option<Object<ComparisonBody>>,
    /// The available balance: the book balance less holds plus the overdraft limit.
    #[schema(value_type = Option<ComparisonBody>)]
    available: Option<Object<ComparisonBody>>,
    /// The account's version.
    version: Option<String>,
}

/// A comparison with an amount, which has one member.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewComparison)]
#[serde(deny_unknown_fields)]
struct ComparisonBody {
    /// Equal to the amount.
    eq: Option<AmountBody>,
    /// Below the amount.
    lt: Option<AmountBody>,
    /// At most the amount.
    le: Option<AmountBody>,
    /// Above the amount.
    gt: Option<AmountBody>,
    /// At least the amount.
    ge: Option<AmountBody>,
}

/// Reads the conditions of a group with this number of steps, in the order of their steps.
pub(super) fn read(
    conditions: Vec<Object<ConditionBody>>,
    steps: usize,
) -> Result<Vec<(usize, Condition)>, Problem> {
    let read = |(index, Object(condition)): (usize, Object<ConditionBody>)| {
        let read = condition.read(steps);
        read.map_err(|problem| problem.within(&format!("conditions[{index}]")))
    };
    let read = conditions.into_iter().enumerate().map(read);
    let mut read = read.collect::<Result<Vec<_>, _>>()?;
    read.sort_by_key(|(step, _)| *step);
    Ok(read)
}

impl ConditionBody {
    fn read(self, steps: usize) -> Result<(usize, Condition), Problem> {
        let last = steps.saturating_sub(1);
        let step = self.step.unwrap_or(last);
        if step > last {
            let detail = format!("There is no step {step}; the last one is {last}.");
            return Err(Problem::invalid("step", detail));
        }
        let balance = self.balance.map(|Object(comparison)| {
            let (comparison, amount) = comparison.read("balance")?;
            Ok(Measure::Balance(comparison, amount))
        });
        let available = self.available.map(|Object(comparison)| {
            let (comparison, amount) = comparison.read("available")?;
            Ok(Measure::Available(comparison, amount))
        });
        let version = self.version.map(|version| {
            let wrong = || Problem::invalid("version", "A version is a text such as \"7\".");
            version.parse().map(Measure::Version).map_err(|_| wrong())
        });
        let measures = [balance, available, version];
        let measure = only(measures, "balance, available and version")??;
        Ok((step, Condition::new(self.account, measure)))
    }
}

impl ComparisonBody {
    fn read(self, member: &'static str) -> Result<(Comparison, neobank_domain::Money), Problem> {
        let comparisons = [
            (self.eq, "eq", Comparison::Equal),
            (self.lt, "lt", Comparison::Below),
            (self.le, "le", Comparison::AtMost),
            (self.gt, "gt", Comparison::Above),
            (self.ge, "ge", Comparison::AtLeast),
        ];
        let comparisons = comparisons.map(|(amount, name, comparison)| {
            amount.map(|amount| Ok((comparison, amount.read_as(name)?)))
        });
        let read = only(comparisons, "eq, lt, le, gt and ge");
        read.flatten()
            .map_err(|problem: Problem| problem.within(member))
    }
}
