"""Episodes of the expert."""

from __future__ import annotations

from turnwise.envs.webshop.env import WebShopEnv

PATIENCE = 60


def buy(env: WebShopEnv, task: int) -> float:
    """Return the expert's reward on a task."""
    env.reset(options={"task": task})
    return finish(env)


def finish(env: WebShopEnv) -> float:
    """Return the expert's reward from the present state on; all of its actions have to be valid."""
    for _ in range(PATIENCE):
        action = env.expert_action()
        assert action is not None
        _, reward, done, _, info = env.step(action)
        assert info["valid"], action
        if done:
            assert env.expert_action() is None
            return reward
    raise AssertionError(f"the expert is still shopping after {PATIENCE} turns")


def visit(env: WebShopEnv, task: int) -> list[str]:
    """Return observations and the expert's actions in turn, up to the purchase."""
    observation, _ = env.reset(options={"task": task})
    texts, done = [], False
    while not done:
        action = env.expert_action()
        assert action is not None
        texts += [observation, action]
        observation, _, done, _, _ = env.step(action)
    return texts
