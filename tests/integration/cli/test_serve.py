from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner
from donation_card.adapters.campaign_files import loader
from donation_card.cli.serve import serve
from donation_card.observability import logs, metrics
from donation_card.server import supervisor

from tests.integration.test_settings import GOOD


@pytest.mark.parametrize("workers", ["1", "2"])
def test_one_process_loads_each_file_once(tmp_path, monkeypatch, workers):
    roof = Path("tests/support/roof.toml").read_text("utf-8")
    for name in ("roof", "well"):
        (tmp_path / f"{name}.toml").write_text(roof, "utf-8")
    load_campaign, loaded, served = loader.load_campaign, [], []
    monkeypatch.setattr(
        loader, "load_campaign", lambda path, **rest: loaded.append(path.stem) or load_campaign(path, **rest)
    )
    monkeypatch.setattr(logs, "configure_logs", lambda level: None)
    monkeypatch.setattr(metrics, "multiprocess_dir", nullcontext)
    monkeypatch.setattr(uvicorn, "run", lambda application, **_: served.append(application))
    monkeypatch.setattr(uvicorn.Config, "bind_socket", lambda _: None)
    monkeypatch.setattr(supervisor.Supervisor, "run", lambda each: served.append(each.config.app))
    for setting, value in (GOOD | {"CAMPAIGNS_DIR": str(tmp_path), "WEB_CONCURRENCY": workers}).items():
        monkeypatch.setenv(setting, value)
    result = CliRunner().invoke(serve, catch_exceptions=False)
    assert result.exit_code == 0
    if workers == "1":
        assert callable(served[0]())
    else:
        assert served == ["donation_card.app:worker"]
    assert loaded == ["roof", "well"]
