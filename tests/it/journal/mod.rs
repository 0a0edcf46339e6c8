//! The journal in the database: who may do what.
