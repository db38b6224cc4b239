"""Who may talk: loopback, or TLS with a certificate or a token; bad input costs nothing."""

import contextlib
import datetime
import itertools
import re
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ddnn.demand import Demand
from ddnn.errors import ParamsError
from ddnn.params import load_params
from ddnn.runtime.ddnn_pb2 import DemandVector, Exit, Offload, StatusRequest
from ddnn.runtime.ddnn_pb2_grpc import CloudStub, EdgeStub
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.security import check_exposure, is_loopback, open_channel, read_token

ROOT = Path(__file__).parents[3]
LINK = load_params(ROOT / "params.yaml").serve.link
Code = grpc.StatusCode


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an authority, and a certificate and a key of localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("papers")
    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "own")}
    names = {name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in keys}
    for name, key in keys.items():
        made = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["authority"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(name == "authority", None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(keys["authority"], hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    (folder / "token").write_text("a-secret-of-enough-letters\n")
    (folder / "other").write_text("another-secret-of-letters\n")
    return folder


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("edge.example:1", False),
    ],
)
def test_loopback_is_told_apart(address: str, near: bool) -> None:
    assert is_loopback(address) == near


def test_exposure_needs_papers() -> None:
    paired = replace(LINK, certificate="c", key="k")
    for link in (LINK, paired, replace(LINK, authority="a"), replace(LINK, token_file="t")):
        with pytest.raises(ParamsError, match="can be reached from other machines"):
            check_exposure(link, "0.0.0.0:1", "edge.listen")
    check_exposure(replace(paired, token_file="t"), "0.0.0.0:1", "edge.listen")
    check_exposure(replace(paired, authority="a"), "0.0.0.0:1", "edge.listen")
    with pytest.raises(ParamsError, match=r"edge\.metrics: .* authority \(client certificates\)"):
        check_exposure(replace(paired, token_file="t"), "0.0.0.0:1", "edge.metrics", False)
    with pytest.raises(ParamsError, match="by which its certificate is known"):
        open_channel(LINK, "10.0.0.1:1", [])


def test_a_token_has_to_be_long(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("short")
    with pytest.raises(ParamsError, match="16 plain characters"):
        read_token(replace(LINK, token_file=str(tmp_path / "t")))
    with pytest.raises(ParamsError, match="No such file"):
        read_token(replace(LINK, token_file=str(tmp_path / "none")))


@pytest.mark.parametrize("kind", ["edge", "cloud"])
@pytest.mark.parametrize("what", ["listen", "metrics"])
def test_it_refuses_to_start_in_the_open(field_: Any, kind: str, what: str) -> None:
    more = ["--name=a", f"--state={field_.root}"] if kind == "edge" else []
    command = field_.command(
        kind, (f"{kind}.{what}=0.0.0.0:0",), f"--models={field_.root / 'm'}", *more
    )

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)

    assert run.returncode != 0
    assert f"serve.{kind}.{what}: 0.0.0.0:0 can be reached from other machines" in run.stderr
    assert "Traceback" not in run.stderr


def feed(edge: Any, demand: Demand, slots: int, **options: Any) -> Any:
    for i in range(slots):
        vector = DemandVector(time=int(demand.times[i]), demand=demand.values[i].tolist())
        answer = edge.Decide(vector, timeout=10, **options)
    return answer


def test_with_client_certificates_the_pair_talks_and_others_do_not(
    field_: Any, papers: Path, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    pair = (f"link.certificate={papers}/own.pem", f"link.key={papers}/own.key")
    sets = (*pair, f"link.authority={papers}/authority.pem", "edge.rule=cloud")
    field_.store.publish(tiny_bundle)
    cloud = field_.start("cloud", "cloud", *sets, "cloud.listen=0.0.0.0:0")
    edge = field_.start("edge", "a", *sets, f"edge.cloud=localhost:{cloud.port}")

    root = (papers / "authority.pem").read_bytes()
    own = [(papers / f"own.{end}").read_bytes() for end in ("key", "pem")]
    with grpc.secure_channel(
        f"localhost:{edge.port}", grpc.ssl_channel_credentials(root, *own)
    ) as line:
        assert feed(EdgeStub(line), tiny_demand, 5).exit == Exit.EXIT_REMOTE
    for papers_of in (grpc.ssl_channel_credentials(root), None):
        address = f"localhost:{cloud.port}"
        line = (
            grpc.insecure_channel(address)
            if papers_of is None
            else grpc.secure_channel(address, papers_of)
        )
        with line, pytest.raises(grpc.RpcError) as refused:
            CloudStub(line).Allocate(Offload(edge="x"), timeout=3)
        assert refused.value.code() in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


def test_with_a_token_the_pair_talks_and_others_do_not(
    field_: Any, papers: Path, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    token = f"link.token_file={papers}/token"
    cloud, edge = field_.pair(tiny_bundle, token, "edge.rule=cloud")
    good = (("authorization", "Bearer a-secret-of-enough-letters"),)
    bad = (("authorization", "Bearer another-secret-of-letters"),)

    with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as line:
        assert feed(EdgeStub(line), tiny_demand, 5, metadata=good).exit == Exit.EXIT_REMOTE
        for metadata in ((), bad):
            with pytest.raises(grpc.RpcError) as refused:
                EdgeStub(line).Status(StatusRequest(), timeout=3, metadata=metadata)
            assert refused.value.code() == Code.UNAUTHENTICATED
            assert "token" in refused.value.details()
        health = health_pb2_grpc.HealthStub(line)
        asked = health_pb2.HealthCheckRequest(service="ddnn.v1.Edge")
        assert health.Check(asked, timeout=3).status == health_pb2.HealthCheckResponse.SERVING

    # An edge with another token is not let in; it falls back.
    ModelStore(field_.root / "b-models").publish(tiny_bundle)
    other = field_.start(
        "edge",
        "b",
        f"edge.cloud=127.0.0.1:{cloud.port}",
        "edge.rule=cloud",
        f"link.token_file={papers}/other",
    )
    with grpc.insecure_channel(f"127.0.0.1:{other.port}") as line:
        answer = feed(EdgeStub(line), tiny_demand, 5, metadata=bad)
    assert (answer.exit, answer.reason) == (Exit.EXIT_FALLBACK, "not_allowed")


def refused(call: Any, *arguments: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, timeout=10)
    return error.value.code(), error.value.details()


def test_bad_demand_gets_a_clear_error_and_costs_nothing(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    ModelStore(field_.root / "a-models").publish(tiny_bundle)
    edge = field_.start("edge", "a", "edge.cloud=127.0.0.1:1")
    start, values = int(tiny_demand.times[0]), tiny_demand.values[0].tolist()
    with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as line:
        stub = EdgeStub(line)
        stub.Decide(DemandVector(time=start, demand=values), timeout=5)
        before = stub.Status(StatusRequest(), timeout=5)
        cases = [
            (values[:-1], 3600, "4 values, but the model has 5 series"),
            ([*values[:-1], float("nan")], 3600, "value 5 is not finite"),
            ([-1.0, *values[1:]], 3600, "value 1 is negative"),
            (values, 3601, "is not the start of a slot"),
            (values, -3600, "is older than that"),
            (values[::-1], 0, "came before with other values"),
        ]
        for demand, later, said in cases:
            vector = DemandVector(time=start + later, demand=demand)
            code, detail = refused(stub.Decide, vector)
            assert code == Code.INVALID_ARGUMENT
            assert re.search(said, detail)
        huge = DemandVector(time=start + 3600, demand=[1.0] * 13_000_000)  # 100 MB
        code, detail = refused(stub.Decide, huge)
        assert code == Code.RESOURCE_EXHAUSTED
        assert "larger than max" in detail
        assert stub.Status(StatusRequest(), timeout=5) == before
    assert edge.metrics()['ddnn_edge_refused_total{reason="bad_demand"}'] == len(cases)
    assert resident_mb(edge) < 200


def test_the_cloud_names_what_is_wrong(field_: Any, tiny_bundle: Path) -> None:
    field_.store.publish(tiny_bundle)
    cloud = field_.start("cloud", "cloud", "cloud.max_clients=2")
    model = field_.store.current()
    with grpc.insecure_channel(f"127.0.0.1:{cloud.port}") as line:
        ask = CloudStub(line).Allocate
        code, said = refused(ask, Offload(edge="a", model="x", demand=bytes(80)))
        assert (code, said) == (Code.NOT_FOUND, f"unknown model 'x'; served: {model}")
        code, said = refused(ask, Offload(edge="a b", model=model, demand=bytes(80)))
        assert code == Code.INVALID_ARGUMENT
        assert "a name of 1 to 64" in said
        code, said = refused(ask, Offload(edge="a", model=model, demand=bytes(79)))
        assert (code, said) == (
            Code.INVALID_ARGUMENT,
            "demand: 79 bytes, but 80 are due for (4, 5)",
        )
        assert ask(Offload(edge="a", model=model, demand=bytes(80)), timeout=5).model == model
        assert ask(Offload(edge="b", model=model, demand=bytes(80)), timeout=5).model == model
        code, said = refused(ask, Offload(edge="c", model=model, demand=bytes(80)))
        assert (code, said) == (
            Code.RESOURCE_EXHAUSTED,
            "2 edges are served already (serve.cloud.max_clients)",
        )
        code, _ = refused(ask, Offload(edge="a", model=model, latent=bytes(100_000_000)))
        assert code == Code.RESOURCE_EXHAUSTED
    assert cloud.metrics()["ddnn_cloud_clients"] == 2


class Stalling:
    """A line that passes the first bytes of what a client sends, and then no more."""

    def __init__(self, port: int, passed: int) -> None:
        self._target, self._passed = ("127.0.0.1", port), passed
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for line in [self._listener, *self._lines]:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._lines += [near, far]
                for source, sink, limit in ((near, far, self._passed), (far, near, 10**9)):
                    threading.Thread(target=_pass, args=(source, sink, limit), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket, limit: int) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data[:limit])
            limit -= len(data[:limit])


def connect(process: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", process.port))


def test_slow_senders_are_told_and_hold_up_nobody(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    """Half a handshake, half a message, 100 MB, more connections than are taken: all at once."""
    ModelStore(field_.root / "a-models").publish(tiny_bundle)
    sets = ("link.message_seconds=2", "link.max_connections=80", "link.max_calls=40")
    edge = field_.start("edge", "a", "edge.cloud=127.0.0.1:1", "edge.rule=edge", *sets)
    slots = iter(range(10_000))

    def decide(count: int) -> list[float]:
        spent = []
        for slot in itertools.islice(slots, count):
            start = int(tiny_demand.start + slot * tiny_demand.slot_seconds)
            spent.append(edge.decide(start, tiny_demand.values[slot % 100]).milliseconds)
        return spent

    before = decide(40)
    memory = resident_mb(edge, "VmHWM")

    half = b"PRI * HTTP/2.0\r\n\r\n"
    big = DemandVector(demand=[1.0] * 400_000)  # 3 MB, less than is taken
    huge = DemandVector(demand=[1.0] * 13_000_000)  # 100 MB
    own = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each
    with contextlib.ExitStack() as stack:

        def send(port: int, message: DemandVector) -> Any:
            line = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", own))
            return EdgeStub(line).Decide.future(message, timeout=30)

        idle = [stack.enter_context(connect(edge)) for _ in range(40)]
        for line in idle:
            line.sendall(half)  # and never the rest
        stalling = stack.enter_context(contextlib.closing(Stalling(edge.port, passed=20_000)))
        slow = [send(stalling.port, big) for _ in range(20)]
        large = [send(edge.port, huge)]
        during = decide(40)
        refused = [call.exception(30) for call in slow]
        too_large = [call.exception(30) for call in large]
        for line in idle:  # the edge itself has ended them: their handshake never came
            line.settimeout(10)
            with contextlib.suppress(ConnectionError):
                while line.recv(4096):
                    pass
    grown = resident_mb(edge, "VmHWM") - memory

    assert {error.code() for error in refused} == {Code.DEADLINE_EXCEEDED}
    assert {error.details() for error in refused} == {
        "the message did not come whole within 2 s (serve.link.message_seconds)"
    }
    assert {error.code() for error in too_large} == {Code.RESOURCE_EXHAUSTED}
    assert grown < 30
    assert np.median(during) < np.median(before) + 20  # on a busy machine
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(edge)) for _ in range(120)]
        assert len(decide(20)) == 20  # whoever is in stays in
        closed = 0
        for line in crowd:
            line.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                while line.recv(4096):
                    pass
                closed += 1
    assert closed >= 120 - 80
    assert edge.stop() == 0


def resident_mb(process: Any, what: str = "VmRSS") -> float:
    text = Path(f"/proc/{process.popen.pid}/status").read_text()
    found = re.search(rf"{what}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024
