//! Bloat: space in a file that is free, beside the space of dead rows.
//!
//! [`tables`] and [`indexes`] estimate it from statistics, each with a margin and a list of doubts;
//! [`exact`] measures one table on demand. The ratio of dead rows is a different figure: it is 0
//! after a vacuum, however empty the file is.

pub mod exact;
pub mod indexes;
pub mod tables;
