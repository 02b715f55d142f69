"""The pytest plugin: makes the run, hands out tellers, turns broken judgements into failures, and reports at the end.

It sleeps unless the suite's own tests are collected, so that it does no harm in the environment of a user's tests.
"""

from __future__ import annotations

import gc
import re
import secrets
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from os import environ
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from conformance.depth import DEPTHS
from conformance.interpreter import collect_seldom
from conformance.verdict import ExitCode, Gate, Level

if TYPE_CHECKING:
    from execnet import XSpec

    from conformance.forked import Forked
    from conformance.journal import Journal
    from conformance.payers import Payer
    from conformance.report.progress import Progress
    from conformance.run import Order, Run
    from conformance.target.mask import Mask
    from conformance.target.profile import Profile
    from conformance.teller import Teller

SUITE: Final = "conformance.suite."
RUN: Final = pytest.StashKey[Any]()
JOURNAL: Final = pytest.StashKey[Any]()
KEEPER: Final = pytest.StashKey[Any]()
ASKED: Final = pytest.StashKey[bool]()
ORDER: Final = pytest.StashKey[Any]()
OTHERS: Final = pytest.StashKey[Any]()
PROGRESS: Final = pytest.StashKey[Any]()
FAMILY: Final = "family"
_TARGET: Final = "conformance_target"
"""The fixture by which a test-suite that starts the target itself tells its settings, by environment variables."""

_UNTIL_IT_RUNS: Final = {"CONFORMANCE_BASE_URL": "http://127.0.0.1:9", "CONFORMANCE_OWNER_KEY": "not-known-yet"}
_NAMES_THE_SUITE: Final = re.compile(r"\bconformance([./\\]suite\b|$)")
_PHASES: Final = {"setup", "call", "teardown"}
_USAGE: Final = 2
_LONGEST_TRACE: Final = 8000
_ONE_KEY: Final = 1
_FEW_CALLS: Final = 8


class Others:
    """Looks after the tests that are not the suite's own: a conformant target does not excuse them."""

    def __init__(self) -> None:
        self.failed = False
        """Whether one of them failed."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has come to an end, here or in another process; what a process took with it was nobody's."""
        theirs = report.when in _PHASES and FAMILY not in dict(report.user_properties)
        self.failed = self.failed or (theirs and report.failed)


class Handover:
    """Gives a session what the command line has worked out already."""

    def __init__(self, order: Order, progress: Progress, journal: Journal, forked: Sequence[Forked] = ()) -> None:
        self._order = order
        self._progress = progress
        self._journal = journal
        self._forked = forked
        self.uncollected = ""
        """What kept a module of the suite from being loaded."""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that does not load is the suite's own fault."""
        if report.failed:
            self.uncollected = report.longreprtext

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Lay all of it where the hooks below look for it."""
        config.stash[ORDER] = self._order
        config.stash[PROGRESS] = self._progress
        config.stash[JOURNAL] = self._journal
        self._stash = config.stash

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Cut its trace short, which nobody reads: pytest breaks down where an instruction of CPython is of no line."""
        excinfo.traceback = excinfo.traceback[:1]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config, specs: Sequence[XSpec]) -> None:
        """Have the processes that were forked take part, in the place of new ones."""
        if self._forked:
            from conformance.forked import Forks

            session: Any = config.pluginmanager.get_plugin("dsession")
            session.nodemanager.group = Forks(self._forked, specs)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self) -> None:
        """A process has gone: while the last one closes the accounts, what reports need is made ready beside."""
        from conformance.report.forms import prepare

        Thread(target=prepare).start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has told its stories, here or in another process."""
        run = self._stash.get(RUN, None)
        if report.when == "call" and run is not None:
            self._progress.told(str(dict(report.user_properties).get(FAMILY, "")), run)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """The options of a run, as `cancel-conformance run` has them; others' tests may use the names for themselves."""
    if not any(_NAMES_THE_SUITE.search(argument) for argument in args):
        return
    early_config.stash[ASKED] = True
    group = parser.getgroup("cancel-conformance", "conformance of a cancel endpoint")
    group.addoption("--target", metavar="FILE", help="the target's profile, a TOML file")
    group.addoption("--contract", metavar="FILE", help="another OpenAPI document than the one that comes along")
    group.addoption("--depth", choices=list(DEPTHS), default="standard", help="how much to ask (default: standard)")
    group.addoption("--only", metavar="ROWS", default="", help="families and requirements, such as IDENT,BILL-2")
    group.addoption("--seed", type=int, help="makes the generated calls those of an earlier run")
    group.addoption("--report-dir", metavar="DIR", help="where the results go (default: reports/latest)")
    group.addoption("--gate", choices=list(Level), default=Level.MUST, help="what fails the run (default: must)")
    group.addoption("--fail-on-inconclusive", action="store_true", help="fail where something is not proven")


def pytest_configure(config: pytest.Config) -> None:
    """Make the suite's marks known."""
    for line in (
        "aims(*rows): the requirements for which a test exists",
        "stories(count): how many stories a test tells at standard depth",
        "calls(count): how many requests such a story sends, or takes the time of, where that is many",
        "luck: what its stories meet is left to chance, or to other tests, so that no row rests on them alone",
        "deep: not in a run of less than standard depth, for it takes long",
        "several_keys: with other valid keys than the owner's, before what is told with that one alone",
        "quiet(payer): when nothing else that is told can move the account of the owner, another, everybody",
        "listens: before others of its kind, for it goes on when its story is over",
        "independent: its cases share nothing that is dealt out, so that several processes may tell them",
        "last: after all others, when time has passed, in one process",
        "everywhere: of the last ones, what each process of a run does for itself",
    ):
        config.addinivalue_line("markers", line)
    if config.stash.get(ASKED, False):
        config.stash[OTHERS] = others = Others()
        config.pluginmanager.register(others)
        _take_part(config)


def _take_part(config: pytest.Config) -> None:
    """Where a run has several processes: keep it, or take the order of the one that does."""
    deals = getattr(config.option, "dist", "no") != "no" and bool(getattr(config.option, "tx", None))
    deals = deals and not config.option.collectonly
    if _is_worker(config):
        from conformance.distributed import handed_down

        config.stash[ORDER] = handed_down(config)
    elif deals:
        if _is_started_by_a_fixture(config):
            pytest.exit(f"the fixture {_TARGET} starts a target in this process alone: leave out -n", returncode=_USAGE)
        from conformance.distributed import Keeper
        from conformance.journal import Journal

        config.stash[ORDER] = order = config.stash.get(ORDER, None) or _order(config)
        journal = config.stash.get(JOURNAL, None) or Journal.create(order.report_dir / "journal.sqlite")
        config.stash[KEEPER] = keeper = Keeper(order, journal, config.stash.get(PROGRESS, None))
        config.stash[RUN] = keeper.run
        config.pluginmanager.register(keeper)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose what the options ask for, seed it, and put last what waits."""
    ours = [item for item in items if isinstance(item, pytest.Function) and _is_ours(item)]
    if ours:
        config.stash[ORDER] = order = config.stash.get(ORDER, None) or _order(config)
        _arrange(config, order, items, ours)
    if _is_worker(config) and (order := config.stash.get(ORDER, None)) is not None:
        from conformance.distributed import tell_places

        tell_places(config, order, [*_places(items, order)])


def _arrange(config: pytest.Config, order: Order, items: list[pytest.Item], ours: list[pytest.Function]) -> None:
    """Take out of `items` those of `ours` that the order does not ask for; the others' stand first."""
    chosen = _chosen([item for item in ours if set(_aims(item)) & set(order.told)], order)
    dropped = [item for item in ours if item not in chosen]
    config.hook.pytest_deselected(items=dropped)
    _forget_the_code_around()
    if len(ours) == len(items):
        _leave_no_folder()
        _leave_garbage_alone()
    for function, items_of_it in _by_function(chosen).items():
        _settle(function, max(1, *(round(_stories(item, order)) for item in items_of_it)))
    others = [item for item in items if item not in ours]
    if (progress := config.stash.get(PROGRESS, None)) is not None:
        progress.begin(len(chosen))
    items[:] = others + sorted(chosen, key=lambda item: (_lateness(item), item.get_closest_marker("listens") is None))


@pytest.fixture(scope="session")
def conformance_run(request: pytest.FixtureRequest) -> Generator[Any]:
    """The run that all stories share; at its end nothing of it is left running."""
    from conformance.journal import Journal
    from conformance.run import Run

    config = request.config
    order = config.stash[ORDER]
    if _is_started_by_a_fixture(config):
        order = config.stash[ORDER] = replace(order, profile=_profile(config, request.getfixturevalue(_TARGET)))
    if _is_worker(config):
        from conformance.distributed import joined

        config.stash[RUN] = run = joined(config, order)
        yield run
        run.leave()
        run.journal.close()
        return
    journal = config.stash.get(JOURNAL, None) or Journal.create(order.report_dir / "journal.sqlite")
    config.stash[RUN] = run = Run(order, journal)
    try:
        begin(run)
        yield run
    finally:
        end(run)


def begin(run: Run) -> None:
    """Begin a run, or write down why nothing can be learned from its target."""
    from conformance.run import Unreachable

    try:
        run.begin()
    except Unreachable as error:
        run.silence = str(error)
        run.journal.note("silence", run.silence)
        run.journal.obstacle(run.order.only, run.silence)


def end(run: Run) -> None:
    """Leave nothing of a run alive, and close it."""
    run.journal.note("left_running", 0 if run.silence else run.sweep())
    run.close()


@pytest.fixture
def teller(request: pytest.FixtureRequest, conformance_run: Any) -> Generator[Any]:  # noqa: ANN401 - the types load late
    """Makes the stories of one test."""
    from conformance.teller import Teller

    if silence := conformance_run.silence or conformance_run.fell_silent:
        raise Inconclusive(silence)
    item = request.node
    one_key = _lateness(item) == _ONE_KEY
    made = Teller(conformance_run, item.name, _aims(item), payer=_payer(item), one_key=one_key)
    item.stash[_TELLER] = made
    yield made
    made.leave()


class Inconclusive(pytest.skip.Exception):  # type: ignore[name-defined, misc]  # pytest makes it at run time
    """A story could not be told; neither a pass nor a failure."""


_TELLER: Final = pytest.StashKey[Any]()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test for what its stories broke, after all of them were told; stop it where a state is out of reach."""
    if not _is_ours(pyfuncitem):
        return (yield)
    from hypothesis import is_hypothesis_test, seed

    if not is_hypothesis_test(pyfuncitem.obj):
        result = None
        with _within_reach(cast("Teller", pyfuncitem.funcargs["teller"])):
            result = yield
    else:
        seed(_chance(pyfuncitem, pyfuncitem.config.stash[ORDER]))(pyfuncitem.obj)
        stories = pyfuncitem.obj.hypothesis.inner_test.stories
        stories.begin()
        result = yield
        stories.finish()
    _raise_broken(pyfuncitem)
    teller = pyfuncitem.stash.get(_TELLER, None)
    if teller is not None and teller.obstructed:
        raise Inconclusive(teller.obstructed)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down what is the suite's own fault: any error that is no violation."""
    report = yield
    if not _is_ours(item) or (run := item.config.stash.get(RUN, None)) is None:
        return report
    from conformance.teller import Violation

    if report.when == "call" or report.failed:
        report.user_properties.append((FAMILY, _family(item)))
    _mask(report, run.client.mask)
    if report.failed and call.excinfo is not None and not call.excinfo.errisinstance(Violation):
        run.journal.note("our_fault", report.longreprtext[-_LONGEST_TRACE:])
    return report


def _mask(report: pytest.TestReport, mask: Mask) -> None:
    """Take the keys out of what pytest shows of a failure: its traces have arguments, and locals for who asks."""
    if report.failed and (text := mask.text(report.longreprtext)) != report.longreprtext:
        report.longrepr = text
    report.sections = [(title, mask.text(text)) for title, text in report.sections]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The exit code is that of the verdicts, if no other test failed; the command line works it out for itself."""
    if (keeper := session.config.stash.get(KEEPER, None)) is not None:
        keeper.finish()
    if _reports_here(session.config):
        code = _summary(session.config).exit_code
        failed = session.config.stash[OTHERS].failed and code in {ExitCode.PASSED, ExitCode.INCONCLUSIVE}
        session.exitstatus = ExitCode.FAILED if failed else code


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdicts, under pytest's own report."""
    if not _reports_here(config):
        return
    from conformance.report.text import closing, messages, overview, table

    summary = _summary(config)
    terminalreporter.section("conformance")
    for text in filter(None, ("\n".join(overview(summary)), *messages(summary))):
        terminalreporter.write_line(text + "\n")
    for _, line in table(summary):
        terminalreporter.write_line(line)
    terminalreporter.write_line(closing(summary))


def _reports_here(config: pytest.Config) -> bool:
    """Whether a run was made, and no command line is there to report on it."""
    made = config.stash.get(RUN, None) is not None
    return made and config.stash.get(PROGRESS, None) is None and not _is_worker(config)


def _is_worker(config: pytest.Config) -> bool:
    """Whether another process has started this one, to tell some of its run's stories."""
    return hasattr(config, "workerinput")


def _is_ours(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and item.module.__name__.startswith(SUITE)


def _aims(item: pytest.Item) -> list[str]:
    return list(dict.fromkeys(row for mark in item.iter_markers("aims") for row in mark.args))


def _family(item: pytest.Item) -> str:
    return item.path.stem.removeprefix("test_").upper()


def _chosen(items: list[pytest.Function], order: Order) -> list[pytest.Function]:
    """The tests that the depth has, and of every row at least one."""
    within = {item for item in items if _within_depth(item, order)}
    aiming_at: dict[str, list[pytest.Function]] = {row: [] for row in order.told}
    for item in items:
        for row in () if item.get_closest_marker("last") else aiming_at.keys() & _aims(item):
            aiming_at[row].append(item)
    for every in aiming_at.values():
        aiming = [item for item in every if not item.get_closest_marker("luck")] or every
        if aiming and within.isdisjoint(aiming):
            within.add(min(aiming, key=lambda item: _chance(item, order)))
    return [item for item in items if item in within]


def _by_function(items: list[pytest.Function]) -> dict[Callable[..., None], list[pytest.Function]]:
    """The tests by the property that they are cases of, which has one number of stories for all of them."""
    found: dict[Callable[..., None], list[pytest.Function]] = {}
    for item in items:
        found.setdefault(item.obj, []).append(item)
    return found


def _payer(item: pytest.Item) -> Payer | None:
    """Who pays for what a test tells when all is quiet, none if it is told among others."""
    mark = item.get_closest_marker("quiet")
    return cast("Payer", mark.kwargs.get("payer", "owner")) if mark else None


def _lateness(item: pytest.Item) -> int:
    """When a test is told: side by side with others, when all is quiet, by who pays, or last."""
    if item.get_closest_marker("last"):
        return 5
    early = 0 if item.get_closest_marker("several_keys") else _ONE_KEY
    return {None: early, "another": 2, "owner": 3, "everybody": 4}[_payer(item)]


def _places(items: list[pytest.Item], order: Order) -> Iterator[tuple[int, int, float]]:
    """Of each test, in their order: its `Place` in a run of several processes."""
    group, before, everywhere = 0, None, False
    for item in items:
        ours = _is_ours(item)
        apart = ours and item.get_closest_marker("independent") is not None
        function = item.nodeid if apart else item.nodeid.partition("[")[0]
        group += function != before
        before = function
        phase = min(_lateness(item), 3) if ours else 0
        if ours and item.get_closest_marker("last"):
            here = item.get_closest_marker("everywhere") is not None
            everywhere = everywhere or here
            phase = 5 if here else 6 if everywhere else 4
        yield phase, group, _weight(item, order) if ours else 1.0


def _within_depth(item: pytest.Item, order: Order) -> bool:
    """Whether the depth has this test: one of less than one story is told at some seeds only."""
    stories = _stories(item, order)
    return stories >= 1 or _chance(item, order) % 1000 < stories * 1000


def _stories(item: pytest.Item, order: Order) -> float:
    mark = item.get_closest_marker("stories")
    if item.get_closest_marker("deep") and order.depth.stories < 1:
        return 0.0
    return float(mark.args[0]) * order.depth.stories if mark else 1.0


def _weight(item: pytest.Item, order: Order) -> float:
    """About how many requests a test sends."""
    calls = item.get_closest_marker("calls")
    return (calls.args[0] if calls else _FEW_CALLS) * max(1.0, _stories(item, order))


def _chance(item: pytest.Item, order: Order) -> int:
    return zlib.crc32(f"{order.seed}:{item.name}".encode())


def _forget_the_code_around() -> None:
    """Keep Hypothesis from drawing constants out of whatever code is loaded: a seed is to say the same everywhere."""
    providers: Any = import_module("hypothesis.internal.conjecture.providers")
    if hasattr(providers, "_get_local_constants") and hasattr(providers, "Constants"):
        none = providers.Constants()
        providers._get_local_constants = lambda: none  # noqa: SLF001 - there is no setting for it


def _leave_garbage_alone() -> None:
    """Look for cycles seldom, in nothing that was loaded by now, and without Hypothesis's clock.

    An interrupt that came while Hypothesis times the garbage collector would be lost.
    """
    gc.freeze()
    collect_seldom()
    junkdrawer: Any = import_module("hypothesis.internal.conjecture.junkdrawer")
    if hasattr(junkdrawer, "_gc_initialized"):
        junkdrawer._gc_initialized = True  # noqa: SLF001 - there is no setting for it


def _leave_no_folder() -> None:
    """Have Hypothesis keep its tables of characters where caches are kept, and not in the user's working folder."""
    from hypothesis.configuration import set_hypothesis_home_dir

    caches = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    set_hypothesis_home_dir(Path(caches) / "cancel-conformance")


def _settle(function: Any, stories: int) -> None:  # noqa: ANN401 - a property, as Hypothesis wraps it
    """Set every field that decides what is generated, so that neither CI nor a user's profile changes it."""
    from hypothesis import HealthCheck, Phase, Verbosity, is_hypothesis_test, settings

    if not is_hypothesis_test(function) or getattr(function, "stories", None) == stories:
        return
    settings(
        max_examples=stories + 1,  # the first is kept back
        phases=[Phase.generate],
        derandomize=False,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )(function)
    function._hypothesis_internal_database_key = b""  # noqa: SLF001 - else made of its source, for no database, each time
    function.hypothesis.inner_test = _Stories(function.hypothesis.inner_test, stories).hearer()
    function.stories = stories


class _Stories:
    """The stories of a property, whose body tells one of what is drawn.

    Hypothesis opens with the simplest of everything, at every seed. That story is kept back, and told at the end where
    nothing else is left to tell. A story ends where a state is out of reach, and is not told again.
    """

    def __init__(self, body: Callable[..., None], wanted: int) -> None:
        self._body, self._wanted, self._told = body, wanted, 0
        self._simplest: dict[str, Any] | None = None

    def begin(self) -> None:
        """Forget the test that had this body before: one of other parameters."""
        self._told, self._simplest = 0, None

    def hearer(self) -> Callable[..., None]:
        """The function that Hypothesis is to call with what it draws."""

        def hear(**drawn: Any) -> None:  # noqa: ANN401 - whatever the test takes
            if self._simplest is None:
                self._simplest = drawn
            else:
                self._tell(drawn)

        hear.stories = self  # type: ignore[attr-defined]
        return hear

    def finish(self) -> None:
        """Tell the simplest story, if Hypothesis had too few others."""
        if self._simplest is not None and self._told < self._wanted:
            self._tell(self._simplest)

    def _tell(self, drawn: dict[str, Any]) -> None:
        from conformance.target.provision import OutOfReach

        self._told += 1
        with _within_reach(teller := drawn["teller"]):
            try:
                self._body(**drawn)
            except OutOfReach:
                if not teller.go_on_with_another_payer():
                    raise
                self._body(**drawn)


@contextmanager
def _within_reach(teller: Teller) -> Iterator[None]:
    """End a story where the target cannot be brought to what it needs."""
    from conformance.target.provision import OutOfReach

    try:
        yield
    except OutOfReach as error:
        teller.break_off(str(error))


def _raise_broken(item: pytest.Function) -> None:
    from conformance.report.summary import calls
    from conformance.report.text import message
    from conformance.requirements import catalogue
    from conformance.teller import Violation

    teller = item.stash.get(_TELLER, None)
    if teller is None or not teller.broken:
        return
    first = {judgement.requirement: judgement for judgement in reversed(teller.broken)}
    base_url, journal = teller.run.order.profile.base_url, teller.run.journal
    said = [
        message(catalogue()[row], each, journal.exchange(each.exchange), base_url, calls(journal, each))
        for row, each in sorted(first.items())
    ]
    raise Violation("\n\n".join([*said, *teller.reproductions.values()]))


def _summary(config: pytest.Config) -> Any:  # noqa: ANN401 - the types load late
    from conformance.journal import Journal
    from conformance.report.summary import summarise

    gate = Gate(level=Level(config.getoption("--gate")), proof=config.getoption("--fail-on-inconclusive"))
    journal = Journal.open(config.stash[ORDER].report_dir / "journal.sqlite")
    try:
        return summarise(journal, gate=gate)
    finally:
        journal.close()


def _order(config: pytest.Config) -> Order:
    from conformance.contract import Contract, ContractError
    from conformance.requirements import catalogue, selected
    from conformance.run import Order

    contract = config.getoption("--contract")
    try:
        rows = [row.id for row in catalogue().values() if not row.planned]
        only = tuple(row for row in selected(config.getoption("--only")) or rows if row in rows)
        return Order(
            profile=_profile(config, None if _is_started_by_a_fixture(config) else {}),
            contract=Contract.load(Path(contract) if contract else None),
            depth=DEPTHS[config.getoption("--depth")],
            only=only,
            told=only,
            seed=seed if (seed := config.getoption("--seed")) is not None else secrets.randbelow(10**6),
            report_dir=Path(config.getoption("--report-dir") or "reports/latest"),
        )
    except (ContractError, ValueError) as error:
        pytest.exit(str(error), returncode=_USAGE)


def _profile(config: pytest.Config, told: Mapping[str, str] | None) -> Profile:
    """The profile by the options and the environment, under what is `told`; a stand-in where that is not known yet."""
    from conformance.target.complaints import ProfileError
    from conformance.target.loading import load

    target = config.getoption("--target")
    try:
        if told is None:
            return load(None, environ=_UNTIL_IT_RUNS)
        return load(Path(target) if target else None, environ={**environ, **told})
    except ProfileError as error:
        pytest.exit(str(error), returncode=_USAGE)


def _is_started_by_a_fixture(config: pytest.Config) -> bool:
    """Whether a plugin or a conftest has the fixture that tells of the target."""
    return any(hasattr(plugin, _TARGET) for plugin in config.pluginmanager.get_plugins())
