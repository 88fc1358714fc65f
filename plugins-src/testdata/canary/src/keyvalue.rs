//! Keys and values, and what is logged: both tenants use the same names.

use tenon_plugin::keyvalue::{self, Bucket, Error};
use tenon_plugin::log;

use crate::run::Run;

type Outcome = Result<(), String>;

fn bucket(run: &mut Run) -> Result<Bucket, String> {
    keyvalue::open(&format!("bucket-{}", run.below(3))).map_err(|error| error.to_string())
}

fn key(run: &mut Run) -> String {
    format!("key-{}", run.below(40))
}

pub fn set(run: &mut Run) -> Outcome {
    let (bucket, key, value) = (bucket(run)?, key(run), run.value());
    match bucket.set(&key, &value) {
        Ok(()) => look(run, bucket.text(&key)),
        Err(error) => failed(run, &error),
    }
}

pub fn get(run: &mut Run) -> Outcome {
    let (bucket, key) = (bucket(run)?, key(run));
    look(run, bucket.text(&key))
}

pub fn swap(run: &mut Run) -> Outcome {
    let (bucket, key, value) = (bucket(run)?, key(run), run.value());
    let mut seen = None;
    let swapped = bucket.update(&key, |old| {
        seen = old;
        value.clone().into_bytes()
    });
    match swapped {
        Ok(_) => look(run, Ok(seen.map(|seen| String::from_utf8_lossy(&seen).into_owned()))),
        Err(error) => failed(run, &error),
    }
}

pub fn delete(run: &mut Run) -> Outcome {
    let (bucket, key) = (bucket(run)?, key(run));
    bucket.delete(&key).or_else(|error| failed(run, &error))
}

/// A key of the tenant's own is there for it alone.
pub fn list(run: &mut Run) -> Outcome {
    let bucket = keyvalue::open("names").map_err(|error| error.to_string())?;
    let number = run.below(40);
    let name = format!("{}-x{number}", run.own());
    if let Err(error) = bucket.set(&name, "") {
        return failed(run, &error);
    }
    for key in bucket.keys() {
        match key {
            Ok(key) => run.look_own(&key)?,
            Err(error) => return failed(run, &error),
        }
    }
    Ok(())
}

pub fn exists(run: &mut Run) -> Outcome {
    let (bucket, key) = (bucket(run)?, key(run));
    match bucket.exists(&key) {
        Ok(_) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

/// One tenant counts up and the other down: so a number tells whose it is.
pub fn increment(run: &mut Run) -> Outcome {
    let bucket = bucket(run)?;
    let step = if run.own().ends_with('a') { 1 } else { -1 };
    let number = run.below(5);
    match bucket.increment(&format!("number-{number}"), step) {
        Ok(sum) if sum.signum() == step => Ok(()),
        Ok(sum) => Err(format!("the sum is {sum}, counted by {step}")),
        Err(error) => failed(run, &error),
    }
}

/// Several keys at once, some of them gone again.
pub fn many(run: &mut Run) -> Outcome {
    let bucket = keyvalue::open("many").map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for _ in 0..3 {
        entries.push((key(run), run.value().into_bytes()));
    }
    let keys: Vec<String> = entries.iter().map(|(key, _)| key.clone()).collect();
    if let Err(error) = bucket.set_many(&entries) {
        return failed(run, &error);
    }
    match bucket.get_many(&keys) {
        Ok(found) => found.iter().flatten().try_for_each(|value| run.look_own(&String::from_utf8_lossy(value)))?,
        Err(error) => return failed(run, &error),
    }
    bucket.delete_many(&keys[..1]).or_else(|error| failed(run, &error))
}

pub fn log(run: &mut Run) -> Outcome {
    log::info(format_args!("logged by {}", run.value()));
    Ok(())
}

fn look(run: &mut Run, found: keyvalue::Result<Option<String>>) -> Outcome {
    match found {
        Ok(Some(value)) => run.look_own(&value),
        Ok(None) => Ok(()),
        Err(error) => failed(run, &error),
    }
}

fn failed(run: &mut Run, error: &Error) -> Outcome {
    let passing = match error {
        Error::Busy | Error::Quota(_) => true,
        Error::Other(text) => text.starts_with("timeout"),
        _ => false,
    };
    run.look_error(error, passing)
}
