"""The few lines that a server says of itself when it is ready."""

from typing import Any

from .parts import ServerParts


def banner(parts: ServerParts, address: Any) -> str:
    """Where it is, what it serves and what holds. `address`: the socket's own name."""
    host, port = str(address[0]), int(address[1])
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}{parts.settings.bind.root_path}"
    lines = [
        f"palmette: serving {parts.model_name} (context {parts.context_len:,} tokens)",
        f"  OpenAI's interface   {url}/v1",
        f"  dashboard            {url}/dashboard",
        f"  metrics, docs        {url}/metrics, {url}/docs",
        f"  keys                 {_keys(parts, host)}",
        f"  a request            at most {parts.settings.limits.max_body_bytes / 1024**2:g} MiB",
        f"  stop                 Ctrl-C or SIGTERM; {parts.settings.process.drain_s:g} s for what is at work",
    ]
    return "\n".join(lines)


def _keys(parts: ServerParts, host: str) -> str:
    keys = parts.settings.keys
    if keys.api_keys or keys.admin_keys:
        return f"{len(keys.api_keys)} for users, {len(keys.admin_keys)} for admins"
    if host in ("127.0.0.1", "::1"):
        return "none: whoever is on this machine may use it"
    return "NONE: WHOEVER REACHES THIS ADDRESS MAY USE IT; set PALMETTE_API_KEY and PALMETTE_ADMIN_KEY"
