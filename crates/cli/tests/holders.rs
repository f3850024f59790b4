//! Who holds what, as people ask for it: suspects, ways, goroutines, growth and profiles of programs that know the answers.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, Running, go_command, goroot, send_signal, versions};
use serde_json::Value;
use support::{leakscope, untouched};

const SIGQUIT: i32 = 3;

fn list<'a>(document: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    document[field]
        .as_array()
        .with_context(|| format!("no list {field}"))
}

fn number(document: &Value, field: &str) -> Result<u64> {
    document[field]
        .as_u64()
        .with_context(|| format!("no number {field} in {document}"))
}

fn text<'a>(document: &'a Value, field: &str) -> Result<&'a str> {
    document[field]
        .as_str()
        .with_context(|| format!("no text {field} in {document}"))
}

/// The first row whose field has this value.
fn row<'a>(rows: &'a [Value], field: &str, value: &str) -> Result<&'a Value> {
    let found = rows.iter().find(|row| row[field] == value);
    found.with_context(|| format!("no {field} {value} in {rows:#?}"))
}

fn each_version(check: impl Fn(&str) -> Result<()>) -> Result<()> {
    for version in versions()? {
        check(&version).with_context(|| format!("go{version}"))?;
    }
    Ok(())
}

fn spawn(fixture: &str, version: &str, arguments: &[&str]) -> Result<Running> {
    Fixture::build(fixture, version, &BuildFlags::default())?.spawn(arguments)
}

/// Holders of one heap: expression, fingerprint.
type Fingerprints = BTreeMap<String, String>;

/// Checks what is said of a heap of known holders.
fn suspects_of(running: &Running) -> Result<Fingerprints> {
    let pid = running.pid().to_string();
    let document = leakscope(["analyze", &pid, "--json", "--all"])?.document("analyze")?;
    let suspects = list(&document, "suspects")?;
    ensure!(number(&document, "suspect_count")? == suspects.len() as u64);
    // What a finding explains stands there.
    let mut suspects = suspects.clone();
    for finding in list(&document, "findings")? {
        suspects.extend(list(finding, "suspects")?.iter().cloned());
    }
    suspects.sort_by_key(|s| std::cmp::Reverse(s["accumulated_bytes"].as_u64()));
    let truth = running.truth();
    let map = row(list(truth, "maps")?, "owner", "main.state.sessions")?;
    let first = suspects.first().context("no suspects")?;
    ensure!(
        first["holder"] == "main.state.sessions"
            && first["verdict"] == "suspect"
            && first["certain"] == true,
        "{first}"
    );
    ensure!(first["type"] == map["type"], "{first}");
    // The entries, each with its key: no other object is counted as one of the same type.
    let sessions = row(list(first, "entries")?, "type", "main.session")?;
    ensure!(sessions["count"] == map["len"], "{first} is not {map}");
    let accumulated = suspects.iter().map(|s| number(s, "accumulated_bytes"));
    let accumulated: u64 = accumulated.sum::<Result<u64>>()?;
    let reachable = number(&document["heap"]["reachable"], "bytes")?;
    ensure!(
        accumulated <= reachable && accumulated * 10 >= reachable * 9,
        "{accumulated} of {reachable} bytes are in places that are told"
    );
    for planted in ["main.state.pinned", "main.state.drained"] {
        let found = suspects.iter().any(|s| s["holder"] == planted);
        ensure!(found, "{planted} is in no place of {suspects:#?}");
    }
    // What people look for is on the first screen.
    let page = leakscope(["analyze", &pid])?;
    let first_screen: Vec<&str> = page.page()?.lines().take(24).collect();
    for (i, holder) in ["main.state.sessions", "main.state.drained"]
        .iter()
        .enumerate()
    {
        let starts = format!("{:>2}. ", i + 1);
        let told = |line: &&&str| line.starts_with(&starts) && line.ends_with(holder);
        ensure!(first_screen.iter().find(told).is_some(), "{}", page.out);
    }
    untouched(running.pid());
    let of = |s: &Value| {
        let print = text(s, "fingerprint")?;
        let hash = print.strip_prefix("v1:").context("no version")?;
        ensure!(
            hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()),
            "{print}"
        );
        Ok((text(s, "holder")?.to_owned(), print.to_owned()))
    };
    suspects.iter().map(of).collect()
}

#[test]
fn suspects_are_the_planted_holders_and_their_fingerprints_outlive_runs_and_releases() -> Result<()>
{
    let mut all: Vec<(String, Fingerprints)> = Vec::new();
    for version in versions()? {
        // Another size is another place in memory for everything.
        for scale in ["0.01", "0.013"] {
            let running = spawn("big", &version, &["-scale", scale])?;
            let prints =
                suspects_of(&running).with_context(|| format!("go{version} -scale {scale}"))?;
            all.push((format!("go{version} -scale {scale}"), prints));
        }
    }
    for holder in [
        "main.state.sessions",
        "main.state.drained",
        "main.state.pinned",
    ] {
        let prints: BTreeSet<&String> = all.iter().filter_map(|(_, p)| p.get(holder)).collect();
        ensure!(prints.len() == 1, "{holder}: {all:#?}");
    }
    for (run, prints) in &all {
        let different: BTreeSet<&String> = prints.values().collect();
        ensure!(
            different.len() == prints.len(),
            "{run}: one fingerprint for two places: {prints:#?}"
        );
    }
    Ok(())
}

#[test]
fn why_tells_how_every_object_of_a_type_and_every_entry_of_a_map_is_held() -> Result<()> {
    each_version(|version| {
        let running = spawn("big", version, &["-scale", "0.01"])?;
        let (pid, truth) = (running.pid().to_string(), running.truth());
        let map = row(list(truth, "maps")?, "owner", "main.state.sessions")?;
        let all = number(&truth["types"], "main.session")?;
        let of_type = leakscope(["why", &pid, "main.session", "--json"])?.document("why")?;
        ensure!(
            of_type["question"] == "type" && of_type["objects"]["objects"] == all,
            "{of_type}"
        );
        let ways = list(&of_type, "paths")?;
        let counts = ways.iter().map(|way| number(way, "count"));
        ensure!(counts.sum::<Result<u64>>()? == all, "{of_type}");
        let held = row(ways, "path", "main.state.sessions[...]")?;
        ensure!(
            held["count"] == map["len"] && held["certain"] == true,
            "{held}"
        );
        let sliced = row(ways, "path", "main.state.tail[...]")?;
        ensure!(sliced["count"] == all - number(map, "len")?, "{sliced}");
        ensure!(
            held["fingerprint"] != sliced["fingerprint"],
            "{held}\n{sliced}"
        );

        let maps = leakscope(["maps", &pid, "--json"])?.document("maps")?;
        let address = text(
            row(list(&maps, "maps")?, "owner", "main.state.sessions")?,
            "address",
        )?;
        for about in [address, "main.state.sessions"] {
            let of_map = leakscope(["why", &pid, about, "--json"])?.document("why")?;
            ensure!(
                of_map["question"] == "map" && of_map["address"] == address,
                "{of_map}"
            );
            let entries = row(list(&of_map, "paths")?, "path", "main.state.sessions[...]")?;
            ensure!(
                number(&of_map, "retained_bytes")? > number(entries, "bytes")?,
                "{of_map}"
            );
        }
        // One of the entries, by its address.
        let session = text(held, "example")?;
        let of_object = leakscope(["why", &pid, session, "--json"])?.document("why")?;
        ensure!(
            of_object["question"] == "object" && of_object["about"] == "main.session",
            "{of_object}"
        );
        let way = text(&list(&of_object, "paths")?[0], "path")?;
        ensure!(way.starts_with("main.state.sessions["), "{way}");
        for about in [session, address, "main.session"] {
            leakscope(["why", &pid, about])?.page()?;
        }
        for about in ["main.nothing", "0x1", "0xzz", ""] {
            leakscope(["why", &pid, about])?.failed_with("heap.no-such-object");
        }
        untouched(running.pid());
        Ok(())
    })
}

#[test]
fn elements_of_an_array_are_held_in_one_way() -> Result<()> {
    each_version(|version| {
        let running = spawn("typed", version, &[])?;
        let pid = running.pid().to_string();
        let why = leakscope(["why", &pid, "main.arrayItem", "--json"])?.document("why")?;
        let ways = list(&why, "paths")?;
        ensure!(
            ways.len() == 1 && number(&why["objects"], "objects")? > 1,
            "{why}"
        );
        let path = text(&ways[0], "path")?;
        ensure!(path.contains(".array[...]"), "{path}");
        ensure!(ways[0]["count"] == why["objects"]["objects"], "{why}");
        Ok(())
    })
}

/// Names as the runtime prints them: `leakGeneric[go.shape.float64]` is `leakGeneric[...]`.
fn printed(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => format!("{}[...]{}", &name[..from], &name[to + 1..]),
        _ => name.to_owned(),
    }
}

#[test]
fn leaked_goroutines_are_those_the_program_knows_of() -> Result<()> {
    each_version(|version| {
        let running = spawn("leaks", version, &[])?;
        let pid = running.pid().to_string();
        let document = leakscope(["goroutines", &pid, "--json"])?.document("goroutines")?;
        let rows = list(&document, "goroutines")?;
        ensure!(number(&document, "count")? == rows.len() as u64);
        let with = |function: &str| -> Vec<&Value> {
            let on = |f: &Value| f["function"].as_str().map(printed).as_deref() == Some(function);
            let stack = |r: &&Value| r["stack"].as_array().is_some_and(|s| s.iter().any(on));
            rows.iter().filter(stack).collect()
        };
        let mut leaked = 0;
        for scenario in list(running.truth(), "scenarios")? {
            let found = with(text(scenario, "function")?);
            ensure!(
                found.len() as u64 == number(scenario, "count")?,
                "{scenario}: {found:#?}"
            );
            let wrong: Vec<&&Value> = found
                .iter()
                .filter(|r| r["leaked"] != scenario["leaked"])
                .collect();
            ensure!(wrong.is_empty(), "{scenario}: {wrong:#?}");
            leaked += if scenario["leaked"] == true {
                found.len() as u64
            } else {
                0
            };
        }
        ensure!(
            number(&document, "leaked_count")? == leaked,
            "{leaked} are leaked"
        );
        ensure!(
            document["suspect_count"] == 0,
            "{}",
            document["suspect_count"]
        );
        let of_groups = list(&document, "groups")?
            .iter()
            .map(|g| number(g, "count"));
        ensure!(of_groups.sum::<Result<u64>>()? == rows.len() as u64);
        ensure!(with("runtime.goexit").is_empty());
        let main = with("main.main");
        ensure!(
            main.len() == 1 && main[0]["id"] == 1 && main[0]["created_by"].is_null(),
            "{main:#?}"
        );
        ensure!(main[0]["wait_reason"] == "select (no cases)", "{main:#?}");
        let page = leakscope(["goroutines", &pid])?;
        ensure!(page.page()?.contains("leaked"), "{}", page.out);
        leakscope(["goroutines", &pid, "--all"])?.page()?;
        untouched(running.pid());
        Ok(())
    })
}

/// A goroutine as the runtime prints it when it dies of SIGQUIT.
#[derive(Debug, Default)]
struct Printed {
    reason: String,
    stack: Vec<(String, String)>,
    /// How many frames stand before those left out of a long stack.
    elided: Option<usize>,
    created_by: Option<(String, String)>,
}

/// `main.f(0x1, ...)`, or of creators `main.f in goroutine 1`, without what follows the name.
fn function_of(line: &str) -> &str {
    let line = line.split(" in goroutine ").next().unwrap_or(line);
    match line.rfind('(') {
        Some(at) if line.ends_with(')') => &line[..at],
        _ => line,
    }
}

/// `\t/folder/file.go:42 +0x1d`, without the offset.
fn place_of(line: Option<&str>) -> String {
    let line = line.unwrap_or_default().trim_start();
    line.split(" +0x").next().unwrap_or(line).to_owned()
}

fn traceback(out: &str) -> Result<BTreeMap<u64, Printed>> {
    let mut all = BTreeMap::new();
    for part in out.split("\n\n") {
        let mut lines = part.lines();
        let Some(rest) = lines.next().and_then(|l| l.strip_prefix("goroutine ")) else {
            continue;
        };
        // Some releases tell the addresses of g and m between the two.
        let (id, rest) = rest.split_once(' ').context("a goroutine's number")?;
        let (_, rest) = rest.split_once('[').context("a goroutine's state")?;
        let mut goroutine = Printed {
            reason: rest.split([',', ']']).next().unwrap_or_default().to_owned(),
            ..Printed::default()
        };
        while let Some(line) = lines.next() {
            if let Some(creator) = line.strip_prefix("created by ") {
                goroutine.created_by =
                    Some((function_of(creator).to_owned(), place_of(lines.next())));
            } else if line.contains("frames elided") {
                goroutine.elided = Some(goroutine.stack.len());
            } else if line.starts_with("runtime.goexit(") {
                // The last one of each.
                lines.next();
            } else {
                goroutine
                    .stack
                    .push((function_of(line).to_owned(), place_of(lines.next())));
            }
        }
        all.insert(id.parse().with_context(|| part.to_owned())?, goroutine);
    }
    Ok(all)
}

fn place(row: &Value) -> (String, String) {
    let function = row["function"].as_str().unwrap_or_default();
    let file = row["file"].as_str().unwrap_or_default();
    (printed(function), format!("{file}:{}", row["line"]))
}

#[test]
fn stacks_reasons_and_creators_are_those_the_runtime_prints() -> Result<()> {
    each_version(|version| {
        let fixture = Fixture::build("leaks", version, &BuildFlags::default())?;
        let mut child = Command::new(fixture.path())
            .envs([
                ("FIXTURE_DIE_WITH_PARENT", "1"),
                ("FIXTURE_ALLOW_TRACING", "1"),
                ("GOTRACEBACK", "all"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut ready)?;
        ensure!(ready.contains("\"ready\":true"), "{ready}");
        let document =
            leakscope(["goroutines", &child.id().to_string(), "--json"])?.document("goroutines")?;
        send_signal(i32::try_from(child.id())?, SIGQUIT)?;
        let mut out = String::new();
        child
            .stderr
            .take()
            .context("its errors")?
            .read_to_string(&mut out)?;
        child.wait()?;
        let theirs = traceback(&out)?;
        let reasons = std::fs::read_to_string(goroot(version)?.join("src/runtime/runtime2.go"))?;
        let mut compared = 0;
        for row in list(&document, "goroutines")? {
            if let Some(reason) = row["wait_reason"].as_str() {
                ensure!(reasons.contains(&format!("\"{reason}\"")), "{row}");
            }
            let Some(printed) = theirs.get(&number(row, "id")?) else {
                continue;
            };
            // What runs or sleeps may have gone on before it died.
            if row["wait_reason"] != printed.reason.as_str() {
                ensure!(
                    ["running", "runnable", "sleep", "syscall"].contains(&printed.reason.as_str())
                        || row["wait_reason"].is_null(),
                    "{row}\n{printed:?}"
                );
                continue;
            }
            let ours: Vec<_> = list(row, "stack")?.iter().map(place).collect();
            let theirs = printed.stack.as_slice();
            let of_long = |n| ours.starts_with(&theirs[..n]) && ours.ends_with(&theirs[n..]);
            ensure!(
                printed.elided.map_or(ours == theirs, of_long),
                "{ours:#?}\n{theirs:#?}"
            );
            let creator = row["created_by"]
                .as_object()
                .map(|_| place(&row["created_by"]));
            ensure!(creator == printed.created_by, "{creator:?}, {printed:?}");
            compared += 1;
        }
        ensure!(
            compared >= 80,
            "only {compared} of {} goroutines compared",
            theirs.len()
        );
        Ok(())
    })
}

/// A shop that leaks sessions and goroutines as it is used.
struct Shop {
    running: Running,
    load: Fixture,
}

impl Shop {
    fn open(version: &str) -> Result<Self> {
        Ok(Self {
            running: spawn("service", version, &[])?,
            load: Fixture::build("load", version, &BuildFlags::default())?,
        })
    }

    /// Sends requests, and returns what the shop then holds.
    fn visit(&mut self, requests: u32) -> Result<Value> {
        let address = text(self.running.truth(), "address")?.to_owned();
        let out = Command::new(self.load.path())
            .args(["-address", &address, "-requests", &requests.to_string()])
            .output()?;
        ensure!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        // Reports are made for longer than clients wait.
        std::thread::sleep(std::time::Duration::from_millis(200));
        self.running.ask("truth")
    }
}

#[test]
fn growth_is_told_by_holder_type_map_and_goroutine() -> Result<()> {
    let version = versions()?.pop().context("a version")?;
    let mut shop = Shop::open(&version)?;
    let pid = shop.running.pid().to_string();
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (first, second) = (path("first.lks"), path("second.lks"));
    let mut truths = vec![shop.visit(2000)?];
    leakscope(["snap", &pid, "-o", &first])?.page()?;
    truths.push(shop.visit(3000)?);
    leakscope(["snap", &pid, "-o", &second])?.page()?;
    truths.push(shop.visit(4000)?);
    let document = leakscope(["diff", &first, &second, &pid, "--json"])?.document("diff")?;
    ensure!(document["same_program"] == true && list(&document, "captures")?.len() == 3);
    let of_truth = |what: &dyn Fn(&Value) -> Result<u64>| {
        truths.iter().map(what).collect::<Result<Vec<u64>>>()
    };
    let sessions = of_truth(&|truth| {
        number(
            row(list(truth, "maps")?, "owner", "main.server.sessions")?,
            "len",
        )
    })?;
    let abandoned = of_truth(&|truth| number(truth, "abandoned_reports"))?;
    let objects = |row: &Value| {
        list(row, "sums")?
            .iter()
            .map(|s| number(s, "objects"))
            .collect::<Result<Vec<u64>>>()
    };
    let grows = |row: &Value| {
        ensure!(
            row["steady"] == true && row["bytes_per_second"].as_f64() > Some(0.0),
            "{row}"
        );
        ensure!(
            row["bytes_grown"].as_i64() > Some(0) && row["objects_grown"].as_i64() > Some(0),
            "{row}"
        );
        Ok(())
    };
    // What the shop leaks is what grew most, whatever else is in the heap.
    let holders = list(&document, "holders")?;
    let planted = [
        "main.server.sessions",
        "goroutines of main.(*application).report.func1",
        "main.server.requests",
    ];
    for holder in holders.iter().take(planted.len()) {
        let name = text(holder, "name")?;
        ensure!(planted.iter().any(|p| name.starts_with(p)), "{holders:#?}");
        ensure!(holder["fingerprint"].is_string(), "{holder}");
        grows(holder)?;
    }
    for name in &planted[..2] {
        grows(row(holders, "name", name)?)?;
    }
    let map = row(list(&document, "maps")?, "name", "main.server.sessions")?;
    grows(map)?;
    ensure!(objects(map)? == sessions, "{map}, {sessions:?}");
    let type_ = row(list(&document, "types")?, "name", "main.session")?;
    grows(type_)?;
    ensure!(objects(type_)? == sessions, "{type_}, {sessions:?}");
    let goroutines = list(&document, "goroutines")?;
    let reports = goroutines.first().context("no goroutines")?;
    ensure!(
        text(reports, "name")?.starts_with("main.(*application).report:"),
        "{reports}"
    );
    grows(reports)?;
    ensure!(objects(reports)? == abandoned, "{reports}, {abandoned:?}");

    let page = leakscope(["diff", &first, &second, &pid])?;
    ensure!(
        page.page()?.contains("steady") && page.out.contains("main.server.sessions"),
        "{}",
        page.out
    );
    nothing_grows(&first)?;
    different_programs(&first, &version)?;
    untouched(shop.running.pid());
    Ok(())
}

fn nothing_grows(capture: &str) -> Result<()> {
    let same = leakscope(["diff", capture, capture, "--json"])?.document("diff")?;
    for table in ["holders", "types", "maps", "goroutines"] {
        ensure!(list(&same, table)?.is_empty(), "{table}: {}", same[table]);
    }
    let page = leakscope(["diff", capture, capture])?;
    ensure!(
        page.page()?.matches("no change").count() == 6,
        "{}",
        page.out
    );
    Ok(())
}

fn different_programs(capture: &str, version: &str) -> Result<()> {
    let other = spawn("big", version, &["-scale", "0.01"])?;
    let pid = other.pid().to_string();
    let different = leakscope(["diff", capture, &pid, "--json"])?.document("diff")?;
    ensure!(different["same_program"] == false, "{different}");
    let page = leakscope(["diff", capture, &pid])?;
    ensure!(page.page()?.contains("warning"), "{}", page.out);
    Ok(())
}

/// What `go tool pprof -top` says: own and cumulated values by name, and the sum of all.
struct Top {
    rows: BTreeMap<String, (u64, u64)>,
    total: u64,
}

fn top(version: &str, profile: &Path, index: &str) -> Result<Top> {
    let out = Command::new(go_command(version)?)
        .args([
            "tool",
            "pprof",
            "-top",
            "-nodecount=0",
            "-nodefraction=0",
            "-edgefraction=0",
            "-unit=B",
        ])
        .arg(format!("-sample_index={index}"))
        .arg(profile)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        // Newer toolchains build the tool first: that takes no C compiler.
        .env("CGO_ENABLED", "0")
        .output()?;
    let (out, err) = (
        String::from_utf8(out.stdout)?,
        String::from_utf8_lossy(&out.stderr),
    );
    // A program that has names needs no looking for in files.
    ensure!(
        err.is_empty() && out.starts_with("File: big\n"),
        "{out}\n{err}"
    );
    let value = |word: &str| -> Result<u64> {
        word.trim_end_matches('B')
            .parse()
            .with_context(|| format!("{word:?} in {out}"))
    };
    let head = out
        .lines()
        .find_map(|l| l.strip_suffix(" total"))
        .with_context(|| format!("{out}\n{err}"))?;
    let total = value(head.rsplit(' ').next().unwrap_or_default())?;
    let table = out.lines().skip_while(|l| !l.contains("flat%")).skip(1);
    let rows = table.map(|line| {
        let mut words = line.split_whitespace();
        let mut next = || words.next().with_context(|| line.to_owned());
        let (flat, _, _, cum, _) = (next()?, next()?, next()?, next()?, next()?);
        let (flat, cum) = (value(flat)?, value(cum)?);
        Ok((words.collect::<Vec<_>>().join(" "), (flat, cum)))
    });
    Ok(Top {
        rows: rows.collect::<Result<_>>()?,
        total,
    })
}

#[test]
fn a_profile_shows_what_holds_what_to_the_byte() -> Result<()> {
    each_version(|version| {
        let running = spawn("big", version, &["-scale", "0.01"])?;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (snapshot, json, profile) = (path("x.lks"), path("x.json"), path("x.pb.gz"));
        leakscope(["snap", &running.pid().to_string(), "-o", &snapshot])?.page()?;
        // A name asks for a form, whatever the options say.
        let written = leakscope(["histo", &snapshot, "-o", &json])?;
        ensure!(written.page()?.is_empty());
        let histo: Value = serde_json::from_slice(&std::fs::read(&json)?)?;
        support::obeys(&histo, "histo")?;
        let written = leakscope(["analyze", &snapshot, "--json", "-o", &profile])?;
        ensure!(written.page()?.is_empty());
        let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for row in list(&histo, "types")? {
            let sum = by_name.entry(text(row, "type")?).or_default();
            sum.0 += number(row, "count")?;
            sum.1 += number(row, "bytes")?;
        }
        let space = top(version, Path::new(&profile), "space")?;
        let objects = top(version, Path::new(&profile), "objects")?;
        ensure!(
            space.total == number(&histo["reachable"], "bytes")?,
            "{}",
            space.total
        );
        ensure!(
            objects.total == number(&histo["reachable"], "objects")?,
            "{}",
            objects.total
        );
        let own = |top: &Top, name: &str| top.rows.get(name).copied().unwrap_or_default();
        // Leaves are types: their sums are the histogram's.
        for (name, (count, bytes)) in by_name {
            let got = (own(&objects, name).0, own(&space, name).0);
            ensure!(
                got == (count, bytes),
                "{name}: {got:?}, not {count} objects of {bytes} bytes"
            );
        }
        let sessions = own(&space, "main.session").0;
        let entries = own(&space, "map[string]*main.session[...]").1;
        let held = own(&space, "main.state.sessions").1;
        let payload = own(&space, "main.session.payload").1;
        ensure!(
            sessions > 0
                && payload > 0
                && entries >= payload
                && held >= entries
                && held < space.total,
            "{sessions} {payload} {entries} {held}"
        );
        let again = path("again.pb.gz");
        leakscope(["histo", &snapshot, "-o", &again])?.page()?;
        ensure!(
            std::fs::read(&again)? == std::fs::read(&profile)?,
            "two profiles of one capture differ"
        );
        leakscope(["maps", &snapshot, "-o", &path("maps.pb.gz")])?.failed_with("output.no-profile");
        Ok(())
    })
}
