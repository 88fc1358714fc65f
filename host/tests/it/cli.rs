//! The command line.

mod completions;
mod data;
mod doctor;
mod errors;
mod explain;
mod generate;
mod help;
mod output;
mod refuse;
mod settings;
mod shells;
mod status;
mod stop;
mod terminal;
