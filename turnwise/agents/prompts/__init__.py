"""Built-in prompts, registered by name when this package is imported."""

from __future__ import annotations

from turnwise.agents.prompt import register_prompt
from turnwise.agents.prompts.alfworld import ALFWorldAct, ALFWorldReact
from turnwise.agents.prompts.alfworld_verl_agent import ALFWorldVerlAgent, ALFWorldVerlAgentOpen
from turnwise.agents.prompts.search import SearchAct, SearchR1, SearchReact
from turnwise.agents.prompts.swe import SweAct, SweBash, SweTools
from turnwise.agents.prompts.textworld import TextWorldAct, TextWorldReact
from turnwise.agents.prompts.tool_math import ToolMathAct, ToolMathHermes, ToolMathReact, ToolMathSimpleTIR
from turnwise.agents.prompts.verl_agent import WebShopVerlAgent
from turnwise.agents.prompts.webshop import WebShopAct, WebShopReact

register_prompt("alfworld/act@1", ALFWorldAct)
register_prompt("alfworld/act-listed@1", lambda: ALFWorldAct("alfworld/act-listed@1", listed=True))
register_prompt("alfworld/react@1", ALFWorldReact)
register_prompt("alfworld/react-listed@1", lambda: ALFWorldReact("alfworld/react-listed@1", listed=True))
register_prompt("search/act@1", SearchAct)
register_prompt("search/react@1", SearchReact)
register_prompt("search/search-r1@1", SearchR1)
register_prompt("swe/act@1", SweAct)
register_prompt("swe/bash@1", SweBash)
register_prompt("swe/tools@1", SweTools)
register_prompt("textworld/act@1", TextWorldAct)
register_prompt("textworld/act-listed@1", lambda: TextWorldAct("textworld/act-listed@1", listed=True))
register_prompt("textworld/react@1", TextWorldReact)
register_prompt("textworld/react-listed@1", lambda: TextWorldReact("textworld/react-listed@1", listed=True))
register_prompt("tool_math/act@1", ToolMathAct)
register_prompt("tool_math/hermes@1", ToolMathHermes)
register_prompt("tool_math/react@1", ToolMathReact)
register_prompt("tool_math/simpletir@1", ToolMathSimpleTIR)
register_prompt("alfworld/verl-agent@1", ALFWorldVerlAgent)
register_prompt("alfworld/verl-agent-open@1", ALFWorldVerlAgentOpen)
register_prompt("webshop/act@1", WebShopAct)
register_prompt("webshop/react@1", WebShopReact)
register_prompt("webshop/verl-agent@1", WebShopVerlAgent)
