"""Offline: nothing leaves this machine, and what stays on it works."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.wire import offline
from fixtures.wire.offline import NetworkBlocked

pytestmark = pytest.mark.selftest

ELSEWHERE = ["192.0.2.1", "198.51.100.7", "10.0.0.1", "169.254.169.254"]
NAMES = ["gateway.example", "localhost.example", "127.0.0.1.example", "crazyrouter.com"]


@pytest.fixture(autouse=True)
def _blocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking is on in each test, and afterwards as it was."""
    monkeypatch.setattr(offline, "_blocking", offline._blocking)
    offline.block()


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.settimeout(1)
        yield made


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        yield made


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ELSEWHERE)
def test_connecting_elsewhere_is_refused(tcp: socket.socket, host: str) -> None:
    with pytest.raises(NetworkBlocked, match=host):
        tcp.connect((host, 80))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_connecting_elsewhere_without_an_exception_is_refused_too(tcp: socket.socket, host: str) -> None:
    with pytest.raises(NetworkBlocked, match=host):
        tcp.connect_ex((host, 80))


@pytest.mark.parametrize("host", ["2001:db8::1", "fe80::1%lo", "::ffff:192.0.2.1", "::"])
def test_connecting_elsewhere_over_ipv6_is_refused(host: str) -> None:
    with socket.socket(socket.AF_INET6) as made, pytest.raises(NetworkBlocked, match=host):
        made.connect((host, 80))


@pytest.mark.parametrize("host", [b"192.0.2.1", bytearray(b"192.0.2.1")])
def test_a_host_of_bytes_is_refused_too(tcp: socket.socket, host: bytes) -> None:
    with pytest.raises(NetworkBlocked, match=r"192\.0\.2\.1"):
        tcp.connect((host, 80))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_datagram_elsewhere_is_refused(udp: socket.socket, host: str) -> None:
    with pytest.raises(NetworkBlocked, match=host):
        udp.sendto(b"x", (host, 53))


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_message_elsewhere_is_refused(udp: socket.socket, host: str) -> None:
    with pytest.raises(NetworkBlocked, match=host):
        udp.sendmsg([b"x"], [], 0, (host, 53))


LOOK_UPS: list[Callable[[str], object]] = [
    lambda name: socket.getaddrinfo(name, 80),
    socket.gethostbyname,
    socket.gethostbyname_ex,
    socket.gethostbyaddr,
    lambda name: socket.create_connection((name, 80)),
]


@pytest.mark.parametrize("look_up", LOOK_UPS)
@pytest.mark.parametrize("name", NAMES)
def test_looking_up_a_name_is_refused(look_up: Callable[[str], object], name: str) -> None:
    with pytest.raises(NetworkBlocked, match=name):
        look_up(name)


def test_looking_up_whose_an_address_is_is_refused() -> None:
    with pytest.raises(NetworkBlocked, match=r"192\.0\.2\.1"):
        socket.getnameinfo(("192.0.2.1", 80), 0)


def test_other_threads_are_refused_too() -> None:
    caught: list[type[BaseException] | None] = []

    def connect() -> None:
        with socket.socket() as made, pytest.raises(NetworkBlocked) as raised:
            made.connect(("192.0.2.1", 80))
        caught.append(raised.type)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert caught == [NetworkBlocked]


def test_a_refusal_is_an_ordinary_network_error_to_clients() -> None:
    assert issubclass(NetworkBlocked, OSError)


# --- what works --------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost"])
def test_loopback_can_be_reached(tcp: socket.socket, host: str) -> None:
    with socket.create_server(("127.0.0.1" if host == "localhost" else host, 0)) as server:
        tcp.connect((host, server.getsockname()[1]))


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_loopback_can_be_reached() -> None:
    with socket.socket(socket.AF_INET6) as made:
        made.connect_ex(("::1", 9))  # nobody need listen: what counts is that NetworkBlocked is not raised


def test_a_unix_socket_can_be_reached() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(path)
            server.listen()
            client.connect(path)


def test_a_datagram_on_this_machine_arrives(udp: socket.socket) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        udp.sendto(b"x", receiver.getsockname())
        udp.sendmsg([b"y"], [], 0, receiver.getsockname())
        assert [receiver.recv(1), receiver.recv(1)] == [b"x", b"y"]


def test_a_message_on_a_connected_socket_needs_no_address() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendmsg([b"x"])
        assert other.recv(1) == b"x"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", None, b"127.0.0.1"])
def test_loopback_can_be_looked_up(host: str | bytes | None) -> None:
    assert socket.getaddrinfo(host, 80)


def test_blocking_ends_when_it_is_switched_off(udp: socket.socket) -> None:
    offline.block(on=False)
    assert socket.getaddrinfo("192.0.2.1", 80)  # an address is not asked of anybody


def test_blocking_can_be_switched_on_again() -> None:
    offline.block(on=False)
    offline.block()
    with pytest.raises(NetworkBlocked):
        socket.getaddrinfo("192.0.2.1", 80)
