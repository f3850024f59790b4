# Sourced by other scripts: apt_install PACKAGE... installs Debian packages as root or through sudo, and says so.
# Fails with a message that says what to do where that is not possible.

apt_install() {
    local missing=() package
    for package in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
            missing+=("$package")
        fi
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    if ! command -v apt-get >/dev/null; then
        printf 'not a Debian system: please install the equivalents of: %s\n' "${missing[*]}" >&2
        return 1
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'neither root nor sudo: please run as root: apt-get install %s\n' "${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    printf 'installing %s\n' "${missing[*]}" >&2
    # The package lists of a bare machine are empty or old: fetch them when the first try fails.
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq "${missing[@]}")
    "${install[@]}" >/dev/null 2>&1 && return 0
    "${as_root[@]}" apt-get update -qq >/dev/null && "${install[@]}" >/dev/null && return 0
    printf 'could not install %s: is the network there?\n' "${missing[*]}" >&2
    return 1
}
