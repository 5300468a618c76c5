"""The table of images, and all that is made from it: Dockerfiles, registration, manifests."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from suggestion.deployment.entries import SECURITY
from suggestion.deployment.images import IMAGES, Image, Kind, named
from suggestion.deployment.registration import (
    EARLY_STOPPING,
    Format,
    InvalidRegistration,
    register,
    registration,
    shortages,
)
from suggestion.engine.algorithm import ALGORITHMS, Registry
from suggestion.runtimes.kubernetes.admission import RIGHTS
from tests.test_cli import suggest

ROOT = Path(__file__).resolve().parent.parent
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMES = Registry[Any](ALGORITHMS, "algorithm").names
RULES = Registry[Any](EARLY_STOPPING, "early-stopping rule").names
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
RUN = sorted((ROOT / "deploy" / "kubernetes" / "run").glob("*.yaml"))
# The oldest release with gRPC probes that need no feature gate, and the newest known here.
KUBERNETES = ("1.27", kubernetes_validate.latest_version())


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------- the table


@pytest.fixture
def made() -> Any:
    return registration("example.com/team", "1.2")


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((n, Kind.SUGGESTION) for n in NAMES), *((n, Kind.EARLY_STOPPING) for n in RULES)],
)
def test_exactly_one_image_is_registered_for_everything_that_is_installed(
    made: Any, name: str, kind: Kind
) -> None:
    """One of its own; without, an algorithm is served by the image of everything."""
    own = [i.name for i in IMAGES if i.registered and i.kind is kind and name in i.serves]
    assert len(own) == 1 or (kind is Kind.SUGGESTION and not own)
    made_of = made.suggestions if kind is Kind.SUGGESTION else made.early_stoppings
    entries = {e.name: e for e in made_of}
    image = own[0] if own else "suggestion-all"
    assert entries[name].reference == f"example.com/team/{image}:1.2"


def test_names_of_images_are_unique_and_named_finds_them() -> None:
    assert [named(image.name) for image in IMAGES] == list(IMAGES)
    with pytest.raises(LookupError, match=r"no image 'tpe'; there is suggestion-random, "):
        named("tpe")


def test_every_algorithm_with_an_image_can_be_installed_by_its_name() -> None:
    served = {name for image in IMAGES if image.kind is Kind.SUGGESTION for name in image.serves}
    assert served <= set(DECLARED["project"]["optional-dependencies"])


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_what_an_image_installs_is_locked_with_hashes(image: Image) -> None:
    extras = DECLARED["project"]["optional-dependencies"]
    for extra, file in zip(image.extras, image.requirements, strict=False):
        # The table is ahead of the algorithms: some of them may not be installed yet.
        if extra not in extras:
            assert not set(image.serves) & {*NAMES, *RULES} or not image.serves
            continue
        _assert_hashed(ROOT / "requirements" / file)
    if not image.extras:
        _assert_hashed(ROOT / "requirements" / "base.txt")


def test_what_builds_the_wheel_is_locked_with_hashes() -> None:
    _assert_hashed(ROOT / "requirements" / "build.txt")
    for requirement in DECLARED["build-system"]["requires"]:
        name = re.match(r"[\w.-]+", requirement)
        assert name is not None
        assert f"{name[0]}==" in (ROOT / "requirements" / "build.txt").read_text()


def _assert_hashed(path: Path) -> None:
    pins = re.split(r"\n(?=\S)", path.read_text().strip())
    assert pins
    for pin in pins:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", pin), pin
        assert "--hash=sha256:" in pin


def test_the_image_of_everything_installs_what_all_others_do() -> None:
    extras = {e for i in IMAGES if i.kind is not Kind.DBMANAGER for e in i.extras}
    assert set(named("suggestion-all").extras) == extras


# -------------------------------------------------------------------- Dockerfiles


def test_generated_files_are_what_is_generated_now() -> None:
    texts = script("dockerfiles").files()
    stale = [
        str(path.relative_to(ROOT))
        for path, text in texts.items()
        if not path.exists() or path.read_text() != text
    ]
    assert not stale, "run `make dockerfiles`"
    assert {*(ROOT / "dockerfiles").glob("*/Dockerfile")} <= texts.keys()


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_dockerfile(image: Image) -> None:
    text = (ROOT / "dockerfiles" / image.name / "Dockerfile").read_text()
    # The plain builder has none of these, and not everybody has another.
    assert not re.search(r"RUN --|COPY --chmod|^# syntax", text, flags=re.M)
    final = text.rpartition("\nFROM ")[2]
    assert "pip" not in final
    assert "USER 65532:65532" in final
    assert f"CMD {json.dumps(list(image.arguments))}" in final
    commands = re.split(r"&&|\n", text.replace("\\\n", ""))
    installs = [command for command in commands if re.search(r"\bpip\b.* install ", command)]
    # What builds the wheel, what every server needs, what this one needs, and the wheel itself.
    assert len(installs) == 2 + len({"base.txt", *image.requirements})
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    # Only what is the same for all images stands before what is the image's own.
    shared = text.partition("AS builder")[0].replace(image.name, "IMAGE")
    other = (ROOT / "dockerfiles" / IMAGES[0].name / "Dockerfile").read_text()
    assert shared == other.partition("AS builder")[0].replace(IMAGES[0].name, "IMAGE")


def test_what_the_image_of_the_examples_copies_is_not_ignored() -> None:
    text = (ROOT / "examples" / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.M) for name in line.split()]
    ignoring = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignoring if line.startswith("!")]
    assert "examples/train_architecture.py" in copied
    assert [name for name in copied if not any(fnmatch(name, one) for one in kept)] == []


# ------------------------------------------------------------------- registration


def test_a_katib_config_lists_every_algorithm_with_its_image_and_needs(made: Any) -> None:
    document = yaml.safe_load(register(made, Format.KATIB_CONFIG))
    assert document["apiVersion"] == "config.kubeflow.org/v1beta1"
    assert document["kind"] == "KatibConfig"
    listed = {item["algorithmName"]: item for item in document["runtime"]["suggestions"]}
    assert set(listed) == set(NAMES)
    assert listed["random"] == {
        "algorithmName": "random",
        "image": "example.com/team/suggestion-random:1.2",
        "resources": {
            "limits": {"cpu": "500m", "memory": "100Mi"},
            "requests": {"cpu": "50m", "memory": "100Mi"},
        },
        "securityContext": dict(SECURITY),
    }
    rules = {item["algorithmName"] for item in document["runtime"].get("earlyStoppings", [])}
    assert rules == set(RULES)


def test_the_legacy_form_is_json_keyed_by_algorithm(made: Any) -> None:
    document = yaml.safe_load(register(made, Format.LEGACY))
    _valid(document)
    assert document["metadata"] == {"name": "katib-config", "namespace": "kubeflow"}
    keyed = json.loads(document["data"]["suggestion"])
    assert set(keyed) == set(NAMES)
    assert keyed["grid"]["image"] == "example.com/team/suggestion-grid:1.2"
    probes = {"readinessProbe", "livenessProbe"}  # these releases do not know those of gRPC
    assert set(keyed["grid"]) == {"image", "resources", "securityContext", *probes}
    for probe in probes:
        command = keyed["grid"][probe]["exec"]["command"]
        assert command == ["suggest", "health", "--service", "manager.v1beta1.Suggestion"]
    rules = json.loads(document["data"].get("early-stopping", "{}"))
    assert {name: set(entry) for name, entry in rules.items()} == {
        name: {"image", "resources"} for name in RULES
    }


@pytest.mark.parametrize("version", KUBERNETES)
def test_what_katib_starts_is_a_valid_container_within_the_restricted_profile(
    made: Any, version: str
) -> None:
    for entry in (*made.suggestions, *made.early_stoppings):
        # The claim and where it is mounted are the pod's.
        pods = {"volumeMountPath", "persistentVolumeClaimSpec"}
        container = {k: v for k, v in entry.fields(probes=True).items() if k not in pods}
        pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "suggestion", **container}]},
        }
        _valid(pod, version)
        # Katib reads no security context of rules; the volume of checkpoints is root's.
        if entry.kind is Kind.SUGGESTION and entry.name != "pbt":
            _restricted(pod["spec"])


KATIB_CONFIG = """\
apiVersion: config.kubeflow.org/v1beta1
kind: KatibConfig
init:
  controller:
    webhookPort: 8443
runtime:
  metricsCollectors:
    - kind: StdOut
      image: example.org/collector
  suggestions:
    - algorithmName: theirs
      image: example.org/theirs
    - algorithmName: random
      image: example.org/random
      volumeMountPath: /data
    - algorithmName: mine
      image: example.org/mine
"""


def test_merging_keeps_everything_but_what_is_registered(made: Any) -> None:
    before = yaml.safe_load(KATIB_CONFIG)
    after = yaml.safe_load(register(made, Format.KATIB_CONFIG, KATIB_CONFIG))
    assert after["init"] == before["init"]
    assert after["runtime"]["metricsCollectors"] == before["runtime"]["metricsCollectors"]
    names = [item["algorithmName"] for item in after["runtime"]["suggestions"]]
    assert names[:3] == ["theirs", "random", "mine"]
    assert sorted(names) == sorted({"theirs", "mine", *NAMES})
    entries = dict(zip(names, after["runtime"]["suggestions"], strict=True))
    assert entries["theirs"] == before["runtime"]["suggestions"][0]
    assert entries["random"]["image"] == "example.com/team/suggestion-random:1.2"
    assert entries["random"]["volumeMountPath"] == "/data"


MINE = {
    "algorithmName": "pbt",
    "image": "example.org/pbt",
    "imagePullPolicy": "Always",
    "resources": {"limits": {"memory": "2Gi"}},
    "serviceAccountName": "trainer",
    "volumeMountPath": "/checkpoints",
    "persistentVolumeClaimSpec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"},
    "env": [{"name": "HTTPS_PROXY", "value": "proxy:3128"}],
    "securityContext": {"runAsUser": 7},
    "somethingOfALaterRelease": {"a": [1]},
}


def test_an_entry_keeps_every_field_but_the_image(made: Any) -> None:
    installed = yaml.safe_dump(
        {
            "kind": "KatibConfig",
            "runtime": {
                "suggestions": [MINE],
                "earlyStoppings": [
                    {"algorithmName": "medianstop", "image": "m", "imagePullPolicy": "Never"}
                ],
            },
        }
    )
    after = yaml.safe_load(register(made, Format.KATIB_CONFIG, installed))["runtime"]
    data = {"name": "SUGGEST_DATA_DIR", "value": "/checkpoints"}
    assert after["suggestions"][0] == {
        **MINE,
        "image": "example.com/team/suggestion-pbt:1.2",
        "env": [*MINE["env"], data],
    }
    rule = after["earlyStoppings"][0]
    assert rule["imagePullPolicy"] == "Never"
    assert rule["image"] == "example.com/team/earlystopping-medianstop:1.2"


def test_an_older_entry_keeps_every_field_but_the_image(made: Any) -> None:
    mine = {**MINE, "readinessProbe": {"exec": {"command": ["true"]}}}
    installed = {"kind": "ConfigMap", "data": {"suggestion": json.dumps({"pbt": mine})}}
    after = yaml.safe_load(register(made, Format.LEGACY, yaml.safe_dump(installed)))
    entry = json.loads(after["data"]["suggestion"])["pbt"]
    changed = {key for key in mine if mine[key] != entry[key]}
    assert changed == {"image", "env"}


def test_a_memory_limit_that_stays_and_is_too_low_is_told() -> None:
    made = registration("example.com/team", "1.2", {"random": "suggestion-all"})
    for installed, said in (
        ({"resources": {"limits": {"memory": "100Mi"}}}, True),
        ({"resources": {"limits": {"memory": "1Gi"}}}, False),
        ({"resources": {"limits": {"memory": "5e8"}}}, False),
        ({}, False),
    ):
        entry = {"algorithmName": "random", "image": "r", **installed}
        document = {"kind": "KatibConfig", "runtime": {"suggestions": [entry]}}
        text = register(made, Format.KATIB_CONFIG, yaml.safe_dump(document))
        expected = [
            "random: its entry keeps the memory limit 100Mi, the image needs 512Mi for 1,000 trials"
        ]
        assert list(shortages(made, text)) == (expected if said else [])


def test_checkpoints_have_a_volume_where_the_server_writes_them(made: Any) -> None:
    listed = yaml.safe_load(register(made, Format.KATIB_CONFIG))["runtime"]["suggestions"]
    (entry,) = [item for item in listed if item["algorithmName"] == "pbt"]
    assert entry["env"] == [{"name": "SUGGEST_DATA_DIR", "value": "/opt/katib/data"}]
    assert entry["volumeMountPath"] == "/opt/katib/data"
    assert entry["persistentVolumeClaimSpec"]["resources"] == {"requests": {"storage": "5Gi"}}
    assert entry["securityContext"]["runAsUser"] == 0
    assert entry["securityContext"]["allowPrivilegeEscalation"] is False


def test_the_image_of_everything_serves_one_algorithm_beside_early_stopping() -> None:
    made = registration("example.com/team", "1.2", {"tpe": "suggestion-all"})
    listed = yaml.safe_load(register(made, Format.KATIB_CONFIG))["runtime"]["suggestions"]
    args = {item["algorithmName"]: item.get("args") for item in listed}
    assert args.pop("tpe") == ["tpe"]
    assert set(args.values()) == {None}


def test_merging_twice_is_merging_once(made: Any) -> None:
    once = register(made, Format.KATIB_CONFIG, KATIB_CONFIG)
    assert register(made, Format.KATIB_CONFIG, once) == once


def test_a_config_map_from_a_cluster_comes_back_as_one(made: Any) -> None:
    installed = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "katib-config",
            "namespace": "katib",
            "resourceVersion": "7",
            "managedFields": [{"manager": "kubectl"}],
        },
        "data": {"katib-config.yaml": KATIB_CONFIG, "other": "kept"},
    }
    after = yaml.safe_load(register(made, Format.KATIB_CONFIG, yaml.safe_dump(installed)))
    _valid(after)
    # The version stays, so that a change that somebody made meanwhile is not overwritten.
    expected = {"name": "katib-config", "namespace": "katib", "resourceVersion": "7"}
    assert after["metadata"] == expected
    assert after["data"]["other"] == "kept"
    inner = yaml.safe_load(after["data"]["katib-config.yaml"])
    assert inner == yaml.safe_load(register(made, Format.KATIB_CONFIG, KATIB_CONFIG))


def test_an_older_config_map_is_merged_key_by_key(made: Any) -> None:
    installed = {
        "kind": "ConfigMap",
        "data": {
            "suggestion": json.dumps({"theirs": {"image": "e"}, "random": {"image": "r"}}),
            "early-stopping": json.dumps({"other": {"image": "o"}}),
            "metrics-collector-sidecar": "{}",
        },
    }
    after = yaml.safe_load(register(made, Format.LEGACY, yaml.safe_dump(installed)))
    keyed = json.loads(after["data"]["suggestion"])
    assert keyed["theirs"] == {"image": "e"}
    assert keyed["random"]["image"] == "example.com/team/suggestion-random:1.2"
    assert "other" in json.loads(after["data"]["early-stopping"])
    assert after["data"]["metrics-collector-sidecar"] == "{}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((" bad host", "1"), "registry: must be HOST"),
        (("example.com/team", "a b"), "tag: must be letters"),
        (("example.com", "1", {"nope": "x"}), "image of 'nope': no such algorithm is installed"),
        (("example.com", "1", {"random": "x"}), "image of 'random': no image 'x'"),
        (
            ("example.com", "1", {"random": "suggestion-grid"}),
            "image of 'random': suggestion-grid serves grid",
        ),
        (
            ("example.com", "1", {"medianstop": "suggestion-all"}),
            "image of 'medianstop': suggestion-all also serves algorithms, on the port of the",
        ),
        (
            ("example.com", "1", {"asha": "earlystopping-medianstop"}),
            "image of 'asha': earlystopping-medianstop is an image for early stopping",
        ),
        (
            ("example.com", "1", {"earlystopping/asha": "suggestion-hyperband"}),
            "image of 'earlystopping/asha': suggestion-hyperband is an image for suggestion",
        ),
        (
            ("example.com", "1", {"earlystopping/random": "x/y:1"}),
            "image of 'earlystopping/random': no such algorithm is installed; there is .*"
            "random, .*earlystopping/asha, earlystopping/hyperband, medianstop",
        ),
        (
            ("example.com", "1", {"medianstop": "x/y:1", "earlystopping/medianstop": "x/z:1"}),
            "image of 'earlystopping/medianstop': it is given as 'medianstop' too",
        ),
    ],
)
def test_what_cannot_be_registered_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidRegistration, match=message):
        registration(*arguments)


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        ("kind: Pod", Format.KATIB_CONFIG, "must be a ConfigMap or KatibConfig, got Pod"),
        ("[]", Format.KATIB_CONFIG, "must be a ConfigMap or KatibConfig, got none"),
        ("a: [", Format.KATIB_CONFIG, "is not YAML"),
        pytest.param("[" * 5000, Format.KATIB_CONFIG, "is not YAML", id="deep"),
        ("{kind: KatibConfig, runtime: []}", Format.KATIB_CONFIG, "runtime must be an object"),
        (
            "{kind: KatibConfig, runtime: {suggestions: {a: b}}}",
            Format.KATIB_CONFIG,
            "runtime.suggestions must be a list, got dict",
        ),
        (
            "{kind: KatibConfig, runtime: {suggestions: [{image: a}]}}",
            Format.KATIB_CONFIG,
            "runtime.suggestions[0].algorithmName must be a text, got NoneType",
        ),
        (
            "{kind: KatibConfig, runtime: {earlyStoppings: [null]}}",
            Format.KATIB_CONFIG,
            "runtime.earlyStoppings[0] must be an object, got NoneType",
        ),
        (
            "{kind: KatibConfig, runtime: {suggestions: [{algorithmName: pbt, env: [1]}]}}",
            Format.KATIB_CONFIG,
            "runtime.suggestions[0].env must be a list of objects, got list",
        ),
        (
            "{kind: KatibConfig, runtime: {suggestions: [{algorithmName: tpe, resources: 1}]}}",
            Format.KATIB_CONFIG,
            "runtime.suggestions[0].resources must be an object, got int",
        ),
        (
            "{kind: ConfigMap, data: {katib-config.yaml: null}}",
            Format.KATIB_CONFIG,
            "katib-config.yaml must be a text, got NoneType",
        ),
        ("{kind: ConfigMap, data: []}", Format.KATIB_CONFIG, "data must be an object, got list"),
        (
            "{kind: ConfigMap, data: {suggestion: '{'}}",
            Format.LEGACY,
            "suggestion must be a JSON object",
        ),
        (
            '{kind: ConfigMap, data: {suggestion: \'{"random": "a"}\'}}',
            Format.LEGACY,
            "suggestion.random must be an object, got str",
        ),
        ("kind: ConfigMap\ndata: {suggestion: '{}'}", Format.KATIB_CONFIG, "no key 'katib-config"),
        ("kind: ConfigMap\ndata: {katib-config.yaml: ''}", Format.LEGACY, "no key 'suggestion'"),
        (KATIB_CONFIG, Format.LEGACY, "got KatibConfig"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    made: Any, text: str, format: Format, message: str
) -> None:
    with pytest.raises(InvalidRegistration, match=re.escape(message)):
        register(made, format, text)


def test_nulls_of_an_installed_configuration_are_absent(made: Any) -> None:
    empty = "{kind: ConfigMap, metadata: null, data: {katib-config.yaml: 'runtime:'}}"
    inner = yaml.safe_load(register(made, Format.KATIB_CONFIG, empty))["data"]["katib-config.yaml"]
    fresh = yaml.safe_load(register(made, Format.KATIB_CONFIG))
    assert yaml.safe_load(inner)["runtime"] == fresh["runtime"]
    nulls = {"algorithmName": "pbt", "volumeMountPath": None, "env": None, "resources": None}
    installed = yaml.safe_dump({"kind": "KatibConfig", "runtime": {"suggestions": [nulls]}})
    merged = yaml.safe_load(register(made, Format.KATIB_CONFIG, installed))
    (pbt,) = (e for e in fresh["runtime"]["suggestions"] if e["algorithmName"] == "pbt")
    assert merged["runtime"]["suggestions"][0] == pbt


def test_another_image_can_be_chosen() -> None:
    made = registration(
        "example.com/team/", "1.2", {"random": "suggestion-all", "grid": "example.org/g:3"}
    )
    found = {entry.name: entry for entry in made.suggestions}
    assert found["random"].reference == "example.com/team/suggestion-all:1.2"
    assert found["random"].memory == named("suggestion-all").memory
    assert found["grid"].reference == "example.org/g:3"


@pytest.mark.parametrize("name", ["asha", "medianstop"])
def test_names_are_looked_up_for_each_service(name: str) -> None:
    """A bare name that an algorithm has is that of the algorithm."""
    given = {f"earlystopping/{name}": "example.org/rule:1", "asha": "example.org/algorithm:1"}
    made = registration("example.com/team", "1.2", given)
    rules = {entry.name: entry.reference for entry in made.early_stoppings}
    algorithms = {entry.name: entry.reference for entry in made.suggestions}
    assert rules[name] == "example.org/rule:1"
    assert rules["hyperband"] == "example.com/team/earlystopping-medianstop:1.2"
    assert algorithms["asha"] == "example.org/algorithm:1"
    assert algorithms["hyperband"] == "example.com/team/suggestion-hyperband:1.2"


def test_the_command_writes_what_the_functions_make(tmp_path: Path, made: Any) -> None:
    given = ("registration", "--registry", "example.com/team", "--tag", "1.2")
    assert suggest(*given) == register(made, Format.KATIB_CONFIG)
    output = tmp_path / "config.yaml"
    installed = tmp_path / "installed.yaml"
    installed.write_text(KATIB_CONFIG)
    assert suggest(*given, "--merge", installed, "--output", output) == ""
    assert output.read_text() == register(made, Format.KATIB_CONFIG, KATIB_CONFIG)
    assert suggest(*given, "--format", "legacy") == register(made, Format.LEGACY)
    refused = suggest(*given, "--image", "random", status=2)
    assert "--image must be ALGORITHM=IMAGE, got 'random'" in refused


def test_an_algorithm_of_another_package_is_registered_with_the_image_that_is_given() -> None:
    """What no image serves is said, and not left out in silence."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from suggestion.cli.main import main;"
        "main(['registration', '--registry', 'example.com/team', '--tag', '1.2', *sys.argv[2:]])"
    )
    plugin = str(ROOT / "tests" / "plugin")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, plugin, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    unserved = sorted(set(re.findall(r"no image serves '([^']+)'", run().stderr)))
    assert unserved
    given = run("--image", f"{unserved[0]}=example.org/somebody:1").stdout
    entries = {e["algorithmName"]: e for e in yaml.safe_load(given)["runtime"]["suggestions"]}
    assert entries[unserved[0]]["image"] == "example.org/somebody:1"


# ---------------------------------------------------------------------- manifests


def _valid(document: dict[str, Any], version: str = KUBERNETES[-1]) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def _restricted(pod: dict[str, Any]) -> None:
    """The restricted profile of the Pod Security Standards, and a read-only file system."""
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["runAsNonRoot"] is True
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"]["drop"] == ["ALL"]
        assert security["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["resources"]["limits"].keys() >= {"cpu", "memory"}


def documents(manifests: Sequence[Path] = MANIFESTS) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in manifests:
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] != "Kustomization":
                yield path.name, document


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("document", [d for _, d in documents()], ids=[n for n, _ in documents()])
def test_manifests_are_valid(document: dict[str, Any], version: str) -> None:
    _valid(document, version)


def test_the_schemas_refuse_what_is_misspelt() -> None:
    found = {document["kind"]: document for _, document in documents()}
    found["Deployment"]["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        _valid(found["Deployment"])


def test_the_deployment_fits_its_service_budget_and_image() -> None:
    found = {document["kind"]: document for _, document in documents()}
    deployment, service = found["Deployment"]["spec"], found["Service"]["spec"]
    budget = found["PodDisruptionBudget"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"]["matchLabels"],
        service["selector"],
        budget["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert deployment["replicas"] == 3
    assert budget["minAvailable"] < deployment["replicas"]
    pod = deployment["template"]["spec"]
    _restricted(pod)
    (container,) = pod["containers"]
    image = named(container["image"])
    assert container["resources"]["limits"]["memory"] == f"{image.memory}Mi"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports[service["ports"][0]["targetPort"]] == image.kind.port
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        expected = {"port": image.kind.port, "service": image.kind.health_name}
        assert container[probe]["grpc"] == expected
    grace = next(e["value"] for e in container["env"] if e["name"] == "SUGGEST_GRACE")
    assert float(grace) < pod["terminationGracePeriodSeconds"]


def test_the_runner_of_an_experiment_fits_its_role_and_image() -> None:
    found = {document["kind"]: document for _, document in documents(RUN)}
    for document in found.values():
        _valid(document)
    pod = found["Job"]["spec"]["template"]["spec"]
    _restricted(pod)
    (container,) = pod["containers"]
    assert {"experiments", "kubernetes"} <= {*named(container["image"]).extras}
    assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    assert found["RoleBinding"]["subjects"][0]["name"] == pod["serviceAccountName"]
    granted = {
        (verb, resource)
        for rule in found["Role"]["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    needed = {
        (verb, "jobs" if resource is None else str(resource))
        for resource, verbs in RIGHTS
        for verb in verbs
    }
    assert granted - needed == {("list", "events")}  # it does without
    assert needed <= granted


def test_the_policy_for_restricted_namespaces_gives_what_the_entries_of_algorithms_have() -> None:
    """Its parts fit each other; no cluster is asked here."""
    text = (ROOT / "deploy" / "katib" / "restricted.yaml").read_text()
    policy, binding = yaml.safe_load_all(text)
    for document in (policy, binding):
        _valid(document)
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    expression = policy["spec"]["mutations"][0]["jsonPatch"]["expression"]
    compact = "".join(expression.split())
    for key, value in SECURITY.items():
        wanted = f"{key}:{json.dumps(value)}"
        if isinstance(value, dict):
            fields = ",".join(f"{k}:{json.dumps(v)}" for k, v in value.items())
            wanted = f"{key}:Object.spec.containers.securityContext.{key}{{{fields}}}"
        assert wanted in compact, key


def test_kustomizations_name_files_that_there_are() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert {*kustomization["resources"], "kustomization.yaml"} == {p.name for p in MANIFESTS}
    run = yaml.safe_load((folder / "run" / "kustomization.yaml").read_text())
    assert {*run["resources"], "kustomization.yaml"} == {path.name for path in RUN}
    component = yaml.safe_load((ROOT / "deploy" / "katib" / "kustomization.yaml").read_text())
    assert component["configMapGenerator"][0]["files"] == ["katib-config.yaml"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_overlay_changes_an_installed_katib_and_nothing_else(tmp_path: Path) -> None:
    """Built by kubectl itself on a small stand-in for Katib's own installation."""
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "katib-config.yaml").write_text(KATIB_CONFIG)
    (installed / "kustomization.yaml").write_text(
        "kind: Kustomization\nnamespace: kubeflow\n"
        "configMapGenerator: [{name: katib-config, files: [katib-config.yaml]},"
        " {name: another, literals: [a=b]}]\n"
        "generatorOptions: {disableNameSuffixHash: true}\n"
    )
    shutil.copytree(ROOT / "deploy" / "katib", tmp_path / "katib")
    (tmp_path / "kustomization.yaml").write_text(
        "kind: Kustomization\nresources: [installed]\ncomponents: [katib]\n"
    )
    done = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {d["metadata"]["name"]: d for d in yaml.safe_load_all(done.stdout)}
    assert found.keys() == {"katib-config", "another"}
    expected = (ROOT / "deploy" / "katib" / "katib-config.yaml").read_text()
    assert found["katib-config"]["data"] == {"katib-config.yaml": expected}
    assert found["katib-config"]["metadata"]["namespace"] == "kubeflow"
    _valid(found["katib-config"])
