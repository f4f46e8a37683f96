"""The production files agree with the code and with each other: what shows without Docker."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from embedded.temporal import SEARCH_ATTRIBUTES
from settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
EXAMPLE = (ROOT / ".env.example").read_text()

DOCKERFILE = (ROOT / "Dockerfile").read_text().splitlines()
COPIED = [
    source
    for line in DOCKERFILE
    if line.startswith("COPY ") and "--from" not in line
    for source in line.split()[1:-1]
]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))

SETTING_NAMES = {name.upper() for name in Settings.model_fields}
OF_THE_ALLOCATORS = {"MALLOC_ARENA_MAX", "_RJEM_MALLOC_CONF"}
OF_THE_COMMAND_LINE = {"embedded", "commands", "receivers"}
SECRET_NAME = re.compile(r"(PASSWORD|PWD|SECRET|ACCESS_KEY|ACCESS_KEY_ID|SECRET_KEY|TOKEN)$")

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=OURS)


def bind_mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Source and target of the files of this repository that a service sees."""
    for volume in service.get("volumes", ()):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            yield source, rest.partition(":")[0]


class TestCompose:
    def test_it_is_a_compose_file(self) -> None:
        check = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        command = [sys.executable, "-m", *check, "docker-compose.yml"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

    @each_of_ours
    def test_our_services_get_settings_that_exist(self, service: dict[str, Any]) -> None:
        assert set(service["environment"]) - OF_THE_ALLOCATORS <= SETTING_NAMES

    @each_of_ours
    def test_our_services_run_modules_that_exist(self, service: dict[str, Any]) -> None:
        python, minus_m, module = service["command"]
        path = ROOT / module.replace(".", "/")
        file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert (python, minus_m) == ("python", "-m")
        assert 'if __name__ == "__main__":' in file.read_text()

    @each_of_ours
    def test_our_services_are_confined(self, service: dict[str, Any]) -> None:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]

    @each_service
    def test_what_a_service_waits_for_can_happen(self, service: dict[str, Any]) -> None:
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"].startswith("on-failure")

    @each_service
    def test_every_service_comes_back(self, service: dict[str, Any]) -> None:
        assert re.fullmatch(r"unless-stopped|on-failure:\d+", service["restart"])

    @each_service
    def test_images_have_a_version(self, service: dict[str, Any]) -> None:
        tag = service["image"].partition(":")[2]
        assert tag
        assert tag != "latest"

    @each_service
    def test_mounted_files_exist_and_are_what_is_run(self, service: dict[str, Any]) -> None:
        mounts = dict(bind_mounts(service))
        for source in mounts:
            assert (ROOT / source).is_file()
        for argument in service.get("entrypoint", ())[1:]:
            assert argument in mounts.values()

    @each_service
    def test_ports_are_for_this_host_only(self, service: dict[str, Any]) -> None:
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")

    @pytest.mark.parametrize("kind", ["volumes", "networks", "secrets"])
    def test_what_is_declared_is_what_is_used(self, kind: str) -> None:
        named = (each for service in SERVICES.values() for each in service.get(kind, ()))
        used = {name.partition(":")[0] for name in named if not name.startswith((".", "/"))}
        assert used == set(COMPOSE[kind])


class TestSecrets:
    @each_service
    def test_none_is_written_down(self, service: dict[str, Any]) -> None:
        for name, value in service.get("environment", {}).items():
            if SECRET_NAME.search(name):
                assert re.fullmatch(r"\$\{\w+:\?\}", value), name

    def test_none_has_a_default(self) -> None:
        with_default = re.findall(r"\$\{(\w+):?-", COMPOSE_TEXT)
        assert [name for name in with_default if SECRET_NAME.search(name)] == []

    def test_the_example_lists_what_compose_asks_for(self) -> None:
        empty = set(re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE))
        optional = set(re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE))
        assert set(re.findall(r"\$\{(\w+):\?", COMPOSE_TEXT)) == empty
        assert set(re.findall(r"\$\{(\w+):-", COMPOSE_TEXT)) == optional
        assert re.findall(r"^\w+=.+$", EXAMPLE, re.MULTILINE) == []


class TestDockerfile:
    def test_what_it_copies_exists_and_is_let_through(self) -> None:
        allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
        assert sorted(COPIED) == sorted(allowed)
        assert [source for source in COPIED if not (ROOT / source).exists()] == []

    def test_it_copies_every_package_that_is_served(self) -> None:
        packages = {file.parent.name for file in ROOT.glob("*/__init__.py")}
        assert packages - OF_THE_COMMAND_LINE - {"tests", "benchmarks"} <= set(COPIED)

    def test_it_does_not_run_as_root(self) -> None:
        users = [line.split()[1] for line in DOCKERFILE if line.startswith("USER ")]
        assert users == ["10001:10001"]


class TestScripts:
    @pytest.mark.parametrize(
        "script", sorted((ROOT / "deploy").glob("*/*.sh")), ids=lambda p: p.name
    )
    def test_they_are_shell(self, script: Path) -> None:
        subprocess.run(["sh", "-n", script], check=True)

    def test_the_search_attributes_are_those_of_the_local_server(self) -> None:
        script = (ROOT / "deploy" / "temporal" / "namespace.sh").read_text()
        created = re.search(r"^for name in (.+); do$", script, re.MULTILINE)
        assert created
        assert tuple(created[1].split()) == SEARCH_ATTRIBUTES


class TestConfigurationPage:
    def test_it_lists_every_setting_and_no_other(self) -> None:
        assert set(DOCUMENTED) == SETTING_NAMES

    def test_it_shows_the_defaults(self) -> None:
        for name, field in Settings.model_fields.items():
            unset = field.default in (None, "", SecretStr(""))
            shown = "none" if unset else f"`{field.default}`"
            assert DOCUMENTED[name.upper()].lower() == shown.lower(), name
