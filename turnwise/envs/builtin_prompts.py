"""Built-in prompts, registered by name when this package is imported."""

from __future__ import annotations

from turnwise.envs.alfworld.prompts import ALFWorldAct, ALFWorldReact
from turnwise.envs.alfworld.verl_agent_prompts import ALFWorldVerlAgent, ALFWorldVerlAgentOpen
from turnwise.envs.prompt import register_prompt
from turnwise.envs.search.prompts import SearchAct, SearchR1, SearchReact
from turnwise.envs.swe.prompts import SweAct, SweBash, SweTools
from turnwise.envs.textworld.prompts import TextWorldAct, TextWorldReact
from turnwise.envs.tool_math.prompts import (
    ToolMathAct,
    ToolMathHermes,
    ToolMathReact,
    ToolMathSimpleTIR,
)
from turnwise.envs.webshop.prompts import WebShopAct, WebShopReact
from turnwise.envs.webshop.verl_agent_prompts import WebShopVerlAgent

register_prompt("alfworld/act@1", ALFWorldAct)
register_prompt("alfworld/act-listed@1", lambda: ALFWorldAct("alfworld/act-listed@1", listed=True))
register_prompt("alfworld/react@1", ALFWorldReact)
register_prompt(
    "alfworld/react-listed@1", lambda: ALFWorldReact("alfworld/react-listed@1", listed=True)
)
register_prompt("search/act@1", SearchAct)
register_prompt("search/react@1", SearchReact)
register_prompt("search/search-r1@1", SearchR1)
register_prompt("swe/act@1", SweAct)
register_prompt("swe/bash@1", SweBash)
register_prompt("swe/tools@1", SweTools)
register_prompt("textworld/act@1", TextWorldAct)
register_prompt(
    "textworld/act-listed@1", lambda: TextWorldAct("textworld/act-listed@1", listed=True)
)
register_prompt("textworld/react@1", TextWorldReact)
register_prompt(
    "textworld/react-listed@1", lambda: TextWorldReact("textworld/react-listed@1", listed=True)
)
register_prompt("tool_math/act@1", ToolMathAct)
register_prompt("tool_math/hermes@1", ToolMathHermes)
register_prompt("tool_math/react@1", ToolMathReact)
register_prompt("tool_math/simpletir@1", ToolMathSimpleTIR)
register_prompt("alfworld/verl-agent@1", ALFWorldVerlAgent)
register_prompt("alfworld/verl-agent-open@1", ALFWorldVerlAgentOpen)
register_prompt("webshop/act@1", WebShopAct)
register_prompt("webshop/react@1", WebShopReact)
register_prompt("webshop/verl-agent@1", WebShopVerlAgent)
