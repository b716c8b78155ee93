"""The one reader of a webhook's address: where it leads, and whether that is a place to go to.

Who may name an address makes us send there, from inside our network (SSRF). So a name is only a
name here: what it resolves to is judged by `why_unsafe` each time, by the sender.
"""

import contextlib
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

import idna

Address = IPv4Address | IPv6Address
Scheme = Literal["https", "http"]

_PORTS: dict[Scheme, int] = {"https": 443, "http": 80}
_LONGEST = 2048
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_IN_BRACKETS = re.compile(r"\[[0-9a-fA-F:.]+\](:[0-9]*)?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_READY = "!#$%&'()*+,/:;=?@[]~"
"""What `quote` must leave as it is: our part is to write letters beyond ASCII as bytes."""

_NEVER_PUBLIC = tuple(
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "3fff::/20"),
    )
)
"""IANA's special-purpose registries. Of IPv6 beyond 2000::/3 nothing is public."""

_OF_CLOUDS = tuple(
    ip_network(network)
    for network in ("168.63.129.16", "100.100.100.200", "fd00:ec2::/32", "fd20:ce::/32")
)
"""Where Azure, Alibaba, AWS and Google answer machines about themselves, beside link-local."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_OF_A_SITE = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7"),
    )
)
"""What "private is allowed" opens; never link-local, where clouds hand out credentials."""


@dataclass(frozen=True)
class WebhookUrl:
    """Where a webhook goes; printed as `https://host:port`, for a path is often a secret."""

    scheme: Scheme
    host: str
    """A name in ASCII without a dot at its end, or an address without brackets."""
    port: int
    target: str = field(repr=False)
    """Path and query."""

    @property
    def authority(self) -> str:
        """Return it as the header `Host` has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_webhook_url(url: str, *, is_http_allowed: bool = False) -> WebhookUrl:
    """Read `https://HOST[:PORT][/PATH][?QUERY]`. ValueError, which quotes nothing of it."""
    if len(url) > _LONGEST or _UNFIT.search(url):
        raise ValueError(f"expected a URL of at most {_LONGEST} signs, none blank or a backslash")
    parts, port = _split(url)
    scheme: Scheme | None = "https" if parts.scheme == "https" else None
    if parts.scheme == "http" and is_http_allowed:
        scheme = "http"
    if scheme is None:
        raise ValueError("expected https://")
    if "@" in parts.netloc:
        raise ValueError("expected no user and no password before the host")
    if port == 0:
        raise ValueError("expected another port than 0")
    host = _host(parts)
    target = quote(parts.path or "/", _READY) + f"?{quote(parts.query, _READY)}" * bool(parts.query)
    return WebhookUrl(scheme, host, port or _PORTS[scheme], target)


def why_unsafe(address: Address, *, is_private_allowed: bool = False) -> str | None:
    """Return what speaks against going to *address*, None when nothing does."""
    if _is_in(address, _OF_CLOUDS):
        return "its address is a cloud's own"
    if is_private_allowed and _is_in(address, _OF_A_SITE):
        return None
    match address:
        case IPv4Address():
            is_public = not _is_in(address, _NEVER_PUBLIC)
        case IPv6Address() if address in _NAT64:
            return why_unsafe(_v4(int(address)))
        case IPv6Address() if address in _6TO4:
            return why_unsafe(_v4(int(address) >> 80))
        case IPv6Address():
            is_public = address in _GLOBAL_UNICAST and not _is_in(address, _NEVER_PUBLIC)
            is_public = is_public and address.scope_id is None
    return None if is_public else f"its address is {_kind(address)}"


def literal(host: str) -> Address | None:
    """Return the address that *host* is, None when it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_in(address: Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _v4(bits: int) -> IPv4Address:
    return IPv4Address(bits & 0xFFFFFFFF)


def _kind(address: Address) -> str:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return "an IPv4 address in disguise"
    for kind in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(address, f"is_{kind}"):
            return kind.replace("_", "-")
    return "private or reserved"


def _split(url: str) -> tuple[SplitResult, int | None]:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        return parts, parts.port
    raise ValueError("expected https://HOST/PATH, maybe with a port")


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return _literal_v6(host, parts.netloc)
    if not host.isascii():
        host = _in_ascii(host)
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("expected a host name")
    # What ends in a number is an address to resolvers: octal, hex or short forms hide loopback.
    if _NUMBER.fullmatch(labels[-1]) and literal(host) is None:
        raise ValueError("expected an IPv4 address as four decimal numbers")
    return host


def _literal_v6(host: str, netloc: str) -> str:
    if _IN_BRACKETS.fullmatch(netloc):
        with contextlib.suppress(ValueError):
            return str(IPv6Address(host))
    raise ValueError("expected an IPv6 address within the brackets")


def _in_ascii(host: str) -> str:
    with contextlib.suppress(UnicodeError):
        return idna.encode(host, uts46=True).decode("ascii")
    raise ValueError("expected a host name that IDNA knows how to write")
