# need PACKAGES TOOL…: exits if a tool is missing, and names the Debian packages that have all of them.
need() {
  local packages=$1 tool
  shift
  for tool in "$@"; do
    command -v "$tool" >/dev/null && continue
    echo "$tool is missing: apt-get install $packages" >&2
    exit 2
  done
}
