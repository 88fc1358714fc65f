use super::*;

const SETTLE: Duration = Duration::from_millis(50);

struct Watched {
    names: Names,
    now: Instant,
}

impl Watched {
    fn new(names_max: usize) -> Self {
        Self { names: Names { settle: SETTLE, names_max, by_file: HashMap::new() }, now: Instant::now() }
    }

    fn hear(&mut self, name: &str, news: &[News]) {
        for news in news {
            self.names.note(&Path::new("/plugins").join(name), *news, self.now);
        }
    }

    /// What a look is told when this much time has passed.
    fn after(&mut self, pause: Duration) -> Vec<String> {
        self.now += pause;
        let mut whole: Vec<String> = self.names.take(self.now).whole.into_iter().collect();
        whole.sort();
        whole
    }
}

#[test]
fn a_file_is_whole_when_it_was_closed_or_moved_here_and_left_alone_since() {
    use News::{Arrived, Closed, Linked, Opened, Touched, Written};
    let ways: [&[News]; 4] =
        [&[Linked, Opened, Written, Written, Closed], &[Arrived], &[Linked], &[Opened, Written, Closed, Touched]];
    for way in ways {
        let mut watched = Watched::new(10);
        watched.hear("a.wasm", way);
        assert_eq!(watched.after(SETTLE / 2), [""; 0], "{way:?}");
        assert_eq!(watched.names.due(), Some(watched.now + SETTLE / 2));
        assert_eq!(watched.after(SETTLE / 2), ["a.wasm"], "{way:?}");
        assert_eq!(watched.after(SETTLE), [""; 0], "it is told once");
        assert_eq!(watched.names.due(), None);
    }
}

#[test]
fn a_file_that_is_written_is_open_until_it_is_closed() {
    use News::{Arrived, Closed, Gone, Linked, Opened, Written};
    let mut watched = Watched::new(10);
    watched.hear("a.wasm", &[Linked, Opened, Written, Closed, Opened, Written]);
    assert_eq!(watched.after(SETTLE * 100), [""; 0]);
    assert!(watched.names.take(watched.now).open.contains("a.wasm"));
    watched.hear("a.wasm", &[Closed]);
    assert_eq!(watched.after(SETTLE), ["a.wasm"]);
    // Moved here by someone who goes on writing to it; and then away.
    watched.hear("b.wasm", &[Arrived, Written]);
    assert!(watched.names.take(watched.now + SETTLE).open.contains("b.wasm"));
    watched.hear("b.wasm", &[Gone]);
    assert!(watched.names.by_file.is_empty());
}

#[test]
fn a_name_that_someone_opens_at_once_is_no_whole_file_and_one_that_is_only_read_says_nothing() {
    use News::{Closed, Gone, Linked, Opened};
    let mut watched = Watched::new(10);
    watched.hear("a.wasm", &[Linked, Opened, Opened]);
    watched.hear("b.wasm", &[Opened, Opened]);
    for _ in 0..3 {
        let hints = watched.names.take(watched.now + SETTLE);
        assert!(hints.made.contains("a.wasm") && hints.whole.is_empty() && hints.open.is_empty(), "{hints:?}");
    }
    watched.hear("a.wasm", &[Closed]);
    assert_eq!(watched.after(SETTLE), ["a.wasm"]);
    watched.hear("a.wasm", &[Linked, Opened, Gone]);
    assert!(watched.names.by_file.is_empty());
}

#[test]
fn a_component_and_its_manifest_are_whole_together() {
    use News::{Closed, Written};
    let mut watched = Watched::new(10);
    watched.hear("a.wasm", &[Written, Closed]);
    watched.hear("a.plugin.json", &[Written]);
    assert_eq!(watched.after(SETTLE), [""; 0]);
    watched.hear("a.plugin.json", &[Closed]);
    assert_eq!(watched.after(SETTLE / 2), [""; 0]);
    assert_eq!(watched.after(SETTLE / 2), ["a.wasm"]);
    watched.hear(".a.wasm", &[Closed]);
    watched.hear("notes.txt", &[Closed]);
    assert!(watched.names.by_file.is_empty());
}

#[test]
fn of_more_names_than_there_may_be_files_nothing_is_kept() {
    let mut watched = Watched::new(3);
    for number in 0..1000 {
        watched.hear(&format!("{number}.wasm"), &[News::Written]);
    }
    assert_eq!(watched.names.by_file.len(), 3);
}

#[tokio::test]
async fn what_cannot_be_watched_is_no_error_and_a_directory_is_followed_as_soon_as_it_is_there() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("plugins");
    let notices = Notices::new(SETTLE, 10);
    notices.follow(&directory).await;
    assert!(locked(&notices.following).watch.is_none());
    // Twice another directory under the same name, each of which is heard.
    for number in 0..2 {
        std::fs::create_dir(&directory).unwrap();
        notices.follow(&directory).await;
        assert_eq!(locked(&notices.following).complaint, None);
        std::fs::write(directory.join("a.wasm"), b"x").unwrap();
        tokio::time::timeout(Duration::from_secs(60), notices.due(Instant::now())).await.expect("it is told");
        assert!(notices.take().whole.contains("a.wasm"));
        std::fs::rename(&directory, scratch.path().join(number.to_string())).unwrap();
    }
}
