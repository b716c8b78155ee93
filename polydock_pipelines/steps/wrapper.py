"""The small shell wrapper around every script that runs over SSH.

It keeps a lock and the result in the container, per instance, stage and generation, and lets the
script outlive its connection. A repeat waits for the running script, or reads the kept result. A
container that cannot hold the result runs the script each time, and says so.
"""

import re
import secrets
import shlex
from collections.abc import Mapping

from polydock_pipelines.lifecycle.secret import Secret

DIED = 86
"""Exit code: the script was ended with its container or worker; its lock is gone again."""
NO_PLACE = "polydock: this container cannot hold a result, so a repeat runs the script again"
VARIABLE_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")

WRAPPER = """\
# polydock-stage: {stage}
umask 077
polydock_script() {{
cat <<'{mark}'
{body}
{mark}
}}
polydock_place="${{TMPDIR:-/tmp}}"
polydock_kept="$polydock_place/.polydock-{family}"
polydock_dir="$polydock_kept-{generation}"
if mkdir "$polydock_dir" 2>/dev/null; then
  for polydock_old in "$polydock_kept"-*; do
    [ "$polydock_old" = "$polydock_dir" ] || rm -rf "$polydock_old"
  done
  polydock_script > "$polydock_dir/script"
  polydock_detach=
  command -v setsid >/dev/null 2>&1 && polydock_detach=setsid
  trap '' HUP
  $polydock_detach sh -c '
    echo $$ > "$1/pid"
    sh "$1/script" > "$1/out" 2> "$1/err" < /dev/null
    echo $? > "$1/code.new"
    rm -f "$1/script"
    mv "$1/code.new" "$1/code"
  ' sh "$polydock_dir" < /dev/null > /dev/null 2>&1 &
  wait $!
elif [ ! -d "$polydock_dir" ]; then
  echo '{no_place}' >&2
  polydock_script | sh -s
  exit $?
fi
polydock_misses=0
while [ ! -f "$polydock_dir/code" ]; do
  polydock_pid=$(cat "$polydock_dir/pid" 2>/dev/null)
  if [ -z "$polydock_pid" ] || ! kill -0 "$polydock_pid" 2>/dev/null; then
    polydock_misses=$((polydock_misses + 1))
  fi
  if [ "$polydock_misses" -gt 5 ]; then
    rm -rf "$polydock_dir"
    exit {died}
  fi
  sleep 1
done
cat "$polydock_dir/out"
cat "$polydock_dir/err" >&2
exit "$(cat "$polydock_dir/code")"
"""


def wrap(
    script: str, *, stage: str, instance_uuid: str, generation: int, env: Mapping[str, Secret]
) -> str:
    """Return what is fed to `sh -s`: exports, the script, and the wrapper around both."""
    exports = [
        f"export {name}={shlex.quote(value.reveal())}"
        for name, value in env.items()
        if VARIABLE_NAME.fullmatch(name)
    ]
    return WRAPPER.format(
        stage=stage,
        mark=f"POLYDOCK_{secrets.token_hex(8)}",
        body="\n".join([*exports, script]),
        family=f"{instance_uuid}-{stage}",
        generation=generation,
        no_place=NO_PLACE,
        died=DIED,
    )
