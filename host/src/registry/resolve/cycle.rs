//! Cycles of required links.

use std::collections::VecDeque;

/// The shortest way from `start` back to itself, with it at both ends; none where no way leads
/// back. `requires[n]` are the nodes that `n` links to.
pub(super) fn back_to(start: usize, requires: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; requires.len()];
    let mut next = VecDeque::from([start]);
    while let Some(node) = next.pop_front() {
        for &target in &requires[node] {
            if came_from[target].is_some() {
                continue;
            }
            came_from[target] = Some(node);
            if target == start {
                return Some(walk_back(start, &came_from));
            }
            next.push_back(target);
        }
    }
    None
}

fn walk_back(start: usize, came_from: &[Option<usize>]) -> Vec<usize> {
    let mut way = vec![start];
    let mut node = start;
    while let Some(previous) = came_from[node] {
        way.push(previous);
        if previous == start {
            break;
        }
        node = previous;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_back_is_named() {
        let requires = [vec![1], vec![2, 3], vec![3], vec![0], vec![0], vec![]];
        assert_eq!(back_to(0, &requires), Some(vec![0, 1, 3, 0]));
        assert_eq!(back_to(2, &requires), Some(vec![2, 3, 0, 1, 2]));
        assert_eq!(back_to(4, &requires), None);
        assert_eq!(back_to(5, &requires), None);
    }
}
