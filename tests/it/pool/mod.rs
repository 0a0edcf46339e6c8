//! X3: the pool: its gate, its monitor, and the size that it finds by itself.

mod simulation;
