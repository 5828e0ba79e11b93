use super::workloads::Step;
pub fn all() -> Vec<(String, usize, Vec<Step>)> { vec![] }
