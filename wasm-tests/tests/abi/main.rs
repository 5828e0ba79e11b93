//! The guest ABIs as hosts use them, rightly and wrongly, and the examples that have them.

mod checked;
mod examples;
mod initial;
mod limits;
mod messages;
mod plugin;
mod right;
mod rubbish;
mod snapshot;
mod stats;
