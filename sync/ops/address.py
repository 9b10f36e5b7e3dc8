"""Network addresses as people write them: `host:port`, `1.2.3.4:port`, `[v6]:port`.

One parser for the configuration and the command line, so that both accept and refuse the same texts.
"""

from __future__ import annotations

import ipaddress
import re

HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
PORT_MAX = 65535


def parse_address(text: str) -> tuple[str, int]:
    """Give (host, port) of `host:port`; the brackets of an IPv6 address are taken off.

    Raises ValueError with a sentence that says what is wrong and shows a correct form.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError(f'"{text}" has no port; write host:port, for example 10.0.0.2:7443')
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= len(str(PORT_MAX))):
        raise ValueError(f'"{port_text}" is not a port number')
    port = int(port_text)
    if not 0 < port <= PORT_MAX:
        raise ValueError(f"port {port} is outside 1 to {PORT_MAX}")
    return _host(host, text), port


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ValueError(f'"{host[1:-1]}" is not an IPv6 address') from None
    if ":" in host:
        raise ValueError(f'"{text}" is ambiguous; an IPv6 address stands in brackets: [{host}]:7443')
    if not HOST.fullmatch(host) or (host.replace(".", "").isdigit() and not _is_v4(host)):
        raise ValueError(f'"{host}" is not a host name or address')
    return host


def _is_v4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def show_address(host: str, port: int) -> str:
    """Write an address the way `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address (names are believed only where they are `localhost`)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
