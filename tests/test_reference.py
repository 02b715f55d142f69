"""The reference service keeps the contract, starts and stops as promised, and its faults are what they say."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from conformance.reference.app import Api
from conformance.reference.faults import FAULTS, Fault
from conformance.reference.greeting import start_up_text
from conformance.reference.models import MODELS
from conformance.reference.notify import tell
from conformance.reference.server import assemble
from conformance.reference.service import KEYS, OTHER, OWNER, REVOKED, REVOKED_COMPLETED, REVOKED_PENDING, SIBLING

ROWS = {
    row["id"]
    for row in yaml.safe_load((Path(__file__).parents[1] / "openapi" / "requirements.yaml").read_text())["requirements"]
}
UNKNOWN = "task_01HQX9F2P6Y8VEX3CRZ8GXJVD9"
ODD_IDENTIFIERS = [" lead", "e\u0301", "50%_x", "a+b c", "z" * 1024, "nul\0l", "渲染", "../x?y#z", "007"]
TERMINAL = {"completed", "failed", "cancelled"}


@contextmanager
def a_service(*arguments: str) -> Iterator[dict[str, Any]]:
    """Run the service in a process of its own, and tell what its start-up line says."""
    command = [sys.executable, "-m", "conformance.reference", "--until-stdin-closes", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()) | {"process": process}


class Caller:
    """Speaks to a service with one key."""

    def __init__(self, base_url: str, key: str = OWNER) -> None:
        self.http = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {key}"}, trust_env=False)

    def submit(self, model: str, **fields: object) -> dict[str, Any]:
        """Submit a task that is accepted."""
        answer = self.http.post("/tasks/submit", json={"model": model, "params": {}, **fields})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def query(self, task_id: str) -> dict[str, Any]:
        """Read a task."""
        return dict(self.http.post("/tasks/query", json={"task_id": task_id}).json())

    def cancel(self, path: str = "", **body: object) -> httpx.Response:
        """Cancel by the path, or by the body."""
        if path:
            return self.http.post(f"/tasks/cancel/{path}")
        return self.http.post("/tasks/cancel", json=body)

    def reach(self, status: str, task: dict[str, Any]) -> dict[str, Any]:
        """Wait until a task has a status."""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            shown = self.query(task["task_id"])
            if shown["status"] == status:
                return shown
            time.sleep(0.01)
        raise AssertionError(shown)

    def remaining(self) -> Decimal:
        """Read what is left on the account."""
        return Decimal(self.http.post("/tasks/query", json={}).headers["x-org-quota-remaining-credits"])


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """One sound service for all tests that leave it running."""
    with a_service() as started:
        yield started["base_url"]


@pytest.fixture(scope="module")
def caller(base_url: str) -> Iterator[Caller]:
    """The owner of most tasks."""
    with speaking(base_url, OWNER) as caller:
        yield caller


@pytest.fixture(scope="module")
def anybody(base_url: str) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=base_url, trust_env=False) as http:
        yield http


@contextmanager
def speaking(base_url: str, key: str) -> Iterator[Caller]:
    """Hang up afterwards."""
    caller = Caller(base_url, key)
    with caller.http:
        yield caller


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status of a refusal, and the code in its envelope."""
    return answer.status_code, answer.json()["error"]["code"]


def unsigned(document: dict[str, Any]) -> dict[str, Any]:
    """A task without the signatures of its URLs, which are new at each look."""
    output = [{**each, "url": each["url"].split("?")[0]} for each in document.get("output", [])]
    return document | ({"output": output} if output else {})


# --- cancel ---


@pytest.mark.parametrize("form", ["path", "task_id", "out_task_id"])
def test_every_form_cancels_a_pending_task_for_free(caller: Caller, form: str) -> None:
    """The answer is what query shows afterwards, without a charge."""
    before = caller.remaining()
    task = caller.submit("sim-pending", out_task_id=f"free-{form}")
    identifier = task["out_task_id"] if form == "out_task_id" else task["task_id"]
    answer = caller.cancel(identifier) if form == "path" else caller.cancel(**{form: identifier})
    assert answer.status_code == 200
    assert answer.json() == task | {"status": "cancelled"} == caller.query(task["task_id"])
    assert caller.remaining() == before


@pytest.mark.parametrize(
    ("model", "status", "charged"),
    [
        ("sim-long", "cancelled", False),
        ("sim-keeps-charge", "cancelled", True),
        ("sim-photo-finish", "completed", True),
    ],
)
def test_a_running_task_ends_as_its_model_says(caller: Caller, model: str, status: str, *, charged: bool) -> None:
    """And the account has moved by just `credits_used` when the cancel answers."""
    task = caller.submit(model)
    caller.reach("running", task)
    before = caller.remaining()
    answer = caller.cancel(task["task_id"])
    shown = answer.json()
    assert (shown["status"], "credits_used" in shown, "output" in shown) == (status, charged, status == "completed")
    used = Decimal(str(shown.get("credits_used", 0)))
    assert before - Decimal(answer.headers["x-org-quota-remaining-credits"]) == used
    assert 0 <= used <= Decimal(str(task["estimated_credits"]))
    assert unsigned(caller.query(task["task_id"])) == unsigned(shown)


@pytest.mark.parametrize(("model", "status"), [("sim-quick", "completed"), ("sim-fails", "failed")])
def test_a_terminal_task_does_not_move(caller: Caller, model: str, status: str) -> None:
    """Cancels by each form show it as it was, and cost nothing."""
    task = caller.submit(model, out_task_id=f"over-{model}")
    shown, before = unsigned(caller.reach(status, task)), caller.remaining()
    answers = [
        caller.cancel(task["task_id"]),
        caller.cancel(task_id=task["task_id"]),
        caller.cancel(out_task_id=task["out_task_id"]),
    ]
    assert [(answer.status_code, unsigned(answer.json())) for answer in answers] == [(200, shown)] * 3
    assert caller.remaining() == before


def test_a_cancelled_task_stays_so_past_its_natural_end(caller: Caller) -> None:
    """Nothing wakes it."""
    task = caller.submit("sim-quick")
    cancelled = caller.cancel(task["task_id"]).json()
    time.sleep(0.4)
    assert caller.query(task["task_id"]) == cancelled == caller.cancel(task["task_id"]).json()


@pytest.mark.parametrize("identifier", ODD_IDENTIFIERS)
def test_an_odd_identifier_names_its_own_task_to_the_letter(caller: Caller, identifier: str) -> None:
    """What merely resembles it names nothing."""
    task = caller.submit("sim-pending", out_task_id=identifier)
    near = [
        identifier[:-1],
        f"{identifier} ",
        f"{identifier}\0",
        identifier.swapcase() + "x",
        "%",
        "_" * len(identifier),
    ]
    assert {code(caller.cancel(out_task_id=each)) for each in near} == {(404, "task_not_found")}
    assert caller.cancel(out_task_id=identifier).json() == task | {"status": "cancelled"}


def test_identifiers_are_one_and_only_one(caller: Caller) -> None:
    """Both, neither, null, empty and wrongly typed ones are refused, and touch nothing."""
    task = caller.submit("sim-pending", out_task_id="one-and-only")
    both = {"task_id": task["task_id"], "out_task_id": "one-and-only"}
    bodies: list[dict[str, Any]] = [both, {}, {"id": 1}, {"task_id": None}, {"task_id": ""}, {"out_task_id": 7}]
    bodies += [both | {"task_id": None}, {"task_id": [task["task_id"]]}, {"task_id": 10**5000}]
    sys.set_int_max_str_digits(0)
    try:
        contents = [json.dumps(body) for body in bodies]
    finally:
        sys.set_int_max_str_digits(4300)
    for content in contents:
        assert code(caller.http.post("/tasks/cancel", content=content)) == (400, "invalid_param"), content[:80]
    assert caller.query(task["task_id"])["status"] == "pending"


def test_the_path_wins_over_the_bodys_task_id(caller: Caller) -> None:
    """The body's task stays as it was, also where the path's id is unknown."""
    one, other = caller.submit("sim-pending"), caller.submit("sim-pending", out_task_id="beside-a-path")
    url = "/tasks/cancel/{}".format
    assert caller.http.post(url(UNKNOWN), json={"task_id": other["task_id"]}).status_code == 404
    assert code(caller.http.post(url(one["task_id"]), json={"out_task_id": "beside-a-path"}))[0] == 400
    assert caller.query(one["task_id"])["status"] == "pending"
    assert caller.http.post(url(one["task_id"]), json={"task_id": other["task_id"]}).json()["task_id"] == one["task_id"]
    assert caller.query(other["task_id"])["status"] == "pending"


# --- keys ---


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-byts-sandbox-owne"},
        {"authorization": f"Basic {OWNER}"},
        {"authorization": f"Bearer {REVOKED}"},
        {"authorization": f"Bearer {OWNER}", "x-api-key": "wrong"},
        {"x-api-key": ""},
    ],
)
def test_without_a_valid_key_nothing_is_told(anybody: httpx.Client, headers: dict[str, str]) -> None:
    """Known, unknown and malformed calls are answered alike."""
    calls: list[tuple[str, bytes]] = [(REVOKED_PENDING, b""), (REVOKED_COMPLETED, b""), (UNKNOWN, b"{")]
    answers = [anybody.post(f"/tasks/cancel/{task_id}", content=content, headers=headers) for task_id, content in calls]
    answers.append(anybody.post("/tasks/cancel", content=b"x" * (2 << 20), headers=headers))
    assert {code(answer) for answer in answers} == {(401, "invalid_api_key")}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("headers", [{"authorization": f"bEARER {OWNER}"}, {"x-api-key": OWNER, "authorization": "x"}])
def test_the_scheme_has_no_case_and_the_other_header_decides(anybody: httpx.Client, headers: dict[str, str]) -> None:
    """Both ways to send a key are good."""
    answer = anybody.post(f"/tasks/cancel/{UNKNOWN}", headers=headers)
    assert code(answer) == (404, "task_not_found")


@pytest.mark.parametrize("key", [OTHER, SIBLING])
def test_another_keys_task_is_an_unknown_one(caller: Caller, base_url: str, key: str) -> None:
    """In each form, be the key on the same account or not; and both may use one `out_task_id`."""
    task = caller.submit("sim-pending", out_task_id=f"shared-by-{key}")
    with speaking(base_url, key) as foreigner:
        unknown = foreigner.cancel(UNKNOWN)
        refusals = [
            foreigner.cancel(task["task_id"]),
            foreigner.cancel(task_id=task["task_id"]),
            foreigner.cancel(out_task_id=task["out_task_id"]),
        ]
        assert {answer.text for answer in refusals} == {unknown.text}
        own = foreigner.submit("sim-pending", out_task_id=task["out_task_id"])
        assert foreigner.cancel(out_task_id=task["out_task_id"]).json()["task_id"] == own["task_id"] != task["task_id"]
    assert caller.query(task["task_id"]) == task


# --- refusals ---


@pytest.mark.parametrize(
    "content",
    [
        b'{"task_id": "x"',
        b'{"task_id": "x"} {}',
        b'{"task_id": "x", "task_id": "y"}',
        b'\xef\xbb\xbf{"task_id": "x"}',
        b'{"task_id": "\xff"}',
        b'{"task_id": NaN}',
        b'["x"]',
        b'"x"',
        b"null",
        b" ",
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(caller: Caller, content: bytes) -> None:
    """By the body form, and by the path form too."""
    for path in ("/tasks/cancel", f"/tasks/cancel/{UNKNOWN}"):
        assert code(caller.http.post(path, content=content)) == (400, "invalid_param")


@pytest.mark.parametrize("name", ["%2F", "%00", "%20", "%FF", "a%2Fb", "..%2Fx", "%25", "\uff54ask", "\ud800"])
def test_an_odd_path_is_just_an_unknown_id(caller: Caller, name: str) -> None:
    """Nothing in it is normalised, and nothing breaks down."""
    path = name.encode(errors="replace").decode().replace("?", "%3F")
    assert code(caller.cancel(path)) == (404, "task_not_found")
    content = json.dumps({"task_id": name})
    assert code(caller.http.post("/tasks/cancel", content=content)) == (404, "task_not_found")


def test_wrong_routes_and_methods_do_nothing(caller: Caller) -> None:
    """A slash at the end is a wrong route."""
    task = caller.submit("sim-pending")
    path = f"/tasks/cancel/{task['task_id']}"
    assert code(caller.http.post(f"{path}/")) == (404, "not_found")
    assert code(caller.http.post("/tasks/cancel/")) == (404, "not_found")
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert code(caller.http.request(method, path)) == (405, "method_not_allowed")
    assert caller.http.head(path).status_code == 405
    assert caller.query(task["task_id"])["status"] == "pending"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_at_most_one_mebibyte(caller: Caller, *, chunked: bool) -> None:
    """One byte more is 413, announced or not."""
    wrapped = b'{"x": "%s"}'
    for size, wanted in ((1 << 20, 400), ((1 << 20) + 1, 413)):
        content = wrapped % (b"a" * (size - len(wrapped) + 2))
        answer = caller.http.post("/tasks/cancel", content=iter([content[:99], content[99:]]) if chunked else content)
        assert answer.status_code == wanted


# --- submit, accounts, and who else is told ---


def test_an_out_task_id_makes_submit_idempotent(caller: Caller) -> None:
    """The same work is the same task, other work is refused."""
    task = caller.submit("sim-pending", out_task_id="once", params={"a": 1, "b": 2})
    assert caller.submit("sim-pending", out_task_id="once", params={"b": 2, "a": 1}) == task
    other = caller.http.post("/tasks/submit", json={"model": "sim-pending", "params": {}, "out_task_id": "once"})
    assert code(other) == (409, "duplicate_out_task_id")


def test_the_account_moves_by_the_sum_of_credits_used(caller: Caller) -> None:
    """Over tasks that complete, fail and are cancelled; prices differ."""
    before = caller.remaining()
    tasks = [caller.submit("sim-paced", params={"pending_seconds": 0, "running_seconds": 0.05}) for _ in range(4)]
    tasks += [caller.submit("sim-fails"), caller.submit("sim-pending")]
    caller.cancel(tasks[-1]["task_id"])
    ended = [
        caller.reach(wanted, task)
        for wanted, task in zip(["completed"] * 4 + ["failed", "cancelled"], tasks, strict=True)
    ]
    used = [Decimal(str(task["credits_used"])) for task in ended if "credits_used" in task]
    assert len(set(used)) == 4
    assert before - caller.remaining() == sum(used)
    account = caller.http.get(f"{str(caller.http.base_url).removesuffix('/v1/')}/api/v1/me/account")
    assert Decimal(str(account.json()["balance"]["available_usd"])) == caller.remaining()


def test_a_stream_ends_with_what_cancel_answered(caller: Caller, anybody: httpx.Client) -> None:
    """It tells each state once."""
    task = caller.submit("sim-long")
    caller.reach("running", task)
    with caller.http.stream("GET", f"/tasks/stream/{task['task_id']}") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        states = [json.loads(next(lines)[6:])]
        answer = anybody.post(f"/tasks/cancel/{task['task_id']}", headers={"x-api-key": OWNER})
        states += [json.loads(line[6:]) for line in lines]
    assert [state["status"] for state in states] == ["running", "cancelled"]
    assert states[-1] == answer.json()


def test_a_callback_is_told_once(caller: Caller) -> None:
    """With the task as cancel showed it."""
    told: list[Any] = []
    with listening(told.append) as url:
        task = caller.submit("sim-pending", callback_url=url)
        answer = caller.cancel(task["task_id"])
        caller.cancel(task["task_id"])
        time.sleep(0.3)
    assert told == [answer.json()]


def test_a_callback_is_told_once_by_several_processes(tmp_path: Path) -> None:
    """Of tasks that end by themselves and of cancelled ones, whichever process ended them."""
    told: list[str] = []
    database = str(tmp_path / "tasks.sqlite")
    with (
        listening(lambda task: told.append(task["task_id"])) as url,
        a_service("--database", database) as one,
        a_service("--database", database) as two,
    ):
        callers = [Caller(started["base_url"]) for started in (one, two)]
        tasks = [callers[index % 2].submit("sim-fails", callback_url=url)["task_id"] for index in range(10)]
        for index, task_id in enumerate(tasks[5:]):
            callers[index % 2].cancel(task_id)
        time.sleep(0.6)
        for caller in callers:
            caller.http.close()
    assert sorted(told) == sorted(tasks)


def test_callbacks_stay_on_this_machine() -> None:
    """Also where whoever is called says to go elsewhere."""
    astray: list[Any] = []
    with listening(astray.append) as elsewhere:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            redirect = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode()
            thread = threading.Thread(target=answer_one, args=(listener, redirect))
            thread.start()
            tell(f"http://127.0.0.1:{listener.getsockname()[1]}/", {"status": "cancelled"})
            thread.join()
        for url in ("https://127.0.0.1/", "http://example.org/", "ftp://127.0.0.1/", "http://[", "http://127.0.0.1:x/"):
            tell(url, {"status": "cancelled"})
    assert astray == []


def answer_one(listener: socket.socket, answer: bytes) -> None:
    """Answer one request."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)


@contextmanager
def listening(hear: Callable[[Any], None]) -> Iterator[str]:
    """Take callbacks on this machine."""

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Hear what is said."""
            hear(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


# --- processes ---


def test_processes_over_one_database_tell_one_story(tmp_path: Path) -> None:
    """Simultaneous cancels through two of them all show one charge, and it is taken once."""
    database = str(tmp_path / "tasks.sqlite")
    with a_service("--database", database) as one, a_service("--database", database) as two:
        callers = [Caller(started["base_url"]) for started in (one, two) for _ in range(2)]
        task = callers[0].submit("sim-keeps-charge")
        callers[-1].reach("running", task)
        before = callers[0].remaining()
        with ThreadPoolExecutor(len(callers)) as pool:
            answers = list(pool.map(lambda caller: caller.cancel(task["task_id"]).json(), callers))
        assert all(answer == answers[0] for answer in answers)
        assert before - callers[-1].remaining() == Decimal(str(answers[0]["credits_used"])) > 0
        for caller in callers:
            caller.http.close()


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, None])
def test_it_starts_with_one_line_and_ends_when_told(way: signal.Signals | None) -> None:
    """By a signal or by the end of its stdin, with an open stream or without."""
    with a_service("--speed", "20") as started, speaking(started["base_url"], started["keys"]["owner"]) as caller:
        process = started["process"]
        task = caller.submit("sim-pending")
        with caller.http.stream("GET", f"/tasks/stream/{task['task_id']}"):
            if way is None:
                process.stdin.close()
            else:
                process.send_signal(way)
            assert process.wait(5) == 0
        assert process.stdout.read() == b""


def test_the_start_up_text_names_every_key_and_model() -> None:
    """And three calls to try."""
    text = start_up_text("http://127.0.0.1:8080/v1")
    for word in (*KEYS.values(), *MODELS, "/tasks/submit", "/tasks/query", "/tasks/cancel"):
        assert word in text


# --- faults ---


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_breaks(name: str) -> None:
    """In a sentence, and by rows of the catalogue."""
    made = FAULTS[name]
    assert made.__doc__
    assert made.__doc__.endswith(".")
    assert "\n" not in made.__doc__
    assert bool(made.breaks) != made.degenerate
    assert {*made.breaks, *made.also} <= ROWS


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_spoils_one_part_of_the_service(name: str, tmp_path: Path) -> None:
    """It can be put together, and is not the sound one."""
    api = assemble(tmp_path / "tasks.sqlite", fault=name)
    parts = (api, api.service, api.service.store)
    assert sum(isinstance(part, FAULTS[name]) for part in parts) == 1
    assert sum(isinstance(part, Fault) for part in parts) == 1
    api.service.store.close()


def test_the_sound_service_has_no_fault(tmp_path: Path) -> None:
    """Nothing of a fault is in it."""
    api = assemble(tmp_path / "tasks.sqlite")
    assert type(api) is Api
    assert not any(isinstance(part, Fault) for part in (api, api.service, api.service.store))
    api.service.store.close()


def test_each_row_of_the_first_families_has_a_fault() -> None:
    """IDENT, STATE, IDEMP, PARITY, and what a refusal looks like."""
    broken = {row for made in FAULTS.values() for row in made.breaks}
    wanted = {row for row in ROWS if row.startswith(("IDENT-", "STATE-", "IDEMP-", "PARITY-"))} | {"ERR-1", "ERR-2"}
    assert wanted <= broken


# far away, narrow, few workers


def test_each_answer_of_a_far_service_is_later(anybody: httpx.Client) -> None:
    """By as much as was asked for, and several at once are no later than one."""
    assert anybody.post("/tasks/query", json={}).elapsed.total_seconds() < 0.2
    with a_service("--latency", "0.3") as started, ThreadPoolExecutor(8) as pool:
        begun = time.monotonic()
        asked = [pool.submit(httpx.post, f"{started['base_url']}/tasks/query", trust_env=False) for _ in range(8)]
        assert {each.result().status_code for each in asked} == {401}
        assert 0.3 <= time.monotonic() - begun < 1.5


def test_a_narrow_service_refuses_what_comes_beside_enough_others() -> None:
    """With 429 and the documented code, and never in order."""
    with a_service("--latency", "0.5", "--in-flight", "2") as started, speaking(started["base_url"], OWNER) as caller:
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(caller.http.post, "/tasks/query", json={"task_id": UNKNOWN}) for _ in range(4)]
            answers = [each.result() for each in asked]
        assert sorted(answer.status_code for answer in answers) == [404, 404, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error"]["code"] == "concurrency_limit"
        assert int(refused.headers["x-ratelimit-reset"]) > time.time()
        for _ in range(3):
            assert caller.http.post("/tasks/query", json={"task_id": UNKNOWN}).status_code == 404


def test_a_service_of_few_workers_lets_tasks_wait_in_their_order() -> None:
    """Until one ends or is cancelled; then the next one runs its whole time."""
    paced = {"pending_seconds": 0.0, "running_seconds": 1.0}
    with a_service("--at-most-running", "1") as started, speaking(started["base_url"], OWNER) as caller:
        made = [caller.submit("sim-paced", params=paced)["task_id"] for _ in range(3)]
        time.sleep(0.3)
        assert [caller.query(task)["status"] for task in made] == ["running", "pending", "pending"]
        assert caller.http.post(f"/tasks/cancel/{made[0]}").json()["status"] == "cancelled"
        begun = time.monotonic()
        assert [caller.query(task)["status"] for task in made] == ["cancelled", "running", "pending"]
        while caller.query(made[1])["status"] == "running":
            assert caller.query(made[2])["status"] == "pending" or time.monotonic() - begun >= 0.9
            time.sleep(0.02)
        assert time.monotonic() - begun >= 0.9
        assert caller.query(made[1])["status"] == "completed"
        time.sleep(0.1)
        assert caller.query(made[2])["status"] == "running"
