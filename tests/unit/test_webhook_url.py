"""Where a webhook's address leads, and whether we go there."""

from ipaddress import ip_address

import pytest

from polydock_pipelines.webhook_url import WebhookUrl, parse_webhook_url, why_unsafe


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h.example", WebhookUrl("https", "h.example", 443, "/")),
        ("HTTPS://H.Example.:8443/A?b=%2F#c", WebhookUrl("https", "h.example", 8443, "/A?b=%2F")),
        ("http://h.example:8080/", WebhookUrl("http", "h.example", 8080, "/")),
        ("http://h.example?x", WebhookUrl("http", "h.example", 80, "/?x")),
        ("https://bücher.example/ü", WebhookUrl("https", "xn--bcher-kva.example", 443, "/%C3%BC")),
        ("https://１２７。0。0。1/", WebhookUrl("https", "127.0.0.1", 443, "/")),  # noqa: RUF001
        ("https://[2001:DB8::0:1]:444/", WebhookUrl("https", "2001:db8::1", 444, "/")),
        ("https://localhost./", WebhookUrl("https", "localhost", 443, "/")),
    ],
)
def test_a_url_says_where_a_webhook_goes(url: str, expected: WebhookUrl) -> None:
    assert parse_webhook_url(url, is_http_allowed=True) == expected


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://h.example/", "h.example"),
        ("https://h.example:443/", "h.example"),
        ("https://h.example:80/", "h.example:80"),
        ("https://[::1]:8443/", "[::1]:8443"),
    ],
)
def test_the_usual_port_is_not_named(url: str, authority: str) -> None:
    assert parse_webhook_url(url).authority == authority


def test_a_url_prints_neither_path_nor_query() -> None:
    url = parse_webhook_url("https://h.example/canary?token=canary")
    assert "canary" not in f"{url} {url!r}"
    assert str(url) == "https://h.example"


@pytest.mark.parametrize(
    "url",
    [
        *("", "canary", "ftp://h.example/canary", "http://h.example/canary", "//h/canary"),
        *("https://", "https:///canary", "https://:443/canary", "https:canary", "https://.canary"),
        *("https://u@h/canary", "https://@h/canary", "https://good.example\\@canary/"),
        "https://u:canary@h.example/",  # pragma: allowlist secret
        *("https://h:0/canary", "https://h:65536/canary", "https://h:-1/canary", "https://h:x/"),
        *(
            "https://h/canary\r\nX: y",
            "https://h /canary",
            "https://h/canary\u2028",
            "\thttps://h/",
        ),
        *("https://canary..h", "https://-canary.h", f"https://{'a' * 64}.canary", "https://a%2eb/"),
        *("https://2130706433/canary", "https://0177.0.0.1/canary", "https://0x7f.1/canary"),
        *("https://127.1/canary", "https://1.2.3.4.5/canary", "https://canary.256"),
        *("https://[::1/canary", "https://[::1]canary/", "https://[fe80::1%25eth0]/canary"),
        *("https://[v1.canary]/", "https://[127.0.0.1]/", "https://٣.٣.٣.٣/canary"),
        *(f"https://h/{'a' * 2048}canary", f"https://{'a.' * 130}canary/", "https://\udc80canary/"),
    ],
)
def test_what_is_no_such_url_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        parse_webhook_url(url)
    assert "canary" not in str(refused.value)


PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "192.0.1.1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
    "2002:808:808::",
]
SITE = ["10.0.0.1", "127.0.0.1", "127.9.9.9", "172.31.255.255", "192.168.0.1", "100.64.0.1"]
SITE_V6 = ["::1", "fc00::1", "fd12::1"]
NEVER = [
    "0.0.0.0",  # noqa: S104  # nothing is bound here
    *("0.1.2.3", "169.254.169.254", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"),
    *("::", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:7f00:1", "fe80::1"),
    *("fec0::1", "ff02::1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:808:808::1", "2001:db8::1", "3fff::1"),
    *("100::1", "4000::1", "5f00::1", "fe80::1%eth0", "2606:4700::1%eth0"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_safe(address: str) -> None:
    assert why_unsafe(ip_address(address)) is None
    assert why_unsafe(ip_address(address), is_private_allowed=True) is None


@pytest.mark.parametrize("address", SITE + SITE_V6)
def test_a_sites_own_addresses_are_safe_where_that_is_allowed(address: str) -> None:
    assert why_unsafe(ip_address(address)) is not None
    assert why_unsafe(ip_address(address), is_private_allowed=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_safe(address: str) -> None:
    assert why_unsafe(ip_address(address)) is not None
    assert why_unsafe(ip_address(address), is_private_allowed=True) is not None


def test_the_reason_is_the_kind_and_not_the_address() -> None:
    assert why_unsafe(ip_address("169.254.169.254")) == "its address is link-local"
    assert why_unsafe(ip_address("10.1.2.3")) == "its address is private or reserved"
    assert why_unsafe(ip_address("64:ff9b::127.0.0.1")) == "its address is loopback"
