//! Where the issuer's keys come from, and the set that holds now.
//!
//! A set that cannot be read changes nothing: what was read before goes on, and the log says so. Bound: one fetch at a
//! time, each `auth.jwt.jwks_refresh_s`, and for tokens with unknown keys one each `auth.jwt.jwks_unknown_key_s`.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::fetch::Fetch;
use super::jwks::{self, Jwks};
use crate::access::AccessError;
use crate::config::{JwtAlgorithm, JwtConfig};

/// Between two attempts while there is no set at all.
const RETRY: Duration = Duration::from_secs(5);

pub(super) struct Source {
    place: Place,
    algorithm: JwtAlgorithm,
    /// Entries of the set that are looked at.
    entries: usize,
    set: RwLock<Option<Arc<Jwks>>>,
    /// Held while the set is read.
    reading: Mutex<Reading>,
    /// Between two looks because of a token's key.
    unknown_key: Duration,
}

enum Place {
    File { path: PathBuf, most: usize },
    Address(Box<Fetch>),
}

#[derive(Default)]
struct Reading {
    /// What was read last, to see whether it is another now.
    text: Vec<u8>,
    /// When a token's key made somebody look the last time.
    looked_for_key: Option<Instant>,
    failed: bool,
}

impl Source {
    /// Reads the set for the first time and begins to follow it.
    ///
    /// # Errors
    ///
    /// When the certificates for its address cannot be used.
    pub(super) async fn open(config: &JwtConfig) -> Result<Arc<Self>, AccessError> {
        let most = config.jwks_bytes;
        let (place, every) = match config.url() {
            Some(url) => {
                let fetch = Fetch::new(url, &config.ca_file, config.timeout(), most);
                (Place::Address(Box::new(fetch.map_err(AccessError::Certificates)?)), config.refresh())
            }
            None => (Place::File { path: PathBuf::from(&config.jwks), most }, config.file_look()),
        };
        // A file is looked at that often anyway.
        let unknown_key = if config.url().is_some() { config.unknown_key() } else { config.file_look() };
        let source = Arc::new(Self {
            place,
            algorithm: config.algorithm,
            entries: config.jwks_keys,
            set: RwLock::default(),
            reading: Mutex::default(),
            unknown_key,
        });
        source.read(&mut *source.reading.lock().await).await;
        tokio::spawn(follow(Arc::downgrade(&source), every));
        Ok(source)
    }

    /// The set that holds now; none when none could be read since the start.
    pub(super) fn keys(&self) -> Option<Arc<Jwks>> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of the set that holds now.
    pub(super) fn generation(&self) -> u64 {
        self.set.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |set| set.generation())
    }

    /// The set after another look at its place, unless somebody looked a short while ago.
    pub(super) async fn looked_again(&self) -> Option<Arc<Jwks>> {
        let mut reading = self.reading.lock().await;
        let lately = reading.looked_for_key.is_some_and(|then| then.elapsed() < self.unknown_key);
        if !lately {
            reading.looked_for_key = Some(Instant::now());
            self.read(&mut reading).await;
        }
        self.keys()
    }

    async fn read(&self, reading: &mut Reading) {
        let read = match &self.place {
            Place::File { path, most } => read_file(path.clone(), *most).await,
            Place::Address(fetch) => fetch.get().await,
        };
        let taken = read.and_then(|text| {
            if text != reading.text {
                self.take(&text)?;
                reading.text = text;
            }
            Ok(())
        });
        if let Err(error) = &taken
            && !reading.failed
        {
            tracing::warn!(error, kept = self.keys().is_some(), "the issuer's keys (auth.jwt.jwks) cannot be read");
        }
        reading.failed = taken.is_err();
    }

    fn take(&self, text: &[u8]) -> Result<(), String> {
        let keys = jwks::parse(text, self.algorithm, self.entries)?;
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        if set.as_ref().is_none_or(|set| set.keys() != keys) {
            tracing::info!(keys = keys.len(), "the issuer's keys were read");
            let generation = set.as_ref().map_or(0, |set| set.generation()) + 1;
            *set = Some(Arc::new(Jwks::new(keys, generation)));
        }
        Ok(())
    }
}

async fn follow(source: Weak<Source>, every: Duration) {
    loop {
        let failed = source.upgrade().is_some_and(|source| source.keys().is_none());
        sleep(if failed { every.min(RETRY) } else { every }).await;
        let Some(source) = source.upgrade() else { return };
        source.read(&mut *source.reading.lock().await).await;
    }
}

async fn read_file(path: PathBuf, most: usize) -> Result<Vec<u8>, String> {
    use std::io::Read;

    let read = move || {
        let file = std::fs::File::open(&path)?;
        let mut text = Vec::new();
        file.take(most as u64 + 1).read_to_end(&mut text)?;
        match text.len() > most {
            true => Err(std::io::Error::other("it is longer than auth.jwt.jwks_bytes")),
            false => Ok(text),
        }
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
