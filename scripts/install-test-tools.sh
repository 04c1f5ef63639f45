#!/bin/sh
# What some tests need beside Node.js: a browser (report, dashboard), a terminal (live table), Prometheus with its promtool, and
# what a cluster's node and the images for it are made with. Root on Debian gets what is missing, quietly. Elsewhere one line says
# which tests need what: they are skipped.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=''
for tool in tmux buildah debootstrap containerd runc iptables prometheus; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing="$missing containernetworking-plugins"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
  command -v google-chrome-stable >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
  log=$(mktemp)
  # The programs are wanted, not the services that some of them are.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  echo "installing$missing for the tests"
  # shellcheck disable=SC2086 # a list of names
  if DEBIAN_FRONTEND=noninteractive sh -c "apt-get update && apt-get install -y --no-install-recommends $missing" >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 5 "$log" >&2
  rm -f "$log"
fi
echo "not installed:$missing; tests of the live table need tmux, of the report and the dashboard Chromium, of alerts and metrics prometheus, of a cluster the others: they are skipped" >&2
[ "${CI:-}" != true ]
