//! Which container and pod a control group belongs to, by the names that container engines give.
//!
//! The paths are the same under cgroup v1 (one line per hierarchy) and v2 (one line, `0::PATH`). With the systemd driver
//! each part is a slice or scope with the whole way in its name and dashes as underscores; without, a part is just a name.

/// A container, as far as the path of a control group tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// The engine: `docker`, `containerd`, `cri-o`, `podman`, `lxc`, `ecs`, `systemd-nspawn`; `None` where only the id is known.
    pub engine: Option<&'static str>,
    /// The container's id or name: hostile until escaped.
    pub id: Vec<u8>,
    /// Whether it belongs to a Kubernetes pod.
    pub kubernetes: bool,
    /// The pod: its UID as Kubernetes writes it, or the id that podman gave it. Hostile until escaped.
    pub pod: Option<Vec<u8>>,
}

/// The longest id kept: ids have 64 digits, names of LXC containers are file names.
const MAX_ID: usize = 255;

/// How engines name the groups of containers, as in `docker-ID.scope`; the id follows.
const PREFIXES: [(&[u8], &str); 6] = [
    (b"docker-", "docker"),
    (b"cri-containerd-", "containerd"),
    // What containerd makes of a systemd path under the other driver: `SLICE:cri-containerd:ID`.
    (b"cri-containerd:", "containerd"),
    (b"nerdctl-", "containerd"),
    (b"crio-", "cri-o"),
    (b"libpod-", "podman"),
];

impl Container {
    /// From the text of `/proc/PID/cgroup`. `None` outside of containers, and inside of those that do not see their
    /// own path (a cgroup namespace).
    pub(crate) fn of_cgroups(text: &[u8]) -> Option<Self> {
        text.split(|b| *b == b'\n')
            .filter_map(|line| line.splitn(3, |b| *b == b':').nth(2))
            .find_map(Self::of_path)
    }

    /// The innermost container and pod of a path: containers may run containers.
    fn of_path(path: &[u8]) -> Option<Self> {
        let mut before: &[u8] = b"";
        let mut above: &[u8] = b"";
        let mut pod = None;
        let mut found = None;
        for part in path.split(|b| *b == b'/') {
            pod = pod_of(part).or(pod);
            found = engine_of(part, before, above).or(found);
            above = before;
            before = part;
        }
        let (engine, id) = found?;
        Some(Self {
            engine,
            id: id[..id.len().min(MAX_ID)].to_vec(),
            kubernetes: path.windows(8).any(|w| w == b"kubepods"),
            pod,
        })
    }
}

/// The engine and id that one part of a path names, given the two parts before it.
fn engine_of<'a>(
    part: &'a [u8],
    before: &[u8],
    above: &[u8],
) -> Option<(Option<&'static str>, &'a [u8])> {
    let stem = part.strip_suffix(b".scope").unwrap_or(part);
    let after_colon = stem
        .windows(b":cri-containerd:".len())
        .position(|w| w == b":cri-containerd:");
    let stem = after_colon.map_or(stem, |at| &stem[at + 1..]);
    for (prefix, engine) in PREFIXES {
        if let Some(id) = stem.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((Some(engine), id));
        }
    }
    let named = |prefix: &[u8], engine| {
        let name = stem.strip_prefix(prefix).filter(|name| !name.is_empty())?;
        Some((Some(engine), name))
    };
    if let Some(found) = named(b"lxc.payload.", "lxc") {
        return Some(found);
    }
    if before == b"machine.slice"
        && part.ends_with(b".scope")
        && !stem.starts_with(b"machine-qemu")
        && let Some(found) = named(b"machine-", "systemd-nspawn")
    {
        return Some(found);
    }
    match before {
        b"lxc" | b"lxc.payload" if !part.is_empty() => Some((Some("lxc"), part)),
        b"docker" if is_id(part) => Some((Some("docker"), part)),
        b"libpod_parent" if is_id(part) => Some((Some("podman"), part)),
        _ if above == b"ecs" && is_ecs_id(part) => Some((Some("ecs"), part)),
        // Kubernetes without systemd (`/kubepods/burstable/podUID/ID`) and others.
        _ => is_id(stem).then_some((None, stem)),
    }
}

/// The pod that a part of a path names: `podUID`, `kubepods-burstable-podUID.slice` with underscores, or podman's
/// `machine-libpod_pod_ID.slice`.
fn pod_of(part: &[u8]) -> Option<Vec<u8>> {
    const PODMAN: &[u8] = b"libpod_pod_";
    let end = part.iter().position(|b| *b == b':').unwrap_or(part.len());
    let stem = &part[..end];
    let stem = stem.strip_suffix(b".slice").unwrap_or(stem);
    if let Some(at) = stem.windows(PODMAN.len()).position(|w| w == PODMAN) {
        return Some(&stem[at + PODMAN.len()..])
            .filter(|id| is_id(id))
            .map(<[u8]>::to_vec);
    }
    // Without systemd the UID has its dashes still.
    let last = stem.rsplit(|b| *b == b'-').next().unwrap_or(stem);
    let uid = stem.strip_prefix(b"pod").or(last.strip_prefix(b"pod"))?;
    let uid: Vec<u8> = uid
        .iter()
        .map(|b| if *b == b'_' { b'-' } else { *b })
        .collect();
    is_uid(&uid).then_some(uid)
}

/// Whether this is a container id: 64 hexadecimal digits.
fn is_id(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit)
}

/// Whether this is a pod's UID: a UUID, or for a pod of a node's own manifest 32 digits.
fn is_uid(text: &[u8]) -> bool {
    let groups: Vec<usize> = text.split(|b| *b == b'-').map(<[u8]>::len).collect();
    matches!(groups.as_slice(), [8, 4, 4, 4, 12] | [32])
        && text.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-')
}

/// Whether this is a container of Amazon's ECS: 64 digits, or 32 digits, a dash and a number.
fn is_ecs_id(text: &[u8]) -> bool {
    let fargate = || {
        let (digits, number) = text.split_at_checked(32)?;
        let number = number.strip_prefix(b"-")?;
        Some(
            digits.iter().all(u8::is_ascii_hexdigit)
                && !number.is_empty()
                && number.iter().all(u8::is_ascii_digit),
        )
    };
    is_id(text) || fargate() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "d8f9fd3f-5a4c-4f8e-a1f0-0c2b6e5d7a91";

    fn of(path: &str) -> Option<Container> {
        Container::of_cgroups(format!("12:cpu:/\n0::{}\n", fill(path)).as_bytes())
    }

    /// Real paths with the ids put in: `ID`, `UID`, and `U_D` as systemd writes it.
    fn fill(path: &str) -> String {
        path.replace("U_D", &UID.replace('-', "_"))
            .replace("UID", UID)
            .replace("ID", &id())
    }

    fn id() -> String {
        "0123456789abcdef".repeat(4)
    }

    #[track_caller]
    fn is(path: &str, engine: Option<&str>, pod: Option<&str>) {
        let found = of(path).unwrap_or_else(|| panic!("no container in {path}"));
        assert_eq!(found.engine, engine, "{path}");
        assert_eq!(found.id.as_slice(), id().as_bytes(), "{path}");
        assert_eq!(found.pod.as_deref(), pod.map(str::as_bytes), "{path}");
        assert_eq!(found.kubernetes, pod == Some(UID), "{path}");
    }

    #[test]
    fn the_paths_of_common_engines_are_told_apart() {
        is("/system.slice/docker-ID.scope", Some("docker"), None);
        is("/docker/ID", Some("docker"), None);
        is("/docker/ID/init.scope", Some("docker"), None);
        is("/../../docker-ID.scope", Some("docker"), None);
        is("/machine.slice/libpod-ID.scope", Some("podman"), None);
        is(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            Some("podman"),
            None,
        );
        is("/libpod_parent/libpod-ID", Some("podman"), None);
        is("/system.slice/nerdctl-ID.scope", Some("containerd"), None);
        is("/default/ID", None, None);
        is("/ecs/0f3c2f9e1b/ID", Some("ecs"), None);
    }

    #[test]
    fn pods_are_known_with_and_without_the_systemd_driver() {
        let pod = Some(UID);
        for quality in ["burstable/", "besteffort/", ""] {
            is(&format!("/kubepods/{quality}podUID/ID"), None, pod);
        }
        for quality in ["-burstable", "-besteffort", ""] {
            for (scope, engine) in [
                ("cri-containerd", "containerd"),
                ("crio", "cri-o"),
                ("docker", "docker"),
            ] {
                let slices = format!(
                    "kubepods.slice/kubepods{quality}.slice/kubepods{quality}-podU_D.slice"
                );
                is(&format!("/{slices}/{scope}-ID.scope"), Some(engine), pod);
            }
        }
        is(
            "/system.slice/containerd.service/kubepods-burstable-podU_D.slice:cri-containerd:ID",
            Some("containerd"),
            pod,
        );
        is(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_D.slice/cri-containerd-ID.scope",
            Some("containerd"),
            pod,
        );
    }

    #[test]
    fn a_container_within_a_container_is_the_inner_one() {
        let outer = "f".repeat(64);
        is(
            &format!("/docker/{outer}/kubelet/kubepods/burstable/podUID/ID"),
            None,
            Some(UID),
        );
        is(
            &format!("/kubepods/podUID/{outer}/docker/ID"),
            Some("docker"),
            Some(UID),
        );
    }

    #[test]
    fn pods_of_a_manifest_and_of_podman_have_other_ids() {
        let manifest = "5c1b7d2e9f0a4b3c8d6e1f2a3b4c5d6e";
        let found = of(&format!("/kubepods/burstable/pod{manifest}/ID")).unwrap();
        assert!(found.kubernetes && found.pod.as_deref() == Some(manifest.as_bytes()));
        let found = of("/machine.slice/machine-libpod_pod_ID.slice/libpod-ID.scope").unwrap();
        assert_eq!((found.engine, found.kubernetes), (Some("podman"), false));
        assert_eq!(found.pod, Some(id().into_bytes()));
    }

    #[test]
    fn containers_with_names_are_known_by_them() {
        for (path, engine, name) in [
            ("/lxc.payload.web/init.scope", "lxc", "web"),
            ("/lxc/db/system.slice", "lxc", "db"),
            (
                "/machine.slice/machine-web.scope/payload",
                "systemd-nspawn",
                "web",
            ),
        ] {
            let found = of(path).unwrap();
            assert_eq!(
                (found.engine, found.id.as_slice()),
                (Some(engine), name.as_bytes())
            );
        }
        let fargate = "055ff2ad8e3b4e0f8b2e1c6d7f8a9b0c-3681984407";
        let found = of(&format!("/ecs/055ff2ad8e3b4e0f8b2e1c6d7f8a9b0c/{fargate}")).unwrap();
        assert_eq!((found.engine, found.id), (Some("ecs"), fargate.into()));
    }

    #[test]
    fn one_hierarchy_of_version_one_is_enough() {
        let text = fill(
            "11:freezer:/\n9:name=systemd:/kubepods/burstable/podUID/ID\n8:pids:/kubepods/burstable/podUID/ID\n0::/\n",
        );
        let found = Container::of_cgroups(text.as_bytes()).unwrap();
        assert_eq!(found.pod, Some(UID.into()));
    }

    #[test]
    fn what_runs_beside_containers_is_in_none() {
        for path in [
            "/user.slice/user-1000.slice/session-3.scope",
            "/",
            "/../..",
            "/system.slice/docker.service",
            "/machine.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/kubepods-podU_D.slice",
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
        assert_eq!(Container::of_cgroups(b"\xff\n:::\n\n0::\n"), None);
    }
}
