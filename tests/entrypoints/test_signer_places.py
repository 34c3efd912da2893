"""Who may ask the signer: by the kernel at a socket, by a certificate over TLS 1.3; nobody else is heard."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import trustme
import uvloop

from bascule.domain.errors import Halted
from bascule.entrypoints.ports import held
from bascule.entrypoints.signer_client import ANSWER_MAX, SignerClient, SignerUnreachable
from bascule.entrypoints.signer_places import Clients, TlsPlace, Users
from bascule.entrypoints.signer_server import SignerServer
from bascule.services.signer import Signer
from bascule.services.signing_intents import SignerRefused
from tests.support.money_out import OpenAs
from tests.support.nodes import no_guard
from tests.support.signing import KEY, Desk
from tests.support.stage_clock import StageClock

HOST = "localhost"
OURS = frozenset({bytes(KEY.address)})
GRANTED = {"submitter-1": OURS, "other-lane": frozenset({b"\x77" * 20}), "any": None}


@dataclass
class Certificates:
    """An authority, and files of certificates that it made."""

    folder: Path
    ca: trustme.CA
    port: int

    def place(
        self, *names: str, ends: datetime | None = None, trusting: trustme.CA | None = None
    ) -> TlsPlace:
        """A place with a certificate of these names, that trusts our authority unless another is given."""
        made, files = self.ca.issue_cert(*names, not_after=ends), {}
        stem = f"{len(list(self.folder.iterdir()))}"
        made.private_key_pem.write_to_path(files.setdefault("key", self.folder / f"{stem}.key"))
        made.cert_chain_pems[0].write_to_path(files.setdefault("certificate", self.folder / f"{stem}.pem"))
        (trusting or self.ca).cert_pem.write_to_path(files.setdefault("ca", self.folder / f"{stem}.ca"))
        return TlsPlace(HOST, self.port, **files)


@pytest.fixture
async def desk(db_as: OpenAs) -> Desk:
    return await Desk(await db_as("owner"), await db_as("signer")).set_up()


@pytest.fixture
def certificates(tmp_path: Path) -> Iterator[Certificates]:
    with held("127.0.0.1", 0) as port:
        yield Certificates(tmp_path, trustme.CA(), port)


@pytest.fixture
async def listening(desk: Desk, certificates: Certificates) -> AsyncIterator[SignerServer]:
    """A signer that listens over TLS to the clients of `GRANTED`."""
    server = SignerServer(desk.signer(), certificates.place(HOST), Clients(GRANTED))
    await server.open()
    yield server
    await server.close()


async def refused_by(place: TlsPlace, desk: Desk) -> str:
    async with SignerClient(place, guard=no_guard) as client:
        with pytest.raises((SignerUnreachable, SignerRefused, Halted)) as refused:
            await client.sign(desk.pay())
    assert await desk.count("slots") == 0
    return str(refused.value)


@pytest.mark.usefixtures("listening")
async def test_granted_certificate_gets_the_same_bytes_as_at_the_socket(
    desk: Desk, certificates: Certificates
) -> None:
    async with SignerClient(certificates.place("submitter-1"), guard=no_guard) as client:
        assert await client.sign(desk.pay()) == await desk.signer().sign(desk.pay())

        reached = await client.reach()

    assert reached.peer == "submitter-1"
    assert reached.our_end is not None
    assert reached.its_end is not None


@pytest.mark.usefixtures("listening")
async def test_certificate_of_another_lane_is_refused_and_kept_as_a_row(
    desk: Desk, certificates: Certificates
) -> None:
    async with SignerClient(certificates.place("other-lane"), guard=no_guard) as client:
        with pytest.raises(SignerRefused, match="other-lane may not ask for wallet") as refused:
            await client.sign(desk.pay())

    assert refused.value.code == "lane_denied"
    assert client.refusals == {"lane_denied": 1}
    assert (await desk.count("slots"), await desk.count("refusals")) == (0, 1)


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(
    ("names", "says"),
    [(("stranger",), "stranger may not ask this signer"), (("any", "submitter-1"), "this one has 2")],
)
async def test_certificate_of_no_one_client_is_not_listened_to(
    desk: Desk, certificates: Certificates, names: tuple[str, ...], says: str
) -> None:
    said = await refused_by(certificates.place(*names), desk)

    assert "does not listen to this process" in said
    assert says in said


@pytest.mark.usefixtures("listening")
async def test_certificate_of_a_strange_authority_is_refused(desk: Desk, certificates: Certificates) -> None:
    stranger = replace(certificates, ca=trustme.CA())

    assert "alert" in await refused_by(stranger.place("submitter-1", trusting=certificates.ca), desk)


@pytest.mark.usefixtures("listening")
async def test_expired_certificate_is_refused(desk: Desk, certificates: Certificates) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)

    assert "certificate expired" in await refused_by(certificates.place("submitter-1", ends=yesterday), desk)


@pytest.mark.usefixtures("listening")
async def test_client_without_a_certificate_is_refused(certificates: Certificates) -> None:
    bare = ssl.create_default_context(cafile=str(certificates.place("any").ca))

    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, OSError), match="certificate required"):
            await session.get(f"https://{HOST}:{certificates.port}/healthz", ssl=bare)


@pytest.mark.usefixtures("listening")
async def test_tls_before_1_3_is_refused(certificates: Certificates) -> None:
    place = certificates.place("any")
    old = place.context(ssl.PROTOCOL_TLS_CLIENT)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2

    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError, match="protocol version"):
            await session.get(f"https://{place}/healthz", ssl=old)


@pytest.mark.usefixtures("listening")
async def test_signer_of_a_strange_authority_is_asked_nothing(desk: Desk, certificates: Certificates) -> None:
    said = await refused_by(certificates.place("submitter-1", trusting=trustme.CA()), desk)

    assert "certificate verify failed" in said


async def test_signer_that_shows_another_name_is_asked_nothing(
    desk: Desk, certificates: Certificates
) -> None:
    server = SignerServer(desk.signer(), certificates.place("elsewhere"), Clients(GRANTED))
    await server.open()

    said = await refused_by(certificates.place("submitter-1"), desk)
    await server.close()

    assert "certificate is not valid for 'localhost'" in said


async def test_certificate_that_ends_while_its_connection_lives_is_not_listened_to(
    desk: Desk, certificates: Certificates
) -> None:
    class Later:
        """Hands out a day after the certificate's end."""

        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(days=3)

    server = SignerServer(desk.signer(), certificates.place(HOST), Clients(GRANTED), clock=Later())
    await server.open()

    said = await refused_by(
        certificates.place("submitter-1", ends=datetime.now(UTC) + timedelta(days=2)), desk
    )
    await server.close()

    assert "The certificate of submitter-1 ended at" in said


@pytest.mark.usefixtures("listening")
async def test_renewed_certificates_are_used_without_a_restart(
    desk: Desk, certificates: Certificates
) -> None:
    """Both sides; a half-written file changes nothing, an ended one is refused, and what was asked stays."""
    place = certificates.place("submitter-1", ends=datetime.now(UTC) + timedelta(days=2))
    served = certificates.folder / "0.pem"  # the signer made the first of all
    async with SignerClient(place, guard=no_guard) as client:
        before = await client.reach()
        longer = datetime.now(UTC) + timedelta(days=9)
        for old, names in ((place.certificate, ("submitter-1",)), (served, (HOST,))):
            fresh = certificates.place(*names, ends=longer)
            old.write_text("half")
            assert (await client.reach()).peer == "submitter-1"
            fresh.key.replace(old.with_suffix(".key"))
            fresh.certificate.replace(old)
        after = await client.reach()
        signed = await client.sign(desk.pay())

        ended = certificates.place("submitter-1", ends=datetime.now(UTC) - timedelta(days=1))
        ended.key.replace(place.key)
        ended.certificate.replace(place.certificate)
        with pytest.raises(SignerUnreachable, match="certificate expired"):
            await client.reach()

    assert before.our_end is not None
    assert after.our_end is not None
    assert after.its_end is not None
    assert before.our_end < after.our_end
    assert abs(after.its_end - longer) < timedelta(seconds=2)
    assert signed == await desk.signer().sign(desk.pay())


@pytest.mark.parametrize(
    ("spoilt", "setting"),
    [("certificate", "BASCULE_SIGNER_TLS_CERTIFICATE"), ("key", "BASCULE_SIGNER_TLS_KEY"), ("ca", "TLS_CA")],
)
@pytest.mark.parametrize("how", ["absent", "not PEM"])
async def test_unusable_file_of_tls_is_named(
    desk: Desk, certificates: Certificates, spoilt: str, setting: str, how: str
) -> None:
    file = certificates.folder / "spoilt"
    if how == "not PEM":
        file.write_text("certificate")
    place = replace(certificates.place(HOST), **{spoilt: file})

    with pytest.raises(Halted, match=setting) as halted:
        await SignerServer(desk.signer(), place, Clients(GRANTED)).open()

    assert str(file) in str(halted.value)


async def test_user_who_is_not_named_is_not_listened_to(desk: Desk, tmp_path: Path) -> None:
    at = tmp_path / "s"
    server = SignerServer(desk.signer(), at, Users(frozenset({os.getuid() + 1})))
    await server.open()
    mode = at.stat().st_mode & 0o777

    async with SignerClient(at, guard=no_guard) as client:
        with pytest.raises(Halted, match=f"User {os.getuid()} may not ask this signer"):
            await client.sign(desk.pay())
        with pytest.raises(Halted, match="BASCULE_SIGNER_UIDS"):
            await client.reach()
    await server.close()

    assert mode == 0o660
    assert await desk.count("slots") == 0


async def test_question_that_does_not_end_is_not_waited_for(desk: Desk, tmp_path: Path) -> None:
    server = SignerServer(desk.signer(), tmp_path / "s", read_s=0.05)
    await server.open()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
    writer.write(b"POST /sign HTTP/1.1\r\nHost: signer\r\nContent-Length: 1000\r\n\r\n{")
    await writer.drain()

    answer = await reader.readline()
    writer.close()
    await server.close()

    assert b"408" in answer


async def test_answer_that_does_not_end_is_not_kept(tmp_path: Path, desk: Desk) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (50 * ANSWER_MAX))
        try:
            for _piece in range(50):
                writer.write(b" " * ANSWER_MAX)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    impostor = await asyncio.start_unix_server(endless, tmp_path / "s")
    async with SignerClient(tmp_path / "s", guard=no_guard) as client:
        with pytest.raises(SignerUnreachable, match=f"more than {ANSWER_MAX} bytes"):
            await client.sign(desk.pay())
    impostor.close()


def test_loop_of_the_processes_tells_a_refused_certificate_too(certificates: Certificates) -> None:
    async def ask() -> None:
        server = SignerServer(Signer(None, [], StageClock()), certificates.place(HOST), Clients(GRANTED))
        await server.open()
        try:
            async with SignerClient(certificates.place("any"), guard=no_guard) as client:
                assert (await client.reach()).peer == "any"
            expired = certificates.place("any", ends=datetime.now(UTC) - timedelta(days=1))
            async with SignerClient(expired, guard=no_guard) as client:
                with pytest.raises(SignerUnreachable, match="certificate expired"):
                    await client.reach()
        finally:
            await server.close()

    uvloop.run(ask())


def test_loop_of_the_processes_knows_the_user_who_asks(tmp_path: Path) -> None:
    async def ask() -> str:
        server = SignerServer(Signer(None, [], StageClock()), tmp_path / "s")
        await server.open()
        try:
            async with SignerClient(tmp_path / "s", guard=no_guard) as client:
                return (await client.reach()).peer
        finally:
            await server.close()

    assert uvloop.run(ask()) == f"user {os.getuid()}"
