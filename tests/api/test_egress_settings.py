"""The worker calls outside servers as the operator's settings say."""

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import worker
from domain.integration.outcome import DeliveryFailed, FailureClass
from receivers.authority import Authority
from receivers.receiver import Receiver, Reply, serving
from settings import Settings
from tests.receivers.proxy import HttpProxy, proxying
from tests.service import Service

PUBLIC = "93.184.216.34"  # an address, so that no name has to be resolved


def changed(service: Service, **settings: Any) -> Settings:
    return service.settings.model_copy(update=settings)


async def test_a_worker_calls_through_the_proxy(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    authority, receiver = Authority(PUBLIC), Receiver()
    receiver.always = Reply(200, "ok")
    (tmp_path / "company.pem").write_text(authority.pem)
    async with (
        serving(receiver, tls=authority.server),
        proxying(HttpProxy(login="us:s3cret")) as proxy,
        worker.connected(
            changed(
                service,
                egress_proxy=SecretStr(proxy.url),
                egress_ca_file=tmp_path / "company.pem",
                egress_allow=f"127.0.0.1/32:{proxy.port}",
            )
        ) as (_, connections),
    ):
        proxy.leads[f"{PUBLIC}:443"] = int(receiver.url.rpartition(":")[2])
        reply = await connections.egress.send("POST", f"https://{PUBLIC}/hook", {}, b"1")
        with pytest.raises(DeliveryFailed) as own:
            await connections.egress.send("GET", f"http://127.0.0.1:{proxy.port}/", {})
    assert (reply.status, reply.body) == (200, b"ok")
    assert own.value.failure.kind is FailureClass.BLOCKED
    assert [asked.to for asked in proxy.asked] == [f"{PUBLIC}:443"]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"egress_proxy": SecretStr("https://us:s3cret@proxy:3128")}, "EGRESS_PROXY: write"),
        ({"egress_proxy": SecretStr("http://us:s3cret/x@proxy:3128")}, "EGRESS_PROXY: write"),
        ({"egress_proxy_resolves": True}, "EGRESS_PROXY_RESOLVES needs"),
        ({"egress_ca_file": Path("/nowhere.pem")}, "EGRESS_CA_FILE: /nowhere.pem"),
        ({"egress_allow": "10.0.0.0/8"}, "EGRESS_ALLOW"),
    ],
)
async def test_what_cannot_be_stops_the_start(
    service: Service, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        async with worker.connected(changed(service, **settings)):
            pass
    assert "s3cret" not in str(caught.value)


def test_settings_do_not_show_the_proxys_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_PROXY", "http://us:s3cret@proxy.example:3128")
    settings = Settings()
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert "proxy.example:3128" in settings.own_servers
