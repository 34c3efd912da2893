"""What the chain answers when it refuses: JSON-RPC errors with geth's codes and words."""

from bascule.domain.errors import Rejected

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
SERVER_ERROR = -32000
RESPONSE_TOO_LARGE = -32003
REVERTED = 3


class RpcError(Exception):
    """A refusal that reaches the caller as a JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def invalid_params(message: str, data: str | None = None) -> RpcError:
    """Returns the error for parameters that cannot be understood. data: which of several is meant."""
    return RpcError(INVALID_PARAMS, message, data)


def refused(message: str) -> RpcError:
    """Returns the error for a well-formed request that the chain will not carry out."""
    return RpcError(SERVER_ERROR, message)


class DataDirError(Rejected):
    """The stored chain cannot be used; message and next step say why and what to do."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__("chain_data_unusable", message, next_step=next_step)
