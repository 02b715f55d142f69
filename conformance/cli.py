"""The command line. Every command loads what it needs when it runs, so that `--help` is there at once."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from conformance import __version__
from conformance.depth import DEPTHS
from conformance.interpreter import collect_seldom
from conformance.options import (
    ANY,
    FILE,
    FOLDER,
    address,
    by_contract,
    complete_fault,
    complete_ready,
    complete_rows,
    complete_stranger,
    deed,
    duration,
    gated,
    known_fault,
    number_of_jobs,
    ready_profile,
    settings_of,
    targeted,
    varied,
)
from conformance.verdict import ExitCode, Gate, Level


class _Command(click.Command):
    """A command whose help keeps its lines where click's mark stands, which a raw docstring spells out."""

    def __init__(self, name: str | None, **settings: Any) -> None:  # noqa: ANN401 - whatever click hands on
        text = settings.pop("help", None)
        super().__init__(name, help=text and text.replace("\\b\n", "\b\n"), **settings)


class _Commands(_Command, click.Group):
    """The commands, each of that kind."""

    command_class = _Command


def _end(work: Callable[[], ExitCode], *problems: type[BaseException]) -> NoReturn:
    """Do the work of a command, and end as it says; a usage problem is a sentence, whatever else breaks our fault."""
    from conformance.running import UsageProblem

    usage: tuple[type[BaseException], ...] = (UsageProblem, *problems)
    try:
        code = work()
    except usage as error:
        click.echo(str(error), err=True)
        code = ExitCode.USAGE
    except Exception:  # noqa: BLE001 - whatever it is, it says nothing about the target
        traceback.print_exc()
        code = ExitCode.OUR_FAULT
    sys.exit(code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="cancel-conformance")
def main() -> None:
    r"""Prove or refute what a task API's cancel endpoint promises, on any implementation.

    \b
    Examples:
      cancel-conformance run                               judge the built-in reference service
      cancel-conformance init api.toml --like bytespike    begin a profile of a service
      cancel-conformance doctor --target staging.toml      see what the service shows, and what is missing
      cancel-conformance run --target staging.toml         judge it
      cancel-conformance requirements                      list what is judged
      cancel-conformance serve --port 0                    a sandbox to develop a client against

    \b
    Exit codes: 0 every MUST row passed, 1 something failed, 2 usage or profile error before any request,
    3 nothing failed but something is inconclusive, 4 the suite itself is at fault.
    """
    collect_seldom()


@main.command()
@targeted
@by_contract
@click.option(
    "--depth", type=click.Choice(list(DEPTHS)), default="standard", show_default=True, help="How much to ask."
)
@click.option(
    "--only",
    default="",
    metavar="ROWS",
    shell_complete=complete_rows,
    help="Families and requirements, such as IDENT,BILL-2.",
)
@click.option(
    "--stories",
    default="",
    metavar="ROWS",
    shell_complete=complete_rows,
    help="Tell only the stories that aim at these rows; judge all.",
)
@click.option("-k", "keyword", default="", metavar="EXPR", help="Tests whose names match, as in pytest.")
@click.option(
    "--jobs",
    callback=number_of_jobs,
    default="auto",
    show_default=True,
    metavar="N",
    help="Processes that tell stories side by side; auto: two or four for a whole run, or, if the target is"
    " far, two more than limits.in_flight, up to eight.",
)
@click.option("--seed", type=int, help="Generate the calls of an earlier run.")
@click.option("--report-dir", type=FOLDER, metavar="DIR", envvar="CONFORMANCE_REPORT_DIR", help="Where results go.")
@varied("Judge")
@gated
def run(  # noqa: PLR0917 - one parameter an option
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    contract: Path | None,
    depth: str,
    only: str,
    stories: str,
    keyword: str,
    jobs: int | None,
    seed: int | None,
    report_dir: Path | None,
    fault: str | None,
    stranger: str | None,
    gate: str,
    fail_on_inconclusive: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    r"""Judge a target; without one, the built-in reference service.

    The keys come from the environment: CONFORMANCE_OWNER_KEY, CONFORMANCE_OTHER_KEY (another account's) and
    CONFORMANCE_REVOKED_KEY, or from the variables that the profile names.

    \b
    Examples:
      cancel-conformance run
      cancel-conformance run --depth smoke --only IDENT,STATE-1
      cancel-conformance run --gate should --fail-on-inconclusive
      cancel-conformance run --fault accepts-both-identifiers
      cancel-conformance run --base-url https://staging.example.com/v1
      cancel-conformance run --target staging.toml --depth smoke --set budget.credits=20
    """
    from conformance.running import Asked, carry_out

    overrides = (*settings_of(stranger, fault), *overrides)
    asked = Asked(
        target=target,
        base_url=base_url,
        overrides=overrides,
        contract=contract,
        depth=depth,
        only=only,
        stories=stories,
        keyword=keyword,
        jobs=jobs,
        seed=seed,
        report_dir=report_dir,
        fault=fault,
        stranger=stranger,
        gate=Gate(level=Level(gate), proof=fail_on_inconclusive),
    )
    _end(lambda: carry_out(asked, os.environ))


@main.command()
@click.argument("journal", type=FILE)
@click.option("--report-dir", type=FOLDER, metavar="DIR", help="Write the reports anew, here.")
@gated
def judge(
    journal: Path,
    report_dir: Path | None,
    gate: str,
    fail_on_inconclusive: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    r"""Judge a recorded run again, offline, with the checks of this version.

    \b
    Example:
      cancel-conformance judge reports/latest/journal.sqlite
    """
    from conformance.running import judge_recorded

    _end(lambda: judge_recorded(journal, report_dir, Gate(level=Level(gate), proof=fail_on_inconclusive)))


@main.command()
@targeted
@click.option(
    "--depth", type=click.Choice(list(DEPTHS)), default="standard", show_default=True, help="How much to ask."
)
@click.option(
    "--only",
    default="",
    metavar="ROWS",
    shell_complete=complete_rows,
    help="Families and requirements, such as IDENT,BILL-2.",
)
@click.option("-k", "keyword", default="", metavar="EXPR", help="Tests whose names match, as in pytest.")
@click.option("--seed", type=int, help="The seed that the run will have.")
def plan(  # noqa: PLR0917 - one parameter an option
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    depth: str,
    only: str,
    keyword: str,
    seed: int | None,
) -> None:
    r"""Say what a run would submit, cost and take, before it does.

    Its stories are rehearsed with the built-in service, on this machine. The target is sent free queries alone.

    \b
    Exit codes: 0 the budget is enough, 2 usage error, 3 rows would stay inconclusive or the target is silent,
    4 the suite itself is at fault.

    \b
    Examples:
      cancel-conformance plan --target staging.toml
      cancel-conformance plan --target staging.toml --depth smoke --only BILL --set budget.credits=5
    """
    from conformance.running import Asked
    from conformance.running import plan as tell_plan

    asked = Asked(
        target=target,
        base_url=base_url,
        overrides=overrides,
        depth=depth,
        only=only,
        keyword=keyword,
        seed=seed,
    )
    _end(lambda: tell_plan(asked, os.environ))


@main.command()
@click.argument("journal", type=FILE)
@click.option("--target", type=FILE, metavar="FILE", help="The run's profile; without it, what its journal remembers.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One setting of the profile, dotted.")
def sweep(journal: Path, target: Path | None, overrides: tuple[str, ...]) -> None:
    r"""End what a run has left: after a kill, a crash, a power cut.

    JOURNAL names every task that the run submitted, and every submit whose answer was lost. Those that were never seen
    to have ended are cancelled; a lost submit without an out_task_id cannot be, and counts as left. The keys come from
    the environment, by the names that the profile gives them.

    \b
    Exit codes: 0 all of it has ended, 2 usage error, 3 something is left or the target is silent,
    4 the suite itself is at fault.

    \b
    Examples:
      cancel-conformance sweep reports/latest/journal.sqlite
      cancel-conformance sweep reports/latest/journal.sqlite --target staging.toml
    """
    from conformance.running import Asked
    from conformance.running import sweep as end_what_is_left

    _end(lambda: end_what_is_left(journal, Asked(target=target, overrides=overrides), os.environ))


@main.command()
@click.argument("file", type=FILE)
@targeted
@by_contract
@click.option("--report-dir", type=FOLDER, metavar="DIR", envvar="CONFORMANCE_REPORT_DIR", help="For the journal.")
@click.option(
    "--fault",
    metavar="NAME",
    callback=known_fault,
    shell_complete=complete_fault,
    help="Replay on the reference service with that fault.",
)
def replay(  # noqa: PLR0917 - one parameter an option
    file: Path,
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    contract: Path | None,
    report_dir: Path | None,
    fault: str | None,
) -> None:
    r"""Tell the program that broke a requirement once more, and say whether it still does.

    FILE is a replay-<REQUIREMENT>.json from the report folder of a run. Exit codes: 0 fixed, 1 still broken,
    2 usage error or no such replay, 3 nobody can tell, 4 the suite itself is at fault.

    \b
    Examples:
      cancel-conformance replay reports/latest/replay-IDENT-4.json --target staging.toml
      cancel-conformance replay replay-IDENT-4.json --fault accepts-both-identifiers
    """
    from conformance.running import Asked
    from conformance.running import replay as tell_again

    asked = Asked(
        target=target, base_url=base_url, overrides=overrides, contract=contract, report_dir=report_dir, fault=fault
    )
    _end(lambda: tell_again(file, asked, os.environ))


@main.command()
@click.option(
    "--only",
    default="",
    metavar="ROWS",
    shell_complete=complete_rows,
    help="Families and requirements, such as IDENT,BILL-2.",
)
def requirements(only: str) -> None:
    r"""List the catalogue: what a conformant cancel endpoint owes its callers.

    \b
    Example:
      cancel-conformance requirements --only STATE
    """
    from conformance.requirements import catalogue, selected

    try:
        chosen = selected(only) or list(catalogue())
    except ValueError as error:
        click.echo(f"--only {only}: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    for row in (catalogue()[name] for name in chosen):
        click.echo(f"{row.id:<10}{row.level:<8}{row.statement}{'  (planned)' if row.planned else ''}")
        click.echo(click.style(f"{'':<18}{row.cited}", dim=True))


@main.command()
@click.option("--port", default=8080, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--speed", default=1.0, show_default=True, help="How many times as fast tasks move.")
@click.option("--database", type=FILE, metavar="FILE", help="Keep the tasks here; without it they go with the server.")
@click.option("--processes", type=click.IntRange(1, 16), help="So many over one database.")
@click.option("--latency", type=click.FloatRange(0, 60), default=0.0, metavar="SECONDS", help="More for each answer.")
@click.option("--at-most-running", type=click.IntRange(1), help="Further tasks stay pending until one ends.")
@click.option("--in-flight", type=click.IntRange(1), help="Requests at once, a process; past it 429.")
@click.option(
    "--fault",
    metavar="NAME",
    shell_complete=complete_fault,
    help="Serve it with one of its faults built in; `list` lists them.",
)
@click.option(
    "--stranger",
    metavar="NAME",
    shell_complete=complete_stranger,
    help="Serve a lawful variant of it; `list` lists them.",
)
def serve(  # noqa: PLR0917 - one parameter an option
    port: int,
    speed: float,
    database: Path | None,
    processes: int | None,
    latency: float,
    at_most_running: int | None,
    in_flight: int | None,
    fault: str | None,
    stranger: str | None,
) -> None:
    r"""Run the reference service by itself, as a sandbox for the authors of clients.

    \b
    Examples:
      cancel-conformance serve --port 0
      cancel-conformance serve --port 0 --speed 10 --database tasks.sqlite
      cancel-conformance serve --port 0 --processes 2
      cancel-conformance serve --port 0 --latency 0.1 --at-most-running 4 --in-flight 5
      cancel-conformance serve --port 0 --stranger asks-by-get
      cancel-conformance serve --fault list
      cancel-conformance serve --stranger list
    """
    from conformance.reference.faults import FAULTS
    from conformance.reference.greeting import start_up_text
    from conformance.reference.server import processes_of
    from conformance.reference.server import serve as serve_reference
    from conformance.reference.strangers import STRANGERS

    if fault is not None and stranger is not None:
        raise click.UsageError("--fault and --stranger are two services; give one of them")
    if at_most_running is not None and (fault or stranger):
        raise click.UsageError("--at-most-running goes with the sound service; leave out --fault and --stranger")
    _list_unless_known("fault", fault, FAULTS)
    _list_unless_known("stranger", stranger, STRANGERS)
    serve_reference(
        port=port,
        speed=speed,
        database=database,
        fault=fault,
        stranger=stranger,
        processes=processes or processes_of(fault),
        latency=latency,
        at_most_running=at_most_running,
        in_flight=in_flight,
        announce=lambda url: click.echo(start_up_text(url)),
    )


def _list_unless_known(kind: str, name: str | None, variants: Mapping[str, type]) -> None:
    if name is None or name in variants:
        return
    if name != "list":
        click.echo(f"there is no {kind} {name!r}; there are:", err=True)
    for each, made in variants.items():
        click.echo(f"{each:<48}{deed(made)}")
    sys.exit(ExitCode.PASSED if name == "list" else ExitCode.USAGE)


@main.command()
@click.option(
    "--depth", type=click.Choice(list(DEPTHS)), default="standard", show_default=True, help="How much to ask."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The seed of every run.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Runs at once; two more than there are processors.")
@click.option("-k", "keyword", default="", metavar="TEXT", help="Only the variants whose names contain the text.")
@click.option("--times", type=click.IntRange(1), default=1, show_default=True, help="How often to try each.")
@click.option("--json", "matrix", type=FILE, metavar="FILE", help="Write what came of each, for `certify --selftest`.")
def selftest(  # noqa: PLR0917 - one parameter an option
    depth: str, seed: int, jobs: int | None, keyword: str, times: int, matrix: Path | None
) -> None:
    r"""Judge the suite itself: against the sound reference service, its lawful variants, and every fault.

    \b
    Examples:
      cancel-conformance selftest -k accepts-both-identifiers
      cancel-conformance selftest -k asks-by-get --depth smoke --json matrix.json
    """
    from conformance.selftest import judge_ourselves

    jobs = jobs or (os.cpu_count() or 1) + 2  # each of them waits now and then
    sys.exit(judge_ourselves(depth=depth, seed=seed, jobs=jobs, keyword=keyword, times=times, matrix=matrix))


@main.command()
@click.argument("old", type=ANY)
@click.argument("new", type=ANY)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def diff(old: Path, new: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes it by name
    r"""Say what has changed between two runs, and fail where something got worse.

    OLD and NEW are each a report folder, a summary.json or a journal.

    \b
    Exit codes: 0 nothing got worse, 1 a row is newly broken or no longer proven, 2 usage error.

    \b
    Examples:
      cancel-conformance diff main/summary.json reports/latest
      cancel-conformance diff old.sqlite new.sqlite --json
    """
    from conformance.diff import NoRun, difference

    try:
        made = difference(old, new)
    except NoRun as error:
        click.echo(str(error), err=True)
        sys.exit(ExitCode.USAGE)
    click.echo(made.document() if as_json else made.text())
    sys.exit(ExitCode.FAILED if made.worse else ExitCode.PASSED)


@main.command()
@targeted
@click.option(
    "--profile",
    type=click.Choice(["core", "ext"]),
    default="core",
    show_default=True,
    help="The rows of the contract, or those of the surrounding documentation too.",
)
@click.option("--key", type=FILE, metavar="FILE", help="The private key to sign with; without one it is unsigned.")
@click.option("--out", type=FILE, metavar="FILE", help="Where the certificate goes; else among the results.")
@click.option("--selftest", type=FILE, metavar="FILE", help="What `selftest --json` wrote, to go with the evidence.")
@click.option("--seed", type=int, help="Generate the calls of an earlier run.")
@click.option("--report-dir", type=FOLDER, metavar="DIR", envvar="CONFORMANCE_REPORT_DIR", help="Where results go.")
def certify(  # noqa: PLR0917 - one parameter an option
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    profile: str,
    key: Path | None,
    out: Path | None,
    selftest: Path | None,
    seed: int | None,
    report_dir: Path | None,
) -> None:
    r"""Judge a target at certify depth, and write a certificate where every required row passed.

    Required are all rows of the profile but recommendations. Nothing is left out and nothing excused; what the target
    cannot show stands on the certificate. The evidence goes beside it, as NAME.evidence.tar.gz.

    \b
    Exit codes: 0 certified, 1 something failed, 2 usage or profile error before any request,
    3 nothing failed but something is not proven, 4 the suite itself is at fault.

    \b
    Example:
      cancel-conformance certify --target staging.toml --key release.pem --out certificate.json
    """
    from conformance.certificate.envelope import NoKey
    from conformance.certificate.issue import NoMatrix, Notary
    from conformance.certificate.statement import Scope
    from conformance.running import Asked
    from conformance.running import certify as run_and_certify

    asked = Asked(
        target=target, base_url=base_url, overrides=overrides, depth="certify", seed=seed, report_dir=report_dir
    )
    _end(lambda: run_and_certify(asked, os.environ, Notary(Scope(profile), key, selftest), out), NoKey, NoMatrix)


@main.command()
@click.argument("certificate", type=FILE)
@click.option("--bundle", type=FILE, metavar="FILE", help="The evidence; else the archive of its name beside it.")
@click.option("--key", type=FILE, metavar="FILE", help="The public key of whoever should have signed it.")
def verify(certificate: Path, bundle: Path | None, key: Path | None) -> None:
    r"""Check a certificate, offline: signature, digests, completeness, and its evidence, judged again.

    \b
    Exit codes: 0 all of it holds, 1 something does not, 2 usage error,
    3 nothing is wrong, but it is unsigned, or no key or no evidence was there to check it by.

    \b
    Examples:
      cancel-conformance verify certificate.json --key release.pub.pem
      cancel-conformance verify certificate.json --key release.pub.pem --bundle certificate.evidence.tar.gz
    """
    from conformance.certificate.envelope import NoKey
    from conformance.certificate.verification import verify as check
    from conformance.report.text import printable

    try:
        found = check(certificate, bundle, key)
    except OSError as error:
        click.echo(f"{error.filename}: cannot be read: {error.strerror}", err=True)
        sys.exit(ExitCode.USAGE)
    except NoKey as error:
        click.echo(str(error), err=True)
        sys.exit(ExitCode.USAGE)
    for line in (*found.face, *found.complaints, *found.unchecked):
        click.echo(printable(line))
    sayings = {ExitCode.PASSED: "all of it holds", ExitCode.FAILED: "it does not hold"}
    click.echo(f"{sayings.get(found.exit_code, 'not all of it was checked')} (exit {int(found.exit_code)})")
    sys.exit(found.exit_code)


@main.command()
@click.argument("name", type=ANY)
def keygen(name: Path) -> None:
    r"""Make a pair of Ed25519 keys: NAME.pem to sign with, for your eyes alone, and NAME.pub.pem to give away.

    \b
    Example:
      cancel-conformance keygen release
    """
    from conformance.certificate.envelope import NoKey, make_keys

    try:
        private, public = make_keys(name)
    except NoKey as error:
        click.echo(str(error), err=True)
        sys.exit(ExitCode.USAGE)
    click.echo(f"private key in {private}, public key in {public}")


@main.command()
@click.argument("journal", type=FILE)
@click.option("--html", type=FILE, metavar="FILE", help="A page that loads nothing.")
@click.option("--markdown", type=FILE, metavar="FILE", help="For the summary of a CI job.")
@click.option("--json", type=FILE, metavar="FILE", help="As openapi/summary.schema.json has it.")
@click.option("--junit", type=FILE, metavar="FILE", help="JUnit XML, a test case a requirement.")
@click.option("--ctrf", type=FILE, metavar="FILE", help="CTRF, a test a requirement.")
@click.option("--sarif", type=FILE, metavar="FILE", help="SARIF 2.1.0, a result for each row that is broken.")
@click.option("--har", type=FILE, metavar="FILE", help="HAR 1.2, every exchange.")
@click.option("--badge", type=FILE, metavar="FILE", help="An SVG image of one line.")
@click.option("--annotations", type=FILE, metavar="FILE", help="GitHub's workflow commands, a line a broken row.")
@click.option("--allure", type=FOLDER, metavar="DIR", help="Allure results.")
@click.option("--judge", "anew", is_flag=True, help="Judge the run again before, with the checks of this version.")
@gated
def report(journal: Path, *, anew: bool, gate: str, fail_on_inconclusive: bool, **forms: Path | None) -> None:
    r"""Write a recorded run down in other forms; nothing is sent.

    The exit code is that of the verdicts at the gate, as of the run itself.

    \b
    Examples:
      cancel-conformance report reports/latest/journal.sqlite --html report.html
      cancel-conformance report reports/latest/journal.sqlite --markdown "$GITHUB_STEP_SUMMARY" --sarif cancel.sarif
    """
    from conformance.running import report as write_down

    wanted = {form: path for form, path in forms.items() if path is not None}
    if not wanted:
        raise click.UsageError(f"no form is asked for; give one of {', '.join(f'--{form} …' for form in forms)}")
    stop = Gate(level=Level(gate), proof=fail_on_inconclusive)
    _end(lambda: write_down(journal, wanted, anew=anew, gate=stop))


@main.command()
@click.argument("file", type=FILE, default="staging.toml")
@click.option("--base-url", metavar="URL", help="Where the API is; else CONFORMANCE_BASE_URL.")
@click.option("--owner-key", metavar="VARIABLE", help="Name of the variable with the key that submits and cancels.")
@click.option("--other-key", metavar="VARIABLE", help="Name of the variable with a key of another account.")
@click.option("--revoked-key", metavar="VARIABLE", help="Name of the variable with a key that was revoked.")
@click.option("--task", "tasks", multiple=True, metavar="ID", help="A task that has ended: it is queried, and kept.")
@click.option(
    "--like",
    metavar="NAME",
    callback=ready_profile,
    shell_complete=complete_ready,
    help="Copy a ready profile instead: bytespike (the API itself), behind-a-prefix, get-query, x-api-key, …",
)
@click.option("--overwrite", is_flag=True, help="Let FILE be replaced.")
def init(  # noqa: PLR0917 - one parameter an option
    file: Path,
    base_url: str | None,
    owner_key: str | None,
    other_key: str | None,
    revoked_key: str | None,
    tasks: tuple[str, ...],
    like: str | None,
    overwrite: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    r"""Look at a target with calls that cost nothing, and write its first profile, with comments.

    FILE is staging.toml, if nothing is said. What is not given is asked for, where there is a terminal. The keys
    themselves come from the environment, from CONFORMANCE_OWNER_KEY and so on unless other variables are named.
    Only tasks that nobody has are queried and cancelled, and those named with --task queried; none is submitted.

    \b
    Exit codes: 0 written, 2 usage error and nothing written, 3 written, but the target showed nothing,
    4 the suite itself is at fault.

    \b
    Examples:
      cancel-conformance init new.toml --base-url https://staging.example.com/v1 --owner-key STAGING_OWNER_KEY
      cancel-conformance init api.toml --like bytespike
    """
    from conformance.introducing import Wanted, introduce

    named = {"owner": owner_key, "other": other_key, "revoked": revoked_key}
    keys = {role: variable for role, variable in named.items() if variable is not None}
    wanted = Wanted(file=file, overwrite=overwrite, base_url=base_url, keys=keys, tasks=tasks, like=like)
    ask = _ask if sys.stdin.isatty() and sys.stdout.isatty() else None
    _end(lambda: introduce(wanted, os.environ, ask))


def _ask(question: str, usual: str) -> str:
    return str(click.prompt(question, default=usual, show_default=bool(usual)))


@main.command()
@targeted
@by_contract
@click.option("--free", is_flag=True, help="Leave out what submits tasks: the way into each state.")
@click.option("--report-dir", type=FOLDER, metavar="DIR", envvar="CONFORMANCE_REPORT_DIR", help="For the journal.")
def doctor(  # noqa: PLR0917 - one parameter an option
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    contract: Path | None,
    free: bool,  # noqa: FBT001 - click passes it by name
    report_dir: Path | None,
) -> None:
    r"""Check a target and its profile step by step: what is there, what is missing, and the lines to write for it.

    The steps: its address, TLS, what answers there, each key, the routes of cancel, where credits are told, the
    limits, and each state. The last submits four tasks at the most, within the budget; all of them are ended, also
    after Ctrl-C. A table that stands in the profile already takes the lines that are told into it.

    \b
    Exit codes: 0 all is well, 1 something is wrong with the target, 2 usage or profile error before any request,
    3 rows will stay open, 4 the suite itself is at fault.

    \b
    Examples:
      cancel-conformance doctor --target staging.toml
      cancel-conformance doctor --target staging.toml --free
    """
    from conformance.running import Asked
    from conformance.running import doctor as examine

    asked = Asked(target=target, base_url=base_url, overrides=overrides, contract=contract, report_dir=report_dir)
    _end(lambda: examine(asked, os.environ, paid=not free))


@main.command()
def schema() -> None:
    r"""Print the JSON Schema of a profile, for editors.

    A profile whose first line is `#:schema ./profile.schema.json` is completed and checked as it is written, by taplo
    and by Even Better TOML in Visual Studio Code.

    \b
    Example:
      cancel-conformance schema > profile.schema.json
    """
    import json

    from conformance.target.profile import schema as schema_of_profiles

    click.echo(json.dumps(schema_of_profiles(), indent=2, default=str))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print what makes a shell complete commands, options, files, rows, faults and strangers.

    \b
    Examples:
      eval "$(cancel-conformance completion bash)"
      cancel-conformance completion zsh >> ~/.zshrc
      cancel-conformance completion fish > ~/.config/fish/completions/cancel-conformance.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has these three
    click.echo(made(main, {}, "cancel-conformance", "_CANCEL_CONFORMANCE_COMPLETE").source())


@main.command()
@targeted
@by_contract
@click.option("--users", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Users at once, in all.")
@click.option(
    "--time",
    "seconds",
    callback=duration,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="Such as 90s or 1h30m.",
)
@click.option("--spawn-rate", type=click.FloatRange(0.1, 100), default=25.0, show_default=True, help="Users a second.")
@click.option("--workers", type=click.IntRange(0, 64), default=0, help="Share the users out to so many processes.")
@click.option("--master", callback=address, metavar="HOST:PORT", help="Where workers on other machines are to come.")
@click.option("--expect", type=click.IntRange(0, 1000), default=0, help="Wait for so many workers of other machines.")
@click.option("--worker", callback=address, metavar="HOST:PORT", help="Take users from the master of another machine.")
@click.option("--seed", type=int, help="Have the users choose as in an earlier soak.")
@click.option("--report-dir", type=FOLDER, metavar="DIR", envvar="CONFORMANCE_REPORT_DIR", help="Where results go.")
@varied("Soak")
@gated
def soak(  # noqa: PLR0917 - one parameter an option
    target: Path | None,
    base_url: str | None,
    overrides: tuple[str, ...],
    contract: Path | None,
    users: int,
    seconds: float,
    spawn_rate: float,
    workers: int,
    master: tuple[str, int] | None,
    expect: int,
    worker: tuple[str, int] | None,
    seed: int | None,
    report_dir: Path | None,
    fault: str | None,
    stranger: str | None,
    gate: str,
    fail_on_inconclusive: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    r"""Have many users call a target at once; without one, the built-in reference service.

    Users tell short lawful lives and races, one after the other, and every history is judged by the checks of a run.
    No more requests are in flight than limits.in_flight of the profile allows, however many users there are, and no
    task is submitted past budget.tasks and budget.credits. At the end, also after Ctrl-C, nothing is left running.
    It needs locust: pip install 'cancel-conformance[soak]'.

    With --workers locust's own master deals the users out to processes on this machine. With --master 10.0.0.5:5557
    --expect 4 it waits for workers on others too: there, --worker 10.0.0.5:5557 takes users from it. Each machine has
    a profile, keys and a budget of its own, and judges what it heard itself. Locust's port takes whoever comes: open it
    on a network that you trust.

    \b
    Examples:
      cancel-conformance soak --users 10 --time 5s
      cancel-conformance soak --users 10 --time 5s --workers 2
      cancel-conformance soak --users 10 --time 5s --fault refuses-the-loser
      cancel-conformance soak --target staging.toml --set budget.tasks=100 --users 10 --time 10s
    """
    from conformance.running import Asked
    from conformance.running import soak as run_soak
    from conformance.soak.keeper import Load
    from conformance.soak.post import Address

    if master and worker:
        raise click.UsageError("--master and --worker are two machines; give one of them")
    if expect and not master:
        raise click.UsageError("--expect goes with --master, where the other machines are to come")
    load = Load(
        users=users,
        seconds=seconds,
        spawn_rate=spawn_rate,
        workers=workers,
        elsewhere=expect,
        master=master and Address(host=master[0], port=master[1]),
        joins=worker and Address(host=worker[0], port=worker[1]),
    )
    asked = Asked(
        target=target,
        base_url=base_url,
        overrides=(*settings_of(stranger, fault), *overrides),
        contract=contract,
        seed=seed,
        report_dir=report_dir,
        fault=fault,
        stranger=stranger,
        gate=Gate(level=Level(gate), proof=fail_on_inconclusive),
    )
    _end(lambda: run_soak(asked, load, os.environ))


if __name__ == "__main__":
    main()
