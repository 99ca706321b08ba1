//! What a viewer sees: the whole server in front of the stand-in, with a clock that the test moves.

mod changes;
mod cold;
mod day;
mod deletion;
mod faults;
mod limits;
mod promise;
mod restart;
mod rows;
mod storm;
mod write_back;
