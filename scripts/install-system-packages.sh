#!/bin/sh
# Install system libraries (Debian, Ubuntu): what Qt, OpenGL and a virtual screen need, with the
# argument `gpaw` also what GPAW is built with, with `gpaw-only` just that.
# Says what is missing when it has not the right to install. Does nothing when all is there.
set -eu

# a|b: the first name that the distribution knows
screen="xvfb xauth libegl1 libgl1 libgl1-mesa-dri libopengl0 libglib2.0-0t64|libglib2.0-0
libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0
libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1
fonts-dejavu-core"
gpaw="gcc g++ libxc-dev libopenblas-dev libopenmpi-dev openmpi-bin python3-dev"
case "${1:-}" in
    "") wanted="$screen" ;;
    gpaw) wanted="$screen $gpaw" ;;
    gpaw-only) wanted="$gpaw" ;;
    *) echo "usage: $0 [gpaw | gpaw-only]" >&2; exit 2 ;;
esac
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || wanted="$wanted python3-venv"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is no Debian-like system: install by hand what provides: $wanted" >&2
    exit 0
fi

installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing=""
for names in $wanted; do
    found=""
    for name in $(echo "$names" | tr '|' ' '); do
        if installed "$name"; then found=yes; fi
    done
    [ -n "$found" ] || missing="$missing $names"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    sudo=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    echo "These system packages are missing and this user may not install them:" >&2
    echo "   $missing" >&2
    echo "Ask an administrator for: apt-get install$(echo "$missing" | sed 's/|[^ ]*//g')" >&2
    exit 1
fi

echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
packages=""
for names in $missing; do
    for name in $(echo "$names" | tr '|' ' '); do
        if apt-cache show "$name" >/dev/null 2>&1; then
            packages="$packages $name"
            break
        fi
    done
done
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $packages >/dev/null
