//! A service that leaks nothing, while it serves: no pattern may speak of more than a small waste.

mod support;

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use leakscope_testkit::{BuildFlags, Fixture, versions};
use serde_json::Value;
use support::{leakscope, untouched};

/// Looks at the service, while requests come in.
const LOOKS: usize = 3;

/// Requests that come in until this is dropped.
struct Load(Child);

impl Load {
    fn start(fixture: &Fixture, address: &str) -> Result<Self> {
        let load = Command::new(fixture.path())
            .args(["-address", address, "-requests", "10000000", "-time", "10m"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(load))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_healthy_service_under_load_raises_nothing_above_small_waste() -> Result<()> {
    for version in versions()? {
        let build = |name| Fixture::build(name, &version, &BuildFlags::default());
        let service = build("service")?.spawn(&["-healthy"])?;
        let address = service.truth()["address"].as_str().context("no address")?;
        let load = Load::start(&build("load")?, address)?;
        for _ in 0..LOOKS {
            std::thread::sleep(std::time::Duration::from_secs(2));
            let arguments = ["--json", "--all", "--max-stop", "30s"];
            let pid = service.pid().to_string();
            let document =
                leakscope(["analyze", &pid].iter().chain(&arguments))?.document("analyze")?;
            untouched(service.pid());
            quiet(&document).with_context(|| format!("go{version}"))?;
        }
        drop(load);
    }
    Ok(())
}

/// Nothing is called a leak, and no waste is 1 % of the heap or 1 MiB.
fn quiet(document: &Value) -> Result<()> {
    let heap = document["heap"]["reachable"]["bytes"]
        .as_u64()
        .context("no bytes")?;
    let small = (heap / 100).min(1 << 20);
    let findings = document["findings"].as_array().context("no findings")?;
    for finding in findings {
        let bytes = finding["bytes"].as_u64().context("no bytes")?;
        ensure!(finding["verdict"] != "leak" && bytes < small, "{finding:#}");
    }
    Ok(())
}
