"""What the kernel says of a process, read."""

import pytest

from benchmarks.processes import Share, cpu_seconds, pss_bytes, role

ROLLUP = """5581e8a5b000-7ffd0a5f6000 ---p 00000000 00:00 0    [rollup]
Rss:              101944 kB
Pss:               93986 kB
Pss_Dirty:         80140 kB
Pss_Anon:          80000 kB
"""
STAT = "1493 (a (bad) name) S 1354 1493 1493 0 -1 4194304 60 70 0 0 274 75 290 65 20 0 11 0 99"


def test_only_the_line_of_the_whole_pss_counts() -> None:
    assert pss_bytes(ROLLUP) == 93986 * 1024
    assert pss_bytes("") == 0


def test_the_time_of_children_that_ended_counts() -> None:
    assert cpu_seconds(STAT, ticks_per_s=100) == pytest.approx(7.04)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-m", "polydock_pipelines.cli", "simulate", "--port", "1"], "simulator"),
        (["python", "-m", "polydock_pipelines.cli", "intake", "--port", "1"], "intake"),
        (["python", "/some/bin/dagster", "api", "grpc", "-m", "x"], "code-server"),
        (["python", "/some/bin/dagster-webserver", "-h", "x"], "webserver"),
        (["python", "/some/bin/dagster-daemon", "run"], "daemon"),
        (["python", "-m", "polydock_pipelines.cli", "up"], ""),
    ],
)
def test_a_process_is_known_by_its_command_line(command: list[str], name: str) -> None:
    assert role(command) == name


def test_a_share_is_what_came_since_and_what_is_ours() -> None:
    since = Share(10.0, 4.0) - Share(6.0, 3.0)
    assert (since.everything, since.simulator, since.ours) == (4.0, 1.0, 3.0)
