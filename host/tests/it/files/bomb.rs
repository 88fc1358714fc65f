//! Components that take minutes and gigabytes to compile.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::{loaded_become, put, refused_become, rounds, with_section};
use crate::common::{Host, Scratch, eventually};
use crate::loader::{component, greets, testdata};

/// A plugin whose functions have many variables and a branch at every step that may set one of them, so that the
/// compiler has to follow all of them through all branches.
pub struct Bomb {
    functions: usize,
    bytes_of_each: usize,
    variables: usize,
}

/// What the compiler remembers of one function it forgets before the next: this one takes time.
pub const LONG: Bomb = Bomb { functions: 128, bytes_of_each: 32 << 10, variables: 1_000 };

/// All in one function, which takes memory.
const LARGE: Bomb = Bomb { functions: 1, bytes_of_each: 1 << 20, variables: 10_000 };

pub fn bomb(id: &str, bomb: &Bomb) -> Vec<u8> {
    fn number(mut value: usize, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    fn section(id: u8, body: &[u8], bytes: &mut Vec<u8>) {
        bytes.push(id);
        number(body.len(), bytes);
        bytes.extend(body);
    }
    let variable = |instruction: u8, step: usize, prime: usize, body: &mut Vec<u8>| {
        body.push(instruction);
        number(1 + step * prime % bomb.variables, body);
    };
    // One group of local variables, all i32.
    let mut body = vec![1];
    number(bomb.variables, &mut body);
    body.push(0x7f);
    for step in 0.. {
        if body.len() >= bomb.bytes_of_each {
            break;
        }
        // if $a { $a = $b + $c }
        variable(0x20, step, 7919, &mut body);
        body.extend([0x04, 0x40]);
        variable(0x20, step, 104_729, &mut body);
        variable(0x20, step, 1_299_709, &mut body);
        body.push(0x6a);
        variable(0x21, step, 7919, &mut body);
        body.push(0x0b);
    }
    body.extend([0x20, 1, 0x0b]);
    let (mut types, mut functions) = (Vec::new(), Vec::new());
    number(bomb.functions, &mut types);
    functions.extend(&types);
    types.extend(std::iter::repeat_n(0, bomb.functions));
    for _ in 0..bomb.functions {
        number(body.len(), &mut functions);
        functions.extend(&body);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f], &mut module);
    section(3, &types, &mut module);
    section(10, &functions, &mut module);
    let mut plugin = component(&[]);
    section(1, &module, &mut plugin);
    let manifest = format!(r#"{{"id":"{id}","name":"Bomb","version":"1.0.0"}}"#);
    with_section(&plugin, "tenon:manifest", &manifest)
}

/// A process that another has started and that runs.
struct Child {
    id: u32,
    /// How far it yields to others.
    nice: i32,
    /// Processor time that it has used.
    used: Duration,
    /// The most memory that it has had in use, and the most addresses, which are what its limit counts.
    peak_mib: [u64; 2],
}

fn child(id: u32, of: u32) -> Option<Child> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which is in brackets and may hold anything: state, parent, …
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    if number(1)? != i64::from(of) || fields.first() == Some(&"Z") {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mib = |name| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?;
        value.parse::<u64>().ok().map(|kib| kib >> 10)
    };
    let hundredths = u64::try_from(number(11)? + number(12)?).ok()?;
    Some(Child {
        id,
        nice: number(16)?.try_into().ok()?,
        used: Duration::from_millis(10 * hundredths),
        peak_mib: [mib("VmHWM:")?, mib("VmPeak:")?],
    })
}

fn children(of: u32) -> Vec<Child> {
    let processes =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter_map(|process| child(process, of)).collect()
}

/// What there was to see while something went on.
#[derive(Default)]
struct Seen {
    /// How long each answer took to a bystander who asked without pause.
    answers: Vec<Duration>,
    /// The most compiling processes at once.
    at_once: usize,
    /// The most that each has used.
    used: HashMap<u32, (Duration, [u64; 2])>,
}

impl Seen {
    /// Each answer must be right.
    async fn during<T>(host: &Host, host_id: u32, event: impl Future<Output = T>) -> (T, Self) {
        let (over, mut seen) = (Cell::new(false), Self::default());
        let event = async {
            let outcome = event.await;
            over.set(true);
            outcome
        };
        let look = async {
            while !over.get() {
                let begun = Instant::now();
                greets(host).await;
                seen.answers.push(begun.elapsed());
                let children = children(host_id);
                seen.at_once = seen.at_once.max(children.len());
                seen.used.extend(children.iter().map(|child| (child.id, (child.used, child.peak_mib))));
            }
        };
        let (outcome, ()) = tokio::join!(event, look);
        seen.answers.sort_unstable();
        (outcome, seen)
    }

    fn slowest(&self) -> Duration {
        *self.answers.last().expect("it asked at least once")
    }

    fn tell(&self, reason: &str) {
        let (count, half) = (self.answers.len(), self.answers[self.answers.len() / 2]);
        println!("{count} answers meanwhile, half of them within {half:?}, the slowest {:?}; {reason}", self.slowest());
        for (used, [memory, addresses]) in self.used.values() {
            println!("a compiling process used {used:?} and had {memory} MiB of {addresses} MiB in use");
        }
    }
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_given_up_and_others_are_served_meanwhile() {
    // In a long run the defaults: 10 s and 1 GiB.
    let limits = rounds("loader.compile_cpu_s = 1\nloader.compile_memory_bytes = 8000000000\n", "");
    let config = format!("{limits}loader.compile_wall_s = 600\nloader.compile_processes = 1\nloader.rescan_ms = 20");
    let mut host = Host::with_config(&["greeter-1-0"], &config).await;
    let host_id = host.process().id();
    let names = ["bomb-0.wasm", "bomb-1.wasm"];
    for (number, name) in names.iter().enumerate() {
        put(&host.scratch().plugins().join(name), &bomb(&format!("bomb-{number}"), &LONG));
    }
    eventually("the bombs to be compiled", async || (children(host_id).len() == 1).then_some(())).await;
    eventually("them to yield to everyone", async || {
        let children = children(host_id);
        (!children.is_empty() && children.iter().all(|child| child.nice >= 10)).then_some(())
    })
    .await;
    // A good plugin waits for its turn, but not for ever.
    put(&host.scratch().plugins().join("z-probe.wasm"), &testdata("probe"));
    let (reasons, seen) = Seen::during(&host, host_id, refused_become(&host, &names)).await;
    seen.tell(&reasons[0]);
    let limit = rounds("1 s", "10 s");
    let expected =
        format!("compiling was stopped: it needed more than {limit} of processor time (loader.compile_cpu_s)");
    assert_eq!(reasons, [expected.as_str(); 2]);
    assert_eq!(seen.at_once, 1, "no more at once than may be");
    assert!(seen.slowest() < Duration::from_secs(10), "{:?}", seen.slowest());
    loaded_become(&host, &["greeter 1.0.0", "probe 1.0.0"]).await;
    eventually("no process to be left", async || children(host_id).is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_to_compile_is_given_up_and_others_are_served_meanwhile() {
    // In a long run the defaults: 10 s and 1 GiB.
    let limits = rounds("loader.compile_memory_bytes = 150000000\n", "");
    let config = format!("{limits}loader.compile_wall_s = 600\nloader.rescan_ms = 20");
    let mut host = Host::with_config(&["greeter-1-0"], &config).await;
    let host_id = host.process().id();
    put(&host.scratch().plugins().join("bomb.wasm"), &bomb("bomb", &LARGE));
    let (reasons, seen) = Seen::during(&host, host_id, refused_become(&host, &["bomb.wasm"])).await;
    seen.tell(&reasons[0]);
    let limit = rounds(150_000_000, 1 << 30);
    let expected =
        format!("compiling was stopped: it needed more than {limit} bytes of memory (loader.compile_memory_bytes)");
    assert_eq!(reasons, [expected]);
    assert!(seen.slowest() < Duration::from_secs(10), "{:?}", seen.slowest());
    greets(&host).await;
    eventually("no process to be left", async || children(host_id).is_empty().then_some(())).await;
}

#[tokio::test]
async fn machine_code_beyond_its_bound_is_not_taken() {
    let host = Host::with_config(&[], "loader.compiled_bytes = 10000\nloader.rescan_ms = 20").await;
    put(&host.scratch().plugins().join("greeter.wasm"), &testdata("greeter-1-0"));
    let reasons = refused_become(&host, &["greeter.wasm"]).await;
    let expected = "compiling was stopped: it needed more than 10000 bytes of machine code (loader.compiled_bytes)";
    assert_eq!(reasons, [expected]);
}

#[tokio::test]
async fn a_compiling_process_ends_with_its_host_and_with_its_file() {
    let config = "loader.rescan_ms = 20\nloader.compile_memory_bytes = 8000000000";
    let mut host = Host::with_config(&["greeter-1-0"], config).await;
    let file = host.scratch().plugins().join("bomb.wasm");
    let host_id = host.process().id();
    put(&file, &bomb("bomb", &LONG));
    let compiling = async || eventually("the bomb to be compiled", async || children(host_id).pop()).await.id;
    let first = compiling().await;
    fs::remove_file(&file).unwrap();
    let runs = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    eventually("nobody to compile what is gone", async || (!runs(first)).then_some(())).await;

    put(&file, &bomb("bomb", &LONG));
    let second = compiling().await;
    // Killed: it can tell its child nothing.
    drop(host);
    eventually("nobody to compile for a host that is gone", async || (!runs(second)).then_some(())).await;
}

#[tokio::test]
async fn a_bomb_that_lies_there_at_start_holds_the_start_up_for_a_time_only() {
    let scratch = Scratch::with_plugins(&["greeter-1-0"]);
    put(&scratch.plugins().join("bomb.wasm"), &bomb("bomb", &LONG));
    let config = "loader.compile_cpu_s = 1\nloader.compile_wall_s = 600\nloader.compile_memory_bytes = 8000000000\n\
                  loader.rescan_ms = 20\nloader.start_wait_ms = 300";
    let config = scratch.file("tenon.toml", config);
    let host = Host::start(scratch, &["--dev", "--config", config.to_str().unwrap()]).await;
    // The other one is ready at once or, where its machine code is not in the cache, after its turn.
    loaded_become(&host, &["greeter 1.0.0"]).await;
    greets(&host).await;
    let reasons = refused_become(&host, &["bomb.wasm"]).await;
    assert!(reasons[0].contains("(loader.compile_cpu_s)"), "{reasons:?}");
    let log = fs::read_to_string(host.scratch().log()).unwrap();
    assert!(log.contains("it takes long to load; the host starts without it"), "{log}");
}
