//! Bloat: what of a file holds nothing, apart from what dead rows hold.
//!
//! [`tables`] estimates from statistics, with a margin and its doubts; [`exact`] measures one table on demand; a ratio of dead rows is
//! no bloat: after a vacuum it is 0, however empty the file is.

pub mod exact;
pub mod tables;
