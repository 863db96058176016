"""WebShop: search for a product that fits an instruction, configure it and buy it.

Yao et al. 2022, arXiv 2207.01206. Pages are rendered from the catalogue without HTML, Java or a
server; observations, actions and rewards equal the original's exactly. Pages, search results and
goals are shared by all environments over a catalogue, and an episode is one small immutable
`ShopState`, so a snapshot costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.webshop import navigation, sharing
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.expert import expert_action
from turnwise.envs.webshop.generate import frozen
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.navigation import DONE, ShopState, as_action, parse
from turnwise.envs.webshop.nouns import Tagger, tagger
from turnwise.envs.webshop.pages import OBSERVATIONS
from turnwise.envs.webshop.reward import PurchaseScore, options_rule, score
from turnwise.envs.webshop.tasks import RULES, GoalTasks
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 0
"""Part of the data hash; raised when a transcript changes."""


class WebShopInfo(Info):
    """`Info`, and what can be clicked, as the original lists it."""

    clickables: list[str]


class WebShopEnv(TurnEnv[tuple[ShopState, Outcome]]):
    """A shop, or several.

    Args:
        catalogue: a `Catalogue`; a directory of official files; None for a generated catalogue,
            which is made once per process.
        goals: task `i` is `goals[i]`; None for the catalogue's own goals.
        reward: `official` (equal to the original, defects included) or `fixed`; see
            `turnwise.envs.webshop.reward`.
        observation: `text` or `text_rich`, both the original's, or `text+options`, which also shows
            the selected options.
        split: the split that `reset` draws from. `official` and `product` stand for the split rule
            of that name and its `train` split.
        split_rule: a key of `turnwise.envs.webshop.tasks.RULES`; None for `official` over official
            data, `product` over generated data (`shop` if there are several shops) and `all` over
            given goals.
        nouns: tagger of titles: `auto`, `spacy`, `heuristic`, `alphabetic`, or a function from a
            title to its nouns.
        human: over official data, whether to use the goals written by crowd workers instead of the
            synthetic ones.
        products: number of products of a generated shop.
        shops: number of generated shops. With more than one the splits are whole shops
            (`split_rule="shop"`), so that nothing about a held-out shop is known from training.
        catalogue_seed: seed of everything random in the data: products, prices and price limits.
        style: style of a generated catalogue, `full` or `compact`.
        settings: settings of that style, such as `{"distractors": 5}`; see `FullStyle` and
            `CompactStyle`.
        show_attributes: the original's `show_attrs`, an additional page for each product.

    Raises:
        ConfigError: for an unknown reward, observation, rule, tagger, style or setting.
        TaskError: for a split that the rule does not have.
        DataError: for a directory without the official files.
    """

    stochastic = False

    def __init__(
        self,
        catalogue: Catalogue | str | Path | None = None,
        goals: Sequence[Goal] | None = None,
        *,
        reward: str = "official",
        observation: str = "text",
        split: str = "train",
        split_rule: str | None = None,
        nouns: str | Tagger = "auto",
        human: bool = False,
        products: int = 1000,
        shops: int = 1,
        catalogue_seed: int = 0,
        style: str = "full",
        settings: Mapping[str, object] | None = None,
        show_attributes: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if observation not in OBSERVATIONS:
            raise unknown("observation", observation, OBSERVATIONS, "WebShop")
        if not isinstance(settings, Mapping | None):
            raise ConfigError(
                f"settings={settings!r} is not a table: write one such as {{'distractors': 5}}"
            )
        if shops < 1:
            raise ConfigError(f"shops={shops}: a WebShop needs at least one")
        if split_rule is None and split in RULES and split != "all":
            split, split_rule = "train", split
        self._shops_call: tuple[Any, ...] | None = None
        """The function that returns the shops and its arguments; None for a given catalogue."""
        if catalogue is None:
            generated = products, catalogue_seed, style, frozen(settings or {})
            if shops == 1:
                self._shops_call = sharing.generated_shop, *generated
            else:
                self._shops_call = sharing.generated_shops, shops, *generated
        elif not isinstance(catalogue, Catalogue):
            self._shops_call = sharing.official_shop, Path(catalogue), catalogue_seed
        self.shops = self._shared_shops() if self._shops_call else (cast(Catalogue, catalogue),)
        official = not self.shops[0].goals
        self._tasks_key: tuple[bool, int, str] | None = None
        """Arguments of `sharing.shared_tasks` after the shops; None for given goals."""
        if goals is not None:
            self.goal_tasks = GoalTasks(goals, split_rule or "all")
        else:
            default = "official" if official else "shop" if shops > 1 else "product"
            self._tasks_key = human, catalogue_seed, split_rule or default
            self.goal_tasks = sharing.shared_tasks(self.shops, *self._tasks_key)
        if self.goal_tasks.splits == ("all",) and split == "train":
            split = "all"
        if split not in self.goal_tasks.splits:
            raise TaskError(
                f"there is no split {split!r} here: "
                f"choose one of {', '.join(self.goal_tasks.splits)}, or a split_rule that has it "
                "(goals given one by one are a single split without one)"
            )
        super().__init__(split, render_mode)
        self.reward, self.observation, self.show_attributes = reward, observation, show_attributes
        self._options_matched = options_rule(reward)
        self._nouns, self.nouns = tagger(nouns, official)
        self._attach_pages()

    def _shared_shops(self) -> tuple[Catalogue, ...]:
        assert self._shops_call is not None
        make, *arguments = self._shops_call
        return cast(tuple[Catalogue, ...], make(*arguments))

    def _attach_pages(self) -> None:
        self._all_pages = tuple(
            sharing.shared_pages(shop, self.show_attributes) for shop in self.shops
        )
        self._show = OBSERVATIONS[self.observation]
        self._enter(0)

    def _enter(self, shop: int) -> None:
        self.catalogue, self._pages = self.shops[shop], self._all_pages[shop]

    # TurnEnv
    # ----------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self.goal_tasks.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.goal_tasks.task_ids(split)

    @property
    def data_hash(self) -> str:
        shops = " ".join(shop.data_hash for shop in self.shops)
        parts = (
            VERSION, shops, self.goal_tasks.data_hash, self.reward, self.observation, self.nouns,
            self.show_attributes,
        )  # fmt: skip
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    def _begin(self, task: TaskId) -> Outcome:
        self._load_task(task)
        self._split = self.goal_tasks.split_of(cast(int, task))
        return self._outcome(ShopState())

    def _load_task(self, task: TaskId) -> None:
        self._goal = goal = self.goal_tasks.goal(task)
        self._enter(self.goal_tasks.shops[cast(int, task)])
        key = (self.catalogue.data_hash, self.reward, goal)
        self._prefix = hashlib.blake2b(
            repr(key).encode("utf8", "surrogatepass"), digest_size=16
        ).digest()

    def _act(self, action: str) -> Outcome:
        parsed = parse(action)
        if parsed is None:
            return self._outcome(self._state, valid=False)
        name, argument = parsed
        if name == "search":
            return self._outcome(navigation.search(self._state, argument))
        if name != "click" or argument == "search" or argument not in self._clickables:
            return self._outcome(self._state, valid=False)
        state = navigation.click(self._state, argument, self._clickables)
        if state.page != DONE:
            return self._outcome(state)
        bought, chosen = self.catalogue[state.asin], dict(state.options)
        earned = score(bought, self._goal, chosen, self._nouns, self._options_matched)
        return self._outcome(state._replace(score=earned.total), earned=earned)

    def _outcome(
        self, state: ShopState, valid: bool = True, earned: PurchaseScore | None = None
    ) -> Outcome:
        """Move to `state` and return its outcome; `earned` is the score of a purchase."""
        self._state, self._clickables = state, self._pages.clickables(state)
        instruction = self._goal.instruction
        return Outcome(
            observation=self._show(self._pages, state, instruction),
            instruction=instruction,
            admissible=[as_action(name) for name in self._clickables],
            state=self._state_hash(state),
            valid=valid,
            reward=earned.total if earned else 0.0,
            terminated=earned is not None,
            success=state.score == 1.0,
            score=state.score,
            rewards=earned.components if earned else {},
            tags=self._goal.tags,
        )

    def expert_action(self) -> str | None:
        """Return the next action of a policy that knows the catalogue.

        It is None after the purchase and before the first reset.
        """
        if self._task is None:
            return None
        return expert_action(
            self.catalogue, self._goal, self._state, self._clickables, self._options_matched
        )

    def _state_hash(self, state: ShopState) -> str:
        # Visited products are part of the state only if a page shows them.
        visited = sorted(state.visited) if self.observation == "text_rich" else []
        parts = repr((*state[:5], visited, state.score)).encode("utf8", "surrogatepass")
        return hashlib.blake2b(self._prefix + parts, digest_size=8).hexdigest()

    def _info(self, last: Outcome) -> WebShopInfo:
        return WebShopInfo(**super()._info(last), clickables=list(self._clickables))

    # Snapshots and pickles
    # ----------------------------------------------------------------------------------------------

    def _save(self) -> tuple[ShopState, Outcome]:
        assert self._last is not None
        return self._state, self._last

    def _load(self, state: tuple[ShopState, Outcome]) -> None:
        assert self._task is not None
        if getattr(self, "_goal", None) is not self.goal_tasks.goal(self._task):
            self._load_task(self._task)
        self._state, self._last = state
        self._clickables = self._pages.clickables(self._state)

    def __getstate__(self) -> dict[str, Any]:
        # What is shared is made again, or found in the cache, by the process that unpickles.
        shared = ["catalogue", "_pages", "_all_pages", "_show", "_clickables"]
        shared += ["shops"] if self._shops_call is not None else []
        shared += ["goal_tasks"] if self._tasks_key is not None else []
        return {name: value for name, value in self.__dict__.items() if name not in shared}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._shops_call is not None:
            self.shops = self._shared_shops()
        if self._tasks_key is not None:
            self.goal_tasks = sharing.shared_tasks(self.shops, *self._tasks_key)
        self._attach_pages()
        if self._task is not None:
            self._enter(self.goal_tasks.shops[cast(int, self._task)])
            self._clickables = self._pages.clickables(self._state)
