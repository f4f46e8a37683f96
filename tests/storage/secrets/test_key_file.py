"""The key ring at start-up and while it changes: another one, or none, is refused."""

from pathlib import Path

import pytest

from domain.keyring import with_first
from embedded.files import kept_keyring
from storage.private_file import write_private
from storage.secrets.key_check import open_vault
from storage.secrets.key_file import BadKeyFile, KeyFile
from tests.storage.kept import Kept, run


class TestStarting:
    async def test_another_key_of_the_same_name_is_refused(
        self, kept: Kept, tmp_path: Path
    ) -> None:
        other = kept_keyring(tmp_path / "other")
        with pytest.raises(
            BadKeyFile, match="the key 'k1' of the key ring is not the 'k1' of this"
        ):
            await open_vault(kept.database, other)
        for words in (("rotate", "--new-key"), ("verify",)):
            done = kept.run(*words, SECRETS_KEYRING_FILE=str(other))
            assert (done.returncode, done.stdout) == (1, "")
            assert "is not the 'k1' of this database" in done.stderr
        assert len(KeyFile(other).current().keys) == 1

    async def test_a_ring_without_our_key_is_refused_and_leaves_no_trace(
        self, kept: Kept, tmp_path: Path
    ) -> None:
        write_private(tmp_path / "other", with_first("", "k9", bytes(32)))
        with pytest.raises(BadKeyFile, match="lacks the key 'k1'"):
            await open_vault(kept.database, tmp_path / "other")
        await open_vault(kept.database, kept.file.path)

    async def test_no_ring_is_refused(self, kept: Kept, tmp_path: Path) -> None:
        with pytest.raises(BadKeyFile, match="SECRETS_KEYRING_FILE is not set"):
            await open_vault(kept.database, None)
        with pytest.raises(BadKeyFile, match=r"cannot read the key ring .*/nothing: No such file"):
            await open_vault(kept.database, tmp_path / "nothing")

    @pytest.mark.parametrize("module", ["api", "worker"])
    async def test_the_processes_refuse_to_start_without_a_key(
        self, kept: Kept, module: str
    ) -> None:
        done = run(module, DATABASE_URL=kept.dsn)
        assert done.returncode != 0
        assert "SECRETS_KEYRING_FILE is not set: without a key no secret can be kept" in done.stderr

    async def test_a_ring_that_others_may_read_is_refused(self, kept: Kept) -> None:
        kept.file.path.chmod(0o640)
        with pytest.raises(BadKeyFile, match=r"others may read the key ring .*: chmod 600 it"):
            await open_vault(kept.database, kept.file.path)


class TestKeyFile:
    def test_a_running_process_follows_the_file(self, tmp_path: Path) -> None:
        file = KeyFile(kept_keyring(tmp_path / "keyring"))
        key = file.current().keys["k1"]
        KeyFile(file.path).change(lambda text: with_first(text, "k2", bytes(32)))
        assert file.current().keys == {"k2": bytes(32), "k1": key}

    def test_and_keeps_what_it_has_while_the_file_is_unusable(self, tmp_path: Path) -> None:
        file = KeyFile(kept_keyring(tmp_path / "keyring"))
        ring = file.current()
        write_private(file.path, "half a li")
        assert file.current() == ring
        file.path.unlink()
        assert file.current() == ring

    def test_a_file_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        file = KeyFile(kept_keyring(tmp_path / "keyring"))
        file.path.unlink()
        with pytest.raises(BadKeyFile, match="cannot write the key ring"):
            file.change(lambda text: text)
