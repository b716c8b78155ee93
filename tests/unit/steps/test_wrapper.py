"""The wrapper is run by the real `sh`, in a folder of its own."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.steps.wrapper import DIED, NO_PLACE, wrap
from tests.makers import UUID

POLL = "  sleep 1\n"
HOSTILE = [
    "plain",
    'it\'s "quoted"',
    "two\nlines",
    "$(touch /tmp/evil) `id` ${HOME} $x",
    "back\\slash\\n",
    "grüße 日本 🐙",
    "; exit 9 #",
    " spaces  and\ttabs ",
    "",
    "*",
    "-n",
]


def wrapped(script: str, generation: int = 1, **env: str) -> str:
    """Return the wrapper's text, made to look ten times as often as in a container."""
    values = {name: Secret(value) for name, value in env.items()}
    text = wrap(
        script, stage="polydock-claim", instance_uuid=UUID, generation=generation, env=values
    )
    assert POLL in text
    return text.replace(POLL, "  sleep 0.1\n")


def start(place: Path, text: str) -> subprocess.Popen[str]:
    """Feed *text* to `sh -s` as an SSH server does: in a session of its own."""
    shell = subprocess.Popen(
        ["sh", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(place), "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    assert shell.stdin is not None
    shell.stdin.write(text)
    shell.stdin.close()
    shell.stdin = None
    return shell


def run(place: Path, text: str) -> tuple[int, str, str]:
    shell = start(place, text)
    stdout, stderr = shell.communicate(timeout=60)
    return shell.returncode, stdout, stderr


def until(path: Path, *, has: str = "") -> None:
    """Wait until the file is there with *has* in it."""
    patience = time.monotonic() + 20
    while not path.exists() or has not in path.read_text():
        assert time.monotonic() < patience, f"{path} never came"
        time.sleep(0.02)


def kill_group(pid: int) -> None:
    os.killpg(os.getpgid(pid), signal.SIGKILL)


def lock_of(place: Path) -> Path:
    (found,) = place.glob(".polydock-*")
    return found


def times(place: Path) -> int:
    """Return how often the script, which appends to `ran`, has run."""
    return (place / "ran").read_text().count("x")


# -- once a generation


def test_output_errors_and_exit_code_of_the_script_come_through(tmp_path: Path) -> None:
    answer = run(tmp_path, wrapped("echo out; echo err >&2; exit 3"))
    assert answer == (3, "out\n", "err\n")


def test_a_script_runs_once_a_generation_and_a_repeat_reads_the_kept_result(tmp_path: Path) -> None:
    text = "printf x >> ran; echo out; echo err >&2; exit 4"
    answers = [run(tmp_path, wrapped(text)) for _ in range(3)]
    assert answers == [(4, "out\n", "err\n")] * 3
    assert times(tmp_path) == 1


def test_another_generation_runs_it_again_and_forgets_the_old_result(tmp_path: Path) -> None:
    run(tmp_path, wrapped("printf x >> ran"))
    run(tmp_path, wrapped("printf x >> ran", generation=2))
    assert times(tmp_path) == 2
    assert lock_of(tmp_path).name.endswith("-2")


def test_results_of_other_stages_and_instances_are_left_alone(tmp_path: Path) -> None:
    other = wrap("exit 5", stage="post-deploy", instance_uuid=UUID, generation=1, env={})
    run(tmp_path, other)
    run(tmp_path, wrapped("exit 0", generation=2))
    assert run(tmp_path, other)[0] == 5
    assert len(list(tmp_path.glob(".polydock-*"))) == 2


def test_repeats_at_the_same_time_wait_for_the_one_that_runs(tmp_path: Path) -> None:
    text = wrapped("printf x >> ran; sleep 1; echo late; exit 6")
    answers: list[tuple[int, str, str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(run(tmp_path, text))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(6, "late\n", "")] * 5
    assert times(tmp_path) == 1


def test_a_script_gets_no_input_and_does_not_eat_the_wrapper(tmp_path: Path) -> None:
    assert run(tmp_path, wrapped("cat; read line; echo end")) == (0, "end\n", "")


def test_nothing_that_holds_a_secret_is_left_readable_by_others(tmp_path: Path) -> None:
    run(tmp_path, wrapped("echo $TOKEN", TOKEN="tiger"))
    kept = lock_of(tmp_path)
    assert not (kept / "script").exists()
    modes = [path.stat().st_mode & 0o077 for path in (kept, *kept.iterdir())]
    assert modes == [0] * len(modes)


# -- connections and containers that die


def test_a_script_outlives_its_connection_and_runs_once(tmp_path: Path) -> None:
    text = wrapped("printf x >> ran; sleep 1.5; echo finished; exit 7")
    shell = start(tmp_path, text)
    until(tmp_path / "ran")
    until(lock_of(tmp_path) / "pid", has="\n")
    kill_group(shell.pid)
    shell.communicate(timeout=10)
    assert run(tmp_path, text) == (7, "finished\n", "")
    assert times(tmp_path) == 1


def test_a_hang_up_does_not_end_the_script(tmp_path: Path) -> None:
    text = wrapped("printf x >> ran; sleep 1; echo finished")
    shell = start(tmp_path, text)
    until(tmp_path / "ran")
    os.killpg(shell.pid, signal.SIGHUP)
    assert shell.communicate(timeout=20)[0] == "finished\n"
    assert run(tmp_path, text) == (0, "finished\n", "")
    assert times(tmp_path) == 1


def test_a_connection_that_dies_as_the_script_begins_does_not_run_it_twice(tmp_path: Path) -> None:
    # The outer shell stops between starting the script and anything it would do after that.
    text = wrapped("printf x >> ran; sleep 3; echo finished").replace(
        "  wait $!\n", "  kill -KILL $$\n", 1
    )
    start(tmp_path, text).communicate(timeout=20)
    until(tmp_path / "ran")
    answer = run(tmp_path, wrapped("printf x >> ran"))
    assert answer == (0, "finished\n", "")
    assert times(tmp_path) == 1


def test_a_script_that_is_killed_with_its_keeper_says_so_and_runs_again(tmp_path: Path) -> None:
    text = wrapped("printf x >> ran; [ -f second ] || sleep 60")
    shell = start(tmp_path, text)
    until(tmp_path / "ran")
    until(lock_of(tmp_path) / "pid", has="\n")
    kill_group(int((lock_of(tmp_path) / "pid").read_text()))
    shell.communicate(timeout=30)
    assert shell.returncode == DIED
    assert not list(tmp_path.glob(".polydock-*"))
    (tmp_path / "second").touch()
    assert run(tmp_path, text)[0] == 0
    assert times(tmp_path) == 2


def test_a_lock_without_a_process_is_given_up_and_the_script_runs_again(tmp_path: Path) -> None:
    (tmp_path / f".polydock-{UUID}-polydock-claim-1").mkdir()
    assert run(tmp_path, wrapped("printf x >> ran"))[0] == DIED
    assert run(tmp_path, wrapped("printf x >> ran"))[0] == 0
    assert times(tmp_path) == 1


def test_a_script_that_kills_itself_has_the_code_of_its_signal(tmp_path: Path) -> None:
    assert run(tmp_path, wrapped("kill -KILL $$"))[0] == 128 + signal.SIGKILL


def test_a_container_that_cannot_hold_a_result_runs_the_script_each_time_and_says_so(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "missing"
    text = wrapped("printf x >> ran; echo out; exit 2").replace(
        'polydock_place="${TMPDIR:-/tmp}"', f'polydock_place="{missing}"'
    )
    for _ in range(2):
        assert run(tmp_path, text) == (2, "out\n", f"{NO_PLACE}\n")
    assert times(tmp_path) == 2


# -- quoting


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_a_hostile_value_reaches_the_script_as_it_is(tmp_path: Path, value: str) -> None:
    _, out, err = run(tmp_path, wrapped('printf "%s|" "$VALUE"', VALUE=value))
    assert (out, err) == (f"{value}|", "")
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("name", ["A-B", "1A", "A B", "A;id", "", "Ä", "A=B", "A\n"])
def test_a_name_that_no_shell_takes_is_left_out(name: str) -> None:
    env: Mapping[str, Secret] = {name: Secret("value")}
    assert "value" not in wrap("true", stage="s", instance_uuid=UUID, generation=1, env=env)


def test_a_script_may_hold_anything_here_documents_too(tmp_path: Path) -> None:
    script = "cat <<'EOF'\n$(id) `id` {braces} \\ ' \"\nEOF\nprintf '%s\\n' \"$((1+1)) é\""
    assert run(tmp_path, wrapped(script))[1] == "$(id) `id` {braces} \\ ' \"\n2 é\n"


def test_a_script_that_guesses_the_mark_cannot_break_out() -> None:
    first, second = wrapped("true"), wrapped("true")
    mark = re.compile(r"POLYDOCK_[0-9a-f]{16}")
    assert mark.findall(first) != mark.findall(second)


def test_the_wrapper_names_its_stage_so_that_a_stand_in_can_tell() -> None:
    assert wrapped("true").startswith("# polydock-stage: polydock-claim\n")
