"""An SSH server on loopback, which stands for another machine."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str], Path]]:
    """An SSH server on loopback: host, the options that reach it, and its user's home."""
    if SSHD is None:
        pytest.skip("there is no sshd")
    folder = tmp_path_factory.mktemp("ssh")
    home = folder / "home"
    home.mkdir()
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PidFile": folder / "pid",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "ForceCommand": f'cd {home} && sh -c "$SSH_ORIGINAL_COMMAND"',
    }
    config = folder / "config"
    config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    if os.geteuid() == 0:  # sshd gives up its rights there, and wants the folder
        Path("/run/sshd").mkdir(exist_ok=True)
    child = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE)
    host_key = (folder / "host.pub").read_text(encoding="utf-8").split()[:2]
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    options = [
        f"Port={port}",
        f"IdentityFile={folder / 'user'}",
        f"UserKnownHostsFile={known}",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
    ]
    for _ in range(100):
        with socket.socket() as probe:
            if child.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    assert child.poll() is None, child.communicate()[1]
    yield f"{getuser()}@127.0.0.1", options, home
    child.terminate()
    child.communicate()
