//! A row version, and the interpretation of its header.

use serde::Serialize;

/// A version of a row in the table's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowVersion {
    /// Page and position: `(0,1)`.
    pub place: String,
    /// The transaction that created it.
    pub xmin: u32,
    /// The transaction that removed, replaced or locked it, or a group of them (a multixact); 0 for
    /// none.
    pub xmax: u32,
    /// The state of the transaction that created it.
    pub creator: Creator,
    /// The state of the transaction that removed or replaced it; none when the system columns do
    /// not show it.
    pub remover: Option<Remover>,
    /// The transactions that now lock it without changing it; none when the system columns do not
    /// show them.
    pub lockers: Option<Vec<Locker>>,
    /// The place of the version that replaced it.
    pub newer_version: Option<String>,
    /// `true` if the current transaction sees it: the server's own verdict.
    pub visible: bool,
}

/// The state of the transaction that created a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Creator {
    /// Committed so long ago that every transaction sees it; the number has no meaning any more.
    Frozen,
    /// The current transaction, or its work under a savepoint.
    Own,
    /// Committed. Without access to the pages, a frozen version is reported as this too.
    Committed,
    /// In progress in another session, or prepared. A version that the current transaction created
    /// and removed under released savepoints is reported as this too, because its header looks the
    /// same.
    InProgress,
    /// Rolled back: no transaction will ever see this version.
    Aborted,
    /// The server no longer has the state.
    Unknown,
}

/// The state of the transaction that removed or replaced a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remover {
    /// There is no such transaction.
    #[serde(rename = "nobody")]
    NotRemoved,
    /// The current transaction, or its work under a savepoint.
    Own,
    /// Committed: only older snapshots still see the version.
    Committed,
    /// In progress in another session, or prepared.
    InProgress,
    /// Rolled back: the version stays.
    Aborted,
    /// The server no longer has the state.
    Unknown,
}

/// A transaction in progress that locks a version without changing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Locker {
    /// The transaction.
    pub xid: u32,
    /// The strength of the lock.
    pub mode: RowLock,
}

/// The strengths of a row's lock, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum RowLock {
    /// The lock of a foreign key's check.
    #[serde(rename = "FOR KEY SHARE")]
    ForKeyShare,
    /// A lock that excludes every change.
    #[serde(rename = "FOR SHARE")]
    ForShare,
    /// The lock of an update that does not change the key.
    #[serde(rename = "FOR NO KEY UPDATE")]
    ForNoKeyUpdate,
    /// The strongest lock.
    #[serde(rename = "FOR UPDATE")]
    ForUpdate,
}

/// A version's header, with the server's states of the transactions in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) place: String,
    pub(super) xmin: u32,
    pub(super) xmin_status: Option<String>,
    /// `true` if it is one of the transaction's own numbers; those of released savepoints are
    /// unknown.
    pub(super) xmin_is_own: bool,
    /// The snapshot's verdict, which does not cover savepoints either.
    pub(super) xmin_in_snapshot: bool,
    pub(super) xmax: u32,
    /// One member for a single transaction, all of them for a group.
    pub(super) members: Vec<Member>,
    pub(super) bits: i32,
    pub(super) more_bits: i32,
    pub(super) next: String,
    pub(super) visible: bool,
}

/// A transaction in xmax.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Member {
    pub(super) xid: u32,
    /// The mode as `pg_get_multixact_members` names it; none for a single transaction, whose header
    /// bits show it.
    pub(super) mode: Option<String>,
    pub(super) status: Option<String>,
    pub(super) is_own: bool,
}

// The bits of `t_infomask` and `t_infomask2`: `src/include/access/htup_details.h` of PostgreSQL.
const XMAX_KEY_SHARE_LOCK: i32 = 0x0010;
const XMAX_EXCLUSIVE_LOCK: i32 = 0x0040;
const XMAX_LOCK_ONLY: i32 = 0x0080;
const XMIN_COMMITTED: i32 = 0x0100;
const XMIN_INVALID: i32 = 0x0200;
const XMIN_FROZEN: i32 = XMIN_COMMITTED | XMIN_INVALID;
const XMAX_COMMITTED: i32 = 0x0400;
const XMAX_INVALID: i32 = 0x0800;
const XMAX_IS_GROUP: i32 = 0x1000;
const LOCK_STRENGTH: i32 = XMAX_KEY_SHARE_LOCK | XMAX_EXCLUSIVE_LOCK;
const KEYS_UPDATED: i32 = 0x2000;

/// The `t_ctid` of a version that an update moved to another partition.
const MOVED: &str = "(4294967295,65533)";

impl Header {
    /// Interprets the header.
    pub(super) fn read(self) -> RowVersion {
        let (creator, remover) = self.told_apart(self.creator(), self.remover());
        let lockers = self.lockers();
        let was_replaced =
            remover != Remover::NotRemoved && self.next != self.place && self.next != MOVED;
        RowVersion {
            creator,
            remover: Some(remover),
            lockers: Some(lockers),
            newer_version: was_replaced.then_some(self.next),
            place: self.place,
            xmin: self.xmin,
            xmax: self.xmax,
            visible: self.visible,
        }
    }

    /// Identifies the current transaction's own work under released savepoints: such work is in
    /// progress, and its visibility excludes every other transaction.
    const fn told_apart(&self, creator: Creator, remover: Remover) -> (Creator, Remover) {
        let creator = match (creator, remover) {
            (Creator::InProgress, Remover::Own) => Creator::Own,
            (Creator::InProgress, _) if self.visible => Creator::Own,
            (other, _) => other,
        };
        let remover = match (creator, remover) {
            (Creator::Own, Remover::InProgress) => Remover::Own,
            (Creator::Frozen | Creator::Committed, Remover::InProgress)
                if !self.visible && self.xmin_in_snapshot =>
            {
                Remover::Own
            }
            (_, other) => other,
        };
        (creator, remover)
    }

    fn creator(&self) -> Creator {
        if self.bits & XMIN_FROZEN == XMIN_FROZEN {
            return Creator::Frozen;
        }
        if self.xmin_is_own {
            return Creator::Own;
        }
        if self.bits & XMIN_INVALID != 0 {
            return Creator::Aborted;
        }
        if self.bits & XMIN_COMMITTED != 0 {
            return Creator::Committed;
        }
        match self.xmin_status.as_deref() {
            Some("committed") => Creator::Committed,
            Some("in progress") => Creator::InProgress,
            Some("aborted") => Creator::Aborted,
            _ => Creator::Unknown,
        }
    }

    fn remover(&self) -> Remover {
        if self.has_rolled_back_hint() {
            return Remover::Aborted;
        }
        let Some(remover) = self.marks().find(|member| self.removes(member)) else {
            return Remover::NotRemoved;
        };
        if remover.is_own {
            return Remover::Own;
        }
        if !self.is_group() && self.bits & XMAX_COMMITTED != 0 {
            return Remover::Committed;
        }
        match remover.status.as_deref() {
            Some("committed") => Remover::Committed,
            Some("in progress") => Remover::InProgress,
            Some("aborted") => Remover::Aborted,
            _ => Remover::Unknown,
        }
    }

    fn lockers(&self) -> Vec<Locker> {
        let mut lockers: Vec<Locker> = self
            .marks()
            .filter(|member| !self.removes(member))
            .filter(|member| member.status.as_deref() == Some("in progress"))
            .filter_map(|member| {
                Some(Locker {
                    xid: member.xid,
                    mode: self.mode(member)?,
                })
            })
            .collect();
        lockers.sort_by_key(|locker| locker.xid);
        lockers
    }

    /// Returns the transactions of xmax, unless it has no meaning any more.
    fn marks(&self) -> impl Iterator<Item = &Member> {
        let mean_something = self.xmax != 0 && self.bits & XMAX_INVALID == 0;
        self.members.iter().filter(move |_| mean_something)
    }

    fn removes(&self, member: &Member) -> bool {
        match &member.mode {
            Some(mode) => mode == "upd" || mode == "nokeyupd",
            None => !self.only_locks(),
        }
    }

    fn mode(&self, member: &Member) -> Option<RowLock> {
        match member.mode.as_deref() {
            Some("keysh") => Some(RowLock::ForKeyShare),
            Some("sh") => Some(RowLock::ForShare),
            Some("fornokeyupd") => Some(RowLock::ForNoKeyUpdate),
            Some("forupd") => Some(RowLock::ForUpdate),
            Some(_) => None,
            None if self.bits & LOCK_STRENGTH == LOCK_STRENGTH => Some(RowLock::ForShare),
            None if self.bits & XMAX_KEY_SHARE_LOCK != 0 => Some(RowLock::ForKeyShare),
            None if self.more_bits & KEYS_UPDATED != 0 => Some(RowLock::ForUpdate),
            None => Some(RowLock::ForNoKeyUpdate),
        }
    }

    /// Before PostgreSQL 9.3 there was no bit for it; such versions may still exist in a table.
    const fn only_locks(&self) -> bool {
        self.bits & XMAX_LOCK_ONLY != 0
            || self.bits & (XMAX_IS_GROUP | LOCK_STRENGTH) == XMAX_EXCLUSIVE_LOCK
    }

    /// The first reader that found the removal rolled back left a hint bit, and the number beside
    /// it.
    const fn has_rolled_back_hint(&self) -> bool {
        self.bits & XMAX_INVALID != 0 && self.xmax != 0 && !self.only_locks() && !self.is_group()
    }

    const fn is_group(&self) -> bool {
        self.bits & XMAX_IS_GROUP != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(bits: i32, xmax: u32, status: &str) -> Header {
        Header {
            bits,
            xmax,
            xmin: 700,
            place: "(0,1)".to_owned(),
            next: "(0,1)".to_owned(),
            members: vec![Member {
                xid: xmax,
                status: Some(status.to_owned()),
                ..Member::default()
            }],
            ..Header::default()
        }
    }

    #[test]
    fn locked_version_is_not_removed() {
        let locked = header(
            XMIN_COMMITTED | XMAX_LOCK_ONLY | XMAX_EXCLUSIVE_LOCK,
            701,
            "in progress",
        )
        .read();
        assert_eq!(locked.remover, Some(Remover::NotRemoved));
        let expected = Locker {
            xid: 701,
            mode: RowLock::ForNoKeyUpdate,
        };
        assert_eq!(locked.lockers, Some(vec![expected]));
        // The header as versions before 9.3 wrote it.
        let old = header(XMIN_COMMITTED | XMAX_EXCLUSIVE_LOCK, 701, "committed").read();
        assert_eq!(old.remover, Some(Remover::NotRemoved));
        assert_eq!(old.lockers, Some(Vec::new()));
    }

    #[test]
    fn hint_bits_take_precedence_over_the_status() {
        for (bits, creator) in [
            (XMIN_FROZEN, Creator::Frozen),
            (XMIN_COMMITTED, Creator::Committed),
            (XMIN_INVALID, Creator::Aborted),
            (0, Creator::Unknown),
        ] {
            assert_eq!(header(bits, 0, "").read().creator, creator);
        }
        let removed = header(XMIN_COMMITTED | XMAX_COMMITTED, 701, "").read();
        assert_eq!(removed.remover, Some(Remover::Committed));
        let rolled_back = header(XMIN_COMMITTED | XMAX_INVALID, 701, "").read();
        assert_eq!(rolled_back.remover, Some(Remover::Aborted));
        let over = header(XMIN_COMMITTED | XMAX_INVALID | XMAX_LOCK_ONLY, 701, "").read();
        assert_eq!(over.remover, Some(Remover::NotRemoved));
    }

    proptest! {
        /// Any header can be read; an xmax without meaning neither removes nor locks.
        #[test]
        fn any_header_is_interpreted(bits: i32, more_bits: i32, xmax: u32, status in "in progress|committed|aborted|") {
            let mut any = header(bits, xmax, &status);
            any.more_bits = more_bits;
            let version = any.read();
            if bits & XMAX_INVALID != 0 || xmax == 0 {
                prop_assert!(matches!(version.remover, Some(Remover::NotRemoved | Remover::Aborted)));
                prop_assert_eq!(&version.lockers, &Some(Vec::new()));
            }
            // A single transaction removes or locks, never both.
            let removes = version.remover != Some(Remover::NotRemoved);
            prop_assert!(!(removes && version.lockers.is_some_and(|lockers| !lockers.is_empty())));
        }
    }
}
