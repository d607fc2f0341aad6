"""The models and the account that the mock knows. Nothing here is a promise about the real API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from clinecli.options.common import DEFAULT_MODEL

USER_ID = "usr-mock"
ORGANIZATION_ID = "org-mock"
# Micro-dollars: 12.50 USD, and the 0.14 USD of debt of the API's own error example.
HEALTHY_BALANCE = 12_500_000
SPENT_BALANCE = -140_000

_TEXT = "text->text"
_VISION = "text+image->text"
_PLAIN = ("max_tokens", "temperature", "top_p", "stop")
_TOOLS = (*_PLAIN, "tools", "tool_choice", "response_format")
_REASONING = (*_TOOLS, "reasoning", "include_reasoning")


class _Model(NamedTuple):
    """One row of the list; prices are in USD per million tokens."""

    id: str
    name: str
    context: int
    max_completion: int | None
    prompt: str
    completion: str
    modality: str
    parameters: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        cached = Decimal(self.prompt) / 10
        return {
            "id": self.id,
            "name": self.name,
            "description": f"{self.name}, as the mock plays it.",
            "context_length": self.context,
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.max_completion,
                "is_moderated": False,
            },
            "architecture": {"modality": self.modality},
            "pricing": {
                "prompt": _per_token(Decimal(self.prompt)),
                "completion": _per_token(Decimal(self.completion)),
                "input_cache_read": _per_token(cached),
                "input_cache_write": _per_token(Decimal(self.prompt)),
            },
            "supported_parameters": list(self.parameters),
        }


def _per_token(per_million: Decimal) -> str:
    # normalize() turns 0.00 into 0, as the real list spells a price of nothing.
    return format((per_million / 1_000_000).normalize(), "f")


_M = _Model
_MODELS = (
    _M(DEFAULT_MODEL, "Claude Sonnet 4.6", 200_000, 64_000, "3", "15", _VISION, _REASONING),
    _M("anthropic/claude-opus-4-6", "Claude Opus 4.6", 200_000, 128_000, "5", "25", _VISION,
       _REASONING),
    _M("anthropic/claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000, "1", "5", _VISION,
       _REASONING),
    _M("openai/gpt-5.3-codex", "GPT-5.3 Codex", 400_000, 128_000, "1.75", "14", _VISION,
       _REASONING),
    _M("openai/gpt-4o-mini", "GPT-4o mini", 128_000, 16_384, "0.15", "0.6", _VISION, _TOOLS),
    _M("google/gemini-3-pro-preview", "Gemini 3 Pro", 1_048_576, 65_536, "2", "12",
       "text+image+file+audio+video->text", _REASONING),
    _M("google/gemini-2.5-flash", "Gemini 2.5 Flash", 1_048_576, 65_535, "0.3", "2.5", _VISION,
       _REASONING),
    _M("deepseek/deepseek-v3.2", "DeepSeek V3.2", 163_840, 65_536, "0.26", "0.38", _TEXT,
       _REASONING),
    _M("moonshotai/kimi-k2.5", "Kimi K2.5", 262_144, 65_535, "0.6", "3", _VISION, _REASONING),
    _M("mistralai/codestral-2508", "Codestral 2508", 256_000, None, "0.3", "0.9", _TEXT, _TOOLS),
    _M("microsoft/phi-4", "Phi 4", 16_384, None, "0.06", "0.14", _TEXT, _PLAIN),
    _M("minimax/minimax-m2.5", "MiniMax M2.5", 204_800, 131_072, "0", "0", _TEXT, _REASONING),
    _M("cline-pass/glm-5", "GLM 5 (ClinePass)", 202_752, 131_072, "0", "0", _TEXT, _REASONING),
)  # fmt: skip
_BY_ID = {model.id: model for model in _MODELS}

MODELS: dict[str, Any] = {"data": [model.as_dict() for model in _MODELS]}


def _entries(*picks: tuple[str, str, list[str]]) -> list[dict[str, Any]]:
    return [
        {"id": model, "name": _BY_ID[model].name, "description": description, "tags": tags}
        for model, description, tags in picks
    ]


RECOMMENDED: dict[str, Any] = {
    "recommended": _entries(
        (DEFAULT_MODEL, "Strong at coding and agentic work", ["BEST"]),
        ("anthropic/claude-opus-4-6", "The most capable of its family", ["NEW"]),
        ("openai/gpt-5.3-codex", "Tuned for code", []),
        ("google/gemini-3-pro-preview", "A context of a million tokens", []),
    ),
    "free": _entries(("minimax/minimax-m2.5", "Open weights, priced at zero here", ["FREE"])),
    "clinePass": _entries(("cline-pass/glm-5", "Paid by a ClinePass subscription", [])),
}

USER: dict[str, Any] = {
    "id": USER_ID,
    "email": "mock@example.com",
    "displayName": "Mock User",
    "organizations": [
        {
            "organizationId": ORGANIZATION_ID,
            "name": "Mock Organization",
            "roles": ["member"],
            "active": False,
            "memberId": "mem-mock",
        }
    ],
    "createdAt": "2026-01-05T09:00:00Z",
    "updatedAt": "2026-03-25T09:00:00Z",
}

USAGES: dict[str, Any] = {
    "items": [
        {
            "id": "use-mock-000001",
            "aiInferenceProviderName": "anthropic",
            "aiModelName": DEFAULT_MODEL,
            "aiModelTypeName": "chat",
            "promptTokens": 14,
            "completionTokens": 8,
            "totalTokens": 22,
            "costUsd": 0.000162,
            "creditsUsed": 162,
            "generationId": "gen-mock-000001",
            "organizationId": "",
            "userId": USER_ID,
            "createdAt": "2026-03-25T09:00:00Z",
        }
    ]
}


def knows(model: str) -> bool:
    """Whether a model is in the list."""
    return model in _BY_ID


def cost(model: str, prompt_tokens: int, completion_tokens: int) -> float:
    """What a call costs in USD; a model that is not in the list costs what the default does."""
    row = _BY_ID.get(model, _BY_ID[DEFAULT_MODEL])
    millionths = prompt_tokens * Decimal(row.prompt) + completion_tokens * Decimal(row.completion)
    return float(millionths / 1_000_000)
