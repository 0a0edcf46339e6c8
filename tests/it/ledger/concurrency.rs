//! Many transfers at once.
