"""Built-in prompts, registered by name when this package is imported."""

from __future__ import annotations

from turnwise.agents.prompt import register_prompt
from turnwise.agents.prompts.verl_agent import WebShopVerlAgent
from turnwise.agents.prompts.webshop import WebShopAct, WebShopReact

register_prompt("webshop/act@1", WebShopAct)
register_prompt("webshop/react@1", WebShopReact)
register_prompt("webshop/verl-agent@1", WebShopVerlAgent)
