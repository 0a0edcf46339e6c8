//! Frames and keys, without a terminal and without a server.
