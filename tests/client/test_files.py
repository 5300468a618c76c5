"""Experiment files: what is said of a wrong one, here and by a cluster, before anything is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suggestion.client import algorithm_check, document
from suggestion.client.manifest import Severity
from tests.support.files import CONTAINER, GOOD, JOB, text


def found(
    tmp_path: Path, content: str | dict[str, Any], severity: Severity, **more: Any
) -> list[str]:
    """What is found in a file, as ``field: text``."""
    path = tmp_path / "e.yaml"
    path.write_text(content if isinstance(content, str) else text(content))
    examined = algorithm_check.check(document.examine(path, **more), always=True)
    return [f"{each.field}: {each.text}" for each in examined.of(severity)]


def test_nothing_is_said_of_a_good_file(tmp_path: Path) -> None:
    for severity in Severity:
        assert found(tmp_path, {}, severity) == []


# ----------------------------------------------------------- parameters reach the program


@pytest.mark.parametrize(
    ("argument", "slip"),
    [
        ("{{trialParameters.rate}}", "{{trialParameters.rate}}"),
        ("--lr={{ .trialParameters.rate }}", "{{ .trialParameters.rate }}"),
        ("$rate", "$rate"),
        ("--lr ${rate}", "${rate}"),
        ("$(rate)", "$(rate)"),
        ("{rate}", "{rate}"),
        ("${trialParameter.rate}", "${trialParameter.rate}"),
        ("${trialparameters.Rate}", "${trialparameters.Rate}"),
        ("${hyperParameters.lr}", "${hyperParameters.lr}"),
        ("${ trialParameters.rate }", "${ trialParameters.rate }"),
        ("${trialParameters['rate']}", "${trialParameters['rate']}"),
        ("${trialParameters[rate]}", "${trialParameters[rate]}"),
        ("--lr=trialParameters.rate", "trialParameters.rate"),
        ("$((rate))", "$((rate))"),
        ("--lr=%rate%", "%rate%"),
        ("@rate@", "@rate@"),
        ("[[rate]]", "[[rate]]"),
    ],
)
def test_a_likely_slip_is_named(tmp_path: Path, argument: str, slip: str) -> None:
    (line,) = found(tmp_path, {f"{CONTAINER}.args[0]": argument}, Severity.ERROR)
    assert line == (
        f"{CONTAINER}.args[0]: parameter 'lr' is not used by the trial template; did you mean "
        f"${{trialParameters.rate}} where {slip!r} stands?"
    )


@pytest.mark.parametrize("mark", ["", "'"])
def test_a_name_of_two_words_in_a_command(tmp_path: Path, mark: str) -> None:
    command = (
        f"python t.py {mark}${{trialParameters.learning rate}}{mark} ${{trialParameters.units}}"
    )
    changes = {
        "spec.parameters[0].name": "learning rate",
        "spec.trialTemplate": {"command": command},
    }
    lines = found(tmp_path, changes, Severity.ERROR)
    assert len(lines) == (not mark)
    assert all("learning rate} is more than one word; write it in quot" in line for line in lines)


@pytest.mark.parametrize(
    ("written", "slip"),
    [
        ("{{ trialParameters.lr }}", "{{ trialParameters.lr }}"),
        ("{{ .Values.lr }}", "{{ .Values.lr }}"),
        ("${ trialParameters.lr }", "${ trialParameters.lr }"),
        ("%lr%", "%lr%"),
        ("trialParameters.lr", "trialParameters.lr"),
    ],
)
@pytest.mark.parametrize("option", [False, True])
def test_a_slip_that_a_shell_splits(tmp_path: Path, written: str, slip: str, option: bool) -> None:
    command = f"python train.py --lr {written} --units ${{trialParameters.units}}"
    template = {"spec.trialTemplate": {"command": "x" if option else command}}
    (line,) = found(tmp_path, template, Severity.ERROR, command=command if option else None)
    assert f"did you mean ${{trialParameters.lr}} where '{slip}' stands?" in line


def test_values_under_distribution(tmp_path: Path) -> None:
    """As ``search.categorical`` of kubeflow-katib 0.19 writes them."""
    feasible = {"spec.parameters[0].feasibleSpace": {"distribution": ["a", "b"]}}
    (line,) = found(tmp_path, feasible, Severity.ERROR)
    assert "feasibleSpace.distribution: must be one of uniform, " in line
    assert "got a list; values belong under list." in line
    assert "feasible_space=V1beta1FeasibleSpace(list=[...])" in line


def test_a_value_that_reaches_no_program(tmp_path: Path) -> None:
    (line,) = found(tmp_path, {f"{CONTAINER}.args[0]": "0.1"}, Severity.ERROR)
    assert line.startswith("spec.parameters[0].name: parameter 'lr' is not used by the trial")
    elsewhere = {
        f"{CONTAINER}.args[0]": "0.1",
        f"{JOB}.initContainers": [{"name": "a", "args": ["${trialParameters.rate}"]}],
    }
    (line,) = found(tmp_path, elsewhere, Severity.ERROR)
    assert f"used only in {JOB}.initContainers[0].args[0], which has no effect" in line
    # Whoever asks for suggestions alone may have it anywhere.
    assert found(tmp_path, elsewhere, Severity.ERROR, runs=False) == []


SHORT = {"spec.trialTemplate": {"command": "sh -c 'echo loss=1'"}}


def test_a_command_for_this_machine_may_use_no_parameter_at_all(tmp_path: Path) -> None:
    assert found(tmp_path, SHORT, Severity.ERROR) == []
    assert "uses no parameter" in found(tmp_path, SHORT, Severity.NOTE)[0]
    for command in ("echo {{lr}}", "echo $lr", "echo ${trialParameters.units}"):
        changes = {"spec.trialTemplate": {"command": command}}
        assert "parameter 'lr' is not used" in "".join(found(tmp_path, changes, Severity.ERROR))
    # One that was begun with an older version goes on.
    assert found(tmp_path, changes, Severity.ERROR, begun=True) == []


# ----------------------------------------------------------------- kinds of objects

TRAINER = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "spec": {
        "runtimeRef": {"name": "torch"},
        "trainer": {
            "numNodes": 2,
            "command": ["python", "t.py", "${trialParameters.rate}"],
            "args": ["--units=${trialParameters.units}"],
            "env": [{"name": "A", "value": "1"}],
            "resourcesPerNode": {"limits": {"nvidia.com/gpu": "2"}},
        },
        "podTemplateOverrides": [{"spec": {"containers": [{"name": "node"}]}}],
    },
}
WORKFLOW = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "spec": {"templates": [{"container": {"args": ["${trialParameters.rate}"]}}]},
}


def load(tmp_path: Path, changes: dict[str, Any], **more: Any) -> document.Loaded:
    path = tmp_path / "e.yaml"
    path.write_text(text(changes))
    return document.load(path, **more)


def test_a_train_job(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "spec.trialTemplate.trialSpec": TRAINER,
        "spec.trialTemplate.primaryContainerName": "node",
    }
    template = load(tmp_path, changes).template
    made = template.render("t", {"lr": "0.1", "units": "2"})
    assert made.argv == ("python", "t.py", "0.1", "--units=2")
    assert (made.env, template.gpus) == ({"A": "1"}, 2)
    changes["spec.trialTemplate.trialSpec"] = {**TRAINER, "spec": {"runtimeRef": {"name": "x"}}}
    (line,) = found(tmp_path, changes, Severity.ERROR)
    assert "spec.trainer: has no command" in line


def test_an_object_without_a_pod_runs_on_a_cluster_only(tmp_path: Path) -> None:
    changes = {"spec.trialTemplate.trialSpec": WORKFLOW}
    (line,) = found(tmp_path, changes, Severity.ERROR)
    assert "a trial of kind Workflow runs on a cluster only; --command can stand in" in line
    command = "python t.py ${trialParameters.rate} ${trialParameters.units}"
    made = load(tmp_path, changes, command=command).template
    assert made.render("t", {"lr": "1", "units": "2"}).argv == ("python", "t.py", "1", "2")


def test_what_runs_steps_in_a_cluster_has_no_primary_pod(tmp_path: Path) -> None:
    pod = {"spec": {"containers": [{"name": "main", "command": ["x", "${trialParameters.rate}"]}]}}
    for version, kind in (
        ("ray.io/v1", "RayJob"),
        ("tekton.dev/v1", "PipelineRun"),
        ("argoproj.io/v1alpha1", "Workflow"),
    ):
        spec = {"apiVersion": version, "kind": kind, "spec": {"template": pod}}
        (line,) = found(tmp_path, {"spec.trialTemplate.trialSpec": spec}, Severity.ERROR)
        assert f"a trial of kind {kind} runs on a cluster only; --command can stand in" in line


def test_fields_of_the_short_form_do_not_stand_beside_an_object(tmp_path: Path) -> None:
    changes = {"spec.trialTemplate.command": "python other.py"}
    assert found(tmp_path, changes, Severity.ERROR) == [
        "spec.trialTemplate.command: has no effect beside a trialSpec or configMap"
    ]


# ------------------------------------------------------------------ fields of the file


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"spec.maxTrialcount": 3}, "spec.maxTrialcount: unknown field; .*did you mean maxTrialC"),
        ({"metadata.nmae": "x"}, "metadata.nmae: unknown field; .*did you mean name?"),
        ({"sepc": {}}, "sepc: unknown field; .*did you mean spec?"),
        ({"spec.parallelTrialCount": 10**12}, "spec.parallelTrialCount: must be at most 10000"),
        ({"spec.maxTrialCount": "9" * 5000}, "spec.maxTrialCount: must be at most 2147483647"),
        ({"spec.nasConfig": {"graphConfig": {}}}, "spec.nasConfig: .*or a nasConfig, got both"),
        ({"spec.algorithm.algorithmName": "randm"}, "algorithmName: .*did you mean 'random'?"),
        ({"spec.earlyStopping": {"algorithmName": "median"}}, "earlyStopping.algorithmName: .*is "
         "not installed; there is asha, hyperband, medianstop, percentilestop; "
         "did you mean 'medianstop'"),
        ({"spec.objective.objectiveMetricName": "val/loss"}, "cannot match 'val/loss'; give a "
         r"metricsFormat in spec.metricsCollectorSpec.*, such as '\(val/loss\)"),
    ],
)  # fmt: skip
def test_a_wrong_field(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    import re  # noqa: PLC0415

    (only,) = found(tmp_path, changes, Severity.ERROR)
    assert re.search(line, only), only


def test_the_list_of_algorithms_has_no_early_stopping_rules(tmp_path: Path) -> None:
    (line,) = found(tmp_path, {"spec.algorithm.algorithmName": "x"}, Severity.ERROR)
    assert "random" in line
    assert "medianstop" not in line


def test_all_errors_come_in_one_round(tmp_path: Path) -> None:
    changes = {
        "spec.objective.type": "max",
        "spec.parameters[0].feasibleSpace.min": "0.5",
        "spec.parameters[1].parameterType": "integer",
        "spec.algorithm": {
            "algorithmName": "tpe",
            "algorithmSettings": [
                {"name": "n_startup"},
                {"name": "gama", "value": "3"},
                {"name": "gamma", "value": "-1"},
            ],
        },
        "spec.earlyStopping": {
            "algorithmName": "medianstop",
            "algorithmSettings": [{"name": "start_step", "value": "no"}],
        },
    }
    lines = found(tmp_path, changes, Severity.ERROR)
    settings = "spec.algorithm.algorithmSettings"
    assert {line.split(": ")[0] for line in lines} == {
        "spec.objective.type",
        f"{settings}[0]",
        f"{settings}[1].name",
        f"{settings}[2].value",
        "spec.parameters[0].feasibleSpace.min",
        "spec.parameters[1].parameterType",
        "spec.earlyStopping.algorithmSettings[0].value",
    }, lines


def test_nulls_are_absent_fields(tmp_path: Path) -> None:
    nulls = [
        "spec.objective.goal",
        "spec.objective.additionalMetricNames",
        "spec.objective.metricStrategies",
        "spec.algorithm.algorithmSettings",
        "spec.earlyStopping",
        "spec.maxFailedTrialCount",
        "spec.resumePolicy",
        "spec.nasConfig",
        "spec.metricsCollectorSpec",
        "spec.parameters[0].feasibleSpace.step",
        "spec.parameters[0].feasibleSpace.list",
        "spec.parameters[0].feasibleSpace.distribution",
        "spec.trialTemplate.configMap",
        "spec.trialTemplate.command",
        "metadata.namespace",
        "status",
    ]
    for severity in Severity:
        assert found(tmp_path, dict.fromkeys(nulls), severity) == []
    in_job = dict.fromkeys((f"{CONTAINER}.workingDir", f"{CONTAINER}.env"))
    assert found(tmp_path, in_job, Severity.ERROR) == []
    assert len(found(tmp_path, in_job, Severity.CLUSTER)) == 2
    (line,) = found(tmp_path, {"spec.algorithm": None}, Severity.ERROR)
    assert line == "spec: algorithm is required"


def test_a_null_on_the_command_line_removes_a_field(tmp_path: Path) -> None:
    changes = ["spec.maxTrialCount=null", "spec.objective.goal=null", ".metadata.labels.a=null"]
    path = tmp_path / "e.yaml"
    path.write_text(text({}))
    made = document.load(path, changes).document
    assert "maxTrialCount" not in made["spec"]
    assert made["spec"]["objective"] == GOOD["spec"]["objective"]
    assert "labels" not in made["metadata"]


@pytest.mark.parametrize("command", ["python \udc80 ${trialParameters.lr}", "a\0b"])
def test_a_command_that_no_program_can_be_given(tmp_path: Path, command: str) -> None:
    (line,) = found(tmp_path, {}, Severity.ERROR, command=command)
    assert "must be text that UTF-8 can hold, without NUL, got " in line


def test_what_a_cluster_accepts(tmp_path: Path) -> None:
    changes = {
        "metadata": {"generateName": "tune-"},
        "spec.parameters[0].feasibleSpace.distribution": "unknown",
        f"{CONTAINER}.env": [{"name": "EMPTY"}],
    }
    loaded = load(tmp_path, changes)
    assert loaded.document["metadata"]["name"] == "tune"
    assert loaded.template.render("t", {"lr": "1", "units": "1"}).env == {"EMPTY": ""}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("maxTrialCount=3", "no field maxTrialCount; did you mean spec.maxTrialCount?"),
        ("goal=1", "no field goal; did you mean spec.objective.goal?"),
        ("spec.maxTrialcount=3", "did you mean spec.maxTrialCount?"),
        ("maxtrialcount=3", "did you mean spec.maxTrialCount?"),
        ("parameters[0].feasibleSpace.max=3", "did you mean spec.parameters[0].feasibleSpace.max?"),
        ("spec.parameters[0].feasibleSpace.maximum=3", "did you mean spec.parameters[0].feasible"),
        ("spec.maxTrialCount[0]=3", "no field spec.maxTrialCount[0]"),
        ("spec.algorithm.algorithmSettings.gamma=3", "algorithmSettings.gamma"),
        ("nonsense.field=3", "no field nonsense.field"),
        ("spec..maxTrialCount=3", "must be FIELD=VALUE"),
        ("spec.maxTrialCount.=3", "must be FIELD=VALUE"),
        ("spec.parameters.0.name=x", "no field spec.parameters.0.name"),
        ("spec.objective.additionalMetricNames[0]=x", "there is no spec.objective.additionalMet"),
        ("spec.parameters[0]=null", "there is no spec.parameters[0]"),
        ("spec.trialTemplate.env.A=\udc80", "must be text that UTF-8 can hold"),
        ("spec.parameters[7].name=x", "there is no spec.parameters[7].name"),
        ("=", "must be FIELD=VALUE"),
        ("spec", "must be FIELD=VALUE"),
    ],
)
def test_a_change_of_no_field(tmp_path: Path, change: str, text: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(globals()["text"]({}))
    (error,) = document.examine(path, changes=[change]).errors
    assert text in str(error)
    assert ("did you mean" in text) == ("did you mean" in str(error))


# --------------------------------------------------------------- what a cluster refuses

FILE = {"collector": {"kind": "File"}}


def source(**more: Any) -> dict[str, Any]:
    return {"path": "/m", "kind": "File", "format": "TEXT", **more}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"metadata.name": "a" * 41}, "metadata.name: must have at most 40 characters, got 41"),
        ({"metadata.name": "7x"}, "metadata.name: must begin with a lower-case letter"),
        ({"metadata": {"generateName": "a" * 36}}, "generateName: must have at most 40 ch.*got 41"),
        ({"spec.parallelTrialCount": 4}, "parallelTrialCount: must be at most maxTrialCount, 3"),
        ({"spec.maxFailedTrialCount": 4}, "maxFailedTrialCount: must be at most maxTrialCount, 3"),
        ({"spec.objective.additionalMetricNames": ["loss"]}, "must not hold the objective's"),
        ({"spec.trialTemplate.primaryContainerName": ...}, "needs primaryContainerName"),
        ({"spec.trialTemplate.configMap": {}}, "configMap: must not stand beside trialSpec"),
        ({"spec.trialTemplate.trialParameters[0].name": "ra{te",
          f"{CONTAINER}.args[0]": "${trialParameters.ra{te}"}, "a name without braces"),
        ({"spec.trialTemplate.trialParameters[1].reference": "lr",
          f"{CONTAINER}.args": ["${trialParameters.rate}", "${trialParameters.units}"],
          "spec.parameters": GOOD["spec"]["parameters"][:1]}, "reference: must be there once"),
        ({"spec.trialTemplate.trialParameters": [
            {"name": "rate", "reference": "lr"}, {"name": "units", "reference": "units"},
            {"name": "unused", "reference": "${trialSpec.Name}"}]}, "must be used by the tr"),
        ({f"{JOB}.initContainers": [{"name": "i", "args": ["${trialParameters.x}"]}]},
         r"initContainers\[0\].args\[0\]: must name one of the trialParameters"),
        ({"spec.trialTemplate.trialSpec.metadata": {"name": "x"}}, "metadata.name: must be left o"),
        ({"spec.trialTemplate.trialSpec.metadata": {"namespace": "x"}}, "namespace: must be left"),
        ({"spec.trialTemplate.trialSpec.apiVersion": ...}, "trialSpec: needs apiVersion"),
        ({"spec.trialTemplate.trialSpec.kind": "Mine"}, "needs successCondition, since"),
        ({f"{JOB}.restartpolicy": "Never"}, "no field restartpolicy here; did you mean restartPol"),
        ({f"{CONTAINER}.ports": [{"containerport": 1}]}, "no field containerport here"),
        ({f"{CONTAINER}.args[0]": "${trialParameters.rate}", f"{CONTAINER}.tty": "no"},
         "tty: must be true or false, got the text no"),
        ({f"{CONTAINER}.env": [{"name": "A", "value": 1}]}, "value: must be text, got the whole"),
        ({f"{CONTAINER}.env": None}, "env: must be left out, or not be empty, in a Job, got null"),
        ({f"{CONTAINER}.ports": []}, r"ports: must be left out, .* got \[\]"),
        ({f"{CONTAINER}.workingDir": ""}, "workingDir: must be left out, .* got ''"),
        ({f"{CONTAINER}.tty": False}, "tty: must be left out, .* got false"),
        ({f"{CONTAINER}.resources": {"limits": {"cpu": "1x"}}}, "limits.cpu: must be an amount"),
        ({"spec.metricsCollectorSpec": {"collector": {}}}, "collector: needs kind"),
        ({"spec.metricsCollectorSpec": {**FILE, "source": {"fileSystemPath": source(path="m")}}},
         "path: must be absolute"),
        ({"spec.metricsCollectorSpec": {**FILE, "source": {
            "fileSystemPath": source(kind="Directory")}}}, "kind: must be File"),
        ({"spec.metricsCollectorSpec": {**FILE, "source": {
            "fileSystemPath": source(format="JSON"), "filter": {}}}}, "filter: must be left out"),
        ({"spec.metricsCollectorSpec": {"collector": {"kind": "None"}}}, "replaced by Push"),
        ({"spec.metricsCollectorSpec": {"source": {"filter": {
            "metricsFormat": [r"(?<!val_)(\w+)=(\d+)"]}}}}, "without lookaround"),
        ({"spec.objective.goal": "0.5"}, "goal: must be a number, got the text '0.5'"),
        ({"spec.maxTrialCount": "3"}, "maxTrialCount: must be a whole number, got the text"),
        ({"spec.parameters[0].feasibleSpace.min": 0.1}, "min: must be text, in quotes, got the"),
        ({"spec.parameters[0]": {"name": "lr", "parameterType": "categorical",
                                 "feasibleSpace": {"list": [1, "a"]}}}, r"list\[0\]: must be text"),
        ({"spec.algorithm.algorithmSettings": [{"name": "random_state", "value": 1}]},
         r"algorithmSettings\[0\].value: must be text"),
    ],
)  # fmt: skip
def test_what_a_cluster_refuses(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    """It runs here, and is told."""
    import re  # noqa: PLC0415

    assert found(tmp_path, changes, Severity.ERROR) == []
    lines = found(tmp_path, changes, Severity.CLUSTER)
    assert [each for each in lines if re.search(line, each)], lines


def test_what_is_not_empty_to_a_cluster(tmp_path: Path) -> None:
    changes = {
        f"{CONTAINER}.resources": {
            "limits": {"cpu": ".5", "memory": "1Gi"},
            "requests": {"cpu": None},
        },
        f"{CONTAINER}.securityContext": {"runAsNonRoot": False},
        "spec.trialTemplate.trialSpec.spec.backoffLimit": 0,
    }
    assert found(tmp_path, changes, Severity.CLUSTER) == []


def test_the_short_form_is_one_thing_that_a_cluster_refuses(tmp_path: Path) -> None:
    (line,) = found(tmp_path, SHORT, Severity.CLUSTER)
    assert line.startswith("spec.trialTemplate.command: the short form is for one machine")


def test_scalars_are_what_a_cluster_reads(tmp_path: Path) -> None:
    """Its reader of YAML is Go's: 1e-3 is a number, ``on`` a boolean."""
    plain = text({}).replace("min: '0.1'", "min: 1e-3").replace("name: study", "name: on")
    lines = found(tmp_path, plain, Severity.CLUSTER)
    assert len(lines) == 2
    assert "metadata.name: must be text, in quotes, got the boolean 'on'" in lines
    words = text({"spec.parameters[0]": {"name": "lr", "parameterType": "categorical",
                                         "feasibleSpace": {"list": ["WORD", "b"]}}})  # fmt: skip
    for word in ("y", "N", "1_0.5", "0x1f", "-.inf"):
        (line,) = found(tmp_path, words.replace("WORD", word), Severity.CLUSTER)
        assert "list[0]: must be text, in quotes" in line
    # What the command line has set is not the file's.
    change = ["spec.parameters[0].feasibleSpace.min=0.01", "metadata.name=x"]
    assert found(tmp_path, plain, Severity.CLUSTER, changes=change) == []
