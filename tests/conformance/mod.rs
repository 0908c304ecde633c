//! One suite for each port. Every adapter passes the suite of its port.

pub mod queue;
pub mod state;
pub mod storage;
