"""Test the wheel outside of the checkout."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest
import yaml
from donation_card import __version__
from donation_card.web.assets import current_card

from tests.support.installation import eventually, free_port


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what the image copies, and from nothing else."""
    folder = tmp_path_factory.mktemp("context")
    admitted = {line.removeprefix("!") for line in Path(".dockerignore").read_text().split() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--)(.*) \S+$", Path("deploy/Dockerfile").read_text(), re.M):
        for name in line.split():
            assert name in admitted, f".dockerignore keeps {name} from the image"
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy
            copy(name, folder / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    return next((folder / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An empty environment with the wheel in it; what it depends on is lent by ours, to save the download."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", str(folder / "bin/python"), str(wheel)], check=True)
    return folder / "bin/python"


def test_wheel_contains_every_data_file(wheel):
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    files = [path for path in Path("service").rglob("*.*") if path.is_file() and path.suffix != ".pyc"]
    assert {str(path.relative_to("service")) for path in files} - names == set()
    card = [*Path("widget").glob("*.*"), *Path("widget/releases").glob("*.*")]
    beside = [*card, *(path for path in Path("campaigns").rglob("*.*") if path.is_file())]
    assert {f"donation_card/_resources/{path}" for path in [*beside, Path("openapi.yaml")]} - names == set()
    assert f"donation_card-{__version__}.dist-info/licenses/LICENSE" in names
    assert not [name for name in names if name.startswith("tests/")]


def test_installed_wheel_runs_demo_in_empty_folder(installed, tmp_path):
    port = free_port(3)
    where = subprocess.run(
        [installed, "-I", "-c", "import donation_card; print(donation_card.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert str(installed.parent.parent) in where.stdout
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        demo = subprocess.Popen(
            [installed, "-m", "donation_card", "demo", "--port", str(port)],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        service = f"http://localhost:{port}"
        eventually(lambda: demo.poll() is not None or answers(f"{service}/healthz"), "the demo answers", 60)
        assert demo.poll() is None, (tmp_path / "log").read_text()
        assert httpx.get(f"{service}/healthz").json()["version"] == __version__
        assert httpx.get(f"{service}/widget/v1/donation-card.js").content == current_card()
        assert httpx.get(f"{service}/openapi.yaml").content == Path("openapi.yaml").read_bytes()
        assert httpx.get(f"{service}/c/vitaly/share.png").headers["content-type"] == "image/png"
        shutil.rmtree(Path(where.stdout.strip()).parent / "web" / "templates")
        given = httpx.get(f"{service}/c/vitaly/give")
        assert given.status_code == 200, "an upgrade replaces files under a worker that still serves"
        eventually(lambda: "<donation-card" in httpx.get(f"http://127.0.0.1:{port + 1}/").text, "the article is there")
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)


def answers(url):
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_version_is_the_same_everywhere():
    card = re.search(r"<donation-card> (\d+\.\d+\.\d+),", Path("widget/donation-card.js").read_text())
    contract = yaml.safe_load(Path("openapi.yaml").read_text())
    image = re.findall(r"/donation-card:(\S+)", Path("deploy/contrib/kubernetes.yaml").read_text())
    npm = json.loads(Path("widget/npm/package.json").read_text())
    assert {card[1], contract["info"]["version"], npm["version"], *image} == {__version__}
