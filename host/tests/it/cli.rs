//! The command line.

mod explain;
mod generate;
mod help;
mod refuse;
mod settings;
mod stop;
