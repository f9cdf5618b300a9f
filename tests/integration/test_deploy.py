"""What is deployed speaks of the service as it is: its metrics, settings, ports; and every alert says what to do."""

import json
import re
from pathlib import Path

import httpx
import pytest
import yaml
from donation_card.domain.campaign import LANGUAGES
from donation_card.errors import ConfigurationError
from donation_card.server.http_protocol import KEEP_ALIVE
from donation_card.settings import from_environment

from tests.support.installation import METRICS_TOKEN


def read(name):
    return yaml.safe_load(Path(f"deploy/{name}").read_text())


def rules():
    return [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def told(installation):
    """The names of the series that the service tells."""
    text = httpx.get(f"{installation.service}/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    endings = {"histogram": ("_bucket", "_count", "_sum")}
    return {name + ending for name, kind in kinds.items() for ending in endings.get(kind, ("",))}


def named(text):
    return set(re.findall(r"donation_card_\w+", text))


def test_alerts_and_dashboard_ask_for_what_the_service_tells(told):
    asked = named(" ".join(rule["expr"] for rule in rules()))
    shown = named(Path("deploy/grafana.json").read_text())
    assert len(asked) > 10
    assert asked - told == set()
    assert shown - told == set()
    assert told - shown - {name for name in told if name.endswith(("_sum", "_bucket"))} == set()


def test_every_alert_has_a_line_that_says_what_to_do_and_a_test_that_makes_it_fire():
    page = Path("docs/operate.md").read_text()
    lines = dict(re.findall(r"^\| `([A-Z][a-z]\w+)` \((page|ticket)\) \|", page, re.M))
    assert lines == {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    for case, fires in zip(read("alerts.test.yml")["tests"], (False, True), strict=True):
        assert [each["alertname"] for each in case["alert_rule_test"]] == [rule["alert"] for rule in rules()]
        assert {bool(each.get("exp_alerts")) for each in case["alert_rule_test"]} == {fires}


def test_the_dashboard_has_a_picture_for_each_question():
    panels = json.loads(Path("deploy/grafana.json").read_text())["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels) >= 10
    for panel in panels:
        assert panel["datasource"]["uid"] == "${source}"
        assert all(target["expr"] for target in panel["targets"])


def test_every_setting_that_is_deployed_is_one_that_the_service_reads():
    known = set(
        re.findall(r'(?:read|listed|get)\(\s*"([A-Z_]+)"', Path("service/donation_card/settings.py").read_text())
    )
    manifests = list(yaml.safe_load_all(Path("deploy/kubernetes.yaml").read_text()))
    deployed = {
        name
        for each in manifests
        if each["kind"] in {"ConfigMap", "Secret"}
        for name in each.get("data", each.get("stringData"))
    }
    deployed |= set(re.findall(r"^#?([A-Z_]+)=", Path("deploy/environment.example").read_text(), re.M))
    deployed |= set(read("compose.yaml")["services"]["service"]["environment"])
    assert deployed - known == set()


def test_the_service_refuses_the_examples_as_they_are():
    lines = re.findall(r"^([A-Z_]+)=(.*)$", Path("deploy/environment.example").read_text(), re.M)
    with pytest.raises(ConfigurationError, match="STRIPE_SECRET_KEY") as refused:
        from_environment(dict(lines) | {"REDIS_URL": "redis://ledger"})
    assert len(refused.value.faults) >= 4


def test_containers_run_as_nobody_with_nothing_to_write_to():
    for name, service in read("compose.yaml")["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
    assert read("compose.yaml")["services"]["service"].get("ports") is None, "only the proxy has a port outside"
    manifests = {each["kind"]: each for each in yaml.safe_load_all(Path("deploy/kubernetes.yaml").read_text())}
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert "USER 10001" in Path("deploy/Dockerfile").read_text()


def test_the_image_keeps_every_language_that_a_campaign_can_speak():
    kept = re.search(r"\.\*/\\\((.*?)\\\)\\\(_", Path("deploy/Dockerfile").read_text())[1]
    assert set(kept.split(r"\|")) == {"root", *LANGUAGES}


def test_the_proxy_gives_up_an_idle_connection_before_the_service_does():
    kept = re.search(r"upstream card \{.*?keepalive_timeout (\d+)s;", Path("deploy/nginx.conf").read_text(), re.S)
    assert int(kept[1]) < KEEP_ALIVE


def test_what_draining_needs_is_granted_everywhere():
    from donation_card.cli.serve import SHUTDOWN_TIMEOUT

    seconds = [
        int(read("compose.yaml")["services"]["service"]["stop_grace_period"].removesuffix("s")),
        int(re.search(r"TimeoutStopSec=(\d+)", Path("deploy/donation-card.service").read_text())[1]),
        int(re.search(r"terminationGracePeriodSeconds: (\d+)", Path("deploy/kubernetes.yaml").read_text())[1]) - 4,
    ]
    assert min(seconds) > SHUTDOWN_TIMEOUT
