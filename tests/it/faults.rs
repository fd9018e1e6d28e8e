//! Faults of the network, of the CRM, of this machine and of whoever uses it,
//! one by one through the compiled program. `docs/faults.md` has all of them
//! and says which test holds each; the names begin with their numbers there.

mod connection;
mod disk;
mod runs;
mod servers;
mod streams;
