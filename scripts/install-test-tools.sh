#!/bin/sh
# What some tests need beside Node.js: a browser (report, dashboard) and a terminal (live table).
# Root on Debian gets what is missing, quietly. Elsewhere one line says which tests need what: they are skipped.
set -eu

missing=''
command -v tmux >/dev/null 2>&1 || missing="$missing tmux"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
  command -v google-chrome-stable >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
  log=$(mktemp)
  echo "installing$missing for the tests"
  # shellcheck disable=SC2086 # a list of names
  if DEBIAN_FRONTEND=noninteractive sh -c "apt-get update && apt-get install -y --no-install-recommends $missing" >"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 5 "$log" >&2
  rm -f "$log"
fi
echo "not installed:$missing; tests of the live table need tmux, tests of the report and the dashboard Chromium: they are skipped" >&2
[ "${CI:-}" != true ]
