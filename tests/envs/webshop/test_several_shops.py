"""Several shops in one environment: held-out shops, and each task in its own shop."""

import pickle

from turnwise.envs.webshop import WebShopEnv


def several_shops(**changes: object) -> WebShopEnv:
    return WebShopEnv(shops=10, products=40, style="compact", **changes)  # type: ignore[arg-type]


def test_splits_are_whole_shops_and_cover_every_goal() -> None:
    env = several_shops()
    found = {
        split: {env.goal_tasks.shops[task] for task in env.tasks(split)} for split in env.splits
    }
    assert found == {"train": set(range(8)), "dev": {8}, "test": {9}}
    assert sum(len(env.tasks(split)) for split in env.splits) == sum(
        len(shop.goals) for shop in env.shops
    )


def test_shops_differ_and_another_seed_gives_other_shops() -> None:
    hashes = {
        shop.data_hash for seed in (0, 1) for shop in several_shops(catalogue_seed=seed).shops
    }
    assert len(hashes) == 20


def test_the_expert_earns_everything_in_every_shop() -> None:
    env = several_shops()
    for shop in range(10):
        task = env.goal_tasks.shops.index(shop)
        env.reset(options={"task": task})
        done, reward = False, 0.0
        while not done:
            action = env.expert_action()
            assert action is not None
            _, reward, done, _, _ = env.step(action)
        assert reward == 1.0 and env.catalogue is env.shops[shop]


def test_forks_and_pickles_stay_in_their_shop() -> None:
    env = several_shops()
    env.reset(options={"task": env.tasks("test")[0]})
    env.step(env.expert_action() or "")
    snapshot = env.snapshot()
    for other in (env.fork(), pickle.loads(pickle.dumps(env))):
        action = env.expert_action() or ""
        assert other.expert_action() == action
        assert other.step(action) == env.step(action)
        env.restore(snapshot)
    elsewhere = env.spawn()
    elsewhere.reset(options={"task": 0})
    assert (
        elsewhere.restore(snapshot)[0] == env.restore(snapshot)[0]
        and elsewhere.catalogue is env.shops[9]
    )


def test_a_compact_shop_of_64_products_needs_no_digits_in_its_asins() -> None:
    names = [asin for shop in several_shops().shops for asin in shop.asins]
    assert all(len(name) == 2 and name.isalpha() for name in names)
