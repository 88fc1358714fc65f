//! Hands values to everybody who takes any: to another plugin, now and deferred, to the host's SQL, to the host's HTTP
//! and to its source of random bytes. What comes of it is told in words where it is a value.

#![cfg(target_family = "wasm")]

use std::arch::wasm32;

use exports::hostile::values::values::{Error, Guest};
use hostile::sink::sink::{self, Named};
use hostile::sink::sink_deferred::{CallHostCall, GiveTextCall, KeepTextCall};
use tenon::host::sql::{self, Value};
use wasip2::http::types::{Fields, Method, OutgoingRequest, OutgoingResponse};

wit_bindgen::generate!({
    inline: "
        package hostile:values@1.0.0;

        interface values {
            variant error {
                denied(string),
                unavailable(string),
            }

            forward-text: func(bytes: u64) -> result<u64, error>;
            forward-bytes: func(count: u64) -> result<u64, error>;
            forward-numbers: func(count: u64) -> result<u64, error>;
            forward-nested: func(count: u64) -> result<u64, error>;
            fetch-text: func(bytes: u64) -> result<u64, error>;
            fetch-named: func(count: u64) -> result<u64, error>;
            call-host-through: func(times: u64) -> result<u64, error>;
            hold-pollables-through: func(count: u64) -> result<u64, error>;
            defer-answers: func(bytes: u64, calls: u32) -> result<u64, error>;
            defer-arguments: func(bytes: u64, calls: u32) -> result<u64, error>;
            defer-and-keep: func(calls: u64) -> result<u64, error>;
            sql-text: func(bytes: u64) -> result<string, error>;
            sql-blob: func(bytes: u64) -> result<string, error>;
            sql-nulls: func(count: u64) -> result<string, error>;
            sql-echo: func(bytes: u64, times: u32) -> result<string, error>;
            http-methods: func(bytes: u64, count: u32) -> result<u64, error>;
            http-fields: func(bytes: u64, count: u32) -> result<u64, error>;
            http-bodies: func(bytes: u64, count: u32) -> result<u64, error>;
            random: func(bytes: u64) -> result<u64, error>;
        }

        world plugin {
            import tenon:host/sql@1.0.0;
            import hostile:sink/sink@1.0.0;
            import hostile:sink/sink-deferred@1.0.0;
            export values;
        }
    ",
    path: ["../../../../wit/tenon-host", "../../../../wit/wasi-io", "../../wit/hostile-sink"],
    generate_all,
});

tenon_plugin::embed! { manifest: "../plugin.json" }

const PAGE: usize = 64 << 10;

struct Values;

impl Guest for Values {
    fn forward_text(bytes: u64) -> Result<u64, Error> {
        Ok(sink::take_text(untouched_text(bytes))?)
    }

    fn forward_bytes(count: u64) -> Result<u64, Error> {
        Ok(sink::take_bytes(untouched(count))?)
    }

    fn forward_numbers(count: u64) -> Result<u64, Error> {
        let bytes = untouched(count * 4);
        Ok(sink::take_numbers(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), count as usize) })?)
    }

    fn forward_nested(count: u64) -> Result<u64, Error> {
        let nested = (0..count).map(|_| vec![Some(Named { a: 0 }), None]).collect::<Vec<_>>();
        Ok(sink::take_nested(&nested)?)
    }

    fn fetch_text(bytes: u64) -> Result<u64, Error> {
        Ok(sink::give_untouched_text(bytes)?.len() as u64)
    }

    fn fetch_named(count: u64) -> Result<u64, Error> {
        Ok(sink::give_named(count)?.len() as u64)
    }

    fn call_host_through(times: u64) -> Result<u64, Error> {
        Ok(sink::call_host(times)?)
    }

    fn hold_pollables_through(count: u64) -> Result<u64, Error> {
        Ok(sink::hold_pollables(count)?)
    }

    fn defer_answers(bytes: u64, calls: u32) -> Result<u64, Error> {
        let calls: Vec<_> = (0..calls).map(|_| GiveTextCall::start(bytes)).collect();
        // Not one is fetched before all are there.
        for call in &calls {
            call.subscribe().block();
        }
        let answers = calls.iter().map(|call| call.get().map(drop));
        count(answers.collect())
    }

    fn defer_arguments(bytes: u64, calls: u32) -> Result<u64, Error> {
        let text = untouched_text(bytes);
        let calls: Vec<_> = (0..calls).map(|_| KeepTextCall::start(text, 300)).collect();
        let answers = calls.iter().map(|call| call.get().map(drop));
        count(answers.collect())
    }

    fn defer_and_keep(calls: u64) -> Result<u64, Error> {
        let calls: Vec<_> = (0..calls).map(|_| CallHostCall::start(0)).collect();
        Ok(calls.len() as u64)
    }

    fn sql_text(bytes: u64) -> Result<String, Error> {
        let text =
            unsafe { String::from_raw_parts(untouched(bytes).as_ptr().cast_mut(), bytes as usize, bytes as usize) };
        told(sql::query("SELECT length($1)", &[Value::Text(text)]))
    }

    fn sql_blob(bytes: u64) -> Result<String, Error> {
        let blob = unsafe { Vec::from_raw_parts(untouched(bytes).as_ptr().cast_mut(), bytes as usize, bytes as usize) };
        told(sql::query("SELECT length($1)", &[Value::Blob(blob)]))
    }

    fn sql_nulls(count: u64) -> Result<String, Error> {
        // A value that is all zeros is null.
        let bytes = untouched(count * size_of::<Value>() as u64);
        let nulls = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<Value>(), count as usize) };
        told(sql::query("SELECT 1", nulls))
    }

    fn sql_echo(bytes: u64, times: u32) -> Result<String, Error> {
        let columns: Vec<String> = (0..times).map(|number| format!("$1 AS c{number}")).collect();
        let statement = format!("SELECT {}", columns.join(", "));
        told(sql::query(&statement, &[Value::Text("x".repeat(bytes as usize))]))
    }

    fn http_methods(bytes: u64, count: u32) -> Result<u64, Error> {
        let name = "M".repeat(bytes as usize);
        let mut kept = Vec::new();
        let mut accepted = 0;
        for _ in 0..count {
            let request = OutgoingRequest::new(Fields::new());
            accepted += u64::from(request.set_method(&Method::Other(name.clone())).is_ok());
            accepted += u64::from(request.set_authority(Some(&name)).is_ok());
            kept.push(request);
        }
        Ok(accepted)
    }

    fn http_fields(bytes: u64, count: u32) -> Result<u64, Error> {
        let value = vec![b'x'; bytes as usize];
        let mut kept = Vec::new();
        let mut accepted = 0;
        for _ in 0..count {
            let fields = Fields::new();
            accepted += u64::from(fields.append("x", &value).is_ok());
            kept.push(fields);
        }
        Ok(accepted)
    }

    fn http_bodies(bytes: u64, count: u32) -> Result<u64, Error> {
        let content = vec![b'x'; bytes as usize];
        let mut kept = Vec::new();
        let mut written = 0;
        for _ in 0..count {
            let response = OutgoingResponse::new(Fields::new());
            let Ok(body) = response.body() else { continue };
            let Ok(stream) = body.write() else { continue };
            let room = stream.check_write().unwrap_or(0).min(bytes);
            if stream.write(&content[..room as usize]).is_ok() {
                written += room;
            }
            kept.push((stream, body, response));
        }
        Ok(written)
    }

    fn random(bytes: u64) -> Result<u64, Error> {
        Ok(wasip2::random::random::get_random_bytes(bytes).len() as u64)
    }
}

/// How many of the calls were answered, or what one was told that was not, when it is all that came.
fn count(answers: Vec<Result<(), sink::Error>>) -> Result<u64, Error> {
    let answered = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    match answers.into_iter().find_map(Result::err) {
        Some(error) if answered == 0 => Err(error.into()),
        _ => Ok(answered),
    }
}

/// Fresh memory that nobody has written to, so that it is there without having cost anything. What is made of it must
/// never be freed: the allocator does not know it.
fn untouched(bytes: u64) -> &'static [u8] {
    let page = wasm32::memory_grow(0, (bytes as usize).div_ceil(PAGE));
    assert!(page != usize::MAX, "there is no more memory");
    unsafe { std::slice::from_raw_parts((page * PAGE) as *const u8, bytes as usize) }
}

fn untouched_text(bytes: u64) -> &'static str {
    unsafe { std::str::from_utf8_unchecked(untouched(bytes)) }
}

fn told(outcome: Result<sql::RowSet, sql::Error>) -> Result<String, Error> {
    let told = match outcome {
        Ok(found) => format!("{} columns", found.columns.len()),
        Err(sql::Error::Quota(limit)) => format!("quota: {limit}"),
        Err(sql::Error::Invalid(why)) => format!("invalid: {why}"),
        Err(other) => format!("{other:?}"),
    };
    Ok(told)
}

impl From<sink::Error> for Error {
    fn from(error: sink::Error) -> Self {
        match error {
            sink::Error::Denied(why) => Self::Denied(why),
            sink::Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

export!(Values);
