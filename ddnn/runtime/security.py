"""Who may talk to whom: loopback by default, else TLS with client certificates or a token."""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from ddnn.errors import ParamsError
from ddnn.serve_settings import LinkSettings, check_address

_OPEN = "/grpc.health."  # a supervisor that asks for health needs no token


def is_loopback(address: str) -> bool:
    """Say whether ``host:port`` can be reached from this machine alone."""
    host, _ = check_address("address", address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(link: LinkSettings) -> str | None:
    """Read the shared secret; None: there is none.

    Raises:
        ParamsError: The file cannot be read, or holds less than 16 characters.
    """
    if link.token_file is None:
        return None
    token = _read("token_file", link.token_file).decode("utf-8", "replace").strip()
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise ParamsError(
            f"serve.link.token_file: {link.token_file} must hold 16 plain characters or more"
        )
    return token


def check_exposure(link: LinkSettings, address: str, what: str, token_counts: bool = True) -> None:
    """Refuse to listen beyond loopback without TLS and a way to tell who calls.

    Args:
        link: Certificates and token.
        address: Where is to be listened.
        what: Names the setting.
        token_counts: Whether the service can check a token.

    Raises:
        ParamsError: It is refused.
    """
    if is_loopback(address):
        return
    known = link.authority is not None or (token_counts and link.token_file is not None)
    if link.certificate is None or not known:
        way = "authority (client certificates)" + (" or token_file" if token_counts else "")
        raise ParamsError(
            f"serve.{what}: {address} can be reached from other machines: give serve.link."
            f"certificate, key and {way}, or listen on 127.0.0.1"
        )


def add_port(server: grpc.aio.Server, link: LinkSettings, address: str, what: str) -> int:
    """Bind a server, with TLS where there is a certificate, and give its port.

    Raises:
        ParamsError: The address is exposed without protection, or cannot be bound.
    """
    check_exposure(link, address, what)
    try:
        if link.certificate is None or link.key is None:
            port = server.add_insecure_port(address)
        else:
            pair = (_read("key", link.key), _read("certificate", link.certificate))
            root = None if link.authority is None else _read("authority", link.authority)
            credentials = grpc.ssl_server_credentials(
                [pair], root_certificates=root, require_client_auth=root is not None
            )
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ParamsError(
            f"serve.{what}: cannot listen on {address}; is another process there?"
        ) from error
    return int(port)


def open_channel(link: LinkSettings, address: str, options: Any) -> grpc.aio.Channel:
    """Open a channel to a server, with TLS wherever it is not on loopback or there are papers.

    Raises:
        ParamsError: The peer is on another machine, and no authority is given to know it by.
    """
    if link.authority is None:
        if not is_loopback(address):
            raise ParamsError(
                f"{address} is on another machine: give serve.link.authority, by which its "
                "certificate is known"
            )
        if link.certificate is None:
            return grpc.aio.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read("authority", link.authority or link.certificate or ""),
        private_key=None if link.key is None else _read("key", link.key),
        certificate_chain=(
            None if link.certificate is None else _read("certificate", link.certificate)
        ),
    )
    return grpc.aio.secure_channel(address, credentials, options=options)


def token_metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    """Give what a client sends along with every call."""
    return () if token is None else (("authorization", f"Bearer {token}"),)


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without the token; their message is not even waited for."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

        async def refuse(requests: Any, context: grpc.aio.ServicerContext) -> None:
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED, "no valid token; see serve.link.token_file"
            )

        self._refuse = grpc.stream_unary_rpc_method_handler(refuse)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Let a call pass, or put the refusal in its place."""
        if not handler_call_details.method.startswith(_OPEN):
            given = dict(handler_call_details.invocation_metadata).get("authorization", "")
            if not hmac.compare_digest(str(given).encode(), self._expected):
                return self._refuse
        return await continuation(handler_call_details)


class PatienceInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Ends calls whose one message does not come whole in time: a slow sender keeps no place.

    gRPC itself waits for ever. On the wire a call with one message is a stream of one; read as a
    stream, its message can be waited for with a limit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Put the waiting with a limit before a call of one message and one answer."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.response_streaming:
            return handler

        async def answer(requests: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                async with asyncio.timeout(self._seconds):
                    request = await anext(aiter(requests))
            except TimeoutError:
                await context.abort(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"the message did not come whole within {self._seconds:g} s "
                    "(serve.link.message_seconds)",
                )
            except StopAsyncIteration:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no message")
            return await handler.unary_unary(request, context)

        return grpc.stream_unary_rpc_method_handler(
            answer, handler.request_deserializer, handler.response_serializer
        )


def make_server(link: LinkSettings) -> grpc.aio.Server:
    """Make a server with the bounds and the token of the settings.

    Raises:
        ParamsError: The token's file is of no use.
    """
    token = read_token(link)
    patience = PatienceInterceptor(link.message_seconds)
    return grpc.aio.server(
        interceptors=[patience] if token is None else [TokenInterceptor(token), patience],
        options=[
            ("grpc.max_receive_message_length", link.message_bytes),
            ("grpc.max_send_message_length", link.message_bytes),
            ("grpc.max_concurrent_streams", link.max_calls),
            ("grpc.max_allowed_incoming_connections", link.max_connections),
            ("grpc.max_metadata_size", 8192),
            ("grpc.server_handshake_timeout_ms", int(1000 * link.message_seconds)),
            ("grpc.max_connection_age_ms", int(1000 * link.connection_seconds)),
            ("grpc.max_connection_age_grace_ms", 5000),
            ("grpc.so_reuseport", 0),  # a port that is taken is an error
        ],
        maximum_concurrent_rpcs=link.max_calls,
    )


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ParamsError(f"serve.link.{name}: {path}: {error.strerror}") from error
