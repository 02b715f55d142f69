"""The ears of a run: what a target tells without being asked, over event streams and at callback URLs.

Listening goes on in the background; what was heard enters the journal when the story that it belongs to takes it, in
the story's own thread, and before any check sees it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from conformance.exchange import UNAVAILABLE, Exchange
from conformance.target.background import Background
from conformance.target.callback import Deaf, Receiver, Reply, Subscription, place
from conformance.target.stream import Stream
from conformance.target.tables import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from conformance.journal import Journal
    from conformance.lawful import Task
    from conformance.target.client import Client
    from conformance.target.profile import Profile

_SHOWING: Final = 2.0
_FIRST_WORDS: Final = 0.5
_SOON: Final = 0.25
_BLINK: Final = 0.05
"""Seconds for which a stream is watched from its first words on: one that ends after each of them is no open one."""

_OUT_OF_ORDER: Final = UNAVAILABLE | {408, 500}
"""Statuses that say nothing of whether there are streams."""


@dataclass(frozen=True)
class Ear:
    """One listener of a story: to an event stream of `task`, or to what is called at its URL; and what it `heard`."""

    task: Task
    listener: Stream | Subscription
    heard: list[Exchange] = field(default_factory=list)

    @property
    def is_stream(self) -> bool:
        """Whether this listens to an event stream."""
        return isinstance(self.listener, Stream)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard."""
        return any(each.answer is None and each.request.content is None for each in self.heard)


class Ears:
    """Opens streams and callback URLs for the stories of one run, and writes down what came of them."""

    def __init__(
        self, profile: Profile, client: Client, journal: Journal, cannot_show: Callable[[Capability, str], None]
    ) -> None:
        self._profile = profile
        self._client = client
        self._journal = journal
        self._cannot_show = cannot_show
        self._background = Background()
        self._receiver: Receiver | None = None
        self._streams: list[Stream] = []
        self._counted = 0
        self._late = False
        self._deaf = {
            capability: profile.absent_reason(capability) is not None
            for capability in (Capability.EVENT_STREAM, Capability.CALLBACK)
        }

    def close(self) -> None:
        """Listen to nothing any longer."""
        if self._receiver is not None:
            self._receiver.close()
        self._background.close()

    def streams(self, tasks: Iterable[Task]) -> list[Ear]:
        """An event stream of each task, once its first words have come; none where the target has no streams.

        There are no more either than the profile's limit on requests in flight leaves room for beside a story's calls.
        """
        opened = [ear for task in tasks if (ear := self._stream(task)) is not None]
        time.sleep(_BLINK if opened else 0.0)
        return opened

    def _stream(self, task: Task) -> Ear | None:
        self.count_streams()
        if self._deaf[Capability.EVENT_STREAM] or not self._client.has_room_for_a_stream():
            return None
        self._counted += 1
        stream = Stream(self._client.opening(task.role, task.task_id), self._background)
        self._streams.append(stream)
        stream.wait(bool, stream.asked_at + _SHOWING)
        stream.wait(lambda heard: len(heard) > 1, time.monotonic() + _FIRST_WORDS)
        return Ear(task, stream)

    def subscribe(self, reply: Reply = Reply.AT_ONCE) -> Subscription | None:
        """A URL at which the target may call, and is answered so; none where it cannot reach us, or calls nobody."""
        if self._deaf[Capability.CALLBACK]:
            return None
        try:
            self._receiver = self._receiver or Receiver(place(self._profile), self._background)
        except Deaf as reason:
            self.give_up(Capability.CALLBACK, str(reason))
            return None
        return self._receiver.subscribe(reply)

    def give_up(self, capability: Capability, reason: str) -> None:
        """The target was seen not to have streams, or callbacks: nobody tries again."""
        self._deaf[capability] = True
        self._cannot_show(capability, reason)

    def collect(self, story: int, ear: Ear) -> list[Exchange]:
        """What was heard since the last time, as exchanges of the story."""
        kept = []
        for heard in ear.listener.take():
            if ear.is_stream:
                self._look_at_head(heard)
            kept.append(self._journal.overhear(story, self._client.without_secrets(_bound(heard, ear.task))))
        ear.heard.extend(kept)
        return kept

    def patience(self, ear: Ear) -> float:
        """Seconds to wait for it at the end of a story: none, where calls were waited for in vain before."""
        return 0.0 if self._late and not ear.is_stream else _SOON

    def learn(self, ear: Ear, *, told: bool) -> None:
        """Remember whether calls come soon."""
        if not ear.is_stream:
            self._late = not told

    def has_room_for(self, ear: Ear) -> bool:
        """Whether it may remain when its story is over: streams take up a share of the requests in flight."""
        self.count_streams()
        return not ear.is_stream or self._journal.streams() <= self._profile.limits.in_flight // 2

    def stop(self, ear: Ear) -> None:
        """Listen to this no longer, and write that down."""
        if isinstance(ear.listener, Stream):
            ear.listener.give_up_at(time.monotonic())
            ear.listener.is_over(time.monotonic() + _SHOWING)
        elif self._receiver is not None:
            self._receiver.forget(ear.listener)
            ear.listener.end()

    def count_streams(self) -> None:
        """Write down how many streams are open now, for whoever wants to know what is in flight."""
        self._streams = [stream for stream in self._streams if not stream.is_over()]
        if len(self._streams) != self._counted:
            self._counted = len(self._streams)
            self._journal.listen(self._counted)

    def _look_at_head(self, heard: Exchange) -> None:
        """See by the head of an answer whether the target has event streams at all."""
        answer = heard.answer
        if answer is not None and not answer.is_event_stream and answer.status not in _OUT_OF_ORDER:
            kind = answer.header("content-type") or "no content type"
            asked = f"GET {heard.request.url} was answered {answer.status} with {kind!r:.60}"
            advice = "write [paths] stream, if its streams are elsewhere"
            self.give_up(Capability.EVENT_STREAM, f"the target shows no event stream: {asked}; {advice}")


def _bound(heard: Exchange, task: Task) -> Exchange:
    """What was heard, with the task that it is about."""
    return replace(heard, request=replace(heard.request, role=task.role, path_id=task.task_id))
