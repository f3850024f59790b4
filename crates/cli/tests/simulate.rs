//! `leakscope simulate` from the outside.

mod support;

use anyhow::{Context, Result, ensure};
use support::leakscope;

#[test]
fn scenarios_are_listed_and_print_the_article_beside_the_models() -> Result<()> {
    let list = leakscope(["simulate"])?;
    for name in [
        "contract",
        "bucket-size",
        "chain-length",
        "boxing",
        "growth-spike",
    ] {
        ensure!(list.out.contains(name), "no {name}: {}", list.out);
    }
    list.page()?;
    let sizes = leakscope(["simulate", "bucket-size"])?;
    sizes.page()?;
    let line = |words: &[&str]| {
        sizes
            .out
            .lines()
            .any(|l| l.split_whitespace().eq(words.iter().copied()))
    };
    ensure!(
        line(&["article", "144", "B"])
            && line(&["1.21", "to", "1.23", "144", "B", "true"])
            && line(&["1.24", "to", "1.27", "136", "B", "false"]),
        "{}",
        sizes.out
    );
    Ok(())
}

#[test]
fn traces_are_drawn_for_the_releases_asked_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (trace, picture) = (
        folder.path().join("trace.txt"),
        folder.path().join("curve.svg"),
    );
    std::fs::write(&trace, "map[string]int\nput 1..20000\ndelete 1..19000\n")?;
    let path = |p: &std::path::Path| p.to_str().context("a path").map(str::to_owned);
    let (trace, picture) = (path(&trace)?, path(&picture)?);
    let ran = leakscope([
        "simulate",
        &trace,
        "--go",
        "1.23,1.27",
        "--svg",
        &picture,
        "--json",
    ])?;
    let doc = ran.document("simulate")?;
    let curves = doc["curves"].as_array().context("curves")?;
    ensure!(curves.len() == 2 && curves[0]["release"] == "1.23", "{doc}");
    for curve in curves {
        let of = |name: &str| curve[name].as_u64().unwrap_or(0);
        ensure!(
            of("final_bytes") > 5 * of("needed_bytes"),
            "maps do not shrink: {curve}"
        );
    }
    let drawn = std::fs::read_to_string(&picture)?;
    ensure!(drawn.starts_with("<svg") && drawn.matches("<path").count() == 2);
    let text = leakscope(["simulate", &trace, "--go", "1.23"])?;
    ensure!(
        text.out.contains('▁') && text.out.contains("needed"),
        "{}",
        text.out
    );
    Ok(())
}

#[test]
fn what_cannot_be_simulated_is_refused_with_what_helps() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bad = folder.path().join("bad");
    std::fs::write(&bad, "map[int]int\nfly\n")?;
    let bad = bad.to_str().context("a path")?;
    for (arguments, code) in [
        (vec!["simulate", "no-such-thing"], "simulate.unknown"),
        (
            vec!["simulate", "boxing", "--go", "1.9"],
            "simulate.no-release",
        ),
        (vec!["simulate", bad], "simulate.no-trace"),
        (vec!["simulate", "/"], "simulate.unreadable"),
        (
            vec!["simulate", "boxing", "--svg", "/nowhere.svg"],
            "simulate.nothing-to-draw",
        ),
    ] {
        let refused = leakscope(&arguments)?;
        ensure!(
            refused.status == Some(2) && refused.err.contains(code),
            "{arguments:?}: {} {}",
            refused.out,
            refused.err
        );
    }
    Ok(())
}
