"""`suggest convert`: files as users of other systems have them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from suggestion.cli.main import main
from suggestion.client import document
from tests.support.files import text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

STUDY_2018 = """
name: cifar10
owner: root
optimizationtype: 2
suggestalgorithm: random
autostopalgorithm: median
objectivevaluename: Validation-accuracy
optimizationgoal: 0.99
scheduler: gang
image: mxnet/python
mount: {pvc: nfs, path: /nfs-mnt}
pullsecret: key
gpu: 1
suggestionparameters:
  - {name: SuggestionNum, value: 6}
  - {name: MaxParallel, value: 2}
  - {name: Colour, value: blue}
autostopparameters:
  - {name: LeastStep, value: 7}
command: [python, train_cifar10.py, --batch-size=512]
metrics: [accuracy, Validation-accuracy]
parameterconfigs:
  configs:
    - {name: --lr, parametertype: 1, feasible: {min: 0.03, max: 0.07}}
    - {name: --layers, parametertype: 2, feasible: {min: 3, max: 30}}
    - {name: --batch, parametertype: 3, feasible: {list: [16, 32]}}
    - {name: --optimizer, parametertype: 4, feasible: {list: [sgd, on, 0.10, null]}}
"""
LOOP = """{{- with .HyperParameters}}
                  {{- range .}}
                  - "{{.Name}}={{.Value}}"
                  {{- end}}
                  {{- end}}"""
TEMPLATE = f"""
        rawTemplate: |-
          apiVersion: batch/v1
          kind: Job
          metadata:
            name: {{{{.Trial}}}}
            namespace: {{{{.NameSpace}}}}
          spec:
            template:
              spec:
                containers:
                - name: {{{{.Trial}}}}
                  image: mnist
                  command:
                  - "python"
                  - "--log=/train/{{{{.Trial}}}}"
                  {LOOP}
                restartPolicy: Never
"""
ALPHA_3 = f"""
apiVersion: kubeflow.org/v1alpha3
kind: Experiment
metadata: {{namespace: kubeflow, name: old}}
spec:
  parallelTrialCount: 3
  maxTrialCount: 12
  maxFailedTrialCount: 3
  objective:
    type: maximize
    goal: 0.99
    objectiveMetricName: Validation-accuracy
    additionalMetricNames: [accuracy]
  algorithm:
    algorithmName: hyperband
    algorithmSettings:
      - {{name: resource_name, value: "--epochs"}}
      - {{name: r_l, value: "27"}}
  parameters:
    - {{name: --lr, parameterType: double, feasibleSpace: {{min: "0.01", max: "0.03"}}}}
    - {{name: --epochs, parametertype: int, feasibleSpace: {{min: "1", max: "27"}}}}
  trialTemplate:
    retain: true
    goTemplate:{TEMPLATE}
"""
ALPHA_1 = f"""
apiVersion: "kubeflow.org/v1alpha1"
kind: StudyJob
metadata: {{name: older}}
spec:
  studyName: older
  owner: crd
  optimizationtype: maximize
  objectivevaluename: accuracy
  optimizationgoal: 0.99
  requestcount: 4
  metricsnames: [accuracy, loss]
  parameterconfigs:
    - {{name: --lr, parametertype: double, feasible: {{min: "0.01", max: "0.05"}}}}
  workerSpec:
    goTemplate:{TEMPLATE.replace(".Trial", ".WorkerID").replace("{{.NameSpace}}", "kubeflow")}
  suggestionSpec: {{suggestionAlgorithm: random, requestNumber: 3}}
"""
SWEEP = """
program: train.py
method: bayes
name: My Sweep
metric: {name: val_loss, goal: minimize, target: 0.1}
run_cap: 30
early_terminate: {type: hyperband, min_iter: 3}
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 0.1}
  decay: {distribution: log_uniform, min: 0, max: 1}
  epochs: {min: 3, max: 9}
  width: {distribution: q_uniform, min: 10, max: 95, q: 10}
  optimizer:
    parameters:
      name: {values: [adam, sgd]}
  batch: {values: [16, 32, 64]}
  seed: {value: 7}
  noise: {distribution: normal, mu: 1.0, sigma: 0.5}
"""
NNI = {
    "conv": {
        "_type": "choice",
        "_value": [
            {"_name": "Empty"},
            {"_name": "Conv", "size": {"_type": "randint", "_value": [1, 8]}},
        ],
    },
    "lr": {"_type": "loguniform", "_value": [0.0001, 0.1]},
    "batch": {"_type": "choice", "_value": [16, 32]},
    "width": {"_type": "quniform", "_value": [100, 1000, 100]},
}
VIZIER = {
    "displayName": "My Study",
    "maxTrialCount": 9,
    "studySpec": {
        "metrics": [{"metricId": "accuracy", "goal": "MAXIMIZE"}],
        "algorithm": "RANDOM_SEARCH",
        "medianAutomatedStoppingSpec": {"useElapsedDuration": True},
        "parameters": [
            {
                "parameterId": "optimizer",
                "categoricalValueSpec": {"values": ["sgd", "adam"]},
                "conditionalParameterSpecs": [
                    {
                        "parentCategoricalValues": {"values": ["sgd"]},
                        "parameterSpec": {
                            "parameterId": "momentum",
                            "doubleValueSpec": {"maxValue": 0.9},
                        },
                    }
                ],
            },
            {
                "parameterId": "lr",
                "scaleType": "UNIT_LOG_SCALE",
                "doubleValueSpec": {"minValue": 0.001, "maxValue": 1.0, "defaultValue": 0.1},
            },
            {"parameterId": "units", "integerValueSpec": {"minValue": "1", "maxValue": "64"}},
            {"parameterId": "batch", "discreteValueSpec": {"values": [16.0, 32.0]}},
        ],
    },
}
RAY = """
from ray import tune

config = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "units": tune.randint(1, 65),
    "inner": {"momentum": tune.uniform(lower=0.1, upper=0.9), "k": tune.qrandint(2, 10, 2)},
    "batch": tune.choice([2 ** 4, 2 ** 5]),
    "act": tune.grid_search(["relu", "tanh"]),
    "seed": 7,
}
"""


class Converted:
    def __init__(self, done: Result) -> None:
        self.done = done
        self.data: Any = yaml.safe_load(done.stdout) if done.stdout else None

    @property
    def spec(self) -> Any:
        return self.data["spec"]

    @property
    def parameters(self) -> dict[str, tuple[str, dict[str, Any]]]:
        listed = self.spec["parameters"]
        return {p["name"]: (p["parameterType"], p["feasibleSpace"]) for p in listed}


def convert(folder: Path, name: str, content: Any, *options: str, status: int = 0) -> Converted:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    done = CliRunner().invoke(main, ["convert", str(path), *options], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return Converted(done)


def test_the_file_of_2018(tmp_path: Path) -> None:
    made = convert(tmp_path, "study.yaml", STUDY_2018)
    spec = made.spec
    assert made.data["metadata"] == {"name": "cifar10"}
    assert spec["objective"] == {
        "type": "maximize",
        "goal": 0.99,
        "objectiveMetricName": "Validation-accuracy",
        "additionalMetricNames": ["accuracy"],
    }
    assert spec["algorithm"] == {"algorithmName": "random"}
    assert spec["earlyStopping"] == {
        "algorithmName": "medianstop",
        "algorithmSettings": [{"name": "start_step", "value": "7"}],
    }
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == (6, 2)
    assert made.parameters == {
        "--lr": ("double", {"min": "0.03", "max": "0.07"}),
        "--layers": ("int", {"min": "3", "max": "30"}),
        "--batch": ("discrete", {"list": ["16", "32"]}),
        "--optimizer": ("categorical", {"list": ["sgd", "on", "0.10", "null"]}),
    }
    pod = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert pod["schedulerName"] == "gang"
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "nfs"}
    (container,) = pod["containers"]
    assert container["command"] == ["python", "train_cifar10.py", "--batch-size=512"]
    assert container["args"][0] == "--lr=${trialParameters.lr}"
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 1}}
    told = made.done.stderr
    assert "note: owner: has no counterpart here, got 'root'" in told
    assert "suggestionparameters[2]: the setting 'Colour', 'blue', has no counterpart" in told
    assert told.count("note:") == 2


@pytest.mark.parametrize("source", [ALPHA_1, ALPHA_3], ids=["v1alpha1", "v1alpha3"])
def test_go_templates_of_the_alpha_versions(tmp_path: Path, source: str) -> None:
    made = convert(tmp_path, "old.yaml", source)
    kept = {"namespace": "kubeflow"} if source is ALPHA_3 else {}
    assert made.data["metadata"] == {"name": made.data["metadata"]["name"], **kept}
    template = made.spec["trialTemplate"]
    assert "metadata" not in template["trialSpec"]
    (container,) = template["trialSpec"]["spec"]["template"]["spec"]["containers"]
    assert container["name"] == template["primaryContainerName"] == "training-container"
    words = [f"{p['name']}=${{trialParameters.{p['name'][2:]}}}" for p in made.spec["parameters"]]
    assert container["command"] == ["python", "--log=/train/${trialSpec.Name}", *words]
    assert made.spec["maxTrialCount"] == 12
    assert made.spec["parallelTrialCount"] == 3


NETWORK_3 = """
apiVersion: kubeflow.org/v1alpha3
kind: Experiment
metadata: {name: net}
spec:
  objective: {type: maximize, objectiveMetricName: accuracy}
  algorithm:
    algorithmName: enas
  maxTrialCount: 3
  trialTemplate:
    goTemplate:
      rawTemplate: |-
        apiVersion: batch/v1
        kind: Job
        metadata: {name: "{{.Trial}}"}
        spec:
          template:
            spec:
              containers:
              - name: "{{.Trial}}"
                image: example.com/net
                command:
                - python
                {{- with .HyperParameters}}
                {{- range .}}
                - "--{{.Name}}={{.Value}}"
                {{- end}}
                {{- end}}
              restartPolicy: Never
  nasConfig:
    graphConfig: {numLayers: 2, inputSizes: [32], outputSizes: [10]}
    operations:
    - operationType: pooling
      parameters:
      - {name: size, parameterType: categorical, feasibleSpace: {list: ["2", "3"]}}
"""
NETWORK_1 = """
apiVersion: kubeflow.org/v1alpha1
kind: StudyJob
metadata: {name: net}
spec:
  owner: crd
  optimizationtype: maximize
  objectivevaluename: accuracy
  requestcount: 3
  nasConfig:
    graphConfig: {numLayers: 2, inputSize: [32], outputSize: [10]}
    operations:
    - operationType: pooling
      parameterconfigs:
      - {name: size, parametertype: categorical, feasible: {list: ["2", "3"]}}
  workerSpec:
    goTemplate:
      rawTemplate: |-
        apiVersion: batch/v1
        kind: Job
        metadata: {name: "{{.WorkerID}}"}
        spec:
          template:
            spec:
              containers:
              - name: "{{.WorkerID}}"
                image: example.com/net
                command:
                - python
                {{- with .HyperParameters}}
                {{- range .}}
                - "--{{.Name}}={{.Value}}"
                {{- end}}
                {{- end}}
              restartPolicy: Never
  suggestionSpec:
    suggestionAlgorithm: nasrl
    suggestionParameters:
    - {name: skip-target, value: "0.3"}
    - {name: lstm_num_layers, value: "1"}
"""


@pytest.mark.parametrize("source", [NETWORK_1, NETWORK_3], ids=["v1alpha1", "v1alpha3"])
def test_architectures_of_the_alpha_versions(tmp_path: Path, source: str) -> None:
    made = convert(tmp_path, "old.yaml", source)
    (container,) = made.spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    names = ("architecture", "nn_config")
    words = [f"--{name}=${{trialParameters.{name}}}" for name in names]
    assert container["command"] == ["python", *words]
    assert made.spec["nasConfig"] == {
        "graphConfig": {"numLayers": 2, "inputSizes": [32], "outputSizes": [10]},
        "operations": [
            {
                "operationType": "pooling",
                "parameters": [
                    {
                        "name": "size",
                        "parameterType": "categorical",
                        "feasibleSpace": {"list": ["2", "3"]},
                    }
                ],
            }
        ],
    }
    algorithm = made.spec["algorithm"]
    assert algorithm["algorithmName"] == "enas"
    if source is NETWORK_1:
        setting = {"name": "controller_skip_target", "value": "0.3"}
        assert algorithm["algorithmSettings"] == [setting]
        assert "the setting 'lstm_num_layers', '1', has no counterpart" in made.done.stderr
        assert "note: spec.owner: has no counterpart here, got 'crd'" in made.done.stderr
        assert made.done.stderr.count("note:") == 2


def test_settings_of_the_search_before_enas(tmp_path: Path) -> None:
    settings = '[{name: skip-weight, value: "0.5"}, {name: optimizer, value: adam}]'
    old = f"algorithmName: nasrl\n    algorithmSettings: {settings}"
    made = convert(tmp_path, "old.yaml", NETWORK_3.replace("algorithmName: enas", old))
    setting = {"name": "controller_skip_weight", "value": "0.5"}
    assert made.spec["algorithm"] == {"algorithmName": "enas", "algorithmSettings": [setting]}
    assert "spec.algorithm.algorithmSettings: the setting 'optimizer' has no" in made.done.stderr


def test_what_darts_of_an_alpha_version_hands_to_a_trial(tmp_path: Path) -> None:
    source = NETWORK_3.replace("algorithmName: enas", "algorithmName: darts")
    template = convert(tmp_path, "old.yaml", source).spec["trialTemplate"]
    names = [parameter["reference"] for parameter in template["trialParameters"]]
    assert names == ["algorithm-settings", "search-space", "num-layers"]


def test_a_grid_of_2018_has_as_many_values_as_it_says(tmp_path: Path) -> None:
    made = convert(
        tmp_path,
        "study.yaml",
        """
name: g
optimizationtype: 1
suggestalgorithm: grid
autostopalgorithm: none
objectivevaluename: loss
suggestionparameters:
- {name: GridDefault, value: 3}
- {name: --lr, value: 4}
command: [python, train.py]
parameterconfigs:
  configs:
  - {name: --lr, parametertype: 1, feasible: {min: 0.03, max: 0.07}}
  - {name: --rate, parametertype: 1, feasible: {min: 0, max: 1}}
  - {name: --layers, parametertype: 2, feasible: {min: 1, max: 3}}
""",
    )
    assert made.parameters["--lr"] == (
        "double",
        {"min": "0.03", "max": "0.07", "step": "0.013333333333"},
    )
    assert made.parameters["--rate"] == ("double", {"min": "0.0", "max": "1.0", "step": "0.5"})
    assert "earlyStopping" not in made.spec
    assert "the step of its grid, 4 values, is 0.013333333333" in made.done.stderr
    assert made.done.stderr.count("note:") == 1


def test_v1alpha2_names_and_what_is_left_of_a_template(tmp_path: Path) -> None:
    source = ALPHA_3.replace("v1alpha3", "v1alpha2").replace("MetricName", "MetricsName")
    source = source.replace("additionalMetricNames", "additionalMetricsNames")
    made = convert(tmp_path, "old.yaml", source)
    assert made.spec["objective"]["objectiveMetricName"] == "Validation-accuracy"
    assert made.spec["objective"]["additionalMetricNames"] == ["accuracy"]
    other = ALPHA_3.replace("- name: {{.Trial}}", "- name: {{ if .Big }}a{{ end }}")
    told = convert(tmp_path, "old.yaml", other).done.stderr
    assert "spec.trialTemplate.goTemplate.rawTemplate: the Go template has" in told
    assert "trialTemplate: the file has none; it is python train.py" in told


def test_a_sweep(tmp_path: Path) -> None:
    made = convert(tmp_path, "sweep.yaml", SWEEP)
    assert made.data["metadata"]["name"] == "my-sweep"
    assert made.spec["algorithm"] == {"algorithmName": "bayesianoptimization"}
    assert made.spec["objective"]["goal"] == 0.1
    assert made.spec["maxTrialCount"] == 30
    parameters = made.parameters
    lr = {"min": "0.0001", "max": "0.1", "distribution": "logUniform"}
    assert parameters["lr"] == ("double", lr)
    assert parameters["decay"][1]["max"] == "2.718281828459045"
    assert parameters["epochs"] == ("int", {"min": "3", "max": "9"})
    assert parameters["width"] == ("int", {"min": "10", "max": "90", "step": "10"})
    assert parameters["optimizer.name"] == ("categorical", {"list": ["adam", "sgd"]})
    assert parameters["batch"] == ("discrete", {"list": ["16", "32", "64"]})
    noise = {"min": "-0.5", "max": "2.5", "distribution": "normal"}
    assert parameters["noise"] == ("double", noise)
    command = made.spec["trialTemplate"]["command"]
    assert command[:3] == ["python", "train.py", "--lr=${trialParameters.lr}"]
    assert command[-1] == "--seed=7"
    assert "early_terminate: there is no such rule here" in made.done.stderr
    assert "parameters.noise: the normal distribution is cut at 3" in made.done.stderr


def test_what_a_sweep_says_of_one_over_x_and_of_constants(tmp_path: Path) -> None:
    sweep = """
method: random
parameters:
  a: {distribution: inv_log_uniform, min: 0, max: 1}
  b: {distribution: inv_log_uniform_values, min: 0.1, max: 1.0}
  epochs: {value: 10}
"""
    made = convert(tmp_path, "sweep.yaml", sweep, "--name", "s", "--trials", "3")
    a = {"min": "0.36787944117144233", "max": "1.0", "distribution": "logUniform"}
    assert made.parameters["a"] == ("double", a)  # log(1/X) lies between min and max
    b = {"min": "0.1", "max": "1.0", "distribution": "logUniform"}
    assert made.parameters["b"] == ("double", b)
    assert "parameters.epochs: is constant, and no parameter: add '10'" in made.done.stderr
    made = convert(tmp_path, "sweep.yaml", f"{sweep}program: t.py\n")
    assert made.spec["trialTemplate"]["command"][-1] == "--epochs=10"
    assert "is constant" not in made.done.stderr


def test_a_search_space_of_nni(tmp_path: Path) -> None:
    made = convert(tmp_path, "search_space.json", NNI, "--maximize", "--metric", "acc")
    assert made.parameters == {
        "conv": ("categorical", {"list": ["Empty", "Conv"]}),
        "conv.Conv.size": ("int", {"min": "1", "max": "7"}),
        "lr": ("double", {"min": "0.0001", "max": "0.1", "distribution": "logUniform"}),
        "batch": ("discrete", {"list": ["16", "32"]}),
        "width": ("double", {"min": "100.0", "max": "1000.0", "step": "100.0"}),
    }
    settings = made.spec["algorithm"]["algorithmSettings"]
    assert settings == [{"name": "conditions", "value": "`conv.Conv.size` if conv == 'Conv'"}]
    assert made.spec["objective"] == {"type": "maximize", "objectiveMetricName": "acc"}


def test_an_experiment_of_nni(tmp_path: Path) -> None:
    file = {
        "experimentName": "mnist",
        "trialConcurrency": 2,
        "maxTrialNumber": 10,
        "searchSpace": NNI,
        "trialCommand": "python3 mnist.py",
        "tuner": {"name": "TPE", "classArgs": {"optimize_mode": "maximize"}},
        "trainingService": {"platform": "local"},
    }
    made = convert(tmp_path, "config.yml", file)
    assert made.spec["algorithm"]["algorithmName"] == "tpe"
    assert made.spec["objective"]["type"] == "maximize"
    assert (made.spec["maxTrialCount"], made.spec["parallelTrialCount"]) == (10, 2)
    assert "trainingService: has no counterpart" in made.done.stderr


def test_a_study_spec_of_vizier(tmp_path: Path) -> None:
    made = convert(tmp_path, "job.json", VIZIER, "--command", "python t.py")
    assert made.parameters == {
        "optimizer": ("categorical", {"list": ["sgd", "adam"]}),
        "momentum": ("double", {"min": "0.0", "max": "0.9"}),
        "lr": ("double", {"min": "0.001", "max": "1.0", "distribution": "logUniform"}),
        "units": ("int", {"min": "1", "max": "64"}),
        "batch": ("discrete", {"list": ["16", "32"]}),
    }
    settings = made.spec["algorithm"]["algorithmSettings"]
    assert settings == [{"name": "conditions", "value": "momentum if optimizer in ('sgd')"}]
    assert made.spec["earlyStopping"] == {"algorithmName": "medianstop"}
    assert "defaultValue: write it as an initial point, got '0.1'" in made.done.stderr


def test_what_a_study_spec_says_of_conditions_and_of_its_end(tmp_path: Path) -> None:
    child = {"parameterId": "c", "doubleValueSpec": {"maxValue": 1}}
    below = {"parentDiscreteValues": {"values": [16.0]}, "parameterSpec": child}
    parent = {"parameterId": "n", "discreteValueSpec": {"values": [16.0, 32.0]}}
    ending = {"maxNumTrials": 50, "maxNumTrialsNoProgress": 3}
    spec: dict[str, Any] = {"parameters": [{**parent, "conditionalParameterSpecs": [below]}]}
    spec |= {"studyStoppingConfig": ending}
    made = convert(tmp_path, "study.json", spec)
    assert made.spec["maxTrialCount"] == 50
    assert (
        "note: studyStoppingConfig.maxNumTrialsNoProgress: has no counterpart" in made.done.stderr
    )
    (setting,) = made.spec["algorithm"]["algorithmSettings"]
    assert setting == {"name": "conditions", "value": "c if n in (16.0)"}
    empty = {**below, "parentDiscreteValues": {}}
    broken = [{**parent, "conditionalParameterSpecs": [empty]}, {"parameterId": "x"}]
    told = convert(tmp_path, "study.json", {"parameters": broken}, status=1).done.output
    assert "conditionalParameterSpecs[0]: must have values of the parent, got none" in told
    assert "parameters[1]: must have one of doubleValueSpec, " in told


def test_metrics_of_a_study_spec_with_thresholds(tmp_path: Path) -> None:
    safety = {"safetyThreshold": 0.25, "desiredMinSafeTrialsFraction": 0.5}
    metrics: list[dict[str, Any]] = [
        {"metricId": "latency", "goal": "MINIMIZE", "safetyConfig": safety},
        {"metricId": "accuracy", "goal": "MAXIMIZE"},
        {"metricId": "model-size", "goal": "MINIMIZE"},
        {"metricId": "recall", "goal": "MAXIMIZE", "safetyConfig": {}},
    ]
    ranges = {"minValue": 0.0, "maxValue": 1.0}
    parameters = [
        {"parameterId": name, "doubleValueSpec": ranges, "scaleType": "UNIT_LINEAR_SCALE"}
        for name in ("x", "y")
    ]
    spec = {"algorithm": "RANDOM_SEARCH", "metrics": metrics, "parameters": parameters}
    made = convert(tmp_path, "v.json", spec)
    assert made.spec["objective"]["objectiveMetricName"] == "accuracy"
    settings = {e["name"]: e["value"] for e in made.spec["algorithm"]["algorithmSettings"]}
    assert settings == {
        "objectives": "`model-size`: minimize",
        "metric_constraints": "latency <= 0.25; recall >= 0",
    }
    assert "metrics[0].safetyConfig.desiredMinSafeTrialsFraction: has no" in made.done.stderr
    del safety["desiredMinSafeTrialsFraction"]
    metrics[3]["safetyConfig"] = {"safetyThreshold": 0.0}
    again = convert(tmp_path, "e.yaml", made.done.stdout, "--to", "vizier").data
    assert sorted(again.pop("metrics"), key=str) == sorted(metrics, key=str)
    assert again == {"algorithm": "RANDOM_SEARCH", "parameters": parameters}
    strict = made.done.stdout.replace("recall >= 0", "recall > 0; recall < 1")
    told = convert(tmp_path, "e.yaml", strict, "--to", "vizier").done.stderr
    assert "note: recall: its bound itself is safe there" in told
    assert "note: recall: a metric has one role there; recall < 1 is lost" in told
    single = convert(tmp_path, "v.json", {**spec, "algorithm": "CMA_ES"})
    assert single.spec["algorithm"] == {"algorithmName": "cmaes"}
    assert "metrics: cmaes takes one metric; latency, model-size, recall" in single.done.stderr


def test_another_algorithm_keeps_what_is_optimised(tmp_path: Path) -> None:
    settings = {"gamma": "0.3", "objectives": "time: minimize"}
    listed = [{"name": name, "value": value} for name, value in settings.items()]
    section = {"algorithmName": "tpe", "algorithmSettings": listed}
    changes = {"spec.algorithm": section, "spec.objective.additionalMetricNames": ["time"]}
    made = convert(tmp_path, "e.yaml", text(changes), "--algorithm", "random")
    assert made.spec["algorithm"] == {
        "algorithmName": "random",
        "algorithmSettings": listed[1:],
    }
    assert "algorithm settings: of tpe, left out: gamma" in made.done.stderr


def test_hints_of_a_study_spec_are_not_lost_unsaid(tmp_path: Path) -> None:
    parameters = [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}]
    metrics = [{"metricId": "loss", "goal": "MINIMIZE"}]
    spec = {"metrics": metrics, "parameters": parameters, "observationNoise": "HIGH"}
    made = convert(tmp_path, "v.json", spec)
    assert "note: observationNoise: has no counterpart here, got 'HIGH'" in made.done.stderr


def test_a_program_with_ray_tune_is_not_run(tmp_path: Path) -> None:
    made = convert(tmp_path, "tuned.py", f"{RAY}\nraise SystemExit(3)\n")
    assert made.parameters == {
        "lr": ("double", {"min": "0.0001", "max": "0.1", "distribution": "logUniform"}),
        "units": ("int", {"min": "1", "max": "64"}),
        "inner/momentum": ("double", {"min": "0.1", "max": "0.9"}),
        "inner/k": ("int", {"min": "2", "max": "10", "step": "2"}),
        "batch": ("discrete", {"list": ["16", "32"]}),
        "act": ("categorical", {"list": ["relu", "tanh"]}),
    }
    assert "seed: is constant, and no parameter: '7'" in made.done.stderr


def test_a_program_with_its_own_names_for_ray_tune(tmp_path: Path) -> None:
    program = """
from ray import tune as t
from ray.tune import choice as pick
LOW, twice = 1e-3, 1
HIGH = 0.5
space = dict(lr=t.loguniform(0.01, HIGH), act=pick(["relu", "tanh"]), inner=dict(k=t.randint(1, 3)))
"""
    made = convert(tmp_path, "tuned.py", program)
    assert made.parameters == {
        "lr": ("double", {"min": "0.01", "max": "0.5", "distribution": "logUniform"}),
        "act": ("categorical", {"list": ["relu", "tanh"]}),
        "inner/k": ("int", {"min": "1", "max": "2"}),
    }
    unknown = "from ray import tune\ndef space(low):\n  return {'x': tune.uniform(low, 1)}"
    told = convert(tmp_path, "tuned.py", unknown, status=1).done.output
    assert "x: arguments must be literals, arithmetic with them or a short range" in told
    nested = "from ray import tune\nspace = {'x': tune.uniform(0, 1), 'y': [tune.uniform(0, 1)]}"
    told = convert(tmp_path, "tuned.py", nested, status=1).done.output
    assert "y: must be a domain by itself, got '[ray.tune.uniform(0, 1)]'" in told


def test_constants_of_a_program_are_literals_of_a_bounded_size(tmp_path: Path) -> None:
    odd = "from ray import tune\nODD = {[1]: 2}\nspace = {'x': tune.uniform(0, 1)}"
    assert list(convert(tmp_path, "tuned.py", odd).parameters) == ["x"]
    listed = ", ".join(f"'p{k}': tune.choice(MANY)" for k in range(900))
    large = f"from ray import tune\nMANY = {[*range(2000)]}\nspace = {{{listed}}}"
    told = convert(tmp_path, "tuned.py", large, status=1).done.output
    assert "line 3: constants must have at most 100000 parts, where they are written out" in told
    assert "got 'MANY'" in told


def test_a_search_space_alone_takes_no_options_of_an_experiment(tmp_path: Path) -> None:
    for system in ("optuna", "nni", "raytune"):
        told = convert(tmp_path, "e.yaml", text({}), "--to", system).done.stderr
        assert "hold" in told
        left = "name, objective, algorithm, maxTrialCount, parallelTrialCount, trialTemplate"
        assert f"only a search space; left out are {left}\n" in told
        option = ("--to", system, "--trials", "3")
        told = convert(tmp_path, "e.yaml", text({}), *option, status=1).done.output
        assert f"--to {system} writes a search space only; leave out --trials" in told


def test_an_experiment_of_nni_names_the_file_of_its_space(tmp_path: Path) -> None:
    file = "searchSpaceFile: space.json\ntrialCommand: python t.py\n"
    told = convert(tmp_path, "config.yml", file, status=1).done.output
    assert "searchSpaceFile: convert the file that it names" in told


def test_ray_tune_in_yaml(tmp_path: Path) -> None:
    source = "lr: tune.uniform(0, 1)\nbatch: {grid_search: [1, 2]}\n"
    made = convert(tmp_path, "space.yaml", source, "--trials", "4")
    assert made.parameters == {
        "lr": ("double", {"min": "0.0", "max": "1.0"}),
        "batch": ("discrete", {"list": ["1", "2"]}),
    }
    bad = "lr: 'tune.sample_from(lambda spec: 1)'\nb: tune.uniform(low, 1)\n"
    told = convert(tmp_path, "space.yaml", bad, status=1).done.output
    assert "lr: a function of the user's cannot be read" in told
    assert "b: arguments must be literals" in told


def test_distributions_of_optuna(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    of = optuna.distributions
    space = {
        "lr": of.FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": of.FloatDistribution(0.0, 0.5, step=0.1),
        "units": of.IntDistribution(1, 64),
        "act": of.CategoricalDistribution(("relu", "tanh")),
    }
    file = {name: of.distribution_to_json(made) for name, made in space.items()}
    made = convert(tmp_path, "space.json", file)
    assert made.parameters["dropout"] == ("double", {"min": "0.0", "max": "0.5", "step": "0.1"})
    again = convert(tmp_path, "e.yaml", made.done.stdout, "--to", "optuna").data
    assert {name: of.json_to_distribution(text) for name, text in again.items()} == space


# ------------------------------------------------------------------------ the other way


def test_an_optimization_job_there_and_back(tmp_path: Path) -> None:
    made = convert(tmp_path, "e.yaml", text({}), "--to", "optimizationjob")
    trainer = made.spec["trainJobTemplate"]["spec"]["trainer"]
    assert trainer["command"] == ["python", "train.py"]
    assert trainer["args"] == ["$(KUBEFLOW_TRAINER_OPT_LR)", "$(KUBEFLOW_TRAINER_OPT_UNITS)"]
    units = {"uniform": {"min": "1", "max": "9", "type": "Int"}}
    assert made.spec["parameters"][1] == {"name": "units", "searchSpace": units}
    back = convert(tmp_path, "job.yaml", made.done.stdout)
    assert back.parameters["units"] == ("int", {"min": "1", "max": "9"})
    (tmp_path / "back.yaml").write_text(back.done.stdout)
    loaded = document.load(tmp_path / "back.yaml")
    invocation = loaded.template.render("t", {"lr": "0.1", "units": "3"})
    assert invocation.argv == ("python", "train.py", "0.1", "3")
    assert "the file has none" not in back.done.stderr


def test_what_a_list_of_steps_loses(tmp_path: Path) -> None:
    feasible = {"min": "1", "max": "64", "step": "9", "distribution": "logUniform"}
    parameter = {"name": "x", "parameterType": "int", "feasibleSpace": feasible}
    source = text({"spec.parameters[0]": parameter, "spec.trialTemplate": {"command": "t"},
                   "spec.maxTrialCount": ..., "spec.parallelTrialCount": 200})  # fmt: skip
    for system in ("optimizationjob", "vizier"):
        told = convert(tmp_path, "e.yaml", source, "--to", system).done.stderr
        assert "note: x: its steps become a list of values, equally probable" in told
    made = convert(tmp_path, "e.yaml", source, "--to", "optimizationjob")
    assert (made.spec["numTrials"], made.spec["parallelTrials"]) == (100, 100)
    assert "maxTrialCount: is 100, the most that there can be, got no end" in made.done.stderr
    assert "parallelTrialCount: is 100, got 200" in made.done.stderr


def test_fields_without_an_effect_are_named(tmp_path: Path) -> None:
    listed = {"min": "1", "max": "9", "list": ["1", "2"]}
    ranged = {"list": ["a", "b"], "step": "1", "distribution": "normal"}
    kinds = (("lr", "int", listed), ("units", "categorical", ranged))
    parameters = [
        {"name": name, "parameterType": kind, "feasibleSpace": feasible}
        for name, kind, feasible in kinds
    ]
    told = convert(tmp_path, "e.yaml", text({"spec.parameters": parameters})).done.stderr
    assert "spec.parameters[0].feasibleSpace.list: has no effect on int" in told
    assert "spec.parameters[1].feasibleSpace.step: has no effect on categorical" in told
    assert "feasibleSpace.distribution: values are equally probable, got 'normal'" in told


def test_what_is_around_the_container_of_an_experiment_is_kept_or_named(tmp_path: Path) -> None:
    own = {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    resources = {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}
    container: dict[str, Any] = {
        "name": "c",
        "image": "i",
        "command": ["t", "${trialParameters.lr}"],
    }
    container |= {"env": [own, {"name": "LR", "value": "x${trialParameters.units}"}]}
    container |= {"resources": resources, "volumeMounts": [{"name": "data", "mountPath": "/d"}]}
    pod = {"containers": [container], "volumes": [{"name": "data"}]}
    around = {"backoffLimit": 0, "completions": 1, "template": {"spec": pod}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"labels": {"a": "b"}}}
    job |= {"spec": around}
    template = {"primaryContainerName": "c", "trialSpec": job, "trialParameters": [
        {"name": "lr", "reference": "lr"}, {"name": "units", "reference": "units"}]}  # fmt: skip
    source = text({"spec.trialTemplate": template})
    made = convert(tmp_path, "e.yaml", source, "--to", "optimizationjob")
    assert made.spec["trainJobTemplate"]["spec"]["trainer"] == {
        "image": "i",
        "command": ["t", "$(KUBEFLOW_TRAINER_OPT_LR)"],
        "env": [own, {"name": "LR", "value": "x$(KUBEFLOW_TRAINER_OPT_UNITS)"}],
        "resourcesPerNode": resources,
    }
    swept = convert(tmp_path, "e.yaml", source, "--to", "wandb").done.stderr
    for told in (made.done.stderr, swept):
        assert "note: spec.trialTemplate.trialSpec.metadata: is left out" in told
        assert "note: spec.trialTemplate.trialSpec.spec.completions: is left out" in told
        assert "backoffLimit" not in told  # one attempt, as elsewhere
        assert "note: spec.trialTemplate.trialSpec.spec.template.spec.volumes: is left out" in told
        assert "note: trialTemplate: volumeMounts: a " in told
    assert "note: trialTemplate: env: a sweep has nothing like it" in swept


def test_the_short_form_and_names_that_differ_in_case_in_an_optimization_job(
    tmp_path: Path,
) -> None:
    command = "t --lr=${trialParameters.lr} --rate=${trialParameters.LR}"
    parameters = [
        {"name": n, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
        for n in ("lr", "LR")
    ]
    changes = {"spec.trialTemplate": {"command": command, "env": {"A": "1"}},
               "spec.parameters": parameters}  # fmt: skip
    made = convert(tmp_path, "e.yaml", text(changes), "--to", "optimizationjob")
    trainer = made.spec["trainJobTemplate"]["spec"]["trainer"]
    assert trainer["env"] == [{"name": "A", "value": "1"}]
    assert trainer["command"][1:] == [
        "--lr=$(KUBEFLOW_TRAINER_OPT_LR)",
        "--rate=$(KUBEFLOW_TRAINER_OPT_LR_2)",
    ]
    back = convert(tmp_path, "job.yaml", made.done.stdout)
    assert [*back.parameters] == ["lr", "LR_2"]


@pytest.mark.parametrize(
    ("algorithm", "seed", "search", "told"),
    [
        ("random", "7", {"random": {"seed": 7}}, ""),
        ("random", "x", {"random": {}}, "a seed is left out, got 'x'"),
        ("grid", "7", {"grid": {}}, "a seed is left out, got '7'"),
    ],
)
def test_the_seed_of_an_optimization_job(
    tmp_path: Path, algorithm: str, seed: str, search: Any, told: str
) -> None:
    settings = [{"name": "random_state", "value": seed}]
    section = {"algorithmName": algorithm, "algorithmSettings": settings}
    source = text({"spec.algorithm": section})
    made = convert(tmp_path, "e.yaml", source, "--to", "optimizationjob")
    assert made.spec["searchAlgorithm"] == search
    assert told in made.done.stderr
    assert ("a seed" in made.done.stderr) == bool(told)


def test_a_sweep_there_and_back(tmp_path: Path) -> None:
    command = {"spec.trialTemplate": {"command": "python train.py --lr=${trialParameters.lr}"
               " --units=${trialParameters.units} --log"}}  # fmt: skip
    made = convert(tmp_path, "e.yaml", text(command), "--to", "wandb")
    assert made.data["program"] == "train.py"
    assert made.data["command"] == ["python", "${program}", "${args}", "--log"]
    back = convert(tmp_path, "sweep.yaml", made.done.stdout)
    template = back.spec["trialTemplate"]["command"]
    assert template[:3] == ["python", "train.py", "--lr=${trialParameters.lr}"]


def test_every_example_becomes_a_file_for_a_cluster(tmp_path: Path) -> None:
    short = EXAMPLES / "short-form.yaml"
    made = convert(tmp_path, "e.yaml", short.read_text(), "--to", "katib")
    assert made.spec["trialTemplate"]["trialSpec"]["kind"] == "Job"
    assert "cluster:" not in made.done.stderr
    assert "put your image in place of" in made.done.stderr


def test_an_experiment_stays_what_it_is(tmp_path: Path) -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        made = convert(tmp_path, "e.yaml", path.read_text())
        before = yaml.load(path.read_text(), yaml.BaseLoader)
        after = yaml.load(made.done.stdout, yaml.BaseLoader)
        for spec in (before["spec"], after["spec"]):
            for parameter in spec.get("parameters", ()):
                feasible = parameter["feasibleSpace"]
                if parameter["parameterType"] == "double":
                    feasible |= {k: float(v) for k, v in feasible.items() if k in ("min", "max")}
            spec["algorithm"].get("algorithmSettings", []).sort(key=lambda entry: entry["name"])
        assert after["spec"] == before["spec"], path


def test_a_space_of_architectures(tmp_path: Path) -> None:
    """Its sizes are numbers, as a cluster wants them; systems without such spaces get no file."""
    content = (EXAMPLES / "nas-enas.yaml").read_text()
    made = convert(tmp_path, "e.yaml", content, "--to", "katib")
    graph = {"numLayers": 4, "inputSizes": [64], "outputSizes": [10]}
    assert made.spec["nasConfig"]["graphConfig"] == graph
    assert "cluster:" not in made.done.stderr
    for system in ("optuna", "nni", "raytune", "optimizationjob", "vizier", "wandb"):
        told = convert(tmp_path, "e.yaml", content, "--to", system, status=1).done
        assert f"spec.nasConfig: --to must be one of experiment, katib, got {system}" in told.stderr
        assert not told.stdout


# ------------------------------------------------------------------------ what is wrong


def test_what_validate_refuses_is_said(tmp_path: Path) -> None:
    grid = SWEEP.replace("bayes", "grid")
    told = convert(tmp_path, "sweep.yaml", grid, status=1).done.stderr
    assert "error: the result:" in told
    assert "suggest validate refuses the result" in told


def test_all_broken_parameters_at_once(tmp_path: Path) -> None:
    broken = STUDY_2018.replace("max: 0.07", "max: 0.01").replace("list: [16, 32]", "list: [a]")
    told = convert(tmp_path, "study.yaml", broken, status=1).done.output
    assert "configs[0]: parameter '--lr': min must not exceed max" in told
    assert "configs[2]: parameter '--batch': list entries of a discrete parameter" in told


def test_strict_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    convert(tmp_path, "sweep.yaml", SWEEP, "--strict", "--output", str(out), status=1)
    assert not out.exists()
    convert(tmp_path, "sweep.yaml", SWEEP, "--output", str(out))
    assert document.load(out).document["metadata"]["name"] == "my-sweep"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "a: [1"),
        ("a.yaml", "x: 1"),
        ("a.yaml", ""),
        ("a.yaml", "- 1"),
        ("a.json", "{"),
        ("a.yaml", "a: &a [*a]"),
        ("a.yaml", "!!python/object/apply:os.system [x]"),
        ("a.py", "def ("),
        ("a.py", "x = {}"),
        ("a.yaml", "method: random\nparameters: 3"),
        ("a.yaml", "method: random\nparameters: {x: 3}"),
        ("a.yaml", "x: {_type: choice, _value: 3}"),
        ("a.yaml", "x: {_type: [], _value: {}}"),
        ("a.yaml", "parameterconfigs: []"),
        ("a.yaml", "kind: OptimizationJob\nspec: {parameters: [{}], trainJobTemplate: 3}"),
        ("a.yaml", "apiVersion: kubeflow.org/v1alpha1"),
        ("a.yaml", "x: tune.uniform(1)"),
        ("a.yaml", "x: tune.choice(9 ** 9 ** 9)"),
        ("a.json", '{"studySpec": {"parameters": [{"parameterId": 3, "doubleValueSpec": 4}]}}'),
        ("a.json", '{"x": {"name": "FloatDistribution", "attributes": 7}}'),
        ("a.yaml", "x: tune.randint(1, 'a')"),
        ("a.yaml", "x: tune.choice(range(10 ** 14))"),
    ],
)
def test_no_file_ends_in_a_traceback(tmp_path: Path, name: str, content: str) -> None:
    done = convert(tmp_path, name, content, status=1).done
    assert "Error:" in done.output or "refuses the result" in done.output


@pytest.mark.parametrize("target", ["experiment", "katib", "optimizationjob", "wandb", "vizier"])
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"spec.trialTemplate": ["x"]}, "spec.trialTemplate: must be a mapping"),
        ({"spec.metricsCollectorSpec": "x"}, "spec.metricsCollectorSpec: must be a mapping"),
        ({"spec.objective.goal": "x"}, "spec.objective.goal: must be a finite number, got 'x'"),
        (
            {"spec.trialTemplate.trialParameters": [{"name": "lr"}]},
            "spec.trialTemplate.trialParameters[0]: reference is required",
        ),
        (
            {"spec.trialTemplate": {"trialSpec": {"containers": [{"command": "x"}]}}},
            "spec.trialTemplate.trialSpec.containers[0].command: must be a list",
        ),
    ],
    ids=["template", "collector", "goal", "reference", "container"],
)
def test_fields_of_a_wrong_shape_are_named(
    tmp_path: Path, target: str, change: Any, rule: str
) -> None:
    told = convert(tmp_path, "e.yaml", text(change), "--to", target, status=1).done.output
    assert rule in told


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("x: {_type: randint, _value: [1, b]}", "x: parameter 'x': max must be"),
        ("x: {_type: randint, _value: [null, 3]}", "x: parameter 'x': min must be"),
        (
            """x: {_type: choice, _value: [{_name: "'\\"", y: {_type: normal, _value: [0, 1]}}]}""",
            "x: a text of a condition must not have both kinds of quotation marks",
        ),
        (
            "method: random\nparameters: {x: {distribution: log_uniform, min: 1, max: 3000}}",
            "parameters.x: parameter 'x': max must be a finite number",
        ),
        (
            "method: random\nparameters: {x: {distribution: log_uniform, min: a, max: 3}}",
            "parameters.x: parameter 'x': min must be a finite number, got 'a'",
        ),
    ],
    ids=["end", "begin", "quotes", "exponent", "text"],
)
def test_numbers_that_are_none_are_named(tmp_path: Path, content: str, rule: str) -> None:
    assert rule in convert(tmp_path, "a.yaml", content, status=1).done.output


def test_yaml_that_is_dedented(tmp_path: Path) -> None:
    source = textwrap.dedent(SWEEP)
    made = convert(tmp_path, "sweep.yaml", source, "--from", "wandb", "--name", "other")
    assert made.data["metadata"]["name"] == "other"
