"""WebShop: buy what the instruction asks for, by searching and clicking (Yao et al. 2022, arXiv
2207.01206).

The shop is rendered from the catalogue without HTML, Java or a server, and shows, accepts and pays
exactly what the original does. Pages, search results and goals are shared by all environments over
a catalogue; an episode is one small immutable `Place`, so a snapshot costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.webshop import navigation, sharing
from turnwise.envs.webshop.actions import as_action, parse
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.expert import expert_action
from turnwise.envs.webshop.generate import frozen
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.navigation import DONE, Place
from turnwise.envs.webshop.nouns import Tagger, tagger
from turnwise.envs.webshop.pages import OBSERVATIONS
from turnwise.envs.webshop.reward import Score, options_rule, score
from turnwise.envs.webshop.tasks import RULES, Tasks
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""


class WebShopInfo(Info):
    """`Info`, and what can be clicked as the original lists it."""

    clickables: list[str]


class WebShopEnv(TurnEnv[tuple[Place, Outcome]]):
    """The shop.

    Args:
        catalogue: a `Catalogue`; a directory of official files; None for the generated one of
            `products`, `catalogue_seed` and `style`, which is made once per process.
        goals: what to ask for, task `i` being `goals[i]`; None for the catalogue's own.
        reward: `official` (bug for bug) or `fixed`, see `turnwise.envs.webshop.reward`.
        observation: `text`, `text_rich` (both the original's) or `text+options` (which also shows
        what is selected).
        split: the split `reset` draws from; `official` or `product` name a split rule instead, and
        then it is `train`.
        split_rule: `product`, `official` or `all`; None for `official` over official data,
            `product` over generated data and `all` over explicit goals.
        nouns: tagger of titles: `auto`, `spacy`, `heuristic`, `alphabetic`, or a function from a
        title to its nouns.
        human: over official data, goals written by people rather than the synthetic ones.
        catalogue_seed: seeds whatever is random in the data: products, prices, limits.
        shops: number of generated shops, `products` each; with more than one the splits are whole
            shops (`split_rule="shop"`), so that nothing about a held-out shop can be remembered
            from training.
        settings: of the style of a generated catalogue, such as `{"distractors": 5}`; see
        `CompactStyle` and `FullStyle`.
        show_attributes: the original's `show_attrs`: another page for each product.

    Raises:
        ConfigError: for an unknown reward, observation, rule or tagger.
        TaskError: for a split that the rule does not have.
        DataError: for a directory without the official files.
    """

    stochastic = False

    def __init__(
        self, catalogue: Catalogue | str | Path | None = None, goals: Sequence[Goal] | None = None, *, reward: str = "official",
        observation: str = "text", split: str = "train", split_rule: str | None = None, nouns: str | Tagger = "auto",
        human: bool = False, products: int = 1000, shops: int = 1, catalogue_seed: int = 0, style: str = "full",
        settings: Mapping[str, object] | None = None, show_attributes: bool = False, render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if observation not in OBSERVATIONS:
            raise unknown("observation", observation, OBSERVATIONS, "WebShop")
        if not isinstance(settings, Mapping | None):
            raise ConfigError(
                f"settings of a WebShop catalogue are a table such as {{'distractors': 5}}, and {settings!r} is not"
            )
        if shops < 1:
            raise ConfigError(f"a WebShop has at least one shop, and shops={shops} was asked for")
        if split_rule is None and split in RULES and split != "all":
            split, split_rule = "train", split
        if catalogue is None:
            made = products, catalogue_seed, style, frozen(settings or {})
            self._recipe: tuple[Any, ...] | None = (
                ("generated", *made) if shops == 1 else ("street", shops, *made)
            )
        elif isinstance(catalogue, Catalogue):
            self._recipe = None
        else:
            self._recipe = ("loaded", Path(catalogue), catalogue_seed)
        self.shops = (cast(Catalogue, catalogue),) if self._recipe is None else _made(self._recipe)
        official = not self.shops[0].goals
        self._division: tuple[bool, int, str] | None = None
        if goals is not None:
            self.goal_tasks = Tasks(goals, split_rule or "all")
        else:
            self._division = (
                human,
                catalogue_seed,
                split_rule or ("official" if official else "shop" if shops > 1 else "product"),
            )
            self.goal_tasks = sharing.tasks(self.shops, *self._division)
        if self.goal_tasks.splits == ("all",) and split == "train":
            split = "all"
        if split not in self.goal_tasks.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.goal_tasks.splits)}, "
                "or a split_rule that has it (goals given one by one are a single split without one)"
            )
        super().__init__(split, render_mode)
        self.reward, self.observation, self.show_attributes = reward, observation, show_attributes
        self._options_matched = options_rule(reward)
        self._nouns, self.nouns = tagger(nouns, official)
        self._share()

    def _share(self) -> None:
        self._all_pages = tuple(sharing.pages(shop, self.show_attributes) for shop in self.shops)
        self._show = OBSERVATIONS[self.observation]
        self._enter(0)

    def _enter(self, shop: int) -> None:
        self.catalogue, self._pages = self.shops[shop], self._all_pages[shop]

    # The contract
    # -------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self.goal_tasks.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.goal_tasks.of(split)

    @property
    def data_hash(self) -> str:
        shops = " ".join(shop.data_hash for shop in self.shops)
        parts = (VERSION, shops, self.goal_tasks.data_hash, self.reward, self.observation,
                 self.nouns, self.show_attributes)  # fmt: skip
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def _begin(self, task: TaskId) -> Outcome:
        self._aim_at(task)
        self._split = self.goal_tasks.split_of(cast(int, task))
        return self._go(Place())

    def _aim_at(self, task: TaskId) -> None:
        self._goal = goal = self.goal_tasks.goal(task)
        self._enter(self.goal_tasks.shops[cast(int, task)])
        key = (self.catalogue.data_hash, self.reward, goal)
        self._prefix = hashlib.blake2b(
            repr(key).encode("utf8", "surrogatepass"), digest_size=16
        ).digest()

    def _act(self, action: str) -> Outcome:
        call = parse(action)
        if call is None:
            return self._go(self._place, valid=False)
        if call.name == "search":
            return self._go(navigation.search(self._place, call.argument))
        if (
            call.name != "click"
            or call.argument == "search"
            or call.argument not in self._clickables
        ):
            return self._go(self._place, valid=False)
        place = navigation.click(self._place, call.argument, self._clickables)
        if place.page != DONE:
            return self._go(place)
        bought = self.catalogue[place.asin]
        earned = score(bought, self._goal, dict(place.options), self._nouns, self._options_matched)
        return self._go(place._replace(score=earned.total), bought=earned)

    def _go(self, place: Place, valid: bool = True, bought: Score | None = None) -> Outcome:
        """Stand at `place` and look around."""
        self._place, self._clickables = place, self._pages.clickables(place)
        return Outcome(
            observation=self._show(self._pages, place, self._goal.instruction), instruction=self._goal.instruction,
            admissible=[as_action(name) for name in self._clickables], state=self._state_hash(place), valid=valid,
            reward=bought.total if bought else 0.0, terminated=bought is not None, success=place.score == 1.0,
            score=place.score, rewards=bought.components if bought else {}, tags=self._goal.tags,
        )  # fmt: skip

    def expert_action(self) -> str | None:
        """What a customer who knows the catalogue does now; None after the purchase and before the
        first reset.
        """
        if self._task is None:
            return None
        return expert_action(
            self.catalogue, self._goal, self._place, self._clickables, self._options_matched
        )

    def _state_hash(self, place: Place) -> str:
        """Which products were opened is part of the state only where a page shows it."""
        visited = sorted(place.visited) if self.observation == "text_rich" else []
        parts = repr((*place[:5], visited, place.score)).encode("utf8", "surrogatepass")
        return hashlib.blake2b(self._prefix + parts, digest_size=8).hexdigest()

    def _info(self, last: Outcome) -> WebShopInfo:
        return WebShopInfo(**super()._info(last), clickables=list(self._clickables))

    # Snapshots and pickles
    # ----------------------------------------------------------------------------------------

    def _save(self) -> tuple[Place, Outcome]:
        assert self._last is not None
        return self._place, self._last

    def _load(self, state: tuple[Place, Outcome]) -> None:
        assert self._task is not None
        if getattr(self, "_goal", None) is not self.goal_tasks.goal(self._task):
            self._aim_at(self._task)
        self._place, self._last = state
        self._clickables = self._pages.clickables(self._place)

    def __getstate__(self) -> dict[str, Any]:
        shared = ("catalogue", "_pages", "_all_pages", "_show", "_clickables")
        state = {name: value for name, value in self.__dict__.items() if name not in shared}
        if self._recipe is not None:
            del state["shops"]
        if self._division is not None:
            del state["goal_tasks"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._recipe is not None:
            self.shops = _made(self._recipe)
        if self._division is not None:
            self.goal_tasks = sharing.tasks(self.shops, *self._division)
        self._share()
        if self._task is not None:
            self._enter(self.goal_tasks.shops[cast(int, self._task)])
            self._clickables = self._pages.clickables(self._place)


def _made(recipe: tuple[Any, ...]) -> tuple[Catalogue, ...]:
    kind, *arguments = recipe
    if kind == "street":
        return sharing.street(*arguments)
    return (sharing.generated(*arguments) if kind == "generated" else sharing.loaded(*arguments),)
