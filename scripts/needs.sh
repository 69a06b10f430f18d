# Sourced by run and test: finds what this machine lacks and installs it where that is allowed.
#
# need FILE_OR_COMMAND_TEST PACKAGE... collects packages; install_needs installs them all at once.

needed_packages=()

need() { # need TEST PACKAGE... : wants the packages when the test command fails
    local test=$1
    shift
    if ! eval "$test" >/dev/null 2>&1; then needed_packages+=("$@"); fi
}

has_library() { # has_library libvulkan.so.1
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q "^[[:space:]]*$1 "
}

has_vulkan_driver() {
    local folder
    for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        ls "$folder"/*.json >/dev/null 2>&1 && return 0
    done
    return 1
}

software_vulkan_driver() { # prints lavapipe's manifest
    ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1
}

need_compiler() { need 'command -v cc && echo "int main(){return 0;}" | cc -xc - -o /dev/null' gcc libc6-dev; }

need_vulkan() {
    need 'has_library libvulkan.so.1' libvulkan1
    need has_vulkan_driver mesa-vulkan-drivers
}

need_x_client() {
    need 'has_library libX11.so.6' libx11-6
    need 'has_library libX11-xcb.so.1' libx11-xcb1
    need 'has_library libXcursor.so.1' libxcursor1
    need 'has_library libXi.so.6' libxi6
    need 'has_library libXrandr.so.2' libxrandr2
    need 'has_library libxkbcommon-x11.so.0' libxkbcommon-x11-0
}

find_cargo() {
    command -v cargo >/dev/null 2>&1 || export PATH="$HOME/.cargo/bin:$PATH"
    if ! command -v cargo >/dev/null 2>&1; then
        echo "Seamline is built with Rust 1.95 or newer, which is not on this machine: see https://rustup.rs" >&2
        exit 1
    fi
}

install_needs() {
    [ ${#needed_packages[@]} -eq 0 ] && return 0
    local line="apt-get install -y --no-install-recommends ${needed_packages[*]}" become=
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install these first, by the names that this system gives them: ${needed_packages[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            become="sudo -n env DEBIAN_FRONTEND=noninteractive"
        else
            echo "Some things are missing. Please type this line, then start again:" >&2
            echo "  sudo apt-get update && sudo $line" >&2
            exit 1
        fi
    fi
    echo "Installing what is missing: ${needed_packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { $become apt-get update -q && $become $line; } >/tmp/seamline-install.$$ 2>&1; then
        tail -n 15 /tmp/seamline-install.$$ >&2
        echo "The packages could not be installed. The line was: $line" >&2
        rm -f /tmp/seamline-install.$$
        exit 1
    fi
    rm -f /tmp/seamline-install.$$
}

# What a run's record says of the program: the last change of what is built, and whether files differ from it. Not the
# commit, so that changed words in docs build nothing anew.
name_revision() {
    local built=(src shaders assets models Cargo.toml Cargo.lock)
    [ -z "${SEAMLINE_REVISION:-}" ] || return 0
    SEAMLINE_REVISION=$(git log -1 --format=%h -- "${built[@]}" 2>/dev/null || true)
    if [ -n "$SEAMLINE_REVISION" ] && [ -n "$(git status --porcelain -- "${built[@]}" 2>/dev/null)" ]; then
        SEAMLINE_REVISION+=" with changes"
    fi
    export SEAMLINE_REVISION
}
