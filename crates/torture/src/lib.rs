//! The bench of faults. A load of requests runs while faults are injected; each process writes a
//! history of what it sent and what it was answered, and a checker holds the histories against the
//! books that the database has afterwards.

mod bench;
pub mod books;
pub mod checker;
pub mod history;
pub mod reader;
pub mod simulation;

pub use bench::main;
