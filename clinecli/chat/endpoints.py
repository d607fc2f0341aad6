"""Where the API has what, below the base URL."""

from __future__ import annotations

CHAT = "/chat/completions"
ACCOUNT = "/users/me"
# The Cline API's lists of models, and what other OpenAI-compatible servers have.
CLINE_MODELS = "/ai/cline/models"
RECOMMENDED_MODELS = "/ai/cline/recommended-models"
OPENAI_MODELS = "/models"
