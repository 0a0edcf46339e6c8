//! Bloat: what of a file holds nothing, apart from what dead rows hold.
//!
//! [`tables`] and [`indexes`] estimate from statistics, with a margin and their doubts; [`exact`] measures one table on demand. A
//! ratio of dead rows is no bloat: after a vacuum it is 0, however empty the file is.

pub mod exact;
pub mod indexes;
pub mod tables;
