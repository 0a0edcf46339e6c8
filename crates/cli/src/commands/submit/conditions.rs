//! The conditions of a group or of a journal entry.

use neobank_domain::AccountId;
use neobank_domain::ledger::{Comparison, Condition, GroupRequest, Measure};

use super::fields::{Fields, LineError};

/// A condition whose account is not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineCondition {
    /// The account by identifier or number.
    pub(super) account: String,
    /// The place of the step after which the condition must hold, from 0.
    step: usize,
    measure: Measure,
}

/// The comparisons, as a line names them.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("eq", Comparison::Equal),
    ("lt", Comparison::Below),
    ("le", Comparison::AtMost),
    ("gt", Comparison::Above),
    ("ge", Comparison::AtLeast),
];

/// Reads the conditions of a line with this number of steps, in the order of the steps.
pub(super) fn read(fields: &mut Fields, steps: usize) -> Result<Vec<LineCondition>, LineError> {
    let list = fields.optional_list("conditions", |mut fields| {
        let condition = LineCondition {
            account: fields.text("account")?,
            step: fields
                .optional_step("step", steps)?
                .unwrap_or(steps.saturating_sub(1)),
            measure: measure(&mut fields)?,
        };
        fields.finish()?;
        Ok(condition)
    })?;
    let mut conditions = list.unwrap_or_default();
    conditions.sort_by_key(|condition| condition.step);
    Ok(conditions)
}

/// Returns the group with these conditions, each behind its step.
pub(super) fn apply(
    mut group: GroupRequest,
    conditions: Vec<(LineCondition, AccountId)>,
) -> GroupRequest {
    let mut conditions = conditions.into_iter().peekable();
    let steps = std::mem::take(&mut group.steps);
    for (place, step) in steps.into_iter().enumerate() {
        group = group.with_step(step);
        while let Some((condition, account)) =
            conditions.next_if(|(condition, _)| condition.step == place)
        {
            group = group.with_condition(Condition::new(account, condition.measure));
        }
    }
    group
}

fn measure(fields: &mut Fields) -> Result<Measure, LineError> {
    let names = COMPARISONS.map(|(name, _)| name);
    let mut found = Vec::new();
    for (field, measure) in [
        ("balance", Measure::Balance as fn(_, _) -> _),
        ("available", Measure::Available),
    ] {
        let choice = fields.optional_choice(field, &names)?;
        let comparison = choice.and_then(|(place, amount)| {
            let (_, comparison) = COMPARISONS.get(place)?;
            Some(measure(*comparison, amount))
        });
        found.extend(comparison);
    }
    found.extend(fields.optional_version("version")?.map(Measure::Version));
    match found.as_slice() {
        [one] => Ok(*one),
        _ => {
            let message = "a condition has one of balance, available and version";
            Err(LineError::file(message.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use neobank_domain::PostingRequest;
    use serde_json::{Value, json};

    use super::*;

    fn parsed(conditions: Value) -> Result<Vec<LineCondition>, LineError> {
        let line = json!({ "conditions": conditions });
        let mut fields = Fields::new(line.as_object().unwrap().clone());
        read(&mut fields, 3)
    }

    #[test]
    fn every_comparison_is_read_and_put_behind_its_step() {
        let ten = || "10 CZK".parse().unwrap();
        let account = AccountId::new();
        let read = parsed(json!([
            {"account": "A", "version": 7},
            {"account": "A", "step": 1, "balance": {"eq": "10 CZK"}},
            {"account": "A", "step": 0, "balance": {"lt": "10 CZK"}},
            {"account": "A", "step": 1, "available": {"le": "10 CZK"}},
            {"account": "A", "step": 2, "available": {"gt": {"amount": "10.00", "currency": "CZK"}}},
            {"account": "A", "available": {"ge": "10 CZK"}, "balance": null},
        ]));
        let read = read.unwrap().into_iter().map(|one| (one, account));
        let step = || PostingRequest::deposit(account, ten());
        let group = (0..3).fold(GroupRequest::new(), |group, _| group.with_step(step()));
        let expected = GroupRequest::new()
            .with_step(step())
            .with_condition(Condition::balance(account, Comparison::Below, ten()))
            .with_step(step())
            .with_condition(Condition::balance(account, Comparison::Equal, ten()))
            .with_condition(Condition::available(account, Comparison::AtMost, ten()))
            .with_step(step())
            .with_condition(Condition::version(account, 7))
            .with_condition(Condition::available(account, Comparison::Above, ten()))
            .with_condition(Condition::available(account, Comparison::AtLeast, ten()));
        assert_eq!(apply(group, read.collect()), expected);
    }

    #[test]
    fn errors_name_the_condition_and_its_field() {
        for (condition, message) in [
            (json!({}), "conditions[0], account: missing field `account`"),
            (
                json!({"account": "A"}),
                "conditions[0]: a condition has one of",
            ),
            (
                json!({"account": "A", "version": 1, "balance": {"eq": "1 CZK"}}),
                "conditions[0]: a condition has one of",
            ),
            (
                json!({"account": "A", "balance": {"ne": "1 CZK"}}),
                "conditions[0], balance: not an object with one of eq, lt, le, gt, ge",
            ),
            (
                json!({"account": "A", "balance": {"ge": "1 CZK", "le": "2 CZK"}}),
                "conditions[0], balance: not an object with one of",
            ),
            (
                json!({"account": "A", "available": "1 CZK"}),
                "conditions[0], available: not an",
            ),
            (
                json!({"account": "A", "available": {"ge": "1.005 CZK"}}),
                "conditions[0], available: ge: 1.005 has more decimals",
            ),
            (
                json!({"account": "A", "available": {"ge": null}}),
                "conditions[0], available: ge: ",
            ),
            (
                json!({"account": "A", "version": 1.5}),
                "conditions[0], version: not the number",
            ),
            (
                json!({"account": "A", "version": 1, "step": 3}),
                "conditions[0], step: not one of 3 steps, from 0: 3",
            ),
            (
                json!({"account": "A", "version": 1, "step": -1}),
                "conditions[0], step: not one of",
            ),
            (
                json!({"account": "A", "version": 1, "stepp": 1}),
                "conditions[0]: this kind has no field `stepp`",
            ),
            (json!("A"), "conditions[0]: not an object"),
        ] {
            let error = parsed(json!([condition])).unwrap_err();
            assert_eq!(error.field, Some("conditions"));
            assert!(error.message.starts_with(message), "{}", error.message);
        }
    }
}
