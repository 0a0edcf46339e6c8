//! Balances now and at a time, and the trial balance.

mod model;
mod page;
mod plan;
mod trial;
mod value_date;
