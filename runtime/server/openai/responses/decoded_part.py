"""decoded_part: a part of a body that is read by itself, what is wrong with it named by its place in the whole."""

from typing import TypeVar

from ...api_error import ApiError
from ...bodies import decoded_body

T = TypeVar("T")


def decoded_part(raw: bytes, part_type: type[T], place: str) -> T:
    """The JSON at `place`, such as `input[3]`, as a `part_type`. Raises: ApiError."""
    try:
        return decoded_body(raw, part_type)
    except ApiError as error:
        if error.param is None:
            message = f"{place}: {error.message.removeprefix('body: ')}"
            raise ApiError(error.status, message, param=place, code=error.code) from error
        message = f"{place}.{error.message}"
        raise ApiError(error.status, message, param=f"{place}.{error.param}", code=error.code) from error
