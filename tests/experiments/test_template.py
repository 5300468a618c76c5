"""Trial templates as users have them, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from suggestion import collectors
from suggestion.client import document
from suggestion.client.manifest import ManifestError
from suggestion.client.template import Invocation, moved
from suggestion.controller.slots import Slot
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import TrialWorkspace
from suggestion.problem.locations import dotted
from tests.experiments import support

HEAD = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  namespace: kubeflow
  name: study
spec:
  objective: {type: maximize, objectiveMetricName: accuracy}
  algorithm: {algorithmName: random}
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.1"}}
    - {name: units, parameterType: int, feasibleSpace: {min: 1, max: 64}}
"""
JOB = """
  trialTemplate:
    primaryContainerName: training-container
    trialParameters:
      - {name: learningRate, description: Of the optimiser, reference: lr}
      - {name: hidden, reference: units}
      - {name: me, reference: "${trialSpec.Name}"}
      - {name: team, reference: "${trialSpec.Labels[team]}"}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      metadata: {labels: {team: vision}}
      spec:
        template:
          metadata: {annotations: {sidecar.istio.io/inject: "false"}}
          spec:
            tolerations: [{key: gpu}]
            initContainers: [{name: setup, image: busybox}]
            containers:
              - name: sidecar
                image: other
              - name: training-container
                image: docker.io/team/mnist:latest
                command: ["python3", "/opt/mnist.py"]
                args:
                  - "--lr=${trialParameters.learningRate}"
                  - "--units=${trialParameters.hidden}"
                  - "--name=${trialParameters.me}-${trialSpec.Kind}-${trialParameters.team}"
                  - "--batch=$(BATCH)"
                  - "--literal=$$(BATCH) $(UNKNOWN)"
                workingDir: /work
                env:
                  - {name: BATCH, value: 64}
                  - {name: HIDDEN, value: "${trialParameters.hidden}"}
                  - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
                  - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: t}}}
                resources: {limits: {memory: 1Gi, nvidia.com/gpu: 2}}
            restartPolicy: Never
"""


#: Arguments that use every parameter, and values of these.
USED = ["${trialParameters.lr}", "${trialParameters.units}"]
VALUES = {"lr": "1", "units": "2"}


def load(tmp_path: Path, text: str, **more: Any) -> document.Loaded:
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    return document.load(path, **more)


def problems(tmp_path: Path, text: str, **more: Any) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        load(tmp_path, text, **more)
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]


def test_a_job(tmp_path: Path) -> None:
    loaded = load(tmp_path, HEAD + JOB)
    made = loaded.template.render("study-1", {"lr": "0.05", "units": "32"})
    assert made == Invocation(
        (
            "python3",
            "/opt/mnist.py",
            "--lr=0.05",
            "--units=32",
            "--name=study-1-Job-vision",
            "--batch=64",
            "--literal=$(BATCH) $(UNKNOWN)",
        ),
        {"BATCH": "64", "HIDDEN": "32", "POD": "study-1"},
        "/work",
        "docker.io/team/mnist:latest",
    )
    assert loaded.template.gpus == 2
    pod = "spec.trialTemplate.trialSpec.spec.template.spec"
    assert [dotted(path) for path in loaded.template.ignored] == [
        "metadata.namespace",
        f"{pod}.tolerations",
        f"{pod}.initContainers",
        f"{pod}.containers[0]",
        f"{pod}.containers[1].resources.limits.memory",
        f"{pod}.containers[1].env[3].valueFrom",
    ]


def replicas(**specs: Any) -> str:
    kind = {"apiVersion": "kubeflow.org/v1", "kind": "TFJob", "spec": {"tfReplicaSpecs": specs}}
    return HEAD + "  trialTemplate: " + json.dumps({"trialSpec": kind})


def replica(command: str, count: str = "1") -> dict[str, Any]:
    container = {"name": "tensorflow", "command": [command], "args": USED}
    return {"replicas": count, "template": {"spec": {"containers": [container]}}}


@pytest.mark.parametrize("leader", ["Master", "Chief", "Launcher"])
def test_the_leader_of_a_distributed_job(tmp_path: Path, leader: str) -> None:
    text = replicas(Worker=replica("worker", "4"), **{leader: replica("leader")})
    template = load(tmp_path, text).template
    assert template.render("t", VALUES).argv == ("leader", "1", "2")
    where = "spec.trialTemplate.trialSpec.spec.tfReplicaSpecs.Worker"
    ignored = [dotted(path) for path in template.ignored]
    assert f"{where}.replicas" in ignored
    assert f"{where}.template.spec" in ignored


def test_workers_alone(tmp_path: Path) -> None:
    template = load(tmp_path, replicas(Worker=replica("worker"))).template
    assert template.render("t", VALUES).argv == ("worker", "1", "2")


def test_the_short_form(tmp_path: Path) -> None:
    short = """
  trialTemplate:
    command: python train.py --lr ${trialParameters.lr} --name "${trialSpec.Name} x"
    env: {UNITS: "${trialParameters.units}", SEED: 1}
    workingDir: code
"""
    made = load(tmp_path, HEAD + short).template.render("t-1", {"lr": "0.1", "units": "3"})
    assert made.argv == ("python", "train.py", "--lr", "0.1", "--name", "t-1 x")
    assert (made.env, made.cwd) == ({"UNITS": "3", "SEED": "1"}, "code")


def test_a_command_from_outside(tmp_path: Path) -> None:
    given = "python mine.py --lr=${trialParameters.learningRate}"
    made = load(tmp_path, HEAD + JOB, command=given).template.render("t", {"lr": "1", "units": "2"})
    assert made.argv == ("python", "mine.py", "--lr=1")
    assert made.env["BATCH"] == "64"


def test_values_are_not_templates(tmp_path: Path) -> None:
    """A category that looks like a reference, or like Kubernetes' variables, stays what it is."""
    text = HEAD.replace("{name: units, parameterType: int, feasibleSpace: {min: 1, max: 64}}", (
        "{name: units, parameterType: categorical, feasibleSpace: {list: [a, b]}}"
    ))  # fmt: skip
    short = '  trialTemplate: {command: [echo, "${trialParameters.units}"], env: {LR: "$LR"}}\n'
    short = short.replace("$LR", USED[0])
    template = load(tmp_path, text + short).template
    made = template.render("t", {"lr": "1", "units": "${trialParameters.lr} 'x' \\1"})
    assert made.argv == ("echo", "${trialParameters.lr} 'x' \\1")


def test_changes_from_outside(tmp_path: Path) -> None:
    changes = [
        "spec.maxTrialCount=20",
        "spec.parameters[1].feasibleSpace.max=128",
        "spec.earlyStopping.algorithmName=medianstop",
        "spec.trialTemplate.trialSpec.metadata.labels.team=nlp",
    ]
    loaded = load(tmp_path, HEAD + JOB, changes=changes)
    spec = loaded.document["spec"]
    assert spec["maxTrialCount"] == "20"
    assert spec["parameters"][1]["feasibleSpace"]["max"] == "128"
    assert spec["earlyStopping"] == {"algorithmName": "medianstop"}
    assert "-nlp" in loaded.template.render("t", {"lr": "1", "units": "1"}).argv[4]


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = (
        (HEAD + JOB).replace("type: maximize", "type: max").replace("reference: lr", "reference: l")
    )
    text = text.replace('trialParameters.hidden}"\n', 'trialParameters.hiden}"\n', 1)
    text = text.replace("Labels[team]", "Labels[teams]")
    text += "  metricsCollectorSpec: {collector: {kind: File}, source: {filter: {metricsFormat: "
    text += "['(', 'a(b)']}}}\n  maxTrialCount: 0\n  parallel: 3\n"
    found = problems(
        tmp_path, text, changes=["spec.parameters[7].name=x", "nonsense"], command=None
    )
    lines = text.splitlines()

    def at(fragment: str) -> int:
        return next(n for n, line in enumerate(lines, 1) if fragment in line)

    collector = f"experiment.yaml:{at('kind: File')}: spec.metricsCollectorSpec"
    parameters = "spec.trialTemplate.trialParameters"
    expected = [
        "--set spec.parameters[7].name=x: there is no spec.parameters[7].name",
        "--set: must be FIELD=VALUE, got 'nonsense'",
        f"experiment.yaml:{at('type: max')}: spec.objective.type: must be one",
        f"experiment.yaml:{at('maxTrialCount')}: spec.maxTrialCount: must be a whole number, "
        "at least 1, got '0'",
        f"experiment.yaml:{at('parallel: 3')}: spec.parallel: unknown field",
        f"{collector}: kind File needs",
        f"{collector}.source.filter.metricsFormat[0]: must be a regular expression",
        f"{collector}.source.filter.metricsFormat[1]: needs two groups",
        f"experiment.yaml:{at('reference: l}')}: {parameters}[0].reference: must be a parameter",
        f"experiment.yaml:{at('teams')}: {parameters}[3].reference: must name one of",
        f"experiment.yaml:{at('hiden')}: spec.trialTemplate.trialSpec.spec.template.spec.containers"
        "[1].args[1]: must name a trial parameter (learningRate, hidden, me, team), got "
        "${trialParameters.hiden}",
    ]
    for line in expected:
        assert [one for one in found if one.startswith(line)], (line, found)
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("{}", "needs a trialSpec or a command, got neither"),
        ("{trialSpec: {kind: Job}}", "must hold a pod with containers, got none"),
        ("{trialSpec: {containers: [{name: a, command: [x]}]}, primaryContainerName: b}",
         "must name a container of the trialSpec (a), got 'b'"),
        ("{configMap: {configMapName: c}}", "lives in a cluster"),
        ("{trialSpec: {containers: [{name: a, image: i, env: ENV}]}}", "has no command"),
        ("{trialSpec: {containers: [{name: a, args: ARGS}]}}", "has no command"),
        ("{trialSpec: {containers: [{name: a, command: x}]}}", "must be a list, got 'x'"),
        ("{trialSpec: {containers: [{command: [x], env: [{value: 1}]}]}}", "name is required"),
        ("{command: [x, '${trialParameters.foo}']}", "must name a trial parameter (lr, units)"),
        ("{command: [x, '${trialSpec.Foo}']}", "must be ${trialSpec.X} with X one of"),
        ("{command: 'x \"y'}", "No closing quotation"),
        ("{comand: x}", "unknown field"),
    ],
)  # fmt: skip
def test_wrong_templates(tmp_path: Path, template: str, rule: str) -> None:
    env = json.dumps([{"name": f"P{i}", "value": word} for i, word in enumerate(USED)])
    template = template.replace("ENV", env).replace("ARGS", json.dumps(USED))
    found = problems(tmp_path, f"{HEAD}  trialTemplate: {template}\n")
    assert any(rule in line for line in found), found


def test_docker_needs_an_image(tmp_path: Path) -> None:
    text = HEAD + "  trialTemplate: {command: [x]}\n"
    (found,) = problems(tmp_path, text, image=True)
    assert "a runtime of containers needs an image" in found
    args_only = HEAD + f"  trialTemplate: {{image: i, args: {json.dumps(USED)}}}\n"
    made = load(tmp_path, args_only, image=True)
    assert not made.template.render("t", {"lr": "1", "units": "2"}).commanded


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("--log=/katib/mnist.log", "--log=/here/mnist.log"),
        ("/katib/mnist.log", "/here/mnist.log"),
        ("a=/katib/mnist.log,b=/katib/mnist.log", "a=/here/mnist.log,b=/here/mnist.log"),
        ("/katib/mnist.log.old", "/katib/mnist.log.old"),
        ("/my/katib/mnist.log", "/my/katib/mnist.log"),
        ("open('/katib/mnist.log')", "open('/here/mnist.log')"),
    ],
)
def test_paths_of_the_container(word: str, result: str) -> None:
    before = Invocation((word,), {"LOG": word}, None, "")
    after = moved(before, [("/katib/mnist.log", "/here/mnist.log")])
    assert (after.argv, after.env) == ((result,), {"LOG": result})


def test_the_root_is_not_replaced() -> None:
    before = Invocation(("ls", "/", "a b/c"), {"X": "/y"}, None, "")
    assert moved(before, [("/", "/here"), ("//", "/there")]) == before


def test_the_file_is_yaml_with_anchors(tmp_path: Path) -> None:
    assert yaml.safe_load(HEAD + JOB)["kind"] == "Experiment"
    pods = f"{{a: &pod {{containers: [{{name: c, command: {json.dumps(USED)}}}]}}, b: *pod}}"
    text = HEAD + f"  trialTemplate: {{trialSpec: {{spec: {pods}}}}}\n"
    assert load(tmp_path, text).template.render("t", VALUES).argv == ("1", "2")


SCRIPT = """
read -r -d '' SCRIPT << EOM

def train():
    print("loss=${trialParameters.x}")

train()
EOM
printf "%s" "$SCRIPT" > "train.py"
python train.py
"""


@pytest.mark.parametrize(
    ("words", "own"),
    [
        (("bash", "-c", SCRIPT), True),
        (("bash", "-c", 'printf "%s" "$SCRIPT" > train.py; torchrun train.py'), True),
        (("bash", "-c", 'printf "%s" "$SCRIPT" > $program_path/ephemeral_objective.py'), False),
        (("python", "train.py"), False),
        (("bash", "-c", "cat > 'train.py' << E\nprint(1)\nE\npython -u train.py"), True),
        (("bash", "-c", "echo a=1 > config.py; python train.py >> log; python train.py"), False),
        (("bash", "-c", "cat > /tmp/train.py; python /tmp/train.py"), False),
    ],
)
def test_a_script_of_kubeflows_sdk_does_not_overwrite_the_source(
    tmp_path: Path, words: tuple[str, ...], own: bool
) -> None:
    """It is written to a file named like the user's source, into the working directory."""
    made = support.document([*words, "${trialParameters.x}"])
    loaded = document.load(support.write(tmp_path, made))
    collector = collectors.collector(loaded.collector, ("loss",))
    space = TrialWorkspace(tmp_path / "d", "study", loaded.template, collector, loaded.folder)
    trial = Trial(0, "study-1", {"x": "0.5"}, {}, [])
    cwd = space.launch(trial, Slot(0), {}).cwd
    assert cwd == (space.files(trial).folder if own else tmp_path)
