"""Check the deploy files against the service: metrics, settings, ports, alerts."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from string import Template

import httpx
import pytest
import yaml
from donation_card.app import create_app
from donation_card.demo.embedded_valkey import _binary
from donation_card.domain.campaign import LANGUAGES
from donation_card.errors import ConfigurationError
from donation_card.observability.metrics import NOT_COUNTED_REASONS
from donation_card.server.http_protocol import KEEP_ALIVE
from donation_card.settings import SETTINGS, from_environment
from redis import Redis
from redis.exceptions import RedisError

from tests.support import proxy
from tests.support.application import starlette_app
from tests.support.installation import METRICS_TOKEN, eventually, free_port


def read(name):
    return yaml.safe_load(Path(f"deploy/{name}").read_text())


def rules():
    return [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def told(installation):
    """Names of the time series that the service exports."""
    text = httpx.get(f"{installation.service}/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}).text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    endings = {"histogram": ("_bucket", "_count", "_sum")}
    return {name + ending for name, kind in kinds.items() for ending in endings.get(kind, ("",))}


def named(text):
    return set(re.findall(r"donation_card_\w+", text))


def test_alerts_and_dashboard_use_existing_metrics(told):
    asked = named(" ".join(rule["expr"] for rule in rules()))
    shown = named(Path("deploy/grafana.json").read_text())
    assert len(asked) > 10
    assert asked - told == set()
    assert shown - told == set()
    assert told - shown - {name for name in told if name.endswith(("_sum", "_bucket"))} == set()


def test_every_alert_has_a_runbook_entry_and_a_test():
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    table = re.findall(
        r"^\| \[`(\w+)`\]\(incidents\.md#(\w+)\) \((page|ticket)\) \|.*\| (.+) \|$",
        Path("docs/monitor.md").read_text(),
        re.M,
    )
    assert {name: severity for name, _, severity, _ in table} == severities
    assert all(anchor == name.lower() for name, anchor, _, _ in table)
    delays = {rule["alert"]: rule.get("for", "at once").replace("m", " min") for rule in rules()}
    assert {name: delay for name, _, _, delay in table} == delays
    entries = re.findall(r"^### ([A-Z]\w+)\n\n\*(page|ticket)\*\.", Path("docs/incidents.md").read_text(), re.M)
    assert dict(entries) == severities
    quiet, everything, *_ = read("alerts.test.yml")["tests"]
    for case, fires in ((quiet, False), (everything, True)):
        assert [each["alertname"] for each in case["alert_rule_test"]] == [rule["alert"] for rule in rules()]
        assert {bool(each.get("exp_alerts")) for each in case["alert_rule_test"]} == {fires}


def test_unit_starts_after_the_clock_is_synchronised():
    unit = Path("deploy/donation-card.service").read_text()
    assert "time-sync.target" in re.search(r"^After=(.+)$", unit, re.M)[1].split()


def test_unit_keeps_the_pages_where_the_proxy_reads_them():
    """systemd puts the state of a dynamic user below a folder that only root can enter."""
    unit = Path("deploy/donation-card.service").read_text()
    folder = re.search(r"^ +root (/var/lib/\S+);", Path("deploy/nginx.conf").read_text(), re.M)[1]
    assert f"Environment=FALLBACK_PAGES_DIR={folder}\n" in unit
    assert f"StateDirectory={Path(folder).name}\nStateDirectoryMode=0755\n" in unit
    assert "\nDynamicUser=" not in unit
    user = re.search(r"^User=(.+)$", unit, re.M)[1]
    for page in ("install", "upgrade"):
        assert f"nologin {user}\n" in Path(f"docs/{page}.md").read_text()


def test_alert_and_runbook_name_each_reason_for_not_counting():
    reasons = set(NOT_COUNTED_REASONS) - {"other_product"}
    rule = next(rule for rule in rules() if rule["alert"] == "NotCounted")
    assert 'reason!="other_product"' in rule["expr"]
    entry = Path("docs/incidents.md").read_text().partition("### NotCounted")[2].partition("### ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", entry, re.M)) == reasons | {"reason"}
    _, fires, *_ = read("alerts.test.yml")["tests"]
    alerts = next(each for each in fires["alert_rule_test"] if each["alertname"] == "NotCounted")["exp_alerts"]
    assert {alert["exp_labels"]["reason"] for alert in alerts} == reasons


def test_dashboard_has_a_panel_for_each_question():
    panels = json.loads(Path("deploy/grafana.json").read_text())["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels) >= 10
    for panel in panels:
        assert panel["datasource"]["uid"] == "${source}"
        assert all(target["expr"] for target in panel["targets"])


def test_every_deployed_setting_is_read_by_the_service():
    known = {setting.name for setting in SETTINGS}
    manifests = list(yaml.safe_load_all(Path("deploy/contrib/kubernetes.yaml").read_text()))
    deployed = {
        name
        for each in manifests
        if each["kind"] in {"ConfigMap", "Secret"}
        for name in each.get("data", each.get("stringData"))
    }
    deployed |= set(re.findall(r"^#?([A-Z_]+)=", Path("deploy/environment.example").read_text(), re.M))
    for name in ("compose.yaml", "compose.two-machines.yaml"):
        deployed |= set(read(name)["services"]["service"]["environment"])
    assert deployed - known == set()


def test_service_refuses_example_secrets():
    lines = re.findall(r"^([A-Z_]+)=(.*)$", Path("deploy/environment.example").read_text(), re.M)
    with pytest.raises(ConfigurationError, match="STRIPE_SECRET_KEY") as refused:
        from_environment(dict(lines) | {"REDIS_URL": "redis://redis"})
    assert len(refused.value.faults) >= 4


def test_containers_run_unprivileged_and_read_only():
    for name, service in read("compose.yaml")["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
    assert read("compose.yaml")["services"]["service"].get("ports") is None, "only the proxy has a port outside"
    manifests = {each["kind"]: each for each in yaml.safe_load_all(Path("deploy/contrib/kubernetes.yaml").read_text())}
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert "USER 10001" in Path("deploy/Dockerfile").read_text()


def test_image_keeps_every_campaign_language():
    kept = re.search(r"\.\*/\\\((.*?)\\\)\\\(_", Path("deploy/Dockerfile").read_text())[1]
    assert set(kept.split(r"\|")) == {"root", *LANGUAGES}


def test_proxy_closes_idle_connections_before_service():
    kept = re.search(r"upstream card \{.*?keepalive_timeout (\d+)s;", Path("deploy/nginx.conf").read_text(), re.S)
    assert int(kept[1]) < KEEP_ALIVE


def test_stop_timeouts_exceed_the_drain_time():
    from donation_card.cli.serve import SHUTDOWN_TIMEOUT

    seconds = [
        int(read("compose.yaml")["services"]["service"]["stop_grace_period"].removesuffix("s")),
        int(re.search(r"TimeoutStopSec=(\d+)", Path("deploy/donation-card.service").read_text())[1]),
        int(re.search(r"terminationGracePeriodSeconds: (\d+)", Path("deploy/contrib/kubernetes.yaml").read_text())[1])
        - 4,
    ]
    assert min(seconds) > SHUTDOWN_TIMEOUT


def test_kubernetes_shows_public_routes_and_no_readiness(installation):
    manifests = {each["kind"]: each for each in yaml.safe_load_all(Path("deploy/contrib/kubernetes.yaml").read_text())}
    paths = manifests["Ingress"]["spec"]["rules"][0]["http"]["paths"]

    def is_public(path):
        return any(
            path == each["path"] or (each["pathType"] == "Prefix" and path.startswith(each["path"] + "/"))
            for each in paths
        )

    routes = {route.path for route in starlette_app(create_app(installation.settings)).routes}
    assert {path for path in routes if not is_public(path)} == {"/readyz", "/metrics"}


def test_kubernetes_pods_reach_no_private_address_but_redis():
    manifests = {each["kind"]: each for each in yaml.safe_load_all(Path("deploy/contrib/kubernetes.yaml").read_text())}
    _, tls, redis = manifests["NetworkPolicy"]["spec"]["egress"]
    assert [each["port"] for each in tls["ports"] + redis["ports"]] == [443, 6379]
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
    assert private < set(tls["to"][0]["ipBlock"]["except"])
    assert {each["ipBlock"]["cidr"] for each in redis["to"]} == private


def test_proxy_file_says_how_to_trust_a_cdn():
    assert re.search(r"# set_real_ip_from \S+;.*\n +# real_ip_header \S+;", Path("deploy/nginx.conf").read_text())
    assert "set_real_ip_from" in Path("docs/monitor.md").read_text()


def test_second_machine_has_the_service_and_the_proxy_of_the_first():
    one, two = read("compose.yaml")["services"], read("compose.two-machines.yaml")["services"]
    assert two["proxy"] | {"networks": []} == one["proxy"] | {"networks": []}
    assert two["proxy"]["networks"] == one["proxy"]["networks"]
    assert one["service"]["environment"].items() - two["service"]["environment"].items() == {
        ("REDIS_URL", "redis://redis:6379/0")
    }
    assert two["service"]["ports"] == ["${PRIVATE_ADDRESS:?}:8000:8000"], "on the private network only"
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in two.values())


def test_documented_command_names_the_other_instance_to_nginx(tmp_path):
    page = Path("docs/two-machines.md").read_text("utf-8")
    command = re.search(r"^ *(sed -i .+) nginx\.conf$", page, re.M)[1]
    shutil.copy("deploy/nginx.conf", tmp_path)
    subprocess.run([*shlex.split(command), "nginx.conf"], cwd=tmp_path, check=True)
    lines = (tmp_path / "nginx.conf").read_text("utf-8").splitlines()
    servers = [line.partition("#")[0].split() for line in lines if re.match(r" *server \S+:8000 ", line)]
    assert servers == [
        ["server", f"{host}:8000", "max_fails=1", "fail_timeout=2s;"] for host in ("service", "10.0.0.2")
    ]
    proxy.certificate(tmp_path, 1)
    config = proxy.written(tmp_path, "http://127.0.0.1:8000", 8443, shipped=tmp_path / "nginx.conf")
    assert "10.0.0.2:8000" in config.read_text("utf-8")
    subprocess.run([*proxy.command(tmp_path, config), "-t", "-q"], check=True)


def test_server_accepts_the_options_of_the_nodes(tmp_path):
    node = read("compose.two-machines.yaml")["services"]["valkey-1"]
    script = node["entrypoint"][-1].replace("$$", "$")
    pause, _, words = script.partition("; exec valkey-server ")
    assert pause == "sleep 20"
    values = {"PRIVATE_ADDRESS": "127.0.0.2", "NODE_PORT": str(free_port()), "REDIS_PASSWORD": "secret"}
    assert values.keys() == node["environment"].keys()
    given = [Template(word).substitute(values) for word in shlex.split(words)]
    given[given.index("/data")] = str(tmp_path)
    given += ["--cluster-port", str(free_port())]  # the default is a port that others may use here
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([_binary(tmp_path), *given], stdout=log, stderr=log)
    try:
        client = Redis(port=int(values["NODE_PORT"]), password="secret")
        eventually(lambda: process.poll() is not None or answers(client), "the node answers")
        assert process.poll() is None, (tmp_path / "log").read_text()
        held = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory-policy", "cluster-enabled")}
        assert held == {"appendonly": "no", "maxmemory-policy": "noeviction", "cluster-enabled": "yes"}
    finally:
        process.kill()
        process.wait(20)


def answers(client):
    try:
        return client.ping()
    except (RedisError, OSError):
        return False
