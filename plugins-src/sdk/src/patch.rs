//! Changing what was named, and leaving the rest as it is.

/// A field that a change may set. A change is an `Option`, and `None` is no change.
///
/// A field that may be missing is changed by an `Option` too, so a change cannot clear it; where that is to be
/// possible, let an empty text stand for none, and check the fields with [`Fields`](crate::Fields) afterwards.
pub trait Patch<Change> {
    /// Takes the new value over, if there is one.
    fn patch(&mut self, change: Change);
}

impl<T> Patch<Option<T>> for T {
    fn patch(&mut self, change: Option<T>) {
        if let Some(new) = change {
            *self = new;
        }
    }
}

impl<T> Patch<Option<T>> for Option<T> {
    fn patch(&mut self, change: Option<T>) {
        if change.is_some() {
            *self = change;
        }
    }
}

/// Changes these fields of a record to what the fields of the same names hold in a record of changes.
///
/// ```
/// # struct Note { text: String, colour: Option<String> }
/// # struct Changes { text: Option<String>, colour: Option<String> }
/// # let mut note = Note { text: "Water the plants".to_owned(), colour: Some("red".to_owned()) };
/// let changes = Changes { text: Some("Water the flowers".to_owned()), colour: None };
/// tenon_plugin::patch!(note from changes: text, colour);
/// # assert_eq!((note.text.as_str(), note.colour.as_deref()), ("Water the flowers", Some("red")));
/// ```
#[macro_export]
macro_rules! patch {
    ($record:ident from $changes:ident: $($field:ident),+ $(,)?) => {
        $($crate::patch::Patch::patch(&mut $record.$field, $changes.$field);)+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_named_stays() {
        struct Deal {
            title: String,
            notes: Option<String>,
            stage: u8,
        }
        struct Changes {
            title: Option<String>,
            notes: Option<String>,
            stage: Option<u8>,
        }
        let mut deal = Deal { title: "old".to_owned(), notes: Some("kept".to_owned()), stage: 1 };
        let changes = Changes { title: Some("new".to_owned()), notes: None, stage: None };
        patch!(deal from changes: title, notes, stage);
        assert_eq!((deal.title.as_str(), deal.notes.as_deref(), deal.stage), ("new", Some("kept"), 1));

        let changes = Changes { title: None, notes: Some("other".to_owned()), stage: Some(2) };
        patch!(deal from changes: title, notes, stage);
        assert_eq!((deal.title.as_str(), deal.notes.as_deref(), deal.stage), ("new", Some("other"), 2));
    }
}
