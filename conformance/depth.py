"""How deep a run goes: how many stories, how many shared tasks, how long it watches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Depth:
    """`stories` scales the stories of each test; `watch` is how many seconds after its last story a run looks again.

    So many completed and failed tasks are `shared` by all stories; of those that the profile says cost credits, `paid`.
    """

    name: str
    stories: float
    shared: int
    paid: int
    looks: int
    watch: float


DEPTHS = {
    depth.name: depth
    for depth in (
        Depth(name="smoke", stories=0.15, shared=1, paid=1, looks=20, watch=0.0),
        Depth(name="standard", stories=1.0, shared=2, paid=1, looks=120, watch=1.1),
        Depth(name="certify", stories=5.0, shared=4, paid=2, looks=2000, watch=5.0),
    )
}
