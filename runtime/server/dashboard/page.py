"""The dashboard's page, put together from its parts, and the policy that lets a browser run nothing else."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

SCRIPTS = ("page.js", "charts.js", "tree.js", "requests.js", "playground.js", "programs.js", "start.js")
"""In this order they make up one script."""


@cache
def page() -> tuple[bytes, str]:
    """The page as HTML, and its Content-Security-Policy."""
    folder = files(__package__)
    style = (folder / "page.css").read_text(encoding="utf-8")
    parts = [(folder / name).read_text(encoding="utf-8") for name in SCRIPTS]
    script = '"use strict";\n{\n' + "\n".join(parts) + "}\n"  # a block, so that none of its names is global
    html = (folder / "page.html").read_text(encoding="utf-8")
    html = html.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_source_hash(style)}'",
            f"script-src '{_source_hash(script)}'",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
    return html.encode(), policy


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
