"""What errors of the client and of the service mean for a call: one table, and their texts for people."""

from enum import Enum, auto
from typing import NamedTuple

from aiohttp import ClientError as TransportError
from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

FAILURES = (BotoCoreError, ClientError, TransportError, TimeoutError, OSError)
"""All that a call may raise."""


class Kind(Enum):
    """What can be done about it."""

    UNSENT = auto()  # the request never reached the service
    LOST = auto()  # nobody knows what became of it
    THROTTLED = auto()  # not done: again, and later
    PASSING = auto()  # a fault within the service: again, and later
    GONE = auto()  # there is no such queue
    CREDENTIALS = auto()  # only a person can help
    DENIED = auto()  # only a person can help
    REFUSED = auto()  # something in the request is wrong
    NOT_OURS = auto()  # the receipt handle is of no use any more


class Trouble(NamedTuple):
    """`code` is the service's, empty when it did not answer."""

    kind: Kind
    text: str
    code: str = ""


_EXPIRED = frozenset({"ExpiredToken", "TokenRefreshRequired", "RequestExpired"})
_LOGIN = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClient",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "InvalidAccessKeyId",
        "AuthFailure",
        "OptInRequired",
        "InvalidSecurity",
    }
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "UnauthorizedOperation",
        "NotAuthorized",
        "AuthorizationError",
        "KmsAccessDenied",
    }
)
_THROTTLED = frozenset(
    {
        "RequestThrottled",
        "Throttling",
        "Throttled",
        "ThrottledException",
        "TooManyRequests",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
        "KmsThrottled",
        "ProvisionedThroughputExceeded",
        "OverLimit",
    }
)
_GONE = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_PASSING = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "QueueDeletedRecently",
    }
)
_NOT_OURS = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight"})
_NOT_OURS_TEXTS = ("receipthandle is invalid", "receipt handle has expired", "receipt handle is invalid")
_NO_LOGIN = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
)
_UNSENT = (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)


def trouble_of(err: Exception, who: str) -> Trouble:
    """What a failed call means; `who` asks: the access key or profile, for the text."""
    if isinstance(err, ClientError):
        error = err.response.get("Error", {})
        status = int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
        return judged(str(error.get("Code", "")), str(error.get("Message") or err), who, status)
    if isinstance(err, _NO_LOGIN):
        return Trouble(Kind.CREDENTIALS, f"there are no credentials {who}: {err}")
    if isinstance(err, _UNSENT):
        return Trouble(Kind.UNSENT, str(err))
    if isinstance(err, boto.HTTPClientError) and "Bad status line" in str(err):
        return Trouble(Kind.LOST, "what is there does not answer in HTTP: is this the port of SQS?")
    return Trouble(Kind.LOST, str(err) or "no answer")


def judged(code: str, message: str, who: str = "", status: int = 400, sender: bool = True) -> Trouble:
    """What an error of the service means, of a whole request or of one entry (`sender`: it is the entry's fault)."""
    plain = code.rpartition(".")[2].removesuffix("Exception")
    said = message if plain in message or not plain else f"{message} ({plain})"
    if plain in _EXPIRED or ("expired" in message.lower() and "token" in message.lower()):
        return Trouble(Kind.CREDENTIALS, f"the credentials {who} have expired: {said}", code)
    if plain in _LOGIN:
        return Trouble(Kind.CREDENTIALS, f"the credentials {who} are refused: {said}", code)
    if plain in _DENIED:
        return Trouble(Kind.DENIED, f"it is not permitted {who}: {said}", code)
    if plain in _THROTTLED or status == 429:
        return Trouble(Kind.THROTTLED, f"it throttles: {said}", code)
    if plain in _GONE:
        return Trouble(Kind.GONE, said, code)
    if plain in _NOT_OURS or _is_stale(message):
        return Trouble(Kind.NOT_OURS, said, code)
    if plain in _PASSING or status >= 500 or not sender:
        return Trouble(Kind.PASSING, said, code)
    return Trouble(Kind.REFUSED, said, code)


def _is_stale(message: str) -> bool:
    lower = message.lower().replace("parameter ", "")
    if "beyond the limit" in lower:
        return True  # 12 hours after its receipt SQS takes a message back, whatever is asked
    return any(text in lower for text in _NOT_OURS_TEXTS) or "not available for visibility timeout change" in lower
