//! The verification of the chain.

use neobank_db::{DatabaseError, Executor, FromRow, Statement};
use neobank_entity::banking::seals::Column;
use neobank_entity::functions::banking::{VerifyCoverage, VerifySeals};
use sea_query::{Expr, ExprTrait};
use serde::Serialize;
use uuid::Uuid;

use super::Head;
use super::seal::{head, heads, read_head};
use crate::audit::Violation;

/// The most findings that [`verify`] returns; it ends after the range of seals with that many.
pub const FINDINGS_MAX: usize = 1_000;

/// The number of seals of one statement: at most 100,000 records, some seconds.
const SEALS: i64 = 10;

/// One difference between the chain and what it seals.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
#[non_exhaustive]
pub struct ChainFinding {
    /// The name of the invariant.
    pub check_name: String,
    /// The kind of the record, `transfer` or `hold event`; `None` for a seal.
    pub record_kind: Option<String>,
    /// The identifier of the record; `None` for a seal.
    pub record_id: Option<Uuid>,
    /// The position in the sealed order; `None` for a record that is in no seal.
    pub record_position: Option<i64>,
    /// The number of the seal; `None` for a record that is in no seal.
    pub seal_number: Option<i64>,
    /// What was found, as a text for people.
    pub detail: String,
}

/// The result of [`verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The end of the chain at the beginning of the verification.
    pub head: Option<Head>,
    /// The findings in the sealed order, and behind them records that are in no seal; none means
    /// that every sealed record is as it was sealed.
    pub findings: Vec<ChainFinding>,
    /// True when the verification ended early because of [`FINDINGS_MAX`].
    pub has_more: bool,
}

impl From<ChainFinding> for Violation {
    fn from(finding: ChainFinding) -> Self {
        let subject = match (finding.record_kind, finding.record_id) {
            (Some(kind), Some(id)) => match finding.record_position {
                Some(position) => format!("{kind} {id} at position {position}"),
                None => format!("{kind} {id}"),
            },
            (None, Some(id)) => format!("record {id}"),
            _ => format!("seal {}", finding.seal_number.unwrap_or_default()),
        };
        Self::new(finding.check_name, subject, finding.detail)
    }
}

/// Verifies the whole chain, that no record is missing in it, and that it contains heads which were
/// kept elsewhere.
///
/// It reads every record once, in ranges of at most 100,000, so that its memory does not grow with
/// the journal.
///
/// # Errors
///
/// [`DatabaseError`] when the database fails.
pub async fn verify(on: &impl Executor, kept: &[Head]) -> Result<Verification, DatabaseError> {
    let end = head(on).await?;
    let mut findings = Vec::new();
    for head in kept {
        findings.extend(compare(on, head).await?);
    }
    let last_seal = end.as_ref().map_or(0, |end| end.seal_number);
    let mut first_seal = 1;
    while first_seal <= last_seal && findings.len() < FINDINGS_MAX {
        let range = VerifySeals {
            first_seal,
            last_seal: Ord::min(last_seal, first_seal.saturating_add(SEALS - 1)),
        };
        let found: Vec<ChainFinding> = on.fetch_many(range.statement()).await?;
        findings.extend(found);
        first_seal = first_seal.saturating_add(SEALS);
    }
    if findings.len() < FINDINGS_MAX {
        let found: Vec<ChainFinding> = on.fetch_many(VerifyCoverage {}.statement()).await?;
        findings.extend(found);
    }
    let has_more = findings.len() >= FINDINGS_MAX;
    findings.truncate(FINDINGS_MAX);
    Ok(Verification {
        head: end,
        findings,
        has_more,
    })
}

/// Returns a finding if the chain does not contain the head.
async fn compare(on: &impl Executor, kept: &Head) -> Result<Option<ChainFinding>, DatabaseError> {
    let mut query = heads();
    query.and_where(Expr::col(Column::SealNumber).eq(kept.seal_number));
    let found = read_head(on, Statement::from_query(&query)).await?;
    let detail = match found {
        Some(found) if found == *kept => return Ok(None),
        Some(found) => format!(
            "the kept head is {} at position {}; the seal has {} at position {}",
            kept.head, kept.position, found.head, found.position
        ),
        None => format!(
            "the kept head is {} at position {}; the seal is missing",
            kept.head, kept.position
        ),
    };
    Ok(Some(ChainFinding {
        check_name: "kept head is in the chain".to_owned(),
        record_kind: None,
        record_id: None,
        record_position: Some(kept.position),
        seal_number: Some(kept.seal_number),
        detail,
    }))
}
