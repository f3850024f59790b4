//! Which container a control group belongs to, by the names that container engines give.

/// A container, as far as the path of a control group tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// The engine: `docker`, `containerd`, `cri-o`, `podman`, `lxc`; `None` where only the id is known.
    pub engine: Option<&'static str>,
    /// The container's id or name: hostile until escaped.
    pub id: Vec<u8>,
    /// Whether it belongs to a Kubernetes pod.
    pub kubernetes: bool,
}

/// The longest id kept: ids have 64 digits, names of LXC containers are file names.
const MAX_ID: usize = 255;

/// How systemd names the scopes of engines, as in `docker-ID.scope`.
const SCOPES: [(&[u8], &str); 5] = [
    (b"docker-", "docker"),
    (b"cri-containerd-", "containerd"),
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

    fn of_path(path: &[u8]) -> Option<Self> {
        let kubernetes = path.windows(9).any(|w| w == b"/kubepods");
        let mut before: &[u8] = b"";
        for part in path.split(|b| *b == b'/') {
            if let Some((engine, id)) = engine_of(part, before) {
                return Some(Self {
                    engine,
                    id: id[..id.len().min(MAX_ID)].to_vec(),
                    kubernetes,
                });
            }
            before = part;
        }
        None
    }
}

/// The engine and id that one part of a path names, given the part before it.
fn engine_of<'a>(part: &'a [u8], before: &[u8]) -> Option<(Option<&'static str>, &'a [u8])> {
    let stem = part.strip_suffix(b".scope").unwrap_or(part);
    for (prefix, engine) in SCOPES {
        if let Some(id) = stem.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((Some(engine), id));
        }
    }
    if let Some(name) = part.strip_prefix(b"lxc.payload.") {
        return Some((Some("lxc"), name));
    }
    match before {
        b"lxc" if !part.is_empty() => Some((Some("lxc"), part)),
        b"docker" if is_id(part) => Some((Some("docker"), part)),
        // Kubernetes without systemd (`/kubepods/burstable/podUID/ID`), ECS (`/ecs/TASK/ID`) and others.
        _ => is_id(stem).then_some((None, stem)),
    }
}

/// Whether this is a container id: 64 hexadecimal digits.
fn is_id(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_common_engines_are_told_apart() {
        let id = "0123456789abcdef".repeat(4);
        let of = |path: &str| Container::of_cgroups(format!("12:cpu:/\n0::{path}\n").as_bytes());
        let is = |path: &str, engine: Option<&str>, kubernetes: bool| {
            let found = of(&path.replace("ID", &id)).unwrap();
            assert_eq!(
                (found.engine, found.id.as_slice(), found.kubernetes),
                (engine, id.as_bytes(), kubernetes)
            );
        };
        is("/system.slice/docker-ID.scope", Some("docker"), false);
        is("/docker/ID", Some("docker"), false);
        is(
            "/kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope",
            Some("containerd"),
            true,
        );
        is(
            "/kubepods.slice/kubepods-pod1.slice/crio-ID.scope",
            Some("cri-o"),
            true,
        );
        is("/kubepods/burstable/pod1/ID", None, true);
        is(
            "/machine.slice/libpod-ID.scope/container",
            Some("podman"),
            false,
        );
        is("/ecs/task/ID", None, false);
        assert_eq!(of("/lxc.payload.web/init.scope").unwrap().id, b"web");
        assert_eq!(of("/user.slice/user-1000.slice/session-3.scope"), None);
        assert_eq!(of("/"), None);
        assert_eq!(Container::of_cgroups(b"\xff\n:::\n"), None);
    }
}
