//! Real programs of every release do random things to maps of many types and say after each step what is inside them;
//! the model of that release, given the same hashes and random numbers, must come to the same.

mod program;

use anyhow::{Context, Result, bail, ensure};
use leakscope_gomap::{Iter, Key, Map, Release, Rules, Shape, World};
use leakscope_testkit::{Build, builds};
use program::{Program, number, numbers, word};

/// Ways of building that decide how maps work.
const WAYS: [&str; 3] = ["default", "noswissmap", "mapsplitgroup"];
/// Bytes by which the memory of a program may differ for reasons of its own, such as a profile's or timer's record.
const NOISE: i64 = 512;
/// The kind of random things, and the seed of the trace.
const TRACES: [[&str; 2]; 1] = [["random", "7"]];

/// What a real program hashed and drew.
struct Recorded {
    hashes: Vec<u64>,
    start: (u64, u64),
    reseeded: bool,
}

impl World for Recorded {
    fn hash(&self, key: Key) -> u64 {
        self.hashes[key as usize - 1]
    }

    fn reseed(&mut self) {
        self.reseeded = true;
    }

    /// Counts nothing: the program's count is taken over after each step.
    fn one_in(&mut self, _: u8) -> bool {
        false
    }

    fn start(&mut self) -> (u64, u64) {
        self.start
    }
}

/// A map of the program beside that of the model.
struct Twin {
    model: Map,
    world: Recorded,
    iters: [Iter; 3],
}

/// What was compared.
#[derive(Default, Debug)]
struct Compared {
    maps: u64,
    steps: u64,
    digests: u64,
    entries: u64,
    /// Maps whose memory was as foretold to the byte.
    exact: u64,
}

#[test]
fn models_go_through_the_states_of_real_maps_step_by_step() -> Result<()> {
    for build in builds()?.iter().filter(|b| WAYS.contains(&&*b.label)) {
        for trace in TRACES {
            let compared = replay(build, &trace).with_context(|| format!("{build} {trace:?}"))?;
            ensure!(
                compared.maps >= 60
                    && compared.exact * 10 >= compared.maps * 9
                    && compared.steps > 50_000
                    && compared.digests > 30_000
                    && compared.entries > 5_000,
                "{build}: only {compared:?}"
            );
        }
    }
    Ok(())
}

/// Overflow buckets are counted by sampling from 2^16 buckets on, and directories get hundreds of tables.
#[test]
fn models_of_large_maps_too() -> Result<()> {
    let builds = builds()?;
    let one_of = |classic: bool| {
        builds.iter().find(|b| {
            b.is_default()
                && release(b).is_ok_and(|r| matches!(r.rules, Rules::Classic(_)) == classic)
        })
    };
    for build in [one_of(true), one_of(false)].into_iter().flatten() {
        replay(build, &["large", "1"]).with_context(|| format!("{build} large"))?;
    }
    Ok(())
}

fn release(build: &Build) -> Result<&'static Release> {
    let mut name = build.version.clone();
    if !build.is_default() {
        name = format!("{name}-{}", build.label);
    }
    Release::named(&name).with_context(|| format!("{name} is not modelled"))
}

fn replay(build: &Build, arguments: &[&str]) -> Result<Compared> {
    let release = release(build)?;
    let program = Program::run(&build.fixture("maptrace")?, arguments)?;
    let mut twin = None;
    let mut compared = Compared::default();
    let mut title = String::new();
    for (at, line) in program.lines().enumerate() {
        let line = line?;
        if let Some(start) = line.strip_prefix("T ") {
            start.clone_into(&mut title);
        }
        step(release, &mut twin, &line, &mut compared)
            .with_context(|| format!("map {title:?}, line {}: {:.120}", at + 1, line))?;
    }
    Ok(compared)
}

fn step(
    release: &Release,
    twin: &mut Option<Twin>,
    line: &str,
    compared: &mut Compared,
) -> Result<()> {
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    match kind {
        "V" => return Ok(()),
        "T" => {
            *twin = Some(begin(release, rest)?);
            compared.maps += 1;
            return Ok(());
        }
        _ => {}
    }
    let twin = twin.as_mut().context("no map yet")?;
    if kind == "H" {
        ensure!(
            twin.world.hashes.is_empty() || twin.world.reseeded,
            "the program's map has another seed, the model's has not"
        );
        twin.world.reseeded = false;
        twin.world.hashes = rest
            .split(' ')
            .map(|h| u64::from_str_radix(h, 16))
            .collect::<Result<_, _>>()?;
        return Ok(());
    }
    ensure!(!twin.world.reseeded, "the model's map has another seed");
    let mut words = rest.split(' ');
    let w = &mut words;
    match kind {
        "A" => twin.model.assign(number(w)?, number(w)?, &mut twin.world)?,
        "F" => {
            let [from, to, elem]: [u32; 3] = numbers(w)?;
            for key in from..=to {
                twin.model.assign(key, elem, &mut twin.world)?;
            }
        }
        "D" => twin.model.delete(number(w)?, &mut twin.world),
        "C" => twin.model.clear(&mut twin.world),
        "G" => {
            let got = twin.model.get(number(w)?, &twin.world);
            let zero_sized = got == Some(0);
            let want: u32 = number(w)?;
            ensure!(
                got.unwrap_or(0) == want || zero_sized,
                "looked up {got:?}, not {want}"
            );
            return Ok(());
        }
        "I" => {
            let slot: usize = number(w)?;
            twin.world.start = (number(w)?, number(w)?);
            twin.iters[slot] = twin.model.iterate(&mut twin.world);
            entry(twin, slot, w)?;
            compared.entries += 1;
        }
        "N" => {
            entry(twin, number(w)?, w)?;
            compared.entries += 1;
            return Ok(());
        }
        "M" => {
            twin.iters = [Iter::Empty, Iter::Empty, Iter::Empty];
            compared.exact += u64::from(memory(twin, word(w)?.parse()?)?);
            return Ok(());
        }
        other => bail!("no such line: {other}"),
    }
    compared.steps += 1;
    fields(&mut twin.model, w)?;
    let want = word(w)?;
    if want != "-" {
        let got = digest(&twin.model);
        ensure!(
            got == u64::from_str_radix(want, 16)?,
            "the cells are not the same"
        );
        compared.digests += 1;
    }
    Ok(())
}

/// `TYPE HINT KEYS BYTES`.
fn begin(release: &Release, rest: &str) -> Result<Twin> {
    let (name, rest) = rest.split_once('\t').context("no type")?;
    let [hint, _, unit] = numbers(&mut rest.split(' '))?;
    let shape = Shape::parse(name)?;
    let own = match release.rules {
        Rules::Classic(_) => shape.bucket_size(),
        Rules::Swiss(rules) => shape.group_size(rules.split_groups),
    };
    ensure!(own == unit, "buckets or groups of {own} bytes, not {unit}");
    Ok(Twin {
        model: Map::make(release, shape, hint),
        world: Recorded {
            hashes: Vec::new(),
            start: (0, 0),
            reseeded: false,
        },
        iters: [Iter::Empty, Iter::Empty, Iter::Empty],
    })
}

/// The next entry of an iteration must be that of the program.
fn entry<'a>(
    twin: &mut Twin,
    slot: usize,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<()> {
    let got = twin.model.next(&mut twin.iters[slot], &twin.world);
    let want: (u32, u32) = (number(words)?, number(words)?);
    ensure!(
        got.unwrap_or((0, 0)) == want,
        "an iteration gave {got:?}, not {want:?}"
    );
    Ok(())
}

/// The fields of the map's header must be those of the program.
fn fields<'a>(model: &mut Map, words: &mut impl Iterator<Item = &'a str>) -> Result<()> {
    match model {
        Map::Classic(map) => {
            let want: [i64; 10] = numbers(words)?;
            if map.header().log2 >= 16 {
                map.set_noverflow(want[3] as u16);
            }
            let h = map.header();
            let optional = |n: Option<u64>| n.map_or(-1, |n| n as i64);
            let got = [
                h.count as i64,
                i64::from(h.flags),
                i64::from(h.log2),
                i64::from(h.noverflow),
                h.evacuated as i64,
                i64::from(h.growing),
                optional(h.next_overflow.map(u64::from)),
                i64::from(h.extra),
                optional(h.listed),
                optional(h.old_listed),
            ];
            ensure!(got == want, "fields {got:?}, not {want:?}");
        }
        Map::Swiss(map) => {
            let want: [u64; 5] = numbers(words)?;
            let h = map.header();
            let got = [
                h.used,
                h.directory,
                u64::from(h.global_depth),
                u64::from(h.tombstone_possible),
                h.clears,
            ];
            ensure!(got == want, "fields {got:?}, not {want:?}");
        }
        Map::Nil => bail!("a nil map"),
    }
    Ok(())
}

/// FNV-1a over the words of all cells.
fn digest(model: &Map) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325u64;
    model.words(|word| digest = (digest ^ u64::from(word)).wrapping_mul(0x100_0000_01b3));
    digest
}

/// The map must have held as many bytes as the model says; tells whether to the byte.
fn memory(twin: &Twin, freed: i64) -> Result<bool> {
    let memory = twin.model.memory();
    let off = freed - memory.total() as i64;
    ensure!(
        (-NOISE..=NOISE).contains(&off),
        "{freed} bytes were freed with the map, {} expected: {memory:?}",
        memory.total()
    );
    Ok(off == 0)
}
