"""Bad days that are no rows of the table: each is played by a test of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Played:
    """One such day."""

    day: str
    ends: str
    """How it ends, and what an operator reads."""
    test: str
    """The test that plays it, below `tests/`."""


WORKERS = (
    Played(
        "A run is killed (SIGKILL) anywhere, in any stage",
        "Its leases end after a minute, the sensor `due_instances` gives its rows to another run. "
        "Nothing is done twice. Six deaths in one stage fail the instance: *the worker died in "
        "each of 6 attempts*",
        "baddays/test_kills.py::test_killed_workers_on_the_way_to_the_claim",
    ),
    Played(
        "A run dies before or after any single call to the outside",
        "The next one looks before it acts, and finds what was done",
        "baddays/test_worker_deaths.py"
        "::test_a_worker_that_dies_on_the_way_to_the_claim_costs_nothing",
    ),
    Played(
        "A run dies during a removal",
        "The same; each script runs once all the same",
        "baddays/test_kills.py::test_killed_workers_during_a_removal",
    ),
    Played(
        "A run dies during an upgrade",
        "The same: one more build, and each script once",
        "baddays/test_worker_deaths.py::test_a_worker_that_dies_during_an_upgrade_costs_nothing",
    ),
    Played(
        "A run is killed while a claim script runs",
        "The script goes on in its container; the next run waits for it and reads its result",
        "baddays/test_kills.py"
        "::test_a_worker_killed_while_a_claim_script_runs_is_followed_by_its_result",
    ),
    Played(
        "A run was made and never began",
        "Its rows are free again after 45 s (20 s when Dagster does not know it at all)",
        "baddays/test_races.py::test_a_run_that_never_begins_is_replaced",
    ),
    Played(
        "Dagster believes for ever that a dead run is at work",
        "`due_instances` fails it after a minute of silence and says so in its log",
        "e2e/test_silent_runs.py::test_a_silent_run_is_failed_with_a_sentence_and_replaced",
    ),
    Played(
        "A run sleeps over its lease, and wakes up",
        "It writes nothing; its visit says *another run holds it now*",
        "baddays/test_races.py::test_a_worker_that_slept_over_its_lease_writes_nothing",
    ),
    Played(
        "Code server and run are killed together; daemon, webserver and intake are",
        "`polydock up` ends: *daemon ended with -9; see …*. Started again in the same home it says "
        "*Took over … runs and … instances*, and goes on at once",
        "baddays/test_stack_deaths.py"
        "::test_a_killed_stack_goes_on_when_it_is_started_again_even_twice_by_mistake",
    ),
    Played(
        "Two stacks by mistake on one database",
        "Both work, leases decide: one project and one build each. In one *home* a second stack is "
        "refused: *another stack runs in …*",
        "baddays/test_stack_deaths.py"
        "::test_a_killed_stack_goes_on_when_it_is_started_again_even_twice_by_mistake",
    ),
    Played(
        "A second stack is started in the same home",
        "It ends at once and names the process that has the home",
        "integration/cli/test_a_killed_stack.py::test_a_second_stack_in_a_home_is_told_who_has_it",
    ),
    Played(
        "Everything is restarted with 1,000 instances in flight",
        "The first tick gives all that were held to at most four runs a kind; all come to rest",
        "baddays/test_crowds.py::test_everything_is_restarted_with_a_thousand_in_flight",
    ),
)

LAGOON = (
    Played(
        "With 500 in flight the token is revoked for an hour, Lagoon takes 30 s an answer for an "
        "hour, Lagoon is away for two hours",
        "Nobody fails, attempts and deadlines stand still, a probe or two a minute is all that is "
        "asked. `polydock doctor` and the check `lagoon_reachable` say since when and why",
        "baddays/test_crowds.py"
        "::test_five_hundred_in_flight_outlive_a_revoked_token_a_slow_and_an_absent_lagoon",
    ),
    Played(
        "Somebody deploys within the same second",
        "Lagoon refuses ours; it is tried again half a minute later",
        "baddays/test_races.py::test_somebody_deploys_within_the_same_second",
    ),
    Played(
        "An operator retries in the second in which the build failed",
        "The same",
        "baddays/test_races.py::test_a_retry_right_after_a_failed_build_waits_out_the_second",
    ),
    Played(
        "The answer to a deploy is lost, and Lagoon's list of builds stays empty for a while",
        "Nothing is started until two looks, a minute apart, found none: one build",
        "baddays/test_lists.py::test_a_build_that_no_list_shows_yet_is_not_started_twice",
    ),
    Played(
        "Somebody else has a project of our name",
        "Before we looked: another name is taken. After: *create-failed*, a retry takes another",
        "baddays/test_races.py"
        "::test_a_name_that_is_taken_after_we_looked_fails_and_a_retry_varies_it",
    ),
    Played(
        "A removal is asked for in the middle of any step",
        "The step ends, then the removal begins; also when the step's worker died",
        "baddays/test_races.py::test_a_removal_outlives_the_worker_that_was_to_obey_it",
    ),
)

CONTAINERS = (
    Played(
        "An idle environment takes 80 s to wake",
        "It is waited for: a command has 240 s, the connection 15 s",
        "baddays/test_containers.py"
        "::test_an_environment_that_wakes_for_eighty_seconds_is_claimed_at_the_first_try",
    ),
    Played(
        "A claim script of 60 s is cut off at every second second",
        "It runs on in its container, once; the next connection reads the result",
        "baddays/test_containers.py"
        "::test_a_claim_script_of_sixty_seconds_that_is_cut_off_at_every_second_second_runs_once",
    ),
    Played(
        "A script prints without end",
        "*polydock-claim-failed*: the command *did not end within 240 s*. We keep 64 KiB of it",
        "baddays/test_containers.py"
        "::test_a_script_that_never_stops_talking_ends_as_a_failure_that_says_so",
    ),
)

STORAGE = (
    Played(
        "The database is restarted, and away for 40 s",
        "Signups get 503, ticks and runs fail and come again; then all goes on",
        "deploy/test_postgres.py"
        "::test_signups_in_flight_outlive_a_database_that_is_away_for_40_seconds",
    ),
    Played(
        "SQLite: four processes of eight threads write at once",
        "Nobody reads *database is locked*",
        "integration/db/test_sqlite_writers.py"
        "::test_four_processes_of_eight_threads_write_without_one_locked_database",
    ),
    Played(
        "The disk is full",
        "Signups get 503 and leave nothing half-written; the intake's log says *database or disk "
        "is full*. No attempt is spent; with room again all goes on",
        "baddays/test_storage.py"
        "::test_a_full_disk_refuses_signups_whole_and_goes_on_when_there_is_room",
    ),
    Played(
        "The disk is full in the middle of a run",
        "What the run did is found again, not repeated",
        "baddays/test_storage.py::test_a_run_that_cannot_write_what_it_did_repeats_nothing_later",
    ),
    Played(
        "The database file is read-only",
        "Signups get 503, reading goes on; the log says *attempt to write a readonly database*",
        "baddays/test_storage.py::test_a_read_only_file_refuses_signups_and_is_still_read",
    ),
    Played(
        "Postgres only lets read (a standby)",
        "The same: *cannot execute INSERT in a read-only transaction*",
        "baddays/test_storage.py::test_a_postgres_that_only_lets_read_refuses_signups",
    ),
    Played(
        "A process has another POLYDOCK_SECRET_KEYS than the one that sealed",
        "It leaves the instances alone and names POLYDOCK_SECRET_KEYS on them; no attempt is spent",
        "baddays/test_storage.py"
        "::test_a_process_without_the_secret_key_leaves_everything_to_the_others",
    ),
)

AMAZEE_AI = (
    Played(
        "A run dies, or an answer is lost, at any call: between user and key, between key and its "
        "record, between key and variables",
        "What was meant stands in the ledger; the next run looks before it makes another: one key",
        "unit/steps/test_ai_lives.py::test_a_call_that_dies_or_gets_no_answer_costs_nothing",
    ),
    Played(
        "The trial is removed right after such a death",
        "The removal finds what the ledger only meant, and waits for what may still be in the "
        "making: nothing is left",
        "unit/steps/test_ai_lives.py::test_a_removal_right_after_a_death_leaves_nothing",
    ),
    Played(
        "One person has two instances, and one of them is removed",
        "Each has a key of its own name; the other's key and the person's account stay",
        "unit/steps/test_credentials.py"
        "::test_the_removal_of_one_leaves_the_key_of_the_other_and_the_person",
    ),
    Played(
        "An address contains another (`b@x.io`, `bob@x.io`), or has `%` and `_` in it",
        "Only the very same address is taken, inactive users included",
        "integration/clients/test_amazee_ai_contract.py"
        "::test_a_user_is_found_by_exactly_its_address",
    ),
    Played(
        "The number of a key in the ledger is another's by now (another backend, or a fresh one)",
        "It is not of our name: it stays",
        "unit/steps/test_giving_back.py::test_a_number_that_is_another_keys_by_now_is_left_alone",
    ),
    Played(
        "amazee.ai is away",
        "Its circuit opens; instances that need it wait, others go on; one at a time asks again",
        "integration/actions/test_ai_circuit.py"
        "::test_an_instance_waits_for_it_and_another_type_goes_on",
    ),
)

TRIALS = (
    Played(
        "Nothing: thirty days of a trial",
        "Each mail and each state at its minute, once: half time, a day left, an extension by the "
        "link in the mail, a day left again, the end, the removal, and after its grace the purge",
        "e2e/test_a_whole_trial.py::test_thirty_days_of_a_trial",
    ),
    Played(
        "The daemon sleeps for half an hour, or for three days",
        "The next minute does all that fell due, the oldest first; nothing is written twice",
        "e2e/test_trial_schedules.py::test_a_scheduler_that_slept_ends_and_removes_once",
    ),
    Played(
        "The clock is set back by a day",
        "Nothing comes early and nothing again",
        "integration/actions/test_trials.py"
        "::test_a_clock_that_is_set_back_takes_nothing_back_and_ends_nothing_early",
    ),
    Played(
        "Two runs end and remove trials at the same moment",
        "They share them: one mail and one removal each",
        "integration/actions/test_trials.py::test_rounds_at_the_same_time_do_each_thing_once",
    ),
    Played(
        "A trial ends in the middle of any step",
        "The step is finished, then the removal begins",
        "integration/actions/test_trials.py"
        "::test_a_step_in_hand_is_finished_before_an_ended_trial_goes",
    ),
    Played(
        "More removals, or purges, within an hour than POLYDOCK_REMOVAL_ALARM",
        "They pause themselves and say so; `polydock resume` lets them go on",
        "integration/actions/test_braked_endings.py"
        "::test_too_many_at_once_pause_themselves_until_somebody_looked",
    ),
    Played(
        "Somebody retries an old failure while the sweep looks at it",
        "It is left alone",
        "integration/actions/test_sweeps.py"
        "::test_one_that_is_retried_while_the_sweep_looks_is_left_alone",
    ),
    Played(
        "Somebody says that a project is gone while Lagoon shows it",
        "*Lagoon still shows the project*: nothing is changed",
        "integration/actions/test_purge.py"
        "::test_what_lagoon_shows_as_ours_is_not_gone_whatever_somebody_says",
    ),
)

PLAYED = {
    "Workers and the stack": WORKERS,
    "Lagoon": LAGOON,
    "Containers": CONTAINERS,
    "Storage": STORAGE,
    "Trials": TRIALS,
    "amazee.ai": AMAZEE_AI,
}
