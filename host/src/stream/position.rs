//! Where a stream is, as its client keeps it: the `id` of a message.

use crate::db::StreamPosition;

/// The text is no secret and no promise: clients give it back as it is.
pub(super) fn written(position: StreamPosition) -> String {
    format!("{}-{}", position.event, position.notification)
}

/// None for what this host has never written.
pub(super) fn read(text: &str) -> Option<StreamPosition> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| is_number)
    };
    let (event, notification) = text.split_once('-')?;
    Some(StreamPosition { event: number(event)?, notification: number(notification)? })
}

/// Whether either of the two is further on.
pub(super) fn is_ahead(a: StreamPosition, b: StreamPosition) -> bool {
    a.event > b.event || a.notification > b.notification
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        let position = StreamPosition { event: 12, notification: 0 };
        assert_eq!(read(&written(position)), Some(position));
        for text in ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1- 2", "a-b", "9223372036854775808-1", "--1"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
