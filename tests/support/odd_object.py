"""OddObject: what no model says by itself, so that who gets one knows that its schema was sent, and followed."""

from typing import Literal

from pydantic import BaseModel


class OddObject(BaseModel):
    """Take one."""

    zebra: Literal["q7", "z9"]
    ridge: Literal[907, 911]
