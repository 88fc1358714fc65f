//! Many names in a sentence: the first few, and how many there are.

use std::fmt::Display;

/// How many are named.
pub const FEW: usize = 5;

/// As `acme, beta`, or `a, b, c, d, e and 95 more (100 in all)`.
pub fn few<T: Display>(names: &[T]) -> String {
    let first = names.iter().take(FEW).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(FEW) {
        None | Some(0) => first,
        Some(more) => format!("{first} and {more} more ({} in all)", names.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_named_and_the_rest_are_counted() {
        let names: Vec<String> = (1..=7).map(|number| format!("t{number}")).collect();
        assert_eq!(few(&names[..2]), "t1, t2");
        assert_eq!(few(&names[..5]), "t1, t2, t3, t4, t5");
        assert_eq!(few(&names), "t1, t2, t3, t4, t5 and 2 more (7 in all)");
    }
}
