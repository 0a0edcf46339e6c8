//! The form of a threshold: a whole number with a unit in its name, a default and a range.

use std::ops::RangeInclusive;

use crate::error::OpsError;

/// One threshold with its value.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) group: &'static str,
    pub(super) field: &'static str,
    #[cfg_attr(
        not(feature = "thresholds-file"),
        allow(dead_code, reason = "a comment in the file")
    )]
    pub(super) meaning: &'static str,
    pub(super) value: u64,
    pub(super) range: RangeInclusive<u64>,
}

impl Bound {
    pub(super) fn check(&self) -> Result<(), OpsError> {
        if self.range.contains(&self.value) {
            return Ok(());
        }
        Err(OpsError::invalid(
            self.name(),
            &self.value,
            format!(
                "a whole number between {} and {}",
                self.range.start(),
                self.range.end()
            ),
        ))
    }

    /// Checks that a warning does not lie beyond its critical twin, which is the higher one, or the
    /// lower one of a share that should be high.
    pub(super) fn check_twin(&self, all: &[Self]) -> Result<(), OpsError> {
        let critical = self.field.replace("_warning_", "_critical_");
        let twin = all.iter().find(|other| {
            other.group == self.group && other.field == critical && other.field != self.field
        });
        let Some(twin) = twin else { return Ok(()) };
        let is_to_be_high = self.field.starts_with("hit_");
        let (is_wrong, direction) = if is_to_be_high {
            (self.value < twin.value, "at least")
        } else {
            (self.value > twin.value, "at most")
        };
        if is_wrong {
            let expected = format!("{direction} {}, which is {}", twin.name(), twin.value);
            return Err(OpsError::invalid(self.name(), &self.value, expected));
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("{}.{}", self.group, self.field)
    }
}

/// Defines the type of a group: `field: default, in range, "meaning";`. The meaning is the field's
/// documentation, and its comment in a file.
macro_rules! thresholds {
    ($(#[$group_meta:meta])* $type:ident, $group:literal { $($field:ident: $default:literal, in $range:expr, $meaning:literal;)+ }) => {
        $(#[$group_meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $type {
            $(
                #[doc = $meaning]
                #[doc = concat!("\n\nDefault: ", $default, "; range: `", stringify!($range), "`.")]
                pub $field: u64,
            )+
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $type {
            pub(super) fn bounds(&self) -> Vec<$crate::checks::thresholds::group::Bound> {
                vec![$($crate::checks::thresholds::group::Bound {
                    group: $group,
                    field: stringify!($field),
                    meaning: $meaning,
                    value: self.$field,
                    range: $range,
                }),+]
            }
        }
    };
}

pub(super) use thresholds;
