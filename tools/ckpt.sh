#!/bin/sh
# The npm package's command: starts ckpt with the Deno that npm installed with it. It takes this process's place, so
# that signals, exit codes, the terminal and nohup are its own.
self=$0
while [ -L "$self" ]; do # npm links to this file
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
package=$(cd "$(dirname "$self")" && pwd -P) || exit 1

for modules in "$package/node_modules" "${package%/*}"; do
  [ -d "$modules/deno" ] || continue
  deno=$(cd "$modules/deno" && pwd -P)
  # The first is there once deno's install script has run, the others where npm put them.
  for program in "$deno/deno" "$deno"/node_modules/@deno/*/deno "${deno%/*}"/@deno/*/deno; do
    [ -x "$program" ] || continue
    export DENO_NO_UPDATE_CHECK=1
    exec "$program" run --quiet --allow-all --no-config --no-lock --no-npm --no-remote \
      "$package/dist/cli.js" "$@"
  done
done
echo "error: the npm package deno isn't installed beside $package; install ckpt again" >&2
exit 1
